"""MinHash signatures, bit for bit those of datasketch 2.0's `MinHash(scheme="affine32")`, or of another scheme.

A. Broder, On the resemblance and containment of documents (1997): the share of equal
values in two signatures estimates the Jaccard similarity of the shingle sets. What the values
are, says `corpus.dedup.schemes`.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup.schemes import PRIME, SCHEMES, Name, coefficients
from corpus.dedup.shingles import HASHES, UNITS, Unit, check_ngram, hash_document, tables, workspace
from corpus.text.arrow import buffers

EMPTY = np.uint32(0xFFFFFFFF)
"""Every value of the signature of a document without shingles, where values have 32 bits."""

AT_ONCE = 8
"""Hashes per pass over a signature: each pass reads and writes all of it."""

AFFINE64, LEGACY, DATATROVE = range(3)
_WIDE: dict[Name, int] = {"affine64": AFFINE64, "legacy": LEGACY, "datatrove": DATATROVE, "text_dedup": LEGACY}


def signatures(
    text: pa.Array, ngram: int = 5, permutations: int = 256, seed: int = 1, unit: Unit = "auto"
) -> np.ndarray:
    """MinHash signatures of documents, scheme affine32: uint32[n, permutations].

    Row *i* equals `hashvalues` of `datasketch.MinHash(num_perm=permutations, seed=seed)`
    updated with the UTF-8 bytes of every shingle (`corpus.dedup.shingles`) of document *i*.
    """
    check_ngram(ngram)
    if permutations < 1:
        raise ValueError(f"a signature has at least one value, not {permutations}")
    data, offsets = buffers(text)
    a, b = coefficients(permutations, seed)
    return _signatures(data, offsets, tables(), UNITS[unit], ngram, HASHES["sha1"], a, b)


def signatures_of(
    values: np.ndarray, offsets: np.ndarray, permutations: int = 256, seed: int = 1, scheme: Name = "affine32"
) -> np.ndarray:
    """Signatures from what `shingles.shingle_hashes` returns, of any scheme: uint64[n, permutations] of affine64 and
    datatrove, uint32 of the others. (A shingle's 4-byte hash is the low half of its 8-byte one.) All bits of the
    values of a document without shingles are set."""
    a, b = coefficients(permutations, seed, scheme)
    if scheme == "affine32":
        return _signatures_of(values, offsets, a, b)
    found = _wide_signatures_of(values, offsets, a, b, _WIDE[scheme])
    return found.astype(SCHEMES[scheme].dtype, copy=False)


def has_shingles(signatures: np.ndarray) -> np.ndarray:
    """Which rows of `signatures` are of documents with at least one shingle: bool[n].

    One value that is not `EMPTY` decides. A shingle reaches `EMPTY` in permutation k for one
    hash out of 2**32 only, hence in two or more permutations practically never.
    """
    return (signatures != np.iinfo(signatures.dtype).max).any(axis=1)


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


@numba.njit(inline="always")
def _mixed64(x):
    """MurmurHash3's 64-bit finaliser, fmix64 (A. Appleby, public domain)."""
    x = np.uint64(x ^ (x >> np.uint64(33)))
    x = np.uint64(x * np.uint64(0xFF51AFD7ED558CCD))
    x = np.uint64(x ^ (x >> np.uint64(33)))
    x = np.uint64(x * np.uint64(0xC4CEB9FE1A85EC53))
    return np.uint64(x ^ (x >> np.uint64(33)))


@numba.njit(cache=True, nogil=True)
def _wide_signatures_of(values, offsets, a, b, scheme):
    """Signatures of 64 bits a value, whatever the scheme's own."""
    documents = len(offsets) - 1
    result = np.empty((documents, len(a)), np.uint64)
    for i in range(documents):
        signature = result[i]
        signature[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        for j in range(offsets[i], offsets[i + 1]):
            if scheme == AFFINE64:
                _lower_affine(_mixed64(values[j]), a, b, signature)
            elif scheme == LEGACY:
                _lower_prime(values[j] & np.uint64(0xFFFFFFFF), a, b, np.uint64(0xFFFFFFFF), signature)
            else:
                _lower_prime(values[j], a, b, np.uint64(0xFFFFFFFFFFFFFFFF), signature)
    return result


@numba.njit(inline="always")
def _lower_affine(h, a, b, signature):
    for k in range(len(a)):
        signature[k] = min(signature[k], np.uint64(a[k] * h + b[k]))


@numba.njit(inline="always")
def _lower_prime(h, a, b, mask, signature):
    """Lowers `signature` to (a * h + b mod 2**64) mod 2**61 - 1, of which the bits of `mask` count: 2**61 is 1."""
    prime = np.uint64(PRIME)
    for k in range(len(a)):
        x = np.uint64(a[k] * h + b[k])
        x = (x & prime) + (x >> np.uint64(61))
        x = x - prime if x >= prime else x
        signature[k] = min(signature[k], x & mask)
