"""The language stage: tags documents with their language and keeps those of chosen languages."""

from __future__ import annotations

import collections
import dataclasses
import difflib
import math
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.documents import Outcome, replace_column
from corpus.language import fasttext, langdetect
from corpus.language.profiles import LANGUAGES


DETECTED = "detected "
"""Counters of the stage: this and a language's code, documents in which it was the top language."""


@dataclasses.dataclass(frozen=True)
class Language:
    """Identifies the language of each document.

    keep: codes of the languages to keep; empty keeps all. A document is kept when its most probable
        language is one of them, with at least `min_probability` (0.99: C4's `detect_english`).
    backend: "langdetect" answers as langdetect 1.0.9 seeded with 0 does, as C4 used it (its codes:
        55, Chinese as zh-cn and zh-tw); "fasttext" is lid.176 (the extra `fasttext`).
    tag: write the columns `language` (code, null if undetected) and `language.probability`
        (float64, null if undetected).
    model: path of another fastText model.

    Raises ValueError for an unknown code, naming the nearest, and for a probability beyond 0..1.
    """

    name: ClassVar[str] = "language"
    rules: ClassVar[tuple[str, ...]] = ("undetected", "not_kept")

    keep: tuple[str, ...] = ()
    min_probability: float = 0.99
    backend: Literal["langdetect", "fasttext"] = "langdetect"
    tag: bool = True
    model: str = ""

    def __post_init__(self):
        if not 0.0 <= self.min_probability <= 1.0:
            raise ValueError(f"min_probability is {self.min_probability}, not between 0 and 1")
        if self.model and self.backend != "fasttext":
            raise ValueError("a model is for the fasttext backend only")
        for code in self.keep if self.backend == "langdetect" else ():
            if code not in LANGUAGES:
                near = difflib.get_close_matches(code, LANGUAGES, 1, 0) or ["en"]
                raise ValueError(f"langdetect knows no language {code!r}; did you mean {near[0]!r}?")

    def inputs(self) -> list[str]:
        """Files it reads: the model, if one is named."""
        return [self.model] if self.model else []

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Tags the documents and drops those that are not kept: by rule `undetected`, or `not_kept`
        with a value such as "fr 0.9999" (probabilities rounded down to four places)."""
        codes, probabilities = self._detect(batch.column("text"))
        counters = {f"{DETECTED}{code}": n for code, n in collections.Counter(codes).items() if code}
        if self.tag:
            undetected = np.array([code is None for code in codes], bool)
            batch = replace_column(batch, "language", pa.array(codes, pa.string()))
            batch = replace_column(batch, "language.probability", pa.array(probabilities, mask=undetected))
        if not self.keep:
            return Outcome(batch, counters=counters)
        passes = [c in self.keep and p >= self.min_probability for c, p in zip(codes, probabilities)]
        rows = np.flatnonzero(~np.array(passes, bool))
        return Outcome(
            batch.filter(pa.array(passes, pa.bool_())),
            rows,
            ["undetected" if codes[i] is None else "not_kept" for i in rows],
            ["" if codes[i] is None else f"{codes[i]} {math.floor(probabilities[i] * 1e4) / 1e4:.4f}" for i in rows],
            [f"{' or '.join(self.keep)} >= {self.min_probability:g}"] * len(rows),
            counters,
        )

    def _detect(self, text: pa.Array) -> tuple[list[str | None], np.ndarray]:
        if self.backend == "fasttext":
            return fasttext.detect(text, self.model)
        languages, probabilities = langdetect.detect(text)
        return [LANGUAGES[i] if i >= 0 else None for i in languages], probabilities
