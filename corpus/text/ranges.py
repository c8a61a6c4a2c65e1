"""Ranges of bytes in the documents of a string column: snapping, merging, cutting.

Ranges are three int64 arrays of one length, `row` (of the column), `start` and `end` (bytes
of that row's text, end exclusive), as in `corpus.documents.DECISION_SCHEMA`.
"""

from __future__ import annotations

import functools
from typing import Literal

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.text import arrow, sentences, spans, unicode, utf8
from corpus.text.distinct import distinct
from corpus.text.leaf import leaf

Ranges = tuple[np.ndarray, np.ndarray, np.ndarray]
Boundary = Literal["character", "word", "sentence", "line"]

CHARACTER, WORD, LINE = range(3)
_MODES = {"character": CHARACTER, "word": WORD, "line": LINE}


def snap(text: pa.Array, row: np.ndarray, start: np.ndarray, end: np.ndarray, to: Boundary = "character") -> Ranges:
    """The ranges made smaller so that both ends stand at boundaries of `text`; ranges that
    hold none, or become empty, vanish.

    Boundaries are both ends of the text and, to "character": where a UTF-8 character begins;
    to "word": after white space (`str.isspace`), so that a word goes with the space that follows it, and
    after a comma, stop, bracket or the like of full width, for scripts that do not put spaces between words, but not
    before a combining mark;
    to "sentence": where a sentence begins (`corpus.text.sentences`), and after "\\n";
    to "line": after "\\n". Raises ValueError for a range outside its text.
    """
    if to != "sentence" and to not in _MODES:
        raise ValueError(f"cannot snap to {to!r}; choose from character, word, sentence, line")
    row, start, end = _int64(row, start, end)
    data, offsets = arrow.buffers(text)
    if _first_bad(data, offsets, row, start, end) >= 0:
        raise ValueError("a range lies outside its text")
    if to == "sentence":
        start, end = _snap_to_sentences(text, row, start, end)
    else:
        start, end = _snap(data, offsets, row, start, end, _MODES[to], _marks())
    held = start < end
    return row[held], start[held], end[held]


@functools.cache
def _marks() -> np.ndarray:
    """bool[0x110000], read-only: the combining marks."""
    categories = [unicode.CATEGORIES.index(name) for name in ("Mc", "Me", "Mn")]
    found = np.isin(unicode.category_table(), categories)
    found.setflags(write=False)
    return found


def merge(row: np.ndarray, start: np.ndarray, end: np.ndarray) -> Ranges:
    """The union of the ranges: ordered by row and start, none overlaps or touches another,
    none is empty."""
    row, start, end = _int64(row, start, end)
    held = start < end
    row, start, end = row[held], start[held], end[held]
    ordered = (row[1:] > row[:-1]) | ((row[1:] == row[:-1]) & (start[1:] >= start[:-1]))
    if not ordered.all():
        order = np.lexsort((start, row))
        row, start, end = row[order], start[order], end[order]
    return _merge(row, start, end)


def total_bytes(row: np.ndarray, start: np.ndarray, end: np.ndarray) -> int:
    """Bytes in the union of the ranges, that is, what cutting them removes."""
    _, start, end = merge(row, start, end)
    return int((end - start).sum())


def cut(text: pa.Array, row: np.ndarray, start: np.ndarray, end: np.ndarray, separator: bytes = b"") -> pa.Array:
    """A column of the type of `text` without the bytes of the ranges, which come in any order
    and may overlap. Nulls stay null. Where a cut leaves text before and after it, the separator is put between,
    unless the text before ends with it.

    Raises ValueError if a range lies outside its text or would split a UTF-8 character.
    """
    row, start, end = _int64(row, start, end)
    if not len(row):
        return text
    data, offsets = arrow.buffers(text)
    bad = _first_bad(data, offsets, row, start, end)
    if bad < 0:
        row, start, end = merge(row, start, end)
        bad = _first_split(data, offsets, row, start, end)
    if bad >= 0:
        where = f"bytes {start[bad]} to {end[bad]} of row {row[bad]}"
        raise ValueError(f"{where} lie outside the text or split a character")
    left, left_offsets = _cut(data, offsets, row, start, end, np.frombuffer(separator, np.uint8))
    kept = arrow.string_array(left, left_offsets, text.type)
    return pc.if_else(text.is_valid(), kept, None) if text.null_count else kept


def _int64(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.ascontiguousarray(column, np.int64) for column in columns)


@numba.njit(cache=True, nogil=True)
def _first_bad(data, offsets, row, start, end):
    """Index of the first range that lies outside its text, or -1."""
    for i in range(len(row)):
        if not 0 <= row[i] < len(offsets) - 1:
            return i
        if not 0 <= start[i] <= end[i] <= offsets[row[i] + 1] - offsets[row[i]]:
            return i
    return -1


@numba.njit(cache=True, nogil=True)
def _first_split(data, offsets, row, start, end):
    """Index of the first range with an end within a UTF-8 character, or -1."""
    for i in range(len(row)):
        text_end = offsets[row[i] + 1]
        for edge in (offsets[row[i]] + start[i], offsets[row[i]] + end[i]):
            if edge < text_end and data[edge] & 0xC0 == 0x80:
                return i
    return -1


def _snap_to_sentences(
    text: pa.Array, row: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.unique(row)
    data, offsets = arrow.buffers(text.take(pa.array(rows)))
    line_starts, line_ends, _ = spans.lines(data, offsets, newline_only=True)
    begins, _, _ = sentences.split(data, line_starts, line_ends)
    bounds = distinct(np.concatenate([begins, line_starts, offsets]))
    first = offsets[np.searchsorted(rows, row)]
    low = np.searchsorted(bounds, first + start)
    high = np.searchsorted(bounds, first + end, side="right") - 1
    return bounds[low] - first, bounds[high] - first


@leaf
def _is_wide_stop(data, position):
    """Whether the three bytes from there are a comma, stop or bracket of full width, or half-width katakana's."""
    first, second, third = data[position], data[position + 1], data[position + 2]
    if first == 0xE3 and second == 0x80:  # U+3001 to 3003, 3008 to 3011, 3014 to 301B
        return 0x81 <= third <= 0x83 or 0x88 <= third <= 0x91 or 0x94 <= third <= 0x9B
    if first == 0xEF and second == 0xBC:  # U+FF01, FF08, FF09, FF0C, FF0E, FF1A, FF1B, FF1F
        few = third == 0x81 or third == 0x88 or third == 0x89 or third == 0x8C or third == 0x8E
        return few or third == 0x9A or third == 0x9B or third == 0x9F
    return first == 0xEF and second == 0xBD and 0xA1 <= third <= 0xA4  # U+FF61 to FF64


@leaf
def _is_boundary(data, first, last, position, mode, marks):
    """Whether `position` is a boundary of the text `data[first:last]`."""
    if position == first or position == last:
        return True
    if mode == LINE:
        return data[position - 1] == 0x0A
    if data[position] & 0xC0 == 0x80:
        return False
    if mode == CHARACTER:
        return True
    if marks[utf8.decode(data, position)[0]]:
        return False
    before = utf8.previous(data, position)
    if spans.space_length(data, before, position):
        return True
    return position - before == 3 and _is_wide_stop(data, before)


@numba.njit(cache=True, nogil=True)
def _snap(data, offsets, row, start, end, mode, marks):
    new_start, new_end = np.empty_like(start), np.empty_like(end)
    for i in range(len(row)):
        first, last = offsets[row[i]], offsets[row[i] + 1]
        low, high = first + start[i], first + end[i]
        while low < high and not _is_boundary(data, first, last, low, mode, marks):
            low += 1
        while high > low and not _is_boundary(data, first, last, high, mode, marks):
            high -= 1
        new_start[i], new_end[i] = low - first, high - first
    return new_start, new_end


@numba.njit(cache=True, nogil=True)
def _merge(row, start, end):
    new_row, new_start, new_end = np.empty_like(row), np.empty_like(row), np.empty_like(row)
    count = 0
    for i in range(len(row)):
        if count and row[i] == new_row[count - 1] and start[i] <= new_end[count - 1]:
            new_end[count - 1] = max(new_end[count - 1], end[i])
        else:
            new_row[count], new_start[count], new_end[count] = row[i], start[i], end[i]
            count += 1
    return new_row[:count], new_start[:count], new_end[:count]


@leaf
def _ends_with(out, begin, end, separator):
    if end - begin < len(separator):
        return False
    for i in range(len(separator)):
        if out[end - len(separator) + i] != separator[i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _cut(data, offsets, row, start, end, separator):
    """(new data, new offsets). Ranges are merged and in order. What is kept between two
    ranges is copied in one piece, however many rows it spans."""
    removed = np.int64(0)
    for i in range(len(row)):
        removed += end[i] - start[i]
    out = np.empty(offsets[-1] - offsets[0] - removed + len(row) * len(separator), np.uint8)
    new_offsets = np.empty_like(offsets)
    source = offsets[0]
    written = np.int64(0)
    i = 0
    for document in range(len(offsets) - 1):
        # What is copied is data[:source]; the bytes up to this row's start follow it.
        new_offsets[document] = written + offsets[document] - source
        while i < len(row) and row[i] == document:
            written = utf8.copy(data, source, offsets[document] + start[i], out, written)
            source = offsets[document] + end[i]
            if len(separator) and start[i] > 0 and source < offsets[document + 1]:
                if not _ends_with(out, new_offsets[document], written, separator):
                    written = utf8.copy(separator, 0, len(separator), out, written)
            i += 1
    written = utf8.copy(data, source, offsets[-1], out, written)
    new_offsets[-1] = written
    return out[:written], new_offsets
