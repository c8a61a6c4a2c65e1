"""Which of a few ASCII needles occur in a text regardless of case.

A needle occurs where `needle in text.lower()` is true for Python strings. Two code
points that are not ASCII matter to that: U+212A (Kelvin sign) lowers to "k", and U+0130
(I with dot) to "i" and U+0307, so that it can only be the last letter of a needle.
"""

from __future__ import annotations

import numpy as np

from corpus.text.leaf import leaf

KELVIN_SIGN, DOTTED_I = "\u212a".encode(), "\u0130".encode()
FILTER = 3  # rows of the table that decide where to look closer
COMPLETE = 0xFF  # a byte that UTF-8 never has: its column holds the needles already matched


def prepare(needles: tuple[str, ...]) -> np.ndarray:
    """The table `find` wants, for up to 64 needles of three or more lower-case ASCII
    characters: uint64[FILTER + longest + 1, 256], bit *i* standing for needle *i*.

    Row FILTER + j, column b holds the needles whose letter j may be the byte b, or that
    have no letter j. The first three rows are the same for the first three letters, but
    let every byte of the two special letters pass. Raises ValueError for other needles.
    """
    if len(needles) > 64 or not all(n.isascii() and n == n.lower() and len(n) > 2 for n in needles):
        raise ValueError("needles are at most 64 lower-case ASCII strings of three or more letters")
    exact = np.zeros((max(map(len, needles), default=FILTER) + 1, 256), np.uint64)
    for i, needle in enumerate(needles):
        bit = np.uint64(1 << i)
        for row, letter in zip(exact, needle):
            row[[ord(letter), ord(letter.upper())]] |= bit
        exact[len(needle) :] |= bit
    coarse = exact[:FILTER].copy()
    coarse[0, KELVIN_SIGN[0]] = coarse[0, ord("k")]
    coarse[1:, list(KELVIN_SIGN + DOTTED_I)] = np.uint64((1 << len(needles)) - 1)
    return np.concatenate([coarse, exact])


@leaf
def find(data, start, end, table):
    """Bit mask (uint64) of the needles that occur in `data[start:end]`."""
    found = np.uint64(0)
    position = start
    while True:
        candidates = np.uint64(0)
        # A loop of its own, so that the compiler keeps it small: it sees every byte.
        while position < end - 2:
            candidates = table[0, data[position]] & table[1, data[position + 1]]
            candidates &= table[2, data[position + 2]]
            if candidates:
                break
            position += 1
        if not candidates:
            return found
        found |= _matches(data, position, end, table)
        position += 1


@leaf
def _matches(data, position, end, table):
    """Bit mask of the needles that begin at `position`."""
    matched = ~np.uint64(0)
    for row in range(FILTER, len(table) - 1):
        byte = data[position] if position < end else COMPLETE
        width = 1
        if byte == 0xE2 and data[position + 1] == 0x84 and data[position + 2] == 0xAA:
            byte, width = 0x6B, 3
        elif byte == 0xC4 and data[position + 1] == 0xB0:
            return matched & table[row, 0x69] & table[row + 1, COMPLETE]
        matched &= table[row, byte]
        if not matched:
            break
        position += width
    return matched
