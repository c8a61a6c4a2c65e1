"""Tokens as units: passages against brute force over the tokens that the tokenizer's library finds."""

import pathlib

import pyarrow as pa
import pytest
import tokenizers
from grams_oracle import passages
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.contamination import index, scanner, words
from corpus.contamination.decontaminate import Decontaminate
from corpus.contamination.items import Item

PARTS = ["to ", "be", " or", "漢", "字", "😀", "e\u0301", "\n", " not"]
texts = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)


def tokens(folder, text):
    """[(id, first byte, byte after it)] with the bytes of whole characters."""
    library = tokenizers.Tokenizer.from_file(str(pathlib.Path(folder, "tokenizer.json")))
    found, at, data = [], 0, text.encode()
    for number, token in zip(*(lambda e: (e.ids, e.tokens))(library.encode(text, add_special_tokens=False))):
        first, at = at, at + len(token)
        begins = [i for i in range(first + 1) if i == len(data) or data[i] >> 6 != 2]
        ends = [i for i in range(at, len(data) + 1) if i == len(data) or data[i] >> 6 != 2]
        found.append((number, begins[-1], ends[0]))
    assert at == len(data)
    return found


@settings(deadline=None, max_examples=80)
@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3), st.integers(1, 3), st.integers(0, 2))
def test_spans_of_tokens_equal_brute_force(tokenizer, documents, items, least, longer):
    named = [Item(f"f:{i}", (text,)) for i, text in enumerate(items)]
    built = index.build(named, least + longer, least, "tokens", tokenizer=tokenizer)
    expected = []
    for row, document in enumerate(documents):
        sequence = tokens(tokenizer, document)
        for number, text in enumerate(items):
            item = [token for token, _, _ in tokens(tokenizer, text)]
            for first, after, place in passages([t for t, _, _ in sequence], item, least + longer, least):
                start, end = sequence[first][1], sequence[after - 1][2]
                expected.append((row, number, start, end, after - first, place, len(sequence)))
    column = pa.array(["left out", *documents], pa.large_string())[1:]
    spans = scanner.Scanner(built).scan(column).select(["row", "item", "start", "end", "words", "first", "of_words"])
    assert sorted(tuple(row.values()) for row in spans.to_pylist()) == sorted(expected)
    for text in items:
        starts, ends = words.places(text, "tokens", tokenizer)
        assert list(zip(starts, ends)) == [place[1:] for place in tokens(tokenizer, text)]


def test_case_and_punctuation_count_in_tokens(tokenizer, tmp_path):
    item = "to be or not to be, that is the question"
    (tmp_path / "quiz.jsonl").write_text(f'{{"id": "q", "text": "{item}"}}\n')
    step = Decontaminate(against=(str(tmp_path / "quiz.jsonl"),), ngram=8, tokenizer=tokenizer)
    rows = pa.record_batch({"text": [f"So: {item}!", f"So: {item.upper()}!", f"So: {item.replace(',', '')}!", "None"]})
    assert step.decisions(rows)["row"].to_pylist() == [0]
    assert Decontaminate(against=step.against, ngram=8).decisions(rows)["row"].to_pylist() == [0, 1, 2]
    assert step.inputs() == [str(tmp_path / "quiz.jsonl"), *sorted(map(str, pathlib.Path(tokenizer).iterdir()))]


def test_grams_of_tokens_are_not_left_out(tokenizer):
    for options in ({"rule": "gpt3"}, {"max_documents": 10}, {"measure": ("longest", "gpt3")}):
        with pytest.raises(ValueError, match="leave max_documents or gpt3 out"):
            Decontaminate(against=("x",), tokenizer=tokenizer, **options)
