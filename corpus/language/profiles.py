"""What `langdetect` knows, as arrays: its profiles, its character tables and its random draws.

All of it is read from the installed package langdetect 1.0.9, in alphabetical order of languages.
"""

from __future__ import annotations

import functools
import json
import pathlib
import random
from math import cos, log, pi, sin, sqrt
from typing import NamedTuple

import numba
import numpy as np
from langdetect.detector_factory import PROFILES_DIRECTORY
from langdetect.utils.ngram import NGram

from corpus.text.leaf import leaf

LANGUAGES = tuple(
    "af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa pl"
    " pt ro ru sk sl so sq sv sw ta te th tl tr uk ur vi zh-cn zh-tw".split()
)
"""Codes of the 55 profiles of langdetect 1.0.9."""

# Constants of langdetect/detector.py.
SEED = 0  # set by C4 before each call (tensorflow-datasets, c4_utils.detect_english)
TRIALS = 7
ITERATION_LIMIT = 1_000

OTHER = 0xFFF
"""Number of a character that occurs in no profile. The space is number 0."""

NONE = 0xFFE
"""Stands for the missing characters of an n-gram shorter than three."""

ROW_BITS = 17
"""Bits of a row of `Tables.frequencies`: there are 87,598 n-grams."""

WORDS_DRAWN = 1 << 14
"""32-bit outputs of the Mersenne Twister kept: more than a detection can use, see `_draws`."""


class Vietnamese(NamedTuple):
    """Letters that the library composes with the mark after them: composed[i, j] is letters[j] with
    marks[i]. Code points, uint32[5, 24], [24] and [5]."""

    composed: np.ndarray
    letters: np.ndarray
    marks: np.ndarray


class Tables(NamedTuple):
    """What the kernel needs, from `load`.

    characters: uint16[0x10000], number of a code point after the library's normalisation
    upper: bool[0x110000], str.isupper after that normalisation
    slots: int64[2**k], hash table of n-grams: `key` << ROW_BITS | row of `frequencies`, -1 where free
    frequencies: float64[n-grams, 55], share of the n-gram among those of its length
    vietnamese: see there
    words: uint32[WORDS_DRAWN], outputs of random.Random(SEED)
    normals: float64[WORDS_DRAWN, 2], the pair of normal deviates drawn from words[i : i + 4]
    """

    characters: np.ndarray
    upper: np.ndarray
    slots: np.ndarray
    frequencies: np.ndarray
    vietnamese: Vietnamese
    words: np.ndarray
    normals: np.ndarray


@functools.cache
def load() -> Tables:
    """The tables, read once a process (about a third of a second, 42 MB)."""
    grams, frequencies = _profiles()
    alphabet = sorted({character for gram in grams for character in gram} - {" "})
    assert len(alphabet) < NONE and max(alphabet) <= "\uffff"
    number = {character: i for i, character in enumerate([" ", *alphabet])}
    # Outside the basic plane the library changes no character, and no profile has one.
    normal = [NGram.normalize(chr(code)) for code in range(0x10000)]
    characters = np.array([number.get(character, OTHER) for character in normal], np.uint16)
    beyond = np.arange(0x10000, 0x110000, dtype=np.uint32).view("U1")
    upper = np.concatenate([[character.isupper() for character in normal], np.char.isupper(beyond)])
    keys = np.array([key(*[number[c] for c in gram.rjust(3)], len(gram)) for gram in grams])
    return Tables(characters, upper, _hash_table(keys), frequencies, _vietnamese(), *_draws())


def _profiles() -> tuple[list[str], np.ndarray]:
    """(the n-grams of all profiles, float64[n-grams, 55]: the share of each among those of its length in each
    language), as the library's DetectorFactory.add_profile has them."""
    rows: dict[str, int] = {}
    shares = []
    for code in LANGUAGES:
        profile = json.loads(pathlib.Path(PROFILES_DIRECTORY, code).read_text(encoding="utf-8"))
        counts = {gram: count for gram, count in profile["freq"].items() if 1 <= len(gram) <= 3}
        totals = np.array(profile["n_words"], np.float64)[np.array([*map(len, counts)]) - 1]
        shares.append(([rows.setdefault(gram, len(rows)) for gram in counts], np.array([*counts.values()]) / totals))
    frequencies = np.zeros((len(rows), len(LANGUAGES)))
    for language, (places, found) in enumerate(shares):
        frequencies[places, language] = found
    return list(rows), frequencies


def _vietnamese() -> Vietnamese:
    rows = (*NGram.NORMALIZED_VI_CHARS, NGram.TO_NORMALIZE_VI_CHARS, NGram.DMARK_CLASS)
    *composed, letters, marks = (np.array([ord(c) for c in row], np.uint32) for row in rows)
    return Vietnamese(np.array(composed), letters, marks)


def _draws() -> tuple[np.ndarray, np.ndarray]:
    """(words, normals) of Tables. Every detection starts from the same seed, so it meets the same
    outputs; what differs is how many of them a draw uses.

    `Random.choice` from n things takes the top n.bit_length() bits of an output and draws again
    until they are below n; it accepts any output whose first bit is 0. A detection makes at most
    TRIALS * (ITERATION_LIMIT + 1) choices and takes 4 outputs for every other trial's `gauss`.
    """
    generator = random.Random(SEED)
    words = np.array([generator.getrandbits(32) for _ in range(WORDS_DRAWN + 4)], np.uint32)
    assert np.count_nonzero(words[:WORDS_DRAWN] < 1 << 31) > TRIALS * (ITERATION_LIMIT + 1) + 4 * TRIALS
    # Random.random and Random.gauss, computed by the same functions of the C library.
    high, low = words[:-1] >> np.uint32(5), words[1:] >> np.uint32(6)
    uniform = ((high * 67108864.0 + low) / 9007199254740992.0).tolist()
    normals = np.empty((WORDS_DRAWN, 2))
    for i in range(WORDS_DRAWN):
        angle = uniform[i] * (2.0 * pi)
        radius = sqrt(-2.0 * log(1.0 - uniform[i + 2]))
        normals[i] = cos(angle) * radius, sin(angle) * radius
    return words[:WORDS_DRAWN], normals


@leaf
def key(first, second, third, length):
    """Hash table key of the last `length` of three character numbers (12 bits each)."""
    if length < 3:
        first = NONE
    if length < 2:
        second = NONE
    return np.int64(first) << 24 | np.int64(second) << 12 | np.int64(third)


@leaf
def _slot(key, mask):
    """First slot to try: the high half of a multiplicative hash (Knuth)."""
    return np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask


@numba.njit(cache=True, nogil=True)
def _hash_table(keys):
    """slots of Tables: open addressing, at most half full."""
    size = 1
    while size < 2 * len(keys):
        size *= 2
    slots = np.full(size, -1, np.int64)
    for row in range(len(keys)):
        slot = _slot(keys[row], size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = keys[row] << ROW_BITS | row
    return slots


@leaf
def find(key, slots):
    """Row of an n-gram, -1 if it is in no profile."""
    slot = _slot(key, len(slots) - 1)
    while slots[slot] >= 0:
        if slots[slot] >> ROW_BITS == key:
            return slots[slot] & ((1 << ROW_BITS) - 1)
        slot = (slot + 1) & (len(slots) - 1)
    return -1
