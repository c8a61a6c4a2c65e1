import numpy as np
import pytest

from corpus.loader.order import (
    GROUP,
    epoch_key,
    hash_sum,
    hash_sum_of_all,
    index_by_blocks,
    keys,
    permute,
    place_by_blocks,
    unpermute,
    windows,
    windows_by_blocks,
)
from corpus.tokens.mixing import combine, mix64

MASK = (1 << 64) - 1


def test_mix64_is_splitmix64():
    """First outputs of SplitMix64 seeded with 0 (Vigna's reference splitmix64.c)."""
    golden = 0x9E3779B97F4A7C15
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(mix64(np.uint64(golden * k & MASK))) for k in (1, 2, 3)] == expected


def test_frozen_vectors():
    """The order of every run ever started depends on these: they must never change."""
    assert int(combine(np.uint64(1), np.uint64(2))) == 0x81A5C1377856B73
    assert int(epoch_key(0, 0)) == 0x48218226FF3CD4BF
    assert int(epoch_key(1, 2)) == 0xE44520BA3583FF91
    assert int(epoch_key(2, 1)) == 0x883DBF88F855F0A2
    two_epochs = [1, 9, 7, 3, 5, 4, 6, 0, 2, 8, 8, 9, 2, 1, 6, 3, 5, 4, 7, 0]
    assert windows(0, 20, 10, 0, True).tolist() == two_epochs
    assert windows(0, 4, 1_000_003, 42, True).tolist() == [547273, 394985, 965038, 916789]
    late = [31071143, 700708774, 688605046, 478175385]
    assert windows(3 * 10**9, 4, 10**9, 2**63 - 1, True).tolist() == late
    assert windows(2**40, 2, 2**41 + 1, 7, True).tolist() == [933889437439, 1802521496854]
    assert keys(0, 2, 10, 0).tolist() == [0xED10172CC0C96CF8, 0x1789CC1C12701B28]
    assert keys(3 * 10**9, 1, 10**9, 2**63 - 1).tolist() == [0x722AC8B67D0593A0]


def permute_by_hand(index: int, size: int, key: int) -> int:
    """The same network over Python integers."""
    bits = (size - 1).bit_length()
    right_bits = (bits + 1) // 2
    left_mask, right_mask = (1 << bits - right_bits) - 1, (1 << right_bits) - 1
    hashed = lambda value: int(mix64(np.uint64(value & MASK)))
    while True:
        left, right = index >> right_bits, index & right_mask
        for step in range(0, 8, 2):
            left ^= hashed(key + step * 0x9E3779B97F4A7C15 + right) & left_mask
            right ^= hashed(key + (step + 1) * 0x9E3779B97F4A7C15 + left) & right_mask
        index = left << right_bits | right
        if index < size:
            return index


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 9, 100, 65_537, 2**32 + 1, 2**62 + 1])
def test_against_python_integers(size):
    key = epoch_key(3, 4)
    for index in (0, size // 2, size - 1):
        assert permute(index, size, key) == permute_by_hand(index, size, int(key))


def test_bijection_for_all_small_sizes():
    for size in range(1, 1001):
        assert np.array_equal(np.sort(windows(0, size, size, size, True)), np.arange(size)), size


@pytest.mark.parametrize("size", [4097, 65_535, 65_536, 65_537, 262_145, 1_000_003, 1_048_577])
def test_bijection(size):
    seen = np.zeros(size, bool)
    seen[windows(5 * size, size, size, 1, True)] = True
    assert seen.all()


def test_any_cut_of_the_run_is_the_run():
    run = windows(0, 1000, 37, 9, True)
    cuts = [windows(first, 25, 37, 9, True) for first in range(0, 1000, 25)]
    assert np.array_equal(np.concatenate(cuts), run)
    assert windows(30, 10, 7, 0, False).tolist() == [2, 3, 4, 5, 6, 0, 1, 2, 3, 4]


def test_keys_are_of_seed_epoch_and_index():
    """Whichever samples are asked for together; none twice, in an epoch or another, under a seed or another."""
    run = keys(0, 1000, 37, 9)
    assert np.array_equal(np.concatenate([keys(first, 25, 37, 9) for first in range(0, 1000, 25)]), run)
    assert run[40] == combine(epoch_key(9, 1), np.uint64(3))
    assert len(set(run.tolist()) | set(keys(0, 1000, 37, 10).tolist())) == 2000


@pytest.mark.parametrize("size", [2, 3, 5, 6, 17])
def test_every_place_is_equally_likely(size):
    """Chi-square of (place, window) counts over epochs, 5 standard deviations at most."""
    epochs = 4000
    run = windows(0, epochs * size, size, 0, True).reshape(epochs, size)
    counts = np.stack([np.bincount(run[:, place], minlength=size) for place in range(size)])
    expected = epochs / size
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = (size - 1) ** 2
    assert chi_square < freedom + 5 * np.sqrt(2 * freedom)


def test_looks_shuffled():
    size = 100_003
    for seed in range(3):
        run = windows(0, size, size, seed, True)
        moved = np.abs(run - np.arange(size)).mean() / size
        assert abs(moved - 1 / 3) < 0.01  # the mean of |x - y| for uniform x, y
        assert abs(np.corrcoef(run[:-1], run[1:])[0, 1]) < 0.02
    first, second = windows(0, size, size, 1, True), windows(size, size, size, 0, True)
    assert (first == second).mean() < 0.001  # seed 1 epoch 0 is not seed 0 epoch 1


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1000])
def test_by_blocks_is_a_bijection(block):
    for size in [*range(1, 200), 1000, 4097]:
        run = windows_by_blocks(2 * size, size, size, block, 5)
        assert np.array_equal(np.sort(run), np.arange(size)), size
    cuts = [windows_by_blocks(first, 25, 37, block, 9) for first in range(0, 1000, 25)]
    assert np.array_equal(np.concatenate(cuts), windows_by_blocks(0, 1000, 37, block, 9))


def test_by_blocks_reads_few_at_a_time():
    """Each group of samples is of GROUP blocks, which no other group has; the last block, not full, stays the last."""
    size, block = 50 * 64 + 9, 64
    run = windows_by_blocks(0, size, size, block, 3) // block
    groups = [set(run[first : first + GROUP * block]) for first in range(0, size, GROUP * block)]
    assert [len(group) for group in groups] == [GROUP, GROUP, GROUP, 3] and sum(map(len, groups)) == 51
    assert 50 in groups[-1]
    assert {len(group & {0, 1, 2, 3, 4, 5, 6, 7}) for group in groups} != {8, 0}


def test_by_blocks_frozen_vectors():
    assert windows_by_blocks(0, 8, 1_000_003, 4096, 42).tolist() == [
        520046,
        529287,
        14215,
        828117,
        353900,
        848925,
        217155,
        517916,
    ]
    assert windows_by_blocks(10**9, 4, 10**9, 4096, 7).tolist() == [311123021, 930906337, 167364859, 678482267]


def test_how_well_by_blocks_mixes():
    """Within a group as well as any order; from epoch to epoch blocks meet others."""
    size, block = 256 * 64, 64
    runs = [windows_by_blocks(epoch * size, size, size, block, 1) for epoch in range(20)]
    same_block = np.mean([(np.diff(run // block) == 0).mean() for run in runs])
    assert abs(same_block - (block - 1) / (GROUP * block - 1)) < 0.002
    inside = runs[0][: GROUP * block]
    assert abs(np.corrcoef(np.arange(len(inside)), inside % block)[0, 1]) < 0.1
    moved = np.mean([np.abs(run - np.arange(size)).mean() / size for run in runs])
    assert abs(moved - 1 / 3) < 0.02
    neighbours = [
        {frozenset(run[i : i + GROUP * block] // block) for i in range(0, size, GROUP * block)} for run in runs
    ]
    assert not set.intersection(*neighbours)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100, 65_537, 2**40 + 3])
def test_backwards(size):
    for epoch in range(3):
        key = np.uint64(epoch_key(5, epoch))
        for index in {0, 1 % size, size // 3, size - 1}:
            assert unpermute(permute(index, size, key), size, key) == index
            for block in (1, 7, 4096):
                assert index_by_blocks(place_by_blocks(index, size, block, key), size, block, key) == index


def test_hash_sums_tell_sets_apart():
    assert hash_sum(np.arange(1000)) == hash_sum_of_all(1000) == hash_sum(np.arange(1000)[::-1])
    assert hash_sum(np.array([0, 3])) != hash_sum(np.array([1, 2])) and hash_sum(np.array([1, 1])) != hash_sum_of_all(2)
