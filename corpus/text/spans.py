"""Lines, stripping and words, as `str.splitlines`, `str.strip` and `str.split` see them.

Kernels take `data` (uint8, valid UTF-8) and a range of byte positions. The sets of
white space and line ends are written out, because that is twice as fast as a table; a
test holds them against `corpus.text.unicode`.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.text.growing import doubled
from corpus.text.leaf import leaf


@leaf
def space_length(data, position, end):
    """Bytes of the white space character (`str.isspace`) at `position`, 0 if none is there."""
    byte = data[position]
    if byte < 0x80:
        return 1 if byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F else 0
    if byte == 0xC2 and position + 1 < end:  # U+0085, U+00A0
        return 2 if data[position + 1] == 0x85 or data[position + 1] == 0xA0 else 0
    if byte < 0xE1 or byte > 0xE3 or position + 2 >= end:
        return 0
    second, third = data[position + 1], data[position + 2]
    if byte == 0xE1:  # U+1680
        return 3 if second == 0x9A and third == 0x80 else 0
    if byte == 0xE3:  # U+3000
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x81:  # U+205F
        return 3 if third == 0x9F else 0
    if second != 0x80:  # U+2000 to U+200A, U+2028, U+2029, U+202F
        return 0
    return 3 if third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0


@leaf
def line_end_length(data, position, end):
    """Bytes of the line end (`str.splitlines`; \\r\\n is one) at `position`, 0 if none."""
    byte = data[position]
    if byte < 0x80:
        if byte == 0x0D and position + 1 < end and data[position + 1] == 0x0A:
            return 2
        return 1 if 0x0A <= byte <= 0x0D or 0x1C <= byte <= 0x1E else 0
    if byte == 0xC2 and position + 1 < end:  # U+0085
        return 2 if data[position + 1] == 0x85 else 0
    if byte == 0xE2 and position + 2 < end and data[position + 1] == 0x80:  # U+2028, U+2029
        return 3 if data[position + 2] == 0xA8 or data[position + 2] == 0xA9 else 0
    return 0


@leaf
def line_at(data, start, end):
    """(end of the line that starts at `start`, start of the next one)."""
    position = start
    while position < end:
        byte = data[position]
        # Letters and ordinary punctuation, nearly every byte, leave after one comparison.
        if byte < 0x20 or byte == 0xC2 or byte == 0xE2:
            length = line_end_length(data, position, end)
            if length:
                return position, position + length
        position += 1
    return end, end


@leaf
def strip(data, start, end):
    """`data[start:end]` without the white space at its ends, as (start, end)."""
    while start < end:
        length = space_length(data, start, end)
        if length == 0:
            break
        start += length
    while end > start:
        last = end - 1
        while data[last] & 0xC0 == 0x80 and last > start:
            last -= 1
        if space_length(data, last, end) == 0:
            break
        end = last
    return start, end


@numba.njit(cache=True, nogil=True)
def blank(data, offsets):
    """bool[rows]: the texts of a column, by its data and offsets, in which there is nothing but white space."""
    found = np.empty(len(offsets) - 1, np.bool_)
    for row in range(len(found)):
        start, end = strip(data, offsets[row], offsets[row + 1])
        found[row] = start == end
    return found


@leaf
def count_words(data, start, end, at_most=np.iinfo(np.int64).max):
    """Number of words, `len(text.split())`; stops counting at `at_most`."""
    count = 0
    inside = False
    position = start
    while position < end and count < at_most:
        byte = data[position]
        length = 0
        if byte <= 0x20 or byte >= 0xC2:
            length = space_length(data, position, end)
        if length:
            inside = False
            position += length
        else:
            count += not inside
            inside = True
            position += 1
    return count


@leaf
def longest_word(data, start, end):
    """Code points of the longest word of `text.split()`; 0 if there is none."""
    longest = 0
    current = 0
    position = start
    while position < end:
        length = space_length(data, position, end)
        if length:
            current = 0
            position += length
        else:
            current += data[position] & 0xC0 != 0x80
            longest = max(longest, current)
            position += 1
    return longest


@leaf
def has_longer_word(data, start, end, limit):
    """Whether a word of `text.split()` has more than `limit` code points (limit >= 0).

    Such a word fills `limit + 1` bytes, so one look back from there, to the last white
    space, passes over most of the text."""
    position = start
    while position + limit < end:
        probe = position + limit
        while probe >= position and space_length(data, probe, end) == 0:
            probe -= 1
        if probe < position:
            return longest_word(data, start, end) > limit
        position = probe + 1
    return False


def lines(
    data: np.ndarray, offsets: np.ndarray, newline_only: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every line of every entry of a string column.

    Returns (starts, ends, first): byte positions in `data`, int64[number of lines], line
    ends left out, and first, int64[number of entries + 1]: entry *i* has the lines
    `first[i]:first[i + 1]`. Lines are those of `str.splitlines`, or of
    `str.split("\\n")` if `newline_only` (an empty entry then has one empty line).
    """
    starts, ends, first = _lines(data, offsets, newline_only)
    return starts, ends, first


@leaf
def _line(data, start, end, newline_only):
    """(end of the line at `start`, start of the next); the next is -1 after the last."""
    if not newline_only:
        line_end, following = line_at(data, start, end)
        return line_end, following if following < end else -1
    while start < end and data[start] != 0x0A:
        start += 1
    return start, start + 1 if start < end else -1


@numba.njit(cache=True, nogil=True)
def _lines(data, offsets, newline_only):
    room = (offsets[-1] - offsets[0]) // 32 + len(offsets)
    starts, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    first = np.zeros(len(offsets), np.int64)
    count = 0
    for entry in range(len(offsets) - 1):
        position, end = offsets[entry], offsets[entry + 1]
        while position >= 0 and (newline_only or position < end):
            if count == len(starts):
                starts, ends = doubled(starts), doubled(ends)
            starts[count] = position
            ends[count], position = _line(data, position, end, newline_only)
            count += 1
        first[entry + 1] = count
    return starts[:count].copy(), ends[:count].copy(), first
