"""Documents whose text is the same, byte for byte or but for white space and case.

Map: `content_hashes` of each document. Exchange: by `partition_of`. Reduce: `duplicates`. The
helpers are shared by `same_url` and `pieces`, which decide in the same way about other keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from corpus.dedup.uniform import argsort_uniform


def content_hashes(text: pa.Array, normalize: Literal["none", "whitespace_case"] = "none") -> np.ndarray:
    """128-bit hash of each document: XXH3-128 of its UTF-8 bytes, uint64[n, 2], high half first.

    normalize: "none", or "whitespace_case": lower case, white space stripped and each run of it
    (`str.split`) taken as one space. A null counts as the empty text, and empty texts are equal.

    Two of n different documents collide with probability below n**2 / 2**129: 1e-17 for 1e11
    documents. XXH3 is no cryptographic hash; who writes documents to collide may succeed.
    """
    if normalize == "none":
        return hashes(memoryview(value.as_buffer() or b"") for value in text)
    return hashes(memoryview(value.as_buffer()) for value in content(text, normalize))


def content(text: pa.Array, normalize: Literal["none", "whitespace_case"] = "none") -> pa.LargeBinaryArray:
    """What documents are compared by: their UTF-8 bytes, or those of `" ".join(text.lower().split())`; a null is "".
    Raises ValueError for another `normalize`."""
    if normalize == "none":
        return pc.fill_null(text, "").cast(pa.large_string()).cast(pa.large_binary())
    if normalize != "whitespace_case":
        raise ValueError(f"normalize is {normalize!r}, not 'none' or 'whitespace_case'")
    values = [" ".join((value.as_py() or "").lower().split()).encode() for value in text]
    return pa.array(values, pa.large_binary())


def hashes(values: Iterable[bytes | memoryview]) -> np.ndarray:
    """XXH3-128 of byte strings: uint64[n, 2], high half first."""
    return as_pairs(map(xxhash.xxh3_128_digest, values))


def as_pairs(digests: Iterable[bytes]) -> np.ndarray:
    """16-byte digests as uint64[n, 2], big-endian, so that pairs sort as the digests do."""
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64).reshape(-1, 2)


def partition_of(keys: np.ndarray, partitions: int) -> np.ndarray:
    """Partition (int64) in which each key of uint64[n, 2] is decided."""
    return (keys[:, 1] % np.uint64(partitions)).astype(np.int64)


def duplicates(keys: np.ndarray, addresses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which documents repeat an earlier one: (dropped, kept), int64 addresses.

    keys uint64[n, 2], addresses int64[n], in any order; all documents of a key must be given.
    `dropped` ascends; kept[i] is the first document in corpus order with the key of dropped[i].
    """
    losers, winners = rivals(keys, addresses)
    dropped, kept = addresses[losers], addresses[winners]
    order = np.argsort(dropped)
    return dropped[order], kept[order]


def rivals(keys: np.ndarray, *preferences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that share a key (uint64[n, 2]) with a better one: (losers, winners), int64 indices.

    The best row of a key is the smallest by the first of `preferences` (arrays of length n, whose rows differ),
    ties by the next. winners[i] is the best row of the key of losers[i]. Rows of a key stand together.
    """
    order = argsort_uniform(keys[:, 0])
    half = keys[order, 0]
    same = np.zeros(len(half) + 1, bool)
    same[1:-1] = half[1:] == half[:-1]
    chosen = same[1:] | same[:-1]  # the few rows that may share a key
    order = order[chosen]
    columns = np.stack([keys[order, 1].view(np.int64), *(_ascending(column[order]) for column in preferences)])
    rows, best = _best(half[chosen], columns)
    loses = rows != best
    return order[rows[loses]], order[best[loses]]


def _ascending(column: np.ndarray) -> np.ndarray:
    """int64 that sort as the column's integers do."""
    if column.dtype == np.uint64:
        return (column ^ np.uint64(1 << 63)).view(np.int64)
    return column.astype(np.int64, copy=False)


@numba.njit(cache=True, nogil=True)
def _best(half, columns):
    """(rows, the best row of each one's key), both int64[n], rows of a key together. half: uint64[n], ascending, of the
    keys; columns: int64[1 + preferences, n], their other half, then the preferences."""
    rows = np.arange(len(half))
    best = np.empty_like(rows)
    start = 0
    while start < len(rows):
        end = start + 1
        while end < len(rows) and half[end] == half[start]:
            end += 1
        while start < end:  # once, but where only halves are equal
            stop = start + 1
            winner = rows[start]
            for i in range(start + 1, end):
                row = rows[i]
                if columns[0, row] == columns[0, winner]:
                    rows[i] = rows[stop]
                    rows[stop] = row
                    stop += 1
                    if _is_less(columns, row, winner):
                        winner = row
            best[start:stop] = winner
            start = stop
    return rows, best


@numba.njit(cache=True, nogil=True)
def _is_less(columns, one, other):
    for i in range(1, len(columns)):
        if columns[i, one] != columns[i, other]:
            return columns[i, one] < columns[i, other]
    return False
