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
    entries, strings, begins = characters
    ends = np.empty(offsets.size, np.int64)
    out = np.empty(offsets[-1] - offsets[0] + 64, np.uint8)
    longest = max(utf8.LONGEST, np.diff(begins).max() if begins.size > 1 else 0)
    ends[0] = at = 0
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            if at + longest > out.size:
                larger = np.empty(2 * (at + end - i) + longest, np.uint8)
                larger[:at] = out[:at]
                out = larger
            byte = data[i]
            if byte < 0x80 and entries[byte] == 0:
                out[at] = byte
                at += 1
                i += 1
                continue
            code_point, width = utf8.decode(data, i)
            entry = entries[code_point]
            if entry:
                at = utf8.copy(strings, begins[entry - 1], begins[entry], out, at)
            else:
                at = utf8.copy(data, i, i + width, out, at)
            i += width
        ends[d + 1] = at
    return out[:at], ends
