"""Figures about documents by source and by domain, for a report: counted by the tasks of a map, added up by name, those
with the most shown. Names go to partitions by their hash, so that no task holds those of all the corpus."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.text.urls import domains_of
from pipelines.context import Context
from pipelines.engine import Manifest, Outputs, Task, task_key
from pipelines.maps import exchange as exchanges
from pipelines.maps.exchange import Exchange

COUNTS = "counts.arrow"
"""The output of a task that counts."""
KINDS = ("source", "domain")
MOST_NAMES = 100
"""Sources, and domains, that the report has."""
NAME_BYTES = 64
"""What a document adds to the exchange, about."""


class Counter:
    """Counts in a task. figures: the names of what is counted; hold, partitions: as `exchanges.Writer` has them."""

    def __init__(self, outputs: Outputs, figures: Sequence[str], hold: int, partitions: int):
        self._names, self._partitions = ["kind", "name", *figures], partitions
        integers = [(name, pa.int64()) for name in figures]
        self._schema = pa.schema([("kind", pa.string()), ("name", pa.string()), *integers])
        self._writer = exchanges.Writer(outputs.path(COUNTS), self._schema, hold, partitions)

    def add(self, batch: pa.RecordBatch, figures: Mapping[str, np.ndarray]) -> None:
        """Count the documents of a batch: its figures (int64, by row) by their names."""
        columns = [pa.array(column, pa.int64()) for column in figures.values()]
        found = []
        for kind, names in zip(KINDS, (_column(batch, "source"), domains_of(_column(batch, "url")))):
            kinds = pa.array([kind] * batch.num_rows, pa.string())
            found.append(pa.table([kinds, names, *columns], schema=self._schema))
        counts = _added(pa.concat_tables(found), self._names).sort_by([("kind", "ascending"), ("name", "ascending")])
        places = [zlib.crc32(name.encode()) % self._partitions for name in counts["name"].to_pylist()]
        self._writer.add(counts, np.array(places, np.int64))

    def close(self) -> dict[str, Any]:
        """Complete the file; the counters of the task."""
        self._writer.close()
        return {COUNTS: self._writer.counters()}


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    found = batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
    return pc.fill_null(found.cast(pa.string()), "")


def _added(table: pa.Table, names: list[str]) -> pa.Table:
    """The figures of equal names, added up."""
    added = table.group_by(names[:2]).aggregate([(name, "sum") for name in names[2:]])
    return added.rename_columns([name.removesuffix("_sum") for name in added.column_names]).select(names)


def partitions_for(documents: int, hold: int) -> int:
    """Into how many partitions the names of so many documents go."""
    return exchanges.partitions_for(documents * NAME_BYTES, hold)


class Ranking(NamedTuple):
    """The exchange of counts, and the figures by which names are ranked, the first first."""

    counts: Exchange
    order: tuple[str, ...]


def most(
    context: Context, what: str, counted: Sequence[Manifest], partitions: int, order: tuple[str, ...]
) -> dict[str, list[dict[str, Any]]]:
    """The names of each kind that have the most of the figures that `order` says: a row each, as the tasks of a map
    have counted them."""
    counts = exchanges.gather(context, what, counted, COUNTS, partitions)
    tasks = [Task(task_key(i), i, counts.inputs("counts"), counts.weight()) for i in range(partitions)]
    ranked = context.map("names", rank, tasks, order, Ranking(counts, order))
    return {
        kind: sorted((row for m in ranked for row in m.counters[kind]), key=lambda row: _rank(row, order))[:MOST_NAMES]
        for kind in KINDS
    }


def _rank(row: dict[str, Any], order: Sequence[str]) -> tuple[Any, ...]:
    return (*(-row[name] for name in order), row["name"])


def rank(partition: int, outputs: Outputs, common: Ranking) -> dict[str, Any]:
    """Reduce: of the names in a partition those with the most."""
    found = list(exchanges.pieces(common.counts, partition))
    if not found:
        return {kind: [] for kind in KINDS}
    counts = _added(pa.Table.from_batches(found), found[0].schema.names)
    order = [*((name, "descending") for name in common.order), ("name", "ascending")]
    return {
        kind: counts.filter(pc.equal(counts["kind"], kind))
        .sort_by(order)
        .slice(0, MOST_NAMES)
        .drop_columns(["kind"])
        .to_pylist()
        for kind in KINDS
    }
