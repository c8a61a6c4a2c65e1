"""Snapping, merging and cutting against Python slices."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windows_oracle import snapped

from corpus.text import ranges

FAST = settings(deadline=None, max_examples=150)
TYPES = [pa.string(), pa.large_string()]
texts = st.lists(st.none() | st.text("ab \né漢😀。\u0301", max_size=12), min_size=1, max_size=6)
columns = st.builds(
    lambda values, before, after, type: pa.array(["é"] * before + values + ["x"] * after, type).slice(
        before, len(values)
    ),
    texts,
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(TYPES),
)


def content(text):
    return [(value or "").encode() for value in text.to_pylist()]


@st.composite
def columns_with_ranges(draw):
    text = draw(columns)
    values = content(text)
    rows, positions = st.integers(0, len(values) - 1), st.integers(0, 40)
    triples = []
    for row, a, b in draw(st.lists(st.tuples(rows, positions, positions), max_size=8)):
        a, b = sorted((min(a, len(values[row])), min(b, len(values[row]))))
        triples.append((row, a, b))
    return text, np.array(triples, np.int64).reshape(-1, 3).T


def removed(triples, rows):
    """For each row the set of its bytes in some range."""
    sets = [set() for _ in range(rows)]
    for row, start, end in zip(*triples):
        sets[row].update(range(start, end))
    return sets


@FAST
@given(columns_with_ranges())
def test_cut_equals_slicing(case):
    text, triples = case
    triples = np.array(ranges.snap(text, *triples))
    result = ranges.cut(text, *triples)
    result.validate(full=True)
    gone = removed(triples, len(text))
    kept = [bytes(b for i, b in enumerate(v) if i not in g) for v, g in zip(content(text), gone)]
    assert result.type == text.type
    assert content(result) == kept
    assert result.is_null().to_pylist() == text.is_null().to_pylist()
    assert ranges.total_bytes(*triples) == sum(map(len, gone))


@FAST
@given(columns_with_ranges())
def test_merge_is_the_union(case):
    text, triples = case
    row, start, end = ranges.merge(*triples)
    assert removed((row, start, end), len(text)) == removed(triples, len(text))
    assert (start < end).all()
    same = row[1:] == row[:-1]
    assert (row[1:] >= row[:-1]).all() and (start[1:][same] > end[:-1][same]).all()


@FAST
@given(columns_with_ranges(), st.sampled_from(["character", "word", "line"]))
def test_snap_takes_the_outermost_boundaries_inside(case, to):
    text, triples = case
    values = content(text)
    found = ((row, snapped(values[row], start, end, to)) for row, start, end in zip(*triples))
    expected = [(row, *bounds) for row, bounds in found if bounds]
    assert list(zip(*ranges.snap(text, *triples, to))) == expected


def test_snap_by_example():
    text = pa.array(["one two\nthree", "é漢😀"])
    row, start, end = np.array([0, 1, 1]), np.array([1, 1, 1]), np.array([13, 8, 4])
    assert [x.tolist() for x in ranges.snap(text, row, start, end)] == [[0, 1], [1, 2], [13, 5]]
    assert [x.tolist() for x in ranges.snap(text, row, start, end, "word")] == [[0], [4], [13]]
    assert [x.tolist() for x in ranges.snap(text, row, start, end, "line")] == [[0], [8], [13]]


def snapped_texts(text, triples, to):
    found = ranges.snap(text, *zip(*triples), to)
    return [(row, text[int(row)].as_py().encode()[start:end].decode()) for row, start, end in zip(*found)]


def test_words_end_with_white_space_or_a_stop_of_full_width():
    text = pa.array(["ab\u2003cd\u00a0ef", "漢字，漢字。「漢」！ｶﾅ､ｶ", "漢字漢字"])
    last = len(text[1].as_py().encode()) - 1
    assert snapped_texts(text, [(0, 1, 10), (1, 1, last), (2, 1, 11)], "word") == [
        (0, "cd\u00a0"),
        (1, "漢字。「漢」！ｶﾅ､"),
    ]


def test_sentences_are_cut_with_the_space_that_follows():
    text = pa.array(["The cat. Mr. Smith came. He sat. Then he\n  left. Ok", "", "One two. Three four."])
    triples = [(0, 1, 36), (0, 20, 45), (0, 33, 51), (2, 0, 20), (2, 1, 9)]
    assert snapped_texts(text, triples, "sentence") == [
        (0, "Mr. Smith came. He sat. "),
        (0, "He sat. Then he\n  "),
        (0, "Then he\n  left. Ok"),
        (2, "One two. Three four."),
    ]


@FAST
@given(columns_with_ranges(), st.sampled_from([b"", b"\n", b"ab"]))
def test_cut_leaves_the_separator_between_what_is_left(case, separator):
    text, triples = case
    row, start, end = ranges.merge(*ranges.snap(text, *triples))
    expected = []
    for number, value in enumerate(content(text)):
        found, at = b"", 0
        for low, high in zip(start[row == number], end[row == number]):
            found += value[at:low]
            inside = low > 0 and high < len(value)
            found, at = found + (separator if inside and not found.endswith(separator) else b""), high
        expected.append(found + value[at:])
    assert content(ranges.cut(text, row, start, end, separator)) == expected


def test_cut_refuses_half_characters_and_ranges_outside():
    text = pa.array(["aé"])
    for row, start, end in [(0, 0, 2), (0, 2, 3), (0, 0, 4), (1, 0, 0), (-1, 0, 0), (0, 1, 0)]:
        with pytest.raises(ValueError, match="lie outside the text or split"):
            ranges.cut(text, [row], [start], [end])
    assert ranges.cut(text, [0], [1], [3]).to_pylist() == ["a"]


def test_snap_refuses_unknown_boundary_and_ranges_outside():
    with pytest.raises(ValueError, match="character, word, sentence, line"):
        ranges.snap(pa.array(["a"]), [0], [0], [1], "page")
    with pytest.raises(ValueError, match="outside"):
        ranges.snap(pa.array(["a"]), [0], [0], [2])


@pytest.mark.parametrize("type", TYPES)
def test_degenerate_columns(type):
    empty = pa.array([], type)
    assert ranges.cut(empty, [], [], []).equals(empty)
    assert ranges.cut(pa.array([""], type), [0], [0], [0]).to_pylist() == [""]
    assert ranges.cut(pa.array(["ab"], type), [0], [0], [2]).to_pylist() == [""]
    assert ranges.merge([], [], [])[0].dtype == np.int64
    assert ranges.total_bytes([0, 0], [0, 1], [2, 5]) == 5


def test_cut_a_big_document():
    text = pa.array(["x", "ab" * 5_000_000, "y"])
    result = ranges.cut(text, [1], [2], [10_000_000])
    assert result.to_pylist() == ["x", "ab", "y"]
