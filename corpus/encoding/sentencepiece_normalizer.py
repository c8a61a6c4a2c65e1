"""What `sentencepiece` does to a text before it divides it (`normalizer.cc`, 0.2.3): the longest rule of its compiled
table at every place, then white space.

The table ("precompiled charsmap") is a double array of Darts-clone (Yata): uint32 units that are indexed by the
exclusive or of an offset and a byte, and after it strings that end in NUL. A unit has its label in the low byte and bit
31, the offset from bit 10 on, shifted by 8 more where bit 9 is set, and bit 8 where a value is; the unit of a value has
it in the lower 31 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from corpus.text import utf8
from corpus.text.leaf import leaf

SPACE = 0x20


class Normalizer(NamedTuple):
    """`units` (uint32, one at least) and `strings` (uint8) of the table; `plain` (bool[256]): whether an ASCII
    character stays itself before another ASCII character; the options of the model's NormalizerSpec."""

    units: np.ndarray
    strings: np.ndarray
    plain: np.ndarray
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool


def make_normalizer(charsmap: bytes, add_dummy_prefix: bool, remove_extra_whitespaces: bool) -> Normalizer:
    """Of a model's NormalizerSpec. Raises ValueError for a table that is damaged."""
    if not charsmap:
        units, strings = np.zeros(1, np.uint32), np.zeros(1, np.uint8)
    else:
        size = int.from_bytes(charsmap[:4], "little")
        if size % 1024 or not 0 < size < len(charsmap) - 4:
            raise ValueError("the model's precompiled_charsmap is damaged")
        units = np.frombuffer(charsmap, "<u4", size // 4, 4).astype(np.uint32)
        strings = np.frombuffer(charsmap, np.uint8, offset=4 + size)
    plain = np.array([_is_plain(units, byte) for byte in range(256)])
    plain[SPACE] = False
    return Normalizer(units, strings, plain, add_dummy_prefix, remove_extra_whitespaces)


def _is_plain(units: np.ndarray, byte: int) -> bool:
    """Whether no rule is this ASCII character, or begins with it and another."""
    if byte >= 0x80 or not units.any():
        return byte < 0x80
    place = _below(units, _offset(int(units[0])), byte)
    if place < 0:
        return True
    unit = int(units[place])
    return not unit >> 8 & 1 and all(_below(units, place ^ _offset(unit), after) < 0 for after in range(0x80))


def _offset(unit: int) -> int:
    return unit >> 10 << ((unit & 1 << 9) >> 6)


def _below(units: np.ndarray, base: int, byte: int) -> int:
    place = base ^ byte
    found = place < len(units) and int(units[place]) & (1 << 31 | 0xFF) == byte
    return place if found else -1


def by_word(normalizer: Normalizer) -> bool:
    """Whether the normal form of a text is made of those of its runs without blanks (space, tab, line feed, carriage
    return), one after the other: each begins with one space and ends in none, and no rule has a blank and another
    character. Rules that give a U+2581, and one that leaves it, are in the way: that is no space to the rules for
    spaces."""
    if not normalizer.add_dummy_prefix or not normalizer.remove_extra_whitespaces or normalizer.units.size == 1:
        return False
    blanks = np.frombuffer(b" \t\n\r", np.uint8)
    symbol = np.frombuffer("\u2581".encode(), np.uint8)
    gives_space = [
        _is_one_space(each, 0, len(each), normalizer.units, normalizer.strings)
        for each in (*blanks.reshape(-1, 1), symbol)
    ]
    if gives_space != [1, 1, 1, 1, 3] or symbol.tobytes() in normalizer.strings.tobytes():
        return False
    return not _joins_blanks(normalizer.units, blanks)


@numba.njit(cache=True, nogil=True)
def _joins_blanks(units, blanks):
    """Whether a rule has one of the ASCII characters `blanks` beside another character."""
    stack = np.empty(units.size + 1, np.int64)
    stack[0] = np.int64(units[0]) >> 10 << ((np.int64(units[0]) & 0x200) >> 6)
    size = 1
    root = True
    while size:
        size -= 1
        base = stack[size]
        for byte in range(1, 256):
            place = base ^ byte
            if place >= units.size:
                continue
            unit = np.int64(units[place])
            if unit & (0x80000000 | 0xFF) != byte:
                continue
            blank = False
            for each in blanks:
                blank = blank or each == byte
            below = place ^ (unit >> 10 << ((unit & 0x200) >> 6))
            if not blank:
                stack[size] = below
                size += 1
                continue
            if not root:
                return True
            for after in range(1, 256):
                other = below ^ after
                if other < units.size and np.int64(units[other]) & (0x80000000 | 0xFF) == after:
                    return True
        root = False
    return False


@leaf
def _rule(data, i, end, units):
    """(bytes of the longest rule at byte `i`, its value); (0, 0) where there is none."""
    longest, value = np.int64(0), np.int64(0)
    unit = np.int64(units[0])
    place = unit >> 10 << ((unit & 0x200) >> 6)
    for j in range(i, end):
        place ^= np.int64(data[j])
        if place >= units.size:
            break
        unit = np.int64(units[place])
        if unit & (0x80000000 | 0xFF) != data[j]:
            break
        place ^= unit >> 10 << ((unit & 0x200) >> 6)
        if unit & 0x100 and place < units.size:
            longest, value = j + 1 - i, np.int64(units[place]) & 0x7FFFFFFF
    return longest, value


@leaf
def _is_one_space(data, i, end, units, strings):
    """Bytes of the rule at byte `i` if it gives one space, or of the space that stands there; 0 otherwise."""
    longest, value = _rule(data, i, end, units)
    if longest == 0 or value >= strings.size:
        return 1 if data[i] == SPACE else 0
    if value + 1 < strings.size and strings[value] == SPACE and strings[value + 1] == 0:
        return longest
    return 0


@leaf
def _append(source, start, end, after_space, out, at):
    """Copies `source[start:end]` to `out` from `at`, U+2581 as a space, without the spaces it begins with where
    `after_space`; the place after, and whether it ends in a space, which what is empty does not change."""
    while after_space and start < end and source[start] == SPACE:
        start += 1
    if start == end:
        return at, after_space
    while start < end:
        if start + 3 <= end and source[start] == 0xE2 and source[start + 1] == 0x96 and source[start + 2] == 0x81:
            out[at] = SPACE
            start += 3
        else:
            out[at] = source[start]
            start += 1
        at += 1
    return at, source[end - 1] == SPACE


@numba.njit(cache=True, nogil=True)
def normalized(data, offsets, normalizer):
    """The normal form of the texts `data[offsets[d] : offsets[d + 1]]`, with a space for each U+2581 that
    `sentencepiece` has in it: (data uint8, offsets int64)."""
    units, strings, plain, add_dummy_prefix, remove_extra = normalizer
    out = np.empty(offsets[-1] - offsets[0] + offsets.size + 64, np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    at = 0
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        begin = at
        while remove_extra and i < end:
            size = _is_one_space(data, i, end, units, strings)
            if size == 0:
                break
            i += size
        if i == end:
            ends[d + 1] = at
            continue
        if out.size < at + 2 * (end - i) + 1024:
            out = _larger(out, at, 2 * (end - i) + 1024)
        if add_dummy_prefix:
            out[at] = SPACE
            at += 1
        after_space = remove_extra
        while i < end:
            while i < end and plain[data[i]] and (i + 1 == end or data[i + 1] < 0x80):
                if at == out.size:
                    break
                out[at] = data[i]
                at += 1
                i += 1
                after_space = False
            if i == end:
                break
            longest, value = _rule(data, i, end, units)
            if longest == 0 or value >= strings.size:
                longest = utf8.width(data[i])
                if out.size < at + longest:
                    out = _larger(out, at, end - i)
                at, after_space = _append(data, i, i + longest, after_space, out, at)
            else:
                stop = value
                while stop < strings.size and strings[stop] != 0:
                    stop += 1
                if out.size < at + stop - value:
                    out = _larger(out, at, end - i + stop - value)
                at, after_space = _append(strings, value, stop, after_space, out, at)
            after_space = after_space and remove_extra
            i += longest
        while remove_extra and at > begin and out[at - 1] == SPACE:
            at -= 1
        ends[d + 1] = at
    return out[:at], ends


@numba.njit(cache=True, nogil=True)
def _larger(out, used, more):
    larger = np.empty(2 * (used + more) + 64, np.uint8)
    larger[:used] = out[:used]
    return larger
