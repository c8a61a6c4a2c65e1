"""Makes `scripts_16_0.npz`, the file behind `corpus.text.scripts`; not used at run time.

    pip install fonttools==4.68.0
    python -m corpus.text.scripts_build

fontTools carries Unicode's `Scripts.txt` and `ScriptExtensions.txt`; what is a letter in Unicode 16.0 is taken.
"""

from __future__ import annotations

import pathlib

import numpy as np

from corpus.text import scripts, unicode


def main() -> None:
    """Write the table beside this file: first and last code points."""
    from fontTools.unicodedata import script_extension

    letters = np.flatnonzero(unicode.class_table() & unicode.LETTER)
    found = [c for c in letters.tolist() if set(script_extension(chr(c))) <= set(scripts.UNSPACED)]
    points = np.array(found, np.int32)
    begins = np.flatnonzero(np.diff(points, prepend=-2) > 1)
    ends = np.append(begins[1:], len(points)) - 1
    path = pathlib.Path(__file__).with_name("scripts_16_0.npz")
    np.savez_compressed(path, unspaced=np.stack([points[begins], points[ends]], axis=1))


if __name__ == "__main__":
    main()
