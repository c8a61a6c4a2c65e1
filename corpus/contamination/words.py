"""A text as a sequence of normalised units: words, characters of scripts without spaces, tokens.

What a unit is, says `normalisations`. A unit is made of its own characters alone, so that the units of a passage are
the same wherever it stands, and each is a range of bytes of the original text, which begins and ends with characters.

Normalised text is the units with one space after each (four bytes for each token, the lowest first), so that a sequence
of units is a range of its bytes, and two sequences are equal if their bytes are.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.contamination import normalisations
from corpus.contamination.normalisations import ALONE, CODE_POINT, CONTINUES, DELETED, FOLDS, JOINS, UNUSUAL
from corpus.encoding.byte_tokens import ByteTokens, byte_tokens
from corpus.text import arrow, folding, normal_forms
from corpus.text.intrinsics import load64, store64, trailing_zeros
from corpus.text.leaf import leaf
from corpus.text.utf8 import decode, encode

SPACE = ord(" ")
TOKEN_BYTES = 4
MARGIN = 8
"""Bytes after normalised text that are read, and do not matter."""
LONGEST_PIECE = 64
"""Characters that are normalised together, at most. Longer rows of marks (UAX #15 has 30 in its Stream-Safe Text
Format) are taken as several."""
GROWTH = 3
"""Bytes of a piece's folded NFC for a byte of it, at most (U+0390); pieces that stay as they are grow by half at most
(U+023A)."""

_WORD = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplier of the hash over a sequence's words
_MIX = np.uint64(0xFF51AFD7ED558CCD)  # odd: MurmurHash3's finaliser
_SHIFT = np.uint64(32)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)

_HIGH = np.uint64(0x8080808080808080)
_EACH = np.uint64(0x0101010101010101)

NONE, WORD, LONE = range(3)

NO_TOKENS = ByteTokens(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int64))
"""Where units are not tokens."""


class Words(NamedTuple):
    """Units of one text, or room for them. Unit *i* is `text[at[i]:at[i + 1]]`, the space included; it is of the bytes
    `starts[i]:ends[i]` of the original; `hash[i]` (uint64) is its hash. `points` and `folded` are scratch."""

    text: np.ndarray
    at: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    hash: np.ndarray
    points: np.ndarray
    folded: np.ndarray


@numba.njit(cache=True, nogil=True)
def room(size):
    """`Words` with room for any text of `size` bytes. A unit takes a byte at least, and there is a space after it. What
    is not touched costs no memory."""
    decomposed = normal_forms.LONGEST * LONGEST_PIECE
    return Words(
        np.empty((GROWTH + 1) * size + 1 + MARGIN, np.uint8),
        np.empty(size + 2, np.int64),
        np.empty(size + 1, np.int64),
        np.empty(size + 1, np.int64),
        np.empty(size + 1, np.uint64),
        np.empty(decomposed, np.int32),
        np.empty(decomposed * folding.LONGEST * normal_forms.LONGEST, np.int32),
    )


@numba.njit(cache=True, nogil=True, inline="always")
def mix(value):
    """A bijection of uint64 whose high bits depend on every bit of `value`."""
    value = (value ^ (value >> _SHIFT)) * _MIX
    return value ^ (value >> _SHIFT)


@numba.njit(cache=True, nogil=True, inline="always")
def _unit_hash(text, begin, end):
    """Hash of a unit's bytes, whatever the `MARGIN` bytes after them are."""
    state = np.uint64(end - begin)
    position = begin
    while end - position > 8:
        state = mix(state ^ load64(text, position))
        position += 8
    unused = np.uint64(8 * (8 - (end - position)))
    last = load64(text, position) & (_ONES >> unused) if position < end else np.uint64(0)
    return mix(state ^ last)


@numba.njit(cache=True, nogil=True, inline="always")
def _close(words, count, written, last):
    """Ends the unit that is being written; (units, bytes written)."""
    words.hash[count] = _unit_hash(words.text, words.at[count], written)
    words.ends[count] = last
    words.text[written] = SPACE
    words.at[count + 1] = written + 1
    return count + 1, written + 1


@numba.njit(cache=True, nogil=True, inline="always")
def _take(words, count, written, inside, last, entry, begin, end):
    """One more character, of the original's bytes `begin:end`: (units, bytes written, inside which kind of unit, where
    its last character ends)."""
    code = entry & CODE_POINT
    if code == 0 or entry & (ALONE | JOINS) or inside == LONE:
        if entry & JOINS and inside == NONE or entry & DELETED:
            return count, written, inside, last
        if inside != NONE and not entry & JOINS:
            count, written = _close(words, count, written, last)
            inside = NONE
        if code == 0:
            return count, written, NONE, last
    if inside == NONE:
        words.at[count] = written
        words.starts[count] = begin
        inside = LONE if entry & ALONE else WORD
    if code < 0x80:
        words.text[written] = code
        written += 1
    else:
        written = encode(np.int64(code), words.text, written)
    return count, written, inside, end


@numba.njit(cache=True, nogil=True, inline="always")
def _at_least(bytes_, least):
    """The high bit of every byte, all of which are below 128, that is at least `least`."""
    return (bytes_ + _EACH * np.uint64(128 - least)) & _HIGH


@numba.njit(cache=True, nogil=True, inline="always")
def _eight(data, position):
    """(the eight bytes from `position` with ASCII's letters in lower case, the high bit of every byte of them that is
    such a letter or a digit)."""
    found = load64(data, position)
    low = found & ~_HIGH
    ascii = ~found & _HIGH
    upper = _at_least(low, 0x41) & ~_at_least(low, 0x5B) & ascii
    low |= upper >> np.uint64(2)
    of_word = (_at_least(low, 0x61) & ~_at_least(low, 0x7B)) | (_at_least(low, 0x30) & ~_at_least(low, 0x3A))
    return (found & _HIGH) | low, of_word & ascii


@leaf
def _plain_words(data, start, position, end, words, count, written):
    """Takes words of ASCII's letters and digits, eight bytes at a time, where no unit has begun: (units, bytes written,
    position). Comes to its end before what it does not know: a character of others and the one before that, which may
    be changed by it, and the last bytes."""
    first = position
    while position + 8 <= end:
        lower, of_word = _eight(data, position)
        if not of_word & np.uint64(0x80):
            others = lower & _HIGH
            skipped = trailing_zeros(of_word | others) >> 3
            position += min(skipped, 8)
            if skipped == 0 or (skipped < 8 and others & (np.uint64(0x80) << np.uint64(8 * skipped))):
                break
            continue
        size = np.int64(0)
        while of_word == _HIGH and position + size + 16 <= end:
            store64(words.text, written + size, lower)
            size += 8
            lower, of_word = _eight(data, position + size)
        if of_word == _HIGH:
            break
        more = trailing_zeros(~of_word & _HIGH) >> 3
        if lower & (np.uint64(0x80) << np.uint64(8 * more)):
            break
        store64(words.text, written + size, lower)
        size += more
        words.at[count] = written
        words.starts[count] = position - start
        count, written = _close(words, count, written + size, position + size - start)
        position += size + 1
    return count, written, position - (position > first)


@numba.njit(cache=True, nogil=True, inline="always")
def units_of(data, offsets, row, rules, tokens, words):
    """Writes the units of text `row` of a column to `words`: its tokens, where there are `tokens` of the column
    (`ByteTokens`), and else as `split` does; returns how many."""
    if len(tokens.offsets):
        return _take_tokens(data, offsets[row], offsets[row + 1], tokens, row, words)
    return split(data, offsets[row], offsets[row + 1], rules, words)


@leaf
def _take_tokens(data, start, end, tokens, row, words):
    """Tokens that divide a character are of all its bytes: places are those of characters."""
    first, after = tokens.offsets[row], tokens.offsets[row + 1]
    for i in range(after - first):
        token = np.uint64(tokens.ids[first + i])
        for byte in range(TOKEN_BYTES):
            words.text[TOKEN_BYTES * i + byte] = np.uint8(token >> np.uint64(8 * byte) & np.uint64(255))
        words.at[i] = TOKEN_BYTES * i
        words.hash[i] = mix(token + np.uint64(1))
        begin, last = (
            start + tokens.ends[first + i] - tokens.ends[first],
            start + tokens.ends[first + i + 1] - tokens.ends[first],
        )
        while begin > start and data[begin] & 0xC0 == 0x80:
            begin -= 1
        while last < end and data[last] & 0xC0 == 0x80:
            last += 1
        words.starts[i], words.ends[i] = begin - start, last - start
    words.at[after - first] = TOKEN_BYTES * (after - first)
    return after - first


@leaf
def split(data, start, end, rules, words):
    """Writes the units of `data[start:end]` (valid UTF-8) to `words`, with their places from `start`; returns how many.

    A piece is a character and those after it that may compose or change places with it. One that surely stays as it is
    is taken character by character; at the first that may not, what was written of the piece is taken back."""
    table = rules.table
    count, written, inside, last = np.int64(0), np.int64(0), NONE, np.int64(0)
    before = count, written, inside, last
    piece, changed = start, False
    position = start
    while position < end:
        if inside == NONE and rules.plain and data[position] < 0x80:
            count, written, position = _plain_words(data, start, position, end, words, count, written)
        code_point, width = np.int64(data[position]), 1
        if code_point >= 0x80:
            code_point, width = decode(data, position)
        entry = np.int64(table[code_point])
        if not entry & CONTINUES:
            before = count, written, inside, last
            piece, changed = position, entry & CODE_POINT != code_point and entry & CODE_POINT != 0
        if entry & UNUSUAL:
            if (
                entry & FOLDS
                or (changed and entry & CONTINUES)
                or not normal_forms.stays(data, piece, position, code_point, rules.forms)
            ):
                count, written, inside, last = before
                position = _piece_end(data, piece, end, table)
                points = _normalise(data, piece, position, rules, words)
                for i in range(points):
                    entry = np.int64(table[words.folded[i]])
                    count, written, inside, last = _take(
                        words, count, written, inside, last, entry, piece - start, position - start
                    )
                before = count, written, inside, last
                piece, changed = position, False
                continue
        count, written, inside, last = _take(
            words, count, written, inside, last, entry, position - start, position + width - start
        )
        position += width
    if inside != NONE:
        count, written = _close(words, count, written, last)
    words.at[count] = written
    return count


@leaf
def _piece_end(data, position, end, table):
    """Where the piece ends that begins at `position`."""
    _, width = decode(data, position)
    position += width
    for _ in range(LONGEST_PIECE - 1):
        if position >= end:
            break
        code_point, width = decode(data, position)
        if not table[code_point] & CONTINUES:
            break
        position += width
    return position


@leaf
def _normalise(data, start, end, rules, words):
    """Writes the NFC of the case folding of the NFD of a piece to `words.folded`; how many characters it has."""
    points, folded = words.points, words.folded
    count = 0
    position = start
    while position < end:
        code_point, width = decode(data, position)
        position += width
        count = normal_forms.append(code_point, rules.forms, points, count)
    normal_forms.put_few_in_order(points, count, rules.forms)
    found = 0
    for i in range(count):
        point = np.int64(points[i])
        begin, after = rules.folding.begins[point], rules.folding.begins[point + 1]
        if begin == after or not rules.folds:
            folded[found] = point
            found += 1
            continue
        for part in range(begin, after):
            found = normal_forms.append(np.int64(rules.folding.parts[part]), rules.forms, folded, found)
    return normal_forms.compose_few(folded, found, rules.forms)


@numba.njit(cache=True, nogil=True)
def power(size):
    """What the hash of the first of `size` units has been multiplied by in `roll`."""
    value = np.uint64(1)
    for _ in range(size - 1):
        value *= _WORD
    return value


@numba.njit(cache=True, nogil=True, inline="always")
def append(state, word):
    """State of a sequence of units (0 if empty) after one more, given that unit's hash."""
    return state * _WORD + word


@numba.njit(cache=True, nogil=True, inline="always")
def roll(state, first, power, word):
    """State of a sequence after its first unit is taken off and `word` put at its end."""
    return (state - first * power) * _WORD + word


def tokens_of(text: pa.Array, tokenizer: str) -> ByteTokens:
    """The tokens of a column for `units_of`; none unless there is the folder of a tokenizer."""
    return byte_tokens(text, tokenizer) if tokenizer else NO_TOKENS


def places(text: str, name: normalisations.Name, tokenizer: str = "") -> tuple[np.ndarray, np.ndarray]:
    """(first byte, byte after it) of each unit of a text: int64[units] both."""
    column = pa.array([text], pa.large_string())
    data, offsets = arrow.buffers(column)
    found = room(len(data))
    count = units_of(data, offsets, 0, normalisations.rules(name), tokens_of(column, tokenizer), found)
    return found.starts[:count], found.ends[:count]


def of_text(text: str, name: normalisations.Name = "simple") -> list[tuple[str, int, int]]:
    """(unit, its first byte, the byte after it) of each unit of a text: for people, and tests.

    >>> from corpus.contamination import words
    >>> words.of_text("The नदी, 東京!")
    [('the', 0, 3), ('नदी', 4, 13), ('東', 15, 18), ('京', 18, 21)]
    """
    data = np.frombuffer(text.encode(), np.uint8)
    found = room(len(data))
    count = split(data, 0, len(data), normalisations.rules(name), found)
    normal = [bytes(found.text[found.at[i] : found.at[i + 1] - 1]).decode() for i in range(count)]
    return list(zip(normal, found.starts[:count].tolist(), found.ends[:count].tolist()))
