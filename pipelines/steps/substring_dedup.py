"""Exact repeated substrings: cut from all places but the one that is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup import units
from corpus.dedup.substrings import MAX_LENGTH, MIN_LENGTH, check_tokenizer, snapped
from corpus.dedup.units import Unit
from corpus.encoding import byte_tokens
from corpus.io import paths
from corpus.options import option
from corpus.reading.read_options import ReadOptions
from corpus.text import arrow, ranges, spans
from corpus.text.ranges import Boundary
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import Manifest, TaskFailed
from pipelines.maps import groups as grouping
from pipelines.maps import others
from pipelines.maps.decide import decide_map
from pipelines.maps.groups import Group
from pipelines.substrings import frequent, runs, suffix_parts, windows
from pipelines.substrings.keeping import Keep, Keeping, keep_map

MOST_ROUNDS = 64
"""Rounds of a step that repeats."""


@dataclasses.dataclass(frozen=True)
class SubstringDedup(GlobalStep):
    """Cut every passage of at least `min_length` units that stands in text already kept (Lee et al. 2021, ExactSubstr,
    but one copy stays; `keep: none` cuts all, as they do). A passage is cut because of a copy that stands, whole, in
    what is kept: no copy is the last one and goes. Cuts shrink to boundaries of characters, words, sentences or lines
    (`snap`). Documents of which repeats leave fewer than `min_remaining` units, or white space alone, are dropped, and
    keep nothing (but for passages of white space).

    `against` is another corpus, which stays as it is: with `across: both` it comes before the documents (new ones
    against old), with `across: other` a passage is cut if it stands there, and for nothing else (train against test).

    Lee et al. compare 50 tokens. In English, 100 bytes are about half of that: 200 bytes or 35 words are as much.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> texts = ["He said: to be, or not to be. So it is.", "To write: to be, or not to be. And more."]
    >>> pq.write_table(corpus.as_table(texts), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.SubstringDedup(min_length=15)])
    >>> result = pipelines.run_recipe(recipe, "OUT")
    >>> pq.read_table("OUT/documents")["text"].to_pylist()
    ['He said: to be, or not to be. So it is.', 'To write: \\nAnd more.']
    """

    name: ClassVar[str] = "substring_dedup"
    rules: ClassVar[tuple[str, ...]] = ("nothing_left",)
    min_length: int = option(100, "Units that a repeated passage has at least.", ge=MIN_LENGTH, le=MAX_LENGTH)
    unit: Unit = option("bytes", "What texts are compared by, and min_length and min_remaining counted in.")
    tokenizer: str = option("", "Folder of the tokenizer, with unit: tokens.")
    method: Literal["windows", "suffix_array"] = option(
        "windows", "How repeats are found; the same ones. By suffix arrays OUT has to be a local disk."
    )
    min_count: int = option(2, "Times that a passage stands in the corpus at least to be repeated.", ge=2)
    keep: Keep = option("first", "The copy that stays: the first in text that is kept, or none.")
    snap: Boundary = option("word", "Boundaries to which cuts shrink.")
    separator: str = option(
        "\n",
        "What stands in place of a cut, between two pieces of text; a cut there is longer than that.",
    )
    min_remaining: int = option(1, "Units that repeats leave of a document at least.", ge=0)

    across: Literal["corpus", "other", "both"] = option(
        "corpus", "Where copies of a passage are looked for: in the corpus, in that of `against`, or in both."
    )
    against: tuple[str, ...] = option((), "Another corpus: paths, folders, globs or URIs, read as input is.")

    repeat: Literal["never", "until_nothing_changes"] = option(
        "never",
        "Whether what is left is gone through again: where a cut has joined two pieces, a passage may arise.",
    )

    def refuse(self) -> None:
        """Raises ValueError for tokens without a tokenizer, or the reverse."""
        check_tokenizer(self.unit, self.tokenizer)
        if (self.across != "corpus") != any(self.against):
            raise ValueError("across: other, or both, and the files of against are given together")
        if self.separator != self.separator.encode("utf-8", "ignore").decode():
            raise ValueError(f"separator {self.separator!r} has characters that UTF-8 has not")
        if self.unit == "tokens" and self.method == "suffix_array":
            raise ValueError("method: suffix_array compares bytes, characters or words; leave it out for tokens")

    def inputs(self) -> list[str]:
        """The files of the tokenizer. Raises FileNotFoundError."""
        return [source.path for source in byte_tokens.files_of(self.tokenizer)]

    def check(self) -> None:
        """Raises ValueError or FileNotFoundError for a tokenizer that cannot be used, or files that are not read."""
        self.sources()
        if self.tokenizer:
            byte_tokens.check(self.tokenizer)

    def sources(self, options: ReadOptions = ReadOptions()) -> list[paths.Source]:
        """The files of the other corpus, each once."""
        return others.sources(self.against, options)

    def check_run(self, output: str, text: int, task_bytes: int, working_bytes: int) -> None:
        """Raises ValueError for what suffix arrays cannot do."""
        if self.method == "suffix_array":
            suffix_parts.check_run(output, text, self.unit, task_bytes, working_bytes)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """In each round the maps of `windows`, or of `suffix_parts`; runs; keep, in one task; decide."""
        known, unread = self._known(context)
        rounds = 1 if self.repeat == "never" else MOST_ROUNDS
        of_first: dict[str, Any] = {}
        for number in range(1, rounds + 1):
            before = len(context.found.manifests)
            named = context if number == 1 else dataclasses.replace(context, work_name=f"{context.work_name}-{number}")
            view = self._decided(named, view, known, number > 1)
            figures = context.found.figures.pop(context.name)
            of_first |= {f"round_{number}": figures} if number > 1 else {**unread, **figures}
            if not _changes(context.found.manifests[before:], context.name):
                break
        else:
            if rounds > 1:
                context.note(f"{context.name}: something changed in the last of {rounds} rounds; what is left stays")
        context.found.figures[context.name] = of_first
        return view

    def _decided(self, context: Context, view: list[ShardView], known: list[Group], again: bool) -> list[ShardView]:
        """The view after one round."""
        find = {"windows": windows.find, "suffix_array": suffix_parts.find}[self.method]
        groups, hold = grouping.of_view(view, context.working_bytes), context.working_bytes
        threshold = f"{self.min_length} {self.unit}"
        first = len(known)
        groups, units_of, sizes, pieces = find(context, self, _numbered([*known, *groups]))
        own, figures = _numbered(groups[first:]), {"units": sum(units_of[first:])}
        context.found.figures[context.name] = figures
        if pieces is None or not pieces.rows:
            return decide_map(context, own, None, threshold, again=again)
        ordered = tuple(runs.order_map(context, groups, sizes, pieces))
        firsts, shards = grouping.firsts_of(own), tuple(shard for group in groups[:first] for shard in group.shards)
        corpus = self.across != "other"
        keeping = Keeping(self.keep, self.min_length, self.min_remaining, ordered, firsts, hold, corpus, shards)
        proposed, found, most = keep_map(context, keeping)
        every = [shard for group in groups for shard in group.shards]
        tokenizer = [self.tokenizer, *self.inputs()] if self.tokenizer else []
        shown = frequent.figures(context, most, every, self.unit, tokenizer)
        context.found.figures[context.name] = {"unit": self.unit, **figures, **found, **shown}
        cutting = Cutting(self.unit, self.tokenizer, self.snap, self.separator)
        return decide_map(context, own, proposed, threshold, cutting, counted=True, again=again)

    def _known(self, context: Context) -> tuple[list[Group], dict[str, Any]]:
        """The groups of the other corpus, whose shards have negative numbers: in addresses they come before all others;
        figures about what could not be read of it."""
        if not self.against:
            return [], {}
        try:
            sources = self.sources(context.read)
        except (OSError, ValueError) as error:
            raise TaskFailed(str(error)) from None
        view, figures = others.read(context, sources)
        shards = [dataclasses.replace(shard, number=shard.number - len(view)) for shard in view]
        return grouping.of_view(shards, context.working_bytes), figures


def _changes(manifests: Sequence[Manifest], name: str) -> int:
    """Cuts and drops of a step in a round."""
    counts = [manifest.counters["steps"][name] for manifest in manifests]
    return sum(count["counters"].get("cuts", 0) + sum(count["dropped"].values()) for count in counts)


def _numbered(groups: Sequence[Group]) -> list[Group]:
    """Groups by the places that they have here."""
    return [dataclasses.replace(group, number=number) for number, group in enumerate(groups)]


@dataclasses.dataclass(frozen=True)
class Cutting:
    """Finishes the proposals of a batch: ranges of units become bytes, snapped to boundaries."""

    unit: Unit
    tokenizer: str
    snap: Boundary
    separator: str

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """Proposals sorted by row and start."""
        if not proposals.num_rows:
            return proposals
        text = batch.column("text")
        is_cut = pc.equal(proposals["action"], "cut")
        cuts, drops = proposals.filter(is_cut), proposals.filter(pc.invert(is_cut))
        place = np.searchsorted(rows, cuts["row"].to_numpy())
        start, end = (cuts[name].to_numpy() for name in ("start", "end"))
        start, end = units.bytes_of(text, self.unit, place, start, end, self.tokenizer)
        place, start, end, origin = snapped(text, place, start, end, self.snap)
        shorter = self._shorter(text, place, start, end)
        place, start, end, origin = (column[shorter] for column in (place, start, end, origin))
        cuts = cuts.take(pa.array(origin))
        for name, column in (("start", start), ("end", end), ("score", (end - start).astype(float))):
            cuts = cuts.set_column(cuts.schema.get_field_index(name), name, pa.array(column))
        separator = pa.array([self.separator or None] * len(start), pa.string())
        cuts = cuts.set_column(cuts.schema.get_field_index("separator"), "separator", separator)
        cuts = _without_blank(cuts, text, place, start, end)
        return pa.concat_tables([cuts, drops]).sort_by([("row", "ascending"), ("start", "ascending")])

    def _shorter(self, text: pa.Array, place: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """bool: the cuts of a column that make its texts shorter, though a separator stands in their place: without the
        others rounds come to an end."""
        sizes = np.diff(arrow.buffers(text)[1])[place]
        inside = (start > 0) & (end < sizes)
        return end - start > np.where(inside, len(self.separator.encode()), 0)


def _without_blank(cuts: pa.Table, text: pa.Array, place: np.ndarray, start: np.ndarray, end: np.ndarray) -> pa.Table:
    """Cuts of a column (rows, start, end) in order; those of a text of which they leave white space alone become one
    drop, because of what the last of them goes because of."""
    which, index = np.unique(place, return_inverse=True)
    left = ranges.cut(text.take(pa.array(which)), index, start, end)
    blank = spans.blank(*arrow.buffers(left))
    last = np.append(place[1:] != place[:-1], True)[: len(place)]
    gone = blank[index] & last
    drops = cuts.filter(pa.array(gone))
    count = drops.num_rows
    changed = {
        "action": pa.array(["drop"] * count, pa.string()),
        "start": pa.nulls(count, pa.int64()),
        "end": pa.nulls(count, pa.int64()),
        "reason": pa.array(["nothing_left"] * count, pa.string()),
        "score": pa.array(np.zeros(count)),
        "separator": pa.nulls(count, pa.string()),
    }
    for name, column in changed.items():
        drops = drops.set_column(drops.schema.get_field_index(name), name, column)
    return pa.concat_tables([cuts.filter(pa.array(~blank[index])), drops])
