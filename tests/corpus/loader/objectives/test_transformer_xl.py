"""Lanes: each window once an epoch, each lane in the stream's order, rows that go on where they were."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.loader import TokenStream, lanes


@settings(deadline=None)
@given(samples=st.integers(1, 60), count=st.integers(1, 70), epochs=st.integers(1, 4))
def test_each_epoch_has_each_window_once_and_lanes_are_in_order(samples, count, epochs):
    windows, lane, starts = lanes.locate(samples, count, 0, epochs * samples)
    for epoch in range(epochs):
        here = slice(epoch * samples, (epoch + 1) * samples)
        assert sorted(windows[here].tolist()) == list(range(samples))
        of_lane = collections.defaultdict(list)
        for number, (window, each, start) in enumerate(zip(windows[here], lane[here], starts[here])):
            assert each == (epoch * samples + number) % count
            assert start == (each not in of_lane)
            of_lane[each].append(int(window))
        assert all(found == list(range(found[0], found[0] + len(found))) for found in of_lane.values())
        sizes = [len(found) for found in of_lane.values()]
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(samples=st.integers(1, 60), count=st.integers(1, 70), first=st.integers(0, 200), size=st.integers(0, 30))
def test_any_part_is_the_same(samples, count, first, size):
    whole = lanes.locate(samples, count, 0, first + size)
    for part, all_of in zip(lanes.locate(samples, count, first, size), whole):
        assert np.array_equal(part, all_of[first:])


def test_rows_go_on(corpus):
    """What a row of a step ends with, that row of the next step begins after; by the labels, which are the stream."""
    folder, stream, _ = corpus
    opened = TokenStream(folder, objective="transformer_xl", sequence_length=8, batch_size=4, lanes=4)
    whole, rest = divmod(opened.samples, 4)
    first = np.cumsum([0, *(whole + (lane < rest) for lane in range(3))])
    batches, place = list(opened), {}
    for batch in batches:
        for row in range(4):
            labels = batch["labels"][row][batch["labels"][row] != -100].tolist()
            if batch["lanes"][row] < 0:
                continue
            assert batch["lanes"][row] == row and batch["starts"][row] == (row not in place)
            place.setdefault(row, 8 * int(first[row]))
            assert stream[place[row] : place[row] + len(labels)] == labels
            place[row] += len(labels)
    assert len(place) == 4 and max(place.values()) == len(stream)


def test_ranks_share_the_lanes(corpus):
    folder, _, _ = corpus
    shape = {"objective": "transformer_xl", "sequence_length": 8, "lanes": 6, "epochs": 2, "last": "drop"}
    alone = list(TokenStream(folder, batch_size=6, **shape))
    ranks = [list(TokenStream(folder, batch_size=2, rank=rank, world_size=3, **shape)) for rank in range(3)]
    for step, batch in enumerate(alone):
        for name in ("tokens", "labels", "lanes", "starts"):
            assert np.array_equal(batch[name], np.concatenate([rank[step][name] for rank in ranks]))


def test_lanes_have_to_be_given(corpus):
    with pytest.raises(ValueError, match="transformer_xl needs `lanes`"):
        TokenStream(corpus[0], objective="transformer_xl", sequence_length=8, batch_size=4)
