"""The kernel of the RefinedWeb stage: one pass over the lines of a page, cut and judged.

The rules and their order are those of DataComp-LM (`baselines_configs/refinedweb.yaml`);
`refinedweb.RefinedWebLines` says what each one does.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np

from corpus.cleaning.kernels.gopher_words import count_fasttext_words
from corpus.text import spans, unicode, utf8

RULES = (
    "line_uppercase",
    "line_digits",
    "line_counter",
    "line_too_few_words",
    "line_items_in_cart",
    "line_read_more",
    "line_sign_in",
)
UPPERCASE_LINE, DIGITS_LINE, COUNTER_LINE, SHORT_LINE, ITEMS_IN_CART, READ_MORE, SIGN_IN = range(len(RULES))
KEPT = len(RULES)
"""Verdicts on lines: the rule that dropped it, or `KEPT`."""

COUNTED = (
    "likes",
    "shares",
    "comments",
    "retweets",
    "reposts",
    "quotes",
    "bookmarks",
    "upvotes",
    "downvotes",
    "downloads",
    "views",
    "followers",
)
COUNTED_LETTERS = np.array([list(word.encode().ljust(10, b"\0")) for word in COUNTED], np.uint8)
"""One counted word a row, each with a zero after it."""

CART_LETTERS = np.frombuffer(b"items in cart", np.uint8)
READ_MORE_LETTERS = np.frombuffer(b"read more...", np.uint8)
SIGN_IN_LETTERS = np.frombuffer(b"sign-in", np.uint8)

UPPERCASE, DIGIT, DECIMAL, WORD = 1, 2, 4, 8  # bits of `marks`

OTHER_UPPERCASE = (
    (0x2160, 0x2170),
    (0x24B6, 0x24D0),
    (0x1F130, 0x1F14A),
    (0x1F150, 0x1F16A),
    (0x1F170, 0x1F18A),
)
"""Uppercase that is no letter (Other_Uppercase, PropList.txt, Unicode 16.0): Roman numerals, letters in
circles and squares."""

OTHER_DIGITS = (
    (0xB2, 0xB4), (0xB9, 0xBA), (0x1369, 0x1372), (0x19DA, 0x19DB), (0x2070, 0x2071),
    (0x2074, 0x207A), (0x2080, 0x208A), (0x2460, 0x2469), (0x2474, 0x247D), (0x2488, 0x2491),
    (0x24EA, 0x24EB), (0x24F5, 0x24FE), (0x24FF, 0x2500), (0x2776, 0x277F), (0x2780, 0x2789),
    (0x278A, 0x2793), (0x10A40, 0x10A44), (0x10E60, 0x10E69), (0x11052, 0x1105B), (0x1F100, 0x1F10B),
)  # fmt: skip
"""Digits that are not decimal (Numeric_Type=Digit, DerivedNumericType.txt, Unicode 16.0): superscripts,
digits in circles and the like. A closed set: new characters get Numeric_Type=Numeric."""


@functools.cache
def marks() -> np.ndarray:
    """What each code point is, as `str.isupper`, `str.isdigit`, `\\d` and `\\w` see it: bits `UPPERCASE`,
    `DIGIT`, `DECIMAL` and `WORD` in uint8[0x110000]."""
    categories = unicode.category_table()
    decimal = categories == unicode.CATEGORIES.index("Nd")
    table = np.where(categories == unicode.CATEGORIES.index("Lu"), UPPERCASE, 0).astype(np.uint8)
    table[decimal] |= DIGIT | DECIMAL
    table[unicode.class_table() & unicode.WORD != 0] |= WORD
    for bit, ranges in ((UPPERCASE, OTHER_UPPERCASE), (DIGIT, OTHER_DIGITS)):
        for first, after in ranges:
            table[first:after] |= bit
    return table


class Settings(NamedTuple):
    """Thresholds of the line rules; see `refinedweb.RefinedWebLines`."""

    max_uppercase: float
    max_digits: float
    min_words: int
    max_words_to_cut: int


@numba.njit(cache=True, nogil=True)
def clean_pages(data, offsets, settings, marks, tables):
    """Applies the line rules to every page of a string column; `tables` are `gopher_words.tables()`.

    Returns (out, out_offsets, before, after, counters): the cleaned texts; int64[pages] each, words of
    the page before and after (`count_fasttext_words`); int64[len(RULES) + 1], lines that each rule dropped
    or cut and, last, lines kept (those cut among them).
    """
    pages = len(offsets) - 1
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    out_offsets = np.zeros(pages + 1, np.int64)
    before = np.zeros(pages, np.int64)
    after = np.zeros(pages, np.int64)
    counters = np.zeros(KEPT + 1, np.int64)
    for page in range(pages):
        start, stop, begin = offsets[page], offsets[page + 1], out_offsets[page]
        end = clean_page(data, start, stop, out, begin, settings, marks, counters)
        out_offsets[page + 1] = _strip_in_place(out, begin, end)
        before[page] = count_fasttext_words(data, start, stop, tables)
        after[page] = count_fasttext_words(out, begin, out_offsets[page + 1], tables)
    return out, out_offsets, before, after, counters


@numba.njit(cache=True, nogil=True)
def clean_page(data, start, end, out, begin, settings, marks, counters):
    """Writes the cleaned page to `out` from `begin`; returns its end there."""
    written, kept = begin, 0
    position = start
    while position < end:
        line_end = position
        while line_end < end and data[line_end] != 0x0A:
            line_end += 1
        verdict, words = judge_line(data, position, line_end, settings, marks)
        if verdict == KEPT:
            target = written + (kept > 0)
            stop = utf8.copy(data, position, line_end, out, target)
            if words and words <= settings.max_words_to_cut:
                verdict, stop = cut_line(out, target, stop, counters)
        else:
            counters[verdict] += 1
        position = line_end + 1
        if verdict == KEPT:
            counters[KEPT] += 1
            if kept:
                out[written] = 0x0A
            written = stop
            kept += 1
    return written


@numba.njit(cache=True, nogil=True)
def judge_line(data, start, end, settings, marks):
    """(the first rule that drops the line `data[start:end]`, or `KEPT`; its words)."""
    if start == end:
        return KEPT, 0
    words, uppercase, digits, characters = measure_line(data, start, end, marks)
    if uppercase / characters > settings.max_uppercase:
        return UPPERCASE_LINE, words
    if digits / characters > settings.max_digits:
        return DIGITS_LINE, words
    if digits and is_counter(data, start, end, marks):
        return COUNTER_LINE, words
    return SHORT_LINE if words < settings.min_words else KEPT, words


@numba.njit(cache=True, nogil=True)
def measure_line(data, start, end, marks):
    """(words, upper-case characters, digits, characters) of `data[start:end]`.

    Bytes of ASCII are compared and not looked up, in a loop without branches;
    a line that has others is gone through again."""
    words, uppercase, digits, others = 0, 0, 0, 0
    before = True
    for position in range(start, end):
        byte = data[position]
        space = (byte == 0x20) | ((byte >= 0x09) & (byte <= 0x0D)) | ((byte >= 0x1C) & (byte <= 0x1F))
        words += before & (not space)
        before = space
        uppercase += (byte >= 0x41) & (byte <= 0x5A)
        digits += (byte >= 0x30) & (byte <= 0x39)
        others += byte >= 0x80
    if others == 0:
        return words, uppercase, digits, end - start
    words = spans.count_words(data, start, end)
    characters = end - start - others
    position = start
    while others:
        if data[position] < 0x80:
            position += 1
            continue
        code_point, width = utf8.decode(data, position)
        mark = marks[code_point]
        uppercase += mark & UPPERCASE
        digits += (mark & DIGIT) >> 1
        characters += 1
        others -= width
        position += width
    return words, uppercase, digits, characters


@numba.njit(cache=True, nogil=True)
def is_counter(data, start, end, marks):
    """Whether `^\\W*\\d[\\d,.]*[kmb]?\\s+(likes|shares|...)\\W*$` matches the line in lower case."""
    position = _skip_no_words(data, start, end, marks)
    number = position
    while position < end:
        code_point, width = utf8.decode(data, position)
        decimal = marks[code_point] & DECIMAL != 0
        if not decimal and (position == number or (code_point != 0x2C and code_point != 0x2E)):
            break
        position += width
    if position == number:
        return False
    letter, width = _lower_letter(data, position, end)
    if letter == 0x6B or letter == 0x6D or letter == 0x62:
        position += width
    word = position
    while word < end and spans.space_length(data, word, end):
        word += spans.space_length(data, word, end)
    if word == position:
        return False
    for row in range(len(COUNTED_LETTERS)):
        position, column = word, 0
        while COUNTED_LETTERS[row, column]:
            letter, width = _lower_letter(data, position, end)
            if letter != COUNTED_LETTERS[row, column]:
                break
            position += width
            column += 1
        if COUNTED_LETTERS[row, column] == 0:
            return _skip_no_words(data, position, end, marks) == end
    return False


@numba.njit(cache=True, nogil=True)
def _skip_no_words(data, position, end, marks):
    """Position of the first character from `position` on that is of a word (`\\w`)."""
    while position < end:
        code_point, width = utf8.decode(data, position)
        if marks[code_point] & WORD:
            break
        position += width
    return position


@numba.njit(cache=True, nogil=True)
def _lower_letter(data, position, end):
    """(lower-case ASCII character, bytes) at `position`, (0, 1) for others. U+212A lowers to "k"."""
    if position >= end:
        return 0, 1
    byte = int(data[position])
    if byte < 0x80:
        return byte | 0x20 if 0x41 <= byte <= 0x5A else byte, 1
    if byte == 0xE2 and data[position + 1] == 0x84 and data[position + 2] == 0xAA:
        return 0x6B, 3
    return 0, 1


@numba.njit(cache=True, nogil=True)
def cut_line(out, begin, stop, counters):
    """Cuts the three phrases out of `out[begin:stop]`, in place: (`KEPT` or the rule that left
    nothing but white space, end)."""
    end = _cut_anywhere(out, begin, stop, CART_LETTERS)
    if end < stop:
        counters[ITEMS_IN_CART] += 1
        if _is_blank(out, begin, end):
            return ITEMS_IN_CART, end
    if _is_at(out, end - len(READ_MORE_LETTERS), begin, end, READ_MORE_LETTERS):
        counters[READ_MORE] += 1
        end -= len(READ_MORE_LETTERS)
        if end > begin:
            last = utf8.previous(out, end)
            end = last if spans.space_length(out, last, end) else end
        if _is_blank(out, begin, end):
            return READ_MORE, end
    if _is_at(out, begin, begin, end, SIGN_IN_LETTERS):
        counters[SIGN_IN] += 1
        rest = begin + len(SIGN_IN_LETTERS)
        rest += spans.space_length(out, rest, end) if rest < end else 0
        for position in range(rest, end):
            out[position - rest + begin] = out[position]
        end -= rest - begin
        if _is_blank(out, begin, end):
            return SIGN_IN, end
    return KEPT, end


@numba.njit(cache=True, nogil=True)
def _cut_anywhere(out, begin, stop, letters):
    """Cuts `\\s?letters` wherever it stands in `out[begin:stop]`; returns the new end."""
    first = begin
    while first < stop and not _is_at(out, first, begin, stop, letters):
        first += 1
    if first == stop:
        return stop
    written = position = begin
    while position < stop:
        space = spans.space_length(out, position, stop)
        if space and _is_at(out, position + space, begin, stop, letters):
            position += space + len(letters)
        elif _is_at(out, position, begin, stop, letters):
            position += len(letters)
        else:
            out[written] = out[position]
            written += 1
            position += 1
    return written


@numba.njit(cache=True, nogil=True)
def _is_at(out, position, begin, stop, letters):
    """Whether the lower-case ASCII `letters` stand at `position` in whatever case."""
    if position < begin or position + len(letters) > stop:
        return False
    for i in range(len(letters)):
        byte = out[position + i]
        if (byte | 0x20 if 0x41 <= byte <= 0x5A else byte) != letters[i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _is_blank(out, begin, end):
    begin, end = spans.strip(out, begin, end)
    return begin == end


@numba.njit(cache=True, nogil=True)
def _strip_in_place(out, start, end):
    """Strips `out[start:end]` and moves it to `start`; returns its new end."""
    begin, end = spans.strip(out, start, end)
    for position in range(begin, end):
        out[position - begin + start] = out[position]
    return end - begin + start
