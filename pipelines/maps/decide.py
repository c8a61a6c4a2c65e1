"""The last map of every global step: the step's proposals about a group of shards become decisions.

A *proposal* is a row of PROPOSAL_SCHEMA with the number of the shard, as reduce tasks write them into an exchange that
is partitioned by group. The decide task reads its shards through the view, lets the step finish the
proposals of each batch where it needs the text (`finish`), writes the decisions and what they drop,
and accounts for every document.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.documents import DECISION_SCHEMA, DROPPED_SCHEMA, at_hand, dropped_rows, shard_and_row, text_bytes
from corpus.io import shards
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Exclusion, Manifest, Outputs, Unproven
from pipelines.maps import exchange as exchanges
from pipelines.maps import names, removed
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group, group_of
from pipelines.maps.removed import Removed
from pipelines.maps.sinks import Quarantine, Rows
from pipelines.maps.step_counts import StepCount, add

SHARD, PROPOSALS = "shard", "proposals.arrow"
PROPOSAL_SCHEMA = pa.schema([field for field in DECISION_SCHEMA if field.name != "step"])
_NOTHING = DECISION_SCHEMA.empty_table()
_NO_ROWS = pa.RecordBatch.from_pylist([], DECISION_SCHEMA)


class Finish(Protocol):
    """What a step does with proposals where it needs the text for it."""

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """The proposals for a batch, made of those that came to its rows of the shard (int64)."""


@dataclasses.dataclass(frozen=True)
class Decide:
    """Argument of one decide task, of a step of this name."""

    name: str
    group: Group

    def without(self, excluded: tuple[Exclusion, ...]) -> Decide:
        """This task without some of its documents."""
        return dataclasses.replace(self, group=self.group.without(excluded))


class Deciding(NamedTuple):
    """What all decide tasks share: the exchange with the proposals, a partition for each group; what the step does with
    them; `threshold` as `dropped/` says it; into how many partitions names go by which is counted what is removed, 0
    where it is not; bytes to hold; whether the step has decided about these documents `again`, and they are counted."""

    exchange: Exchange | None
    finish: Finish | None
    threshold: str
    names: int
    hold: int
    again: bool = False


def decide(argument: Decide, outputs: Outputs, common: Deciding) -> dict[str, Any]:
    """One decide task: writes decisions.arrow (a batch for each shard of the group), dropped.parquet and
    quarantine.parquet, counts as a pass does, and `decided`, the number of the first shard and how many they are."""
    started = time.perf_counter()
    work = _Work(argument.name, common, outputs)
    shard_views = argument.group.shards
    proposed, nothing = _by_shard(argument.group, common.exchange)
    with shards.ShardWriter(outputs.path("decisions.arrow"), DECISION_SCHEMA, checked=True) as writer:
        with views.Decisions() as decisions:
            for shard in shard_views:
                table = work.decided(shard, proposed.get(shard.number, nothing), decisions)
                (batch,) = table.combine_chunks().to_batches() or [_NO_ROWS]
                writer.write(batch)
    count = work.close()
    count.seconds = round(time.perf_counter() - started, 3)
    kept = count.kept
    if common.again:  # what changes
        count.kept -= count.documents_in
        count.bytes_out -= count.bytes_in
        count.documents_in = count.bytes_in = 0
    removed = work.removed.close() if work.removed else {}
    return {
        **removed,
        "steps": {argument.name: dataclasses.asdict(count)},
        "documents": kept,
        "decided": [shard_views[0].number, len(shard_views)],
    }


def _by_shard(group: Group, exchange: Exchange | None) -> tuple[dict[int, pa.Table], pa.Table]:
    """(the proposals about each shard that has some, by row and start; none)."""
    if exchange is None or not exchange.files(group.number):
        return {}, PROPOSAL_SCHEMA.empty_table()
    table = exchanges.read(exchange, group.number)
    table = table.sort_by([(SHARD, "ascending"), ("row", "ascending"), ("start", "ascending")])
    numbers, first = np.unique(table[SHARD].to_numpy(), return_index=True)
    table = table.drop_columns([SHARD])
    ends = [*first[1:].tolist(), table.num_rows]
    found = {n: table.slice(start, end - start) for n, start, end in zip(numbers.tolist(), first.tolist(), ends)}
    return found, table.slice(0, 0)


class _Work:
    """The sinks and counts of one task."""

    def __init__(self, name: str, common: Deciding, outputs: Outputs):
        self.name, self.common = name, common
        self.count = StepCount()
        self.dropped = Rows(outputs, "dropped.parquet", DROPPED_SCHEMA)
        self.quarantine = Quarantine(outputs)
        self.removed = Removed(outputs, common.hold, common.names) if common.names else None

    def decided(self, shard: ShardView, proposals: pa.Table, decisions: views.Decisions) -> pa.Table:
        """The decisions about a shard."""
        found = [self._set_aside(shard)] if shard.excluded else []
        for rows, batch in views.read(shard, decisions):
            if len(rows):
                found += self._in_batch(rows, batch, _between(proposals, rows[0], rows[-1]))
        table = pa.concat_tables(found) if len(found) > 1 else found[0] if found else _NOTHING
        return table.sort_by("row") if shard.excluded else table

    def _in_batch(self, rows: np.ndarray, batch: pa.RecordBatch, part: pa.Table) -> list[pa.Table]:
        count, finish = self.count, self.common.finish
        if finish is not None:
            with at_hand(batch):
                part = finish.finish(rows, batch, part)
        kept = batch
        if part.num_rows:
            steps = pa.array([self.name] * part.num_rows, pa.string())
            part = part.append_column("step", steps).select(DECISION_SCHEMA.names)
            part = part if part.schema == DECISION_SCHEMA else part.cast(DECISION_SCHEMA)
            _, kept = views.apply(part, rows, batch)
            if self.removed:
                self.removed.add(rows, batch, part)
            is_drop = pc.equal(part["action"], "drop").to_numpy(zero_copy_only=False)
            self._cut(part if not is_drop.any() else part.filter(pa.array(~is_drop)))
            self._drop(part if is_drop.all() else part.filter(pa.array(is_drop)), rows, batch)
        before = text_bytes(batch.column("text"))
        count.documents_in += len(rows)
        count.kept += kept.num_rows
        count.bytes_in += before
        count.bytes_out += before if kept is batch else text_bytes(kept.column("text"))
        return [part] if part.num_rows else []

    def _cut(self, cuts: pa.Table) -> None:
        if cuts.num_rows:
            add(self.count.counters, "cuts", cuts.num_rows)
            add(self.count.counters, "bytes_cut", pc.sum(pc.subtract(cuts["end"], cuts["start"])).as_py())

    def _drop(self, drops: pa.Table, rows: np.ndarray, batch: pa.RecordBatch) -> None:
        if not drops.num_rows:
            return
        reasons, by, scores = (drops[name].to_pylist() for name in ("reason", "by", "score"))
        for reason in reasons:
            add(self.count.dropped, reason, 1)
        places = np.searchsorted(rows, drops["row"].to_numpy())
        values = [_value(*each) for each in zip(by, scores)]
        thresholds = [self.common.threshold] * len(values)
        self.dropped.write(dropped_rows(batch, places, self.name, reasons, values, thresholds))

    def _set_aside(self, shard: ShardView) -> pa.Table:
        """Quarantine the documents that this step or a map of it fails at; the decisions that take them out."""
        for reasons, batch in views.read_excluded(shard):
            self.quarantine.add_documents(batch, reasons, self.name)
            self.count.documents_in += batch.num_rows
            self.count.quarantined += batch.num_rows
            self.count.bytes_in += text_bytes(batch.column("text"))
        rows = [{"row": row, "action": "drop", "step": self.name, "reason": "quarantined"} for row, _ in shard.excluded]
        return pa.Table.from_pylist(rows, DECISION_SCHEMA)

    def close(self) -> StepCount:
        """Complete the outputs; the counts, which add up."""
        self.dropped.close()
        self.quarantine.close()
        self.count.check(self.name)
        dropped = sum(self.count.dropped.values())
        if dropped != self.dropped.rows:
            raise Unproven(f"step {self.name}: {dropped} documents dropped, {self.dropped.rows} rows")
        return self.count


def _value(by: str | None, score: float | None) -> str:
    return " ".join(part for part in (None if score is None else f"{score:.4f}", by) if part)


def _between(proposals: pa.Table, first: int, last: int) -> pa.Table:
    rows = proposals["row"].to_numpy()
    low, high = np.searchsorted(rows, [first, last + 1])
    return proposals.slice(low, high - low)


def proposals(
    dropped: np.ndarray, by: np.ndarray, reason: str, score: np.ndarray | None = None
) -> tuple[pa.Table, np.ndarray]:
    """Proposals to drop the documents at addresses `dropped` because of those at `by`, and the shard
    of each, ready for `ProposalWriter`."""
    shard, row = shard_and_row(dropped)
    by_shard, by_row = shard_and_row(by)
    n = len(row)
    names = [f"{s}:{r}" for s, r in zip(by_shard.tolist(), by_row.tolist())]
    columns = {
        "row": pa.array(row, pa.int64()),
        "action": pa.array(["drop"] * n, pa.string()),
        "start": pa.nulls(n, pa.int64()),
        "end": pa.nulls(n, pa.int64()),
        "reason": pa.array([reason] * n, pa.string()),
        "by": pa.array(names, pa.string()),
        "score": pa.nulls(n, pa.float64())
        if score is None
        else pa.array(score, pa.float64(), from_pandas=True),  # NaN: unknown
        "separator": pa.nulls(n, pa.string()),
    }
    return pa.table(columns, schema=PROPOSAL_SCHEMA), shard


def decide_map(
    context: Context,
    groups: list[Group],
    exchange: Exchange | None,
    threshold: str,
    finish: Finish | None = None,
    inputs: tuple[tuple[str, str], ...] = (),
    counted: bool = False,
    again: bool = False,
) -> list[ShardView]:
    """Run the decide map of a step: the view with its decisions added. `exchange`: the proposals, a partition for each
    group, as `ProposalWriter` writes them. With `counted` what is removed is added to the step's figures;
    `again` where the step has decided before, and counts what changes."""
    hold = context.working_bytes
    documents = sum(shard.documents for group in groups for shard in group.shards)
    partitions = names.partitions_for(documents, hold) if counted else 0
    settings = (context.name, finish, threshold, *((partitions, hold, again) if counted else ()))
    prints = (*inputs, *(exchange.inputs("proposals") if exchange else ()))
    tasks = [group.task(Decide(context.name, group), prints) for group in groups]
    common = Deciding(exchange, finish, threshold, partitions, hold, again)
    manifests = context.map("decide", decide, tasks, settings, common)
    context.found.manifests += manifests
    if counted and manifests:
        figures = context.found.figures.setdefault(context.name, {})
        figures |= removed.figures(context, manifests, partitions)
    return decided_view((shard for group in groups for shard in group.shards), manifests)


def decided_view(view: Iterable[ShardView], manifests: Iterable[Manifest]) -> list[ShardView]:
    """A view with the decisions of a decide map added; `manifests` in the order of the groups."""
    view = list(view)
    for manifest in manifests:
        first, shards_ = manifest.counters["decided"]
        file = manifest.outputs["decisions.arrow"]
        for number in range(shards_):
            view[first + number] = view[first + number].decided(views.Layer(file.path, file.hash, number))
    return view


class ProposalWriter:
    """Writes proposals into an exchange that has a partition for each group of shards. A context manager."""

    def __init__(self, outputs: Outputs, firsts: np.ndarray, hold: int):
        self._path, self._firsts, self._hold = outputs.path(PROPOSALS), firsts, hold
        self._writer: exchanges.Writer | None = None

    def add(self, table: pa.Table, shards: np.ndarray) -> None:
        """Add proposals (PROPOSAL_SCHEMA, or what the step's `finish` makes these of), with the shard of each."""
        table = table.append_column(SHARD, pa.array(shards, pa.int64()))
        if self._writer is None:
            self._writer = exchanges.Writer(self._path, table.schema, self._hold, len(self._firsts))
        self._writer.add(table, group_of(self._firsts, shards))

    def close(self) -> dict[str, Any]:
        """Complete the file; the counters of the task."""
        if self._writer is None:
            schema = PROPOSAL_SCHEMA.append(pa.field(SHARD, pa.int64()))
            self._writer = exchanges.Writer(self._path, schema, self._hold, len(self._firsts))
        self._writer.close()
        return {PROPOSALS: self._writer.counters()}
