"""Counting English sentences by rule.

The rules follow the decisions of the Punkt algorithm (Kiss and Strunk 2006) as NLTK's
English model makes them, with short word lists in place of its learnt statistics:

- A run of . ? ! may end a sentence where white space, a bracket or a quotation mark
  follows. Closing quotes and brackets belong to the sentence they close.
- A run with ? or ! ends a sentence.
- An ellipsis, an abbreviation ("Mr.", "U.S.") and an initial ("J.") end one only if the
  next word is a capitalised common word, such as "The" ("J. Smith" stays together).
- A number ("5.") ends one unless the next word begins with a small letter.
- Any other word with a full stop ends one.

"e.g.", "i.e." and "etc." are ordinary words here, as they are to that model.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from corpus.text import spans, utf8
from corpus.text.arrow import buffers
from corpus.text.leaf import leaf

ABBREVIATIONS = """
    mr mrs ms messrs dr prof rev hon gen col maj capt lt sgt adm gov sen rep reps st sr jr esq
    inc corp co cos ltd bros cie vs ph.d
    jan feb mar apr jun jul aug sep sept oct nov dec mon tues wed thu thurs fri
    ala ariz ark calif colo conn del fla ga ill ind kan ky la md mass mich minn miss mo mont neb
    nev okla ore pa penn tenn tex va vt wash wis w.va wyo
    ave blvd rd ft yr hr lb oz mg sw ct
""".split()
"""Titles, forms of companies, months and days, states, addresses and units of newspaper
English; together with every word of single letters and full stops ("a.m", "u.s")."""

STARTERS = """
    a about after all also although among an and another any are as at because before both but by
    can could despite did do does during each even every finally first for from had has have he
    her here his how however i if in indeed instead is it its just last later like many maybe
    more moreover most much my never next no nor not nothing now of on once one only or other our
    over perhaps she should since so some somebody someone soon still such than that the their
    then there these they this those though three thus to today too two under until up was we
    were what when where whether which while who why will with without would yes yet you your
""".split()
"""Common words that open English sentences."""

ORDINARY, ABBREVIATION, INITIAL, NUMBER = range(4)


def _key(word: str) -> int:
    return int.from_bytes(word.encode(), "little")


# A word of at most 8 bytes is its bytes as one integer, so that a list is a sorted array.
_ABBREVIATION_KEYS = np.array(sorted(_key(w) for w in ABBREVIATIONS), np.uint64)
_STARTER_KEYS = np.array(sorted(_key(w) for w in STARTERS if len(w) <= 8), np.uint64)
_EG, _IE = np.uint64(_key("e.g")), np.uint64(_key("i.e"))


@leaf
def count_sentences(data, start, end, at_most=np.iinfo(np.int64).max):
    """Number of sentences of `data[start:end]`, text without white space at its end; 0 if
    it is empty. Stops counting at `at_most`."""
    count = 0
    while start < end and count < at_most:
        _, start = sentence_at(data, start, end)
        count += 1
    return count


@leaf
def sentence_at(data, start, end):
    """(end of the sentence that starts at `start`, start of the next one) in text without
    white space at its end; both are `end` for the last sentence."""
    position = start
    while position < end:
        if not _is_stop(data[position]):
            position += 1
            continue
        first = position
        emphatic = False
        while position < end and _is_stop(data[position]):
            emphatic |= data[position] != 0x2E
            position += 1
        following = _following(data, position, end)
        if following == end:
            break
        if following >= 0:
            kind = ORDINARY
            if not emphatic:
                kind = _kind(data, start, first, position)
            if _is_break(data, kind, following, end):
                after = _skip_closers(data, position, end)
                return after, _skip_spaces(data, after, end)
    return end, end


def split(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sentences of some ranges of text, such as lines: (sentence starts, sentence ends, first).

    int64 byte positions in `data`, white space between sentences and at both ends of a range
    left out; range *i* has the sentences `first[i]:first[i + 1]`, none if it is blank.
    """
    first = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(_count_ranges(data, starts, ends), out=first[1:])
    sentence_starts = np.empty(first[-1], np.int64)
    sentence_ends = np.empty(first[-1], np.int64)
    _split_ranges(data, starts, ends, first, sentence_starts, sentence_ends)
    return sentence_starts, sentence_ends, first


@numba.njit(cache=True, nogil=True, inline="always")
def _is_stop(byte):
    return byte == 0x2E or byte == 0x3F or byte == 0x21  # . ? !


@numba.njit(cache=True, nogil=True, inline="always")
def _is_letter(byte):
    return 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


@leaf
def _closer_length(data, position, end):
    """Bytes of the closing quotation mark or bracket at `position`: " ' ) ] } and curly
    quotes (U+2018, U+2019, U+201C, U+201D) and guillemets; 0 if none."""
    byte = data[position]
    if byte < 0x80:
        closes = byte == 0x22 or byte == 0x27 or byte == 0x29 or byte == 0x5D or byte == 0x7D
        return 1 if closes else 0
    if byte == 0xE2 and position + 2 < end and data[position + 1] == 0x80:
        third = data[position + 2]
        return 3 if third == 0x98 or third == 0x99 or third == 0x9C or third == 0x9D else 0
    if byte == 0xC2 and position + 1 < end:
        return 2 if data[position + 1] == 0xAB or data[position + 1] == 0xBB else 0
    return 0


@leaf
def _skip_closers(data, position, end):
    while position < end:
        length = _closer_length(data, position, end)
        if length == 0:
            break
        position += length
    return position


@leaf
def _skip_spaces(data, position, end):
    while position < end:
        length = spans.space_length(data, position, end)
        if length == 0:
            break
        position += length
    return position


@leaf
def _following(data, position, end):
    """Start of what follows a run of stops that ends at `position`: a word after white
    space, or the mark right there. `end` if nothing follows but closing marks, -1 if the
    run stands inside a word."""
    after = _skip_closers(data, position, end)
    if after == end:
        return end
    if after > position or data[position] in (0x28, 0x5B, 0x7B, 0x3B, 0x3A, 0x2A, 0x40):
        return position  # a closing mark or ( [ { ; : * @
    after = _skip_spaces(data, after, end)
    if after == position:
        return -1
    return end if _skip_closers(data, after, end) == end else after


@leaf
def _kind(data, start, stop, after):
    """What the word before the full stops `data[stop:after]` is to the rules."""
    if after - stop > 1:
        return ABBREVIATION
    key = np.uint64(0)
    length, digits, letters, longest = 0, 0, 0, 0  # letters: since the last full stop
    position = stop - 1
    while position >= start:
        byte = data[position]
        if byte == 0x2E or (byte == 0x2C and digits):  # "." of "u.s" and "," of "1,000"
            letters = 0
        elif _is_letter(byte):
            byte |= 0x20
            letters += 1
            longest = max(longest, letters)
        elif 0x30 <= byte <= 0x39:
            digits += 1
        elif byte >= 0x80 and _is_high_letter(data, utf8.previous(data, position + 1), stop):
            return ORDINARY
        else:
            break
        key = key << np.uint64(8) | np.uint64(byte)
        length += 1
        if length > 8 and longest:
            return ORDINARY
        position -= 1
    if digits:
        return ORDINARY if longest else NUMBER
    if longest == 1 and key != _EG and key != _IE:
        return INITIAL if length == 1 else ABBREVIATION
    return ABBREVIATION if longest and _is_in(key, _ABBREVIATION_KEYS) else ORDINARY


@leaf
def _is_high_letter(data, position, end):
    """Whether the character at `position`, not ASCII, is a letter: not white space, and not one of
    the signs U+0080 to U+00BF and U+2000 to U+2FFF."""
    byte = data[position]
    return byte != 0xC2 and byte != 0xE2 and spans.space_length(data, position, end) == 0


@leaf
def _is_in(key, keys):
    at = np.searchsorted(keys, key)
    return at < len(keys) and keys[at] == key


@leaf
def _is_break(data, kind, following, end):
    """Whether a sentence ends between a word of `kind` and what begins at `following`."""
    if kind == ORDINARY:
        return True
    byte = data[following]
    if kind == NUMBER:
        return not 0x61 <= byte <= 0x7A
    if not 0x41 <= byte <= 0x5A:
        return False
    key = np.uint64(0)
    shift = 0
    while following < end and _is_letter(data[following]):
        if shift == 64:
            return False
        key |= np.uint64(data[following] | 0x20) << np.uint64(shift)
        shift += 8
        following += 1
    return _is_in(key, _STARTER_KEYS)


def count_texts(text: pa.Array) -> np.ndarray:
    """Sentences (int64) of each text of a string column, all its lines together."""
    data, offsets = buffers(text)
    return _count_ranges(data, offsets[:-1], offsets[1:])


@numba.njit(cache=True, nogil=True)
def _count_ranges(data, starts, ends):
    counts = np.empty(len(starts), np.int64)
    for i in range(len(counts)):
        start, end = spans.strip(data, starts[i], ends[i])
        counts[i] = count_sentences(data, start, end)
    return counts


@numba.njit(cache=True, nogil=True)
def _split_ranges(data, starts, ends, first, sentence_starts, sentence_ends):
    for i in range(len(starts)):
        position, end = spans.strip(data, starts[i], ends[i])
        for sentence in range(first[i], first[i + 1]):
            sentence_starts[sentence] = position
            sentence_ends[sentence], position = sentence_at(data, position, end)
