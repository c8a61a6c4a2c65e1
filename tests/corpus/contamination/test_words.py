"""Units of texts in every script, against Python's `unicodedata` and `str.casefold`."""

import unicodedata

import pytest
from grams_oracle import split
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.contamination import normalisations, words

NAMES = [name for name in normalisations.DEFINITIONS if name != "tokens"]
FAST = settings(deadline=None, max_examples=300)
assigned = st.characters(exclude_categories=("Cs", "Cn"))
LETTERS = "aAéÉßẞŉİıΐΪσςΣǰΆᾳᾼ東京がかハภาษาไทยहिन्दीক한국어각अَّشدةאָבּעԱև9½٣"
MARKS = "\u0301\u0308\u0345\u0307\u0323\u064e\u0651\u3099\u093c\u093e\u0e34\u1161\u11a8"
dense = st.text(st.sampled_from(LETTERS + MARKS + " -'’.,_\n、。😀"), max_size=30)

ASCII = [
    "a",
    "Word",
    "longer9",
    "EIGHTEEN",
    "acknowledgements",
    "Z" * 17,
    "[",
    "@",
    "`",
    "{",
    "/",
    ":",
    "\x00",
    "\x7f",
    ", ",
]
mostly_ascii = st.lists(st.sampled_from([*ASCII, " ", " ", "-", *"éE\u0301\u0338東ß"]), max_size=24).map("".join)


def units(text, name="simple"):
    return [unit for unit, _, _ in words.of_text(text, name)]


@FAST
@given(dense | mostly_ascii | st.text(assigned, max_size=30), st.sampled_from(NAMES))
def test_units_are_those_of_the_definition(text, name):
    found = words.of_text(text, name)
    assert [unit for unit, _, _ in found] == [unit for unit, _, _ in split(text, name)]
    data, reach = text.encode(), 0
    for _, start, end in found:
        assert reach <= start < end  # in order, and of characters; a piece may be several units
        data[start:end].decode()
        reach = start


@FAST
@given(dense.filter(lambda text: "\u0345" not in text) | mostly_ascii, st.sampled_from(NAMES))
def test_places_are_those_of_the_definition(text, name):
    assert words.of_text(text, name) == split(text, name)


@FAST
@given(dense | st.text(assigned, max_size=20))
def test_forms_and_cases_of_a_text_are_the_same(text):
    for name in ("simple", "gpt3"):
        for form in ("NFC", "NFD"):
            assert units(unicodedata.normalize(form, text), name) == units(text, name)
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
        assert units(folded, "gpt3") == units(text, "gpt3")
    assert units(unicodedata.normalize("NFD", text), "gpt4") == units(text, "gpt4")


@FAST
@given(dense, dense, dense)
def test_units_of_a_passage_do_not_depend_on_where_it_stands(before, text, after):
    inside = units(before + " " + text + " " + after)
    assert inside == units(before) + units(text) + units(after)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("कि की", ["कि", "की"]),  # vowel signs are parts of words
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("Ὀδυσσεύς ὈΔΥΣΣΕΎΣ", ["ὀδυσσεύσ", "ὀδυσσεύσ"]),
        ("学习Python的人", ["学", "习", "python", "的", "人"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("اَلْعَرَبِيَّةُ", ["اَلْعَرَبِيَّةُ"]),
        ("don't", ["don", "t"]),
        ("\u0301x", ["x"]),
        ("x\u0301\u0323 x\u0323\u0301", ["x\u0323\u0301"] * 2),
        ("", []),
        ("-- … 😀", []),
    ],
)
def test_words_of_scripts(text, expected):
    assert units(text) == expected


def test_very_many_marks_in_a_row_are_taken_and_come_to_an_end():
    text = "é" + "\u0301\u0323\u0327" * 20_000 + " b"
    found = words.of_text(text)
    assert len(found) == 2 and found[1][0] == "b" and found[0][1:] == (0, 2 + 120_000)
    assert sum(len(unit) for unit in units("a" * 300_000 + " b")) == 300_001
    assert units("A" * 70 + "\u0301") == ["a" * 69 + "á"]


def test_punctuation_within_words_is_deleted_or_divides_them():
    text = "It—is the U.S.A.'s «own» - rule"
    assert units(text, "gpt3") == ["itis", "the", "usas", "own", "rule"]
    assert units(text, "lm-eval") == ["it—is", "the", "usas", "«own»", "rule"]
    assert units(text) == ["it", "is", "the", "u", "s", "a", "s", "own", "rule"]
    assert "".join(units("A b, é9!", "gpt4")) == "Abé9"


@pytest.mark.parametrize("name", ["gpt3", "lm-eval"])
def test_scripts_without_spaces_have_words_between_white_space_too(name):
    text = "学习Python3的人。 ที่นี่ abc"
    stop = ["。"] * (name == "lm-eval")
    assert units(text, name) == ["学", "习", "python3", "的", "人", *stop, "ที่", "นี่", "abc"]
