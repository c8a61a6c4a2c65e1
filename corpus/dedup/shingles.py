"""What a document is to near-duplicate detection: a set of shingles.

The definition, `lower-words-2`: the text is brought to NFC and lower-cased code point by code
point (`corpus.text.unicode.lower_table`); words are the maximal runs of word characters
(`corpus.text.unicode.WORD`, which is `\\w`) and of the combining marks that follow one; a shingle
is `ngram` consecutive words with one space between them, as UTF-8. Where the unit is characters,
it is as many consecutive code points of these words, with nothing between them: how a script
without spaces is broken into lines or parted by punctuation does not matter. The unit "auto" is
characters in a document most of whose letters (`\\p{L}`, in NFC) are of scripts that are written
without spaces (`corpus.text.scripts`), else words. A document of fewer units, but at least one,
has one shingle, all its units. A document without words has none and is a duplicate of nothing.

What follows from that: of a set it does not matter how often or in which order; a word a thousand
times has one shingle, and equals the same word `ngram` times and no fewer. Texts of the same words
are the same, whatever stands between these. Two texts of which one has just over half of its
letters of scripts without spaces and the other just under have nothing in common: where scripts
mix, a unit that is set finds more.

`lower-words-1`, before, had words only, in which no marks were, and took texts as they came. For
documents in NFC that have neither marks nor mostly letters of such scripts, both are the same.

Normalised text is the words of the document with one space after each, or its characters, so
that every shingle is a range of its bytes.
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import sha1
from corpus.dedup.uniform import sort_uniform
from corpus.text import normal_forms, scripts, unicode
from corpus.text.arrow import buffers
from corpus.text.hashing import hash64
from corpus.text.leaf import leaf
from corpus.text.utf8 import decode, encode

DEFINITION = "lower-words-2"
"""Name of the definition above. Signatures and hashes made by another do not compare."""

Unit = Literal["auto", "words", "characters"]
Hash = Literal["sha1", "xxhash"]
AUTO, WORDS, CHARACTERS = range(3)
UNITS: dict[Unit, int] = {"auto": AUTO, "words": WORDS, "characters": CHARACTERS}
SHA1, XXHASH = range(2)
HASHES: dict[Hash, int] = {"sha1": SHA1, "xxhash": XXHASH}

SPACE = ord(" ")
CODE_POINT = (1 << 21) - 1
"""An entry of the table of characters is a code point and these bits, which no ASCII character has."""
JOINS = 1 << 24  # a mark: of a word that it follows, and begins none
MAY_DIFFER = 1 << 25  # a text with it may not be NFC
UNSPACED = 1 << 26  # a letter of a script without spaces
LETTER = 1 << 27


class Workspace(NamedTuple):
    """Room for the longest document of a batch: its normalised text (uint8), where each unit
    begins in it and where the next one would (int64), its shingles' hashes (uint64)."""

    text: np.ndarray
    starts: np.ndarray
    hashes: np.ndarray


class Tables(NamedTuple):
    """What characters are: for every code point its lower case if it is of words, else that of a
    space, and the bits above (int32[0x110000], read-only); and what NFC needs."""

    characters: np.ndarray
    forms: normal_forms.Tables


@functools.cache
def tables() -> Tables:
    """The tables that the kernels here want."""
    classes, forms = unicode.class_table(), normal_forms.tables()
    is_mark, may_differ = classes & unicode.MARK > 0, forms.flags & normal_forms.MAY_DIFFER > 0
    of_words = (classes & unicode.WORD > 0) | is_mark
    table = np.where(of_words, unicode.lower_table(), SPACE).astype(np.int32)
    is_letter = classes & unicode.LETTER > 0
    is_letter[:0x80] = False
    bits = ((is_mark, JOINS), (may_differ, MAY_DIFFER), (scripts.unspaced_table(), UNSPACED), (is_letter, LETTER))
    for members, bit in bits:
        table[members] |= bit
    table.setflags(write=False)
    return Tables(table, forms)


@numba.njit(cache=True, nogil=True)
def workspace(offsets):
    """A `Workspace` for documents at `offsets`."""
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return room_for(longest)


@numba.njit(cache=True, nogil=True)
def room_for(longest):
    """A `Workspace` for a document of `longest` bytes. Lower-casing turns 2 bytes into 3 at most
    (U+023A); a word takes one byte and a separator at least, and gets one space. What is not
    touched costs no memory."""
    text = np.zeros(longest + longest // 2 + 1 + sha1.MARGIN, np.uint8)
    return Workspace(text, np.empty(longest + 2, np.int64), np.empty(longest + 1, np.uint64))


@leaf
def normalise(data, start, end, tables, text, starts):
    """Writes the words of `data[start:end]` with a space after each to `text`, the beginning of
    each word and of the one that would follow to `starts`; returns (the number of words, the bits
    of all its characters, MAY_DIFFER only if it may not be NFC).

    ASCII text takes no branch: the next byte and the next beginning are always written, and
    kept or overwritten. Positions are unsigned, which spares the test for negative indices.
    Characters of two and three bytes are decoded and encoded here: a third of the time less.
    """
    position, stop = np.uint64(start), np.uint64(end)
    at = np.uint64(0)  # bytes written
    words = np.uint64(0)
    inside = np.uint64(0)  # whether the character before is of a word
    seen = np.int32(0)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    table = tables.characters
    while position < stop:
        byte = data[position]
        if byte < 0x80:
            code = table[byte]
            is_word = np.uint64(code != SPACE)
            starts[words] = at
            words += is_word & ~inside
            text[at] = code
            at += is_word | inside
            position += one
        else:
            begin = np.int64(position)
            if byte < 0xE0:
                code_point = (np.int64(byte) & 0x1F) << 6 | np.int64(data[position + one] & 0x3F)
                position += two
            elif byte < 0xF0:
                code_point = (np.int64(byte) & 0x0F) << 12 | np.int64(data[position + one] & 0x3F) << 6
                code_point |= np.int64(data[position + two] & 0x3F)
                position += three
            else:
                code_point, width = decode(data, begin)
                position += np.uint64(width)
            entry = table[code_point]
            if entry & MAY_DIFFER and normal_forms.stays(data, start, begin, code_point, tables.forms):
                entry &= ~np.int32(MAY_DIFFER)
            seen |= entry
            code = np.int64(entry & CODE_POINT)
            is_word = np.uint64(code != SPACE) & (inside | np.uint64(entry & JOINS == 0))
            starts[words] = at
            words += is_word & ~inside
            if is_word | inside:
                if code < 0x80:
                    text[at] = code
                    at += one
                elif code < 0x800:
                    text[at] = 0xC0 | code >> 6
                    text[at + one] = 0x80 | code & 0x3F
                    at += two
                else:
                    at = np.uint64(encode(code, text, np.int64(at)))
        inside = is_word
    text[at] = SPACE
    starts[words] = at + inside
    return np.int64(words), seen


@leaf
def join_words(text, starts, words):
    """Takes the spaces out of what `normalise` wrote, in place, and puts the beginning of each
    character, and of the one that would follow, in `starts`; returns the number of characters."""
    stop = np.uint64(starts[words])
    at, characters = np.uint64(0), np.uint64(0)
    for position in range(stop):
        byte = text[position]
        starts[characters] = at
        characters += np.uint64((byte != SPACE) & (byte & 0xC0 != 0x80))
        text[at] = byte
        at += np.uint64(byte != SPACE)
    starts[characters] = at
    return np.int64(characters)


@leaf
def is_mostly_unspaced(data, start, end, table):
    """Whether most letters of `data[start:end]` are of scripts that are written without spaces."""
    letters = unspaced = 0
    position = start
    while position < end:
        byte = data[position]
        if byte < 0x80:
            letters += 0x61 <= byte | 0x20 <= 0x7A
            position += 1
        else:
            code_point, width = decode(data, position)
            entry = table[code_point]
            letters += entry & LETTER > 0
            unspaced += entry & UNSPACED > 0
            position += width
    return 2 * unspaced > letters


@numba.njit(cache=True, nogil=True)
def hash_document(data, start, end, tables, unit, ngram, hash, space):
    """Hashes of the shingles of `data[start:end]` in order, repeats among them: uint64[n], mostly
    in `space.hashes`."""
    words, seen = normalise(data, start, end, tables, space.text, space.starts)
    if seen & MAY_DIFFER:
        return _hash_composed(data, start, end, tables, unit, ngram, hash)
    return _hash_normalised(data, start, end, tables, unit, ngram, hash, words, seen, space)


@numba.njit(cache=True, nogil=True)
def _hash_composed(data, start, end, tables, unit, ngram, hash):
    """The same of the text's NFC, which may be longer."""
    composed = normal_forms.nfc(data, start, end, tables.forms)
    space = room_for(len(composed))
    words, seen = normalise(composed, 0, len(composed), tables, space.text, space.starts)
    return _hash_normalised(composed, 0, len(composed), tables, unit, ngram, hash, words, seen, space)


@numba.njit(cache=True, nogil=True)
def _hash_normalised(data, start, end, tables, unit, ngram, hash, words, seen, space):
    """The same of `data[start:end]`, whose words `normalise` has written to `space`."""
    units, gap = words, 1
    if unit == CHARACTERS or (
        unit == AUTO and seen & UNSPACED and is_mostly_unspaced(data, start, end, tables.characters)
    ):
        units, gap = join_words(space.text, space.starts, words), 0
    size = min(ngram, units)
    count = units - size + 1 if units else 0
    hash_runs(space.text, space.starts, size, count, gap, hash, space.hashes)
    return space.hashes[:count]


@numba.njit(cache=True, nogil=True)
def hash_runs(text, starts, size, count, gap, hash, out):
    """`sha1.hashes`, or the XXH64 of the same ranges."""
    if hash == SHA1:
        sha1.hashes(text, starts, size, count, gap, out)
        return
    for i in range(count):
        out[i] = hash64(text, starts[i], starts[i + size] - gap, np.uint64(0))


def shingle_hashes(
    text: pa.Array, ngram: int = 5, unit: Unit = "auto", hash: Hash = "sha1"
) -> tuple[np.ndarray, np.ndarray]:
    """The shingle set of each document as 64-bit hashes: (values uint64, offsets int64[n + 1]),
    document *i* having `values[offsets[i]:offsets[i + 1]]`, sorted and without repeats.

    The hash is the first 8 bytes of the shingle's SHA-1 digest as a little-endian number, or its
    XXH64. Two of the different shingles of a pair of documents with m shingles together share one
    with a probability below m**2 / 2**65: under 3e-12 for ten thousand, so that exact Jaccard
    means exact. (Who makes texts can make two that share one, of XXH64.)
    """
    check_ngram(ngram)
    data, offsets = buffers(text)
    return _shingle_hashes(data, offsets, tables(), UNITS[unit], ngram, HASHES[hash], False)


def unit_hashes(text: pa.Array, unit: Unit = "auto") -> tuple[np.ndarray, np.ndarray]:
    """The words or characters of each document in order, each as its XXH64: (values uint64, offsets int64[n + 1])."""
    data, offsets = buffers(text)
    return _shingle_hashes(data, offsets, tables(), UNITS[unit], 1, XXHASH, True)


def check_ngram(ngram: int) -> None:
    """Raises ValueError if a shingle cannot have so many units."""
    if ngram < 1:
        raise ValueError(f"a shingle has at least one word or character, not {ngram}")


@numba.njit(cache=True, nogil=True)
def _shingle_hashes(data, offsets, tables, unit, ngram, hash, in_order):
    documents = len(offsets) - 1
    space = workspace(offsets)
    found = np.empty(len(space.hashes), np.uint64)
    most = offsets[-1] - offsets[0] + documents  # NFC has no more characters than there were bytes
    # Room for one word every two bytes; the pages that are not needed are never touched.
    values = np.empty(most // 2 + documents, np.uint64)
    ends = np.zeros(documents + 1, np.int64)
    at = 0
    for i in range(documents):
        hashes = hash_document(data, offsets[i], offsets[i + 1], tables, unit, ngram, hash, space)
        if len(found) < len(hashes):  # of a text that is longer in NFC
            found = np.empty(len(hashes), np.uint64)
        if len(values) < at + len(hashes):
            values = grown(values, most)
        if in_order:
            values[at : at + len(hashes)] = hashes
            at += len(hashes)
        else:
            at = append_set(hashes, found, values, at)
        ends[i + 1] = at
    return values[:at], ends


@numba.njit(cache=True, nogil=True)
def grown(values, size):
    """`values` with room for `size`."""
    larger = np.empty(size, values.dtype)
    larger[: len(values)] = values
    return larger


@numba.njit(cache=True, nogil=True)
def append_set(hashes, found, values, at):
    """Write `hashes`, sorted and without repeats, to `values` from `at` on, and return where the next ones go; `found`
    is room for as many."""
    sort_uniform(hashes, found)
    for j in range(len(hashes)):
        if j == 0 or found[j] != found[j - 1]:
            values[at] = found[j]
            at += 1
    return at


@numba.njit(cache=True, nogil=True)
def jaccard(first_values, first_offsets, first, second_values, second_offsets, second):
    """Exact Jaccard similarity of pairs of shingle sets: float64[len(first)].

    `first[i]` (an integer) is a row of the sets (first_values, first_offsets) as
    `shingle_hashes` returns them, `second[i]` one of the other sets, which may be the same
    ones. Two empty sets have similarity 0: they are duplicates of nothing.
    """
    similarity = np.zeros(len(first), np.float64)
    for pair in range(len(first)):
        i, i_end = first_offsets[first[pair]], first_offsets[first[pair] + 1]
        j, j_end = second_offsets[second[pair]], second_offsets[second[pair] + 1]
        together = (i_end - i) + (j_end - j)
        common = 0
        while i < i_end and j < j_end:
            x, y = first_values[i], second_values[j]
            common += x == y
            i += x <= y
            j += y <= x
        if together:
            similarity[pair] = common / (together - common)
    return similarity
