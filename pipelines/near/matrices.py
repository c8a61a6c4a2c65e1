"""How many documents of which source, and of which domain, go because of documents of which: counted by group of
shards, added up in one task, and shown for the largest of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.io import shards
from pipelines.engine import File, Outputs

COUNTED = {"sources": "source", "domains": "domain"}
"""Matrices, and the column that each is of."""
LARGEST = 20
"""Names that a matrix shows; the others together."""
MOST_NAMES = 1 << 20
"""Names that are counted at a time, some 100 bytes each. With more in all, those with the least documents are given up,
and with each that goes as many others lose as many documents (Misra and Gries 1982): a name with more than one of
MOST_NAMES of all documents is never missed. What is shown is counted anew, exactly."""
SHOWN = 200
"""Characters of a name that are shown."""

PAIR_SCHEMA = pa.schema(
    [("of", pa.string()), ("dropped", pa.string()), ("kept", pa.string()), ("documents", pa.int64())]
)


class Pairs:
    """Counts of pairs of names: of what goes, and of what it goes because of."""

    def __init__(self) -> None:
        self._found: list[pa.Table] = []

    def add(self, dropped: pa.RecordBatch, kept: pa.Table) -> None:
        """Count documents, a row each, with the kept one of each; both have the columns of COUNTED."""
        if not dropped.num_rows:
            return
        for column in COUNTED.values():
            ones = pa.array(np.ones(dropped.num_rows, np.int64))
            pairs = pa.table({"dropped": dropped.column(column), "kept": kept[column], "documents": ones})
            pairs = _added(pairs, ["dropped", "kept"])
            of = pa.array([column] * pairs.num_rows, pa.string())
            self._found.append(pairs.append_column("of", of).select(PAIR_SCHEMA.names))

    def write(self, path: str) -> None:
        """Write them, in order."""
        keys = PAIR_SCHEMA.names[:3]
        table = _added(pa.concat_tables([PAIR_SCHEMA.empty_table(), *self._found]), keys)
        shards.write_table(path, table.sort_by([(key, "ascending") for key in keys]))


def _added(table: pa.Table, keys: list[str]) -> pa.Table:
    """The documents of equal keys, added up; in the order in which these appear."""
    added = table.group_by(keys, use_threads=False).aggregate([("documents", "sum")])
    return added.rename_columns([name.removesuffix("_sum") for name in added.column_names])


def tally(files: Sequence[File], outputs: Outputs) -> dict[str, Any]:
    """The matrix of sources and that of domains, None of what no document has."""
    return {"matrices": {name: _matrix(files, column) for name, column in COUNTED.items()}}


def _matrix(files: Sequence[File], column: str) -> dict[str, Any] | None:
    """`names`: the largest LARGEST by documents that go, or that others go because of (None: has no name);
    `documents[i][j]`: how many of names[i] go because of one of names[j]. The last row and column are all others."""
    names = _largest(files, column)
    if names.to_pylist() in ([], [None]):
        return None
    matrix = np.zeros((len(names) + 1, len(names) + 1), np.int64)
    for table in _pairs(files, column):
        row, other = (
            pc.fill_null(pc.index_in(table[name], value_set=names), len(names)).to_numpy()
            for name in ("dropped", "kept")
        )
        np.add.at(matrix, (row, other), table["documents"].to_numpy())
    shown = [name if name is None else name[:SHOWN] for name in names.to_pylist()]
    return {"names": shown, "documents": matrix.tolist()}


def _pairs(files: Sequence[File], column: str) -> Iterator[pa.Table]:
    for file in files:
        table = shards.read_table(file.path, file.hash)
        yield table.filter(pc.equal(table["of"], column))


def _largest(files: Sequence[File], column: str) -> pa.Array:
    """The names with the most documents, of equals the first by name."""
    total, waiting = pa.table({"name": pa.array([], pa.string()), "documents": pa.array([], pa.int64())}), []
    for table in _pairs(files, column):
        waiting += [
            table.select([name, "documents"]).rename_columns(total.column_names) for name in ("dropped", "kept")
        ]
        if sum(each.num_rows for each in waiting) > MOST_NAMES:
            total, waiting = _most(_added(pa.concat_tables([total, *waiting]), ["name"]), MOST_NAMES), []
    total = _added(pa.concat_tables([total, *waiting]), ["name"])
    order = [("documents", "descending"), ("name", "ascending")]
    return total.sort_by(order)["name"][:LARGEST].combine_chunks()


def _most(total: pa.Table, most: int) -> pa.Table:
    """So many names at most, by the summary of Misra and Gries: what the first of the others has goes from all."""
    if total.num_rows <= most:
        return total
    counts = total["documents"].to_numpy()
    counts = counts - np.partition(counts, len(counts) - most - 1)[len(counts) - most - 1]
    return total.set_column(1, "documents", pa.array(counts)).filter(pa.array(counts > 0))
