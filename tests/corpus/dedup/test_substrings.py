"""Repeated passages of a table in memory: the brute force over all windows, at boundaries."""

import pyarrow as pa
import pytest
import runs_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup.substrings import FOUND_SCHEMA, repeated_substrings
from corpus.tables import cut


def expected_of(texts, min_length, unit, keep, min_count):
    """[(row, start, end, by)] in bytes, by the brute force."""
    return [
        (number, *runs_oracle.in_bytes(texts[number], unit, start, end), by)
        for number, start, end, by in runs_oracle.cuts(
            [runs_oracle.units(text, unit) for text in texts], min_length, keep, min_count
        )
    ]


@settings(deadline=None)
@given(
    st.lists(st.text("ab é漢😀\n\u2003", max_size=30), max_size=8),
    st.integers(2, 6),
    st.sampled_from(["characters", "words"]),
    st.sampled_from(["first", "none"]),
    st.integers(2, 3),
)
def test_passages_are_those_of_the_brute_force(texts, min_length, unit, keep, min_count):
    column = pa.chunked_array([texts[:3], texts[3:]], pa.string())
    found = repeated_substrings(column, min_length, unit, "character", keep, min_count)
    expected = expected_of(texts, min_length, unit, keep, min_count)
    assert [tuple(row.values()) for row in found.to_pylist()] == expected
    cut(texts, found)  # on boundaries of characters


@settings(deadline=None)
@given(st.lists(st.text("ab c", max_size=30), max_size=8), st.integers(2, 6))
def test_of_ascii_bytes_are_characters(texts, min_length):
    found = repeated_substrings(texts, min_length, "bytes", "character")
    assert found.equals(repeated_substrings(texts, min_length, "characters", "character"))
    assert [tuple(row.values()) for row in found.to_pylist()] == expected_of(texts, min_length, "bytes", "first", 2)


def test_passages_shrink_to_boundaries_and_can_be_cut():
    texts = ["the quick brown fox. " + "x", "a quick brown fox? quick brown fox"]
    found = repeated_substrings(texts, 10)
    assert found.to_pylist() == [
        {"row": 1, "start": 2, "end": 14, "by": 0}, {"row": 1, "start": 19, "end": 34, "by": 0},
    ]  # fmt: skip
    assert cut(texts, found)["text"].to_pylist() == [texts[0], "a fox? "]


def test_words_are_compared_without_what_is_between_them():
    texts = ["one two three four five", "x  two\nthree \u2003 four\n\nfive six"]
    found = repeated_substrings(texts, 4, "words")
    assert cut(texts, found)["text"].to_pylist() == [texts[0], "x  six"]


@pytest.mark.parametrize("texts", [[], [""], ["short"]])
@pytest.mark.parametrize("unit", ["bytes", "characters", "words"])
def test_nothing_repeats(texts, unit):
    assert repeated_substrings(texts, unit=unit).equals(FOUND_SCHEMA.empty_table())


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="cannot snap to 'page'"):
        repeated_substrings(["a" * 9, "a" * 9], 4, snap="page")
    for wrong in (1, (1 << 20) + 1, 1 << 62):
        with pytest.raises(ValueError, match="min_length must be 2 to 1,048,576, not "):
            repeated_substrings(["a"], wrong)
    with pytest.raises(ValueError, match="min_count must be at least 2, not 1"):
        repeated_substrings(["a"], 3, min_count=1)
    for wrong in ({"unit": "tokens"}, {"tokenizer": "gpt2"}):
        with pytest.raises(ValueError, match="unit: tokens and tokenizer are given together"):
            repeated_substrings(["a"], 3, **wrong)
    with pytest.raises(TypeError, match="separator is a string, and not 5"):
        cut(["a"], FOUND_SCHEMA.empty_table(), 5)
    with pytest.raises(ValueError, match="unknown unit 'lines'; choose from bytes, characters, words"):
        repeated_substrings(["a"], 3, "lines")
    with pytest.raises(ValueError, match='keep must be "first" or "none"'):
        repeated_substrings(["a"], 3, keep="last")
