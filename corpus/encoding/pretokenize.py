"""Where a pre-token ends: GPT-2's pattern and runs of non-blanks, as numba functions.

GPT-2's pattern (Radford et al. 2019, `src/encoder.py`) is

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

Alternatives are tried in this order. So only one ASCII space may stand before a word; a run
of white space gives its last character up when something follows it; marks (\\p{M}) are in
the third class. Classes are those of Unicode 16.0, which Oniguruma (Hugging Face
`tokenizers` 0.23) and tiktoken 0.14 use.

Every function here takes UTF-8 bytes and cuts at character boundaries only.
"""

from __future__ import annotations

import functools

import numba
import numpy as np

from corpus.encoding.pretoken_table import load64, trailing_zeros
from corpus.text import unicode
from corpus.text.leaf import leaf

OTHER, LETTER, NUMBER, SPACE = 0, 1, 2, 3


@functools.cache
def gpt2_classes() -> np.ndarray:
    """OTHER, LETTER, NUMBER or SPACE for every code point: uint8[0x110000]."""
    table = unicode.class_table()
    classes = np.full(table.size, OTHER, np.uint8)
    classes[(table & unicode.LETTER) != 0] = LETTER
    classes[(table & unicode.NUMBER) != 0] = NUMBER
    classes[(table & unicode.WHITE_SPACE) != 0] = SPACE
    return classes


@numba.njit(cache=True, nogil=True, forceinline=True)
def class_at(data, i, classes):
    """Class of the character at byte `i`, and the byte after it."""
    b = np.int64(data[i])
    if b < 0x80:
        return classes[b], i + 1
    if b < 0xE0:
        return classes[(b & 0x1F) << 6 | data[i + 1] & 0x3F], i + 2
    if b < 0xF0:
        code = (b & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6 | data[i + 2] & 0x3F
        return classes[code], i + 3
    code = (b & 0x07) << 18 | (np.int64(data[i + 1]) & 0x3F) << 12
    code |= (np.int64(data[i + 2]) & 0x3F) << 6 | data[i + 3] & 0x3F
    return classes[code], i + 4


@numba.njit(cache=True, nogil=True, forceinline=True)
def ascii_letters(word):
    """How many of eight bytes (a little-endian uint64) before the first that is no ASCII
    letter, by arithmetic on all eight at once: lengths of words are hard to predict, so a
    loop over bytes spends its time on mispredicted branches."""
    high = np.uint64(0x8080808080808080)
    low_bits = (word | np.uint64(0x2020202020202020)) & ~high
    from_a = low_bits + np.uint64(0x1F1F1F1F1F1F1F1F)  # high bit: byte >= "a"
    after_z = low_bits + np.uint64(0x0505050505050505)  # high bit: byte > "z"
    others = ~(from_a & ~after_z & ~word) & high
    return trailing_zeros(others) >> 3


@numba.njit(cache=True, nogil=True, forceinline=True)
def _contraction_end(data, i, end):
    """End of `'s 't 'm 'd 're 've 'll` at the apostrophe at `i`; `i` where none stands there."""
    if i + 1 < end:
        first = data[i + 1]
        if first == ord("s") or first == ord("t") or first == ord("m") or first == ord("d"):
            return i + 2
        if i + 2 < end:
            second = data[i + 2]
            if (first == ord("r") or first == ord("v")) and second == ord("e"):
                return i + 3
            if first == ord("l") and second == ord("l"):
                return i + 3
    return i


@leaf
def _white_space_end(data, i, end, classes):
    """End of the run of white space that starts at `i`, less its last character when
    something follows the run and that leaves a character."""
    last = j = i
    while j < end:
        kind, after = class_at(data, j, classes)
        if kind != SPACE:
            return last if last > i else j
        last = j
        j = after
    return end


@leaf
def gpt2_end(data, i, end, classes):
    """End of the pre-token that starts at byte `i` of a text that ends at `end` (> i)."""
    if data[i] == ord("'"):
        j = _contraction_end(data, i, end)
        if j > i:
            return j
    first = i
    if data[i] == ord(" ") and i + 1 < end:
        first = i + 1
    kind, j = class_at(data, first, classes)
    if kind == SPACE:
        return _white_space_end(data, i, end, classes)
    if kind == LETTER:
        while j < end and j + 8 <= data.size:
            letters = ascii_letters(load64(data, j))
            j += letters
            if letters < 8:
                break
        j = min(j, end)
    while j < end:
        if data[j] < 0x80:
            if classes[data[j]] != kind:
                return j
            j += 1
        else:
            other, after = class_at(data, j, classes)
            if other != kind:
                return j
            j = after
    return j


@numba.njit(cache=True, nogil=True, forceinline=True)
def is_blank(byte):
    """True for space, tab, line feed and carriage return.

    These are white space to every tokenizer here, while vertical tab and form feed are
    control characters that BERT deletes."""
    return byte == 0x20 or byte == 0x09 or byte == 0x0A or byte == 0x0D


@leaf
def blank_free_end(data, i, end):
    """End of the run of non-blanks, or of the run of blanks, that starts at `i`."""
    blank = is_blank(data[i])
    j = i + 1
    while j < end and is_blank(data[j]) == blank:
        j += 1
    return j


@numba.njit(cache=True, nogil=True)
def gpt2_ends(data, classes):
    """Ends of all pre-tokens of one text: int64[n]."""
    ends = np.empty(data.size, np.int64)
    n = 0
    i = 0
    while i < data.size:
        i = gpt2_end(data, i, data.size, classes)
        ends[n] = i
        n += 1
    return ends[:n].copy()
