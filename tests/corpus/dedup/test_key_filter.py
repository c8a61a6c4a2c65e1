"""The filter of bucket keys never loses one, and lets few others through."""

import numpy as np
import pytest

from corpus.dedup import key_filter


@pytest.mark.parametrize("count", [0, 1, 64, 5000])
def test_what_was_added_is_there_and_little_else_seems_to_be(count):
    chance = np.random.default_rng(count)
    keys, others = (chance.integers(0, 1 << 64, number, np.uint64) for number in (count, 20_000))
    held = key_filter.empty(key_filter.bits_for(count))
    key_filter.add(held, keys[: count // 2])
    key_filter.add(held, keys[count // 2 :])
    assert key_filter.may_hold(held, keys).all()
    assert key_filter.may_hold(held, others).mean() < 0.01


def test_extreme_keys_are_keys():
    keys = np.array([0, 1, (1 << 64) - 1, 1 << 63], np.uint64)
    held = key_filter.empty(1024)
    key_filter.add(held, keys)
    assert key_filter.may_hold(held, keys).all() and not key_filter.may_hold(key_filter.empty(1024), keys).any()


def test_room_grows_with_the_keys_until_it_is_not_worth_it():
    assert [key_filter.bits_for(count) for count in (0, 64, 65, 1 << 20)] == [1 << 10, 1 << 10, 1 << 11, 1 << 24]
    assert [round(key_filter.share_let_through(count), 3) for count in (0, 1 << 20, 1 << 27, 1 << 28, 1 << 29)] == [
        0.0, 0.002, 0.024, 0.16, 1.0,
    ]  # fmt: skip
    assert key_filter.bits_for(1 << 28) == key_filter.MOST_BITS and key_filter.bits_for((1 << 28) + 1) == 0
