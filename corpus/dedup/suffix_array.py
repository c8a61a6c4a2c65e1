"""Exact substring deduplication through a suffix array, keeping the first copy.

Definition. A *window* is `min_bytes` consecutive bytes inside one document. Its *first
occurrence* is its leftmost position in the corpus, documents in order. A window is
*repeated* if it starts at or after the end of its first occurrence, so that the copy it
repeats lies wholly before it. The repeated ranges of a document are the union of its
repeated windows. So a first occurrence never marks itself, not even through windows that
overlap it: a document of `n` equal bytes keeps its first `min_bytes`.

Lee et al. 2021 (arXiv 2107.06499, section 4.1) build the same suffix array, but strike
out every copy and let a match run over the end of a document; this module does neither.

Method. In the order of the suffix array, positions whose windows are equal stand side by
side, except for windows that cross the end of a document. Those are passed over by
position, so no separator bytes are needed, the text is not copied, and the data may be
any bytes, not only UTF-8. Neighbouring windows are compared directly, last bytes first,
which almost always settles it: cheaper than computing the whole LCP array, and it
needs no memory.

Memory: 6 bytes per byte of text, of which 1 is the text itself, 4 the suffix array and 1
the flags; besides, 32 bytes per range found.
"""

from __future__ import annotations

import ctypes

import numba
import numpy as np
import pydivsufsort

MAX_BYTES = 2**31 - 1
"""Largest text, in bytes: positions are int32, as libdivsufsort's are."""

_CROSSES, _INSIDE, _REPEATED, _RANGE_START = 0, 1, 2, 3  # flags of a window, by its start

BLOCK = 256
"""Neighbours in the suffix array that are read together."""

Ranges = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def repeated_ranges(data: np.ndarray, document_offsets: np.ndarray, min_bytes: int) -> Ranges:
    """Byte ranges that repeat earlier text of at least `min_bytes` bytes.

    data: uint8[n]. document_offsets: int64[d + 1], non-decreasing; document *i* is
    `data[document_offsets[i]:document_offsets[i + 1]]`.

    Returns (document, start, end, first_document), each int64[ranges], ordered by document
    and start. start and end are bytes within the document; ranges of a document neither
    overlap nor touch. first_document holds the first occurrence of the range's first window
    (it may be the document itself).

    Raises ValueError if n exceeds `MAX_BYTES`, min_bytes < 1, or the offsets do not fit.
    """
    offsets = np.ascontiguousarray(document_offsets, np.int64)
    _check(data, offsets, min_bytes)
    data = np.ascontiguousarray(data[offsets[0] : offsets[-1]])
    offsets = offsets - offsets[0]
    flags = _windows_inside(offsets, min_bytes)
    if not flags.any():  # libdivsufsort is never asked about an empty text
        return (np.empty(0, np.int64),) * 4
    members = suffix_array_of(data)
    members = members[: _group(data, flags, members, min_bytes)]
    _mark_repeated(members, flags, min_bytes)
    start, end = _ranges(flags, offsets, min_bytes)
    flags[start] = _RANGE_START
    first = _first_occurrences(members, flags, start)
    document = np.searchsorted(offsets, start, side="right") - 1
    first_document = np.searchsorted(offsets, first, side="right") - 1
    return document, start - offsets[document], end - offsets[document], first_document


def _check(data: np.ndarray, offsets: np.ndarray, min_bytes: int) -> None:
    if data.dtype != np.uint8 or data.ndim != 1:
        raise ValueError(f"data must be uint8[n], not {data.dtype}[{data.ndim} dimensions]")
    if min_bytes < 1:
        raise ValueError(f"min_bytes must be at least 1, not {min_bytes}")
    if len(offsets) < 1 or (np.diff(offsets) < 0).any():
        raise ValueError("document_offsets must have d + 1 entries that do not decrease")
    if offsets[0] < 0 or offsets[-1] > len(data):
        raise ValueError(f"document_offsets reach outside the {len(data)} bytes of data")
    if offsets[-1] - offsets[0] > MAX_BYTES:
        raise ValueError(
            f"{offsets[-1] - offsets[0]} bytes are too many for one suffix array (at most "
            f"{MAX_BYTES}): divide the corpus, or use the method 'windows', which has no limit"
        )


def suffix_array_of(data: np.ndarray) -> np.ndarray:
    """int32[n]: starts of the suffixes of `data` in order. Reads `data` only, but pydivsufsort
    insists on an array that could be written to, as Arrow's buffers cannot."""
    writable = (ctypes.c_uint8 * len(data)).from_address(data.ctypes.data)
    return pydivsufsort.divsufsort(np.ctypeslib.as_array(writable))


@numba.njit(cache=True, nogil=True)
def _windows_inside(offsets, min_bytes):
    """uint8[n]: _INSIDE where the window from there lies in one document, else _CROSSES."""
    flags = np.zeros(offsets[-1], np.uint8)
    for document in range(len(offsets) - 1):
        for start in range(offsets[document], offsets[document + 1] - min_bytes + 1):
            flags[start] = _INSIDE
    return flags


@numba.njit(cache=True, nogil=True)
def _same(data, left, right, size):
    """Whether `size` bytes from each are the same; without branches, so that it vectorises."""
    difference = np.uint8(0)
    for i in range(size):
        difference |= data[left + i] ^ data[right + i]
    return difference == 0


@numba.njit(cache=True, nogil=True)
def _read_tags(data, positions, min_bytes, tags):
    """Two of the last bytes of each window. Neighbours in suffix order share their first bytes
    far more often than these. A loop of independent reads lets cache misses overlap."""
    near = min(min_bytes - 1, 7)
    for i in range(len(positions)):
        last = min(positions[i] + min_bytes, len(data)) - 1
        tags[i] = np.uint16(data[last]) << 8 | np.uint16(data[last - near])


@numba.njit(cache=True, nogil=True)
def _group(data, flags, order, min_bytes):
    """Reduce `order`, a suffix array, in place to the groups of two and more equal windows.

    The first member p of a group is stored as ~p, which is negative. Returns the number of
    entries kept. (Never writes past what it has read.)
    """
    kept = 0
    previous = -1  # the neighbour before, or -1 if its window runs over the end of the data
    member = -1  # the last position of the present run of equal windows inside a document
    alone = True  # the run is one window so far, whose flag has not been looked up
    grouped = False  # `member` is among those kept
    tags = np.empty(BLOCK, np.uint16)
    tag = np.uint16(0)
    for base in range(0, len(order), BLOCK):
        block = order[base : base + BLOCK].copy()
        _read_tags(data, block, min_bytes, tags)
        for i in range(len(block)):
            position = block[i]
            if position + min_bytes > len(data):
                previous, alone = -1, True
                continue
            same = previous >= 0 and tags[i] == tag and _same(data, previous, position, min_bytes)
            if same and alone:
                member, grouped = previous if flags[previous] else -1, False
            if same and flags[position]:
                if member >= 0 and not grouped:
                    order[kept] = ~member
                    kept += 1
                    grouped = True
                if grouped:
                    order[kept] = position
                    kept += 1
                member = position
            previous, tag, alone = position, tags[i], not same
    return kept


@numba.njit(cache=True, nogil=True)
def _group_end(members, i):
    """(index after the group that begins at `i`, its smallest position)."""
    first = ~members[i]
    i += 1
    while i < len(members) and members[i] >= 0:
        first = min(first, members[i])
        i += 1
    return i, first


@numba.njit(cache=True, nogil=True)
def _mark_repeated(members, flags, min_bytes):
    i = 0
    while i < len(members):
        end, first = _group_end(members, i)
        for k in range(i, end):
            position = ~members[k] if k == i else members[k]
            if position >= first + min_bytes:
                flags[position] = _REPEATED
        i = end


@numba.njit(cache=True, nogil=True)
def _count_or_fill(flags, offsets, min_bytes, starts, ends):
    """Number of ranges; writes them too, unless `starts` and `ends` are empty."""
    count = 0
    for document in range(len(offsets) - 1):
        end = np.int64(-1)  # windows up to here touch the range being built
        for position in range(offsets[document], offsets[document + 1]):
            if flags[position] < _REPEATED:
                continue
            if position > end:
                if len(starts):
                    starts[count] = position
                count += 1
            end = position + min_bytes
            if len(ends):
                ends[count - 1] = end
    return count


def _ranges(flags: np.ndarray, offsets: np.ndarray, min_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """(starts, ends) of the maximal ranges, as positions in the corpus."""
    none = np.empty(0, np.int64)
    count = _count_or_fill(flags, offsets, min_bytes, none, none)
    starts, ends = np.empty(count, np.int64), np.empty(count, np.int64)
    if count:
        _count_or_fill(flags, offsets, min_bytes, starts, ends)
    return starts, ends


@numba.njit(cache=True, nogil=True)
def _first_occurrences(members, flags, starts):
    """First occurrence (position in the corpus) of the window at each of `starts`."""
    found = np.empty(len(starts), np.int64)
    i = 0
    while i < len(members):
        end, first = _group_end(members, i)
        for k in range(i, end):
            position = ~members[k] if k == i else members[k]
            if flags[position] == _RANGE_START:
                found[np.searchsorted(starts, position)] = first
        i = end
    return found
