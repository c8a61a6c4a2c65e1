"""Passages of tables in memory that items have too: the scanner's, numbered through and named."""

import pyarrow as pa
import pytest

from corpus.contamination import index, scanner
from corpus.contamination.contaminated import contaminated_spans
from corpus.contamination.items import Item

QUESTION = "What is the name of the largest moon of the planet Saturn?"
TEXTS = ["nothing", "Quiz! " + QUESTION + " Yes. " + QUESTION, "", "é " + QUESTION.upper()]


def test_passages_are_numbered_through_and_items_named():
    items = {"id": ["moon", "short", "other"], "text": [QUESTION, "too short", "words " * 14]}
    found = contaminated_spans(pa.chunked_array([TEXTS[:2], TEXTS[2:]]), items)
    assert [(r["row"], r["start"], r["item"], r["grams"], r["covered"]) for r in found.to_pylist()] == [
        (1, 6, "moon", 1, 1.0), (1, 70, "moon", 1, 1.0), (3, 3, "moon", 1, 1.0),
    ]  # fmt: skip
    for row in found.to_pylist():
        assert TEXTS[row["row"]].encode()[row["start"] : row["end"]].decode().lower() == QUESTION[:-1].lower()


def test_items_of_files_and_texts_are_taken_alike():
    items = [Item("a", (QUESTION,)), Item("b", ())]
    named = contaminated_spans(TEXTS, items, ngram=5, min_words=3)
    assert named["item"].to_pylist() == ["a", "a", "a"]
    alone = scanner.scan(pa.array(TEXTS), index.build(items, 5, 3))
    assert named.drop_columns("item").equals(alone.select(named.column_names).drop_columns("item"))
    assert contaminated_spans(TEXTS, [QUESTION], 5, 3)["item"].to_pylist() == ["0", "0", "0"]


def test_nothing_to_look_for_and_nothing_to_look_at():
    assert len(contaminated_spans(TEXTS, [])) == len(contaminated_spans([], [QUESTION])) == 0
    with pytest.raises(ValueError, match="min_words is 9"):
        contaminated_spans(TEXTS, [QUESTION], ngram=8, min_words=9)
