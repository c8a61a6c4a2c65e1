"""The orders of samples: sample n of a run is window `i' = P(seed, e, i)` of epoch e, where
e = n // windows, i = n % windows, and P(seed, e, .) is a permutation computed, not stored. And their randomness: a key
that is a hash of (seed, e, i).

P is a keyed Feistel network (Luby and Rackoff 1988) over the smallest domain of 2^bits numbers
that holds the windows, so 2^bits < 2 * windows, with cycle walking (Black and Rogaway 2002):
numbers that fall outside are sent through again, fewer than two passes on average.

In the order by blocks P is made of such permutations on two levels, so that a store far away is read a block at a time:
blocks of consecutive windows are permuted, and the windows of GROUP blocks that follow each other in that order are
permuted among themselves. A last block that is not full stays the last. Of pairs of samples that follow each other one
in GROUP is of one block, in the full order one in as many as there are blocks; documents were shuffled when they were
written, so that windows of a block have no more in common than others.

This file is a specification: its results are pinned by test vectors and must never change.
"""

import numba
import numpy as np

from corpus.tokens.mixing import GOLDEN, combine, mix64

ROUNDS = 8
"""Even, since rounds alternate halves. Three already look random on averages; four give a strong
pseudo-random permutation (Luby and Rackoff); small domains need a few more (Patarin 2004)."""

GROUP = 16
"""Blocks whose windows are mixed in the order by blocks: 256 MiB of 16 MiB each, as tokens are written."""
_OF_BLOCKS, _OF_WINDOWS = np.uint64(1), np.uint64(2)
"""What keys below that of an epoch are for."""


@numba.njit(cache=True, nogil=True)
def epoch_key(seed, epoch):
    """uint64 key of an epoch: hashed twice, so that (seed, epoch + 1) and (seed + 1, epoch) differ."""
    return combine(mix64(np.uint64(seed)), np.uint64(epoch))


@numba.njit(inline="always")
def _halves(size):
    """The bits of the right half of a number below `size`, and the masks of the left and the right."""
    bits = np.uint64(0)
    while (size - 1) >> bits:
        bits += np.uint64(1)
    right_bits = (bits + np.uint64(1)) >> np.uint64(1)
    return right_bits, (np.uint64(1) << (bits - right_bits)) - np.uint64(1), (np.uint64(1) << right_bits) - np.uint64(1)


@numba.njit(cache=True, nogil=True)
def permute(index, size, key):
    """Where the permutation of 0..size-1 with the uint64 `key` sends `index` (int64)."""
    right_bits, left_mask, right_mask = _halves(size)
    value = np.uint64(index)
    while True:
        left = value >> right_bits
        right = value & right_mask
        round_key = key
        for _ in range(ROUNDS // 2):
            left ^= mix64(round_key + right) & left_mask
            round_key += GOLDEN
            right ^= mix64(round_key + left) & right_mask
            round_key += GOLDEN
        value = (left << right_bits) | right
        if value < np.uint64(size):
            return np.int64(value)


@numba.njit(cache=True, nogil=True)
def unpermute(value, size, key):
    """The index (int64) that `permute` sends to `value`: its rounds backwards."""
    right_bits, left_mask, right_mask = _halves(size)
    index = np.uint64(value)
    while True:
        left = index >> right_bits
        right = index & right_mask
        round_key = key + np.uint64(ROUNDS) * GOLDEN
        for _ in range(ROUNDS // 2):
            round_key -= GOLDEN
            right ^= mix64(round_key + left) & right_mask
            round_key -= GOLDEN
            left ^= mix64(round_key + right) & left_mask
        index = (left << right_bits) | right
        if index < np.uint64(size):
            return np.int64(index)


@numba.njit(cache=True, nogil=True)
def windows(first, count, size, seed, shuffle):
    """Window numbers (int64[count]) of the samples first..first+count-1 of a run over `size`
    windows; epochs follow each other without a break. In stream order unless `shuffle`."""
    numbers = np.empty(count, np.int64)
    for k in range(count):
        epoch = (first + k) // size
        index = (first + k) % size
        numbers[k] = permute(index, size, epoch_key(seed, epoch)) if shuffle else index
    return numbers


@numba.njit(cache=True, nogil=True)
def place_by_blocks(index, size, block, key):
    """Where the order by blocks of `block` windows each (int64), with the epoch's `key`, sends `index` of 0..size-1."""
    group = index // (GROUP * block)
    start = group * GROUP * block
    among = min(GROUP * block, size - start)
    mixed = start + permute(index - start, among, combine(combine(key, _OF_WINDOWS), np.uint64(group)))
    slot, full = mixed // block, size // block
    if slot < full:
        slot = permute(slot, full, combine(key, _OF_BLOCKS))
    return slot * block + mixed % block


@numba.njit(cache=True, nogil=True)
def windows_by_blocks(first, count, size, block, seed):
    """As `windows`, shuffled, in the order by blocks of `block` windows."""
    numbers = np.empty(count, np.int64)
    for k in range(count):
        epoch = (first + k) // size
        numbers[k] = place_by_blocks((first + k) % size, size, block, epoch_key(seed, epoch))
    return numbers


@numba.njit(cache=True, nogil=True)
def index_by_blocks(window, size, block, key):
    """The index (int64) that `place_by_blocks` sends to `window`."""
    slot, full = window // block, size // block
    if slot < full:
        slot = unpermute(slot, full, combine(key, _OF_BLOCKS))
    mixed = slot * block + window % block
    group = mixed // (GROUP * block)
    start = group * GROUP * block
    among = min(GROUP * block, size - start)
    return start + unpermute(mixed - start, among, combine(combine(key, _OF_WINDOWS), np.uint64(group)))


@numba.njit(cache=True, nogil=True)
def hash_sum(numbers):
    """The sum (uint64, modulo 2^64) of a hash of each of `numbers` (int64): two lists of as many numbers have the same
    only if they have the same numbers, but for one case in 2^64."""
    total = np.uint64(0)
    for number in numbers:
        total += combine(np.uint64(0), np.uint64(number))
    return total


@numba.njit(cache=True, nogil=True)
def hash_sum_of_all(size):
    """`hash_sum` of 0..size-1."""
    total = np.uint64(0)
    for number in range(size):
        total += combine(np.uint64(0), np.uint64(number))
    return total


@numba.njit(cache=True, nogil=True)
def keys(first, count, size, seed):
    """uint64[count]: hashes of (seed, epoch, index) of the samples first..first+count-1 of a run over `size` windows.
    What an objective draws for a sample follows from its key and nothing else: the key and a purpose are the key of
    Philox (corpus.tokens.philox)."""
    found = np.empty(count, np.uint64)
    for k in range(count):
        epoch = (first + k) // size
        found[k] = combine(epoch_key(seed, epoch), np.uint64((first + k) % size))
    return found


@numba.njit(cache=True, nogil=True)
def keys_of_windows(first, numbers, size, seed, variants):
    """uint64[count]: hashes of (seed, epoch modulo `variants`, window) of the samples first.. of a run over `size`
    windows, `numbers` (int64[count]) being theirs: what is drawn of them is the same every so many epochs."""
    found = np.empty(len(numbers), np.uint64)
    for k in range(len(numbers)):
        epoch = (first + k) // size % variants
        found[k] = combine(epoch_key(seed, epoch), np.uint64(numbers[k]))
    return found


@numba.njit(cache=True, nogil=True)
def elsewhere(keys, purpose, size):
    """int64[B]: for each of `keys` (uint64[B]) a sample of an epoch of `size`, drawn at random for this `purpose`."""
    found = np.zeros(len(keys), np.int64)
    for k in range(len(keys)):
        found[k] = np.int64(combine(keys[k], np.uint64(purpose)) % np.uint64(max(1, size)))
    return found
