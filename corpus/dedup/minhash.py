"""MinHash signatures, bit for bit those of datasketch 2.0's `MinHash(scheme="affine32")`.

A. Broder, On the resemblance and containment of documents (1997): the share of equal
values in two signatures estimates the Jaccard similarity of the shingle sets. As in
datasketch, a shingle's hash is the first 4 bytes of its SHA-1 digest as a little-endian
number, mixed by MurmurHash3's finaliser, and permutation k maps it to
`a[k] * hash + b[k] mod 2**32`, a[k] odd; the signature holds the least value of each.
"""

from __future__ import annotations

import functools

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup.shingles import HASHES, UNITS, Unit, check_ngram, hash_document, tables, workspace
from corpus.text.arrow import buffers

SCHEME = "affine32"
EMPTY = np.uint32(0xFFFFFFFF)
"""Every value of the signature of a document without shingles."""

AT_ONCE = 8
"""Hashes per pass over a signature: each pass reads and writes all of it."""


def signatures(
    text: pa.Array, ngram: int = 5, permutations: int = 256, seed: int = 1, unit: Unit = "auto"
) -> np.ndarray:
    """MinHash signatures of documents: uint32[n, permutations].

    Row *i* equals `hashvalues` of `datasketch.MinHash(num_perm=permutations, seed=seed)`
    updated with the UTF-8 bytes of every shingle (`corpus.dedup.shingles`) of document *i*.
    """
    check_ngram(ngram)
    if permutations < 1:
        raise ValueError(f"a signature has at least one value, not {permutations}")
    data, offsets = buffers(text)
    a, b = coefficients(permutations, seed)
    return _signatures(data, offsets, tables(), UNITS[unit], ngram, HASHES["sha1"], a, b)


@functools.cache
def coefficients(permutations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The permutations (a, b), both uint32[permutations], a odd: datasketch 2.0's draws
    (`MinHash._init_permutations`), all of a first, from numpy's frozen `RandomState`."""
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 31, permutations, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = generator.randint(0, 1 << 32, permutations, dtype=np.uint32)
    a.setflags(write=False)
    b.setflags(write=False)
    return a, b


def has_shingles(signatures: np.ndarray) -> np.ndarray:
    """Which rows of `signatures` are of documents with at least one shingle: bool[n].

    One value that is not `EMPTY` decides. A shingle reaches `EMPTY` in permutation k for one
    hash out of 2**32 only, hence in two or more permutations practically never.
    """
    return (signatures != EMPTY).any(axis=1)


@numba.njit(inline="always")
def _mixed(x):
    """MurmurHash3's 32-bit finaliser, fmix32 (A. Appleby, public domain)."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x85EBCA6B))
    x = np.uint32(x ^ (x >> np.uint32(13)))
    x = np.uint32(x * np.uint32(0xC2B2AE35))
    return np.uint32(x ^ (x >> np.uint32(16)))


@numba.njit(cache=True, nogil=True)
def _signatures(data, offsets, tables, unit, ngram, hash, a, b):
    documents = len(offsets) - 1
    space = workspace(offsets)
    mixed = np.empty(len(space.hashes) + AT_ONCE, np.uint32)
    result = np.empty((documents, len(a)), np.uint32)
    for i in range(documents):
        hashes = hash_document(data, offsets[i], offsets[i + 1], tables, unit, ngram, hash, space)
        if len(mixed) < len(hashes) + AT_ONCE:
            mixed = np.empty(len(hashes) + AT_ONCE, np.uint32)
        _sign(hashes, mixed, a, b, result[i])
    return result


def signatures_of(values: np.ndarray, offsets: np.ndarray, permutations: int = 256, seed: int = 1) -> np.ndarray:
    """The same signatures from what `shingles.shingle_hashes` returns: whoever needs both hashes
    the text once. (A shingle's 4-byte hash is the low half of its 8-byte one.)"""
    a, b = coefficients(permutations, seed)
    return _signatures_of(values, offsets, a, b)


@numba.njit(cache=True, nogil=True)
def _signatures_of(values, offsets, a, b):
    documents = len(offsets) - 1
    longest = 0
    for i in range(documents):
        longest = max(longest, offsets[i + 1] - offsets[i])
    mixed = np.empty(longest + AT_ONCE, np.uint32)
    result = np.empty((documents, len(a)), np.uint32)
    for i in range(documents):
        _sign(values[offsets[i] : offsets[i + 1]], mixed, a, b, result[i])
    return result


@numba.njit(cache=True, nogil=True)
def _sign(hashes, mixed, a, b, signature):
    """The signature of one document; `mixed` is room for its hashes and AT_ONCE more."""
    signature[:] = EMPTY
    count = len(hashes)
    for j in range(count):
        mixed[j] = _mixed(np.uint32(hashes[j] & np.uint64(0xFFFFFFFF)))
    if count:
        mixed[count : count + AT_ONCE] = mixed[count - 1]  # a repeat changes nothing
    for j in range(0, count, AT_ONCE):
        _lower(mixed[j : j + AT_ONCE], a, b, signature)


@numba.njit(inline="always")
def _lower(h, a, b, signature):
    """Lowers `signature` to the values of AT_ONCE = 8 hashes."""
    h0, h1, h2, h3, h4, h5, h6, h7 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    for k in range(len(a)):
        s, t = a[k], b[k]
        low = min(min(_at(s, h0, t), _at(s, h1, t)), min(_at(s, h2, t), _at(s, h3, t)))
        high = min(min(_at(s, h4, t), _at(s, h5, t)), min(_at(s, h6, t), _at(s, h7, t)))
        signature[k] = min(signature[k], min(low, high))


@numba.njit(inline="always")
def _at(a, h, b):
    return np.uint32(np.uint32(a * h) + b)
