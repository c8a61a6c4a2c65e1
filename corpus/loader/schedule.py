"""Which of several sources each sample of a mixture is of: arithmetic, whatever a source is.

Of P samples, a_k of source k, the j-th (1, 2, ..) of source k stands at a place from floor((j - 1) P / a_k) to
ceil(j P / a_k) - 1. Then at every prefix, of t samples, the number of those of source k differs by less than 1 from
t a_k / P. That there is such an order, and that one finds it by always taking of what is released what is due first, is
known of proportionate fair schedules (Baruah, Cohen, Plaxton, Varvel 1996). Places of equal deadline go to the earlier
source. A schedule of weights is one such period, over and over; one of counts is cut into C chunks of about CHUNK
samples at most, and of every count the first c chunks have c / C, to the next whole number below.
"""

from __future__ import annotations

import dataclasses
import fractions
import functools
import math
from collections.abc import Sequence

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


@dataclasses.dataclass(frozen=True)
class Weights:
    """A schedule without an end: in every period of `sum(counts)` samples so many of each source."""

    counts: tuple[int, ...]

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
    def chunks(self) -> int:
        return -(-sum(self.counts) // CHUNK)

    def _share(self, chunk: int) -> list[int]:
        """Samples of each source before a chunk."""
        return [count * chunk // self.chunks for count in self.counts]

    def _chunk_of(self, sample: int) -> tuple[int, int]:
        """The chunk that a sample is in, and its place there."""
        chunk = min(self.chunks - 1, sample * self.chunks // sum(self.counts))
        while sum(self._share(chunk + 1)) <= sample:  # shares are rounded: a chunk may begin a little earlier
            chunk += 1
        return chunk, sample - sum(self._share(chunk))

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
