"""Parts, their orders, ranges and merges against a dictionary of windows."""

import numpy as np
import pytest
import runs_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import runs, suffix_parts
from corpus.dedup.suffix_parts import PADDING, Part

FAST = settings(deadline=None, max_examples=80)


def part_of(documents, size, dtype):
    """(a part, its documents as `runs_of` takes them but for the addresses)."""
    units = np.array([unit for document in documents for unit in document], dtype)
    text = units.view(np.uint8)
    ends = np.cumsum([len(document) * units.itemsize for document in documents], dtype=np.int64)
    order = suffix_parts.ordered(text, ends, size, units.itemsize)
    return Part(np.concatenate([text, np.full(PADDING, 255, np.uint8)]), order), ends


def found(documents, min_length, cuts=(), ranges=1, min_count=2, dtype=np.uint8, held=1 << 20):
    """The runs of a list of sequences divided into parts where `cuts` says, as tuples, maximal and sorted."""
    width = np.dtype(dtype).itemsize
    size = min_length * width
    bounds = [0, *sorted(cuts), len(documents)]
    made = [part_of(documents[low:high], size, dtype) for low, high in zip(bounds, bounds[1:])]
    parts = [part for part, _ in made]
    tables = [(np.arange(low, low + len(ends)), ends) for low, (_, ends) in zip(bounds, made)]
    samples = [window for part in parts for window in suffix_parts.sample(part, size, 2)]
    starts = [[suffix_parts.place_of(part, s) for part in parts] for s in suffix_parts.splitters(samples, ranges)]
    stops = [*starts, [len(part.order) for part in parts]]
    pieces = []
    for low, high in zip([[0] * len(parts), *starts], stops):
        pieces += suffix_parts.merged(parts, low, high, size, min_count, held)
    places, first = (
        np.concatenate([np.empty(0, np.int64), *column]) for column in (zip(*pieces) if pieces else [[]] * 2)
    )
    assert len(np.unique(places)) == len(places)
    columns = []
    for number, table in enumerate(tables):
        here = places >> suffix_parts.PART_BITS == number
        where = suffix_parts.located(first[here], tables, width)
        positions = places[here] & ((1 << suffix_parts.PART_BITS) - 1)
        columns.append(suffix_parts.runs_of(positions, *where, table, min_length, width))
    joined = runs.maximal(tuple(np.concatenate(column) for column in zip(*columns)))
    return list(zip(*(column.tolist() for column in joined)))


@pytest.mark.parametrize("kind", runs_oracle.DOCUMENTS)
def test_equals_a_dictionary_of_windows(kind):
    @FAST
    @given(
        runs_oracle.DOCUMENTS[kind],
        st.integers(1, 14),
        st.lists(st.integers(0, 8), max_size=3),
        st.integers(1, 5),
        st.integers(2, 4),
        st.sampled_from([2, 5, 1 << 20]),
    )
    def check(documents, min_length, cuts, ranges, min_count, held):
        cuts = [min(cut, len(documents)) for cut in cuts]
        tuples = found(documents, min_length, cuts, ranges, min_count, held=held)
        assert tuples == sorted(tuples)
        expected = runs_oracle.repeated(documents, min_length, min_count)
        assert runs_oracle.expanded(tuples) == expected
        if all(each[5] == each[2] for each in tuples):
            assert tuples == runs_oracle.plain_runs(expected)
        assert tuples == found(documents, min_length, (), 1, min_count)

    check()


@FAST
@given(st.lists(st.lists(st.integers(0, 2), max_size=40), max_size=5), st.integers(1, 8), st.integers(1, 3))
def test_units_of_several_bytes(documents, min_length, ranges):
    expected = runs_oracle.repeated(documents, min_length)
    for dtype, shift in ((np.uint32, 0), (np.uint64, 40), (np.uint32, 8)):
        wide = [[unit << shift for unit in document] for document in documents]
        cuts = [len(documents) // 2]
        assert runs_oracle.expanded(found(wide, min_length, cuts, ranges, dtype=dtype)) == expected


@pytest.mark.parametrize("size", [1, 7, 8, 9, 63, 64, 65, 70, 200])
def test_windows_that_differ_in_one_byte_only(size):
    base = bytes(range(33, 33 + 90)) * 3
    documents = [base[:size]]
    for place in range(size):
        other = bytearray(base[:size])
        other[place] ^= 128
        documents += [bytes(other)] * (1 + place % 2)
    expected = runs_oracle.repeated(documents, size)
    assert len(expected) == 2 * (size // 2)
    for cuts, ranges in (((), 1), ((1, 5, len(documents) // 2), 4)):
        cuts = [min(cut, len(documents)) for cut in cuts]
        assert runs_oracle.expanded(found(documents, size, cuts, ranges)) == expected


def test_repeats_longer_than_a_part_and_thousands_of_equal_documents():
    text = b"".join(b"%d bottles of beer, " % number for number in range(20))
    expected = [(number, 0, len(text) - 49, 0, 0, len(text) - 49) for number in range(1000)]
    cuts = [1, 2, 3, 500, 501]
    assert found([text] * 1000, 50, cuts, 7) == found([text] * 1000, 50, cuts, 7, held=64) == expected


def test_equal_text_is_one_run():
    assert found([b"a" * 20_000, b"a" * 60], 50, [1], 3) == [(0, 0, 19_951, 0, 0, 1), (1, 0, 11, 0, 0, 1)]
    assert found([b"a" * 20_000, b"a" * 60], 50, [1], 3, held=100) == [(0, 0, 19_951, 0, 0, 1), (1, 0, 11, 0, 0, 1)]
    assert found([b"abc" * 5000], 50) == [(0, 0, 14_951, 0, 0, 3)]
    assert found([bytes(range(256)) * 4], 50)[0] == (0, 0, 256, 0, 0, 256)


def test_text_with_planted_repeats_in_parts():
    random = np.random.default_rng(1)
    text = random.integers(97, 105, 40_000).astype(np.uint8).tobytes()
    documents = [text[start : start + size] for start, size in random.integers(0, 3000, (60, 2)).tolist()]
    for min_length in (50, 100, 400):
        expected = runs_oracle.repeated(documents, min_length)
        assert runs_oracle.expanded(found(documents, min_length, [7, 20, 41], 5)) == expected


def test_degenerate_sizes():
    assert found([], 5) == found([b""], 1) == found([b"abc", b""], 4, [1], 2) == found([b"abcd"], 4) == []
    assert found([b"a", b"", b"a"], 1, [1, 1, 2], 3) == [(0, 0, 1, 0, 0, 1), (2, 0, 1, 0, 0, 1)]


def test_splitters_divide_evenly_and_are_windows():
    samples = [b"%03d" % number for number in range(100)]
    assert suffix_parts.splitters(samples[::-1], 4) == [b"025", b"050", b"075"]
    assert suffix_parts.splitters([b"aa"] * 50, 4) == [b"aa"]
    assert suffix_parts.splitters([], 4) == suffix_parts.splitters(samples, 1) == []


def test_what_cannot_be_is_refused():
    text = np.zeros(6, np.uint8)
    with pytest.raises(ValueError, match="no whole units"):
        suffix_parts.ordered(text, np.array([6]), 6, 4)
    with pytest.raises(ValueError, match="ends must"):
        suffix_parts.ordered(text, np.array([4]), 2)
    with pytest.raises(ValueError, match="2,147,483,648 bytes are too many"):
        suffix_parts.ordered(np.broadcast_to(np.uint8(0), 1 << 31), np.array([1 << 31]), 2)
