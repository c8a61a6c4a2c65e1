"""Ranges of bytes in the documents of a string column: snapping, merging, cutting.

Ranges are three int64 arrays of one length, `row` (of the column), `start` and `end` (bytes
of that row's text, end exclusive), as in `corpus.documents.DECISION_SCHEMA`.
"""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.text import arrow, utf8

Ranges = tuple[np.ndarray, np.ndarray, np.ndarray]

_SEPARATORS = {"word": b" \t\n\r\v\f", "line": b"\n"}


def snap(
    text: pa.Array,
    row: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    to: Literal["character", "word", "line"] = "character",
) -> Ranges:
    """The ranges made smaller so that both ends stand at boundaries of `text`; ranges that
    hold none, or become empty, vanish.

    Boundaries are both ends of the text and, to "character": where a UTF-8 character begins;
    to "word": after ASCII white space, so that a word goes with the space that follows it;
    to "line": after "\\n". Scripts that do not put spaces between words have few word
    boundaries. Raises ValueError for a range outside its text.
    """
    if to != "character" and to not in _SEPARATORS:
        raise ValueError(f"cannot snap to {to!r}; choose from character, word, line")
    row, start, end = _int64(row, start, end)
    data, offsets = arrow.buffers(text)
    if _first_bad(data, offsets, row, start, end) >= 0:
        raise ValueError("a range lies outside its text")
    separators = np.zeros(256, np.bool_)
    separators[np.frombuffer(_SEPARATORS.get(to, b""), np.uint8)] = True
    start, end = _snap(data, offsets, row, start, end, separators, to == "character")
    held = start < end
    return row[held], start[held], end[held]


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


def cut(text: pa.Array, row: np.ndarray, start: np.ndarray, end: np.ndarray) -> pa.Array:
    """A column of the type of `text` without the bytes of the ranges, which come in any order
    and may overlap. Nulls stay null.

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
    left, left_offsets = _cut(data, offsets, row, start, end)
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


@numba.njit(cache=True, nogil=True)
def _is_boundary(data, first, last, position, separators, characters):
    """Whether `position` is a boundary of the text `data[first:last]`."""
    if position == first or position == last:
        return True
    if characters:
        return data[position] & 0xC0 != 0x80
    return separators[data[position - 1]]


@numba.njit(cache=True, nogil=True)
def _snap(data, offsets, row, start, end, separators, characters):
    new_start, new_end = np.empty_like(start), np.empty_like(end)
    for i in range(len(row)):
        first, last = offsets[row[i]], offsets[row[i] + 1]
        low, high = first + start[i], first + end[i]
        while low < high and not _is_boundary(data, first, last, low, separators, characters):
            low += 1
        while high > low and not _is_boundary(data, first, last, high, separators, characters):
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


@numba.njit(cache=True, nogil=True)
def _cut(data, offsets, row, start, end):
    """(new data, new offsets). Ranges are merged and in order. What is kept between two
    ranges is copied in one piece, however many rows it spans."""
    removed = np.int64(0)
    for i in range(len(row)):
        removed += end[i] - start[i]
    out = np.empty(offsets[-1] - offsets[0] - removed, np.uint8)
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
            i += 1
    utf8.copy(data, source, offsets[-1], out, written)
    new_offsets[-1] = len(out)
    return out, new_offsets
