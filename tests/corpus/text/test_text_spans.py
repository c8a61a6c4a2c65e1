"""Lines, stripping, words, lower case and UTF-8 stepping against Python's `str`."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import arrow, lowering, select, spans, unicode, utf8

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

SPECIAL = "ab .\n\r\v\f\t\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000é中😀\0"
TEXT = st.text(ASSIGNED) | st.text(st.sampled_from(SPECIAL), max_size=30)


def encode(text):
    return np.frombuffer(text.encode(), np.uint8)


def test_white_space_and_line_ends_are_those_of_the_tables():
    classes = unicode.class_table()
    for code_point in range(unicode.CODE_POINTS):
        if 0xD800 <= code_point < 0xE000:
            continue
        data = encode(chr(code_point))
        bits = classes[code_point]
        assert (spans.space_length(data, 0, len(data)) > 0) == bool(bits & unicode.SPACE)
        assert (spans.line_end_length(data, 0, len(data)) > 0) == bool(bits & unicode.LINE_END)


@given(TEXT)
@settings(deadline=None)
def test_words_and_strip(text):
    data = encode(text)
    words = text.split()
    assert spans.count_words(data, 0, len(data)) == len(words)
    assert spans.count_words(data, 0, len(data), 2) == min(2, len(words))
    longest = max(map(len, words), default=0)
    assert spans.longest_word(data, 0, len(data)) == longest
    for limit in range(longest + 2):
        assert spans.has_longer_word(data, 0, len(data), limit) == (longest > limit)
    start, end = spans.strip(data, 0, len(data))
    assert bytes(data[start:end]).decode() == text.strip()


@given(st.lists(TEXT, max_size=5), st.booleans())
@settings(deadline=None)
def test_lines(texts, newline_only):
    data, offsets = arrow.buffers(pa.array(["skipped\nentry", *texts])[1:])
    starts, ends, first = spans.lines(data, offsets, newline_only)
    got = [bytes(data[a:b]).decode() for a, b in zip(starts, ends)]
    expected = [text.split("\n") if newline_only else text.splitlines() for text in texts]
    assert got == [line for lines in expected for line in lines]
    assert list(np.diff(first)) == [len(lines) for lines in expected]


@given(st.lists(TEXT, max_size=5), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_keep_lines(texts, random):
    data, offsets = arrow.buffers(pa.array(texts, pa.string()))
    starts, ends, first = spans.lines(data, offsets)
    keep = np.array([random.random() < 0.5 for _ in starts], bool)
    got = arrow.string_array(*select.keep_lines(data, starts, ends, first, keep)).to_pylist()
    kept = iter(keep)
    assert got == ["\n".join(x for x in text.splitlines() if next(kept)) for text in texts]


@given(TEXT | st.text(st.sampled_from("aΣσς.Ἀ\u0301:'\u00ad \u0130IKȺ😀Ⅷ𐐀")))
@settings(deadline=None)
def test_lower(text):
    data = encode(text)
    out = np.empty(int(lowering.GREATEST_GROWTH * len(data)) + 1, np.uint8)
    tables = unicode.lower_table(), unicode.case_table()
    length = lowering.lower(data, 0, len(data), *tables, out)
    assert bytes(out[:length]).decode() == text.lower()


@given(st.text(ASSIGNED))
@settings(deadline=None)
def test_utf8(text):
    data = encode(text)
    out = np.empty(len(data), np.uint8)
    position = 0
    for character in text:
        code_point, width = utf8.decode(data, position)
        assert code_point == ord(character) and width == utf8.width(data[position])
        assert utf8.encode(code_point, out, position) == position + width
        assert utf8.previous(data, position + width) == position
        position += width
    assert (out == data).all() and utf8.characters(data, 0, len(data)) == len(text)


@pytest.mark.parametrize("character", ["a", "\n", " ", "\u3000", "😀"])
def test_a_big_text_of_one_character(character):
    text = character * 1_000_000
    data = encode(text)
    assert spans.count_words(data, 0, len(data)) == len(text.split())
    start, end = spans.strip(data, 0, len(data))
    assert end - start == len(text.strip().encode())
    starts, _, _ = spans.lines(data, np.array([0, len(data)]))
    assert len(starts) == len(text.splitlines())
