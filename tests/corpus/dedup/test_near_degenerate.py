"""Texts that are empty, of one word, shorter than a shingle, of one word over and over, all the same, of several
scripts, or very long: what `corpus.dedup.shingles` says of them, and never a false duplicate."""

import pyarrow as pa
import pytest
from all_pairs_oracle import greedy, similarities
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step import decide, document
from shingle_oracle import any_text, mixed_text, shingle_set, wordy_text

from corpus.dedup import normalisations, presets
from corpus.dedup.near import near_duplicates

COPIES = 20_000


def rows_of(table):
    return [tuple(row.values()) for row in table.to_pylist()]


few_words = st.lists(st.sampled_from(["a", "b", "c", "日本", "語", "e\u0301"]), max_size=7).map(" ".join)
over_and_over = st.tuples(st.sampled_from(["a ", "b c ", "日", "日本 "]), st.integers(0, 40)).map(
    lambda pair: pair[0] * pair[1]
)
degenerate = st.lists(few_words | over_and_over | mixed_text | any_text | wordy_text, max_size=14)


@settings(deadline=None, max_examples=200)
@given(
    degenerate,
    st.sampled_from(["auto", "words", "characters"]),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
    st.integers(1, 6),
)
def test_only_what_is_similar_goes(texts, unit, threshold, ngram):
    """Every pair is found: with one row a band, whatever they share is."""
    found = near_duplicates(texts, unit=unit, threshold=threshold, ngram=ngram, permutations=4096, bands=4096, rows=1)
    sets = [shingle_set(text, ngram, unit) for text in texts]
    assert rows_of(found) == greedy(similarities(sets, threshold), len(texts))


@pytest.mark.parametrize("preset", [None, *presets.PRESETS])
def test_texts_without_shingles_are_duplicates_of_nothing(preset):
    empty = ["", "", " ", "\n\t\n", "\u3000", ""]
    assert rows_of(near_duplicates(empty, preset=preset)) == []
    options = {"mode": "leader", "verification": "jaccard"}
    assert rows_of(near_duplicates(empty, against=empty, preset=preset, **options)) == []
    assert rows_of(near_duplicates(["...", "...", "。", "\u0301", "\u200d"])) == []


def test_fewer_units_than_a_shingle_has_are_one_shingle():
    texts = [
        "one",
        "One.",
        "one two",
        "two one",
        "one two three four",
        "one, two; three: four!",
        "one two three four five",
    ]
    assert rows_of(near_duplicates(texts, threshold=0.05, recall=0.5)) == [(1, 0, 1.0), (5, 4, 1.0)]
    texts = ["猫", "猫。", "猫犬", "犬猫", "猫 犬", "一二三四", "一二三四五"]
    assert rows_of(near_duplicates(texts, threshold=0.05, recall=0.5)) == [(1, 0, 1.0), (4, 2, 1.0)]


@pytest.mark.parametrize("name", ["datatrove", "fineweb", "text_dedup", "bigcode", "slimpajama"])
def test_where_others_make_no_shingle_of_few_units_they_are_duplicates_of_nothing(name):
    few = {"slimpajama": "one two thre"}.get(name, "one two three four")
    found = near_duplicates(
        [few, few, few + " five six", few + " five six"], normalisation=name, ngram=13 if "slim" in name else 5
    )
    assert rows_of(found) == [(3, 2, 1.0)]
    assert not normalisations.NORMALISATIONS[name].whole or normalisations.NORMALISATIONS[name].least == 5


def test_one_word_a_thousand_times_is_one_shingle():
    """So it equals the same word five times, and neither four times nor among others."""
    texts = [
        "word " * 1000,
        "word " * 4,
        "word",
        "Word, " * 1001,
        "word " * 5,
        "other " * 1000,
        "word " * 999 + "other",
    ]
    assert rows_of(near_duplicates(texts)) == [(3, 0, 1.0), (4, 0, 1.0)]
    assert rows_of(near_duplicates(texts, threshold=0.5)) == [(3, 0, 1.0), (4, 0, 1.0), (6, 0, 0.5)]
    texts = ["ハ" * 1000, "ハハハハ", "ハ" * 5, "ヒ" * 1000]
    assert rows_of(near_duplicates(texts)) == [(2, 0, 1.0)]


@pytest.mark.parametrize(
    "text", ["word", "a text of more words than a shingle has", "吾輩は猫である。名前はまだ無い。"]
)
@pytest.mark.parametrize("keep", ["first", "longest"])
def test_identical_documents_by_the_ten_thousand(text, keep):
    """All but one go, because of the same."""
    found = near_duplicates(pa.array([text] * COPIES), keep=keep)
    assert found["row"].to_pylist() == list(range(1, COPIES))
    assert set(found["by"].to_pylist()) == {0} and set(found["similarity"].to_pylist()) == {1.0}


def test_copies_among_others():
    """Two texts 3,000 times each by turns, and one of their words each: three stay."""
    texts = ["the one text of some words", "another text of other words", "words"] * 3000
    found = near_duplicates(texts)
    assert found["by"].to_pylist() == [row % 3 for row in found["row"].to_pylist()]
    assert found["row"].to_pylist() == list(range(3, 9000))


def test_scripts_that_mix():
    """The unit is that of most letters of a text, so that what differs in it shares nothing; the same text has one."""
    latin, japanese = "some words of latin letters that go on for a while", "日本語の文章がここに続いているのである"
    texts = [
        f"{latin} {japanese}",  # words
        f"{japanese} {latin}",
        f"{japanese} {japanese}{japanese} {latin}",  # characters
        f"{japanese}{japanese} {japanese}, {latin.upper()}!",
        f"{latin} {japanese} more",
    ]
    assert [row[:2] for row in rows_of(near_duplicates(texts))] == [(3, 2), (4, 0)]
    by_characters = near_duplicates(texts, unit="characters", threshold=0.7)
    assert [row[:2] for row in rows_of(by_characters)] == [(1, 0), (2, 0), (3, 0), (4, 0)]
    even = ["ab 日本", "ab 日本", "ab 日本語", "ab日本語", "AB 日本。"]  # as many of both are words
    assert [row[:2] for row in rows_of(near_duplicates(even))] == [(1, 0), (3, 2), (4, 0)]


def test_very_long_documents():
    words = " ".join(f"w{number}" for number in range(200_000))
    texts = [words, words + " end", "w0 " * 500_000, words[: len(words) // 2], words.replace("w1", "v1")]
    found = rows_of(near_duplicates(texts))
    assert [row[:2] for row in found] == [(1, 0)] and found[0][2] == 199_996 / 199_997


@pytest.mark.parametrize("mode", ["leader", "components"])
def test_a_run_decides_the_same(mode):
    texts = ["", "word", "word", "...", "word " * 1000, "word " * 5, "ハ" * 9, "猫", "猫。", "", "word"]
    documents = [document(str(number), text) for number, text in enumerate(texts)]
    decisions = decide({"near_dedup": {"mode": mode}}, [documents[:4], documents[4:]])
    found = [(int(d.id), int(d.by)) for d in decisions]
    assert found == [(2, 1), (5, 4), (8, 7), (10, 1)]
    assert found == [row[:2] for row in rows_of(near_duplicates(texts, mode=mode))]
