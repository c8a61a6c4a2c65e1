"""Locality-sensitive hashing: which pairs of documents are worth comparing.

A signature is cut into `bands` of `rows` values. Two documents become a candidate pair if
they agree in all rows of at least one band (A. Broder 1997; J. Leskovec, A. Rajaraman,
J. Ullman, Mining of Massive Datasets, section 3.4). For documents of Jaccard similarity s
the probability of that is `1 - (1 - s**rows)**bands`.
"""

from __future__ import annotations

from typing import TypeVar

import numba
import numpy as np

Number = TypeVar("Number", float, np.ndarray)
ALL_PAIRS_LIMIT = 32
"""Members of a bucket up to which all its pairs are candidates."""


def candidate_probability(similarity: Number, bands: int, rows: int) -> Number:
    """Probability that a pair of Jaccard `similarity` (a number or an array) becomes a
    candidate: `1 - (1 - similarity**rows)**bands`."""
    return 1.0 - (1.0 - similarity**rows) ** bands


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
    if all_pairs_limit < 1:
        raise ValueError(f"all_pairs_limit must be at least 1, not {all_pairs_limit}")
    order = np.argsort(addresses, kind="stable")
    keys, addresses = keys[order], addresses[order]
    is_new = np.ones(len(addresses), np.bool_)
    is_new[1:] = addresses[1:] != addresses[:-1]
    documents, numbers = addresses[is_new], np.cumsum(is_new) - 1
    order = np.argsort(keys, kind="stable")  # by key, then by address
    pairs = _bucket_pairs(keys[order], numbers[order], all_pairs_limit, len(documents))
    first, second = np.divmod(np.unique(pairs), max(len(documents), 1))
    return documents[first], documents[second]


@numba.njit(cache=True, nogil=True)
def _bucket_pairs(keys, members, limit, documents):
    """The pairs of every run of equal `keys`, whose `members` ascend, as first * documents +
    second (int64); a pair once for every bucket that has it."""
    pairs = np.empty(1024, np.int64)
    found = 0
    start = 0
    while start < len(keys):
        end = start
        size = 0  # different members: a document may bring a key twice
        while end < len(keys) and keys[end] == keys[start]:
            if size == 0 or members[end] != members[start + size - 1]:
                members[start + size] = members[end]
                size += 1
            end += 1
        needed = found + min(size, limit) * (size - 1)
        if needed > len(pairs):
            grown = np.empty(max(needed, 2 * len(pairs)), np.int64)
            grown[:found] = pairs[:found]
            pairs = grown
        for i in range(start, start + min(size, limit)):
            for j in range(i + 1, start + size):
                pairs[found] = members[i] * documents + members[j]
                found += 1
        start = end
    return pairs[:found]
