"""The schedule is held to its definition, in exact fractions; never to another way of making it."""

from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.loader import schedule
from corpus.loader.schedule import Counts, Weights, whole


def check(sources, counts, least=0):
    """At every prefix each source has within 1 of its share."""
    size, seen = sum(counts), [0] * len(counts)
    for place, source in enumerate(sources, 1):
        seen[source] += 1
        for k, count in enumerate(counts):
            assert abs(seen[k] - Fraction(place * count, size)) < 1, (place, k)
    return seen


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(sum))
def test_within_one_at_every_prefix(counts):
    weights = Weights(tuple(counts))
    sources, which = weights.locate(0, 2 * sum(counts))
    assert check(sources.tolist(), counts) == [2 * count for count in counts]
    for k, count in enumerate(counts):
        assert which[sources == k].tolist() == list(range(2 * count))


@pytest.mark.parametrize("counts", [(1,), (0, 5), (9_999, 1), (1, 1, 1, 1, 1, 95), (5_000, 3_000, 1_999), (7,) * 30])
def test_by_hand_and_uneven(counts):
    sources, _ = Weights(counts).locate(0, sum(counts))
    share = np.arange(1, len(sources) + 1)[:, None] * np.array(counts) / sum(counts)
    assert np.abs(np.cumsum(sources[:, None] == np.arange(len(counts)), 0) - share).max() < 1
    assert Weights((2, 1)).locate(0, 6)[0].tolist() == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("chunk", [7, 10, 64, 1 << 20])
@pytest.mark.parametrize("counts", [(50, 31, 2), (1, 0, 200), (64,), (3, 3)])
def test_counts_in_chunks(monkeypatch, chunk, counts):
    """Exactly so many in all; within 1 of the share in one chunk, within 2 over several."""
    monkeypatch.setattr(schedule, "CHUNK", chunk)
    schedule.shares.cache_clear()
    made = Counts(counts)
    sources, which = made.locate(0, sum(counts))
    assert np.bincount(sources, minlength=len(counts)).tolist() == list(counts)
    for k, count in enumerate(counts):
        assert which[sources == k].tolist() == list(range(count))
    share = np.arange(1, len(sources) + 1)[:, None] * np.array(counts) / sum(counts)
    off = np.abs(np.cumsum(sources[:, None] == np.arange(len(counts)), 0) - share).max()
    assert off < (1 if sum(counts) <= chunk else 2)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.one_of(st.integers(0, 5), st.integers(0, 600)), min_size=1, max_size=9).filter(sum))
@example([3, 1, 1, 1, 1, 1, 1, 361])  # small ones that all wait while the large one takes their places
def test_within_two_over_chunks(counts):
    size, counts = sum(counts), tuple(counts)
    with mock.patch.object(schedule, "CHUNK", 20):
        schedule.shares.cache_clear()
        for begin, shares in schedule.shares(counts):
            assert sum(shares) == begin
            assert all(abs(share - Fraction(count * begin, size)) < 1 for share, count in zip(shares, counts))
        sources, _ = Counts(counts).locate(0, size)
        schedule.shares.cache_clear()
    share = np.arange(1, size + 1)[:, None] * np.array(counts) / size
    assert np.abs(np.cumsum(sources[:, None] == np.arange(len(counts)), 0) - share).max() < 2
    assert np.bincount(sources, minlength=len(counts)).tolist() == list(counts)


@pytest.mark.parametrize("made", [Weights((5, 2, 0, 9)), Counts((50, 20, 0, 90))])
def test_any_cut_is_the_schedule(monkeypatch, made):
    monkeypatch.setattr(schedule, "CHUNK", 33)
    schedule.shares.cache_clear()
    sources, which = made.locate(0, 160)
    for first in range(0, 160, 7):
        part = made.locate(first, min(11, 160 - first))
        assert np.array_equal(part[0], sources[first : first + 11]) and np.array_equal(
            part[1], which[first : first + 11]
        )
    for sample in range(161):
        assert made.before(sample).tolist() == np.bincount(sources[:sample], minlength=4).tolist()


def test_far_into_a_long_schedule():
    """Where and how many, without what is before: a thousand million samples."""
    counts = Counts((700_000_000, 299_999_988, 12))
    sources, which = counts.locate(999_999_000, 1000)
    assert counts.before(10**9).tolist() == [700_000_000, 299_999_988, 12]
    before = counts.before(999_999_000)
    assert before.sum() == 999_999_000 and abs(before[0] - 699_999_300) < 2
    assert which[sources == 0][0] == before[0] and which[sources == 1][-1] == 299_999_987


def test_whole():
    assert whole([0.7, 0.3]) == (7, 3) and whole(["1/3", 1]) == (1, 3) and whole([2, 4, 0]) == (1, 2, 0)
    assert whole([0.1, 0.2, 0.7]) == (1, 2, 7) and whole([1e-3, 1]) == (1, 1000)
    for wrong, message in (([-1, 2], "at least 0"), ([0, 0], "one of them more"), (["x"], "'x' is no number")):
        with pytest.raises(ValueError, match=message):
            whole(wrong)
    with pytest.raises(ValueError, match="round them"):
        whole([0.33333331, 0.66666669])
