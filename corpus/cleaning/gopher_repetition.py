"""Gopher's rules of repetition (Rae et al. 2021, appendix A1.1), by the presets that `gopher_quality` describes."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus.cleaning import rules
from corpus.cleaning.kernels import gopher_words, repeated_places, repetition, shared_words
from corpus.cleaning.kernels.gopher_words import PRESETS, Preset
from corpus.cleaning.rules import Mode, configured
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow

SEGMENT_RULES = (
    ("empty", "lines", ">=", "min_lines", 1),
    ("duplicate_lines", "duplicate_line_fraction", "<=", "max_duplicate_line_fraction", 0.30),
    ("duplicate_paragraphs", "duplicate_paragraph_fraction", "<=", "max_duplicate_paragraph_fraction", 0.30),
    (
        "duplicate_line_characters",
        "duplicate_line_character_fraction",
        "<=",
        "max_duplicate_line_character_fraction",
        0.20,
    ),
    (
        "duplicate_paragraph_characters",
        "duplicate_paragraph_character_fraction",
        "<=",
        "max_duplicate_paragraph_character_fraction",
        0.20,
    ),
)
GRAM_THRESHOLDS = (0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
GRAM_RULES = tuple(
    (score.removesuffix("_fraction"), score, "<=", f"max_{score}", threshold)
    for score, threshold in zip(repetition.GRAM_SCORES, GRAM_THRESHOLDS)
)
"""Thresholds of Rae et al. 2021, Table A1."""


@dataclasses.dataclass(frozen=True)
class GopherRepetition(Filter):
    """Gopher's repetition rules, `SEGMENT_RULES` then `GRAM_RULES`, by the definitions of a preset
    (see `gopher_quality`).

    A threshold of None is that of the table. Texts without a line are dropped as `empty`. In tag mode every
    score becomes a column and no document is dropped; else n-grams are only counted in documents that the
    rules for lines and paragraphs leave, and only as far as the first rule that fails.

    >>> import corpus
    >>> found = corpus.apply_filters(["the same line\\n" * 5], corpus.GopherRepetition())
    >>> found.dropped.select(["rule", "value"]).to_pylist()
    [{'rule': 'duplicate_lines', 'value': '1'}]
    """

    name: ClassVar[str] = "gopher_repetition"
    rules: ClassVar[tuple[str, ...]] = tuple(rule[0] for rule in (*SEGMENT_RULES, *GRAM_RULES))

    preset: Preset = option("paper", "Whose definitions of words and scores.")
    mode: Mode = option("drop", "Drop documents, or tag all of them with their scores.")
    min_lines: float | None = option(None, "Lines that a text has at least; 1 unless given.")
    max_duplicate_line_fraction: float | None = option(
        None, "Largest share of lines that are repeated; 0.3 unless given."
    )
    max_duplicate_paragraph_fraction: float | None = option(
        None, "Largest share of paragraphs that are repeated; 0.3 unless given."
    )
    max_duplicate_line_character_fraction: float | None = option(
        None, "Largest share of characters in repeated lines; 0.2 unless given."
    )
    max_duplicate_paragraph_character_fraction: float | None = option(
        None, "Largest share of characters in repeated paragraphs; 0.2 unless given."
    )
    max_top_2_gram_fraction: float | None = option(
        None, "Largest share of characters in the most frequent 2-gram; 0.20 unless given."
    )
    max_top_3_gram_fraction: float | None = option(
        None, "Largest share of characters in the most frequent 3-gram; 0.18 unless given."
    )
    max_top_4_gram_fraction: float | None = option(
        None, "Largest share of characters in the most frequent 4-gram; 0.16 unless given."
    )
    max_duplicate_5_gram_fraction: float | None = option(
        None, "Largest share of characters in repeated 5-grams; 0.15 unless given."
    )
    max_duplicate_6_gram_fraction: float | None = option(
        None, "Largest share of characters in repeated 6-grams; 0.14 unless given."
    )
    max_duplicate_7_gram_fraction: float | None = option(
        None, "Largest share of characters in repeated 7-grams; 0.13 unless given."
    )
    max_duplicate_8_gram_fraction: float | None = option(
        None, "Largest share of characters in repeated 8-grams; 0.12 unless given."
    )
    max_duplicate_9_gram_fraction: float | None = option(
        None, "Largest share of characters in repeated 9-grams; 0.11 unless given."
    )
    max_duplicate_10_gram_fraction: float | None = option(
        None, "Largest share of characters in repeated 10-grams; 0.10 unless given."
    )

    @property
    def shared_words(self) -> str | None:
        """The preset whose counts of words this stage shares (`corpus.cleaning.kernels.shared_words`)."""
        return None if self.preset == "dclm" else self.preset

    def score(self, text: pa.Array) -> dict[str, np.ndarray]:
        """Scores of every text, float64[n]; 0 where there is nothing to repeat."""
        active = np.ones(len(text), bool)
        grams = self._score_grams(text, active, shared_words.UNKNOWN, repetition.NO_LIMITS)
        return {**self._score_segments(text), **grams}

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drops the documents that fail a rule, or tags all."""
        text = batch["text"]
        scores = self._score_segments(text)
        segment_rules, gram_rules, limits = [], [], repetition.NO_LIMITS
        if self.mode == "drop":
            segment_rules, gram_rules = configured(self, SEGMENT_RULES), configured(self, GRAM_RULES)
            limits = np.array([rule.threshold for rule in gram_rules], np.float64)
        active = np.ones(len(text), bool)
        for rule in segment_rules:
            active &= rule.passes(scores[rule.score])
        wanted = shared_words.is_wanted(batch, self.preset)
        counts = np.zeros((len(text) if wanted else 0, len(gopher_words.WORD_COUNTS)), np.int64)
        scores.update(self._score_grams(text, active, counts, limits))
        if wanted:
            batch = shared_words.store(batch, self.preset, counts)
        if self.mode == "tag":
            return rules.tag(batch, self.name, scores)
        return rules.drop(batch, scores, [*segment_rules, *gram_rules])

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """The repeated lines or paragraphs, all copies of the most frequent n-gram, or what repeated n-grams
        cover, as the rule counts them."""
        if not outcome.rules or outcome.rules[0] == "empty":
            return []
        rule, text, preset = outcome.rules[0], batch["text"][0].as_py().encode(), PRESETS[self.preset]
        if match := re.fullmatch(r"(?:top|duplicate)_(\d+)_gram", rule):
            found = repeated_places.grams(text, int(match[1]), preset)
        else:
            found = repeated_places.segments(text, 2 if "paragraph" in rule else 1, preset)
        return [Place(rule, start, end) for start, end in found]

    def _score_segments(self, text: pa.Array) -> dict[str, np.ndarray]:
        scores = repetition.segment_scores(*arrow.buffers(text), PRESETS[self.preset])
        return dict(zip(repetition.SEGMENT_SCORES, scores.T))

    def _score_grams(
        self, text: pa.Array, active: np.ndarray, counts: np.ndarray, limits: np.ndarray
    ) -> dict[str, np.ndarray]:
        data, offsets = arrow.buffers(text)
        preset, tables = PRESETS[self.preset], gopher_words.tables()
        scores = repetition.gram_scores(data, offsets, active, preset, tables, counts, limits)
        return dict(zip(repetition.GRAM_SCORES, scores.T))
