"""The distinct words of a column of texts, how often each occurs, and where."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.encoding import patterns
from corpus.encoding.pretoken_table import BLOCK, find, next_pretokens, rehash
from corpus.encoding.pretokenizers import PRETOKENIZERS, PreTokenizer
from corpus.text import utf8
from corpus.text.arrow import buffers, string_array
from corpus.text.intrinsics import prefetch
from corpus.text.leaf import leaf

GPT2 = PRETOKENIZERS["gpt2"]
BLANK_FREE = PreTokenizer("blank_free", ((r"[^ \t\n\r]+", patterns.MATCHES),))
"""Runs of anything but space, tab, line feed and carriage return. These are white space to every tokenizer here, while
vertical tab and form feed are control characters that BERT deletes."""
LINES = PreTokenizer("lines", ((r"[^\n\r]+", patterns.MATCHES),))
"""Lines, ended by line feed or carriage return, which are not part of them; empty lines are left out."""

_BYTES_A_DISTINCT_WORD = 128
"""Of text in many languages there are some 90 bytes for each distinct word in 60 MB, and 50 in 8 MB: the table grows
once or twice, and is seldom far too large."""
_AHEAD = 16
"""Words whose ids are."""


class Distinct(NamedTuple):
    """`words` (large_string, in order of first occurrence), `counts` (int64), and, where asked
    for, `occurrences`: int32 indices into `words` of every word of every text, those of text
    `d` at `[offsets[d], offsets[d + 1])`; both empty otherwise."""

    words: pa.Array
    counts: np.ndarray
    occurrences: np.ndarray
    offsets: np.ndarray


def distinct(text: pa.Array, division: PreTokenizer, locate: bool = False) -> Distinct:
    """The distinct words of a string column. Memory: at most about 24 bytes a word, 64 a
    distinct word, and 4 more a byte of text where `locate`."""
    data, offsets = buffers(text)
    size = int(offsets[-1] - offsets[0])
    occurrences = np.empty(size if locate else 0, np.int32)
    word_offsets = np.zeros(len(offsets) if locate else 1, np.int64)
    room = 1 << max(11, (size // _BYTES_A_DISTINCT_WORD).bit_length())
    slots = np.zeros(8 * room, np.uint64)
    words = np.empty((room, 2), np.int64)  # start, length
    counts = np.zeros(room, np.int64)
    progress = np.array([0, offsets[0], 0, 0], np.int64)  # text, byte, distinct, occurrences
    table = division.table()
    while not _intern(data, offsets, table, slots, words, counts, occurrences, word_offsets, progress):
        larger = np.zeros(2 * len(slots), np.uint64)
        rehash(slots, larger)
        slots = larger
        words = np.concatenate([words, np.empty_like(words)])
        counts = np.concatenate([counts, np.zeros_like(counts)])
    words = words[: progress[2]]
    occurrences = occurrences[: progress[3]].copy()
    counts = np.bincount(occurrences, minlength=len(words)) if locate else counts[: len(words)].copy()
    return Distinct(_gathered(data, words), counts, occurrences, word_offsets)


def repeated(
    ids: np.ndarray, ends: np.ndarray, occurrences: np.ndarray, offsets: np.ndarray, fused: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of texts from those of their words: (ids int32[], ends int64[texts + 1]). Word w has the ids
    `ids[ends[w] : ends[w + 1]]`; the words of texts are as `Distinct` has them. Where two ids `fused` meet, of two
    words, one stays; none are where that is -1."""
    sizes = np.diff(ends)
    out = np.empty(int(np.dot(np.bincount(occurrences, minlength=len(sizes)), sizes)), np.int32)
    text_ends = np.empty(len(offsets), np.int64)
    n = _repeat(ids, ends, occurrences, offsets, fused, out, text_ends)
    return out[:n], text_ends


@numba.njit(cache=True, nogil=True)
def _repeat(ids, ends, occurrences, offsets, fused, out, text_ends):
    place = 0
    text_ends[0] = 0
    for d in range(offsets.size - 1):
        first = place
        for o in range(offsets[d], offsets[d + 1]):
            word = np.int64(occurrences[o])
            ahead = min(o + _AHEAD, offsets[d + 1] - 1)
            prefetch(ends, np.uint64(occurrences[ahead]))
            begin, end = ends[word], ends[word + 1]
            if place > first and begin < end and ids[begin] == fused and out[place - 1] == fused:
                begin += 1
            for i in range(begin, end):
                out[place] = ids[i]
                place += 1
        text_ends[d + 1] = place
    return place


def _gathered(data: np.ndarray, words: np.ndarray) -> pa.Array:
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(words[:, 1], out=offsets[1:])
    copied = np.empty(offsets[-1], np.uint8)
    _copy_words(data, words, offsets, copied)
    return string_array(copied, offsets, pa.large_string())


@numba.njit(cache=True, nogil=True)
def _copy_words(data, words, offsets, copied):
    for i in range(words.shape[0]):
        start = words[i, 0]
        utf8.copy(data, start, start + words[i, 1], copied, offsets[i])


@leaf
def _enter(data, block, count, slots, words, n, counts, occurrences, at):
    """Enters the `count` words in `block`, where `n` distinct ones are known, and says in `occurrences` which they are,
    or counts them where that has no room; returns how many distinct ones are known then."""
    for b in range(count):
        i, j, low, high = np.int64(block[0, b]), np.int64(block[1, b]), block[2, b], block[3, b]
        slot = find(slots, data, data, i, j - i, low, high)
        if slots[slot + np.uint64(1)] == 0:
            slots[slot], slots[slot + np.uint64(1)] = low, high
            slots[slot + np.uint64(2)] = n
            slots[slot + np.uint64(3)] = i
            words[n, 0], words[n, 1] = i, j - i
            n += 1
        index = slots[slot + np.uint64(2)]
        if occurrences.size:
            occurrences[at + b] = np.int32(index)
        else:
            counts[index] += 1
    return n


@numba.njit(cache=True, nogil=True)
def _intern(data, offsets, table, slots, words, counts, occurrences, word_offsets, progress):
    """Goes on from `progress` to the end, or until the table might be more than half full (returns False)."""
    limits = np.zeros(patterns.MOST_PATTERNS, np.int64)
    block = np.empty((4, BLOCK), np.uint64)
    i = progress[1]
    n = progress[2]
    at = progress[3]
    for d in range(progress[0], offsets.size - 1):
        while i < offsets[d + 1]:
            if 8 * (n + BLOCK) > slots.size:
                progress[0], progress[1], progress[2], progress[3] = d, i, n, at
                return False
            count, i = next_pretokens(data, i, offsets[d + 1], table, limits, slots, block)
            n = _enter(data, block, count, slots, words, n, counts, occurrences, at)
            at += count
            if count < BLOCK:
                break
        i = offsets[d + 1]
        if occurrences.size:
            word_offsets[d + 1] = at
    progress[0], progress[1], progress[2], progress[3] = offsets.size - 1, i, n, at
    return True
