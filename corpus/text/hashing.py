"""64-bit and 128-bit hashes of byte ranges: XXH64 of the xxHash specification.

The 128-bit hash is a pair of XXH64 with seeds `seed` and `seed + 1`: among n different
texts, the chance of any collision is about n**2 / 2**129.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.text.leaf import leaf

# xxHash specification 0.2, section "XXH64 algorithm description".
PRIME_1 = np.uint64(0x9E3779B185EBCA87)
PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
PRIME_3 = np.uint64(0x165667B19E3779F9)
PRIME_4 = np.uint64(0x85EBCA77C2B2AE63)
PRIME_5 = np.uint64(0x27D4EB2F165667C5)


@numba.njit(cache=True, nogil=True, inline="always")
def _rotate(value, bits):
    return value << np.uint64(bits) | value >> np.uint64(64 - bits)


@numba.njit(cache=True, nogil=True, inline="always")
def _read(data, position, width):
    value = np.uint64(0)
    for i in range(width):
        value |= np.uint64(data[position + i]) << np.uint64(8 * i)
    return value


@numba.njit(cache=True, nogil=True, inline="always")
def _round(state, lane):
    return _rotate(state + lane * PRIME_2, 31) * PRIME_1


@leaf
def _stripes(data, start, end, seed):
    """State after the whole 32-byte stripes of `data[start:end]`, at least one."""
    one, two = seed + PRIME_1 + PRIME_2, seed + PRIME_2
    three, four = seed, seed - PRIME_1
    for position in range(start, end - 31, 32):
        one = _round(one, _read(data, position, 8))
        two = _round(two, _read(data, position + 8, 8))
        three = _round(three, _read(data, position + 16, 8))
        four = _round(four, _read(data, position + 24, 8))
    state = _rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)
    for lane in (one, two, three, four):
        state = (state ^ _round(np.uint64(0), lane)) * PRIME_1 + PRIME_4
    return state


@leaf
def hash64(data, start, end, seed):
    """XXH64 (uint64) of `data[start:end]`; `seed` is uint64."""
    seed = np.uint64(seed)
    length = end - start
    state = seed + PRIME_5
    if length >= 32:
        state = _stripes(data, start, end, seed)
    state += np.uint64(length)
    position = end - (length & 31)
    while position + 8 <= end:
        lane = _round(np.uint64(0), _read(data, position, 8))
        state = _rotate(state ^ lane, 27) * PRIME_1 + PRIME_4
        position += 8
    if position + 4 <= end:
        state = _rotate(state ^ _read(data, position, 4) * PRIME_1, 23) * PRIME_2 + PRIME_3
        position += 4
    while position < end:
        state = _rotate(state ^ np.uint64(data[position]) * PRIME_5, 11) * PRIME_1
        position += 1
    return _avalanche(state)


@leaf
def hash128(data, start, end, seed):
    """`hash64` (uint64) of `data[start:end]` with `seed` and with `seed + 1`, in the time of little more than one."""
    seed = np.uint64(seed)
    length = end - start
    one, two = seed + PRIME_5, seed + np.uint64(1) + PRIME_5
    if length >= 32:
        one, two = _stripes(data, start, end, seed), _stripes(data, start, end, seed + np.uint64(1))
    one += np.uint64(length)
    two += np.uint64(length)
    position = end - (length & 31)
    while position + 8 <= end:
        lane = _round(np.uint64(0), _read(data, position, 8))
        one = _rotate(one ^ lane, 27) * PRIME_1 + PRIME_4
        two = _rotate(two ^ lane, 27) * PRIME_1 + PRIME_4
        position += 8
    if position + 4 <= end:
        lane = _read(data, position, 4) * PRIME_1
        one = _rotate(one ^ lane, 23) * PRIME_2 + PRIME_3
        two = _rotate(two ^ lane, 23) * PRIME_2 + PRIME_3
        position += 4
    while position < end:
        lane = np.uint64(data[position]) * PRIME_5
        one = _rotate(one ^ lane, 11) * PRIME_1
        two = _rotate(two ^ lane, 11) * PRIME_1
        position += 1
    return _avalanche(one), _avalanche(two)


@numba.njit(cache=True, nogil=True, inline="always")
def _avalanche(state):
    state = (state ^ state >> np.uint64(33)) * PRIME_2
    state = (state ^ state >> np.uint64(29)) * PRIME_3
    return state ^ state >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def hash_spans(data, starts, ends, seed=0):
    """XXH64 of every range `data[starts[i]:ends[i]]`: uint64[len(starts)]."""
    hashes = np.empty(len(starts), np.uint64)
    for i in range(len(starts)):
        hashes[i] = hash64(data, starts[i], ends[i], np.uint64(seed))
    return hashes
