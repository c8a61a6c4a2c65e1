"""Deduplication by key: by URL, by line, by content. Each is map -> exchange by key -> reduce ->
exchange by shard -> decide."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import exact
from corpus.documents import at_hand
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Exclusion, File, Outputs, Task, outputs_named
from pipelines.maps import exchange
from pipelines.maps.decide import Finish, decide_map
from pipelines.maps.shard_tasks import left_out, shard_task, without_rows

MAX_PARTITIONS = 256


class KeyedStep(Protocol):
    """A step that is carried out by `by_key`."""

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """What is exchanged of a batch, rows `rows` (int64) of a shard: a table, and the key of each of its rows,
        uint64[n, 2]."""

    def duplicates(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Of what came to one partition: proposals, and the shard of each (int64)."""


AnyStep = TypeVar("AnyStep")


@dataclasses.dataclass(frozen=True)
class Keys(Generic[AnyStep]):
    """Argument of a map task: emit the keys of a shard's documents into `partitions`."""

    step: AnyStep
    shard: ShardView
    partitions: int

    def without(self, excluded: tuple[Exclusion, ...]) -> Keys[AnyStep]:
        """This task without some of its documents."""
        return dataclasses.replace(self, shard=without_rows(self.shard, excluded))


@dataclasses.dataclass(frozen=True)
class Reduce(Generic[AnyStep]):
    """Argument of a reduce task: the exchange files, the partition to read, and how many shards
    the proposals go to."""

    step: AnyStep
    files: tuple[str, ...]
    partition: int
    shards: int


def emit_keys(argument: Keys[KeyedStep], outputs: Outputs) -> dict[str, Any]:
    """Map: the step's keys of every batch."""
    tables, partitions = [], []
    for rows, batch in views.read(argument.shard):
        with at_hand(batch):
            table, keys = argument.step.keys(rows, batch, argument.shard.number)
        tables.append(table)
        partitions.append(exact.partition_of(keys, argument.partitions))
    if tables:
        partition = np.concatenate(partitions)
        exchange.write(outputs.path("keys.arrow"), pa.concat_tables(tables), partition, argument.partitions)
    return {"documents": sum(len(table) for table in tables)}


def reduce_keys(argument: Reduce[KeyedStep], outputs: Outputs) -> dict[str, Any]:
    """Reduce: the step's duplicates in one partition."""
    found, shard = argument.step.duplicates(exchange.read(argument.files, argument.partition))
    exchange.write(outputs.path("proposals.arrow"), found, shard, argument.shards)
    return {"proposals": found.num_rows}


def by_key(
    context: Context, step: KeyedStep, view: list[ShardView], threshold: str, finish: Finish | None = None
) -> list[ShardView]:
    """The four maps of a dedup by key; see the module. The view with their decisions."""
    partitions = partitions_for(view)
    tasks = [shard_task(s, Keys(step, s, partitions)) for s in view]
    mapped = context.map("keys", emit_keys, tasks, (step, partitions))
    view = left_out(view, mapped)
    proposed = reduce_map(context, reduce_keys, step, outputs_named(mapped, "keys.arrow"), partitions, view)
    return decide_map(context, view, proposed, threshold, finish)


def reduce_map(
    context: Context,
    function: Callable[[Reduce[AnyStep], Outputs], dict[str, Any]],
    step: AnyStep,
    exchanged: list[File],
    partitions: int,
    view: list[ShardView],
) -> list[File]:
    """A reduce task for each partition; the files with its proposals."""
    if not exchanged:
        return []
    files = tuple(file.path for file in exchanged)
    prints = tuple((f"keys {i}", file.hash) for i, file in enumerate(exchanged))
    weight = sum(file.bytes for file in exchanged) // partitions
    tasks = [Task(f"{i:05d}", Reduce(step, files, i, len(view)), prints, weight) for i in range(partitions)]
    reduced = context.map("reduce", function, tasks, (step, partitions, len(view)))
    return outputs_named(reduced, "proposals.arrow")


def partitions_for(shard_views: list[ShardView]) -> int:
    """How many partitions an exchange of these shards' keys gets."""
    return max(1, min(len(shard_views), MAX_PARTITIONS))


def keyed(hashes: np.ndarray, addresses: np.ndarray) -> pa.Table:
    """A table of keys, uint64[n, 2], with the documents that have them."""
    return pa.table({"high": hashes[:, 0], "low": hashes[:, 1], "address": addresses})


def hashes_of(table: pa.Table) -> np.ndarray:
    """The keys of such a table."""
    return np.stack([table["high"].to_numpy(), table["low"].to_numpy()], axis=1)
