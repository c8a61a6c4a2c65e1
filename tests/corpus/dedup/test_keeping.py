"""Which windows are cut, against a brute force that goes through the corpus unit by unit; and what is promised."""

import numpy as np
import pytest
import runs_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import keeping, runs, windows
from corpus.documents import address

FAST = settings(deadline=None, max_examples=200)


def runs_of(documents, min_length, min_count=2):
    units = np.frombuffer(b"".join(documents), np.uint8)
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    pieces = windows.find_runs(units, offsets, np.arange(len(documents)), min_length, min_count)
    return runs.maximal(pieces)


def plain(documents, min_length, min_count=2):
    """The same runs from the brute force, without periods."""
    tuples = runs_oracle.plain_runs(runs_oracle.repeated(documents, min_length, min_count))
    return tuple(np.array(column, np.int64) for column in zip(*tuples)) or (np.empty(0, np.int64),) * 6


def kept_first(documents, columns, min_length, min_remaining=0, parts=1):
    """(cuts, documents that go), as lists of tuples, the runs in so many parts."""
    keeper = keeping.KeepFirst(min_length, min_remaining, *keeping.classes_in(columns))
    sizes = np.array([len(document) for document in documents], np.int64)
    cuts, gone = [], []
    bounds = [len(documents) * part // parts for part in range(parts + 1)]
    for low, high in zip(bounds, bounds[1:]):
        here = (columns[0] >= low) & (columns[0] < high)
        part = tuple(np.ascontiguousarray(column[here]) for column in columns)
        found = keeper.part(part, sizes[np.unique(part[0])])
        cuts += zip(*(column.tolist() for column in found[:4]))
        gone += zip(*(column.tolist() for column in found[4:]))
    return cuts, gone


pieces = st.sampled_from([b"a" * 9, b"ab" * 6, b"abcdefgh", b"x", b"efghijkl", b"abcabc", b"", b"yz", b"ijklabcd"])
documents_of = {
    "two letters": st.lists(st.text("ab", max_size=40).map(str.encode), max_size=8),
    "three letters": st.lists(st.text("abc", max_size=30).map(str.encode), max_size=8),
    "planted": st.lists(st.lists(pieces, max_size=8).map(b"".join), max_size=8),
}


@pytest.mark.parametrize("kind", documents_of)
def test_keep_first_equals_going_through_the_corpus(kind):
    @FAST
    @given(documents_of[kind], st.integers(1, 9), st.integers(2, 3), st.integers(0, 12), st.integers(1, 3))
    def check(documents, min_length, min_count, min_remaining, parts):
        cut, expected_gone = runs_oracle.keep_first(documents, min_length, min_count, min_remaining)
        expected = []
        for number in range(len(documents)):
            if number not in expected_gone:
                starts = [start for document, start in cut if document == number]
                ranges = runs_oracle.ranges(starts, min_length)
                expected += [(number, start, end, cut[number, start]) for start, end in ranges]
        for columns in (runs_of(documents, min_length, min_count), plain(documents, min_length, min_count)):
            cuts, gone = kept_first(documents, columns, min_length, min_remaining, parts)
            assert cuts == expected
            assert [each[0] for each in gone] == expected_gone
        for number, left, by in gone:
            starts = [start for document, start in cut if document == number]
            assert left == sum(map(len, runs_oracle.left(documents[number], starts, min_length)))
            assert by == cut[number, runs_oracle.ranges(starts, min_length)[-1][0]]

    check()


@FAST
@given(
    documents_of["planted"], st.integers(1, 9), st.integers(2, 3), st.integers(0, 12), st.integers(0, 8), st.booleans()
)
def test_another_corpus_comes_first_and_stays(documents, min_length, min_count, min_remaining, known, own):
    known = min(known, len(documents))
    columns = runs_of(documents, min_length, min_count)
    columns = (columns[0] - known, *columns[1:3], columns[3] - known, *columns[4:])
    sizes = np.array([len(documents[number + known]) for number in np.unique(columns[0])], np.int64)
    keeper = keeping.KeepFirst(min_length, min_remaining, *keeping.classes_in(columns), own=own)
    none = keeping.keep_none(columns, sizes, min_length, min_remaining, own)
    first = runs_oracle.keep_first(documents, min_length, min_count, min_remaining, known, own)
    often = runs_oracle.repeated(documents, min_length, min_count)
    every = {place: by for place, (by, _) in often.items() if place[0] >= known and (own or by < known)}
    for found, (cut, gone) in ((keeper.part(columns, sizes), first), (none, (every, None))):
        expected, expected_gone = [], []
        for number, document in enumerate(documents):
            starts = [start for at, start in cut if at == number]
            left = sum(map(len, runs_oracle.left(document, starts, min_length)))
            if starts and left < min_remaining:
                expected_gone.append(number - known)
                continue
            expected += [
                (number - known, start, end, cut[number, start] - known)
                for start, end in runs_oracle.ranges(starts, min_length)
            ]
        assert list(zip(*(column.tolist() for column in found[:4]))) == expected
        assert found.gone.tolist() == expected_gone
        assert gone is None or [number - known for number in gone] == expected_gone


@pytest.mark.parametrize("kind", documents_of)
def test_the_most_frequent_passages(kind):
    @FAST
    @given(documents_of[kind], st.integers(1, 9), st.integers(1, 3), st.integers(1, 4))
    def check(documents, min_length, parts, most):
        columns = runs_of(documents, min_length)
        classes, stretches = keeping.classes_in(columns)
        times = np.zeros(classes + 1, np.int32)
        keeper = keeping.KeepFirst(min_length, 0, classes, stretches, times=times)
        bounds = [len(documents) * part // parts for part in range(parts + 1)]
        for low, high in zip(bounds, bounds[1:]):
            here = (columns[0] >= low) & (columns[0] < high)
            keeper.count(tuple(np.ascontiguousarray(column[here]) for column in columns))
        often = runs_oracle.repeated(documents, min_length)
        places = {}
        for first in often.values():
            places[first] = places.get(first, 0) + 1
        firsts, expected = sorted(places), []
        stretch = {}
        for first in firsts:
            before = (first[0], first[1] - 1)
            stretch[first] = stretch[before] if before in stretch else first
        for begin in sorted(set(stretch.values())):
            here = [first for first in firsts if stretch[first] == begin]
            top = max(places[first] for first in here)
            peak = next(first for first in here if places[first] == top)
            size = 1
            while places.get((peak[0], peak[1] + size)) == top:
                size += 1
            expected.append((top, *peak, size, firsts.index(peak)))
        expected.sort(key=lambda each: -each[0])
        assert list(map(tuple, keeper.most_frequent(most))) == expected[:most]

    check()


@pytest.mark.parametrize("kind", documents_of)
def test_what_is_cut_stands_and_nothing_stands_twice(kind):
    """The promise, held to what is left alone."""

    @FAST
    @given(documents_of[kind], st.integers(1, 9), st.integers(0, 12))
    def check(documents, min_length, min_remaining):
        cuts, gone = kept_first(documents, runs_of(documents, min_length), min_length, min_remaining)
        gone = {each[0] for each in gone}
        cut_units = {(number, at) for number, start, end, _ in cuts for at in range(start, end)}
        standing = {}
        for number, document in enumerate(documents):
            for start in range(len(document) - min_length + 1) if number not in gone else ():
                if not any((number, start + k) in cut_units for k in range(min_length)):
                    standing.setdefault(document[start : start + min_length], []).append((number, start))
        for number, start, end, by in cuts:
            for at in range(start, end):  # each unit is in a window that stands elsewhere
                around = range(max(start, at - min_length + 1), min(at, end - min_length) + 1)
                assert any(documents[number][w : w + min_length] in standing for w in around)
            places = standing[documents[number][start : start + min_length]]
            assert by <= number and any(each[0] == by for each in places)
        for places in standing.values():
            for (number, start), (other, later) in zip(places, places[1:]):
                assert number == other and later < start + min_length

    check()


@FAST
@given(documents_of["planted"], st.integers(1, 9), st.integers(2, 3), st.integers(0, 12))
def test_keep_none_leaves_no_repeated_window(documents, min_length, min_count, min_remaining):
    columns = runs_of(documents, min_length, min_count)
    sizes = np.array([len(documents[number]) for number in np.unique(columns[0])], np.int64)
    cuts = keeping.keep_none(columns, sizes, min_length, min_remaining)
    often = runs_oracle.repeated(documents, min_length, min_count)
    expected, expected_gone = [], []
    for number, document in enumerate(documents):
        starts = [start for other, start in often if other == number]
        left = sum(map(len, runs_oracle.left(document, starts, min_length)))
        if starts and left < min_remaining:
            expected_gone.append((number, left))
        else:
            ranges = runs_oracle.ranges(starts, min_length)
            expected += [(number, start, end, often[number, start][0]) for start, end in ranges]
    assert list(zip(*(column.tolist() for column in cuts[:4]))) == expected
    assert list(zip(*(column.tolist() for column in cuts[4:6]))) == expected_gone


def test_the_first_copy_is_not_cut_for_another_reason():
    """In the second document the passage is damaged by a cut, so that its copy in the third stays."""
    first, passage = b"0123456789", b"56789abcde"
    documents = [first, b"01234" + passage, b"x" + passage + b"y", b"z" + passage]
    cuts, gone = kept_first(documents, runs_of(documents, 10), 10)
    assert cuts == [(1, 0, 10, 0), (3, 1, 11, 2)] and not gone


def test_a_document_that_goes_keeps_nothing():
    documents = [b"0123456789", b"0123456789abcdefghij", b"-abcdefghij-", b"abcdefghij"]
    cuts, gone = kept_first(documents, runs_of(documents, 10), 10, min_remaining=11)
    assert cuts == [] and gone == [(1, 10, 0), (3, 0, 2)]
    assert kept_first(documents, runs_of(documents, 10), 10, min_remaining=1) == (
        [(1, 0, 10, 0), (2, 1, 11, 1)],
        [(3, 0, 1)],
    )


def test_equal_units_keep_their_first_window():
    for size, expected in ((50, [(0, 10, 50, 0)]), (20, [(0, 10, 20, 0)]), (19, [])):
        assert kept_first([b"a" * size], runs_of([b"a" * size], 10), 10)[0] == expected
    assert kept_first([b"a" * 10, b"a" * 10], runs_of([b"a" * 10, b"a" * 10], 10), 10)[0] == [(1, 0, 10, 0)]


def test_documents_in_several_shards():
    addresses = np.concatenate([address(0, np.arange(1)), address(3, np.arange(5, 6))])
    units = np.frombuffer(b"abcdef" * 2, np.uint8)
    columns = runs.maximal(windows.find_runs(units, np.array([0, 6, 12]), addresses, 6))
    table = runs.table_of(*columns)
    assert table.to_pylist()[1] == {
        "shard": 3, "row": 5, "start": 0, "length": 1, "first_shard": 0, "first_row": 0, "first_start": 0, "period": 1,
    }  # fmt: skip
    again = runs.columns_of(table)
    assert all((one == other).all() for one, other in zip(columns, again))
    keeper = keeping.KeepFirst(6, 0, *keeping.classes_in(again))
    found = keeper.part(again, np.array([6, 6]))
    assert (found.address.tolist(), found.by.tolist()) == ([addresses[1]], [addresses[0]])
