"""What others make shingles of: published normalisations of text, by name.

    datatrove      datatrove 0.10's `simplify_text` (lower case, numbers are 0, its punctuation is spaces, no marks that
                   are left in NFD), then NLTK's words. Fewer words than a shingle has make none. (datatrove takes
                   spaCy's words for English unless told otherwise)
    fineweb        datatrove 0.2's, which was current when FineWeb and its script were published (April 2024): lower
                   case, no punctuation, no marks that are left in NFD, digits in a row are 0, NLTK's words. (Before
                   March 2024 digits stayed; which dumps were made with which is not said)
    refinedweb     as the paper has it (Penedo et al. 2023, G.3.1): lower case, no punctuation, no marks that are left
                   in NFD; which characters are punctuation, the paper does not say: datatrove's. Then words between
                   white space, where the paper has tokens of GPT-2
    text_dedup     text-dedup 0.4: lower case, split at every character that is no `\\w`, so that there are empty words;
                   fewer than 5 make no shingle
    bigcode        BigCode's `near_deduplication`: split at every character but ASCII's letters, digits and `_`; fewer
                   words than a shingle has make none
    slimpajama     SlimPajama's `to_hash.py`: lower case, no ASCII punctuation, one space for white space; characters,
                   of which 13 are a shingle and fewer none
    spaces         words between white space as they are: Lee et al. 2021 ("space-tokenized")
    lower_spaces   the same in lower case: GPT-3, each word a shingle (Spark's `Tokenizer` takes ASCII's white space
                   alone, and an empty word where two are together)
    unicode_words  what is between word boundaries of Unicode (UAX #29) and is not white space, punctuation too, case
                   kept: DCLM's bff, Dolma
    characters     the characters as they are: NeMo Curator, 24 of them

What is said of fewer units than a shingle has holds; where nothing is, they are one shingle. Lower case is that of
`str.lower`, white space that of `str.isspace`. Shingles of several words have one space between them.
"""

from __future__ import annotations

import functools
import string
from typing import Literal, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import sha1
from corpus.dedup.shingles import HASHES, XXHASH, Hash, append_set, check_ngram, hash_runs
from corpus.text import lowering, normal_forms, treebank, unicode, word_break
from corpus.text.arrow import buffers
from corpus.text.leaf import leaf
from corpus.text.utf8 import decode, encode

Name = Literal[
    "datatrove", "fineweb", "refinedweb", "text_dedup", "bigcode", "slimpajama", "spaces", "lower_spaces",
    "unicode_words", "characters",
]  # fmt: skip

SEPARATOR, DELETED = -1, -2
"""In a table of characters, instead of a code point."""
LOWER, NUMBERS, SIMPLIFY, NO_MARKS, DIGITS = 1, 2, 4, 8, 16
"""Steps that come before the units, in this order: `_simplify` writes numbers as 0 and applies the table."""
RUNS, EACH, CHARACTERS, NLTK, UNICODE = range(5)
"""Units: what is between separators, or between every two; characters; words of `treebank`, segments of
`word_break`."""

PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»" + "".join(
    chr(code_point) for first, last in ((0, 9), (11, 13), (13, 32), (127, 160)) for code_point in range(first, last)
)
"""datatrove's (utils/text.py)."""
DECIMAL_MARKS = np.array([ord(mark) for mark in ".,،٫⎖⎗⎘"])
"""What may stand between the digits of a number, once (datatrove's NUMBERS_PATTERN)."""


class Normalisation(NamedTuple):
    """What comes before the units; what the units are; the fewest of which there are shingles, and whether fewer than
    a shingle has make one."""

    steps: int
    units: int
    least: int = 1
    whole: bool = True


NORMALISATIONS: dict[Name, Normalisation] = {
    "datatrove": Normalisation(LOWER | NUMBERS | SIMPLIFY | NO_MARKS, NLTK, whole=False),
    "fineweb": Normalisation(LOWER | SIMPLIFY | NO_MARKS | DIGITS, NLTK, whole=False),
    "refinedweb": Normalisation(LOWER | SIMPLIFY | NO_MARKS, RUNS),
    "text_dedup": Normalisation(LOWER, EACH, least=5),
    "bigcode": Normalisation(0, EACH, least=5, whole=False),
    "slimpajama": Normalisation(LOWER, CHARACTERS, whole=False),
    "spaces": Normalisation(0, RUNS),
    "lower_spaces": Normalisation(LOWER, RUNS),
    "unicode_words": Normalisation(0, UNICODE),
    "characters": Normalisation(0, CHARACTERS),
}


class Rules(NamedTuple):
    """A normalisation as kernels have it. `table`: of every code point itself, SEPARATOR or DELETED
    (int32[0x110000])."""

    steps: int
    units: int
    least: int
    whole: int
    table: np.ndarray
    lower: np.ndarray
    case: np.ndarray
    classes: np.ndarray
    digits: np.ndarray
    is_mark: np.ndarray
    breaks: np.ndarray
    forms: normal_forms.Tables


class Room(NamedTuple):
    """Room for the longest document: two for its text on the way, NLTK's scratch; units with what is between them,
    where each begins and where the next one would, and where it ends on the way; hashes."""

    one: np.ndarray
    two: np.ndarray
    scratch: np.ndarray
    text: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    hashes: np.ndarray


@functools.cache
def rules(name: Name) -> Rules:
    """A normalisation by its name."""
    classes, categories = unicode.class_table(), unicode.category_table()
    table = np.arange(unicode.CODE_POINTS, dtype=np.int32)
    is_space = classes & unicode.SPACE > 0
    if name == "datatrove":
        table[list(map(ord, PUNCTUATION))] = SEPARATOR
    elif name in ("fineweb", "refinedweb"):
        table[list(map(ord, PUNCTUATION))] = DELETED
    elif name == "slimpajama":
        table[list(map(ord, string.punctuation))] = DELETED
    elif name == "text_dedup":
        table[classes & unicode.WORD == 0] = SEPARATOR
    elif name == "bigcode":
        words = list(map(ord, string.ascii_letters + string.digits + "_"))
        table[np.setdiff1d(np.arange(unicode.CODE_POINTS), words)] = SEPARATOR
    if name != "characters":
        table[is_space] = SEPARATOR
    table.setflags(write=False)
    kind = NORMALISATIONS[name]
    return Rules(
        kind.steps,
        kind.units,
        kind.least,
        int(kind.whole),
        table,
        unicode.lower_table(),
        unicode.case_table(),
        classes,
        treebank.digit_table(),
        categories == unicode.CATEGORIES.index("Mn"),
        word_break.class_table(),
        normal_forms.tables(),
    )


def shingle_hashes(
    text: pa.Array, normalisation: Name, ngram: int = 5, hash: Hash = "sha1"
) -> tuple[np.ndarray, np.ndarray]:
    """The shingle set of each document by one of these definitions, as `corpus.dedup.shingles.shingle_hashes` returns
    those of ours."""
    check_ngram(ngram)
    data, offsets = buffers(text)
    return _shingle_hashes(data, offsets, rules(normalisation), ngram, HASHES[hash], False)


def unit_hashes(text: pa.Array, normalisation: Name) -> tuple[np.ndarray, np.ndarray]:
    """The units of each document in order, as `corpus.dedup.shingles.unit_hashes` returns those of ours."""
    data, offsets = buffers(text)
    return _shingle_hashes(data, offsets, rules(normalisation), 1, XXHASH, True)


@numba.njit(cache=True, nogil=True)
def _shingle_hashes(data, offsets, rules, ngram, hash, in_order):
    documents = len(offsets) - 1
    room = _room(offsets)
    found = np.empty(len(room.hashes), np.uint64)
    values = np.empty(offsets[-1] - offsets[0] + documents, np.uint64)  # no unit has less than a byte; one may be empty
    ends = np.zeros(documents + 1, np.int64)
    at = 0
    for i in range(documents):
        units, gap = _write_units(data, offsets[i], offsets[i + 1], rules, room)
        size = min(ngram, units) if rules.whole else ngram
        count = max(units - size + 1, 0) if units >= rules.least else 0
        hash_runs(room.text, room.starts, size, count, gap, hash, room.hashes)
        if in_order:
            values[at : at + count] = room.hashes[:count]
            at += count
        else:
            at = append_set(room.hashes[:count], found, values, at)
        ends[i + 1] = at
    return values[:at], ends


@numba.njit(cache=True, nogil=True)
def _room(offsets):
    """What is not touched costs no memory."""
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    most = normal_forms.GROWTH * (longest + longest // 2 + 1)  # lower case, then NFD
    text = np.zeros(3 * most + 2 + sha1.MARGIN, np.uint8)  # NLTK has '' for ", and a space comes after it
    scratch = np.empty(treebank.GROWTH * most, np.uint8)
    starts, ends = np.empty(most + 2, np.int64), np.empty(most + 2, np.int64)
    hashes = np.empty(most + 2, np.uint64)
    return Room(np.empty(most, np.uint8), np.empty(2 * most, np.uint8), scratch, text, starts, ends, hashes)


@numba.njit(cache=True, nogil=True)
def _write_units(data, start, end, rules, room):
    """Writes the units of `data[start:end]` to `room.text` and where they begin to `room.starts`; (their number, the
    bytes between them)."""
    length = end - start
    if rules.steps & LOWER:
        length = lowering.lower(data, start, end, rules.lower, rules.case, room.one)
    else:
        room.one[:length] = data[start:end]
    if rules.steps & SIMPLIFY:
        length = _simplify(room.one, length, rules, room.two)
        room.one[:length] = room.two[:length]
    if rules.steps & NO_MARKS:
        length = _without_marks(room.one, length, rules)
    if rules.steps & DIGITS:
        length = _without_digits(room.one, length, rules.digits)
    if rules.units == CHARACTERS:
        return _characters(room.one, length, rules.table, room.text, room.starts), 0
    if rules.units == NLTK:
        count, written = treebank.split_words(
            room.one, 0, length, rules.classes, rules.digits, room.scratch, room.two, room.ends
        )
        room.ends[count] = written
        return _apart(room.two, room.ends[:count], room.ends[1 : count + 1], room.text, room.starts), 1
    if rules.units == UNICODE:
        begins = room.hashes.view(np.int64)
        count = word_break.find_segments(room.one, 0, length, rules.breaks, rules.classes, begins, room.ends)
        return _apart(room.one, begins[:count], room.ends[:count], room.text, room.starts), 1
    return _words(room.one, length, rules.table, rules.units == EACH, room.text, room.starts), 1


@leaf
def _simplify(text, length, rules, out):
    """Writes `text[:length]` to `out`: digits in a row, with a decimal mark among them, as 0; separators in a row as
    one space, at the beginning none; nothing for what the table deletes. Returns the bytes written."""
    written = position = 0
    while position < length:
        code_point, width = decode(text, position)
        if rules.steps & NUMBERS and rules.digits[code_point]:
            out[written] = 0x30
            written += 1
            position = _number_end(text, position + width, length, rules.digits)
            continue
        position += width
        code = rules.table[code_point]
        if code >= 0:
            written = encode(np.int64(code), out, written)
        elif code == SEPARATOR and written and out[written - 1] != 0x20:
            out[written] = 0x20
            written += 1
    return written


@leaf
def _number_end(text, position, length, digits):
    """Where the number ends whose first digit ends at `position`."""
    position = _digits_end(text, position, length, digits)
    if position < length:
        mark, width = decode(text, position)
        is_mark = False
        for each in DECIMAL_MARKS:
            is_mark |= each == mark
        if is_mark:
            after = _digits_end(text, position + width, length, digits)
            if after > position + width:
                return after
    return position


@leaf
def _digits_end(text, position, length, digits):
    while position < length:
        code_point, width = decode(text, position)
        if not digits[code_point]:
            break
        position += width
    return position


@numba.njit(cache=True, nogil=True)
def _without_marks(text, length, rules):
    """Makes `text[:length]` its NFD less the characters of category Mn, in place; the bytes that it has then."""
    plain = True
    for position in range(length):
        plain &= text[position] < 0x80
    if plain:
        return length
    points = normal_forms.decompose(text, 0, length, rules.forms)
    count = 0
    for point in points:
        points[count] = point
        count += not rules.is_mark[point]
    return normal_forms.write(points, count, text, 0)


@leaf
def _without_digits(text, length, digits):
    """Makes digits in a row of `text[:length]` one 0, in place; the bytes that it has then."""
    written = position = 0
    while position < length:
        code_point, width = decode(text, position)
        if digits[code_point]:
            text[written] = 0x30
            written += 1
            position = _digits_end(text, position + width, length, digits)
            continue
        for i in range(position, position + width):
            text[written] = text[i]
            written += 1
        position += width
    return written


@leaf
def _characters(source, length, table, text, starts):
    """Writes the characters that the table leaves, separators in a row as one space, at the ends none; how many."""
    position = at = count = 0
    space = False
    while position < length:
        code_point, width = decode(source, position)
        position += width
        code = table[code_point]
        if code == SEPARATOR:
            space = count > 0
        elif code >= 0:
            if space:
                starts[count] = at
                text[at] = 0x20
                at, count, space = at + 1, count + 1, False
            starts[count] = at
            at, count = encode(np.int64(code), text, at), count + 1
    starts[count] = at
    return count


@leaf
def _words(source, length, table, each, text, starts):
    """Writes the words with a space after each, those between every two separators if `each`; how many."""
    position = at = count = begin = 0
    while position < length:
        code_point, width = decode(source, position)
        position += width
        code = table[code_point]
        if code >= 0:
            at = encode(np.int64(code), text, at)
        elif code == SEPARATOR and (each or at > begin):
            starts[count] = begin
            text[at] = 0x20
            at, count = at + 1, count + 1
            begin = at
    if each or at > begin:
        starts[count] = begin
        at, count = at + 1, count + 1
        begin = at
    starts[count] = begin
    return count


@leaf
def _apart(source, begins, ends, text, starts):
    """Writes the ranges of `source` with a space after each; how many."""
    at = 0
    for i in range(len(begins)):
        starts[i] = at
        for position in range(begins[i], ends[i]):
            text[at] = source[position]
            at += 1
        text[at] = 0x20
        at += 1
    starts[len(begins)] = at
    return len(begins)
