"""Normal forms against Python's `unicodedata`, for the characters that its version knows."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import normal_forms, unicode

assigned = st.characters(exclude_categories=("Cs", "Cn"))
tables = normal_forms.tables()
MARKS = "".join(
    map(chr, [0x301, 0x302, 0x323, 0x327, 0x338, 0x93C, 0x9BE, 0x9D7, 0x3099, 0x345, 0x1161, 0x11A8, 0x653])
)
PLAIN = "aeoqéấǖÅ\u212b각가\u1100\u1112क़नन\u0958\u09c7\u0bc6かがﾊはアا\u0fb2\U0001d15e\u1e9b\u0344\u2126 x"
dense = st.text(st.sampled_from(MARKS + PLAIN), max_size=20)


def nfc(text: str) -> str:
    data = np.frombuffer(text.encode(), np.uint8)
    return normal_forms.nfc(data, 0, len(data), tables).tobytes().decode()


def nfd(text: str) -> str:
    data = np.frombuffer(text.encode(), np.uint8)
    return "".join(map(chr, normal_forms.decompose(data, 0, len(data), tables).tolist()))


def is_nfc(text: str) -> bool:
    """Whether all of its characters that may differ stay."""
    data = np.frombuffer(text.encode(), np.uint8)
    places = [(len(text[:i].encode()), ord(text[i])) for i in range(len(text))]
    return all(
        normal_forms.stays(data, 0, place, point, tables)
        for place, point in places
        if tables.flags[point] & normal_forms.MAY_DIFFER
    )


@settings(deadline=None, max_examples=300)
@given(st.text(assigned) | dense)
def test_forms_are_those_of_unicodedata(text):
    assert nfc(text) == unicodedata.normalize("NFC", text)
    assert nfd(text) == unicodedata.normalize("NFD", text)
    if is_nfc(text):
        assert unicodedata.is_normalized("NFC", text)
    flags = tables.flags[[ord(character) for character in text]]
    if not (flags & normal_forms.MAY_DIFFER).any():
        assert is_nfc(text) and unicodedata.is_normalized("NFC", text)


def test_every_character_alone_and_between_others():
    """In one text each: those that do not touch others, and those that might."""
    known = [chr(c) for c in range(unicode.CODE_POINTS) if unicodedata.category(chr(c)) not in ("Cs", "Cn")]
    for before, after in (("", "\n"), ("e", "\u0301\n"), ("\u0915\u093c", "x")):
        text = "".join(before + character + after for character in known)
        assert nfc(text) == unicodedata.normalize("NFC", text)
        assert nfd(text) == unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(
    "text",
    ["", "plain", "naïve", "दिल्ली में", "বাংলা ভাষার", "தமிழ் மொழி", "اَلْعَرَبِيَّةُ", "ภาษาไทย", "한국어", "が", "ɛ̃ q̃", "ড়"],
)
def test_usual_texts_in_nfc_are_told_at_once(text):
    text = unicodedata.normalize("NFC", text)
    assert is_nfc(text)


@pytest.mark.parametrize(
    "text", ["e\u0301", "\u0958", "か\u3099", "\u1100\u1161", "가\u11a8", "a\u0323\u0302", "\u0301\u0323"]
)
def test_texts_that_are_not_nfc(text):
    assert not is_nfc(text) and not unicodedata.is_normalized("NFC", text)


def test_very_many_marks_in_a_row():
    text = "a" + "\u0301\u0323\u0327" * 20_000
    marks = "\u0327" * 20_000 + "\u0323" * 20_000 + "\u0301" * 20_000
    assert nfd(text) == "a" + marks
    assert nfc(text) == "\u1ea1" + marks.replace("\u0323", "", 1)


def test_growth_bounds():
    for code_point in range(unicode.CODE_POINTS):
        if tables.flags[code_point] & normal_forms.DECOMPOSES:
            text = chr(code_point)
            assert len(nfd(text)) <= normal_forms.LONGEST
            assert max(len(nfd(text).encode()), len(nfc(text).encode())) <= normal_forms.GROWTH * len(text.encode())
