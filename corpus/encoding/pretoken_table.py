"""An open-addressing hash table of pre-tokens, compared in full, never by hash alone.

A table is `slots`, uint64[4 * 2^k], four words (32 bytes) a slot so that a look-up touches one
cache line:

    0, 1   the key. Up to 15 bytes: the bytes themselves, little-endian, zero-filled, with the
           length in the top byte of word 1. Longer: a hash, and 0xFF << 56 | length.
    2, 3   the value, the caller's; but where the key is longer than 15 bytes, word 3 is the
           place of its bytes in the caller's array `keys`.

Word 1 of an empty slot is 0: a pre-token has at least one byte. Callers keep the table at
most half full. A slot is named by the place of its word 0. Places are unsigned, and functions
are inlined by LLVM, because numba otherwise adds a test for negative indices, or counts
references to arrays, at every access: together a factor of two to three.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.encoding.pretokenize import first_state, next_span
from corpus.text.intrinsics import load64, prefetch
from corpus.text.leaf import leaf

SHORT = 15
BLOCK = 64
"""Pre-tokens whose slots are fetched from memory at a time."""
_LONG = np.uint64(0xFF) << np.uint64(56)
# Odd multipliers of the finalizer of MurmurHash3 (Appleby 2011, fmix64).
_MULTIPLIER_A = np.uint64(0xFF51AFD7ED558CCD)
_MULTIPLIER_B = np.uint64(0xC4CEB9FE1A85EC53)
_MASKS = np.array([(1 << 8 * min(max(n, 0), 8)) - 1 for n in range(-8, SHORT + 1)], np.uint64)
"""At n + 8, the lowest n bytes of a word, none for n < 0: a branch on a length costs more."""
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _long_hash(data, start, length):
    """Hash of more than 15 bytes: FNV-1a (Fowler, Noll, Vo) over words of eight bytes, the
    last of which overlaps the one before it."""
    value = _FNV_OFFSET ^ np.uint64(length)
    stop = start + length - 8
    i = start
    while i < stop:
        value = (value ^ load64(data, i)) * _MULTIPLIER_A
        value ^= value >> np.uint64(29)
        i += 8
    return (value ^ load64(data, stop)) * _MULTIPLIER_A


@numba.njit(cache=True, nogil=True, forceinline=True)
def key(data, start, length):
    """The two key words of `data[start : start + length]`, length >= 1."""
    if length > SHORT:
        return _long_hash(data, start, length), _LONG | np.uint64(length)
    low = high = np.uint64(0)
    if start + 16 <= data.size:
        at = np.uint64(length)
        low = load64(data, start) & _MASKS[at + np.uint64(8)]
        high = load64(data, start + 8) & _MASKS[at]
    else:
        for i in range(length):
            byte = np.uint64(data[start + i])
            if i < 8:
                low |= byte << np.uint64(8 * i)
            else:
                high |= byte << np.uint64(8 * (i - 8))
    return low, high | np.uint64(length) << np.uint64(56)


@numba.njit(cache=True, nogil=True, forceinline=True)
def mixed(low, high):
    """Hash of a key, good in its low bits."""
    value = (low ^ high * _MULTIPLIER_A) * _MULTIPLIER_B
    return value ^ value >> np.uint64(32)


@numba.njit(cache=True, nogil=True, forceinline=True)
def home(slots, low, high):
    """The slot where the search for a key begins."""
    return mixed(low, high) << np.uint64(2) & np.uint64(slots.size - 4)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _same_bytes(keys, place, data, start, length):
    for i in range(length):
        if keys[place + np.uint64(i)] != data[start + i]:
            return False
    return True


@numba.njit(cache=True, nogil=True, forceinline=True)
def find(slots, keys, data, start, length, low, high):
    """The slot of a pre-token, or the empty slot where it belongs.

    `low`, `high`: `key(data, start, length)`."""
    mask = np.uint64(slots.size - 4)
    slot = home(slots, low, high)
    while True:
        stored = slots[slot + np.uint64(1)]
        if stored == high and slots[slot] == low:
            if length <= SHORT:
                return slot
            if _same_bytes(keys, slots[slot + np.uint64(3)], data, start, length):
                return slot
        if stored == 0:
            return slot
        slot = slot + np.uint64(4) & mask


@numba.njit(cache=True, nogil=True)
def rehash(slots, larger):
    """Moves every entry of `slots` into the empty table `larger`."""
    mask = np.uint64(larger.size - 4)
    for old in range(0, slots.size, 4):
        if slots[old + 1] != 0:
            slot = home(larger, slots[old], slots[old + 1])
            while larger[slot + np.uint64(1)] != 0:
                slot = slot + np.uint64(4) & mask
            for word in range(4):
                larger[slot + np.uint64(word)] = slots[old + word]


@leaf
def next_pretokens(data, i, end, table, limits, slots, block):
    """Writes start, end and key of the next pre-tokens of the text that goes on from byte `i` to `end`, at most BLOCK,
    to `block` (uint64[4, BLOCK]), and has their slots fetched from memory. Returns how many, and the byte after."""
    classes, transitions, first = table.classes, table.transitions, first_state(table)
    n = 0
    while i < end and n < BLOCK:
        i, j = next_span(data, i, end, classes, transitions, first, table, limits)
        if i == j:  # what is left is dropped
            break
        low, high = key(data, i, j - i)
        prefetch(slots, home(slots, low, high))
        block[0, n], block[1, n], block[2, n], block[3, n] = i, j, low, high
        i = j
        n += 1
    return n, i
