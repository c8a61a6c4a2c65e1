"""Letters of scripts without spaces, by the names that Python's `unicodedata` has for characters."""

import unicodedata

from corpus.text import scripts, unicode

NAMES = (
    "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER", "BOPOMOFO LETTER",
    "YI SYLLABLE", "TANGUT", "NUSHU", "KHITAN", "THAI CHARACTER", "LAO LETTER", "KHMER LETTER", "MYANMAR LETTER",
    "TAI LE LETTER", "NEW TAI LUE LETTER", "TAI THAM LETTER", "TAI VIET LETTER", "AHOM LETTER", "TIBETAN LETTER",
    "JAVANESE LETTER", "BALINESE LETTER",
)  # fmt: skip


def test_letters_of_each_script_by_their_names():
    table = scripts.unspaced_table()
    seen = set()
    for code_point in range(unicode.CODE_POINTS):
        name = unicodedata.name(chr(code_point), "")
        if name.startswith(NAMES) and unicodedata.category(chr(code_point))[0] == "L":
            assert table[code_point], name
            seen |= {each for each in NAMES if name.startswith(each)}
    assert seen == set(NAMES)


def test_only_letters_and_none_of_scripts_with_spaces():
    table, classes = scripts.unspaced_table(), unicode.class_table()
    assert table.sum() == 108_977 and (classes[table] & unicode.LETTER > 0).all()
    others = "aßЖאبहதක한ጀᎣ語"
    assert [bool(table[ord(each)]) for each in others] == [False] * (len(others) - 1) + [True]
    assert all(table[ord(each)] for each in "ーゝ々ｶ𠀀") and not table[ord("、")] and not table[ord("๑")]
