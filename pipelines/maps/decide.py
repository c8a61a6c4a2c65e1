"""The last map of every global step: per shard, the step's proposals become decisions.

A *proposal* is a row of PROPOSAL_SCHEMA, as reduce tasks write them into an exchange that is
partitioned by shard. The decide task reads its shard through the view, lets the step finish the
proposals of each batch where it needs the text (`finish`), writes the decisions and what they drop,
and accounts for every document.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.documents import DECISION_SCHEMA, DROPPED_SCHEMA, at_hand, dropped_rows, shard_and_row, text_bytes
from corpus.io import shards
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Exclusion, File, Outputs, Unproven
from pipelines.maps import exchange
from pipelines.maps.shard_tasks import shard_task, without_rows
from pipelines.maps.sinks import Quarantine, Rows
from pipelines.maps.step_counts import StepCount, add

PROPOSAL_SCHEMA = pa.schema([field for field in DECISION_SCHEMA if field.name != "step"])


class Finish(Protocol):
    """What a step does with proposals where it needs the text for it."""

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """The proposals for a batch, made of those that came to its rows of the shard (int64)."""


@dataclasses.dataclass(frozen=True)
class Decide:
    """Argument of one decide task. `exchange` are the files with proposals, `finish` what the step does with them;
    `threshold` goes into `dropped/` as text."""

    name: str
    shard: ShardView
    exchange: tuple[str, ...]
    finish: Finish | None
    threshold: str

    def without(self, excluded: tuple[Exclusion, ...]) -> Decide:
        """This task without some of its documents."""
        return dataclasses.replace(self, shard=without_rows(self.shard, excluded))


def decide(argument: Decide, outputs: Outputs) -> dict[str, Any]:
    """One decide task: writes decisions.arrow, dropped.parquet and quarantine.parquet, counts as a pass does."""
    started = time.perf_counter()
    proposals = PROPOSAL_SCHEMA.empty_table()
    if argument.exchange:
        proposals = exchange.read(argument.exchange, argument.shard.number)
        proposals = proposals.sort_by([("row", "ascending"), ("start", "ascending")])
    count, dropped = StepCount(), Rows(outputs, "dropped.parquet", DROPPED_SCHEMA)
    decided = [_set_aside(argument, count, outputs)]
    for rows, batch in views.read(argument.shard):
        if not len(rows):
            continue
        part = _between(proposals, rows[0], rows[-1])
        if argument.finish is not None:
            with at_hand(batch):
                part = argument.finish.finish(rows, batch, part)
        if not part.num_rows:
            _count(count, batch, rows, batch)
            continue
        steps = pa.array([argument.name] * part.num_rows, pa.string())
        part = part.append_column("step", steps).select(DECISION_SCHEMA.names).cast(DECISION_SCHEMA)
        decided.append(part)
        _, kept = views.apply(part, rows, batch)
        _count(count, batch, rows, kept)
        cuts = part.filter(pc.equal(part["action"], "cut"))
        add(count.counters, "cuts", cuts.num_rows)
        add(count.counters, "bytes_cut", pc.sum(pc.subtract(cuts["end"], cuts["start"])).as_py() or 0)
        drops = part.filter(pc.equal(part["action"], "drop"))
        for reason in drops["reason"].to_pylist():
            add(count.dropped, reason, 1)
        if drops.num_rows:
            places = np.searchsorted(rows, drops["row"].to_numpy())
            values = [_value(by, score) for by, score in zip(drops["by"].to_pylist(), drops["score"].to_pylist())]
            thresholds = [argument.threshold] * len(values)
            dropped.write(dropped_rows(batch, places, argument.name, drops["reason"].to_pylist(), values, thresholds))
    dropped.close()
    count.check(argument.name)
    if sum(count.dropped.values()) != dropped.rows:
        raise Unproven(f"step {argument.name}: {sum(count.dropped.values())} documents dropped, {dropped.rows} rows")
    count.seconds = round(time.perf_counter() - started, 3)
    decisions = pa.concat_tables(decided)
    if argument.shard.excluded:
        decisions = decisions.sort_by("row")
    shards.write_table(outputs.path("decisions.arrow"), decisions)
    return {"steps": {argument.name: dataclasses.asdict(count)}, "documents": count.kept}


def _set_aside(argument: Decide, count: StepCount, outputs: Outputs) -> pa.Table:
    """Quarantine the documents that this step or a map of it fails at; the decisions that take them out."""
    quarantine = Quarantine(outputs)
    for reasons, batch in views.read_excluded(argument.shard):
        quarantine.add_documents(batch, reasons, argument.name)
        count.documents_in += batch.num_rows
        count.quarantined += batch.num_rows
        count.bytes_in += text_bytes(batch.column("text"))
    quarantine.close()
    rows = [
        {"row": row, "action": "drop", "step": argument.name, "reason": "quarantined"}
        for row, _ in argument.shard.excluded
    ]
    return pa.Table.from_pylist(rows, DECISION_SCHEMA)


def _value(by: str | None, score: float | None) -> str:
    return " ".join(part for part in (None if score is None else f"{score:.4f}", by) if part)


def _count(count: StepCount, before: pa.RecordBatch, rows: np.ndarray, after: pa.RecordBatch) -> None:
    count.documents_in += len(rows)
    count.kept += after.num_rows
    count.bytes_in += text_bytes(before.column("text"))
    count.bytes_out += text_bytes(after.column("text"))


def _between(proposals: pa.Table, first: int, last: int) -> pa.Table:
    rows = proposals["row"].to_numpy()
    low, high = np.searchsorted(rows, [first, last + 1])
    return proposals.slice(low, high - low)


def proposals(
    dropped: np.ndarray, by: np.ndarray, reason: str, score: np.ndarray | None = None
) -> tuple[pa.Table, np.ndarray]:
    """Proposals to drop the documents at addresses `dropped` because of those at `by`, and the shard
    of each, ready for `exchange.write`."""
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
    }
    return pa.table(columns, schema=PROPOSAL_SCHEMA), shard


def decide_map(
    context: Context,
    view: list[ShardView],
    exchanged: list[File],
    threshold: str,
    finish: Finish | None = None,
    inputs: tuple[tuple[str, str], ...] = (),
) -> list[ShardView]:
    """Run the decide map of a step: the view with its decisions added."""
    files = tuple(file.path for file in exchanged)
    prints = (*inputs, *((f"proposals {i}", file.hash) for i, file in enumerate(exchanged)))
    tasks = [shard_task(s, Decide(context.name, s, files, finish, threshold), prints) for s in view]
    manifests = context.map("decide", decide, tasks, (context.name, finish, threshold))
    context.found.manifests += manifests
    decided = [m.outputs["decisions.arrow"] for m in manifests]
    return [s.decided(f.path, f.hash) for s, f in zip(view, decided)]
