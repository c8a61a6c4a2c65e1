"""Lower case of whole texts, as `str.lower` (CPython, Unicode 16.0) gives it."""

from __future__ import annotations

import numpy as np

from corpus.text import unicode, utf8
from corpus.text.leaf import leaf

CASED, CASE_IGNORABLE = unicode.CASED, unicode.CASE_IGNORABLE
GREATEST_GROWTH = 1.5
"""Bytes out per byte in, at most: U+0130 (2 bytes) lowers to "i" and U+0307 (3 bytes),
U+023A (2 bytes) to U+2C65 (3 bytes)."""


@leaf
def lower(data, start, end, lower_table, case_table, out):
    """Writes the lower-case form of `data[start:end]` to `out` and returns its bytes.

    `out` (uint8) needs room for `GREATEST_GROWTH * (end - start)` bytes. The tables are
    `unicode.lower_table()` and `unicode.case_table()`.
    """
    written = np.int64(0)  # a literal would have `encode` compiled once more
    position = start
    while position < end:
        byte = data[position]
        if byte < 0x80:
            out[written] = byte | 0x20 if 0x41 <= byte <= 0x5A else byte
            written += 1
            position += 1
            continue
        code_point, width = utf8.decode(data, position)
        if code_point == 0x0130:
            written = utf8.encode(np.int32(0x69), out, written)
            written = utf8.encode(np.int32(0x0307), out, written)
        elif code_point == 0x03A3 and _is_final(data, start, position, end, case_table):
            written = utf8.encode(np.int32(0x03C2), out, written)
        else:
            written = utf8.encode(lower_table[code_point], out, written)
        position += width
    return written


@leaf
def _is_final(data, start, position, end, case_table):
    """Whether the capital sigma at `position` ends a word (Unicode 3.13, Final_Sigma):
    a cased letter before it and none after, case-ignorable characters skipped."""
    before = position
    while before > start:
        before = utf8.previous(data, before)
        code_point, _ = utf8.decode(data, before)
        if not case_table[code_point] & CASE_IGNORABLE:
            if not case_table[code_point] & CASED:
                return False
            break
        if before == start:
            return False
    if before == position:
        return False
    after = position + 2
    while after < end:
        code_point, width = utf8.decode(data, after)
        if not case_table[code_point] & CASE_IGNORABLE:
            return not case_table[code_point] & CASED
        after += width
    return True
