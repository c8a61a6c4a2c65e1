"""Shingles against their definition in plain Python, exact Jaccard against Python sets."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_oracle import any_text, hash_set, shingle_set, wordy_text

from corpus.dedup import shingles


def hash_lists(text: pa.Array, ngram: int) -> list[list[int]]:
    values, offsets = shingles.shingle_hashes(text, ngram)
    assert values.dtype == np.uint64 and offsets.dtype == np.int64
    return [values[i:j].tolist() for i, j in zip(offsets, offsets[1:])]


@settings(deadline=None)
@given(st.lists(any_text | wordy_text, max_size=8), st.integers(1, 6))
def test_shingle_hashes_are_those_of_the_definition(texts, ngram):
    assert hash_lists(pa.array(texts, pa.string()), ngram) == [hash_set(t, ngram) for t in texts]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", set()),
        ("... -- !", set()),
        ("One", {"one"}),
        ("one, TWO\nthree", {"one two three"}),
        ("a b c d e f", {"a b c d e", "b c d e f"}),
        ("a a a a a a a", {"a a a a a"}),
        ("don't stop_it", {"don t stop_it"}),
        ("ΟΔΟΣ İ K", {"οδοσ i k"}),  # no final sigma; Kelvin sign
    ],
)
def test_shingles_by_hand(text, expected):
    assert shingle_set(text, 5) == expected
    assert hash_lists(pa.array([text]), 5) == [hash_set(text, 5)]


def test_documents_that_grow_most_when_normalised():
    texts = ["Ⱥ" * 1000, "Ⱥ " * 1000, "a." * 1000 + "a", "a", "Ⱥ"]
    assert hash_lists(pa.array(texts), 2) == [hash_set(text, 2) for text in texts]


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()])
def test_slices_and_nulls(type):
    texts = ["zero words here", None, "Straße nach Köln", "", "x", "y z"]
    column = pa.array(texts, type)
    expected = [hash_set(text or "", 2) for text in texts]
    assert hash_lists(column, 2) == expected
    assert hash_lists(column[2:5], 2) == expected[2:5]
    assert hash_lists(column[:0], 2) == []


def test_a_document_of_many_shingles_and_one_of_equal_ones():
    words = [str(i * i) for i in range(30_000)]
    texts = [" ".join(words), "same " * 50_000]
    assert hash_lists(pa.array(texts), 5) == [hash_set(text, 5) for text in texts]


def test_no_words_to_a_shingle():
    with pytest.raises(ValueError, match="at least one word"):
        shingles.shingle_hashes(pa.array(["a"]), 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=200))
def test_sort_uniform_sorts_anything(values):
    out = np.empty(len(values), np.uint64)
    shingles.sort_uniform(np.array(values, np.uint64), out)
    assert out.tolist() == sorted(values)


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 12)), min_size=1, max_size=6))
def test_jaccard_of_all_pairs(sets):
    values = np.array([value for one in sets for value in sorted(one)], np.uint64)
    offsets = np.cumsum([0] + [len(one) for one in sets])
    first, second = (grid.ravel() for grid in np.indices((len(sets), len(sets))))
    expected = [len(sets[i] & sets[j]) / max(len(sets[i] | sets[j]), 1) for i, j in zip(first, second)]
    assert shingles.jaccard(values, offsets, first, values, offsets, second).tolist() == expected
