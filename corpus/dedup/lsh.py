"""Locality-sensitive hashing: which pairs of documents are worth comparing.

A signature is cut into `bands` of `rows` values. Two documents become a candidate pair if
they agree in all rows of at least one band (A. Broder 1997; J. Leskovec, A. Rajaraman,
J. Ullman, Mining of Massive Datasets, section 3.4). For documents of Jaccard similarity s
the probability of that is `1 - (1 - s**rows)**bands`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TypeVar

import numba
import numpy as np

Number = TypeVar("Number", float, np.ndarray)
ALL_PAIRS_LIMIT = 32
"""Members of a bucket up to which all its pairs are candidates."""
PAIRS_AT_A_TIME = 1 << 20
"""Pairs that are held before those that several buckets have become one: 8 MiB."""


def candidate_probability(similarity: Number, bands: int, rows: int) -> Number:
    """Probability that a pair of Jaccard `similarity` (a number or an array) becomes a
    candidate: `1 - (1 - similarity**rows)**bands`."""
    return 1.0 - (1.0 - similarity**rows) ** bands


@functools.cache
def choose_bands(threshold: float, permutations: int, recall: float = 0.99) -> tuple[int, int]:
    """(bands, rows) for finding pairs of similarity `threshold` with probability `recall`.

    The most rows, hence the fewest needless candidates, for which
    `1 - (1 - threshold**rows)**bands >= recall` with bands = permutations // rows. Pairs more
    similar are found with a higher probability. Raises ValueError if even one row a band is
    too much for so few permutations.
    """
    if not (0.0 < threshold <= 1.0 and 0.0 < recall < 1.0):
        raise ValueError(f"need 0 < threshold <= 1 and 0 < recall < 1: {threshold}, {recall}")
    for rows in range(permutations, 0, -1):
        bands = permutations // rows
        if candidate_probability(threshold, bands, rows) >= recall:
            return bands, rows
    raise ValueError(
        f"{permutations} permutations cannot find pairs of similarity {threshold} "
        f"with probability {recall}; more permutations or a lower recall are needed"
    )


@numba.njit(cache=True, nogil=True)
def band_keys(signatures, bands, rows):
    """Keys of the buckets documents fall into: uint64[n, bands] for signatures uint32[n, >= bands
    * rows], of which the first bands * rows values count.

    Two documents with equal rows in a band have the same key there. The band's number is part
    of the key, so that different bands share no bucket. Two different (band, rows) share a key
    with a probability of 2**-64: needless candidates, which the comparison rejects. Rows of
    documents without shingles (`minhash.has_shingles`) are all alike: leave them out.
    """
    if bands * rows > signatures.shape[1]:
        raise ValueError("more bands times rows than values in a signature")
    keys = np.empty((len(signatures), bands), np.uint64)
    for document in range(len(signatures)):
        for band in range(bands):
            key = np.uint64(band + 1)
            for value in signatures[document, band * rows : (band + 1) * rows]:
                key = _mixed((key << np.uint64(32)) ^ (key >> np.uint64(32)) ^ np.uint64(value))
            keys[document, band] = key
    return keys


@numba.njit(inline="always")
def _mixed(x):
    """MurmurHash3's 64-bit finaliser, fmix64 (A. Appleby, public domain): a bijection."""
    x = np.uint64(x ^ (x >> np.uint64(33)))
    x = np.uint64(x * np.uint64(0xFF51AFD7ED558CCD))
    x = np.uint64(x ^ (x >> np.uint64(33)))
    x = np.uint64(x * np.uint64(0xC4CEB9FE1A85EC53))
    return np.uint64(x ^ (x >> np.uint64(33)))


def candidate_pairs(
    keys: np.ndarray, addresses: np.ndarray, all_pairs_limit: int = ALL_PAIRS_LIMIT
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of documents that share a key: (first, second), both int64[pairs], first < second
    in every pair, ascending by (first, second), none twice.

    keys: uint64[m]; addresses: int64[m], the document of each key. In a bucket of more than
    `all_pairs_limit` documents only the pairs with one of its first `all_pairs_limit` documents
    are taken, so that the work stays linear. Does not depend on the order of the input.
    """
    found = list(pair_chunks(keys, addresses, all_pairs_limit))
    first = np.concatenate([np.empty(0, np.int64), *(first for first, _ in found)])
    second = np.concatenate([np.empty(0, np.int64), *(second for _, second in found)])
    return unique_pairs(first, second)


def crowded(keys: np.ndarray, addresses: np.ndarray, limit: int = ALL_PAIRS_LIMIT) -> np.ndarray:
    """Which keys, bool[m], are of buckets of more than `limit` documents; as for `candidate_pairs`."""
    order = np.lexsort((addresses, keys))
    keys, addresses = keys[order], addresses[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]) | (addresses[1:] != addresses[:-1])
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
    sizes = np.add.reduceat(is_new.astype(np.int64), begins) if len(keys) else begins
    found = np.empty(len(keys), np.bool_)
    found[order] = np.repeat(sizes > limit, np.diff(np.append(begins, len(keys))))
    return found


def pairs_left_out(keys: np.ndarray, addresses: np.ndarray, limit: int = ALL_PAIRS_LIMIT) -> int:
    """How many pairs of a bucket `candidate_pairs` does not have, for it has more than `limit` documents; a pair counts
    once for each such bucket."""
    order = np.lexsort((addresses, keys))
    keys, addresses = keys[order], addresses[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]) | (addresses[1:] != addresses[:-1])
    behind = np.unique(keys[is_new], return_counts=True)[1] - limit
    behind = behind[behind > 0]
    return int((behind * (behind - 1) // 2).sum())


def unique_pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (int64), each once, ascending by (first, second)."""
    firsts, seconds = sorted_unique(first.copy()), sorted_unique(second.copy())
    codes = np.searchsorted(firsts, first) * len(seconds)
    codes += np.searchsorted(seconds, second)
    i, j = np.divmod(sorted_unique(codes), max(len(seconds), 1))
    return firsts[i], seconds[j]


def sorted_unique(values: np.ndarray) -> np.ndarray:
    """Integers, each once, ascending. Sorts `values` in place: several times as fast as numpy's own, which hashes."""
    values.sort()
    is_new = np.ones(len(values), np.bool_)
    is_new[1:] = values[1:] != values[:-1]
    return values[is_new]


def pair_chunks(
    keys: np.ndarray, addresses: np.ndarray, all_pairs_limit: int = ALL_PAIRS_LIMIT, at_a_time: int = PAIRS_AT_A_TIME
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of `candidate_pairs`, some `at_a_time` (before those that several buckets have become one), ascending
    and none twice in each part; a pair may be in several of them."""
    if all_pairs_limit < 1:
        raise ValueError(f"all_pairs_limit must be at least 1, not {all_pairs_limit}")
    order = np.argsort(addresses, kind="stable")
    keys, addresses = keys[order], addresses[order]
    is_new = np.ones(len(addresses), np.bool_)
    is_new[1:] = addresses[1:] != addresses[:-1]
    documents, numbers = addresses[is_new], np.cumsum(is_new) - 1
    order = np.argsort(keys, kind="stable")  # by key, then by address
    keys, numbers = keys[order], numbers[order]
    is_new = np.ones(len(keys), np.bool_)  # a document may bring a key twice
    is_new[1:] = (keys[1:] != keys[:-1]) | (numbers[1:] != numbers[:-1])
    keys, numbers = keys[is_new], numbers[is_new]
    pairs = np.empty(at_a_time + all_pairs_limit, np.int64)
    place, begins = 0, 0
    while place < len(keys):
        place, begins, found = _bucket_pairs(keys, numbers, all_pairs_limit, len(documents), place, begins, pairs)
        if found:
            first, second = np.divmod(sorted_unique(pairs[:found]), len(documents))
            yield documents[first], documents[second]


@numba.njit(cache=True, nogil=True)
def _bucket_pairs(keys, members, limit, documents, place, begins, pairs):
    """Write the pairs of runs of equal `keys`, whose `members` ascend, as first * documents + second (int64), into
    `pairs` until it has no room for those of a further member. A pair comes once for every bucket that has it.

    `place`: the member from which to go on, `begins`: where its run begins. (place, begins, pairs written)."""
    found = 0
    while place < len(keys) and found + limit <= len(pairs):
        if keys[place] != keys[begins]:
            begins = place
        for i in range(begins, min(place, begins + limit)):
            pairs[found] = members[i] * documents + members[place]
            found += 1
        place += 1
    return place, begins, found
