"""How much of a corpus is in another: of its documents that have a near-duplicate there, counts by source and domain.

`against`: the documents of the other corpus, read and signed, as chunks. `count`: what was found, in two maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.dedup.near import Near
from corpus.io.paths import Source
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Outputs, describe_file
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps import names, others
from pipelines.maps.decide import SHARD
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.maps.keyed import Keys
from pipelines.near.candidates import emit_signatures
from pipelines.near.known import FIRST_SHARD, Chunk, make_chunks

FIGURES = ("documents", "found", "bytes", "found_bytes")


def against(context: Context, near: Near, sources: list[Source]) -> tuple[list[Chunk], dict[str, Any]]:
    """The documents of some files as chunks; figures about what could not be read of these, if there is such:
    `against_not_readable` records, and `against_unread`, the share of records and of bytes."""
    view, figures = others.read(context, sources)
    hold = context.working_bytes
    groups = grouping.of_view(view, hold)
    prints = tuple((path, describe_file(path).hash) for path in near.inputs())
    tasks = [group.task(Keys(near, group, 1, hold), prints) for group in groups]
    mapped = context.map("known-signatures", emit_signatures, tasks, (near, hold))
    groups = grouping.left_out(groups, mapped)
    chunks = make_chunks(context, groups, mapped, FIRST_SHARD, near)
    return chunks, figures


def count(context: Context, groups: Sequence[Group], proposed: Exchange) -> dict[str, Any]:
    """Figures about the documents of groups, of which those were found that there is a proposal for."""
    hold = context.working_bytes
    partitions = names.partitions_for(sum(shard.documents for g in groups for shard in g.shards), hold)
    tasks = [group.task(group, proposed.inputs("proposals")) for group in groups]
    counted = context.map("count", count_group, tasks, (partitions, hold), (proposed, partitions, hold))
    ranked = names.most(context, "count", counted, partitions, ("found", "documents"))
    totals = {name: sum(manifest.counters["totals"][name] for manifest in counted) for name in FIGURES}
    return {**totals, **{f"by_{kind}": rows for kind, rows in ranked.items()}}


def count_group(argument: Group, outputs: Outputs, common: tuple[Exchange, int, int]) -> dict[str, Any]:
    """Map: of a group's documents, by source and by domain, how many there are and how many were found."""
    proposed, partitions, hold = common
    table = exchanges.read(proposed, argument.number) if proposed.files(argument.number) else None
    totals = dict.fromkeys(FIGURES, 0)
    counter = names.Counter(outputs, FIGURES, hold, partitions)
    for shard, rows, batch in views.read_all(argument.shards):
        found = np.isin(rows, _rows_of(shard, table)).astype(np.int64)
        size = pc.binary_length(batch["text"]).to_numpy().astype(np.int64)
        figures = dict(zip(FIGURES, (np.ones(len(rows), np.int64), found, size, size * found)))
        counter.add(batch, figures)
        for name, column in figures.items():
            totals[name] += int(column.sum())
    return {"totals": totals, **counter.close()}


def _rows_of(shard: ShardView, proposed: pa.Table | None) -> np.ndarray:
    if proposed is None:
        return np.empty(0, np.int64)
    return proposed["row"].to_numpy()[proposed[SHARD].to_numpy() == shard.number]
