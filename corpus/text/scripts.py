"""Letters of scripts that are written without spaces between words, Unicode 16.0. `scripts_build` made the file."""

from __future__ import annotations

import functools
import importlib.resources

import numpy as np

from corpus.text import unicode

UNSPACED = (
    "Hani Hira Kana Bopo Yiii Tang Nshu Kits Thai Laoo Khmr Mymr Tale Talu Lana Tavt Ahom Tibt Java Bali"
).split()
"""The scripts (ISO 15924): those whose letters have line breaking class ID or SA (UAX #14), and Tibetan, Javanese and
Balinese, which part syllables or nothing. Korean is written with spaces."""


@functools.cache
def unspaced_table() -> np.ndarray:
    """Whether a code point is a letter of such scripts and no others: bool[0x110000], read-only. The sound mark of
    Hiragana and Katakana is one."""
    path = importlib.resources.files(__package__).joinpath("scripts_16_0.npz")
    table = np.zeros(unicode.CODE_POINTS, np.bool_)
    with path.open("rb") as file, np.load(file) as stored:
        for first, last in stored["unspaced"].tolist():
            table[first : last + 1] = True
    table.setflags(write=False)
    return table
