"""A trie over the bytes of a vocabulary's tokens, in a hash table of its edges.

An entry of `edges` (uint64[2^k], open addressing, at most half full) is `node << 8 | byte` plus one, in its upper half,
and the node that the edge leads to in its lower one; 0 where there is none. Nodes from 0 to `roots` - 1 are roots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from corpus.encoding.pretoken_table import mixed

_MOST_NODES = (1 << 24) - 1


class Trie(NamedTuple):
    """`values` (int32[nodes]): the id of the token that ends at a node, -1 where none does."""

    edges: np.ndarray
    values: np.ndarray


def make_trie(tokens: Sequence[bytes], ids: Sequence[int], roots: Sequence[int] | None = None) -> Trie:
    """The trie of `tokens`, each with its id, below the root it has in `roots` (0 if that is None). Of equal tokens
    below one root the last counts; an empty token is left out. Raises ValueError for tokens of 16 million bytes."""
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    below = np.zeros(len(tokens), np.int64) if roots is None else np.array(roots, np.int64)
    first = int(below.max(initial=0)) + 1
    if offsets[-1] + first > _MOST_NODES:
        raise ValueError(f"the vocabulary's tokens have {offsets[-1]} bytes; {_MOST_NODES} are the most")
    edges = np.zeros(1 << max(4, (2 * int(offsets[-1])).bit_length()), np.uint64)
    values = np.full(int(offsets[-1]) + first, -1, np.int32)
    data = np.frombuffer(b"".join(tokens) or b"\0", np.uint8)
    used = _fill(data, offsets, np.array(ids, np.int32), below, edges, values, first)
    return Trie(edges, values[:used].copy())


@numba.njit(cache=True, nogil=True)
def _fill(data, offsets, ids, below, edges, values, used):
    mask = np.uint64(edges.size - 1)
    for t in range(offsets.size - 1):
        node = below[t]
        for i in range(offsets[t], offsets[t + 1]):
            key = (np.uint64(node) << np.uint64(8) | np.uint64(data[i])) + np.uint64(1)
            slot = mixed(key, np.uint64(0)) & mask
            while edges[slot] != 0 and edges[slot] >> np.uint64(32) != key:
                slot = slot + np.uint64(1) & mask
            if edges[slot] == 0:
                edges[slot] = key << np.uint64(32) | np.uint64(used)
                used += 1
            node = np.int64(edges[slot] & np.uint64(0xFFFFFFFF))
        if offsets[t] < offsets[t + 1]:
            values[node] = ids[t]
    return used


@numba.njit(cache=True, nogil=True, forceinline=True)
def child(edges, node, byte):
    """The node below `node` by `byte`; -1 where there is none."""
    mask = np.uint64(edges.size - 1)
    key = (np.uint64(node) << np.uint64(8) | np.uint64(byte)) + np.uint64(1)
    slot = mixed(key, np.uint64(0)) & mask
    while edges[slot] != 0:
        if edges[slot] >> np.uint64(32) == key:
            return np.int64(edges[slot] & np.uint64(0xFFFFFFFF))
        slot = slot + np.uint64(1) & mask
    return np.int64(-1)
