"""The definition of shingles in plain Python, and texts to try it on."""

import hashlib
import re
import sys
import unicodedata

from hypothesis import strategies as st

# Assigned characters only: Python's own tables may be older than Unicode 16.
any_text = st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=80)
wordy_text = st.lists(
    st.sampled_from(["a", "B", "çÉ", "日本語", "𐐀𐐨", "e\u0301x", "Ⱥ", "7_", "हिन्दी", "\u0915\u093c", "가", "\u0301"]),
    max_size=80,
).map(" ".join)
mixed_text = st.text(
    st.sampled_from("aZé7_ .-\n日本語がカｶー々ไทยที่ខ្មែរမြန်མာབོད한國\u3099\u0301\u1100\u1161\u11a8𠀀𐐀"), max_size=60
)
"""About as many letters of scripts without spaces as others."""

MARKS = "".join(re.escape(chr(c)) for c in range(sys.maxunicode) if unicodedata.category(chr(c))[0] == "M")
UNSPACED = (
    "CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO",
    "YI SYLLABLE", "NUSHU", "KHITAN", "THAI", "LAO", "KHMER", "MYANMAR", "TAI LE", "NEW TAI LUE", "TAI THAM",
    "TAI VIET", "AHOM", "TIBETAN", "JAVANESE LETTER", "BALINESE", "IDEOGRAPHIC", "VERTICAL IDEOGRAPHIC",
    "VERTICAL KANA", "MASU MARK", "HENTAIGANA", "OLD CHINESE", "TANGUT",
)  # fmt: skip
"""How the names of letters begin that are of scripts without spaces."""


def lowered(text: str) -> str:
    return "".join("i" if character == "İ" else character.lower() for character in text)


def is_unspaced(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(UNSPACED) or 0x17000 <= ord(letter) <= 0x18D08


def units_of(text: str, unit: str) -> tuple[list[str], str]:
    """The words or characters of a text, and what is between them."""
    text = unicodedata.normalize("NFC", text)
    words = [lowered(word) for word in re.findall(rf"\w[\w{MARKS}]*", text)]
    if unit == "auto":
        letters = [is_unspaced(c) for c in text if unicodedata.category(c)[0] == "L"]
        unit = "characters" if sum(letters) > len(letters) / 2 else "words"
    return (words, " ") if unit == "words" else (list("".join(words)), "")


def shingle_set(text: str, ngram: int, unit: str = "auto") -> set[str]:
    units, between = units_of(text, unit)
    size = min(ngram, len(units))
    return {between.join(units[i : i + size]) for i in range(len(units) - size + 1)} - {""}


def hash_set(text: str, ngram: int, unit: str = "auto") -> list[int]:
    digests = (hashlib.sha1(shingle.encode()).digest() for shingle in shingle_set(text, ngram, unit))
    return sorted(int.from_bytes(digest[:8], "little") for digest in digests)


def jaccard(first: str, second: str, ngram: int) -> float:
    one, two = shingle_set(first, ngram), shingle_set(second, ngram)
    return len(one & two) / max(len(one | two), 1)
