"""mC4's test of a page before it is cleaned: a few long lines, as prose has them and menus have not."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numba
import numpy as np
import pyarrow as pa

from corpus.cleaning.rules import Mode, Rule, drop, tag
from corpus.options import option
from corpus.step import Filter, Outcome
from corpus.text import arrow, spans, utf8


@dataclasses.dataclass(frozen=True)
class ParagraphFilter(Filter):
    """Drops documents with fewer than `min_paragraphs` paragraphs: lines (`text.split("\\n")`) of at
    least `min_characters` code points, white space counted.

    Three lines of 200 is mC4's line length filter (Xue et al. 2021, section 3.1) and decides as
    `c4_utils.paragraph_filter` of tensorflow-datasets 4.9.10: the third longest line decides.
    mode "tag" keeps all and adds the column `mc4_paragraphs.paragraphs`.

    >>> import corpus
    >>> filters = corpus.ParagraphFilter(min_paragraphs=2, min_characters=10)
    >>> corpus.apply_filters(["One paragraph.", "One paragraph.\\nAnd another."], filters).kept["id"].to_pylist()
    ['1']
    """

    name: ClassVar[str] = "mc4_paragraphs"
    rules: ClassVar[tuple[str, ...]] = ("too_few_paragraphs",)

    min_paragraphs: int = option(3, "Paragraphs that a document has at least.")
    min_characters: int = option(200, "Code points that a line needs to be a paragraph.")
    mode: Mode = option("drop", "Drop documents, or tag all of them with their number of paragraphs.")

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Counts the paragraphs of each document, the value that is reported."""
        scores = {"paragraphs": count_long_lines(batch.column("text"), self.min_characters).astype(np.float64)}
        if self.mode == "tag":
            return tag(batch, self.name, scores)
        return drop(batch, scores, [Rule(self.rules[0], "paragraphs", ">=", self.min_paragraphs)])


def count_long_lines(text: pa.Array, min_characters: int) -> np.ndarray:
    """Lines of at least `min_characters` code points in each text of a string column: int64[n]."""
    data, offsets = arrow.buffers(text)
    starts, ends, first = spans.lines(data, offsets, newline_only=True)
    return _count_long(data, starts, ends, first, min_characters)


@numba.njit(cache=True, nogil=True)
def _count_long(data, starts, ends, first, min_characters):
    counts = np.zeros(len(first) - 1, np.int64)
    for entry in range(len(counts)):
        for line in range(first[entry], first[entry + 1]):
            # A line of fewer bytes has fewer characters; most lines are that short.
            if ends[line] - starts[line] >= min_characters:
                counts[entry] += utf8.characters(data, starts[line], ends[line]) >= min_characters
    return counts
