"""Words by the Unicode rules: UAX #29, "Word Boundaries", Unicode 16.0 (revision 45).

The segments are those of `uniseg.wordbreak.words` (uniseg 0.10.1), the words those that begin with
a letter or a number (`str.isalnum`): what DCLM's `split_words(model="uniseg", ignore_punctuation=True)`
returns.
"""

from __future__ import annotations

import functools
import importlib.resources

import numba
import numpy as np

from corpus.text import unicode, utf8
from corpus.text.leaf import leaf

CLASSES = (
    "Other CR LF Newline Extend ZWJ Regional_Indicator Format Katakana Hebrew_Letter ALetter "
    "Single_Quote Double_Quote MidNumLet MidLetter MidNum Numeric ExtendNumLet WSegSpace"
).split()
"""Values of the property Word_Break."""
(
    OTHER, CR, LF, NEWLINE, EXTEND, ZWJ, REGIONAL_INDICATOR, FORMAT, KATAKANA, HEBREW_LETTER, LETTER,
    SINGLE_QUOTE, DOUBLE_QUOTE, MID_NUMBER_LETTER, MID_LETTER, MID_NUMBER, NUMERIC, EXTEND_NUMBER_LETTER,
    SPACE,
) = range(len(CLASSES))  # fmt: skip
PICTOGRAPH = 1 << 5  # the property Extended_Pictographic
BEGINS_WORD = 1 << 6  # str.isalnum
CLASS = PICTOGRAPH - 1


@functools.cache
def class_table() -> np.ndarray:
    """Word_Break value, `PICTOGRAPH` and `BEGINS_WORD` of every code point: uint8[0x110000], read-only."""
    path = importlib.resources.files(__package__).joinpath("word_break_16_0.npz")
    with path.open("rb") as file, np.load(file) as stored:
        lengths = np.diff(stored["starts"], append=unicode.CODE_POINTS)
        table = np.repeat(stored["values"], lengths)
    alphanumeric = unicode.class_table() & unicode.WORD > 0
    alphanumeric[ord("_")] = False
    table[alphanumeric] |= BEGINS_WORD
    table.setflags(write=False)
    return table


@numba.njit(cache=True, nogil=True, inline="always")
def _is_ignored(kind):
    return kind == EXTEND or kind == FORMAT or kind == ZWJ  # rule WB4


@numba.njit(cache=True, nogil=True, inline="always")
def _is_letter(kind):
    return kind == LETTER or kind == HEBREW_LETTER


@leaf
def _skip_ignored(data, position, end, table):
    """Position after the characters that WB4 ignores."""
    while position < end:
        code_point, width = utf8.decode(data, position)
        if not _is_ignored(table[code_point] & CLASS):
            break
        position += width
    return position


@leaf
def _joins(before, kind):
    """Whether two neighbours never part: WB5, WB8 to WB10, WB13 to WB13b."""
    if _is_letter(before) or before == NUMERIC:
        return _is_letter(kind) or kind == NUMERIC or kind == EXTEND_NUMBER_LETTER
    if before == KATAKANA:
        return kind == KATAKANA or kind == EXTEND_NUMBER_LETTER
    if before == EXTEND_NUMBER_LETTER:
        return _is_letter(kind) or kind == NUMERIC or kind == KATAKANA or kind == EXTEND_NUMBER_LETTER
    return False


@leaf
def _bridges(before, kind, after):
    """Whether `kind` holds its neighbours together: WB6 and WB7, WB7b and WB7c, WB11 and WB12."""
    if _is_letter(before):
        if before == HEBREW_LETTER and kind == DOUBLE_QUOTE:
            return after == HEBREW_LETTER
        middle = kind == MID_LETTER or kind == MID_NUMBER_LETTER or kind == SINGLE_QUOTE
        return middle and _is_letter(after)
    middle = kind == MID_NUMBER or kind == MID_NUMBER_LETTER or kind == SINGLE_QUOTE
    return before == NUMERIC and after == NUMERIC and middle


@leaf
def segment_end(data, start, end, table):
    """End of the segment that begins at `start`; `table` is `class_table()`. Only white space, \r\n and
    flags (pairs of regional indicators), in which no word begins, are not held together."""
    code_point, width = utf8.decode(data, start)
    before = table[code_point] & CLASS
    position = start + width
    if before == CR or before == LF or before == NEWLINE:  # WB3a
        return position
    after_joiner = before == ZWJ  # the last character is a zero width joiner
    while position < end:
        code_point, width = utf8.decode(data, position)
        kind = table[code_point] & CLASS
        if before == LETTER and kind == LETTER:
            position += width
            after_joiner = False
        elif _is_ignored(kind):
            position += width
            after_joiner = kind == ZWJ
        elif _joins(before, kind) or (after_joiner and table[code_point] & PICTOGRAPH):  # WB3c
            before = kind
            position += width
            after_joiner = False
        else:
            following = _skip_ignored(data, position + width, end, table)
            after, after_width = OTHER, 0
            if following < end:
                code_point, after_width = utf8.decode(data, following)
                after = table[code_point] & CLASS
            if _bridges(before, kind, after):
                before = after
                position = following + after_width
            elif before == HEBREW_LETTER and kind == SINGLE_QUOTE:  # WB7a
                before = kind
                position += width
            else:
                break
            after_joiner = False
    return position


@leaf
def find_words(data, start, end, table, starts, ends):
    """Writes the words of `data[start:end]` as byte positions to `starts` and `ends` (room for one a
    code point) and returns their number."""
    count = 0
    position = start
    while position < end:
        begin = position
        if data[position] == 0x20 and position + 1 < end and data[position + 1] < 0x80:
            position += 1
        else:
            position = segment_end(data, position, end, table)
        code_point, _ = utf8.decode(data, begin)
        if table[code_point] & BEGINS_WORD:
            starts[count] = begin
            ends[count] = position
            count += 1
    return count


@leaf
def find_segments(data, start, end, table, classes, starts, ends):
    """The same of all segments but those of white space alone, by `classes`, which is `unicode.class_table()`: what
    DCLM and Dolma take of those that `split_word_bounds` of Rust's unicode-segmentation returns."""
    count = 0
    position = start
    while position < end:
        begin = position
        position = _last_of_run(data, begin, end, table)
        position = segment_end(data, position, end, table)
        at = begin
        while at < position:
            code_point, width = utf8.decode(data, at)
            # 0x1C to 0x1F are white space to `str.isspace` alone
            if not classes[code_point] & unicode.SPACE or 0x1C <= code_point < 0x20:
                starts[count] = begin
                ends[count] = position
                count += 1
                break
            at += width
    return count


@leaf
def _last_of_run(data, begin, end, table):
    """Where the last character begins that WB3d (spaces) or WB15 (a pair of regional indicators) joins to that at
    `begin`, or WB3 (a line feed to a carriage return)."""
    code_point, width = utf8.decode(data, begin)
    first = table[code_point] & CLASS
    last, position = begin, begin + width
    if first == REGIONAL_INDICATOR:
        position = _skip_ignored(data, position, end, table)
    while position < end and (first == SPACE or first == REGIONAL_INDICATOR or first == CR):
        code_point, width = utf8.decode(data, position)
        kind = table[code_point] & CLASS
        if kind != (LF if first == CR else first):
            break
        last, position = position, position + width
        if first != SPACE:
            break
    return last
