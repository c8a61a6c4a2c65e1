"""What windows are made of: the units of texts, as numbers that are equal where the units are, and where they stand.

- "bytes": of UTF-8, themselves.
- "characters": code points, themselves.
- "words": what white space separates, each as its XXH64: two words of a corpus with n different ones have the same with
  probability n^2 / 2^65. White space between words makes no difference. A word goes with the white space after it.
- "tokens": ids of a tokenizer, each of which stands for bytes of the text, all of them (byte-level BPE, as GPT-2's).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.encoding.byte_tokens import byte_tokens
from corpus.text import arrow, hashing, spans, utf8

Unit = Literal["bytes", "characters", "words", "tokens"]
WIDTH = {"bytes": np.uint8, "characters": np.uint32, "words": np.uint64, "tokens": np.uint32}
"""The type of the numbers."""


class Units(NamedTuple):
    """Units of texts: those of text i are `values[offsets[i]:offsets[i + 1]]` (WIDTH; int64)."""

    values: np.ndarray
    offsets: np.ndarray


def units_of(text: pa.Array, unit: Unit, tokenizer: str = "") -> Units:
    """The units of a column of strings; `tokenizer`: the folder of it, for tokens. Raises ValueError for a unit that is
    none, or a tokenizer that cannot be used."""
    if unit not in WIDTH:
        raise ValueError(f"unknown unit {unit!r}; choose from {', '.join(WIDTH)}")
    data, offsets = arrow.buffers(text)
    if unit == "bytes":
        return Units(data[: offsets[-1]][offsets[0] :], offsets - offsets[0])
    if unit == "tokens":
        tokens = byte_tokens(text, tokenizer)
        return Units(tokens.ids, tokens.offsets)
    values, ends = _numbers(data, offsets, unit == "words")
    return Units(values.astype(WIDTH[unit], copy=False), ends)


def bytes_of(
    text: pa.Array, unit: Unit, row: np.ndarray, start: np.ndarray, end: np.ndarray, tokenizer: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """(start, end) in bytes of ranges of units, ascending by row and start, that do not overlap (int64). A range of
    words ends where the word after it begins. Tokens may divide a character."""
    if unit == "bytes":
        return start, end
    if unit == "tokens":
        rows = np.unique(row)
        _, offsets, ends = byte_tokens(text.take(pa.array(rows)), tokenizer)
        first = offsets[np.searchsorted(rows, row)]
        return ends[first + start] - ends[first], ends[first + end] - ends[first]
    return _bytes_of(*arrow.buffers(text), row, start, end, unit == "words")


@numba.njit(cache=True, nogil=True)
def _step(data, place, last, words):
    """(end of the unit that begins at `place`, begin of the next)."""
    if not words:
        place += utf8.width(data[place])
        return place, place
    while place < last and not spans.space_length(data, place, last):
        place += utf8.width(data[place])
    return place, _skip_space(data, place, last)


@numba.njit(cache=True, nogil=True)
def _skip_space(data, place, last):
    while place < last:
        width = spans.space_length(data, place, last)
        if not width:
            break
        place += width
    return place


@numba.njit(cache=True, nogil=True)
def _numbers(data, offsets, words):
    values = np.empty(offsets[-1] - offsets[0], np.uint64)
    ends = np.zeros(len(offsets), np.int64)
    count = 0
    for i in range(len(offsets) - 1):
        place, last = offsets[i], offsets[i + 1]
        if words:
            place = _skip_space(data, place, last)
        while place < last:
            end, following = _step(data, place, last, words)
            if words:
                values[count] = hashing.hash64(data, place, end, np.uint64(0))
            else:
                values[count] = np.uint64(utf8.decode(data, place)[0])
            count += 1
            place = following
        ends[i + 1] = count
    return values[:count].copy(), ends


@numba.njit(cache=True, nogil=True)
def _bytes_of(data, offsets, row, start, end, words):
    new_start, new_end = np.empty_like(start), np.empty_like(end)
    i = 0
    while i < len(row):
        first, last = offsets[row[i]], offsets[row[i] + 1]
        place, unit, document = first, 0, row[i]
        if words:
            place = _skip_space(data, place, last)
        while i < len(row) and row[i] == document:
            while unit < start[i]:
                _, place = _step(data, place, last, words)
                unit += 1
            new_start[i] = place - first
            while unit < end[i]:
                _, place = _step(data, place, last, words)
                unit += 1
            new_end[i] = place - first
            i += 1
    return new_start, new_end
