"""Makes `unicode_16_0.npz`, the file behind `corpus.text.unicode`; not used at run time.

    pip download --no-deps --no-binary :all: unicodedata2==16.0.0 && tar xzf unicodedata2-*.tar.gz
    pip install unicodedata2==16.0.0
    python -m corpus.text.unicode_build unicodedata2-16.0.0/unicodedata2/unicodetype_db.h

General categories come from the installed `unicodedata2`; what CPython's `str` methods
do comes from the header in its sources, which is CPython's own type database for
Unicode 16.0 (`Tools/unicode/makeunicodedata.py`, `Objects/unicodectype.c`).
"""

from __future__ import annotations

import pathlib
import re
import sys

import numpy as np

from corpus.text import unicode

# Flags of a type record (Objects/unicodectype.c).
ALPHA, DECIMAL, DIGIT, LINE_BREAK, IS_SPACE = 0x01, 0x02, 0x04, 0x10, 0x20
NUMERIC, CASE_IGNORABLE, CASED, EXTENDED_CASE = 0x800, 0x1000, 0x2000, 0x4000


def integers(header: str, name: str) -> np.ndarray:
    """The numbers of the C array `name`, flat: int64."""
    body = re.findall(rf"\b{name}\[\] = \{{(.*?)\n\}};", header, re.DOTALL)[0]
    return np.array(re.findall(r"-?\b\d+\b", body), np.int64)


def type_records(header: str) -> np.ndarray:
    """(upper, lower, title, decimal, digit, flags) of every code point: int64[0x110000, 6]."""
    shift = int(re.findall(r"#define SHIFT (\d+)", header)[0])
    code_points = np.arange(unicode.CODE_POINTS)
    block = integers(header, "index1")[code_points >> shift]
    inside = code_points & ((1 << shift) - 1)
    record = integers(header, "index2")[(block << shift) + inside]
    return integers(header, "_PyUnicode_TypeRecords").reshape(-1, 6)[record]


def lower_case(header: str, records: np.ndarray) -> np.ndarray:
    """The first code point of the lower-case form of every code point: int64[0x110000]."""
    code_points = np.arange(unicode.CODE_POINTS)
    extended = (records[:, 5] & EXTENDED_CASE) > 0
    forms = integers(header, "_PyUnicode_ExtendedCase")
    index = np.where(extended, records[:, 1] & 0xFFFF, 0)
    return np.where(extended, forms[index], code_points + records[:, 1])


def main(header_path: str) -> None:
    """Write the table beside this file, from CPython's header of character types."""
    import unicodedata2

    if unicodedata2.unidata_version != unicode.UNICODE_VERSION:
        raise SystemExit(f"unicodedata2 is version {unicodedata2.unidata_version}")
    header = pathlib.Path(header_path).read_text()
    records = type_records(header)
    flags = records[:, 5]
    names = [unicodedata2.category(chr(c)) for c in range(unicode.CODE_POINTS)]
    categories = np.array([unicode.CATEGORIES.index(name) for name in names], np.uint8)
    major = np.array([name[0] for name in names])

    is_space = (flags & IS_SPACE) > 0
    is_word = (flags & (ALPHA | DECIMAL | DIGIT | NUMERIC)) > 0
    is_word[ord("_")] = True
    is_white_space = is_space.copy()
    is_white_space[0x1C:0x20] = False
    classes = np.zeros(unicode.CODE_POINTS, np.uint8)
    for bit, members in (
        (unicode.SPACE, is_space),
        (unicode.LINE_END, (flags & LINE_BREAK) > 0),
        (unicode.LETTER, major == "L"),
        (unicode.NUMBER, major == "N"),
        (unicode.MARK, major == "M"),
        (unicode.WORD, is_word),
        (unicode.PUNCTUATION, major == "P"),
        (unicode.WHITE_SPACE, is_white_space),
    ):
        classes[members] |= bit

    case = np.zeros(unicode.CODE_POINTS, np.uint8)
    case[(flags & CASED) > 0] |= unicode.CASED
    case[(flags & CASE_IGNORABLE) > 0] |= unicode.CASE_IGNORABLE
    lower = lower_case(header, records)
    upper = np.flatnonzero(lower != np.arange(unicode.CODE_POINTS))
    np.savez_compressed(
        pathlib.Path(__file__).with_name("unicode_16_0.npz"),
        classes=classes,
        categories=categories,
        case=case,
        upper_case=upper.astype(np.int32),
        lower_case=lower[upper].astype(np.int32),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
