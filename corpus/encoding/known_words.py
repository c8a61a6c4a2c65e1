"""Words that were encoded before, of all texts that an encoder has seen: each distinct one is encoded once.

What is known of a word are *columns*, made for new words alone: (values, ends), where those of word w are
`values[ends[w] : ends[w + 1]]`. Past a bound everything is forgotten, which changes no id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numba
import numpy as np
import pyarrow as pa

from corpus.encoding import patterns
from corpus.encoding.pretoken_table import BLOCK, find, next_pretokens, rehash
from corpus.encoding.pretokenizers import PreTokenizer
from corpus.text import utf8
from corpus.text.arrow import buffers, string_array
from corpus.text.leaf import leaf

MOST_WORDS = 1 << 20
"""Words known before all are forgotten; text in many languages has some 700,000 in 60 MB."""
MOST_BYTES = 1 << 26
"""Bytes of words, likewise: a page of binary data may be one word."""
_FIRST_ROOM = 1 << 11

Column = tuple[np.ndarray, np.ndarray]
Encode = Callable[[pa.Array], list[Column]]
"""The columns of words."""


class KnownWords:
    """The words of texts, divided so, and what `encode` says of each. May be called from several threads."""

    def __init__(self, division: PreTokenizer, encode: Encode) -> None:
        self._table, self._encode, self._lock = division.table(), encode, threading.Lock()
        self._forget()

    def look_up(self, text: pa.Array) -> tuple[list[Column], np.ndarray, np.ndarray]:
        """(columns of all known words; the words of all texts: int32 numbers of words, those of text d at `[offsets[d],
        offsets[d + 1])`; these offsets, int64)."""
        with self._lock:
            if len(self._ends) - 1 > MOST_WORDS or self._ends[-1] > MOST_BYTES:
                self._forget()
            before = len(self._ends) - 1
            try:
                occurrences, offsets = self._enter(text)
                if before < len(self._ends) - 1 or not self._columns:
                    self._add(self._encode(self._since(before)))
            except BaseException:
                self._forget()  # words may be there of which nothing is known
                raise
            return self._columns, occurrences, offsets

    def _forget(self) -> None:
        self._slots = np.zeros(8 * _FIRST_ROOM, np.uint64)
        self._bytes, self._ends = np.empty(1 << 14, np.uint8), np.zeros(1, np.int64)
        self._columns: list[Column] = []

    def _since(self, first: int) -> pa.Array:
        ends = self._ends[first:]
        return string_array(self._bytes[ends[0] : ends[-1]].copy(), ends - ends[0], pa.large_string())

    def _add(self, columns: list[Column]) -> None:
        if not self._columns:
            self._columns = columns
            return
        self._columns = [
            (np.concatenate([values, new]), np.concatenate([ends, ends[-1] + new_ends[1:]]))
            for (values, ends), (new, new_ends) in zip(self._columns, columns)
        ]

    def _enter(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(text)
        occurrences = np.empty(int(offsets[-1] - offsets[0]), np.int32)
        word_offsets = np.zeros(len(offsets), np.int64)
        room = len(self._slots) // 8
        ends = np.zeros(room + 1, np.int64)
        ends[: len(self._ends)] = self._ends
        progress = np.array([0, offsets[0], len(self._ends) - 1, 0], np.int64)  # text, byte, words, occurrences
        while not _intern(
            data, offsets, self._table, self._slots, self._bytes, ends, occurrences, word_offsets, progress
        ):
            if progress[2] + BLOCK > room:
                larger = np.zeros(2 * len(self._slots), np.uint64)
                rehash(self._slots, larger)
                self._slots, room = larger, 2 * room
                ends = np.concatenate([ends, np.zeros(room + 1 - len(ends), np.int64)])
            else:
                used = int(ends[progress[2]])
                more = np.empty(2 * used + int(offsets[progress[0] + 1] - offsets[progress[0]]), np.uint8)
                more[:used] = self._bytes[:used]
                self._bytes = more
        self._ends = ends[: progress[2] + 1].copy()
        return occurrences[: progress[3]].copy(), word_offsets


@leaf
def _number(data, i, j, low, high, slots, known, ends, n):
    """The number of the word `data[i:j]`, where `n` are known; it is added where it is not."""
    slot = find(slots, known, data, i, j - i, low, high)
    if slots[slot + np.uint64(1)] == 0:
        slots[slot], slots[slot + np.uint64(1)] = low, high
        slots[slot + np.uint64(2)] = n
        slots[slot + np.uint64(3)] = ends[n]
        utf8.copy(data, i, j, known, ends[n])
        ends[n + 1] = ends[n] + j - i
    return np.int64(slots[slot + np.uint64(2)])


@numba.njit(cache=True, nogil=True)
def _intern(data, offsets, table, slots, known, ends, occurrences, word_offsets, progress):
    """Goes on from `progress` to the end, or until the table might be more than half full, or `known` have no room for
    what is left of a text (returns False)."""
    limits = np.zeros(patterns.MOST_PATTERNS, np.int64)
    block = np.empty((4, BLOCK), np.uint64)
    i, n, at = progress[1], progress[2], progress[3]
    for d in range(progress[0], offsets.size - 1):
        while i < offsets[d + 1]:
            if 8 * (n + BLOCK) > slots.size or ends[n] + offsets[d + 1] - i > known.size:
                progress[0], progress[1], progress[2], progress[3] = d, i, n, at
                return False
            count, i = next_pretokens(data, i, offsets[d + 1], table, limits, slots, block)
            for b in range(count):
                word = _number(
                    data, np.int64(block[0, b]), np.int64(block[1, b]), block[2, b], block[3, b], slots, known, ends, n
                )
                occurrences[at + b] = np.int32(word)
                n += word == n
            at += count
            if count < BLOCK:
                break
        i = offsets[d + 1]
        word_offsets[d + 1] = at
    progress[0], progress[1], progress[2], progress[3] = offsets.size - 1, i, n, at
    return True
