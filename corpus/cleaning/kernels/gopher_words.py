"""Words of a document by preset, and the counts behind Gopher's quality rules.

paper       `str.split`
dclm        `str.split`; the words of n-grams are those of `corpus.text.word_break`
datatrove   NLTK's, of `corpus.text.treebank`
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import numba
import numpy as np

from corpus.text import spans, treebank, unicode, utf8, word_break
from corpus.text.leaf import leaf

Preset = Literal["paper", "datatrove", "dclm"]
PAPER, DATATROVE, DCLM = range(3)
PRESETS = {"paper": PAPER, "datatrove": DATATROVE, "dclm": DCLM}

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, A1.1."""
_STOP_KEYS = np.array([int.from_bytes(word.encode() + b"\1", "little") for word in STOP_WORDS])

COUNTS = (
    "words", "measured_words", "characters", "all_words", "alphabetic", "stop_words", "hashes", "ellipses",
    "lines", "bullet_lines", "ellipsis_lines",
)  # fmt: skip
(
    WORDS, MEASURED_WORDS, CHARACTERS, ALL_WORDS, ALPHABETIC, STOPS, HASHES, ELLIPSES,
    LINES, BULLET_LINES, ELLIPSIS_LINES,
) = range(len(COUNTS))  # fmt: skip
WORD_COUNTS = COUNTS[: STOPS + 1]
"""Columns of `count_quality`, of which WORD_COUNTS depend on the words alone: words that count; words whose length
counts and their code points; all words and those with a letter; stop words; "#" and ellipses; lines, those that
begin with a bullet, those that end in an ellipsis."""

# Ranges of control characters and other members of datatrove's PUNCTUATION (datatrove 0.10 utils/text.py).
_CONTROLS = ((0, 9), (11, 32), (127, 160))
_MARKS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"

TERMINAL_MARKS = tuple(
    chr(int(number, 16))
    for number in """
        21 2E 3F 589 61D 61E 61F 6D4 700 701 702 7F9 837 839 83D 83E 964 965 104A 104B 1362 1367 1368
        166E 1735 1736 17D4 17D5 17D6 17D9 17DA 1803 1809 1944 1945 1AA8 1AA9 1AAA 1AAB 1B5A 1B5B 1B5E
        1B5F 1B7D 1B7E 1C3B 1C3C 1C7E 1C7F 203C 203D 2047 2048 2049 2E2E 2E3C 2E53 2E54 3002 A4FF A60E
        A60F A6F3 A6F7 A876 A877 A8CE A8CF A92F A9C8 A9C9 AA5D AA5E AA5F AAF0 AAF1 ABEB FE52 FE56 FE57
        FF01 FF0E FF1F FF61 10A56 10A57 10F55 10F56 10F57 10F58 10F59 10F86 10F87 10F88 10F89 11047
        11048 110BE 110BF 110C0 110C1 11141 11142 11143 111C5 111C6 111CD 111DE 111DF 11238 11239 1123B
        1123C 112A9 1144B 1144C 115C2 115C3 115C9 115CA 115CB 115CC 115CD 115CE 115CF 115D0 115D1 115D2
        115D3 115D4 115D5 115D6 115D7 11641 11642 1173C 1173D 1173E 11944 11946 11A42 11A43 11A9B 11A9C
        11C41 11C42 11EF7 11EF8 11F43 11F44 16A6E 16A6F 16AF5 16B37 16B38 16B44 16E98 1BC9F 1DA88
    """.split()
)
"""Marks that end sentences, in 159 code points: TERMINAL_PUNCTUATION of datatrove 0.10 (utils/text.py)."""


class Tables(NamedTuple):
    """What characters are: `unicode.class_table()`, `word_break.class_table()`, `treebank.digit_table()`, and
    whether a character is one of datatrove's punctuation, bool[0x110000]."""

    classes: np.ndarray
    breaks: np.ndarray
    digits: np.ndarray
    punctuation: np.ndarray


class Room(NamedTuple):
    """Room for the words of one document: positions, NLTK's words one after the other, scratch to make them."""

    starts: np.ndarray
    ends: np.ndarray
    joined: np.ndarray
    scratch: np.ndarray


def tables() -> Tables:
    """The tables that the kernels here and in `repetition` want."""
    punctuation = np.zeros(unicode.CODE_POINTS, bool)
    punctuation[[ord(mark) for mark in (*_MARKS, *TERMINAL_MARKS)]] = True
    for first, last in _CONTROLS:
        punctuation[first:last] = True
    return Tables(unicode.class_table(), word_break.class_table(), treebank.digit_table(), punctuation)


@numba.njit(cache=True, nogil=True)
def make_room(offsets, preset):
    """`Room` for the longest document. What is not touched costs no memory."""
    longest = 16
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i] + 16)
    joined = longest if preset == DATATROVE else 0
    positions = np.empty(longest, np.int64), np.empty(longest, np.int64)
    scratch = np.empty(treebank.GROWTH * joined, np.uint8)
    return Room(positions[0], positions[1], np.empty(2 * joined, np.uint8), scratch)


@leaf
def find_words(data, start, end, preset, tables, room):
    """Number of words of a document, for n-grams; `room.starts` and `room.ends` say where they are: in `data`,
    or for DATATROVE in `room.joined`, where they follow each other."""
    if preset == DCLM:
        return word_break.find_words(data, start, end, tables.breaks, room.starts, room.ends)
    if preset == DATATROVE:
        starts, ends = room.starts, room.ends
        count, written = treebank.split_words(
            data, start, end, tables.classes, tables.digits, room.scratch, room.joined, starts
        )
        for i in range(count):
            ends[i] = starts[i + 1] if i + 1 < count else written
        return count
    return _split_at_spaces(data, start, end, room.starts, room.ends)


@leaf
def _split_at_spaces(data, start, end, starts, ends):
    """`str.split`."""
    count = 0
    begin = start
    position = start
    while position < end:
        byte = data[position]
        if 0x20 < byte < 0x80:
            position += 1
            continue
        length = spans.space_length(data, position, end)
        if length and begin < position:
            starts[count], ends[count] = begin, position
            count += 1
        position += max(length, 1)
        if length:
            begin = position
    if begin < end:
        starts[count], ends[count] = begin, end
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def count_quality(data, offsets, preset, tables, known):
    """The numbers behind the quality rules: int64[documents, len(COUNTS)]. `known` is int64[documents,
    len(WORD_COUNTS)], with no row if words are to be counted."""
    counts = np.zeros((len(offsets) - 1, len(COUNTS)), np.int64)
    split = PAPER if preset == DCLM else preset
    room = make_room(offsets, preset)
    for i in range(len(counts)):
        start, end = offsets[i], offsets[i + 1]
        if len(known):
            counts[i, : len(WORD_COUNTS)] = known[i]
        else:
            words = find_words(data, start, end, split, tables, room)
            count_words(data, room, words, preset, tables, counts[i])
        if preset == DCLM:
            counts[i, WORDS] = count_fasttext_words(data, start, end, tables)
        _count_symbols(data, start, end, preset, counts[i])
        _count_lines(data, start, end, preset, counts[i])
    return counts


@leaf
def count_words(data, room, count, preset, tables, counts):
    """Adds WORD_COUNTS of the words that `find_words` has found to `counts`."""
    if preset == DATATROVE:
        _count_words(room.joined, room.starts, room.ends, count, preset, tables, counts)
    else:
        _count_words(data, room.starts, room.ends, count, preset, tables, counts)


@leaf
def _count_words(data, starts, ends, count, preset, tables, counts):
    classes, marks = tables.classes, tables.punctuation  # a tuple counts references at every access
    found = 0
    for word in range(count):
        start, end = starts[word], ends[word]
        characters, letter, punctuation = 0, False, True
        position = start
        while position < end:
            byte = data[position]
            if byte < 0x80:
                letter |= 0x61 <= byte | 0x20 <= 0x7A
                punctuation &= marks[byte]
                position += 1
            else:
                code_point, width = utf8.decode(data, position)
                letter |= classes[code_point] & unicode.LETTER > 0
                punctuation &= marks[code_point]
                position += width
            characters += 1
        counts[ALL_WORDS] += 1
        counts[ALPHABETIC] += letter
        if preset != DATATROVE or not punctuation:
            counts[MEASURED_WORDS] += 1
            counts[CHARACTERS] += characters
        if 2 <= end - start <= 4:
            bit = _stop_word(data, start, end, preset != DATATROVE)
            counts[STOPS] += preset == DCLM and bit > 0
            found |= bit
    counts[WORDS] = counts[MEASURED_WORDS]
    if preset != DCLM:
        while found:
            counts[STOPS] += 1
            found &= found - 1


@leaf
def _stop_word(data, start, end, ignore_case):
    """1 << its number for a word of STOP_WORDS, else 0."""
    key = 0
    for position in range(start, end):
        byte = int(data[position])
        if ignore_case and 0x41 <= byte <= 0x5A:
            byte |= 0x20
        key |= byte << 8 * (position - start)
    key |= 1 << 8 * (end - start)  # the length, for words with NUL
    for number in range(len(_STOP_KEYS)):
        if _STOP_KEYS[number] == key:
            return 1 << number
    return 0


@leaf
def count_fasttext_words(data, start, end, tables):
    """Words as fastText's `tokenize` splits them, at six ASCII characters and NUL, that begin with a letter
    or a number: what DCLM's `page_length_filter` and `word_counter_enricher` count."""
    breaks = tables.breaks
    count = 0
    inside = False
    for position in range(start, end):
        byte = data[position]
        if byte == 0x20 or 0x09 <= byte <= 0x0D or byte == 0:
            inside = False
        elif not inside:
            inside = True
            count += breaks[utf8.decode(data, position)[0]] & word_break.BEGINS_WORD > 0
    return count


@leaf
def _count_symbols(data, start, end, preset, counts):
    """`text.count` of "#", "...", "…" and, for DCLM, ". . ."."""
    after, after_spaced = start, start  # where the next match may begin
    for position in range(start, end):
        byte = data[position]
        if byte == 0x23:
            counts[HASHES] += 1
        elif byte == 0x2E:
            if position >= after and position + 2 < end:
                if data[position + 1] == 0x2E and data[position + 2] == 0x2E:
                    counts[ELLIPSES] += 1
                    after = position + 3
            if preset == DCLM and position >= after_spaced and _is_spaced_ellipsis(data, position, end):
                counts[ELLIPSES] += 1
                after_spaced = position + 5
        elif byte == 0xE2 and data[position + 1] == 0x80 and data[position + 2] == 0xA6:
            counts[ELLIPSES] += 1


@leaf
def _is_spaced_ellipsis(data, position, end):
    if position + 5 > end:
        return False
    stops = data[position] == 0x2E and data[position + 2] == 0x2E and data[position + 4] == 0x2E
    return stops and data[position + 1] == 0x20 and data[position + 3] == 0x20


@leaf
def _count_lines(data, start, end, preset, counts):
    """Lines: of `str.splitlines` for DATATROVE, else those between newlines that are not blank."""
    position = start
    while position < end:
        if preset == DATATROVE:
            stop, following = spans.line_at(data, position, end)
        else:
            stop = position
            while stop < end and data[stop] != 0x0A:
                stop += 1
            following = stop + 1
        first, last = spans.strip(data, position, stop)
        if preset == DATATROVE or first < last:
            counts[LINES] += 1
            counts[BULLET_LINES] += first < last and _is_bullet(data, first, last, preset)
            counts[ELLIPSIS_LINES] += _ends_in_ellipsis(data, first, last, preset)
        position = following


@leaf
def _is_bullet(data, start, end, preset):
    """- or U+2022; not for DATATROVE also * and U+25CF."""
    byte = data[start]
    if byte < 0x80:
        return byte == 0x2D or (byte == 0x2A and preset != DATATROVE)
    if byte != 0xE2 or start + 2 >= end:
        return False
    second, third = data[start + 1], data[start + 2]
    return (second == 0x80 and third == 0xA2) or (second == 0x97 and third == 0x8F and preset != DATATROVE)


@leaf
def _ends_in_ellipsis(data, start, end, preset):
    """... or U+2026; for DCLM also ". . ."."""
    if end - start < 3:
        return False
    one, two, three = data[end - 3], data[end - 2], data[end - 1]
    if (one == 0x2E and two == 0x2E and three == 0x2E) or (one == 0xE2 and two == 0x80 and three == 0xA6):
        return True
    return preset == DCLM and end - start >= 5 and _is_spaced_ellipsis(data, end - 5, end)


def find_symbols(text: bytes, preset: int) -> dict[str, list[tuple[int, int]]]:
    """What the counts of these names count in a text: (start, end) in bytes."""
    found: dict[str, list[tuple[int, int]]] = {"bullet_lines": [], "ellipsis_lines": []}
    found["hashes"] = [match.span() for match in re.finditer(b"#", text)]
    ellipses = ("...", "…", *([". . ."] if preset == DCLM else []))
    found["ellipses"] = [match.span() for mark in ellipses for match in re.finditer(re.escape(mark).encode(), text)]
    data = np.frombuffer(text, np.uint8)
    starts, ends, _ = spans.lines(data, np.array([0, len(text)]), newline_only=preset != DATATROVE)
    for start, end in zip(starts.tolist(), ends.tolist()):
        counts = np.zeros(len(COUNTS), np.int64)
        _count_lines(data, start, end, preset, counts)
        for number, name in ((BULLET_LINES, "bullet_lines"), (ELLIPSIS_LINES, "ellipsis_lines")):
            found[name] += [(start, end)] * counts[number]
    return found
