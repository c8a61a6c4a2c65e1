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
from langdetect.detector import Detector
from langdetect.utils.ngram import NGram

from corpus.language.profiles import ITERATION_LIMIT, OTHER, TRIALS, find, key, load

# Constants of langdetect/detector.py.
MAX_CHARACTERS = 10_000  # only so much of a text is looked at, spaces counted before they are collapsed
CHECK_EVERY = 5
CONVERGED = 0.99999
ALPHA = 0.5
ALPHA_WIDTH = 0.05
BASE_FREQUENCY = 10_000
MIN_REPORTED = 0.1  # a language at most this probable is not reported

LOOK_AHEAD = (8 + 2076) + (64 + 1 + 255 + 255) + 2
"""The longest match of Detector.URL_RE, of MAIL_RE and of the Vietnamese normalisation, together."""

FIRST_READ = 1 << 14
"""Bytes of a document read at first; four times as many each time that is not enough."""

GROUP = 64
"""Documents handed to the kernel at a time: few, so that their characters stay in the cache."""


def detect(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The most probable language of each document of a string column, nulls as empty text.

    Returns its index in `profiles.LANGUAGES` (int64, -1 where the library raises "No features in text" or
    reports no language) and its probability (float64, 0 where undetected).
    """
    languages = np.empty(len(text), np.int64)
    probabilities = np.empty(len(text), np.float64)
    for start in range(0, len(text), GROUP):
        group = slice(start, start + GROUP)
        heads = [head(memoryview(value.as_buffer() or b"")) for value in text[group]]
        offsets = np.cumsum([0, *map(len, heads)])
        codes = np.frombuffer("".join(heads).encode("utf-32-le"), np.uint32)
        _detect(codes, offsets, load(), languages[group], probabilities[group])
    return languages, probabilities


def head(text: memoryview) -> str:
    """The first MAX_CHARACTERS characters of UTF-8 `text` as `Detector.append` sees them, with URLs
    and mail addresses blanked and Vietnamese letters composed.

    Only as much is read as decides them. Each substitution looks no further ahead than its longest
    match, so what is more than LOOK_AHEAD characters before the end of a prefix comes out as it
    would from the whole text.
    """
    size = FIRST_READ
    while True:
        # A character cut in two by the end of the prefix is left out.
        characters = str(text[:size], "utf-8", "ignore")
        characters = Detector.URL_RE.sub(" ", characters)
        if "@" in characters:
            characters = Detector.MAIL_RE.sub(" ", characters)
        if any(mark in characters for mark in NGram.DMARK_CLASS):
            characters = NGram.normalize_vi(characters)
        if size >= len(text) or len(characters) - LOOK_AHEAD >= MAX_CHARACTERS:
            return characters[:MAX_CHARACTERS]
        size *= 4


@numba.njit(cache=True, nogil=True)
def _detect(codes, offsets, tables, languages, probabilities):
    """Fills languages and probabilities (see `detect`) for the documents codes[offsets[i]:offsets[i + 1]]."""
    text = np.empty(MAX_CHARACTERS, np.uint32)
    grams = np.empty(3 * MAX_CHARACTERS, np.int32)
    odds = np.empty(tables.frequencies.shape[1])
    mean = np.empty(tables.frequencies.shape[1])
    for document in range(len(offsets) - 1):
        length = _clean(codes[offsets[document] : offsets[document + 1]], text)
        count = _extract(text[:length], tables, grams)
        languages[document], probabilities[document] = -1, 0.0
        if count == 0:
            continue
        _average_trials(grams[:count], tables, odds, mean)
        best = np.argmax(mean)  # the first of equals, as a stable sort has it
        if mean[best] > MIN_REPORTED:
            languages[document], probabilities[document] = best, mean[best]


@numba.njit(cache=True, nogil=True)
def _clean(codes, text):
    """Collapses runs of spaces; takes out Latin letters where there are fewer than half as many as
    others (Detector.append, cleaning_text). Writes code points to `text`, returns how many."""
    length, latin, other = 0, 0, 0
    for i in range(len(codes)):
        code = codes[i]
        if code == 0x20 and i > 0 and codes[i - 1] == 0x20:
            continue
        text[length] = code
        length += 1
        if 0x41 <= code <= 0x7A:
            latin += 1
        elif code >= 0x300 and not 0x1E00 <= code <= 0x1EFF:  # the block Latin Extended Additional
            other += 1
    if 2 * latin >= other:
        return length
    kept = 0
    for i in range(length):
        if not 0x41 <= text[i] <= 0x7A:
            text[kept] = text[i]
            kept += 1
    return kept


@numba.njit(cache=True, nogil=True)
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


@numba.njit(cache=True, nogil=True)
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


@numba.njit(cache=True, nogil=True)
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
