"""A filter of bucket keys: most keys that nobody has are known at once not to be there (B. Bloom 1970). All bits of a
key are in one word (F. Putze, P. Sanders, J. Singler 2007), so that it costs one place of memory.

Keys are mixed already (`lsh.band_keys`), so that their bits are the hashes.
"""

from __future__ import annotations

import math

import numba
import numpy as np

BITS_A_KEY = 16
"""Of some 200 keys that are not there one seems to be."""
MOST_BITS = 1 << 30
"""128 MiB."""
LEAST_BITS_A_KEY = 4
"""Below it, where one of five seems to be there, a filter is not worth its making."""
_PLACES = 4
"""Bits that a key has in its word."""


def bits_for(keys: int) -> int:
    """Bits, a power of two, for so many keys; 0 where there are too many for a filter."""
    bits = 1 << 10
    while bits < BITS_A_KEY * keys and bits < MOST_BITS:
        bits *= 2
    return bits if bits >= LEAST_BITS_A_KEY * keys else 0


def share_let_through(keys: int) -> float:
    """Of keys that are not there, how many seem to be where so many are, about; all where there is no filter."""
    bits = bits_for(keys)
    return (-math.expm1(-_PLACES * keys / bits)) ** _PLACES if bits else 1.0


def empty(bits: int) -> np.ndarray:
    """A filter (uint64[bits / 64]) that holds nothing."""
    return np.zeros(bits // 64, np.uint64)


@numba.njit(inline="always")
def _bits(key):
    """The bits of a key, from its upper 24, in the word that its middle ones say."""
    one = np.uint64(1)
    found = one << ((key >> np.uint64(58)) & np.uint64(63))
    found |= one << ((key >> np.uint64(52)) & np.uint64(63))
    found |= one << ((key >> np.uint64(46)) & np.uint64(63))
    return found | one << ((key >> np.uint64(40)) & np.uint64(63))


@numba.njit(cache=True, nogil=True)
def add(held, keys):
    """Have a filter hold these keys (uint64)."""
    mask = np.uint64(len(held) - 1)
    for key in keys:
        held[(key >> np.uint64(12)) & mask] |= _bits(key)


@numba.njit(cache=True, nogil=True)
def may_hold(held, keys):
    """bool[n]: False for keys (uint64) that a filter does not hold."""
    found = np.empty(len(keys), np.bool_)
    mask = np.uint64(len(held) - 1)
    for i in range(len(keys)):
        bits = _bits(keys[i])
        found[i] = held[(keys[i] >> np.uint64(12)) & mask] & bits == bits
    return found
