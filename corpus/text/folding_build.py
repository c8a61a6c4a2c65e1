"""Makes `folding_16_0.npz`, the file behind `corpus.text.folding`; not used at run time.

Needs what `unicode_build` needs, and the same argument: the header of CPython's type database in the sources of
`unicodedata2`.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np

from corpus.text import unicode, unicode_build


def main(header_path: str) -> None:
    """Write the table beside this file: characters whose folded form is another, and that form."""
    header = pathlib.Path(header_path).read_text()
    records = unicode_build.type_records(header)
    forms = unicode_build.integers(header, "_PyUnicode_ExtendedCase")
    lower = unicode_build.lower_case(header, records)
    folded: list[int] = []
    lengths: list[int] = []
    parts: list[int] = []
    for code_point in range(unicode.CODE_POINTS):
        found = [int(lower[code_point])]
        if records[code_point, 5] & unicode_build.EXTENDED_CASE:  # Objects/unicodectype.c, _PyUnicode_ToFoldedFull
            entry = int(records[code_point, 1])
            begin, lowered, count = entry & 0xFFFF, entry >> 24, entry >> 20 & 7
            found = forms[begin + lowered :][:count].tolist() if count else forms[begin:][:lowered].tolist()
        if found != [code_point]:
            folded.append(code_point)
            lengths.append(len(found))
            parts += found
    np.savez_compressed(
        pathlib.Path(__file__).with_name("folding_16_0.npz"),
        folded=np.array(folded, np.int32),
        lengths=np.array(lengths, np.int32),
        parts=np.array(parts, np.int32),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
