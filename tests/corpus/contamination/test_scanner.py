"""Words, index and scanner against Python tuples of words."""

import numpy as np
import pyarrow as pa
import pytest
from grams_oracle import grams_of, split
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.contamination import decontaminate, index, scanner, words

FAST = settings(deadline=None, max_examples=150)


def expected(documents, items, ngram, min_words):
    """Rows of `SPAN_SCHEMA`."""
    rows = []
    for row, document in enumerate(documents):
        sequence = split(document or "")
        for number, item in enumerate(items):
            grams = grams_of(item.texts, ngram, min_words)
            held, inside, spans = set(), set(), []
            for size in {len(g) for g in grams}:
                for i in range(len(sequence) - size + 1):
                    gram = tuple(word for word, _, _ in sequence[i : i + size])
                    if gram in grams:
                        held.add(gram)
                        inside.add((i, i + size))
            for first, after in sorted(inside):
                if spans and first <= spans[-1][1]:
                    spans[-1][1] = max(spans[-1][1], after)
                else:
                    spans.append([first, after])
            for first, after in spans:
                start, end = sequence[first][1], sequence[after - 1][2]
                found = len(held)
                rows.append((row, start, end, after - first, number, found, found / len(grams)))
    return rows


def found(documents, items, ngram, min_words, type=pa.string()):
    spans = scanner.scan(pa.array(documents, type), index.build(items, ngram, min_words))
    assert spans.schema == scanner.SPAN_SCHEMA
    return [tuple(row.values()) for row in spans.to_pylist()]


def named(*texts):
    return [index.Item(f"f:{i}", t if isinstance(t, tuple) else (t,)) for i, t in enumerate(texts)]


tokens = st.lists(st.sampled_from(["a", "b", "A", "é", "漢字", "𝟙", "9"]), max_size=14)
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
    assert found(documents, items, min_words + longer, min_words, type) == expected(
        documents, items, min_words + longer, min_words
    )


@FAST
@given(st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=("Cs", "Cn")), max_size=30))
def test_split_of_any_text(text):
    data = np.frombuffer(text.encode(), np.uint8)
    room = words.room(len(data))
    count = words.split(data, 0, len(data), words.word_table(), room)
    normal = "".join(word + " " for word in bytes(room.text[: room.at[count]]).decode().split(" ")[:-1])
    special = str.maketrans({"İ": "i"})  # the one code point whose lower case is two
    python = split(text.translate(special))
    assert normal == "".join(word + " " for word, _, _ in python)
    assert count == len(python) and room.source[:count].tolist() == [s for _, s, _ in split(text)]


def test_equal_hashes_are_told_apart_by_words(monkeypatch):
    """Grams forced to one hash neither merge nor match one another."""
    built = index.build(named("a b c", "d e f"), 3, 3)
    hash = np.full(2, built.hash[0])
    same = index.Index(**{**built.__dict__, "hash": hash, "filter": np.full(1, 2**64 - 1, np.uint64)})
    sentence = {0: "a b c", 1: "d e f"}
    matched = next(i for i in (0, 1) if index.build(named(sentence[i]), 3, 3).hash[0] == built.hash[0])
    spans = scanner.scan(pa.array([sentence[0], sentence[1]]), same)
    assert spans["row"].to_pylist() == spans["item"].to_pylist() == [matched]


LONG = "The quick brown fox jumps over the lazy dog and then sleeps all day under a tree"


def test_case_punctuation_and_lone_dashes_do_not_hide_a_match():
    document = "xx THE quick, brown - fox (jumps) over -- the lazy dog & then! and then sleeps all day"
    assert document[3:54] == "THE quick, brown - fox (jumps) over -- the lazy dog"
    assert found([document], named(LONG), 9, 8) == [(0, 3, 54, 9, 0, 1, 1 / 9)]


def test_length_rule():
    eight = "one two three four five six seven eight"
    items = named(eight, "one two three four five six seven", " ".join("abcdefghijklm"), "")
    built = index.build(items)
    assert sorted(built.size.tolist()) == [8, 13]
    assert built.not_checkable == ["f:1", "f:3"]
    assert found(["Zero " + eight + " nine"], items, 13, 8) == [(0, 5, 5 + len(eight), 8, 0, 1, 1.0)]
    assert found(["one two three four five six seven nine"], items, 13, 8) == []
    assert found([" ".join("abcdefghijkl")], items, 13, 8) == []  # 12 of 13 words


def test_grams_do_not_cross_texts():
    assert found(["a b c d"], named(("a b", "c d")), 3, 3) == []


def test_no_space_text():
    chinese = "他说,今天天气很好。我们去公园,好吗?当然可以。"
    items = named(chinese)
    end = 9 + len(chinese.encode()) - 3  # the item without its last stop
    assert found(["前文。" + chinese + "后文"], items, 4, 4) == [(0, 9, end, 5, 0, 2, 1.0)]
    assert index.build(items).not_checkable == ["f:0"]  # five "words": too few for the defaults


def test_two_copies_are_two_spans_of_one_share():
    rows = found(["a b c x a b c"], named("a b c d"), 3, 3)
    assert rows == [(0, 0, 5, 3, 0, 1, 0.5), (0, 8, 13, 3, 0, 1, 0.5)]


@pytest.mark.parametrize("documents", [[], [""], [None], ["a"], ["-"], ["é"]])
def test_degenerate_documents_and_items(documents):
    assert found(documents, named("a b c"), 3, 3) == []
    assert found(documents, [], 3, 3) == []
    assert found(documents, named(("",), ()), 3, 3) == []


def test_equal_words_and_a_big_document():
    rows = found(["a " * 500_000], named("a " * 100, "a " * 9), 13, 8)
    assert rows == [(0, 0, 999_999, 500_000, 0, 1, 1.0), (0, 0, 999_999, 500_000, 1, 1, 1.0)]


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
