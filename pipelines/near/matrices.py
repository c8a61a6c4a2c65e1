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
_SIDES = ("dropped", "kept")

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
    """The matrix of sources and that of domains, None of what no document has.

    `names`: the largest LARGEST by documents that go, or that others go because of (None: has no name);
    `documents[i][j]`: how many of names[i] go because of one of names[j]. The last row and column are all others.
    """
    totals = {column: _Total() for column in COUNTED.values()}
    for column, table in _pairs(files):
        totals[column].add(table)
    names = {column: total.largest() for column, total in totals.items()}
    counts = {column: np.zeros((len(found) + 1, len(found) + 1), np.int64) for column, found in names.items()}
    for column, table in _pairs(files):
        found = names[column]
        row, other = (pc.fill_null(pc.index_in(table[name], value_set=found), len(found)).to_numpy() for name in _SIDES)
        np.add.at(counts[column], (row, other), table["documents"].to_numpy())
    return {"matrices": {what: _shown(names[column], counts[column]) for what, column in COUNTED.items()}}


def _shown(names: pa.Array, counts: np.ndarray) -> dict[str, Any] | None:
    found = [name if name is None else name[:SHOWN] for name in names.to_pylist()]
    return None if found in ([], [None]) else {"names": found, "documents": counts.tolist()}


def _pairs(files: Sequence[File]) -> Iterator[tuple[str, pa.Table]]:
    """The pairs in each file, by the column that they are of."""
    for file in files:
        table = shards.read_table(file.path, file.hash)
        for column in COUNTED.values():
            yield column, table.filter(pc.equal(table["of"], column))


class _Total:
    """The documents of each name, in bounded memory: see MOST_NAMES."""

    def __init__(self) -> None:
        self._found = pa.table({"name": pa.array([], pa.string()), "documents": pa.array([], pa.int64())})
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, pairs: pa.Table) -> None:
        """Count them, for either of their names."""
        sides = [pairs.select([side, "documents"]).rename_columns(self._found.column_names) for side in _SIDES]
        self._waiting += sides
        self._rows += 2 * pairs.num_rows
        if self._rows > MOST_NAMES:
            self._found, self._waiting, self._rows = _most(self._added(), MOST_NAMES), [], 0

    def _added(self) -> pa.Table:
        return _added(pa.concat_tables([self._found, *self._waiting]), ["name"])

    def largest(self) -> pa.Array:
        """The LARGEST names, those with the most documents first, of equals the first by name."""
        order = [("documents", "descending"), ("name", "ascending")]
        return self._added().sort_by(order)["name"][:LARGEST].combine_chunks()


def _most(total: pa.Table, most: int) -> pa.Table:
    """So many names at most, by the summary of Misra and Gries: what the first of the others has goes from all."""
    if total.num_rows <= most:
        return total
    counts = total["documents"].to_numpy()
    place = len(counts) - most - 1
    counts = counts - np.partition(counts, place)[place]
    return total.set_column(1, "documents", pa.array(counts)).filter(pa.array(counts > 0))
