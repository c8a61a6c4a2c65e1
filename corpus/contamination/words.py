"""A text as a sequence of normalised words.

The definition, `lower-alphanumeric-1`: the text is lower-cased code point by code point
(`corpus.text.unicode.lower_table`); words are the maximal runs of letters and numbers (\\p{L}
and \\p{N}). Whatever stands between words, punctuation that stands alone included, does
not count. This is GPT-2's and GPT-3's normalisation (arXiv 2005.14165, appendix C) but for
punctuation within a word, which divides it here ("don't" is two words). Text written without
spaces has few words, as long as clauses.

Normalised text is the words with one space after each, so that a sequence of words is a
range of its bytes, and two sequences are equal if their bytes are.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np

from corpus.text import unicode
from corpus.text.leaf import leaf
from corpus.text.utf8 import decode, encode

DEFINITION = "lower-alphanumeric-1"
SPACE = ord(" ")

_BYTE = np.uint64(0x100000001B3)  # the FNV prime: multiplier of the hash over a word's bytes
_WORD = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplier of the hash over a sequence's words
_MIX = np.uint64(0xFF51AFD7ED558CCD)  # odd: MurmurHash3's finaliser
_SHIFT = np.uint64(32)


class Words(NamedTuple):
    """Words of one text, or room for them. Word *i* is `text[at[i]:at[i + 1]]`, its space
    included; it begins at byte `source[i]` of the original; `hash[i]` (uint64) is its hash."""

    text: np.ndarray
    at: np.ndarray
    source: np.ndarray
    hash: np.ndarray


@functools.cache
def word_table() -> np.ndarray:
    """For every code point its lower case if it belongs to words, else 0: int32[0x110000]."""
    belongs = (unicode.class_table() & (unicode.LETTER | unicode.NUMBER)) > 0
    table = np.where(belongs, unicode.lower_table(), 0).astype(np.int32)
    table.setflags(write=False)
    return table


@numba.njit(cache=True, nogil=True)
def room(size):
    """`Words` with room for any text of `size` bytes: lower-casing makes 3 bytes of 2 at most
    (U+023A), and a word takes a byte and, but for the last, a separator."""
    words = size // 2 + 1
    return Words(
        np.empty(size + size // 2 + 1, np.uint8),
        np.empty(words + 1, np.int64),
        np.empty(words, np.int64),
        np.empty(words, np.uint64),
    )


@numba.njit(cache=True, nogil=True, inline="always")
def mix(value):
    """A bijection of uint64 whose high bits depend on every bit of `value`."""
    value = (value ^ (value >> _SHIFT)) * _MIX
    return value ^ (value >> _SHIFT)


@leaf
def split(data, start, end, table, words):
    """Writes the words of `data[start:end]` (valid UTF-8) to `words`; returns how many."""
    text, at, source, hash = words
    count = 0
    written = np.int64(0)
    state = np.uint64(0)
    inside = False
    position = start
    while position < end:
        code = np.int64(data[position])
        width = 1
        if code >= 0x80:
            code, width = decode(data, position)
        code = np.int64(table[code])
        if code:
            if not inside:
                at[count] = written
                source[count] = position - start
                state = np.uint64(0)
                inside = True
            if code < 0x80:
                text[written] = code
                written += 1
            else:
                written = encode(code, text, written)
            state = (state ^ np.uint64(code)) * _BYTE
        elif inside:
            text[written] = SPACE
            written += 1
            hash[count] = mix(state)
            count += 1
            inside = False
        position += width
    if inside:
        text[written] = SPACE
        written += 1
        hash[count] = mix(state)
        count += 1
    at[count] = written
    return count


@leaf
def word_end(data, position, end, table):
    """Byte after the word that holds `position`."""
    while position < end:
        code, width = decode(data, position)
        if not table[code]:
            break
        position += width
    return position


@numba.njit(cache=True, nogil=True)
def power(size):
    """What the hash of the first of `size` words has been multiplied by in `roll`."""
    value = np.uint64(1)
    for _ in range(size - 1):
        value *= _WORD
    return value


@numba.njit(cache=True, nogil=True, inline="always")
def append(state, word):
    """State of a sequence of words (0 if empty) after one more, given that word's hash."""
    return state * _WORD + word


@numba.njit(cache=True, nogil=True, inline="always")
def roll(state, first, power, word):
    """State of a sequence after its first word is taken off and `word` put at its end."""
    return (state - first * power) * _WORD + word


@leaf
def sequence_hash(hashes, start, size):
    """Hash (uint64) of the words from `start`: the mixed state of the sequence."""
    state = np.uint64(0)
    for i in range(start, start + size):
        state = append(state, hashes[i])
    return mix(state)
