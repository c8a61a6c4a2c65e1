"""Repeated passages of a table in memory: the brute force over all windows, at boundaries."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windows_oracle import repeated_ranges as oracle

from corpus.dedup.substrings import FOUND_SCHEMA, repeated_substrings
from corpus.tables import cut


@settings(deadline=None)
@given(st.lists(st.text("ab ", max_size=30), max_size=8), st.integers(2, 6))
def test_passages_are_those_of_the_brute_force(texts, min_bytes):
    found = repeated_substrings(pa.chunked_array([texts[:3], texts[3:]], pa.string()), min_bytes)
    expected = oracle([text.encode() for text in texts], min_bytes)
    assert [tuple(row.values()) for row in found.to_pylist()] == expected


def test_passages_shrink_to_boundaries_and_can_be_cut():
    texts = ["the quick brown fox. " + "x", "a quick brown fox? quick brown fox"]
    found = repeated_substrings(texts, 10, snap="word")
    assert found.to_pylist() == [
        {"row": 1, "start": 2, "end": 14, "by": 0}, {"row": 1, "start": 19, "end": 34, "by": 0},
    ]  # fmt: skip
    assert cut(texts, found)["text"].to_pylist() == [texts[0], "a fox? "]


@pytest.mark.parametrize("texts", [[], [""], ["short"]])
def test_nothing_repeats(texts):
    assert repeated_substrings(texts).equals(FOUND_SCHEMA.empty_table())


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="cannot snap to 'page'"):
        repeated_substrings(["a" * 9, "a" * 9], 5, snap="page")
    with pytest.raises(ValueError, match="min_bytes must be at least 1"):
        repeated_substrings(["a"], 0)
