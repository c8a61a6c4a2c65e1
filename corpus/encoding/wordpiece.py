"""WordPiece: a word is the longest token that begins it, then the longest that continues it, and so on (Devlin et al.
2019, `tokenization.py`). A word that cannot be spelled so, or has too many characters, is unknown as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numba
import numpy as np

from corpus.encoding.tries import Trie, child, make_trie
from corpus.text.leaf import leaf


class WordPieces(NamedTuple):
    """`trie` has tokens that begin a word below root 0, those that continue one below root 1, without their prefix."""

    trie: Trie
    unknown_id: int
    most_characters: int


def make_word_pieces(vocabulary: Mapping[str, int], unknown: str, prefix: str, most_characters: int) -> WordPieces:
    """What the kernel wants to know of a vocabulary. A token that has the prefix is also one that begins a word, should
    a word begin so. Raises KeyError where `unknown` is not in it."""
    tokens = [(token, i, 0) for token, i in vocabulary.items()]
    tokens += [(token[len(prefix) :], i, 1) for token, i in vocabulary.items() if token.startswith(prefix)]
    trie = make_trie(
        [token.encode() for token, _, _ in tokens], [i for _, i, _ in tokens], [root for _, _, root in tokens]
    )
    return WordPieces(trie, vocabulary[unknown], most_characters)


@numba.njit(cache=True, nogil=True)
def encode(data, spans, pieces, out, ends):
    """Encodes the words `data[spans[w, 0] : spans[w, 1]]`. `out` (int32) has room for one id a byte; `ends` (int64, one
    more than words) receives where each word's ids end. Returns the number of ids."""
    place = 0
    ends[0] = 0
    edges, values = pieces.trie
    for w in range(spans.shape[0]):
        place = _encode_word(
            data, spans[w, 0], spans[w, 1], edges, values, pieces.unknown_id, pieces.most_characters, out, place
        )
        ends[w + 1] = place
    return place


@leaf
def _encode_word(data, start, end, edges, values, unknown_id, most_characters, out, place):
    """Writes the ids of `data[start:end]` to `out` from `place`; returns the place after."""
    characters = 0
    for i in range(start, end):
        characters += data[i] & 0xC0 != 0x80
        if characters > most_characters:
            out[place] = unknown_id
            return place + 1
    first, i = place, start
    while i < end:
        node = np.int64(0 if i == start else 1)
        longest, found = i, np.int32(-1)
        for j in range(i, end):
            node = child(edges, node, data[j])
            if node < 0:
                break
            if values[node] >= 0:
                longest, found = j + 1, values[node]
        if found < 0:
            out[first] = unknown_id
            return first + 1
        out[place] = found
        place += 1
        i = longest
    return place
