"""Exact duplicates against dictionaries."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import exact

TEXTS = ["", "a", "a b", " A  b\n", "ab", "été", "É T É", "𝔘nicode 😀", "a" * 100_000]


def test_hashes_are_xxh3_128_of_the_bytes():
    for kind in (pa.string(), pa.large_string()):
        hashes = exact.content_hashes(pa.array(TEXTS, kind))
        assert hashes.dtype == np.uint64 and hashes.shape == (len(TEXTS), 2)
        assert [int(a) << 64 | int(b) for a, b in hashes] == [xxhash.xxh3_128_intdigest(t.encode()) for t in TEXTS]


def test_slices_nulls_and_empty_columns():
    column = pa.array(["x", None, "", "y"])
    hashes = exact.content_hashes(column)
    assert (hashes[1] == hashes[2]).all()
    assert (exact.content_hashes(column.slice(1, 2)) == hashes[1:3]).all()
    assert exact.content_hashes(pa.array([], pa.string())).shape == (0, 2)


def test_white_space_and_case_normalised():
    hashes = exact.content_hashes(pa.array(["a b", " A  b\n", "a\u3000B", "ab", None, " \n"]), "whitespace_case")
    assert (hashes[:3] == hashes[0]).all()
    assert (hashes[3] != hashes[0]).any()
    assert (hashes[4] == hashes[5]).all()


def test_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="whitespace_case"):
        exact.content_hashes(pa.array(["a"]), "lower")


def test_first_in_corpus_order_is_kept():
    keys = np.array([[1, 1], [2, 2], [1, 1], [1, 2], [1, 1]], np.uint64)
    dropped, kept = exact.duplicates(keys, np.array([5 << 32, 7, 9, 1, 3 << 32]))
    assert dropped.tolist() == [3 << 32, 5 << 32]
    assert kept.tolist() == [9, 9]


def test_no_documents_and_one():
    for count in (0, 1):
        dropped, kept = exact.duplicates(np.zeros((count, 2), np.uint64), np.arange(count))
        assert len(dropped) == len(kept) == 0


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(TEXTS[:5]), max_size=30), st.randoms(use_true_random=False), st.integers(1, 5))
def test_equals_a_dictionary_for_any_order_and_partitions(texts, shuffle, partitions):
    first: dict[str, int] = {}
    expected = {}
    for address, text in enumerate(texts):
        if first.setdefault(text, address) != address:
            expected[address] = first[text]
    rows = list(range(len(texts)))
    shuffle.shuffle(rows)
    keys = exact.content_hashes(pa.array([texts[i] for i in rows], pa.string()))
    addresses = np.array(rows, np.int64)
    parts = exact.partition_of(keys, partitions)
    found = {}
    for part in range(partitions):
        dropped, kept = exact.duplicates(keys[parts == part], addresses[parts == part])
        assert (np.diff(dropped) > 0).all()
        found |= dict(zip(dropped.tolist(), kept.tolist()))
    assert found == expected
