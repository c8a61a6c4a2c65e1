"""The vectorised SHA-1 against hashlib's."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import sha1


def hashes(words: list[bytes], size: int = 1, gap: int = 1) -> list[int]:
    data = (b" " * gap).join(words)
    starts = np.cumsum([0] + [len(word) + gap for word in words])
    padded = np.frombuffer(data + b"\xff" * (1 + sha1.MARGIN), np.uint8)
    out = np.zeros(len(words) - size + 1, np.uint64)
    sha1.hashes(padded, starts, size, len(out), gap, out)
    return out.tolist()


def expected(message: bytes) -> int:
    return int.from_bytes(hashlib.sha1(message).digest()[:8], "little")


def test_every_length_of_the_first_four_blocks():
    words = [bytes(i % 251 for i in range(n)) for n in range(260)]
    assert hashes(words) == hashes(words, gap=0) == [expected(word) for word in words]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17])
@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128])
def test_lengths_where_padding_changes(count, length):
    words = [bytes([i]) * length for i in range(count)]
    assert hashes(words) == [expected(word) for word in words]


def test_no_message():
    untouched = np.full(3, 7, np.uint64)
    sha1.hashes(np.zeros(sha1.MARGIN, np.uint8), np.zeros(1, np.int64), 1, 0, 1, untouched)
    assert untouched.tolist() == [7, 7, 7]


def test_a_message_of_a_megabyte_beside_short_ones():
    words = [b"a", b"b" * 1_000_003, b"", b"c" * 64]
    assert hashes(words) == [expected(word) for word in words]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=30), st.integers(1, 3))
def test_runs_of_words(words, size):
    size = min(size, len(words))
    runs = [b" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    assert hashes(words, size) == [expected(run) for run in runs]
