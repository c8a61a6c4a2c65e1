"""What pieces of text are made of, lines, paragraphs and sentences, and in which form they are compared.

case      stripped, in lower case: C4's lines (tensorflow-datasets, `c4_utils.remove_duplicate_text`)
ccnet     stripped, in lower case, each digit as 0, without punctuation (Unicode's category P) and without accents
          (what NFD leaves in category Mn): CCNet's paragraphs (Wenzek et al. 2020, arXiv 1911.00359, section 3.1;
          its code, `cc_net.text_normalizer`, has a list of 34 marks for punctuation and leaves accents)
none      as they are, white space at their ends too
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.text import arrow, hashing, lowering, normal_forms, sentences, spans, unicode
from corpus.text.leaf import leaf
from corpus.text.utf8 import decode, encode

Unit = Literal["line", "paragraph", "sentence"]
"""A line is what `text.split("\\n")` gives, a paragraph, as in CCNet, a line in which something is left to compare."""
Form = Literal["case", "ccnet", "none"]

CASE, CCNET, NONE = range(3)
FORMS: dict[str, int] = {"case": CASE, "ccnet": CCNET, "none": NONE}

DELETED, SEVERAL = -1, -2
"""In the table of `ccnet`, instead of a code point: nothing is left; there is more than one, or their order matters."""


class Tables(NamedTuple):
    """What the forms are made by; `plain`: what a code point becomes in `ccnet`, or DELETED or SEVERAL (int32)."""

    lower: np.ndarray
    case: np.ndarray
    plain: np.ndarray
    forms: normal_forms.Tables


class Room(NamedTuple):
    """uint8, for a unit in lower case, and in its form."""

    one: np.ndarray
    two: np.ndarray


class Units(NamedTuple):
    """Units of a string column, int64 byte positions in its data: entry *i* has those from `first[i]` to before
    `first[i + 1]`. `hashes` of their forms, uint64[n, 2]."""

    starts: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    hashes: np.ndarray


@functools.cache
def tables() -> Tables:
    """The tables that the kernels here want, read-only."""
    forms = normal_forms.tables()
    plain = _plain(unicode.category_table(), forms)
    plain.setflags(write=False)
    return Tables(unicode.lower_table(), unicode.case_table(), plain, forms)


def _plain(categories: np.ndarray, forms: normal_forms.Tables) -> np.ndarray:
    names = np.array(unicode.CATEGORIES)[categories]
    plain = np.arange(unicode.CODE_POINTS, dtype=np.int32)
    plain[np.char.startswith(names, "P") | (names == "Mn")] = DELETED
    plain[names == "Nd"] = ord("0")
    plain[(forms.classes > 0) & (names != "Mn")] = SEVERAL
    changed = np.flatnonzero(forms.flags & normal_forms.DECOMPOSES)
    data, offsets = arrow.buffers(pa.array(map(chr, changed.tolist()), pa.string()))
    plain[changed] = _decomposed(data, offsets, plain, forms)
    return plain


@numba.njit(cache=True, nogil=True)
def _decomposed(data, offsets, plain, forms):
    """What each of these characters becomes, each an entry of a column."""
    found = np.empty(len(offsets) - 1, np.int32)
    for i in range(len(found)):
        found[i] = DELETED
        for point in normal_forms.decompose(data, offsets[i], offsets[i + 1], forms):
            if plain[point] != DELETED:
                found[i] = plain[point] if found[i] == DELETED else SEVERAL
    return found


def layout(text: pa.Array, unit: Unit, form: Form = "case", blank: bool = True) -> Units:
    """All units of a string column, in order; lines of which nothing is left to compare only where `blank`."""
    data, offsets = arrow.buffers(text)
    starts, ends, first = spans.lines(data, offsets, newline_only=True)
    if unit == "sentence":
        starts, ends, first_sentence = sentences.split(data, starts, ends)
        first = first_sentence[first]
    hashes, empty = _hashes(data, starts, ends, FORMS[form], tables())
    if unit == "sentence" or (blank and unit == "line"):
        return Units(starts, ends, first, hashes)
    stay = ~empty
    return Units(starts[stay], ends[stay], np.append(0, np.cumsum(stay))[first], hashes[stay])


def forms(
    data: np.ndarray, units: tuple[np.ndarray, np.ndarray], first: np.ndarray, after: np.ndarray, form: Form
) -> pa.LargeBinaryArray:
    """Of runs of units the forms, each with a newline behind it. units: (starts, ends) in data; run *i* has those from
    `first[i]` to before `after[i]` (int64)."""
    written, offsets = _forms(data, *units, first, after, FORMS[form], tables())
    return pa.Array.from_buffers(
        pa.large_binary(), len(first), [None, pa.py_buffer(offsets), pa.py_buffer(written)], null_count=0
    )


@numba.njit(cache=True, nogil=True)
def _hashes(data, starts, ends, form, tables):
    """(128-bit hashes, uint64[n, 2]: XXH64 with seeds 0 and 1; whether nothing is left to compare, bool[n])."""
    hashes = np.empty((len(starts), 2), np.uint64)
    empty = np.empty(len(starts), np.bool_)
    room = _room(starts, ends)
    for i in range(len(starts)):
        if form == NONE:
            hashes[i, 0], hashes[i, 1] = hashing.hash128(data, starts[i], ends[i], np.uint64(0))
            start, end = spans.strip(data, starts[i], ends[i])
            length = end - start
        else:
            length = _write(data, starts[i], ends[i], form, tables, room)
            if length < 0:
                length = _write_several(room, -1 - length, tables)
            hashes[i, 0], hashes[i, 1] = hashing.hash128(room.two, 0, length, np.uint64(0))
        empty[i] = length == 0
    return hashes, empty


@numba.njit(cache=True, nogil=True)
def _forms(data, starts, ends, first, after, form, tables):
    most = np.int64(0)
    for i in range(len(first)):
        for unit in range(first[i], after[i]):
            most += normal_forms.GROWTH * 2 * (ends[unit] - starts[unit]) + 1
    out = np.empty(most, np.uint8)
    offsets = np.zeros(len(first) + 1, np.int64)
    room = _room(starts, ends)
    written = 0
    for i in range(len(first)):
        for unit in range(first[i], after[i]):
            length = _write(data, starts[unit], ends[unit], form, tables, room)
            if length < 0:
                length = _write_several(room, -1 - length, tables)
            out[written : written + length] = room.two[:length]
            out[written + length] = 0x0A
            written += length + 1
        offsets[i + 1] = written
    return out[:written].copy(), offsets


@numba.njit(cache=True, nogil=True)
def _room(starts, ends):
    longest = 0
    for i in range(len(starts)):
        longest = max(longest, ends[i] - starts[i])
    return Room(np.empty(2 * longest, np.uint8), np.empty(2 * normal_forms.GROWTH * longest, np.uint8))


@leaf
def _write(data, start, end, form, tables, room):
    """Writes the form of a unit to `room.two`; its bytes. Where that takes more, -1 less the bytes of the unit in lower
    case, which are in `room.one` then."""
    if form == NONE:
        for position in range(start, end):
            room.two[position - start] = data[position]
        return end - start
    start, end = spans.strip(data, start, end)
    if form == CASE and _write_ascii(data, start, end, room.two):
        return end - start
    if form == CASE:
        return lowering.lower(data, start, end, tables.lower, tables.case, room.two)
    length = lowering.lower(data, start, end, tables.lower, tables.case, room.one)
    written = np.int64(0)
    position = 0
    while position < length:
        byte = room.one[position]
        if byte < 0x80:
            code = tables.plain[byte]
            room.two[written] = np.uint8(code & 0x7F)
            written += code >= 0
            position += 1
            continue
        code_point, width = decode(room.one, position)
        code = tables.plain[code_point]
        if code == SEVERAL:
            return -1 - length
        if code >= 0:
            written = encode(np.int64(code), room.two, written)
        position += width
    return written


@leaf
def _write_ascii(data, start, end, out):
    """Writes `data[start:end]` to `out` in lower case, if it is ASCII; whether it is. Without branches, so that it
    vectorises."""
    bits = np.uint8(0)
    for i in range(end - start):
        byte = data[start + i]
        bits |= byte
        out[i] = byte | np.uint8((np.uint8(byte - np.uint8(0x41)) < np.uint8(26)) << 5)
    return bits < 0x80


@numba.njit(cache=True, nogil=True)
def _write_several(room, length, tables):
    """The same of `room.one[:length]` where characters become several, or change places."""
    points = normal_forms.decompose(room.one, 0, length, tables.forms)
    written = np.int64(0)
    for point in points:
        code = tables.plain[point]
        if code == SEVERAL:  # a mark of another category, which stays
            code = point
        if code >= 0:
            written = encode(np.int64(code), room.two, written)
    return written
