"""Deduplication by key: by URL, by line, by content. Each is map -> exchange by key -> reduce ->
exchange by group of shards -> decide. Where the key is a hash of text that is not exchanged with it, a map
that sends the text of what stays stands before the last (`compared`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import exact
from corpus.documents import at_hand
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Exclusion, Manifest, Outputs, Task, fingerprint, task_key
from pipelines.maps import compared
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSALS, Finish, ProposalWriter, decide_map
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group

KEYS = "keys.arrow"


class KeyedStep(Protocol):
    """A step that is carried out by `by_key`."""

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """What is exchanged of a batch, rows `rows` (int64) of a shard: a table that `keyed` has made, with what
        further columns it needs, and the key of each of its rows, uint64[n, 2]."""

    def duplicates(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Of all that has some of the keys: proposals, and the shard of each (int64)."""


class ComparedStep(compared.Compares, Finish, Protocol):
    """A step that is carried out by `by_compared_key`; what it finishes are matches (`compared.equal`)."""

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """As of a `KeyedStep`."""

    def matches(self, table: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
        """Of all that has some of the keys: matches (`compared.matches`), and further counters of the task."""


AnyStep = TypeVar("AnyStep")


@dataclasses.dataclass(frozen=True)
class Keys(Generic[AnyStep]):
    """Argument of a map task: emit the keys of some shards' documents into `partitions`; hold no more than `hold`
    bytes of them."""

    step: AnyStep
    group: Group
    partitions: int
    hold: int

    def without(self, excluded: tuple[Exclusion, ...]) -> Keys[AnyStep]:
        """This task without some of its documents."""
        return dataclasses.replace(self, group=self.group.without(excluded))


class Reduction(NamedTuple):
    """What all reduce tasks share: the step; the exchange, of which each reads the partition that is its argument, in
    so many splits; to which groups, by their first shards, what they find goes; how many bytes they hold. `known`:
    shards, ascending, that no group has and that are before all others (int64)."""

    step: Any
    exchange: Exchange
    splits: int
    firsts: np.ndarray
    hold: int
    known: np.ndarray


def emit_keys(argument: Keys[KeyedStep | ComparedStep], outputs: Outputs) -> dict[str, Any]:
    """Map: the step's keys of every batch."""
    writer = None
    for shard, rows, batch in views.read_all(argument.group.shards):
        with at_hand(batch):
            table, keys = argument.step.keys(rows, batch, shard.number)
        if writer is None:
            writer = exchanges.Writer(outputs.path(KEYS), table.schema, argument.hold, argument.partitions)
        writer.add(table, exact.partition_of(keys, argument.partitions))
    if writer is None:
        return {"documents": 0}
    writer.close()
    return {"documents": writer.rows, KEYS: writer.counters()}


def reduce_keys(partition: int, outputs: Outputs, common: Reduction) -> dict[str, Any]:
    """Reduce: the step's duplicates in one partition, whose keys are taken split by split."""
    writer = ProposalWriter(outputs, common.firsts, common.hold)
    for table in _splits(partition, common):
        writer.add(*common.step.duplicates(table))
    return writer.close()


def reduce_matches(partition: int, outputs: Outputs, common: Reduction) -> dict[str, Any]:
    """Reduce: the step's matches in one partition, likewise; `found`: its counters, of each split."""
    writer = compared.MatchWriter(outputs, common.firsts, common.hold)
    found = []
    for table in _splits(partition, common):
        matches, counters = common.step.matches(table)
        writer.add(matches)
        found.append(counters)
    return {**writer.close(), "found": found}


def _splits(partition: int, common: Reduction) -> Iterator[pa.Table]:
    """A partition by its keys, in so many parts."""
    partitions = common.exchange.partitions
    for split in range(common.splits):
        wanted = partition + split * partitions

        def chosen(piece: pa.RecordBatch, wanted: int = wanted) -> np.ndarray:
            return exact.partition_of(hashes_of(piece), partitions * common.splits) == wanted

        yield exchanges.read(common.exchange, partition, chosen if common.splits > 1 else None)


def by_key(
    context: Context,
    step: KeyedStep,
    view: list[ShardView],
    threshold: str,
    finish: Finish | None = None,
    document_bytes: int | None = None,
) -> list[ShardView]:
    """The four maps of a dedup by key; see the module. The view with their decisions. `document_bytes`: what the step
    exchanges for a document, about; what its text has unless it is given."""
    groups, partitions, mapped = _keys_map(context, step, view, document_bytes)
    reduced = reduce_map(context, reduce_keys, step, mapped, partitions, groups)
    proposed = exchanges.gather(context, "reduce", reduced, PROPOSALS, len(groups)) if reduced else None
    return decide_map(context, groups, proposed, threshold, finish)


def by_compared_key(
    context: Context,
    step: ComparedStep,
    view: list[ShardView],
    threshold: str,
    document_bytes: int | None = None,
    counted: bool = False,
) -> tuple[list[ShardView], list[Manifest]]:
    """The maps of a dedup by key whose matches are compared; (the view with their decisions, the manifests of the map
    that finds matches). With `counted` as for `decide_map`."""
    groups, partitions, mapped = _keys_map(context, step, view, document_bytes)
    reduced = reduce_map(context, reduce_matches, step, mapped, partitions, groups)
    proposed, groups = compared.send_map(context, step, reduced, groups)
    return decide_map(context, groups, proposed, threshold, step, counted=counted), reduced


def _keys_map(
    context: Context, step: KeyedStep | ComparedStep, view: list[ShardView], document_bytes: int | None
) -> tuple[list[Group], int, list[Manifest]]:
    """Run the map of keys: (the groups of the view, into how many partitions the keys go, its manifests)."""
    groups = grouping.of_view(view, context.working_bytes)
    expected = sum(document_bytes * shard.documents if document_bytes else shard.text_bytes for shard in view)
    partitions = exchanges.partitions_for(expected, context.working_bytes)
    tasks = [group.task(Keys(step, group, partitions, context.working_bytes)) for group in groups]
    mapped = context.map("keys", emit_keys, tasks, (step, partitions, context.working_bytes))
    return grouping.left_out(groups, mapped), partitions, mapped


def reduce_map(
    context: Context,
    function: Callable[..., dict[str, Any]],
    step: Any,
    mapped: Sequence[Manifest],
    partitions: int,
    groups: list[Group],
    known: Sequence[int] = (),
) -> list[Manifest]:
    """A reduce task for each partition of what a map has exchanged; `known` as for `Reduction`."""
    if not any(KEYS in manifest.outputs for manifest in mapped):
        return []
    exchange = exchanges.gather(context, "keys", mapped, KEYS, partitions)
    firsts, splits = grouping.firsts_of(groups), exchange.splits(context.working_bytes)
    inputs = (*exchange.inputs("keys"), ("groups", fingerprint(firsts.tolist())))
    inputs = (*inputs, ("known", fingerprint(known))) if known else inputs
    tasks = [Task(task_key(i), i, inputs, exchange.weight()) for i in range(partitions)]
    settings = (step, partitions, splits, context.working_bytes)
    common = Reduction(step, exchange, splits, firsts, context.working_bytes, np.array(known, np.int64))
    return context.map("reduce", function, tasks, settings, common)


def keyed(hashes: np.ndarray, addresses: np.ndarray) -> pa.Table:
    """A table of keys, uint64[n, 2], with the documents that have them."""
    return pa.table({"high": hashes[:, 0], "low": hashes[:, 1], "address": addresses})


def hashes_of(table: pa.Table | pa.RecordBatch) -> np.ndarray:
    """The keys of such a table."""
    return np.stack([table["high"].to_numpy(), table["low"].to_numpy()], axis=1)
