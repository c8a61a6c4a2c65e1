"""The frozen tables against CPython's `str` and `unicodedata`, and against counts that
HF tokenizers (Oniguruma) and tiktoken share."""

import re
import unicodedata

import numpy as np

from corpus.text import unicode

WORD = re.compile(r"\w")


def test_counts_of_unicode_16():
    classes = unicode.class_table()
    counts = {
        unicode.LETTER: 141_028,
        unicode.NUMBER: 1_911,
        unicode.MARK: 2_501,
        unicode.WHITE_SPACE: 25,
        unicode.SPACE: 29,
        unicode.PUNCTUATION: 855,
        unicode.LINE_END: 10,
    }
    assert {bit: int(((classes & bit) > 0).sum()) for bit in counts} == counts


def test_additions_of_unicode_16():
    classes, lower = unicode.class_table(), unicode.lower_table()
    for upper, small in ((0x1C89, 0x1C8A), (0xA7CB, 0x0264), (0xA7DC, 0x019B), (0x10D50, 0x10D70)):
        assert classes[upper] & unicode.LETTER and lower[upper] == small
    assert not classes[0xA7CE] & unicode.LETTER  # Unicode 17


def test_equals_python_where_python_knows_the_character():
    classes, lower = unicode.class_table(), unicode.lower_table()
    categories = unicode.category_table()
    # The only assigned character whose category changed since Python 3.10's Unicode 13.
    changed = {0x1734, 0x180F, 0x1171E, 0x11A97}
    wrong = []
    for code_point in range(unicode.CODE_POINTS):
        character = chr(code_point)
        category = unicodedata.category(character)
        if category == "Cn" or code_point in changed:
            continue
        bits = classes[code_point]
        got = (
            bool(bits & unicode.SPACE),
            bool(bits & unicode.LINE_END),
            bool(bits & unicode.WORD),
            lower[code_point],
            unicode.CATEGORIES[categories[code_point]],
        )
        expected = (
            character.isspace(),
            len(f"a{character}b".splitlines()) == 2,
            WORD.match(character) is not None,
            ord(character.lower()[0]),
            category,
        )
        if got != expected:
            wrong.append((hex(code_point), got, expected))
    assert not wrong


def test_the_two_exceptions_of_simple_lower_case():
    lower = unicode.lower_table()
    assert lower[0x0130] == ord("i") and "\u0130".lower() == "i\u0307"
    assert lower[0x03A3] == 0x03C3 and "Α\u03a3".lower() == "α\u03c2"


def test_tables_are_read_only_and_shared():
    for table, dtype in (
        (unicode.class_table, np.uint8),
        (unicode.category_table, np.uint8),
        (unicode.case_table, np.uint8),
        (unicode.lower_table, np.int32),
    ):
        assert table() is table() and not table().flags.writeable
        assert table().shape == (0x110000,) and table().dtype == dtype
