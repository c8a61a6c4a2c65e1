"""Shingles of tokens: `ngram` consecutive ids of a text as a tokenizer has it, each four bytes, the lowest first.

Nothing is done to the text before. A text of fewer tokens, but at least one, has one shingle, all of them.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import sha1
from corpus.dedup.shingles import HASHES, Hash, append_set, check_ngram, hash_runs
from corpus.encoding.byte_tokens import encoder_in

WIDTH = 4
"""Bytes of an id."""


def shingle_hashes(text: pa.Array, folder: str, ngram: int, hash: Hash) -> tuple[np.ndarray, np.ndarray]:
    """The shingle set of each document, as `corpus.dedup.shingles.shingle_hashes` returns those of words."""
    check_ngram(ngram)
    tokens, offsets = encoder_in(folder).encode(text)
    return _shingle_hashes(np.ascontiguousarray(tokens, np.int32), offsets, ngram, HASHES[hash])


def unit_hashes(text: pa.Array, folder: str) -> tuple[np.ndarray, np.ndarray]:
    """The ids of each document in order: (values uint64, offsets int64[n + 1])."""
    tokens, offsets = encoder_in(folder).encode(text)
    return tokens.astype(np.uint64), offsets


@numba.njit(cache=True, nogil=True)
def _shingle_hashes(tokens, offsets, ngram, hash):
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    text = np.zeros(WIDTH * longest + sha1.MARGIN, np.uint8)
    starts = np.arange(longest + 1) * WIDTH
    hashes, found = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    values = np.empty(len(tokens), np.uint64)
    ends = np.zeros(len(offsets), np.int64)
    at = 0
    for i in range(len(offsets) - 1):
        ids = tokens[offsets[i] : offsets[i + 1]]
        for place in range(len(ids)):
            for byte in range(WIDTH):
                text[WIDTH * place + byte] = ids[place] >> 8 * byte & 0xFF
        size = min(ngram, len(ids))
        count = len(ids) - size + 1 if size else 0
        hash_runs(text, starts, size, count, 0, hash, hashes)
        at = append_set(hashes[:count], found, values, at)
        ends[i + 1] = at
    return values[:at], ends
