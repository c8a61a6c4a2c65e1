"""The one hash behind every random decision about tokens: a frozen function, pinned by test vectors."""

import numba
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio, odd: the increment of SplitMix64 (Steele, Lea, Flood 2014)."""

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@numba.njit(cache=True, nogil=True)
def mix64(value):
    """SplitMix64's output function (Stafford's variant 13): a bijection on uint64 in which every
    bit of the argument changes every bit of the result with probability near 1/2."""
    value = np.uint64(value)
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def combine(key, number):
    """Hash (uint64) of a hash `key` and one more `number` (uint64): chain it over the parts of a
    name, such as (seed, epoch), so that no two names share a stream by adding up alike."""
    return mix64(mix64(np.uint64(key) + GOLDEN) ^ np.uint64(number))
