"""Maps that give each character of a text another, several or none, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numba
import numpy as np

from corpus.text import unicode, utf8


class CharacterMap(NamedTuple):
    """`entries` (int32[0x110000]): 0 for a character that stays, else n for the string
    `strings[offsets[n - 1] : offsets[n]]` (uint8, UTF-8; int64)."""

    entries: np.ndarray
    strings: np.ndarray
    offsets: np.ndarray


def make_map(changes: Mapping[int, str]) -> CharacterMap:
    """The map that gives each code point in `changes` its string."""
    numbers: dict[str, int] = {}
    entries = np.zeros(unicode.CODE_POINTS, np.int32)
    for code_point, string in changes.items():
        entries[code_point] = numbers.setdefault(string, len(numbers) + 1)
    encoded = [string.encode() for string in numbers]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return CharacterMap(entries, np.frombuffer(b"".join(encoded) or b"\0", np.uint8), offsets)


@numba.njit(cache=True, nogil=True)
def mapped(data, offsets, characters):
    """The texts `data[offsets[d] : offsets[d + 1]]` with their characters mapped: (data uint8, offsets int64)."""
    ends = np.empty(offsets.size, np.int64)
    ends[0] = 0
    out = np.empty(_sizes(data, offsets, characters, ends), np.uint8)
    entries, strings, begins = characters
    at = 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        while i < offsets[d + 1]:
            code_point, width = utf8.decode(data, i)
            entry = entries[code_point]
            if entry:
                at = utf8.copy(strings, begins[entry - 1], begins[entry], out, at)
            else:
                for place in range(i, i + width):
                    out[at] = data[place]
                    at += 1
            i += width
    return out, ends


@numba.njit(cache=True, nogil=True)
def _sizes(data, offsets, characters, ends):
    """Writes where each mapped text ends to `ends`; returns the last end."""
    entries, _, begins = characters
    size = 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        while i < offsets[d + 1]:
            code_point, width = utf8.decode(data, i)
            entry = entries[code_point]
            size += begins[entry] - begins[entry - 1] if entry else width
            i += width
        ends[d + 1] = size
    return size
