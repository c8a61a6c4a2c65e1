"""Gopher's rules of quality and of repetition (Rae et al. 2021, "Scaling Language Models: Methods, Analysis &
Insights from Training Gopher", appendix A1.1), as the paper, datatrove 0.10 and DCLM define them.

The thresholds are the same everywhere, what is measured is not:

                      paper                     dclm                       datatrove
    words             `str.split`               fastText's that begin      NLTK's with a character that is
                                                with a letter or number    no punctuation
    mean word length  of `str.split`            of `str.split`             of the words above
    symbols           "#"; "..." and "…"        "#", "...", ". . .", "…"   "#"; "..." and "…"
                      per `str.split` word      together, per word         per NLTK word
    bullets           ● • * -                   ● • * -                    • -
    ellipsis line     ... …                     ... … ". . ."              ... …
    with a letter     of `str.split`            of `str.split`             of all NLTK words
    stop words        different ones,           occurrences,               different ones,
                      any case                  any case                   this case
    lines             not blank, stripped       not blank, stripped        `str.splitlines`
    duplicates        all copies                all copies                 copies after the first
    n-gram words      `str.split`               UAX #29                    NLTK's
    top n-gram        of as frequent ones the longest, 0 if none is        the first, even if it occurs once,
                      repeated                                             with spaces
    repeated n-grams  words in any copy, once   words in any copy, once    seen before, left to right
    of characters     of the words              of the words               of the text

UAX #29 is `corpus.text.word_break`, NLTK's words are `corpus.text.treebank`. datatrove 0.10 itself splits English
into NLTK's words only when a filter is given `language=NLTKTokenizer("english")`, by default into spaCy's; NLTK's
are those of datatrove 0.2, of FineWeb's time.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus.cleaning import rules
from corpus.cleaning.kernels import gopher_words, shared_words
from corpus.cleaning.kernels.gopher_words import PRESETS, Preset
from corpus.cleaning.rules import Mode, configured
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow

QUALITY_RULES = (
    ("too_few_words", "words", ">=", "min_words", 50),
    ("too_many_words", "words", "<=", "max_words", 100_000),
    ("words_too_short", "mean_word_length", ">=", "min_mean_word_length", 3),
    ("words_too_long", "mean_word_length", "<=", "max_mean_word_length", 10),
    ("too_many_hashes", "hash_ratio", "<=", "max_hash_ratio", 0.1),
    ("too_many_ellipses", "ellipsis_ratio", "<=", "max_ellipsis_ratio", 0.1),
    ("too_many_symbols", "symbol_ratio", "<=", "max_symbol_ratio", 0.1),
    ("too_many_bullet_lines", "bullet_line_fraction", "<=", "max_bullet_line_fraction", 0.9),
    ("too_many_ellipsis_lines", "ellipsis_line_fraction", "<=", "max_ellipsis_line_fraction", 0.3),
    ("too_few_alphabetic_words", "alphabetic_word_fraction", ">=", "min_alphabetic_word_fraction", 0.8),
    ("too_few_stop_words", "stop_words", ">=", "min_stop_words", 2),
)
"""(rule, score, sign, field, threshold), thresholds of Rae et al. 2021, A1.1."""

UNUSED_QUALITY_RULES = {
    "paper": ("too_many_symbols",),
    "datatrove": ("too_many_symbols",),
    "dclm": ("too_many_hashes", "too_many_ellipses"),
}
"""Symbols: one test of each kind, or one of both together. A threshold that is set turns its rule on."""


@dataclasses.dataclass(frozen=True)
class GopherQuality(Filter):
    """Gopher's quality rules, `QUALITY_RULES`, by the definitions of a preset (see the module).

    A threshold of None is that of `QUALITY_RULES`, or no rule for those of UNUSED_QUALITY_RULES. In tag mode
    every score becomes a column and no document is dropped.

    >>> import corpus
    >>> found = corpus.apply_filters(["Too few words."], corpus.GopherQuality())
    >>> found.dropped.select(["rule", "value", "threshold"]).to_pylist()
    [{'rule': 'too_few_words', 'value': '3', 'threshold': '>= 50'}]
    >>> tagged = corpus.apply_filters(["Too few words."], corpus.GopherQuality(mode="tag")).kept
    >>> tagged["gopher_quality.words"].to_pylist()
    [3.0]
    """

    name: ClassVar[str] = "gopher_quality"
    rules: ClassVar[tuple[str, ...]] = tuple(rule[0] for rule in QUALITY_RULES)

    preset: Preset = option("paper", "Whose definitions of words and scores.")
    mode: Mode = option("drop", "Drop documents, or tag all of them with their scores.")
    min_words: float | None = option(None, "Words that a text has at least; 50 unless given.")
    max_words: float | None = option(None, "Words that a text has at most; 100,000 unless given.")
    min_mean_word_length: float | None = option(None, "Least mean length of words; 3 unless given.")
    max_mean_word_length: float | None = option(None, "Largest mean length of words; 10 unless given.")
    max_hash_ratio: float | None = option(None, "Most hash signs per word; 0.1 unless given, none for dclm.")
    max_ellipsis_ratio: float | None = option(None, "Most ellipses per word; 0.1 unless given, none for dclm.")
    max_symbol_ratio: float | None = option(
        None, "Most hash signs and ellipses per word; 0.1 for dclm, none else unless given."
    )
    max_bullet_line_fraction: float | None = option(
        None, "Largest share of lines that begin with a bullet; 0.9 unless given."
    )
    max_ellipsis_line_fraction: float | None = option(
        None, "Largest share of lines that end in an ellipsis; 0.3 unless given."
    )
    min_alphabetic_word_fraction: float | None = option(None, "Least share of words with a letter; 0.8 unless given.")
    min_stop_words: float | None = option(None, "English stop words that a text has at least; 2 unless given.")

    @property
    def shared_words(self) -> str | None:
        """The preset whose counts of words this stage shares (`corpus.cleaning.kernels.shared_words`)."""
        return None if self.preset == "dclm" else self.preset

    def score(self, text: pa.Array) -> dict[str, np.ndarray]:
        """Scores of every text, float64[n]; NaN for means and ratios of texts without words (or lines)."""
        return self._scores(self._count(text, shared_words.UNKNOWN))

    def _count(self, text: pa.Array, known: np.ndarray) -> np.ndarray:
        data, offsets = arrow.buffers(text)
        return gopher_words.count_quality(data, offsets, PRESETS[self.preset], gopher_words.tables(), known)

    def _scores(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        count = dict(zip(gopher_words.COUNTS, counts.T.astype(np.float64)))
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "words": count["words"],
                "mean_word_length": count["characters"] / count["measured_words"],
                "hash_ratio": count["hashes"] / count["all_words"],
                "ellipsis_ratio": count["ellipses"] / count["all_words"],
                "symbol_ratio": (count["hashes"] + count["ellipses"]) / count["all_words"],
                "bullet_line_fraction": count["bullet_lines"] / count["lines"],
                "ellipsis_line_fraction": count["ellipsis_lines"] / count["lines"],
                "alphabetic_word_fraction": count["alphabetic"] / count["all_words"],
                "stop_words": count["stop_words"],
            }

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drops the documents that fail a rule, or tags all."""
        counts = self._count(batch["text"], shared_words.known(batch, self.preset))
        if shared_words.is_wanted(batch, self.preset):
            batch = shared_words.store(batch, self.preset, counts[:, : len(gopher_words.WORD_COUNTS)])
        scores = self._scores(counts)
        if self.mode == "tag":
            return rules.tag(batch, self.name, scores)
        unused = UNUSED_QUALITY_RULES[self.preset]
        return rules.drop(batch, scores, configured(self, QUALITY_RULES, unused))

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """Bullet lines, lines that end in an ellipsis, or symbols, where the rule is about them."""
        rule, text = outcome.rules[0] if outcome.rules else "", batch["text"][0].as_py().encode()
        found = gopher_words.find_symbols(text, PRESETS[self.preset])
        kinds = {
            "too_many_hashes": ("hashes",),
            "too_many_ellipses": ("ellipses",),
            "too_many_symbols": ("hashes", "ellipses"),
            "too_many_bullet_lines": ("bullet_lines",),
            "too_many_ellipsis_lines": ("ellipsis_lines",),
        }
        return [Place(rule, *bounds) for bounds in sorted(b for kind in kinds.get(rule, ()) for b in found[kind])]
