"""What maps count: what a step did to documents, lengths."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipelines.engine import Unproven

LENGTH_BINS = 32
"""Lengths are counted in bins of powers of two: bin b holds texts of [2^(b-1), 2^b) bytes, bin 0 the empty ones."""


@dataclasses.dataclass
class StepCount:
    """What one step did in one task. `bytes` are of text."""

    documents_in: int = 0
    kept: int = 0
    quarantined: int = 0
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    counters: dict[str, int] = dataclasses.field(default_factory=dict)

    def check(self, name: str) -> None:
        """Every document that came in is kept, dropped or quarantined."""
        accounted = self.kept + sum(self.dropped.values()) + self.quarantined
        if accounted != self.documents_in:
            raise Unproven(f"step {name}: {self.documents_in} documents in, {accounted} accounted for")


def add(counts: dict[str, int], key: str, number: int) -> None:
    """Add to a count, which begins at 0."""
    counts[key] = counts.get(key, 0) + int(number)


def length_histogram(lengths: np.ndarray) -> np.ndarray:
    """int64[LENGTH_BINS]: how many of the `lengths` are in each bin."""
    bins = np.searchsorted(1 << np.arange(LENGTH_BINS - 1), lengths, side="right")
    return np.bincount(bins, minlength=LENGTH_BINS)
