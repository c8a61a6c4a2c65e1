"""Exact repeated substrings: one suffix array over the view, cuts in all copies but the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import suffix_array
from corpus.dedup.substrings import Boundary, snapped
from corpus.options import option
from corpus.text.arrow import buffers
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import Limits, Outputs, Task
from pipelines.maps import exchange
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSAL_SCHEMA, PROPOSALS, ProposalWriter, decide_map

DEFAULT_MAX_BYTES = (1 << 31) - 1
BYTES_A_BYTE = 12
"""Memory of the task that builds the suffix array, for each byte of text, with room."""


@dataclasses.dataclass(frozen=True)
class SubstringDedup(GlobalStep):
    """Cut every substring of at least `min_bytes` bytes that occurs earlier in the corpus (Lee et
    al. 2021, ExactSubstr, but the first copy stays). Cuts shrink to boundaries of characters, words or
    lines (`snap`). Documents left with fewer than `min_remaining` bytes are dropped. The suffix array
    is built in one task's memory, about 7 bytes a byte of text: a corpus of more than `max_bytes` is
    refused.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> texts = ["He said: to be, or not to be. So it is.", "To write: to be, or not to be. And more."]
    >>> pq.write_table(corpus.as_table(texts), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.SubstringDedup(min_bytes=15, snap="word")])
    >>> result = pipelines.run_recipe(recipe, "OUT")
    >>> pq.read_table("OUT/documents")["text"].to_pylist()
    ['He said: to be, or not to be. So it is.', 'To write: And more.']
    """

    name: ClassVar[str] = "substring_dedup"
    rules: ClassVar[tuple[str, ...]] = ("nothing_left",)
    min_bytes: int = option(100, "Bytes that a repeated passage has at least.", ge=2, le=DEFAULT_MAX_BYTES)
    snap: Boundary = option("character", "Boundaries to which cuts shrink.")
    min_remaining: int = option(1, "Bytes of text that a document is left with at least.", ge=0)
    max_bytes: int = option(DEFAULT_MAX_BYTES, "Bytes of text that a corpus may have.", ge=0, le=DEFAULT_MAX_BYTES)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """Suffix array in one task, then decisions per shard."""
        groups = grouping.of_view(view, context.working_bytes)
        inputs = tuple(pair for s in view for pair in s.inputs())
        weight = sum(s.text_bytes for s in view)
        argument = Repeats(self, tuple(view), grouping.firsts_of(groups), context.working_bytes)
        task = Task("00000", argument, inputs, weight, extra=Limits(0.0, BYTES_A_BYTE * weight))
        (found,) = context.map("suffix_array", find_repeats, [task], (self, context.working_bytes))
        context.found.figures[context.name] = found.counters["figures"]
        cuts = Cuts(self.snap, self.min_remaining)
        proposed = exchange.of_map([found], PROPOSALS, len(groups))
        return decide_map(context, groups, proposed, f"{self.min_bytes} bytes", cuts)


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Argument of the suffix-array task: all shards, the first one of each group, bytes of proposals to hold."""

    step: SubstringDedup
    shards: tuple[ShardView, ...]
    firsts: np.ndarray
    hold: int


@dataclasses.dataclass(frozen=True)
class Cuts:
    """Finishes the proposals of a batch: ranges snapped to boundaries, and a drop instead of cuts for
    every document that they leave with fewer than `min_remaining` bytes."""

    snap: Boundary
    min_remaining: int

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """Proposals sorted by row and start."""
        if not proposals.num_rows:
            return proposals
        text = batch.column("text")
        place = np.searchsorted(rows, proposals["row"].to_numpy())
        start = proposals["start"].to_numpy()
        place, start, end, origin = snapped(text, place, start, proposals["end"].to_numpy(), self.snap)
        cuts = proposals.take(pa.array(origin))
        for name, column in (("start", start), ("end", end), ("score", (end - start).astype(float))):
            cuts = cuts.set_column(cuts.schema.get_field_index(name), name, pa.array(column))
        return self._drop_emptied(rows, np.diff(buffers(text)[1]), place, cuts)

    def _drop_emptied(self, rows: np.ndarray, sizes: np.ndarray, place: np.ndarray, cuts: pa.Table) -> pa.Table:
        left = sizes.astype(np.int64)
        np.subtract.at(left, place, cuts["end"].to_numpy() - cuts["start"].to_numpy())
        emptied = np.flatnonzero(np.isin(np.arange(len(rows)), place) & (left < self.min_remaining))
        if not len(emptied):
            return cuts
        cause = dict(zip(cuts["row"].to_pylist(), cuts["by"].to_pylist()))
        drops = [
            {"row": row, "action": "drop", "reason": "nothing_left", "by": cause[row], "score": float(size)}
            for row, size in zip(rows[emptied].tolist(), left[emptied].tolist())
        ]
        rest = cuts.filter(pa.array(~np.isin(place, emptied)))
        both = pa.concat_tables([rest, pa.Table.from_pylist(drops, PROPOSAL_SCHEMA)])
        return both.sort_by([("row", "ascending"), ("start", "ascending")])


def find_repeats(argument: Repeats, outputs: Outputs) -> dict:
    """The suffix-array task: all text of the view in one buffer, repeats back to shards and rows."""
    data, offsets, rows, shard_numbers = _all_text(argument.shards, argument.step.max_bytes)
    document, start, end, first = suffix_array.repeated_ranges(data, offsets, argument.step.min_bytes)
    found = int((end - start).sum())
    table = pa.table(
        {
            "row": rows[document],
            "action": pa.array(["cut"] * len(document), pa.string()),
            "start": start,
            "end": end,
            "reason": pa.array(["repeated"] * len(document), pa.string()),
            "by": pa.array([f"{shard_numbers[d]}:{rows[d]}" for d in first.tolist()], pa.string()),
            "score": (end - start).astype(np.float64),
        },
        schema=PROPOSAL_SCHEMA,
    )
    writer = ProposalWriter(outputs, argument.firsts, argument.hold)
    writer.add(table, shard_numbers[document])
    figures = {
        "bytes": int(len(data)),
        "repeated_bytes": found,
        "ranges": len(document),
        "documents": int(len(np.unique(document))),
    }
    return {"figures": figures, "documents": len(rows), **writer.close()}


def _all_text(view: Sequence[ShardView], max_bytes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(uint8 text of the view, int64 offsets of its documents in that, the row and the shard of each). Raises
    ValueError for more text than `max_bytes`."""
    texts, lengths = [np.empty(0, np.uint8)], [np.empty(0, np.int64)]
    rows_of, shards_of = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    total = 0
    for shard, batch_rows, batch in views.read_all(view):
        text, offsets = buffers(batch.column("text"))
        total += int(offsets[-1] - offsets[0]) if len(offsets) else 0
        if total > max_bytes:
            raise ValueError(
                f"the corpus has more than max_bytes = {max_bytes:,} bytes of text; give substring_dedup a "
                "larger max_bytes (below 2^31), or a smaller corpus"
            )
        texts.append(text[offsets[0] : offsets[-1]].copy())
        lengths.append(np.diff(offsets))
        rows_of.append(batch_rows)
        shards_of.append(np.full(len(batch_rows), shard.number, np.int64))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return np.concatenate(texts), offsets, np.concatenate(rows_of), np.concatenate(shards_of)
