"""Full case folding of Unicode 16.0, as `str.casefold` has it. `folding_build` made the file."""

from __future__ import annotations

import functools
import importlib.resources
from typing import NamedTuple

import numpy as np

from corpus.text import unicode

LONGEST = 3
"""Characters that one folds to, at most (U+0390)."""


class Folding(NamedTuple):
    """Of every code point where its folded form begins in `parts` (int32[0x110000 + 1]), which is code points
    (int32); empty where it is the character itself."""

    begins: np.ndarray
    parts: np.ndarray

    def one(self) -> np.ndarray:
        """Of every code point the one that it folds to, itself where it folds to none or several:
        int32[0x110000]."""
        table = np.arange(unicode.CODE_POINTS, dtype=np.int32)
        single = np.flatnonzero(np.diff(self.begins) == 1)
        table[single] = self.parts[self.begins[single]]
        return table

    def several(self) -> np.ndarray:
        """Whether a code point folds to several: bool[0x110000]."""
        return np.diff(self.begins) > 1


@functools.cache
def folding() -> Folding:
    """The tables, read-only."""
    path = importlib.resources.files(__package__).joinpath("folding_16_0.npz")
    with path.open("rb") as file, np.load(file) as stored:
        sizes = np.zeros(unicode.CODE_POINTS, np.int32)
        sizes[stored["folded"]] = stored["lengths"]
        begins = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        found = Folding(begins, stored["parts"])
    for table in found:
        table.setflags(write=False)
    return found
