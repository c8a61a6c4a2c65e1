"""How much of a corpus is in another: of its documents that have a near-duplicate there, counts by source and domain.

`against`: the documents of the other corpus, read and signed, as chunks. `count`: what was found, in two maps; names go
to partitions by their hash, so that no task holds those of all the corpus.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.dedup.near import Near
from corpus.io.paths import Source
from corpus.reading import readers
from corpus.text.urls import domains_of
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Manifest, Outputs, Task, describe_file, task_key
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps import passes
from pipelines.maps.decide import SHARD
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.maps.keyed import Keys
from pipelines.near.candidates import emit_signatures
from pipelines.near.known import FIRST_SHARD, Chunk, make_chunks

READING = ("in", "quarantined", "input_bytes", "lost_bytes")
"""Counters of the map that reads the other corpus: records, those in quarantine, bytes, and those not readable."""
COUNTS = "counts.arrow"
KINDS = ("source", "domain")
FIGURES = ("documents", "found", "bytes", "found_bytes")
COUNT_SCHEMA = pa.schema([("kind", pa.string()), ("name", pa.string()), *((name, pa.int64()) for name in FIGURES)])
MOST_NAMES = 100
"""Sources, and domains, that the report has: those of which the most documents were found."""


def against(context: Context, near: Near, sources: list[Source]) -> tuple[list[Chunk], dict[str, Any]]:
    """The documents of some files as chunks; figures about what could not be read of these, if there is such:
    `against_not_readable` records, and `against_unread`, the share of records and of bytes."""
    shared = passes.Pass((), (), ".arrow", context.task_bytes, read=context.read)
    units = passes.group_units(readers.split(sources, context.read), max(1, context.task_bytes // 4))
    tasks = passes.input_tasks(units, {source.path: source for source in sources}, shared, None)
    done = context.map("known-read", read_known, tasks, (shared, context.read))
    hold = context.working_bytes
    groups = grouping.of_view(passes.new_view(done, "known_shards"), hold)
    prints = tuple((path, describe_file(path).hash) for path in near.inputs())
    tasks = [group.task(Keys(near, group, 1, hold), prints) for group in groups]
    mapped = context.map("known-signatures", emit_signatures, tasks, (near, hold))
    groups = grouping.left_out(groups, mapped)
    chunks = make_chunks(context, groups, mapped, FIRST_SHARD, near)
    total = {name: sum(manifest.counters[name] for manifest in done) for name in READING}
    if not (total["quarantined"] or total["lost_bytes"]):
        return chunks, {}
    shares = [total["quarantined"] / max(1, total["in"]), total["lost_bytes"] / max(1, total["input_bytes"])]
    return chunks, {"against_not_readable": total["quarantined"], "against_unread": shares}


def read_known(argument: passes.Pass, outputs: Outputs) -> dict[str, Any]:
    """Map: documents from files into shards, as the first pass of a run reads them; they are none of the run's."""
    found = passes.run_pass(argument, outputs)
    quarantined = found["steps"]["read"]["quarantined"]
    return {
        "known_shards": found["shards"],
        "records": found["records"],
        "in": found["steps"]["read"]["documents_in"],
        "quarantined": quarantined,
        "input_bytes": found["input_bytes"],
        "lost_bytes": found["lost"]["bytes"],
    }


def count(context: Context, groups: Sequence[Group], proposed: Exchange) -> dict[str, Any]:
    """Figures about the documents of groups, of which those were found that there is a proposal for."""
    hold = context.working_bytes
    partitions = exchanges.partitions_for(sum(shard.documents for g in groups for shard in g.shards) * 64, hold)
    tasks = [group.task(group, proposed.inputs("proposals")) for group in groups]
    counted = context.map("count", count_group, tasks, (partitions, hold), (proposed, partitions, hold))
    counts = exchanges.gather(context, "count", counted, COUNTS, partitions)
    tasks = [Task(task_key(i), i, counts.inputs("counts"), counts.weight()) for i in range(partitions)]
    ranked = context.map("names", rank_names, tasks, (), counts)
    totals = {name: sum(manifest.counters["totals"][name] for manifest in counted) for name in FIGURES}
    return {**totals, **{f"by_{kind}": _most(ranked, kind) for kind in KINDS}}


def count_group(argument: Group, outputs: Outputs, common: tuple[Exchange, int, int]) -> dict[str, Any]:
    """Map: of a group's documents, by source and by domain, how many there are and how many were found."""
    proposed, partitions, hold = common
    table = exchanges.read(proposed, argument.number) if proposed.files(argument.number) else None
    totals = dict.fromkeys(FIGURES, 0)
    with exchanges.Writer(outputs.path(COUNTS), COUNT_SCHEMA, hold, partitions) as writer:
        for rows in _counted(argument, table):
            counts = rows.group_by(["kind", "name"]).aggregate([(name, "sum") for name in FIGURES])
            counts = counts.rename_columns(["kind", "name", *FIGURES]).select(COUNT_SCHEMA.names)
            counts = counts.sort_by([("kind", "ascending"), ("name", "ascending")])
            places = np.array([zlib.crc32(name.encode()) % partitions for name in counts["name"].to_pylist()], np.int64)
            writer.add(counts.cast(COUNT_SCHEMA), places)
            of_all = rows.filter(pc.equal(rows["kind"], KINDS[0]))
            for name in FIGURES:
                totals[name] += pc.sum(of_all[name]).as_py() or 0
    return {"totals": totals, COUNTS: writer.counters()}


def _counted(group: Group, proposed: pa.Table | None) -> Iterator[pa.Table]:
    """A row for each kind of name of each document."""
    for shard, rows, batch in views.read_all(group.shards):
        found = np.isin(rows, _rows_of(shard, proposed))
        size = pc.binary_length(batch["text"]).cast(pa.int64())
        columns = [pa.array(np.ones(len(rows), np.int64)), pa.array(found.astype(np.int64)), size]
        columns.append(pc.multiply(size, columns[1]))
        for kind, names in zip(KINDS, (_column(batch, "source"), domains_of(_column(batch, "url")))):
            kinds = pa.array([kind] * len(rows), pa.string())
            yield pa.table([kinds, names, *columns], schema=COUNT_SCHEMA)


def _rows_of(shard: ShardView, proposed: pa.Table | None) -> np.ndarray:
    if proposed is None:
        return np.empty(0, np.int64)
    return proposed["row"].to_numpy()[proposed[SHARD].to_numpy() == shard.number]


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    found = batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
    return pc.fill_null(found.cast(pa.string()), "")


def rank_names(partition: int, outputs: Outputs, common: Exchange) -> dict[str, Any]:
    """Reduce: of the names in a partition, those of which the most documents were found."""
    table = pa.Table.from_batches(exchanges.pieces(common, partition), COUNT_SCHEMA)
    counts = table.group_by(["kind", "name"]).aggregate([(name, "sum") for name in FIGURES])
    counts = counts.rename_columns(["kind", "name", *FIGURES])
    order = [("found", "descending"), ("documents", "descending"), ("name", "ascending")]
    return {
        kind: counts.filter(pc.equal(counts["kind"], kind))
        .sort_by(order)
        .slice(0, MOST_NAMES)
        .drop_columns(["kind"])
        .to_pylist()
        for kind in KINDS
    }


def _most(ranked: Sequence[Manifest], kind: str) -> list[dict[str, Any]]:
    rows = [row for manifest in ranked for row in manifest.counters[kind]]
    return sorted(rows, key=lambda row: (-row["found"], -row["documents"], row["name"]))[:MOST_NAMES]
