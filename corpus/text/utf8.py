"""Stepping through valid UTF-8, one code point at a time.

All functions take `data` (uint8 array, valid UTF-8) and byte positions; none checks.
"""

from __future__ import annotations

import numba

from corpus.text.leaf import leaf

LONGEST = 4
"""Bytes of a code point, at most."""


@numba.njit(cache=True, nogil=True, inline="always")
def width(lead):
    """Bytes of the code point whose first byte is `lead`."""
    if lead < 0x80:
        return 1
    if lead < 0xE0:
        return 2
    return 3 if lead < 0xF0 else 4


@leaf
def decode(data, position):
    """(code point, its width in bytes) at `position`."""
    first = int(data[position])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[position + 1] & 0x3F), 2
    if first < 0xF0:
        high = (first & 0x0F) << 12 | int(data[position + 1] & 0x3F) << 6
        return high | (data[position + 2] & 0x3F), 3
    high = (first & 0x07) << 18 | int(data[position + 1] & 0x3F) << 12
    return high | int(data[position + 2] & 0x3F) << 6 | (data[position + 3] & 0x3F), 4


@leaf
def encode(code_point, out, position):
    """Writes `code_point` to `out` at `position`; returns the position after it."""
    if code_point < 0x80:
        out[position] = code_point
        return position + 1
    if code_point < 0x800:
        out[position] = 0xC0 | code_point >> 6
        out[position + 1] = 0x80 | code_point & 0x3F
        return position + 2
    if code_point < 0x10000:
        out[position] = 0xE0 | code_point >> 12
        out[position + 1] = 0x80 | code_point >> 6 & 0x3F
        out[position + 2] = 0x80 | code_point & 0x3F
        return position + 3
    out[position] = 0xF0 | code_point >> 18
    out[position + 1] = 0x80 | code_point >> 12 & 0x3F
    out[position + 2] = 0x80 | code_point >> 6 & 0x3F
    out[position + 3] = 0x80 | code_point & 0x3F
    return position + 4


@leaf
def copy(data, start, end, out, position):
    """Copies `data[start:end]` to `out` at `position`; returns the position after it. Assigning the slice is slower,
    and takes two seconds more to compile: what prints the shapes of arrays, for the message where they do not match."""
    source, target = data[start:end], out[position : position + end - start]
    for i in range(min(len(source), len(target))):
        target[i] = source[i]
    return position + end - start


@leaf
def previous(data, position):
    """Start of the code point that ends before `position`, which must not be the first."""
    position -= 1
    while data[position] & 0xC0 == 0x80:
        position -= 1
    return position


@leaf
def characters(data, start, end):
    """Number of code points in `data[start:end]`."""
    count = 0
    for position in range(start, end):
        count += data[position] & 0xC0 != 0x80
    return count
