"""Exact repeated substrings: cut from all places but the one that is kept."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup import units
from corpus.dedup.substrings import MAX_LENGTH, MIN_LENGTH, check_tokenizer, snapped
from corpus.dedup.units import Unit
from corpus.io import paths
from corpus.options import option
from corpus.text import arrow, ranges, spans
from corpus.text.ranges import Boundary
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps import groups as grouping
from pipelines.maps.decide import decide_map
from pipelines.substrings import runs, suffix_parts, windows
from pipelines.substrings.keeping import Keep, Keeping, keep_map


@dataclasses.dataclass(frozen=True)
class SubstringDedup(GlobalStep):
    """Cut every passage of at least `min_length` units that stands in text already kept (Lee et al. 2021, ExactSubstr,
    but one copy stays; `keep: none` cuts all, as they do). A passage is cut because of a copy that stands, whole, in
    what is kept: no copy is the last one and goes. Cuts shrink to boundaries of characters, words, sentences or lines
    (`snap`). Documents of which repeats leave fewer than `min_remaining` units, or white space alone, are dropped, and
    keep nothing (but for passages of white space).

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
    separator: str = option("\n", "What stands in place of a cut, between two pieces of text.")
    min_remaining: int = option(1, "Units that repeats leave of a document at least.", ge=0)

    def refuse(self) -> None:
        """Raises ValueError for tokens without a tokenizer, or the reverse."""
        check_tokenizer(self.unit, self.tokenizer)
        if self.separator != self.separator.encode("utf-8", "ignore").decode():
            raise ValueError(f"separator {self.separator!r} has characters that UTF-8 has not")
        if self.unit == "tokens" and self.method == "suffix_array":
            raise ValueError("method: suffix_array compares bytes, characters or words; leave it out for tokens")

    def inputs(self) -> list[str]:
        """The files of the tokenizer. Raises FileNotFoundError."""
        return [source.path for source in paths.list_files(self.tokenizer)] if self.tokenizer else []

    def check(self) -> None:
        """Raises ValueError or FileNotFoundError for a tokenizer that cannot be used."""
        if self.tokenizer:
            units.check(self.tokenizer)

    def check_run(self, output: str, text: int, task_bytes: int, working_bytes: int) -> None:
        """Raises ValueError for what suffix arrays cannot do."""
        if self.method == "suffix_array":
            suffix_parts.check_run(output, text, self.unit, task_bytes, working_bytes)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The maps of `windows`, or of `suffix_parts`; runs; keep, in one task; decide."""
        find = {"windows": windows.find, "suffix_array": suffix_parts.find}[self.method]
        groups = grouping.of_view(view, context.working_bytes)
        threshold = f"{self.min_length} {self.unit}"
        groups, sizes, pieces = find(context, self, groups)
        if pieces is None or not pieces.rows:
            context.found.figures[context.name] = {}
            return decide_map(context, groups, None, threshold)
        ordered = runs.order_map(context, groups, sizes, pieces)
        firsts = grouping.firsts_of(groups)
        keeping = Keeping(self.keep, self.min_length, self.min_remaining, tuple(ordered), firsts, context.working_bytes)
        proposed, figures = keep_map(context, keeping)
        context.found.figures[context.name] = {"unit": self.unit, **figures}
        cutting = Cutting(self.unit, self.tokenizer, self.snap, self.separator)
        return decide_map(context, groups, proposed, threshold, cutting, counted=True)


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
        cuts = cuts.take(pa.array(origin))
        for name, column in (("start", start), ("end", end), ("score", (end - start).astype(float))):
            cuts = cuts.set_column(cuts.schema.get_field_index(name), name, pa.array(column))
        separator = pa.array([self.separator or None] * len(start), pa.string())
        cuts = cuts.set_column(cuts.schema.get_field_index("separator"), "separator", separator)
        cuts = _without_blank(cuts, text, place, start, end)
        return pa.concat_tables([cuts, drops]).sort_by([("row", "ascending"), ("start", "ascending")])


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
