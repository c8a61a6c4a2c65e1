"""What a document is to near-duplicate detection: a set of shingles.

The definition, `lower-words-1`: the text is lower-cased code point by code point
(`corpus.text.unicode.lower_table`); words are the maximal runs of word characters
(`corpus.text.unicode.WORD`, which is `\\w`); a shingle is `ngram` consecutive words with
one space between them, as UTF-8. A document of fewer words, but at least one, has one
shingle, all its words. A document without words has none and is a duplicate of nothing.

Normalised text is the words of the document with one space after each, so that every
shingle is a range of its bytes.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import sha1
from corpus.text import unicode
from corpus.text.arrow import buffers
from corpus.text.utf8 import decode, encode

DEFINITION = "lower-words-1"
"""Name of the definition above. Signatures and hashes made by another do not compare."""

SPACE = ord(" ")


class Workspace(NamedTuple):
    """Room for the longest document of a batch: its normalised text (uint8), where each word
    begins in it and where the next one would (int64), its shingles' hashes (uint64)."""

    text: np.ndarray
    starts: np.ndarray
    hashes: np.ndarray


@functools.cache
def word_table() -> np.ndarray:
    """For every code point its lower case if it is a word character, else that of a space:
    int32[0x110000], read-only."""
    is_word = (unicode.class_table() & unicode.WORD) > 0
    table = np.where(is_word, unicode.lower_table(), SPACE).astype(np.int32)
    table.setflags(write=False)
    return table


@numba.njit(cache=True, nogil=True)
def workspace(offsets):
    """A `Workspace` for documents at `offsets`. Lower-casing turns 2 bytes into 3 at most
    (U+023A); a word takes one byte and a separator at least, and gets one space."""
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    words = longest // 2 + 1
    text = np.zeros(longest + longest // 2 + 1 + sha1.MARGIN, np.uint8)
    return Workspace(text, np.empty(words + 1, np.int64), np.empty(words, np.uint64))


@numba.njit(cache=True, nogil=True)
def normalise(data, start, end, table, text, starts):
    """Writes the words of `data[start:end]` with a space after each to `text`, the beginning of
    each word and of the one that would follow to `starts`; returns the number of words.

    ASCII text takes no branch: the next byte and the next beginning are always written, and
    kept or overwritten. Positions are unsigned, which spares the test for negative indices.
    """
    position, stop = np.uint64(start), np.uint64(end)
    at = np.uint64(0)  # bytes written
    words = np.uint64(0)
    inside = np.uint64(0)  # whether the character before is of a word
    while position < stop:
        byte = data[position]
        if byte < 0x80:
            code = table[byte]
            is_word = np.uint64(code != SPACE)
            starts[words] = at
            words += is_word & ~inside
            text[at] = code
            at += is_word | inside
            position += np.uint64(1)
        else:
            code_point, width = decode(data, np.int64(position))
            code = table[code_point]
            is_word = np.uint64(code != SPACE)
            starts[words] = at
            words += is_word & ~inside
            if is_word | inside:
                at = np.uint64(encode(code, text, np.int64(at)))
            position += np.uint64(width)
        inside = is_word
    text[at] = SPACE
    starts[words] = at + inside
    return np.int64(words)


@numba.njit(cache=True, nogil=True)
def hash_document(data, start, end, table, ngram, space):
    """Hashes (`sha1.hashes`) of the shingles of `data[start:end]` in order, repeats among them,
    into `space.hashes`; returns how many."""
    words = normalise(data, start, end, table, space.text, space.starts)
    size = min(ngram, words)
    count = words - size + 1 if words else 0
    sha1.hashes(space.text, space.starts, size, count, space.hashes)
    return count


def shingle_hashes(text: pa.Array, ngram: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The shingle set of each document as 64-bit hashes: (values uint64, offsets int64[n + 1]),
    document *i* having `values[offsets[i]:offsets[i + 1]]`, sorted and without repeats.

    The hash is the first 8 bytes of the shingle's SHA-1 digest. Two of the different
    shingles of a pair of documents with m shingles together share one with a probability
    below m**2 / 2**65: under 3e-12 for ten thousand, so that exact Jaccard means exact.
    """
    check_ngram(ngram)
    data, offsets = buffers(text)
    return _shingle_hashes(data, offsets, word_table(), ngram)


def check_ngram(ngram: int) -> None:
    """Raises ValueError if a shingle cannot have so many words."""
    if ngram < 1:
        raise ValueError(f"a shingle has at least one word, not {ngram}")


@numba.njit(cache=True, nogil=True)
def _shingle_hashes(data, offsets, table, ngram):
    documents = len(offsets) - 1
    space = workspace(offsets)
    found = np.empty(len(space.hashes), np.uint64)
    # Room for one word every two bytes; the pages that are not needed are never touched.
    values = np.empty((offsets[-1] - offsets[0]) // 2 + documents, np.uint64)
    ends = np.zeros(documents + 1, np.int64)
    at = 0
    for i in range(documents):
        count = hash_document(data, offsets[i], offsets[i + 1], table, ngram, space)
        sort_uniform(space.hashes[:count], found)
        for j in range(count):
            if j == 0 or found[j] != found[j - 1]:
                values[at] = found[j]
                at += 1
        ends[i + 1] = at
    return values[:at], ends


@numba.njit(cache=True, nogil=True)
def sort_uniform(values, out):
    """Writes uniformly distributed uint64 `values` in order to `out[:len(values)]`, in linear
    time: by their highest bits into about as many buckets as values, then by insertion."""
    bits = 1
    while (1 << bits) < len(values):
        bits += 1
    shift = np.uint64(64 - bits)
    places = np.zeros((1 << bits) + 1, np.int64)
    for value in values:
        places[(value >> shift) + np.uint64(1)] += 1
    for bucket in range(1 << bits):
        places[bucket + 1] += places[bucket]
    for value in values:
        bucket = value >> shift
        out[places[bucket]] = value
        places[bucket] += 1
    for i in range(1, len(values)):
        value = out[i]
        at = i
        while at > 0 and out[at - 1] > value:
            out[at] = out[at - 1]
            at -= 1
        out[at] = value


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
