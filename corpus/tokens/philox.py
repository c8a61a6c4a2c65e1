"""Random numbers that are a function of a key: Philox4x64-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random
numbers: as easy as 1, 2, 3"), keyed by a sample and a purpose.

The words of (key, purpose) are those of `numpy.random.Philox(key=[key, purpose])`, the first block that of counter 1;
so whoever wants to know what an objective drew can ask NumPy. A kernel sets a `state` (uint64[8], see `state`) on the
key of a sample and takes words from it in turn; nothing of it outlives the sample.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ROUNDS = 10
_FIRST, _SECOND = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_WEYL_FIRST, _WEYL_SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)

SEGMENTS, MASKING, REPLACING, SPANS, MIDDLES, CORRUPTION, PERMUTATION = (np.uint64(i) for i in range(1, 8))
"""Purposes: one each for what an objective draws independently of all else."""

_KEY, _PURPOSE, _COUNTER = 0, 1, 2
_SIZE = 8


@intrinsic
def _multiply_high(typing, a, b):
    """The upper 64 bits of the product of two uint64."""

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@numba.njit(cache=True, nogil=True)
def state():
    """A new state (uint64[8]), on no key: key, purpose, counter, words left, and the last block."""
    return np.zeros(_SIZE, np.uint64)


@numba.njit(cache=True, nogil=True)
def seat(state, key, purpose):
    """Put `state` before the first word of (key, purpose)."""
    state[_KEY], state[_PURPOSE] = key, purpose
    state[_COUNTER] = 0
    state[3] = 0


@numba.njit(cache=True, nogil=True)
def _next_block(state):
    """Words 4 to 7 of `state`: the block of the next counter."""
    state[_COUNTER] += np.uint64(1)
    a, b, c, d = state[_COUNTER], np.uint64(0), np.uint64(0), np.uint64(0)
    first, second = state[_KEY], state[_PURPOSE]
    for _ in range(ROUNDS):
        high_a, low_a = _multiply_high(_FIRST, a), _FIRST * a
        high_c, low_c = _multiply_high(_SECOND, c), _SECOND * c
        a, b, c, d = high_c ^ b ^ first, low_c, high_a ^ d ^ second, low_a
        first += _WEYL_FIRST
        second += _WEYL_SECOND
    state[4], state[5], state[6], state[7] = a, b, c, d


@numba.njit(cache=True, nogil=True)
def word(state):
    """The next word (uint64)."""
    at = state[3]
    if at == 0:
        _next_block(state)
    state[3] = (at + np.uint64(1)) & np.uint64(3)
    return state[np.int64(at) + 4]


@numba.njit(cache=True, nogil=True)
def below(state, limit):
    """A whole number (int64) from 0 to limit - 1, by one word: the upper half of its product with `limit`, so that no
    number is likelier than another by more than one case in 2^64 / limit."""
    return np.int64(_multiply_high(word(state), np.uint64(limit)))


@numba.njit(cache=True, nogil=True)
def shuffle(state, items):
    """Put `items` (an array of less than 2^32) into an order drawn at random, every one as likely: item k changes
    places with one of those from k on (Fisher and Yates). The lower half of a word says which, and of the next item the
    upper."""
    last = np.uint64(len(items)) - np.uint64(1)
    k = np.uint64(0)
    drawn = np.uint64(0)
    while np.int64(k) < np.int64(last):
        drawn = drawn >> np.uint64(32) if k & np.uint64(1) else word(state)
        other = k + (((drawn & np.uint64(0xFFFFFFFF)) * (last - k + np.uint64(1))) >> np.uint64(32))
        items[k], items[other] = items[other], items[k]
        k += np.uint64(1)


@numba.njit(cache=True, nogil=True)
def uniform(state):
    """A number (float64) in [0, 1): `Generator.random` of the same bits."""
    return np.float64(word(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)
