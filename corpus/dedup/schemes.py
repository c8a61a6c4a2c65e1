"""Schemes of MinHash signatures: how a shingle's hash becomes the values of which a signature holds the least.

What they have in common: permutation k maps a hash h to something of `a[k] * h + b[k]`, and the coefficients come from
numpy's frozen `RandomState(seed)`. What differs:

    affine32   datasketch 2.0's default. h: the first 4 bytes of the shingle's hash, mixed by MurmurHash3's finaliser
               fmix32; modulo 2**32, a odd: a bijection
    affine64   datasketch 2.0's for very large sets. 8 bytes, fmix64, modulo 2**64, a odd
    legacy     datasketch 1.x. 4 bytes; the sum wraps at 2**64, then modulo 2**61 - 1, of which the low 32 bits count:
               similarities of large sets come out too high
    datatrove  datatrove's 64-bit hashes. 8 bytes, of XXH64 unless told otherwise; the sum wraps at 2**64, then modulo
               2**61 - 1; its coefficients are not datasketch's
    text_dedup text-dedup 0.4 as it comes (64 bits, SHA-1; not its hashes of 16 and 32 bits, nor XXH3): values as
               `legacy`, coefficients as `datatrove`. Its own seed is 42

Signatures of different schemes, seeds, or numbers of permutations do not compare.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import numpy as np

from corpus.dedup.shingles import Hash

Name = Literal["affine32", "affine64", "legacy", "datatrove", "text_dedup"]
PRIME = (1 << 61) - 1


class Scheme(NamedTuple):
    """A scheme: the type of a signature's values, and the hash of shingles that its authors take."""

    dtype: type[np.unsignedinteger[Any]]
    hash: Hash


SCHEMES: dict[Name, Scheme] = {
    "affine32": Scheme(np.uint32, "sha1"),
    "affine64": Scheme(np.uint64, "sha1"),
    "legacy": Scheme(np.uint32, "sha1"),
    "datatrove": Scheme(np.uint64, "xxhash"),
    "text_dedup": Scheme(np.uint32, "sha1"),
}


@functools.cache
def coefficients(permutations: int, seed: int, scheme: Name = "affine32") -> tuple[np.ndarray, np.ndarray]:
    """The permutations (a, b), read-only: uint32[permutations] of affine32, uint64 of the others.

    As their authors draw them: datasketch, datatrove and text-dedup all of a and then b, datasketch 1.x a and b by
    turns. So the first coefficients of more permutations are not those of fewer, but in `legacy`.
    """
    generator = np.random.RandomState(seed)
    if scheme == "legacy":
        drawn = generator.randint(0, PRIME, 2 * permutations, dtype=np.uint64)
        # `randint(1, PRIME)` takes the same numbers of the generator, but one in 2**61, and adds 1.
        a, b = drawn[0::2] + np.uint64(1), drawn[1::2].copy()
    elif scheme in ("datatrove", "text_dedup"):
        a = generator.randint(1, PRIME, permutations, dtype=np.uint64)
        b = generator.randint(0, PRIME, permutations, dtype=np.uint64)
    else:
        dtype = SCHEMES[scheme].dtype
        bits = 8 * np.dtype(dtype).itemsize
        a = generator.randint(0, 1 << (bits - 1), permutations, dtype=dtype) * dtype(2) + dtype(1)
        b = generator.randint(0, 1 << bits, permutations, dtype=dtype)
    a.setflags(write=False)
    b.setflags(write=False)
    return a, b


def definition(scheme: Name, hash: Hash, permutations: int, seed: int) -> str:
    """What signatures are, in a word: those with the same compare, if their shingles do."""
    return f"{scheme}:{hash} permutations={permutations} seed={seed}"
