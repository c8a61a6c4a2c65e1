"""Repeated ranges against a dictionary of windows."""

import io
import json

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from windows_oracle import repeated_ranges as expected

from corpus.dedup import suffix_array

FAST = settings(deadline=None, max_examples=150)


def found(documents, min_bytes):
    """[(document, start, end, first document)] of a list of byte strings."""
    data = np.frombuffer(b"".join(documents), np.uint8)
    offsets = np.cumsum([0] + [len(d) for d in documents])
    ranges = suffix_array.repeated_ranges(data, offsets, min_bytes)
    assert all(column.dtype == np.int64 for column in ranges)
    return list(zip(*(column.tolist() for column in ranges)))


documents_of = {
    "two letters": st.lists(st.text("ab", max_size=40).map(str.encode), max_size=8),
    "any bytes": st.lists(st.binary(max_size=30), max_size=8),
    "multi-byte": st.lists(st.text("aé漢😀", max_size=15).map(str.encode), max_size=8),
}


@pytest.mark.parametrize("kind", documents_of)
def test_equals_dictionary_of_windows(kind):
    @FAST
    @given(documents_of[kind], st.integers(1, 12))
    def check(documents, min_bytes):
        assert found(documents, min_bytes) == expected(documents, min_bytes)

    check()


def test_second_copy_is_marked_and_the_first_document_named():
    assert found([b"xxabcdef", b"yyabcdefzz", b"q"], 6) == [(1, 2, 8, 0)]


def test_equal_bytes_keep_the_first_window():
    assert found([b"a" * 50], 10) == [(0, 10, 50, 0)]
    assert found([b"a" * 19], 10) == []
    assert found([b"a" * 20], 10) == [(0, 10, 20, 0)]
    assert found([b"a" * 10, b"a" * 10], 10) == [(1, 0, 10, 0)]


def test_windows_do_not_cross_documents():
    # "cdef" stands in the first two documents only if their border is ignored.
    assert found([b"abcd", b"efgh", b"cdef"], 4) == []
    assert found([b"abcd", b"abcd"], 4) == [(1, 0, 4, 0)]


def test_crossing_windows_do_not_break_groups():
    # Suffixes in order: "aab", "aab|aab..." and so on; border-crossing ones stand between.
    documents = [b"aa", b"baab", b"aab", b"aab", b"a", b"ab", b"aab"]
    assert found(documents, 3) == expected(documents, 3) == [(2, 0, 3, 1), (3, 0, 3, 1), (6, 0, 3, 1)]


def test_touching_windows_merge():
    assert found([b"abcd", b"efgh", b"abcdefgh"], 4) == [(2, 0, 8, 0)]


@pytest.mark.parametrize("documents", [[], [b""], [b"", b""], [b"a"], [b"", b"abc", b""]])
def test_nothing_to_find(documents):
    assert found(documents, 4) == []


def test_offsets_of_a_slice():
    data = np.frombuffer(b"zzzzzzzzabcdabcdzzzzzzzz", np.uint8)
    ranges = suffix_array.repeated_ranges(data, np.array([8, 12, 16]), 4)
    assert [column.tolist() for column in ranges] == [[1], [0], [4], [0]]


def test_refusals():
    byte = np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="at least 1"):
        suffix_array.repeated_ranges(byte, np.array([0, 1]), 0)
    with pytest.raises(ValueError, match="uint8"):
        suffix_array.repeated_ranges(byte.astype(np.int8), np.array([0, 1]), 1)
    with pytest.raises(ValueError, match="outside"):
        suffix_array.repeated_ranges(byte, np.array([0, 2]), 1)
    huge = np.broadcast_to(byte, 2**31)  # no memory behind it
    with pytest.raises(ValueError, match="'windows'"):
        suffix_array.repeated_ranges(huge, np.array([0, 2**31]), 100)


def test_real_text(real_data):
    path = real_data / "jsonl" / "part-00000.jsonl.zst"
    with zstandard.open(path, "rb") as file:
        lines = io.BytesIO(file.read(3_000_000)).readlines()[:-1]
    documents = [json.loads(line)["text"].encode()[:4000] for line in lines]
    documents += documents[:20]
    assert found(documents, 60) == expected(documents, 60)


def test_larger_than_a_block_of_the_suffix_array():
    letters = np.random.default_rng(0).integers(97, 99, 20 * suffix_array.BLOCK).astype(np.uint8)
    documents = [part.tobytes() for part in np.array_split(letters, 7)]
    for min_bytes in (1, 4, 9, 14):
        assert found(documents, min_bytes) == expected(documents, min_bytes)
