"""Byte-pair merging that begins with characters, of words: `sentencepiece`'s (scores and no rules) and Llama 2's.

What is merged is what `bpe` merges, by the same functions; here are the symbols a word begins as and what becomes of
those that are no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numba
import numpy as np

from corpus.encoding.bpe import SCAN_LIMIT, make_pairs, merge_by_heap, merge_by_scan
from corpus.text import unicode, utf8
from corpus.text.leaf import leaf

_NEVER = np.int32((1 << 31) - 1)
"""The symbol of a character in no token."""
SPACE = 0x20
_SPACE_BYTES = (0xE2, 0x96, 0x81)


class CharacterRules(NamedTuple):
    """`symbols` (int32[0x110000]): the symbol of each character, which is a token's id if it is less than `tokens`;
    `tied`: whether different pairs have one rank, of which the leftmost merges first, which the scan does not heed;
    `lengths` (int32[tokens]): bytes of each token; `pairs`: `bpe.make_pairs`; `byte_ids` (int32[256]) spell what is no
    token, empty where `unknown_id` (-1: nothing) stands for it; `spaces`: whether a space in words and tokens is
    U+2581, one byte instead of three."""

    symbols: np.ndarray
    lengths: np.ndarray
    pairs: np.ndarray
    tied: bool
    tokens: int
    unknown_id: int
    byte_ids: np.ndarray
    spaces: bool


def rules_of_scores(
    pieces: Mapping[str, tuple[int, float]], tokens: int, unknown_id: int, byte_ids: Iterable[int]
) -> CharacterRules:
    """Of pieces with their ids and scores, as `sentencepiece` merges (`bpe_model.cc`): the best score first, and any
    two symbols that spell a piece. All ids are less than `tokens`. A piece is spelled by two pieces or characters,
    which may be no pieces themselves."""
    ids = {piece: i for piece, (i, _) in pieces.items()}
    for character in sorted({character for piece in pieces for character in piece}):
        ids.setdefault(character, tokens + len(ids))
    order = {score: rank for rank, score in enumerate(sorted({-score for _, score in pieces.values()}))}
    merges, ranks = [], []
    for piece, (i, score) in pieces.items():
        for cut in range(1, len(piece)):
            left, right = ids.get(piece[:cut]), ids.get(piece[cut:])
            if left is not None and right is not None:
                merges.append((left, right, i))
                ranks.append(order[-score])
    symbols = {character: i for character, i in ids.items() if len(character) == 1}
    lengths = np.zeros(tokens, np.int32)
    for piece, (i, _) in pieces.items():
        lengths[i] = len(piece.encode())
    return make_character_rules(symbols, lengths, merges, ranks, unknown_id, byte_ids)


def make_character_rules(
    symbols: Mapping[str, int],
    lengths: np.ndarray,
    merges: list[tuple[int, int, int]],
    ranks: Iterable[int],
    unknown_id: int,
    byte_ids: Iterable[int],
    spaces: bool = True,
) -> CharacterRules:
    """Of the symbols of characters, the bytes of every token (int32), and (left, right, merged symbol) with their
    ranks, the least of which merges first."""
    table = np.full(unicode.CODE_POINTS, _NEVER, np.int32)
    for character, symbol in symbols.items():
        table[ord(character)] = symbol
    rows, order = np.array(merges, np.int64).reshape(-1, 3), np.fromiter(ranks, np.int64)
    tied = len(np.unique(order)) < len(np.unique(np.column_stack([order, rows[:, 2]]), axis=0))
    pairs = make_pairs(rows, order)
    return CharacterRules(
        table, lengths, pairs, tied, len(lengths), unknown_id, np.fromiter(byte_ids, np.int32), spaces
    )


@numba.njit(cache=True, nogil=True)
def encode(data, offsets, rules, fuse, out, ends):
    """Encodes the words `data[offsets[w] : offsets[w + 1]]`; unknown symbols beside each other are one where `fuse`.
    `out` (int32) has room for one id a byte, and three for a space; `ends` (int64, one more than words) receives where
    each word's ids end. Returns the number of ids."""
    ranks = np.empty(SCAN_LIMIT, np.uint64)
    merged = np.empty(SCAN_LIMIT, np.int32)
    place = 0
    ends[0] = 0
    for w in range(offsets.size - 1):
        start, end = offsets[w], offsets[w + 1]
        if end - start > merged.size:
            merged = np.empty(2 * (end - start), np.int32)
        n, i = 0, start
        while i < end:
            code_point, width = utf8.decode(data, i)
            merged[n] = rules.symbols[code_point]
            n += 1
            i += width
        if n <= SCAN_LIMIT and not rules.tied:
            n = merge_by_scan(rules.pairs, ranks, merged, 0, n)
        else:
            n = merge_by_heap(rules.pairs, merged, 0, n)
        place = _write(data, start, rules, fuse, merged, n, out, place)
        ends[w + 1] = place
    return place


@leaf
def _write(data, i, rules, fuse, merged, n, out, place):
    """Writes ids for the symbols `merged[:n]` of the word at byte `i`; returns the place after. A symbol that is no
    token is one character."""
    unknown_before = False
    for k in range(n):
        symbol = merged[k]
        unknown = symbol >= rules.tokens
        after = i + (utf8.width(data[i]) if unknown else np.int64(rules.lengths[symbol]))
        if not unknown:
            out[place] = symbol
            place += 1
        elif rules.byte_ids.size and data[i] == SPACE and rules.spaces:
            for byte in _SPACE_BYTES:
                out[place] = rules.byte_ids[byte]
                place += 1
        elif rules.byte_ids.size:
            for j in range(i, after):
                out[place] = rules.byte_ids[data[j]]
                place += 1
        elif rules.unknown_id >= 0 and not (fuse and unknown_before):
            out[place] = rules.unknown_id
            place += 1
        unknown_before = unknown
        i = after
    return place
