"""Drop documents that are too short or too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import pyarrow as pa

from corpus.options import option
from corpus.step import Filter, Outcome
from corpus.text import arrow, spans, utf8

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(data, offsets) of a string column -> int64, a length of every entry."""


@dataclass(frozen=True)
class Length(Filter):
    """Bounds on code points, on words (`str.split`) and on bytes of UTF-8; both ends are
    allowed values, None is no bound. The first rule that fails, in the order of `rules`,
    is the one reported.

    >>> import corpus
    >>> found = corpus.apply_filters(["one two", "one two three"], corpus.Length(min_words=3))
    >>> found.dropped.select(["rule", "value", "threshold"]).to_pylist()
    [{'rule': 'too_few_words', 'value': '2', 'threshold': '3'}]
    """

    min_characters: int | None = option(None, "Code points that a text has at least.", ge=0)
    max_characters: int | None = option(None, "Code points that a text has at most.", ge=0)
    min_words: int | None = option(None, "Words (str.split) that a text has at least.", ge=0)
    max_words: int | None = option(None, "Words (str.split) that a text has at most.", ge=0)
    min_bytes: int | None = option(None, "Bytes of UTF-8 that a text has at least.", ge=0)
    max_bytes: int | None = option(None, "Bytes of UTF-8 that a text has at most.", ge=0)

    name: ClassVar[str] = "length"
    rules: ClassVar[tuple[str, ...]] = (
        "too_few_characters",
        "too_many_characters",
        "too_few_words",
        "too_many_words",
        "too_few_bytes",
        "too_many_bytes",
    )

    def refuse(self) -> None:
        """Raises ValueError for bounds between which there is nothing."""
        for unit in ("characters", "words", "bytes"):
            least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{unit} is {least}, more than max_{unit}, which is {most}")

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Keeps the documents within all bounds."""
        data, offsets = arrow.buffers(batch["text"])
        measures: tuple[tuple[int | None, int | None, Measure], ...] = (  # in the order of `rules`
            (self.min_characters, self.max_characters, count_characters),
            (self.min_words, self.max_words, count_words),
            (self.min_bytes, self.max_bytes, lambda data, offsets: np.diff(offsets)),
        )
        decided = np.full(len(batch), -1, np.int64)  # index of the rule that dropped the row
        values = np.zeros(len(batch), np.int64)
        bounds: list[int | None] = []
        for least, most, measure in measures:
            counts = measure(data, offsets) if (least, most) != (None, None) else None
            for bound, fails in ((least, np.less), (most, np.greater)):
                if bound is not None and counts is not None:
                    failed = (decided < 0) & fails(counts, bound)
                    decided[failed] = len(bounds)
                    values[failed] = counts[failed]
                bounds.append(bound)
        rows = np.flatnonzero(decided >= 0)
        return Outcome(
            kept=batch.filter(pa.array(decided < 0)) if len(rows) else batch,
            rows=rows,
            rules=[self.rules[rule] for rule in decided[rows]],
            values=[str(value) for value in values[rows]],
            thresholds=[str(bounds[rule]) for rule in decided[rows]],
        )


@numba.njit(cache=True, nogil=True)
def count_characters(data, offsets):
    """Code points of every entry of a string column: int64[number of entries]."""
    counts = np.empty(len(offsets) - 1, np.int64)
    for i in range(len(counts)):
        counts[i] = utf8.characters(data, offsets[i], offsets[i + 1])
    return counts


@numba.njit(cache=True, nogil=True)
def count_words(data, offsets):
    """Words (`len(text.split())`) of every entry of a string column: int64[number of entries]."""
    counts = np.empty(len(offsets) - 1, np.int64)
    for i in range(len(counts)):
        counts[i] = spans.count_words(data, offsets[i], offsets[i + 1])
    return counts
