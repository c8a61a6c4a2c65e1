"""Unicode's canonical normal forms, NFC and NFD (UAX #15, Unicode 16.0), of UTF-8.

Nearly all text is NFC already. A text without characters that MAY_DIFFER is; for a kernel that looks at every character
anyway, `stays` tells of such a one whether it is as NFC has it, nearly always. What remains is brought to NFC, which
leaves what is NFC as it is. `normal_forms_build` made the file of tables.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from typing import NamedTuple

import numba
import numpy as np

from corpus.text import unicode, utf8
from corpus.text.leaf import leaf

# Hangul syllables are composed by arithmetic (Unicode 16.0, section 3.12.1).
SYLLABLE, SYLLABLES = 0xAC00, 11_172
LEADING, LEADINGS = 0x1100, 19
VOWEL, VOWELS = 0x1161, 21
TRAILING, TRAILINGS = 0x11A7, 28  # the first stands for none

MAY_DIFFER = 1 << 0  # a text of characters without this bit is NFC
MAY_COMPOSE = 1 << 1  # with a character before: Maybe of NFC_Quick_Check
COMPOSES = 1 << 2  # with a character after
DECOMPOSES = 1 << 3
NOT_NFC = 1 << 4  # No of NFC_Quick_Check: in no text that is NFC

GROWTH = 3
"""Bytes out per byte in, at most, in both forms: U+0390 (2 bytes) decomposes into three characters of 2."""
LONGEST = 4
"""Characters that one decomposes into, at most (U+1F82)."""
LEAD = 0xCC
"""First byte of U+0300: no character before that may differ."""
MARKS_IN_A_ROW = 16
"""Marks after a starter from which a text is not surely NFC."""
SORTED_AS_ARRAY = 32
"""Marks in a row from which they are sorted in a time that is not quadratic."""


class Tables(NamedTuple):
    """Of every code point: the bits above, its canonical combining class (both uint8[0x110000]), where its
    decomposition begins in `parts` (int32[0x110000 + 1]; empty where it has none). Of every pair that composes:
    first << 21 | second, ascending (int64), and what it becomes (int32)."""

    flags: np.ndarray
    classes: np.ndarray
    begins: np.ndarray
    parts: np.ndarray
    pairs: np.ndarray
    composed: np.ndarray


@functools.cache
def tables() -> Tables:
    """The tables that the kernels here want, read-only."""
    path = importlib.resources.files(__package__).joinpath("normal_forms_16_0.npz")
    with path.open("rb") as file, np.load(file) as stored:
        return made(stored)


def made(stored: Mapping[str, np.ndarray]) -> Tables:
    """The tables of what `normal_forms_build` writes, or of another version of Unicode written so."""
    marked, values, changed, lengths, parts, pairs = (
        stored[name] for name in ("marked", "classes", "changed", "lengths", "parts", "pairs")
    )
    classes = np.zeros(unicode.CODE_POINTS, np.uint8)
    classes[marked] = values
    sizes = np.zeros(unicode.CODE_POINTS, np.int32)
    sizes[changed] = lengths
    first, second, composed = pairs.T
    flags = np.zeros(unicode.CODE_POINTS, np.uint8)
    flags[changed] |= DECOMPOSES
    flags[SYLLABLE : SYLLABLE + SYLLABLES] |= DECOMPOSES
    flags[np.setdiff1d(changed, composed)] |= NOT_NFC
    flags[second] |= MAY_COMPOSE
    flags[VOWEL : VOWEL + VOWELS] |= MAY_COMPOSE
    flags[TRAILING + 1 : TRAILING + TRAILINGS] |= MAY_COMPOSE
    flags[first] |= COMPOSES
    flags[LEADING : LEADING + LEADINGS] |= COMPOSES
    flags[SYLLABLE : SYLLABLE + SYLLABLES : TRAILINGS] |= COMPOSES
    flags[(flags & (NOT_NFC | MAY_COMPOSE) > 0) | (classes > 0)] |= MAY_DIFFER
    begins = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    codes = first.astype(np.int64) << 21 | second
    found = Tables(flags, classes, begins, parts, codes, np.ascontiguousarray(composed))
    for table in found:
        table.setflags(write=False)
    return found


@leaf
def stays(data, start, position, code_point, tables):
    """Whether the character at `position`, one that may differ, is surely as NFC has it, in a text that begins at
    `start`: false of every character in which a text shows that it is not NFC, and of few others.

    A character that may compose does not, if it and the last starter are no pair, provided that nothing in that
    starter's own decomposition could change places with it."""
    flags = tables.flags[code_point]
    if flags & NOT_NFC:
        return False
    own = tables.classes[code_point]
    starter, before = 0, 0  # the last starter, the combining class of the character before
    looked = 0
    while position > start:
        position = utf8.previous(data, position)
        starter, _ = utf8.decode(data, position)
        looked += 1
        if tables.classes[starter] == 0:
            break
        before = tables.classes[starter] if looked == 1 else before
        if looked == MARKS_IN_A_ROW:
            return False
    if own > 0 and before > own:
        return False
    if not flags & MAY_COMPOSE:
        return True
    if own > 0 and tables.flags[starter] & DECOMPOSES:
        return False
    return not tables.flags[starter] & COMPOSES or composite(starter, code_point, tables) < 0


@leaf
def composite(first, second, tables):
    """What two characters compose to, -1 if they do not."""
    if LEADING <= first < LEADING + LEADINGS:
        if VOWEL <= second < VOWEL + VOWELS:
            return SYLLABLE + ((first - LEADING) * VOWELS + second - VOWEL) * TRAILINGS
        return -1
    if SYLLABLE <= first < SYLLABLE + SYLLABLES:
        if (first - SYLLABLE) % TRAILINGS == 0 and TRAILING < second < TRAILING + TRAILINGS:
            return first + second - TRAILING
        return -1
    code = np.int64(first) << 21 | second
    place = np.searchsorted(tables.pairs, code)
    if place < len(tables.pairs) and tables.pairs[place] == code:
        return np.int64(tables.composed[place])
    return -1


@numba.njit(cache=True, nogil=True)
def decompose(data, start, end, tables):
    """The characters of the NFD of `data[start:end]`, as code points: int32[n]."""
    points = np.empty(LONGEST * (end - start), np.int32)
    return points[: _decompose(data, start, end, tables, points)]


@numba.njit(cache=True, nogil=True)
def _decompose(data, start, end, tables, points):
    """Write the NFD to `points`; how many characters it has."""
    count = 0
    position = start
    while position < end:
        code_point, width = utf8.decode(data, position)
        position += width
        count = append(code_point, tables, points, count)
    _put_in_order(points, count, tables.classes)
    return count


@leaf
def append(code_point, tables, points, count):
    """Writes the decomposition of a character to `points`, `count` of which are written; how many are then."""
    if not tables.flags[code_point] & DECOMPOSES:
        points[count] = code_point
        return count + 1
    if SYLLABLE <= code_point < SYLLABLE + SYLLABLES:
        index = code_point - SYLLABLE
        points[count] = LEADING + index // (VOWELS * TRAILINGS)
        points[count + 1] = VOWEL + index // TRAILINGS % VOWELS
        points[count + 2] = TRAILING + index % TRAILINGS
        return count + (3 if index % TRAILINGS else 2)
    for place in range(tables.begins[code_point], tables.begins[code_point + 1]):
        points[count] = tables.parts[place]
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _put_in_order(points, count, classes):
    """The canonical ordering: marks in a row by their combining class, those of one class as they came."""
    begin = 0
    while begin < count:
        if classes[points[begin]] == 0:
            begin += 1
            continue
        end = begin + 1
        while end < count and classes[points[end]] > 0:
            end += 1
        if end - begin > SORTED_AS_ARRAY:
            run = points[begin:end].copy()
            points[begin:end] = run[np.argsort(classes[run], kind="mergesort")]
        else:
            _insertion_sort(points, begin, end, classes)
        begin = end


@leaf
def compose_few(points, count, tables):
    """Makes `count` characters, each of them decomposed, their NFC in place; how many they are then. For few; see
    `put_few_in_order`."""
    put_few_in_order(points, count, tables)
    return _compose(points, count, tables)


@leaf
def put_few_in_order(points, count, tables):
    """The canonical ordering of `count` characters, in place; marks in a row are sorted by insertion."""
    begin = 0
    while begin < count:
        end = begin + 1
        while tables.classes[points[begin]] > 0 and end < count and tables.classes[points[end]] > 0:
            end += 1
        if end > begin + 1:
            _insertion_sort(points, begin, end, tables.classes)
        begin = end


@leaf
def _insertion_sort(points, begin, end, classes):
    """Sorts the marks `points[begin:end]` by their combining class, those of one class as they came."""
    for i in range(begin + 1, end):
        point = points[i]
        at = i
        while at > begin and classes[points[at - 1]] > classes[point]:
            points[at] = points[at - 1]
            at -= 1
        points[at] = point


@numba.njit(cache=True, nogil=True)
def nfc(data, start, end, tables):
    """The NFC of `data[start:end]`: uint8[n].

    A character that cannot differ touches none before it: between two of them are the pieces that are composed, each
    with the one before; all else is copied."""
    out = np.empty(GROWTH * (end - start), np.uint8)
    points = np.empty(LONGEST * 64, np.int32)
    flags = tables.flags
    written, copied, begin, position = 0, start, start, start
    while position < end:
        stop, same = position, True
        while stop < end and data[stop] >= LEAD:
            code_point, width = utf8.decode(data, stop)
            if not flags[code_point] & MAY_DIFFER:
                break
            same = same and stays(data, begin, stop, code_point, tables)
            stop += width
        if stop == position:
            begin = position
            position += utf8.width(data[position])
            continue
        if same:
            position = stop
            continue
        written = _copy(data, copied, begin, out, written)
        if len(points) < LONGEST * (stop - begin):
            points = np.empty(LONGEST * (stop - begin), np.int32)
        count = _decompose(data, begin, stop, tables, points)
        written = write(points, _compose(points, count, tables), out, written)
        copied = begin = position = stop
    return out[: _copy(data, copied, end, out, written)]


@leaf
def _copy(data, start, end, out, written):
    for position in range(start, end):
        out[written] = data[position]
        written += 1
    return written


@leaf
def _compose(points, length, tables):
    """The canonical composition, in place, of the first `length` characters, which are in canonical order; how many
    they are then.

    A character composes with the last starter unless one between them is of its class, or a starter."""
    count = 0
    starter = -1  # where it is
    before = 0  # combining class of the character before, of those after the starter that stay
    for i in range(length):
        point = np.int64(points[i])
        own = np.int64(tables.classes[point])
        if starter >= 0 and (count == starter + 1 or before < own):
            found = composite(np.int64(points[starter]), point, tables)
            if found >= 0:
                points[starter] = found
                continue
        if own == 0:
            starter = count
        before = own
        points[count] = point
        count += 1
    return count


@leaf
def write(points, count, out, written):
    """Writes the first `count` characters as UTF-8 to `out`, from byte `written` on; the bytes written then."""
    for i in range(count):
        written = utf8.encode(np.int64(points[i]), out, written)
    return written


LONGEST_COMPATIBLE = 18
"""Characters that one decomposes into, at most, in the compatible forms (U+FDFA)."""


def touched(tables: Tables, compose: bool) -> np.ndarray:
    """Characters that a normal form may change, or that others may change places or compose with, those that begin a
    composition apart: bool[0x110000]. A text without them is in that form."""
    if compose:
        return (tables.flags & MAY_DIFFER) != 0
    return ((tables.flags & DECOMPOSES) != 0) | (tables.classes > 0)


@numba.njit(cache=True, nogil=True)
def normalized(data, offsets, tables, touched, compose):
    """The texts `data[offsets[d] : offsets[d + 1]]` in the normal form of `tables`, composed or not: (data uint8,
    offsets int64). `touched` is that of the same form.

    Between characters that it does not touch, each with the one before it, are the pieces that are decomposed, put in
    order and composed; all else is copied."""
    out = np.empty(offsets[-1] - offsets[0] + 64, np.uint8)
    ends = np.empty(offsets.size, np.int64)
    points = np.empty(LONGEST_COMPATIBLE * 64, np.int32)
    ends[0] = written = 0
    for d in range(offsets.size - 1):
        copied = begin = position = offsets[d]
        while position < offsets[d + 1]:
            while position < offsets[d + 1] and data[position] < 0x80:
                begin = position
                position += 1
            if position == offsets[d + 1]:
                break
            code_point, width = utf8.decode(data, position)
            if not touched[code_point]:
                begin = position
                position += width
                continue
            while position < offsets[d + 1]:
                code_point, width = utf8.decode(data, position)
                if not touched[code_point]:
                    break
                position += width
            if len(points) < LONGEST_COMPATIBLE * (position - begin):
                points = np.empty(2 * LONGEST_COMPATIBLE * (position - begin), np.int32)
            count = _decompose(data, begin, position, tables, points)
            if compose:
                count = _compose(points, count, tables)
            out = _with_room(out, written, begin - copied + utf8.LONGEST * count)
            written = write(points, count, out, _copy(data, copied, begin, out, written))
            copied = begin = position
        out = _with_room(out, written, position - copied)
        written = _copy(data, copied, position, out, written)
        ends[d + 1] = written
    return out[:written], ends


@numba.njit(cache=True, nogil=True)
def _with_room(out, written, more):
    """`out`, or a larger array with what is written in it, so that `more` bytes find room."""
    if written + more <= len(out):
        return out
    larger = np.empty(2 * (written + more), np.uint8)
    larger[:written] = out[:written]
    return larger
