"""What is cut of repeated windows (`corpus.dedup.keeping`): one task that reads the runs of all groups in corpus order.

It holds the runs of a group, and five bytes for each distinct repeated window, a count among them, which lie in files
that are mapped, so that they may be more than memory: windows that are read together lie together.
"""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.dedup import keeping
from corpus.dedup.keeping import Cuts, Frequent
from corpus.documents import shard_and_row
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Limits, Manifest, Outputs, Task, fingerprint, fingerprint_of_files
from pipelines.maps import exchange as exchanges
from pipelines.maps.decide import PROPOSAL_SCHEMA, PROPOSALS, ProposalWriter
from pipelines.maps.exchange import Exchange
from pipelines.maps.frequent import MOST
from pipelines.substrings import runs
from pipelines.substrings.runs import Ordered

Keep = Literal["first", "none"]
SHARDS_HELD = 64
"""Of another corpus, the ids of whose documents are held."""
MEMORY_A_STRETCH, MEMORY_A_WINDOW = 88, 5
"""Bytes of the task for each stretch of distinct repeated windows, and for each of these."""


@dataclasses.dataclass(frozen=True)
class Keeping:
    """Argument of the task: the runs of each group, those of another corpus, with their shards (`known`), first; the
    first shard of each other group; bytes of proposals to hold; whether the corpus is compared with itself, too."""

    keep: Keep
    min_length: int
    min_remaining: int
    ordered: tuple[Ordered, ...]
    firsts: np.ndarray
    hold: int
    own: bool = True
    known: tuple[ShardView, ...] = ()


def keep_map(context: Context, argument: Keeping) -> tuple[Exchange, dict[str, int], list[list[int]]]:
    """(Proposals whose ranges are units, a partition for each group; figures; the most frequent passages, as
    `frequent.Passage`)."""
    files = [file for each in argument.ordered for file in (each.runs, each.sizes)]
    inputs = [("runs", fingerprint_of_files(files)), ("groups", fingerprint(argument.firsts.tolist()))]
    inputs += [pair for shard in argument.known for pair in shard.inputs()]
    memory = sum(MEMORY_A_STRETCH * each.stretches + MEMORY_A_WINDOW * each.classes for each in argument.ordered)
    task = Task("00000", argument, tuple(inputs), sum(file.bytes for file in files), extra=Limits(0.0, memory))
    settings = (argument.keep, argument.min_length, argument.min_remaining, argument.hold, argument.own)
    (found,) = context.map("keep", keep, [task], settings)
    return exchanges.of_map([found], PROPOSALS, len(argument.firsts)), _figures(found), found.counters["most"]


def _figures(manifest: Manifest) -> dict[str, int]:
    figures: dict[str, int] = manifest.counters["figures"]
    return figures


def keep(argument: Keeping, outputs: Outputs) -> dict[str, Any]:
    """The task: cuts and drops, in the order of the corpus."""
    writer = ProposalWriter(outputs, argument.firsts, argument.hold)
    ids = _Ids(argument.known)
    figures = {"repeated_windows": 0, "distinct_windows": 0, "cuts_asked": 0, "units_asked": 0, "documents": 0}
    with tempfile.TemporaryFile(prefix="winnow-windows-") as file, tempfile.TemporaryFile() as counts:
        classes, stretches = (sum(column) for column in zip(*(each[2:] for each in argument.ordered)))
        file.truncate(max(classes, 1))
        counts.truncate(4 * classes + 4)
        owned = np.memmap(file, np.uint8, "r+", shape=(max(classes, 1),))
        times = np.memmap(counts, np.int32, "r+", shape=(classes + 1,))
        keeper = keeping.KeepFirst(
            argument.min_length, argument.min_remaining, classes, stretches, owned, argument.own, times
        )
        for ordered in argument.ordered:
            found, sizes = runs.read(ordered)
            if argument.keep == "first":
                cuts = keeper.part(found, sizes)
            else:
                keeper.count(found)
                cuts = keeping.keep_none(found, sizes, argument.min_length, argument.min_remaining, argument.own)
            writer.add(*_proposals(cuts, ids))
            figures["repeated_windows"] += int(found[2].sum())
            figures["distinct_windows"] += ordered.classes
            figures["cuts_asked"] += len(cuts.start)
            figures["units_asked"] += int((cuts.end - cuts.start).sum())
            figures["documents"] += len(np.unique(cuts.address)) + len(cuts.gone)
        most = keeper.most_frequent(MOST)
    return {"figures": figures, "most": _passages(argument, most), **writer.close()}


def _passages(argument: Keeping, most: Sequence[Frequent]) -> list[list[int]]:
    """Passages as `frequent.Passage`: with the documents that have them counted."""
    documents = [0] * len(most)
    addresses = np.array([each.address for each in most], np.int64)
    for ordered in argument.ordered if most else ():
        found, _ = runs.read(ordered)
        address, _, _, first, first_start, period = (column[np.isin(found[3], addresses)] for column in found)
        for number, each in enumerate(most):
            here = (first == each.address) & (first_start <= each.start) & (each.start < first_start + period)
            documents[number] += len(np.unique(address[here]))
    return [
        [each.places, count, each.address, each.start, each.start + each.windows - 1 + argument.min_length]
        for each, count in zip(most, documents)
    ]


class _Ids:
    """The ids of the documents of another corpus; those of some shards are held."""

    def __init__(self, known: tuple[ShardView, ...]):
        self._known = {shard.number: shard for shard in known}
        self._of = functools.lru_cache(SHARDS_HELD)(self._read)

    def _read(self, number: int) -> tuple[np.ndarray, pa.Array]:
        found = [(rows, batch["id"]) for _, rows, batch in views.read_all([self._known[number]])]
        return np.concatenate([rows for rows, _ in found]), pa.concat_arrays([ids for _, ids in found])

    def names(self, by: np.ndarray) -> pa.Array:
        """What decisions call the documents at addresses: "shard:row", or of another corpus "id:" and the id."""
        shard, row = shard_and_row(by)
        names = pc.binary_join_element_wise(pa.array(shard).cast(pa.string()), pa.array(row).cast(pa.string()), ":")
        for number in np.unique(shard[shard < 0]).tolist():
            here = shard == number
            rows, ids = self._of(number)
            found = ids.take(pa.array(np.searchsorted(rows, row[here])))
            names = pc.replace_with_mask(names, pa.array(here), pc.binary_join_element_wise("id:", found, ""))
        return names


def _proposals(cuts: Cuts, ids: _Ids) -> tuple[pa.Table, np.ndarray]:
    """Proposals of cuts and drops, whose ranges and scores are units, and the shard of each."""
    drops, all_cuts = len(cuts.gone), len(cuts.start)
    shard, row = shard_and_row(np.concatenate([cuts.address, cuts.gone]))
    columns = {
        "row": pa.array(row),
        "action": pa.array(["cut"] * all_cuts + ["drop"] * drops, pa.string()),
        "start": pa.concat_arrays([pa.array(cuts.start), pa.nulls(drops, pa.int64())]),
        "end": pa.concat_arrays([pa.array(cuts.end), pa.nulls(drops, pa.int64())]),
        "reason": pa.array(["repeated"] * all_cuts + ["nothing_left"] * drops, pa.string()),
        "by": ids.names(np.concatenate([cuts.by, cuts.gone_by])),
        "score": pa.array(np.concatenate([cuts.end - cuts.start, cuts.left]).astype(np.float64)),
    }
    nothing = {name: pa.nulls(all_cuts + drops, pa.string()) for name in PROPOSAL_SCHEMA.names if name not in columns}
    return pa.table({**columns, **nothing}).select(PROPOSAL_SCHEMA.names).cast(PROPOSAL_SCHEMA), shard
