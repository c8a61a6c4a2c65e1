"""The language identifier of `langdetect` 1.0.9 (Nakatani Shuyo), compiled.

A document's answer is what `DetectorFactory.seed = 0; langdetect.detect_langs(text)[0]` says:
the same n-grams, the same Mersenne Twister draws, the same floating-point operations in the
same order. Two things that the library leaves to the machine are fixed here, and can move a
probability by some units in the last place: languages are in alphabetical order (there, in
the order the file system lists the profiles), and sums run from left to right (there, `sum`,
which rounds otherwise since Python 3.12). The profiles and character tables are the library's
own, read from the installed package.

Method: naive Bayes over character 1- to 3-grams. Seven trials each start from equal odds,
draw n-grams of the text at random and multiply the odds of the 55 languages by the smoothed
frequency of the n-gram, until one is nearly certain. The answer is the mean of the trials.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from corpus.language.langdetect_text import FIRST_READ, MAX_CHARACTERS, head
from corpus.language.profiles import ITERATION_LIMIT, OTHER, TRIALS, find, key, load
from corpus.text.arrow import buffers
from corpus.text.leaf import leaf

# Constants of langdetect/detector.py.
CHECK_EVERY = 5
CONVERGED = 0.99999
ALPHA = 0.5
ALPHA_WIDTH = 0.05
BASE_FREQUENCY = 10_000
MIN_REPORTED = 0.1  # a language at most this probable is not reported


def detect(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The most probable language of each document of a string column, nulls as empty text.

    Returns its index in `profiles.LANGUAGES` (int64, -1 where the library raises "No features in text" or
    reports no language) and its probability (float64, 0 where undetected).
    """
    data, offsets = buffers(text)
    return detect_spans(data, offsets[:-1], offsets[1:])


def detect_spans(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`detect` of the texts data[starts[i]:ends[i]] (UTF-8 as uint8; int64 positions)."""
    languages = np.full(len(starts), -1)
    probabilities = np.zeros(len(starts))
    if len(starts):
        _detect(data, starts, ends, load(), languages, probabilities)
    return languages, probabilities


@numba.njit(cache=True, nogil=True)
def _detect(data, starts, ends, tables, languages, probabilities):
    """Fills languages and probabilities, which come as those of undetected texts."""
    codes = np.empty(FIRST_READ, np.uint32)
    grams = np.empty(3 * MAX_CHARACTERS, np.int32)
    odds = np.empty(tables.frequencies.shape[1])
    mean = np.empty(tables.frequencies.shape[1])
    for i in range(len(starts)):
        codes, length = head(data, starts[i], ends[i], tables.vietnamese, codes)
        length = _clean(codes[:length])
        count = _extract(codes[:length], tables, grams)
        if count == 0:
            continue
        _average_trials(grams[:count], tables, odds, mean)
        best = np.argmax(mean)  # the first of equals, as a stable sort has it
        if mean[best] > MIN_REPORTED:
            languages[i], probabilities[i] = best, mean[best]


@leaf
def _clean(codes):
    """Collapses runs of spaces; takes out Latin letters where there are fewer than half as many as
    others (Detector.append, cleaning_text). Works in place, returns how many code points are left.

    The library means to count Vietnamese letters (U+1E00 to U+1EFF) for neither, but compares the
    number of their block with its name: they are others.
    """
    length, latin, other = 0, 0, 0
    previous = 0
    for code in codes:
        if code == 0x20 and previous == 0x20:
            continue
        previous = code
        codes[length] = code
        length += 1
        if 0x41 <= code <= 0x7A:
            latin += 1
        elif code >= 0x300:
            other += 1
    if 2 * latin >= other:
        return length
    kept = 0
    for i in range(length):
        if not 0x41 <= codes[i] <= 0x7A:
            codes[kept] = codes[i]
            kept += 1
    return kept


@leaf
def _extract(text, tables, grams):
    """Rows of `frequencies` of all known n-grams in order (Detector._extract_ngrams). Returns how many.

    `first, second, third` are the last characters, of which `size` count: an n-gram reaches back
    to a space at most. `capitals` is set within a run of two or more upper-case letters, which
    tells of no language and is skipped.
    """
    count, size = 0, 1
    first, second, third = 0, 0, 0
    capitals, last_upper = False, False
    for code in text:
        number = np.int64(tables.characters[code]) if code < 0x10000 else OTHER
        if third == 0:
            size = 1
            capitals = False
            last_upper = False
            if number == 0:
                continue
        first, second, third = second, third, number
        size = min(size + 1, 3)
        upper = tables.upper[code]
        capitals = upper and (capitals or last_upper)
        last_upper = upper
        if capitals:
            continue
        for length in range(1, size + 1):
            if length == 1 and third == 0:
                continue
            row = find(key(first, second, third, length), tables.slots)
            if row >= 0:
                grams[count] = row
                count += 1
    return count


@leaf
def _average_trials(grams, tables, odds, mean):
    """Mean of the trials' probabilities (Detector._detect_block), into `mean`; `odds` is scratch."""
    count = len(grams)
    shift = 32
    while count >> (32 - shift):
        shift -= 1
    position = 0  # in tables.words
    spare = 0.0
    mean[:] = 0.0
    for trial in range(TRIALS):
        odds[:] = 1.0 / len(odds)
        if trial % 2 == 0:  # Random.gauss makes two deviates at a time
            deviate, spare = tables.normals[position, 0], tables.normals[position, 1]
            position += 4
        else:
            deviate = spare
        weight = (ALPHA + deviate * ALPHA_WIDTH) / BASE_FREQUENCY
        iteration = 0
        while True:
            drawn = np.int64(tables.words[position]) >> shift
            position += 1
            while drawn >= count:
                drawn = np.int64(tables.words[position]) >> shift
                position += 1
            row = grams[drawn]
            for j in range(len(odds)):
                odds[j] *= weight + tables.frequencies[row, j]
            if iteration % CHECK_EVERY == 0:
                if _normalize(odds) > CONVERGED or iteration >= ITERATION_LIMIT:
                    break
            iteration += 1
        for j in range(len(odds)):
            mean[j] += odds[j] / TRIALS


@leaf
def _normalize(odds):
    """Scales `odds` to a sum of 1; returns the largest."""
    total = 0.0
    for value in odds:
        total += value
    largest = 0.0
    for j in range(len(odds)):
        odds[j] /= total
        largest = max(largest, odds[j])
    return largest
