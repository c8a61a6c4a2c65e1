"""English words as NLTK's `word_tokenize` splits them (`NLTKWordTokenizer` of nltk 3.10.4).

That tokenizer rewrites a sentence by two dozen regular expressions and splits what comes out at white
space. Nearly all of them look no further than the next white space, so that here each stretch between
white space goes on its own through three steps: quotation marks and apostrophes that open something are set
apart by spaces; all other marks are words of their own; from what is between them, clitics ("'s", "n't") and
contractions ("cannot") are split off. A stretch without quotation marks skips the first step, one of ASCII
letters and digits needs only the last.

What differs: where sentences end is decided by `corpus.text.sentences`, not by Punkt's learnt model; that only
matters to full stops, which are words of their own at the end of a sentence only. And a few characters count
as letters beside an apostrophe or do not: as for the `regex` module, which nltk uses since 3.10, combining marks
do; but so do numbers such as U+00B2, unlike there. Given the same sentences, the scores of all 16,321 documents
of our WET and JSON test data are those that datatrove computes with nltk 3.10.4. Older nltk (3.9.1) splits an
apostrophe from a single letter after it ("e'e" in three words), which 3.10 leaves together.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.text import sentences, spans, unicode, utf8
from corpus.text.leaf import leaf

# (first part, second part) of CONTRACTIONS2 of nltk's MacIntyreContractions, but for "d'ye" and "wanna".
CONTRACTIONS = (b"can|not", b"d|'ye", b"gim|me", b"gon|na", b"got|ta", b"lem|me", b"more|'n", b"wan|na")
WANNA = len(CONTRACTIONS) - 1  # only before white space
SHORTEST_CONTRACTION, LONGEST_CONTRACTION = 4, 6
_FIRST = np.array([word.index(b"|") for word in CONTRACTIONS])
_LENGTH = np.array([len(word) - 1 for word in CONTRACTIONS])
_LETTERS = np.array(
    [list(word.replace(b"|", b"").ljust(LONGEST_CONTRACTION, b"\0")) for word in CONTRACTIONS], np.uint8
)

MAYBE_SPACE, MAYBE_QUOTE, OTHER = 1, 2, 4
"""What the bytes of a stretch may begin: white space, something for the first step, more than a word."""
_STRETCH = np.full(256, OTHER, np.uint8)
_STRETCH[list(b"0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] = 0
_STRETCH[[*range(0x21), 0xC2, 0xE1, 0xE2, 0xE3]] |= MAYBE_SPACE
_STRETCH[[*b"'`\"", 0xC2, 0xE2]] |= MAYBE_QUOTE

PLAIN, SPACE, PADDED, PADDED_LATER, COLON, STOP, DASH, APOSTROPHE, QUOTE, LEAD = range(10)
_KINDS = np.zeros(256, np.uint8)
_KINDS[ord(" ")] = SPACE  # of the first step
_KINDS[list(b";@#$%&?!")] = PADDED
_KINDS[list(b"*()[]{}<>")] = PADDED_LATER
_KINDS[list(b":,")] = COLON
_KINDS[ord(".")] = STOP
_KINDS[ord("-")] = DASH
_KINDS[ord("'")] = APOSTROPHE
_KINDS[ord('"')] = QUOTE
_KINDS[[0xC2, 0xE2]] = LEAD

GROWTH = 4
"""Bytes that the first step writes per byte, at most: '"' becomes " `` "."""


@leaf
def _is_word(data, position, classes):
    """Whether the character at `position` matches \\w, combining marks among them."""
    byte = data[position]
    if byte < 0x80:
        return 0x61 <= byte | 0x20 <= 0x7A or 0x30 <= byte <= 0x39 or byte == 0x5F
    return classes[utf8.decode(data, position)[0]] & (unicode.WORD | unicode.MARK) > 0


@leaf
def _ends_word(data, position, end, classes):
    """\\b after a word character."""
    return position == end or not _is_word(data, position, classes)


@leaf
def _is_clitic(data, position, end, classes):
    """(?:re|ve|ll|m|t|s|d|n)\\b, regardless of case, which makes U+017F an s."""
    if data[position] == 0xC5 and data[position + 1] == 0xBF:
        return _ends_word(data, position + 2, end, classes)
    first = data[position] | 0x20
    if first in (0x6D, 0x74, 0x73, 0x64, 0x6E) and _ends_word(data, position + 1, end, classes):
        return True
    if position + 2 > end:
        return False
    second = data[position + 1] | 0x20
    pair = (first in (0x72, 0x76) and second == 0x65) or (first == 0x6C and second == 0x6C)
    return pair and _ends_word(data, position + 2, end, classes)


@leaf
def _open_quotes(data, start, end, before, classes, out):
    """First step, nltk's STARTING_QUOTES: writes to `out` and returns the bytes written.

    `before` is the byte before, or 0 at the beginning of a sentence; later, what the rule for double
    quotes sees before a character."""
    begins_sentence = before == 0
    written = 0
    position = start
    while position < end:
        byte = data[position]
        width = utf8.width(byte)
        pair = byte == 0x27 and position + 1 < end and data[position + 1] == 0x27
        if byte == 0x60:
            if position + 1 < end and data[position + 1] == 0x60:
                width = 2
            written = _pad(data, position, width, out, written)
            before = np.uint8(0x20)
        elif (byte == 0x22 or pair) and (
            begins_sentence and position == start and byte == 0x22 or before in (0x20, 0x28, 0x5B, 0x7B, 0x3C)
        ):
            out[written], out[written + 1], out[written + 2], out[written + 3] = 0x20, 0x60, 0x60, 0x20
            written += 4
            width = 1 + pair
            before = np.uint8(0x20 if begins_sentence and position == start else 1)
        elif _is_opening(data, position, width):
            written = _pad(data, position, width, out, written)
            before = np.uint8(0x20)
        else:
            opens = byte == 0x27 and position + 1 < end and _is_word(data, position + 1, classes)
            if opens and written:
                opens = not _is_word(out, utf8.previous(out, written), classes)
            for i in range(width):
                out[written + i] = data[position + i]
            written += width
            if opens and not _is_clitic(data, position + 1, end, classes):
                out[written] = 0x20
                written += 1
            before = byte
        position += width
    return written


@numba.njit(cache=True, nogil=True, inline="always")
def _is_opening(data, position, width):
    """U+00AB, U+201C, U+2018 or U+201E."""
    if width == 2:
        return data[position] == 0xC2 and data[position + 1] == 0xAB
    if width == 3 and data[position] == 0xE2 and data[position + 1] == 0x80:
        return data[position + 2] == 0x9C or data[position + 2] == 0x98 or data[position + 2] == 0x9E
    return False


@leaf
def _pad(data, position, width, out, written):
    out[written] = 0x20
    for i in range(width):
        out[written + 1 + i] = data[position + i]
    out[written + 1 + width] = 0x20
    return written + width + 2


@leaf
def _final_stop(data, start, end):
    """Position of the full stop that closes the sentence `data[start:end]`, -1 if there is none: it follows
    another character, no full stop, and only closing marks and spaces, no opening quote, come after it."""
    position = end
    while position > start:
        begin = utf8.previous(data, position)
        byte = data[begin]
        if byte == 0x2E:
            return begin if begin > start and data[begin - 1] != 0x2E else -1
        third = data[position - 1]
        closes = byte in (0x5D, 0x29, 0x7D, 0x3E, 0x22, 0x27, 0x20) or (
            byte == 0xC2 and third == 0xBB
            or byte == 0xE2 and data[begin + 1] == 0x80 and (third == 0x9D or third == 0x99)
        )  # fmt: skip
        pair = byte == 0x27 and position < end and data[position] == 0x27
        if not closes or ((byte == 0x22 or pair) and begin > start and data[begin - 1] == 0x20):
            return -1
        position = begin
    return -1


@leaf
def _split_marks(data, position, end, ends_sentence, before_space, classes, digits, out, written, starts, count):
    """Second step, nltk's PUNCTUATION to ENDING_QUOTES: appends the words of `data[position:end]`, marks apart.
    The last full stop is a mark if `ends_sentence`; `before_space`: U+0020 follows the stretch. Returns (bytes
    written, words).

    An apostrophe before a space is set apart half-way through: the spaces around PADDED_LATER, "--" and what
    closes a quotation come too late for it."""
    last_stop = end - 1
    while ends_sentence and data[last_stop] != 0x2E:
        last_stop -= 1
    taken = -1  # a character that the rule for : and , has consumed
    begin = position
    while position < end:
        byte = data[position]
        kind = _KINDS[byte]
        if kind == PLAIN:
            position += 1
            continue
        width = 1
        apart = kind == PADDED or kind == PADDED_LATER or kind == QUOTE or kind == SPACE
        early = kind == SPACE or kind == PADDED or kind == COLON or kind == STOP
        twice = position + 1 < end and data[position + 1] == byte
        if kind == COLON:
            apart = position + 1 == end
            if not apart and position != taken:
                apart = not digits[utf8.decode(data, position + 1)[0]]
                taken = position + 1 if apart else taken
        elif kind == STOP:
            while position + width < end and data[position + width] == 0x2E:
                width += 1
            apart = width > 1 or (ends_sentence and position == last_stop)
        elif kind == DASH or kind == APOSTROPHE:
            apart = twice
            width = 1 + twice
        elif kind == LEAD:
            width = utf8.width(byte)
            apart = _is_dash_or_closing(data, position, width)
            early = apart and width == 3 and 0x92 <= data[position + 2] <= 0x95
        if apart:
            written, count = _split_part(data, begin, position, early, classes, out, written, starts, count)
            begin = position + width
            if kind == QUOTE:
                starts[count] = written
                out[written], out[written + 1] = 0x27, 0x27
                written, count = written + 2, count + 1
            elif kind != SPACE:
                written, count = _emit(data, position, begin, out, written, starts, count)
        position += width
    return _split_part(data, begin, end, before_space, classes, out, written, starts, count)


@leaf
def _split_part(data, start, end, before_space, classes, out, written, starts, count):
    """Appends the words between two marks; an apostrophe at the end is one of its own if a space follows."""
    last = end - 1
    if before_space and last > start and data[last] == 0x27 and data[last - 1] != 0x27:
        written, count = _split_clitics(data, start, last, classes, out, written, starts, count)
        return _emit(data, last, end, out, written, starts, count)
    return _split_clitics(data, start, end, classes, out, written, starts, count)


@numba.njit(cache=True, nogil=True, inline="always")
def _is_dash_or_closing(data, position, width):
    """U+00BB, U+2019, U+201D, or a dash, U+2012 to U+2015."""
    if width == 2:
        return data[position] == 0xC2 and data[position + 1] == 0xBB
    third = data[position + 2]
    return data[position + 1] == 0x80 and (0x92 <= third <= 0x95 or third == 0x99 or third == 0x9D)


@leaf
def _clitic_length(data, start, end):
    """Bytes of the clitic that the token ends in: (of 's 'm 'd ', of 'll 're 've n't before that)."""
    stop = end
    if end - start > 1:
        if data[end - 1] == 0x27:
            stop = end - 1
        elif end - start > 2 and data[end - 2] == 0x27 and data[end - 1] | 0x20 in (0x73, 0x6D, 0x64):
            stop = end - 2
        if stop < end and data[stop - 1] == 0x27:
            stop = end
    first = end - stop
    if stop - start > 3 and data[stop - 4] != 0x27:
        one, two, three = data[stop - 3], data[stop - 2], data[stop - 1]
        if one == 0x27:
            pair = three | 0x20 == 0x65 and two | 0x20 in (0x72, 0x76) or (two | 0x20 == 0x6C and two == three)
            if pair and two & 0x20 == three & 0x20:
                return first, 3
        elif two == 0x27 and one | 0x20 == 0x6E and three | 0x20 == 0x74 and one & 0x20 == three & 0x20:
            return first, 3
    return first, 0


@leaf
def _contraction_at(data, position, end, classes):
    """Number of the contraction at `position`, -1 if there is none."""
    letter = data[position] | 0x20
    if letter not in (0x63, 0x64, 0x67, 0x6C, 0x6D, 0x77):
        return -1
    for number in range(len(_LENGTH)):
        after = position + _LENGTH[number]
        if _LETTERS[number, 0] != letter or after > end:
            continue
        same = True
        for i in range(1, _LENGTH[number]):
            byte = data[position + i]
            same &= (byte if byte == 0x27 else byte | 0x20) == _LETTERS[number, i]
        if same and (after == end if number == WANNA else _ends_word(data, after, end, classes)):
            return number
    return -1


@leaf
def _emit(data, start, end, out, written, starts, count):
    """Appends a token, if it is not empty: (bytes written, tokens)."""
    if start == end:
        return written, count
    starts[count] = written
    for position in range(start, end):
        out[written] = data[position]
        written += 1
    return written, count + 1


@leaf
def _split_contractions(data, start, end, classes, out, written, starts, count):
    """Appends a token with its contractions taken apart."""
    begin = start
    position = start
    boundary = True
    while position + SHORTEST_CONTRACTION <= end:
        number = _contraction_at(data, position, end, classes) if boundary else -1
        if number >= 0:
            middle = position + _FIRST[number]
            written, count = _emit(data, begin, position, out, written, starts, count)
            written, count = _emit(data, position, middle, out, written, starts, count)
            position += _LENGTH[number]
            begin = position
            written, count = _emit(data, middle, position, out, written, starts, count)
        else:
            boundary = not _is_word(data, position, classes)
            position += utf8.width(data[position])
    return _emit(data, begin, end, out, written, starts, count)


@leaf
def _split_clitics(data, start, end, classes, out, written, starts, count):
    """Third step: appends the words of what is between two marks."""
    clitic, earlier = _clitic_length(data, start, end)
    middle = end - clitic
    for a, b in ((start, middle - earlier), (middle - earlier, middle), (middle, end)):
        if a < b:
            written, count = _split_contractions(data, a, b, classes, out, written, starts, count)
    return written, count


@leaf
def split_words(data, start, end, classes, digits, room, out, starts):
    """Writes the words of `data[start:end]` one after the other to `out` and where each begins to `starts`;
    returns (their number, bytes written).

    `classes` is `unicode.class_table()`, `digits` is `digit_table()`; `room` (uint8) is scratch for
    GROWTH times the longest stretch without white space, `out` (uint8) needs twice the bytes of the text,
    `starts` (any integer) one entry a byte.
    """
    count = 0
    written = 0
    start, end = spans.strip(data, start, end)
    while start < end:
        stop, following = sentences.sentence_at(data, start, end)
        last_stop = _final_stop(data, start, stop)
        position = start
        while position < stop:
            begin = position
            gap, bits = 0, 0
            while position < stop:
                kind = _STRETCH[data[position]]
                if kind & MAYBE_SPACE:
                    gap = 1 if data[position] == 0x20 else spans.space_length(data, position, stop)
                    if gap:
                        break
                bits |= kind
                position += 1
            length = position - begin
            plain = bits == 0 and (
                not 5 <= length <= LONGEST_CONTRACTION  # "cannot", "gimme" ...
                or _contraction_at(data, begin, position, classes) < 0
            )
            if plain:
                written, count = _emit(data, begin, position, out, written, starts, count)
                position += gap
                continue
            closes = begin <= last_stop < position
            before_space = position < stop and data[position] == 0x20
            if bits & MAYBE_QUOTE:
                before = np.uint8(0) if begin == start else data[begin - 1]
                length = _open_quotes(data, begin, position, before, classes, room)
                written, count = _split_marks(
                    room, 0, length, closes, before_space, classes, digits, out, written, starts, count
                )
            else:
                written, count = _split_marks(
                    data, begin, position, closes, before_space, classes, digits, out, written, starts, count
                )
            position += gap
        start = following
    return count, written


def digit_table() -> np.ndarray:
    """Whether a code point is \\d of Python's `re`: bool[0x110000]."""
    return unicode.category_table() == unicode.CATEGORIES.index("Nd")
