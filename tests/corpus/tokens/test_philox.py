"""Words of Philox against NumPy's own."""

import collections
import itertools

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.tokens import philox

WORD = st.integers(0, 2**64 - 1)


@numba.njit
def words(key, purpose, count):
    state = philox.state()
    philox.seat(state, np.uint64(key), np.uint64(purpose))
    found = np.empty(count, np.uint64)
    for i in range(count):
        found[i] = philox.word(state)
    return found


@numba.njit
def numbers(key, purpose, limits):
    state = philox.state()
    philox.seat(state, np.uint64(key), np.uint64(purpose))
    found, others = np.empty(len(limits), np.int64), np.empty(len(limits))
    for i in range(len(limits)):
        found[i] = philox.below(state, limits[i])
    for i in range(len(limits)):
        others[i] = philox.uniform(state)
    return found, others


def reference(key, purpose):
    return np.random.Philox(key=np.array([key, purpose], np.uint64))


@settings(deadline=None)
@given(key=WORD, purpose=WORD, count=st.integers(0, 40))
def test_words_are_those_of_numpy(key, purpose, count):
    found = words(np.uint64(key), np.uint64(purpose), count)
    assert np.array_equal(found, reference(key, purpose).random_raw(count))


@settings(deadline=None)
@given(key=WORD, limits=st.lists(st.integers(1, 2**62), max_size=9))
def test_numbers_are_made_of_words(key, limits):
    found, others = numbers(np.uint64(key), np.uint64(3), np.array(limits, np.int64))
    generator = np.random.Generator(reference(key, 3))
    raw = generator.bit_generator.random_raw(len(limits))
    assert found.tolist() == [int(word) * limit >> 64 for word, limit in zip(raw.tolist(), limits)]
    assert others.tolist() == generator.random(len(limits)).tolist()


def test_a_state_that_is_seated_again_begins_anew():
    @numba.njit
    def twice(state, key):
        philox.seat(state, key, philox.MASKING)
        first = philox.word(state)
        philox.word(state)
        philox.seat(state, key, philox.MASKING)
        return first, philox.word(state)

    first, again = twice(philox.state(), np.uint64(7))
    assert first == again == reference(7, int(philox.MASKING)).random_raw()


def test_known_answers():
    """Random123's known answer for philox4x64-10 with counter and key of all ones (tests/kat_vectors), which NumPy's
    counter reaches by one step; and pinned words, which must never change."""
    bits = np.random.Philox(counter=[2**64 - 2, *[2**64 - 1] * 3], key=[2**64 - 1] * 2)
    assert bits.random_raw(4).tolist() == [
        0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0,
    ]  # fmt: skip
    assert words(np.uint64(0), np.uint64(2), 5).tolist() == reference(0, 2).random_raw(5).tolist()


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 1000])
def test_below_is_even(limit):
    """Chi-square within six standard deviations of its mean."""
    found, _ = numbers(np.uint64(5), np.uint64(1), np.full(100_000, limit, np.int64))
    counts = np.bincount(found, minlength=limit)
    expected = len(found) / limit
    square = ((counts - expected) ** 2 / expected).sum()
    assert len(counts) == limit and abs(square - (limit - 1)) <= 6 * (2 * (limit - 1)) ** 0.5


@numba.njit
def orders(keys, size):
    state, found = philox.state(), np.empty((len(keys), size), np.int64)
    for k in range(len(keys)):
        found[k] = np.arange(size)
        philox.seat(state, keys[k], philox.PERMUTATION)
        philox.shuffle(state, found[k])
    return found


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
def test_every_order_is_as_likely(size):
    counts = collections.Counter(map(tuple, orders(np.arange(24_000, dtype=np.uint64), size).tolist()))
    ways = list(itertools.permutations(range(size)))
    assert set(counts) == set(ways)
    expected = 24_000 / len(ways)
    square = sum((counts[way] - expected) ** 2 / expected for way in ways)
    assert abs(square - (len(ways) - 1)) <= 6 * (2 * (len(ways) - 1)) ** 0.5


def test_a_long_order_has_everything_once():
    (found,) = orders(np.array([3], np.uint64), 1001)
    assert sorted(found.tolist()) == list(range(1001)) and abs(np.abs(found - np.arange(1001)).mean() - 1001 / 3) < 40
