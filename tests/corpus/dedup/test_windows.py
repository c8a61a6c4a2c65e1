"""Runs of repeated windows against a dictionary of windows."""

import numpy as np
import pydivsufsort
import pytest
import runs_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import runs, windows

FAST = settings(deadline=None, max_examples=150)


def found(documents, min_length, min_count=2, dtype=np.uint8):
    """The runs of a list of sequences, as tuples, maximal and sorted."""
    units = np.array([unit for document in documents for unit in document], dtype)
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    addresses = np.arange(len(documents), dtype=np.int64)
    pieces = windows.find_runs(units, offsets, addresses, min_length, min_count)
    columns = runs.maximal(pieces)
    assert all(column.dtype == np.int64 for column in columns)
    return list(zip(*(column.tolist() for column in columns)))


@pytest.mark.parametrize("kind", runs_oracle.DOCUMENTS)
def test_equals_a_dictionary_of_windows(kind):
    @FAST
    @given(runs_oracle.DOCUMENTS[kind], st.integers(1, 14), st.integers(2, 4))
    def check(documents, min_length, min_count):
        tuples = found(documents, min_length, min_count)
        assert tuples == sorted(tuples)
        expected = runs_oracle.repeated(documents, min_length, min_count)
        assert runs_oracle.expanded(tuples) == expected
        if all(each[5] == each[2] for each in tuples):
            assert tuples == runs_oracle.plain_runs(expected)

    check()


@FAST
@given(st.lists(st.lists(st.integers(0, 2), max_size=40), max_size=5), st.integers(1, 8))
def test_wider_units_are_compared_in_full(documents, min_length):
    wide = [[unit << 40 for unit in document] for document in documents]
    expected = runs_oracle.repeated(wide, min_length)
    assert runs_oracle.expanded(found(wide, min_length, dtype=np.uint64)) == expected
    narrow = runs_oracle.repeated(documents, min_length)
    assert runs_oracle.expanded(found(documents, min_length, dtype=np.uint32)) == narrow == expected


def test_equal_and_periodic_text_is_few_runs():
    assert found([b"a" * 100_000], 50) == [(0, 0, 99_951, 0, 0, 1)]
    assert found([b"abc" * 20_000], 50) == [(0, 0, 59_951, 0, 0, 3)]
    assert found([b"a" * 1000, b"x", b"a" * 60], 50) == [(0, 0, 951, 0, 0, 1), (2, 0, 11, 0, 0, 1)]


@pytest.mark.parametrize("min_length", [10_000, 100_000])
def test_long_windows_of_periodic_text_take_no_longer(min_length):
    """Where they were compared unit by unit, or all had one hash, each of these took a minute."""
    words = [b"a", b"ab"]
    while len(words[-1]) < 300_000:
        words.append(words[-1] + words[-2])
    other = [b"a", b"b"]
    for _ in range(18):
        other = [other[0] + other[1], other[1] + other[0]]
    for text in (b"a" * 300_000, words[-1], other[0]):
        order = pydivsufsort.divsufsort(np.frombuffer(text, np.uint8).copy())
        common = pydivsufsort.kasai(np.frombuffer(text, np.uint8).copy(), order)
        expected = {}
        for group in np.split(order, np.flatnonzero(common[:-1] < min_length) + 1):
            if len(group) > 1:
                expected |= dict.fromkeys(((0, place) for place in group.tolist()), (0, int(group.min())))
        assert runs_oracle.expanded(found([text], min_length)) == expected


def test_a_long_period_is_a_run_each_time():
    period = bytes(range(256))
    tuples = found([period * 4], 50)
    assert tuples[0] == (0, 0, 256, 0, 0, 256)
    assert runs_oracle.expanded(tuples) == {(0, p): (0, p % 256) for p in range(4 * 256 - 49)}


def test_thousands_of_equal_documents():
    text = b"".join(b"%d bottles of beer, " % number for number in range(20))
    tuples = found([text] * 3000, 50)
    length = len(text) - 49
    assert tuples == [(number, 0, length, 0, 0, length) for number in range(3000)]


def test_degenerate_sizes():
    assert found([], 5) == found([b""], 1) == found([b"abc", b""], 4) == found([b"abcd"], 4) == []
    assert found([b"aba"], 1) == [(0, 0, 1, 0, 0, 1), (0, 2, 1, 0, 0, 1)]
    assert found([b"aa"], 1) == [(0, 0, 2, 0, 0, 1)]


@pytest.mark.parametrize("min_length", [50, 100, 400])
def test_text_with_planted_repeats(min_length):
    random = np.random.default_rng(1)
    text = random.integers(97, 105, 40_000).astype(np.uint8).tobytes()
    documents = [text[start : start + size] for start, size in random.integers(0, 3000, (60, 2)).tolist()]
    assert runs_oracle.expanded(found(documents, min_length)) == runs_oracle.repeated(documents, min_length)


def test_versions_of_a_text():
    """A few, which are numbered by what they have in common, and so many that windows are hashed."""
    some = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        base = random.integers(97, 123, 400).astype(np.uint8)
        documents = []
        for _ in range(random.integers(2, [4, 12, 30][seed % 3])):
            text = base.copy()
            text[random.integers(0, 400, random.integers(0, 5))] = 33
            parts = np.split(text, np.sort(random.integers(0, 400, random.integers(0, 4))))
            documents.append(b"?".join(part[: len(part) - random.integers(0, 2)].tobytes() for part in parts))
        min_length, min_count = int(random.integers(3, 120)), int(random.integers(2, 4))
        runs_found = found(documents, min_length, min_count)
        assert runs_oracle.expanded(runs_found) == runs_oracle.repeated(documents, min_length, min_count)
        some += runs_found != []
    assert some > 30


def test_windows_whose_hashes_collide_are_told_apart():
    multiplier = int(windows.MULTIPLIER)
    one, other = [5, 7 + multiplier], [6, 7]  # 6 M + (8 + M) = 7 M + 8
    documents = [one, other, one, other, [6, 8]]
    runs_found = found(documents, 2, dtype=np.uint64)
    assert runs_found == [(number, 0, 1, number % 2, 0, 1) for number in range(4)]


@FAST
@given(st.lists(st.integers(0, (1 << 64) - 1)), st.lists(st.integers(0, (1 << 64) - 1)), st.integers(0, 64))
def test_a_set_of_keys(some, others, coarse):
    """Keys that share their highest bits, too."""
    some, others = ([key >> coarse for key in keys] for keys in (some, others))
    asked = np.array([*some, *others], np.uint64)
    found = windows.KeySet(np.array(some, np.uint64)).has(asked)
    assert found.tolist() == [key in some for key in asked.tolist()]


@pytest.mark.parametrize("min_length", [3, 50, 400])
def test_as_many_keys_begin_with_any_bits(min_length):
    """By which they are exchanged: partitions are as large as each other."""
    units = np.random.default_rng(1).integers(0, 256, 200_000).astype(np.uint8)
    keys = windows.chains_of(units, np.array([0, len(units)]), min_length).key
    _, counts = np.unique(np.unique(keys) >> np.uint64(60), return_counts=True)
    mean = counts.sum() / 16
    assert len(counts) == 16 and abs(counts - mean).max() < 4 * np.sqrt(mean)


@FAST
@given(st.lists(st.text("ab", max_size=60), max_size=6), st.integers(1, 12))
def test_chains_are_all_windows_in_order(texts, min_length):
    units = np.frombuffer("".join(texts).encode(), np.uint8)
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    chains = windows.chains_of(units, offsets, min_length)
    every = [(d, s) for d, text in enumerate(texts) for s in range(len(text) - min_length + 1)]
    spread = [(d, s + k) for d, s, n in zip(chains.document, chains.start, chains.length) for k in range(n)]
    assert spread == every
    chosen = np.arange(len(chains.key)) % 3 != 1
    placed = windows.placed(chains.length.astype(np.uint32), offsets, min_length, chosen)
    for column, expected in zip(placed, chains[:3]):
        assert column.tolist() == expected[chosen].tolist()
