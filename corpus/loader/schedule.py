"""Which of several sources each sample of a mixture is of: arithmetic, whatever a source is.

Of P samples, a_k of source k, the j-th (1, 2, ..) of source k stands at a place from floor((j - 1) P / a_k) to
ceil(j P / a_k) - 1. Then at every prefix, of t samples, the number of those of source k differs by less than 1 from
t a_k / P. That there is such an order, and that one finds it by always taking of what is released what is due first, is
known of proportionate fair schedules (Baruah, Cohen, Plaxton, Varvel 1996). Places of equal deadline go to the earlier
source. A schedule of weights is one such period, over and over; one of counts is cut into chunks of about CHUNK
samples, of which each is such an order, and before each of which there are of every source as many as its share, to one
of the two whole numbers next to it: less than 2 from it, then, at every prefix.
"""

from __future__ import annotations

import bisect
import dataclasses
import fractions
import functools
import math
from collections.abc import Sequence
from typing import ClassVar

import numba
import numpy as np

CHUNK = 1 << 20
"""Samples of a period, or of a chunk, at most: 6 MiB, and some 20 ms."""


@numba.njit(cache=True, nogil=True)
def _period(counts):
    """(source int16[P], which of its source it is int32[P]) of a period with `counts` (int64[sources]), P their sum."""
    size = counts.sum()
    source = np.empty(size, np.int16)
    which = np.empty(size, np.int32)
    done = np.zeros(len(counts), np.int64)
    released = np.zeros(len(counts), np.int64)
    due = np.zeros(len(counts), np.int64)
    for k in range(len(counts)):
        due[k] = (size + counts[k] - 1) // counts[k] if counts[k] else size + 1
    for place in range(size):
        chosen = -1
        for k in range(len(counts)):
            if done[k] < counts[k] and released[k] <= place and (chosen < 0 or due[k] < due[chosen]):
                chosen = k
        source[place], which[place] = chosen, done[chosen]
        done[chosen] += 1
        released[chosen] = done[chosen] * size // counts[chosen]
        due[chosen] = ((done[chosen] + 1) * size + counts[chosen] - 1) // counts[chosen]
    return source, which


@functools.lru_cache(8)
def period(counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(source int16[P], which of its source it is int32[P]) of a period, P the sum of `counts`."""
    return _period(np.array(counts, np.int64))


@functools.lru_cache(8)
def shares(counts: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """(samples, samples of each source) before every chunk of a schedule of `counts`, and behind the last. From one to
    the next a source gets what its share has at least; what is left goes, one each, to those whose next is due first.
    """
    size, chunks = sum(counts), -(-sum(counts) // CHUNK)
    before, found = tuple(0 for _ in counts), [(0, tuple(0 for _ in counts))]
    for chunk in range(1, chunks + 1):
        place = size * chunk // chunks
        now = [max(had, count * place // size) for had, count in zip(before, counts)]
        waiting = [k for k, count in enumerate(counts) if now[k] * size < count * place]
        waiting.sort(key=lambda k: (-(-(now[k] + 1) * size // counts[k]), k))
        for k in waiting[: max(0, place - sum(now))]:
            now[k] += 1
        before = tuple(now)
        found.append((sum(before), before))
    return found


@dataclasses.dataclass(frozen=True)
class Weights:
    """A schedule without an end: in every period of `sum(counts)` samples so many of each source."""

    counts: tuple[int, ...]
    kind: ClassVar[str] = "Weights"

    def locate(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(source int64[count], which of its source int64[count]) of the samples first, first + 1, .."""
        source, which = period(self.counts)
        turns, places = np.divmod(np.arange(first, first + count), len(source))
        found = source[places].astype(np.int64)
        return found, turns * np.array(self.counts, np.int64)[found] + which[places]

    def before(self, sample: int) -> np.ndarray:
        """int64[sources]: samples of each before this one."""
        source, _ = period(self.counts)
        turns, place = divmod(sample, len(source))
        return turns * np.array(self.counts, np.int64) + np.bincount(source[:place], minlength=len(self.counts))


@dataclasses.dataclass(frozen=True)
class Counts:
    """A schedule of so many samples of each source."""

    counts: tuple[int, ...]

    @property
    def kind(self) -> str:
        """What a state says of the order; that of several chunks was once another."""
        return "Counts" if sum(self.counts) <= CHUNK else "Counts/2"

    def _chunk_of(self, sample: int) -> tuple[int, int]:
        """The chunk that a sample is in, and its place there."""
        starts = [begin for begin, _ in shares(self.counts)]
        chunk = bisect.bisect_right(starts, sample, hi=len(starts) - 1) - 1
        return chunk, sample - starts[chunk]

    def _share(self, chunk: int) -> tuple[int, ...]:
        """Samples of each source before a chunk."""
        return shares(self.counts)[chunk][1]

    def _period(self, chunk: int) -> tuple[np.ndarray, np.ndarray]:
        return period(tuple(b - a for a, b in zip(self._share(chunk), self._share(chunk + 1))))

    def locate(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """As `Weights.locate`."""
        sources, whichs = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        while count > 0:
            chunk, place = self._chunk_of(first)
            source, which = (array[place : place + count].astype(np.int64) for array in self._period(chunk))
            sources.append(source)
            whichs.append(which + np.array(self._share(chunk), np.int64)[source])
            first, count = first + len(source), count - len(source)
        return np.concatenate(sources), np.concatenate(whichs)

    def before(self, sample: int) -> np.ndarray:
        """As `Weights.before`."""
        if sample >= sum(self.counts):
            return np.array(self.counts, np.int64)
        chunk, place = self._chunk_of(sample)
        source, _ = self._period(chunk)
        return np.array(self._share(chunk), np.int64) + np.bincount(source[:place], minlength=len(self.counts))


def whole(weights: Sequence[float | int | str]) -> tuple[int, ...]:
    """The least whole numbers in the proportions of `weights`, taken as they are written (0.1 is a tenth). Raises
    ValueError for weights that are none, and where the numbers add up to more than CHUNK."""
    exact = []
    for weight in weights:
        try:
            exact.append(fractions.Fraction(str(weight)))
        except ValueError:
            raise ValueError(f"weight {weight!r} is no number") from None
    if any(weight < 0 for weight in exact) or sum(exact) == 0:
        raise ValueError(f"weights must be at least 0, and one of them more, not {list(weights)}")
    scale = math.lcm(*(weight.denominator for weight in exact))
    counts = [int(weight * scale) for weight in exact]
    common = math.gcd(*counts)
    counts = [count // common for count in counts]
    if sum(counts) > CHUNK:
        raise ValueError(
            f"weights {list(weights)} have a period of {sum(counts)} samples, more than {CHUNK}: round them"
        )
    return tuple(counts)
