"""Words, index and scanner against Python tuples of words."""

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pytest
from grams_oracle import grams_of, held, passages, size_of, split
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.contamination import decontaminate, index, scanner
from corpus.contamination.items import Item

FAST = settings(deadline=None, max_examples=150)


def expected(documents, items, ngram, min_words):
    """Rows of `SPAN_SCHEMA`, as far as `of_words`."""
    texts = [(number, text) for number, item in enumerate(items) for text in item.texts]
    rows = []
    for row, document in enumerate(documents):
        sequence = split(document or "")
        units = [unit for unit, _, _ in sequence]
        for number, item in enumerate(items):
            grams = grams_of(item.texts, ngram, min_words)
            held_ = held(document or "", grams)
            for each, (owner, text) in enumerate(texts):
                if owner != number:
                    continue
                item, times = [unit for unit, _, _ in split(text)], size_of(split(text), 1)
                for first, after, place in passages(units, item, times * ngram, times * min_words):
                    start, end = sequence[first][1], sequence[after - 1][2]
                    share = len(held_) / len(grams)
                    rows.append(((row, number, start, each), (row, start, end, after - first, number, len(held_), share,
                                                              each, place, 0, len(units))))  # fmt: skip
    return [values for _, values in sorted(rows)]


def found(documents, items, ngram, min_words, type=pa.string(), skips=0):
    spans = scanner.Scanner(index.build(items, ngram, min_words), skips).scan(pa.array(documents, type))
    assert spans.schema == scanner.SPAN_SCHEMA
    for row in spans.to_pylist():  # what is cut with a passage
        text = documents[row["row"]]
        if len(text) > 10_000:  # slow here
            continue
        before, after = row["cut_start_character"], row["cut_end_character"]
        passage = text[before:after].encode()
        start, end = (len(text.encode()[: row[name]].decode()) for name in ("start", "end"))
        assert (before, after) == (max(0, start - 200), min(len(text), end + 200))
        assert passage == text.encode()[row["cut_start"] : row["cut_end"]]
        assert (row["of_bytes"], row["of_characters"]) == (len(text.encode()), len(text))
    return [tuple(row.values())[:11] for row in spans.to_pylist()]


def plain(*arguments):
    """Rows without what is behind `covered`."""
    return [row[:7] for row in found(*arguments)]


def named(*texts):
    return [Item(f"f:{i}", t if isinstance(t, tuple) else (t,)) for i, t in enumerate(texts)]


WORDS_OF_SCRIPTS = [
    "a",
    "b",
    "A",
    "é",
    "e\u0301",
    "漢字",
    "𝟙",
    "9",
    "कि",
    "की",
    "ß",
    "ss",
    "عَر",
    "ไทย",
    "か\u3099",
    "が",
]
tokens = st.lists(st.sampled_from(WORDS_OF_SCRIPTS), max_size=14)
gaps = st.sampled_from([" ", ", ", "-", "\n", " - ", "_", "😀"])
prose = st.builds(lambda parts, gap: gap.join(parts), tokens, gaps)


@FAST
@given(
    st.lists(st.none() | prose, max_size=4),
    st.lists(st.lists(prose, max_size=2).map(tuple), max_size=4),
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from([pa.string(), pa.large_string()]),
)
def test_spans_equal_brute_force(documents, texts, min_words, longer, type):
    items = named(*texts)
    rows = found(documents, items, min_words + longer, min_words, type)
    assert rows == expected(documents, items, min_words + longer, min_words)


@FAST
@given(
    st.lists(prose, max_size=3),
    st.lists(st.lists(prose, max_size=2).map(tuple), max_size=3),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_spans_that_skip_are_what_they_say(documents, texts, size, skips):
    """What they cover is in test_rules.py, by brute force."""
    items = named(*texts)
    flat = [text for item in items for text in item.texts]
    grams = {number: set() for number in range(len(flat))}
    for _, _, _, words, _, _, _, text, first, skipped, _, left in with_units(documents, items, size, skips):
        right = [unit for unit, _, _ in split(flat[text])][first : first + words]
        least = size_of(split(flat[text]), size)
        assert len(left) == len(right) == words and left[:least] == right[:least] and left[-1] == right[-1]
        assert sum(a != b for a, b in zip(left, right)) == skipped <= skips
        grams[text] |= {tuple(left[i : i + least]) for i in range(words - least + 1)}
    for number, text in enumerate(flat):
        assert grams[number] >= {gram for each in documents for gram in held(each, grams_of((text,), size, size))}


def with_units(documents, items, size, skips):
    """Rows of `found`, each with the units of its passage in the document behind it."""
    for row in found(documents, items, size, size, skips=skips):
        _, start, end, *_ = row[:3]
        units = split(documents[row[0]])
        yield *row, [unit for unit, begin, after in units if start <= begin and after <= end]


@FAST
@given(st.lists(prose, max_size=4), st.lists(prose, max_size=4), st.integers(1, 3))
def test_every_gram_that_a_document_has_is_counted_in_it(documents, texts, ngram):
    built = index.build(named(*texts), ngram, ngram)
    scan = scanner.Scanner(built)
    for each in documents:  # batches of one
        scan.scan(pa.array([each]))
    grams = [(gram, split_at(built, gram)) for gram in range(len(built.hash))]
    assert scan.documents.tolist() == [sum(bool(held(d, {units})) for d in documents) for _, units in grams]


def split_at(built, gram):
    """The units of a gram of an index."""
    unit = built.postings[built.posting_offsets[gram]]
    begin, end = built.unit_at[unit], built.unit_at[unit + built.size[gram]]
    return tuple(built.text[begin:end].tobytes().decode().split(" ")[:-1])


def test_equal_hashes_are_told_apart_by_words(monkeypatch):
    """Grams forced to one hash neither merge nor match one another."""
    built = index.build(named("a b c", "d e f"), 3, 3)
    hash = np.full(2, built.hash[0])
    buckets = np.searchsorted(hash >> np.uint64(63), np.arange(3)).astype(np.int32)
    changes = {"hash": hash, "filter": np.full(1, 2**64 - 1, np.uint64), "buckets": buckets}
    same = dataclasses.replace(built, **changes)
    sentence = {0: "a b c", 1: "d e f"}
    matched = next(i for i in (0, 1) if index.build(named(sentence[i]), 3, 3).hash[0] == built.hash[0])
    spans = scanner.scan(pa.array([sentence[0], sentence[1]]), same)
    assert spans["row"].to_pylist() == spans["item"].to_pylist() == [matched]


LONG = "The quick brown fox jumps over the lazy dog and then sleeps all day under a tree"


def test_case_punctuation_and_lone_dashes_do_not_hide_a_match():
    document = "xx THE quick, brown - fox (jumps) over -- the lazy dog & then! and then sleeps all day"
    assert document[3:54] == "THE quick, brown - fox (jumps) over -- the lazy dog"
    assert plain([document], named(LONG), 9, 8) == [(0, 3, 54, 9, 0, 1, 1 / 9)]


def test_length_rule():
    eight = "one two three four five six seven eight"
    items = named(eight, "one two three four five six seven", " ".join("abcdefghijklm"), "")
    built = index.build(items)
    assert sorted(built.size.tolist()) == [8, 13]
    assert built.not_checkable == ["f:1", "f:3"]
    assert plain(["Zero " + eight + " nine"], items, 13, 8) == [(0, 5, 5 + len(eight), 8, 0, 1, 1.0)]
    assert plain(["one two three four five six seven nine"], items, 13, 8) == []
    assert plain([" ".join("abcdefghijkl")], items, 13, 8) == []  # 12 of 13 words


def test_grams_do_not_cross_texts():
    assert plain(["a b c d"], named(("a b", "c d")), 3, 3) == []


def test_no_space_text():
    chinese = "他说,今天天气很好。我们去公园,好吗?当然可以。"
    items = named(chinese)
    assert index.build(items).size.tolist() == [19]  # fewer than 26 characters: looked for whole
    end = 9 + len(chinese.encode()) - 3  # the item without its last stop
    assert plain(["前文。" + chinese.replace("。", "！") + "后文"], items, 13, 8) == [(0, 9, end, 19, 0, 1, 1.0)]
    assert plain(["Ask " + chinese + " of people"], items, 4, 4) == [
        (0, 4, 4 + len(chinese.encode()) - 3, 19, 0, 12, 1.0)
    ]
    assert index.build(named("他说今天天气很好我们去公园好吗")).not_checkable == ["f:0"]  # 15 of 16


def test_the_beginning_of_a_gram_at_the_beginning_of_a_document_is_no_match():
    """Grams are looked up by fewer units than they have."""
    chinese = "土星最大的卫星叫什么名字它是由哪一位天文学家在哪一年首先发现的请选择正确的答案"
    for units in (13, 20, 25):
        assert plain([chinese[:units], chinese[:13] + "一" * 20], named(chinese), 13, 8) == []
    assert [row[:4] for row in plain([chinese[:26]], named(chinese), 13, 8)] == [(0, 0, 78, 26)]


def test_two_copies_are_two_spans_of_one_share():
    rows = plain(["a b c x a b c"], named("a b c d"), 3, 3)
    assert rows == [(0, 0, 5, 3, 0, 1, 0.5), (0, 8, 13, 3, 0, 1, 0.5)]


@pytest.mark.parametrize("documents", [[], [""], [None], ["a"], ["-"], ["é"]])
def test_degenerate_documents_and_items(documents):
    assert plain(documents, named("a b c"), 3, 3) == []
    assert plain(documents, [], 3, 3) == []
    assert plain(documents, named(("",), ()), 3, 3) == []


def test_equal_words_and_a_big_document():
    rows = plain(["a " * 500_000], named("a " * 100, "a " * 9), 13, 8)
    assert rows[0] == (0, 0, 199, 100, 0, 1, 1.0) and rows[-1] == (0, 999_982, 999_999, 9, 1, 1, 1.0)
    for item in (0, 1):
        ends = [row[1:3] for row in rows if row[4] == item]
        assert all(left[1] + 1 >= right[0] for left, right in itertools.pairwise(ends)) and len(ends) <= 500_000


def test_slices_are_respected():
    text = pa.array(["a b c", "zz a b c", "a b c"]).slice(1, 1)
    built = index.build(named("a b c"), 3, 3)
    assert scanner.scan(text, built).select(["row", "start", "end"]).to_pylist() == [{"row": 0, "start": 3, "end": 8}]


def test_real_evaluation_items_are_found_in_themselves(real_data):
    step = decontaminate.Decontaminate((str(real_data / "eval" / "*.jsonl"),))
    built = step.index()
    checkable = np.flatnonzero(built.grams)[::7]
    texts = [built.items[i].texts[0].replace(" ", " - ") for i in checkable]
    spans = scanner.scan(pa.array([f"Before it. {t} After it." for t in texts]), built)
    whole = {(s["row"], s["item"]) for s in spans.to_pylist() if s["covered"] == 1.0}
    assert len(built.items) == 5845 and len(checkable) > 700
    assert all(pair in whole for pair in enumerate(checkable))
