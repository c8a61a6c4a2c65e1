"""The arithmetic of span corruption against T5's own code (t5/data/preprocessors.py), written down here again."""

import collections
import itertools

import numba
import numpy as np
import pytest

from corpus.loader import spans
from corpus.tokens import philox


def helper_lengths(length, density, mean):
    """random_spans_helper's _tokens_length_to_inputs_length_targets_length."""
    noise = int(round(length * density))
    number = int(round(noise / mean))
    return length - noise + number + 1, noise + number + 1


def helper(inputs, density, mean):
    """random_spans_helper: (tokens, targets)."""
    length = inputs
    while helper_lengths(length + 1, density, mean)[0] <= inputs:
        length += 1
    found, targets = helper_lengths(length, density, mean)
    if density == 0.5 and targets > found:
        length, targets = length - 1, targets - 1
    return length, targets


@pytest.mark.parametrize("density", [0.1, 0.15, 0.2, 0.25, 0.3, 0.5])
@pytest.mark.parametrize("mean", [2, 3, 8, 20, 32, 64])
def test_lengths_are_those_of_the_helper(density, mean):
    noise = spans.noise_of(density, mean)
    for inputs in (*range(32, 130), 256, 512, 1024, 2048):
        length, targets = helper(inputs, density, mean)
        if noise.count(length)[1] == round(round(length * density) / mean):  # T5's mask has a span at least
            assert spans.solve(noise, inputs) == length, inputs
            made = noise.lengths(length)
            assert made[0] <= inputs and (made[1] <= targets if density == 0.5 else made[1] == targets)


KNOWN = [
    (512, 0.15, 3, 568, 512, 114, 28), (512, 0.15, 8, 588, 512, 100, 11), (512, 0.15, 64, 600, 512, 92, 1),
    (512, 0.5, 3, 766, 512, 512, 128), (512, 0.5, 8, 908, 512, 512, 57), (512, 0.5, 64, 1006, 512, 512, 8),
    (512, 0.15, 32, 598, 512, 94, 3), (1024, 0.15, 20, 1193, 1024, 189, 9), (2048, 0.15, 3, 2274, 2048, 456, 114),
]  # fmt: skip


@pytest.mark.parametrize("inputs, density, mean, length, found, targets, count", KNOWN)
def test_lengths_of_the_papers(inputs, density, mean, length, found, targets, count):
    noise = spans.noise_of(density, mean)
    assert spans.solve(noise, inputs) == length
    assert noise.lengths(length) == (found, targets) and noise.count(length)[1] == count


def test_counts_are_those_of_the_mask():
    """random_spans_noise_mask: round(length density), at least 1 and at most length - 1; round(noise / mean), at least
    1; in float64, which at these numbers is exact where it matters."""
    for density, mean in itertools.product((0.15, 0.5), (3, 8, 20)):
        noise = spans.noise_of(density, mean)
        for length in range(2, 20_000, 7):
            count = min(max(round(length * density), 1), length - 1)
            assert noise.count(length) == (count, min(max(round(count / mean), 1), length - count))


def test_degenerate_lengths():
    noise = spans.noise_of(0.5, 1)
    assert [noise.count(n) for n in (0, 1, 2, 3)] == [(0, 0), (0, 0), (1, 1), (2, 1)]
    assert spans.noise_of(0.999, 1).count(10) == (9, 1)
    assert spans.solve(noise, 1) == 0 and spans.solve(spans.noise_of(0.15, 3), 3, 2) == 1


@numba.njit
def cuts(keys, length, parts):
    state, marks = philox.state(), np.zeros(length // 64 + 1, np.uint64)
    sizes = np.zeros((len(keys), parts), np.int64)
    for k in range(len(keys)):
        philox.seat(state, keys[k], philox.SPANS)
        spans.cut(state, length, parts, marks, sizes[k])
        if marks.any():
            raise ValueError("marks are left")
    return sizes


@pytest.mark.parametrize("length, parts", [(5, 2), (6, 3), (7, 7), (4, 1), (1, 1), (66, 2)])
def test_every_division_is_as_likely(length, parts):
    found = cuts(np.arange(20_000, dtype=np.uint64), length, parts)
    assert (found >= 1).all() and (found.sum(1) == length).all()
    counts = collections.Counter(map(tuple, found.tolist()))
    ways = [c for c in itertools.product(range(1, length + 1), repeat=parts) if sum(c) == length]
    assert set(counts) == set(ways)
    expected = len(found) / len(ways)
    square = sum((counts[way] - expected) ** 2 / expected for way in ways)
    assert abs(square - (len(ways) - 1)) <= 6 * (2 * (len(ways) - 1)) ** 0.5
