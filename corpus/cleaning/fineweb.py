"""FineWeb's own quality rules (Penedo et al. 2024, "The FineWeb Datasets", section 3.6), as the paper and as
datatrove 0.10 (`FineWebQualityFilter`) have them.

The paper drops at the thresholds, datatrove beyond them; datatrove's limit for repeated characters is a tenth of
the paper's, and its rule for newlines is not in the paper.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numba
import numpy as np
import pyarrow as pa

from corpus.cleaning import rules
from corpus.cleaning.kernels import shared_words
from corpus.cleaning.kernels.gopher_words import ALL_WORDS, PRESETS, TERMINAL_MARKS, find_words, make_room, tables
from corpus.cleaning.kernels.repetition import number_spans
from corpus.cleaning.rules import Mode, configured
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow, spans, utf8
from corpus.text.leaf import leaf

RULES = {
    "paper": (
        ("empty", "lines", ">=", "min_lines", 1),
        ("few_lines_end_in_punctuation", "line_punctuation_ratio", ">", "min_line_punctuation_ratio", 0.12),
        ("too_many_short_lines", "short_line_ratio", "<", "max_short_line_ratio", 0.67),
        ("duplicate_characters", "character_duplication_ratio", "<", "max_character_duplication_ratio", 0.1),
        ("too_many_newlines", "newline_ratio", "<=", "max_newline_ratio", None),
    ),
    "datatrove": (
        ("empty", "lines", ">=", "min_lines", 1),
        ("few_lines_end_in_punctuation", "line_punctuation_ratio", ">=", "min_line_punctuation_ratio", 0.12),
        ("too_many_short_lines", "short_line_ratio", "<=", "max_short_line_ratio", 0.67),
        ("duplicate_characters", "character_duplication_ratio", "<=", "max_character_duplication_ratio", 0.01),
        ("too_many_newlines", "newline_ratio", "<=", "max_newline_ratio", 0.3),
    ),
}
"""(rule, score, sign, field, threshold; None: no rule unless the field is set)."""


@dataclasses.dataclass(frozen=True)
class FineWeb(Filter):
    """FineWeb's quality rules. Lines are those between newlines that are not blank.

    line_punctuation_ratio: lines that end in a terminal mark (one of 159, `TERMINAL_MARKS`; spaces at the end
        are not stripped) per line
    short_line_ratio: lines of at most `short_line_length` code points per line
    character_duplication_ratio: code points in copies of lines after the first, per code point that is no
        newline
    newline_ratio: newlines per word, words of `str.split` for "paper" and of NLTK for "datatrove"

    >>> import corpus
    >>> found = corpus.apply_filters(["A menu\\nwith entries\\nand no marks"], corpus.FineWeb())
    >>> found.dropped.select(["rule", "value"]).to_pylist()
    [{'rule': 'few_lines_end_in_punctuation', 'value': '0'}]
    """

    name: ClassVar[str] = "fineweb"
    rules: ClassVar[tuple[str, ...]] = tuple(rule[0] for rule in RULES["paper"])

    preset: Literal["paper", "datatrove"] = option("paper", "Whose definitions of scores.")
    mode: Mode = option("drop", "Drop documents, or tag all of them with their scores.")
    min_lines: float | None = option(None, "Lines that a text has at least.")
    min_line_punctuation_ratio: float | None = option(None, "Least share of lines that end in a terminal mark.")
    max_short_line_ratio: float | None = option(None, "Largest share of short lines.")
    short_line_length: int = option(30, "Code points that a short line has at most.")
    max_character_duplication_ratio: float | None = option(None, "Largest share of characters in copies of lines.")
    max_newline_ratio: float | None = option(None, "Most newlines per word.")

    @property
    def shared_words(self) -> str | None:
        """The preset whose counts of words this stage shares (`corpus.cleaning.kernels.shared_words`)."""
        return self.preset

    def score(self, text: pa.Array) -> dict[str, np.ndarray]:
        """Scores of every text, float64[n]; NaN for ratios of texts without lines."""
        newlines = self._score_newlines(text, np.ones(len(text), bool), shared_words.UNKNOWN)
        return {**self._score_lines(text), "newline_ratio": newlines}

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drops the documents that fail a rule, or tags all. Words are counted only where it matters."""
        text = batch["text"]
        known = shared_words.known(batch, self.preset)
        scores = self._score_lines(text)
        if self.mode == "tag":
            scores["newline_ratio"] = self._score_newlines(text, np.ones(len(text), bool), known)
            return rules.tag(batch, self.name, scores)
        table = RULES[self.preset]
        line_rules, newline_rules = configured(self, table[:-1]), configured(self, table[-1:])
        active = np.logical_and.reduce([rule.passes(scores[rule.score]) for rule in line_rules])
        if newline_rules:
            scores["newline_ratio"] = self._score_newlines(text, active, known)
        return rules.drop(batch, scores, [*line_rules, *newline_rules])

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """The lines that the rule is about: those without a mark at the end, the short ones, or copies."""
        if not outcome.rules:
            return []
        rule, text = outcome.rules[0], batch["text"][0].as_py()
        places: list[Place] = []
        seen: set[str] = set()
        end = -1
        for line in text.split("\n"):
            start, end = end + 1, end + 1 + len(line.encode())
            fails = {
                "few_lines_end_in_punctuation": not line.endswith(TERMINAL_MARKS),
                "too_many_short_lines": len(line) <= self.short_line_length,
                "duplicate_characters": line in seen,
            }
            if line.strip() and fails.get(rule, False):
                places.append(Place(rule, start, end))
            seen.add(line)
        return places

    def _score_lines(self, text: pa.Array) -> dict[str, np.ndarray]:
        counts = count_lines(*arrow.buffers(text), self.short_line_length, _MARK_KEYS)
        lines, punctuated, short, duplicate, characters = counts.T.astype(np.float64)
        with np.errstate(invalid="ignore"):
            return {
                "lines": lines,
                "line_punctuation_ratio": punctuated / lines,
                "short_line_ratio": short / lines,
                "character_duplication_ratio": np.where(lines > 0, duplicate / characters, np.nan),
            }

    def _score_newlines(self, text: pa.Array, active: np.ndarray, known: np.ndarray) -> np.ndarray:
        data, offsets = arrow.buffers(text)
        counts = count_newlines(data, offsets, active, PRESETS[self.preset], tables(), known)
        newlines, words = counts.T.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(words > 0, newlines / words, np.nan)


_MARK_KEYS = np.array(sorted(ord(mark) for mark in TERMINAL_MARKS))


@numba.njit(cache=True, nogil=True)
def count_lines(data, offsets, short_length, marks):
    """(lines, lines that end in one of `marks` (sorted code points), lines of at most `short_length` code points,
    code points of repeated lines, code points but newlines): int64[documents, 5]."""
    counts = np.zeros((len(offsets) - 1, 5), np.int64)
    longest = 1
    for i in range(len(counts)):
        longest = max(longest, offsets[i + 1] - offsets[i] + 1)
    starts, ends = np.empty(longest, np.int64), np.empty(longest, np.int64)
    lengths, first = np.empty(longest, np.int64), np.empty(longest, np.int32)
    table = np.empty(16, np.int32)
    for i in range(len(counts)):
        lines = 0
        position = offsets[i]
        while position < offsets[i + 1]:
            stop = position
            length = 0
            while stop < offsets[i + 1] and data[stop] != 0x0A:
                length += data[stop] & 0xC0 != 0x80
                stop += 1
            counts[i, 4] += length
            begin, end = spans.strip(data, position, stop)
            if begin < end:
                starts[lines], ends[lines], lengths[lines] = position, stop, length
                lines += 1
                counts[i, 1] += _ends_in(data, stop, marks)
                counts[i, 2] += length <= short_length
            position = stop + 1
        counts[i, 0] = lines
        table = number_spans(data, starts, ends, lines, table, first)
        for line in range(lines):
            counts[i, 3] += lengths[line] if first[line] != line else 0
    return counts


@leaf
def _ends_in(data, end, marks):
    """Whether the code point before `end` is one of `marks`."""
    last = data[end - 1]
    if last < 0x80:
        return last == 0x2E or last == 0x21 or last == 0x3F
    code_point, _ = utf8.decode(data, utf8.previous(data, end))
    at = np.searchsorted(marks, code_point)
    return at < len(marks) and marks[at] == code_point


@numba.njit(cache=True, nogil=True)
def count_newlines(data, offsets, active, preset, tables, known):
    """(newlines, words) of the documents with `active` (bool[documents]): int64[documents, 2]. `known` is
    int64[documents, len(WORD_COUNTS)], with no row if words are to be counted."""
    counts = np.zeros((len(offsets) - 1, 2), np.int64)
    room = make_room(offsets, preset)
    for i in range(len(counts)):
        if active[i]:
            for position in range(offsets[i], offsets[i + 1]):
                counts[i, 0] += data[position] == 0x0A
            if len(known):
                counts[i, 1] = known[i, ALL_WORDS]
            else:
                counts[i, 1] = find_words(data, offsets[i], offsets[i + 1], preset, tables, room)
    return counts
