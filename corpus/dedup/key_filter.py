"""A filter of bucket keys: most keys that nobody has are known at once not to be there (B. Bloom 1970, with one hash).

Keys are mixed already (`lsh.band_keys`), so that their bits are the hash.
"""

from __future__ import annotations

import numba
import numpy as np

BITS_A_KEY = 16
"""Of 17 keys that are not there one seems to be."""
MOST_BITS = 1 << 30
"""128 MiB."""
LEAST_BITS_A_KEY = 4
"""Below it, where one of five seems to be there, a filter is not worth its making."""


def bits_for(keys: int) -> int:
    """Bits, a power of two, for so many keys; 0 where there are too many for a filter."""
    bits = 1 << 10
    while bits < BITS_A_KEY * keys and bits < MOST_BITS:
        bits *= 2
    return bits if bits >= LEAST_BITS_A_KEY * keys else 0


def empty(bits: int) -> np.ndarray:
    """A filter (uint64[bits / 64]) that holds nothing."""
    return np.zeros(bits // 64, np.uint64)


@numba.njit(cache=True, nogil=True)
def add(held, keys):
    """Have a filter hold these keys (uint64)."""
    mask = np.uint64(64 * len(held) - 1)
    for key in keys:
        place = (key >> np.uint64(16)) & mask
        held[place >> np.uint64(6)] |= np.uint64(1) << (place & np.uint64(63))


@numba.njit(cache=True, nogil=True)
def may_hold(held, keys):
    """bool[n]: False for keys (uint64) that a filter does not hold."""
    found = np.empty(len(keys), np.bool_)
    mask = np.uint64(64 * len(held) - 1)
    for i in range(len(keys)):
        place = (keys[i] >> np.uint64(16)) & mask
        found[i] = (held[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1)
    return found
