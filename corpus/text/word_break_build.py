"""Makes `word_break_16_0.npz`, the file behind `corpus.text.word_break`; not used at run time.

    pip install uniseg==0.10.1
    python -m corpus.text.word_break_build

uniseg 0.10.1 carries the Unicode 16.0 files `WordBreakProperty.txt` and `emoji-data.txt`.
"""

from __future__ import annotations

import pathlib

import numpy as np

from corpus.text import unicode, word_break


def main() -> None:
    """Write the table beside this file, from the properties that uniseg has."""
    from uniseg.emoji import extended_pictographic
    from uniseg.wordbreak import word_break as property_of

    values = np.zeros(unicode.CODE_POINTS, np.uint8)
    for code_point in range(unicode.CODE_POINTS):
        character = chr(code_point)
        values[code_point] = word_break.CLASSES.index(property_of(character).value)
        if extended_pictographic(character):
            values[code_point] |= word_break.PICTOGRAPH
    starts = np.flatnonzero(np.diff(values, prepend=255))
    path = pathlib.Path(__file__).with_name("word_break_16_0.npz")
    np.savez_compressed(path, starts=starts.astype(np.int32), values=values[starts])


if __name__ == "__main__":
    main()
