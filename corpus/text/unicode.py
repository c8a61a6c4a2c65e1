"""What a code point is: class bits, general category and lower case, Unicode 16.0.

The tables are data of this package, so that every machine and every Python gives the
same answers (`unicodedata` and the `regex` package change with their version: Python
3.11 knows 9,272 letters fewer). `corpus.text.unicode_build` made the file.
"""

from __future__ import annotations

import functools
import importlib.resources

import numpy as np

UNICODE_VERSION = "16.0.0"
CODE_POINTS = 0x110000

SPACE = 1 << 0  # str.isspace: 29 code points, \x1c-\x1f among them
LINE_END = 1 << 1  # str.splitlines: \n \v \f \r \x1c-\x1e \x85 U+2028 U+2029
LETTER = 1 << 2  # \p{L}
NUMBER = 1 << 3  # \p{N}
MARK = 1 << 4  # \p{M}
WORD = 1 << 5  # \w of Python's `re`: str.isalnum or "_"; marks are not in it
PUNCTUATION = 1 << 6  # \p{P}
WHITE_SPACE = 1 << 7  # the White_Space property, \s of Rust's and Oniguruma's regex: 25

CASED = 1 << 0  # the Cased property; bits of `case_table`
CASE_IGNORABLE = 1 << 1

CATEGORIES = ("Cc Cf Cn Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs").split()
"""General categories; the values of `category_table` are indices into this list."""


def class_table() -> np.ndarray:
    """Class bits of every code point: uint8[0x110000], read-only; test with `& LETTER`."""
    return _tables()["classes"]


def category_table() -> np.ndarray:
    """General category of every code point, an index into `CATEGORIES`: uint8[0x110000],
    read-only."""
    return _tables()["categories"]


def case_table() -> np.ndarray:
    """`CASED` and `CASE_IGNORABLE` bits of every code point, which decide what a capital
    sigma lowers to (`lowering.lower`): uint8[0x110000], read-only."""
    return _tables()["case"]


def lower_table() -> np.ndarray:
    """Simple lower-case mapping of every code point (itself where there is none):
    int32[0x110000], read-only.

    It equals `str.lower` one code point at a time, except for the two rules that give or
    need more than one: U+0130 (I with dot) maps to "i" here and to "i" plus U+0307 in
    `str.lower`; U+03A3 (capital sigma) always maps to U+03C3, never to the final U+03C2.
    """
    return _tables()["lower"]


@functools.cache
def _tables() -> dict[str, np.ndarray]:
    path = importlib.resources.files(__package__).joinpath("unicode_16_0.npz")
    with path.open("rb") as file, np.load(file) as stored:
        tables = {name: stored[name] for name in ("classes", "categories", "case")}
        tables["lower"] = np.arange(CODE_POINTS, dtype=np.int32)
        tables["lower"][stored["upper_case"]] = stored["lower_case"]
    for table in tables.values():
        table.setflags(write=False)
    return tables
