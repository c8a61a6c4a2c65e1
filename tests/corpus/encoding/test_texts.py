"""Texts of every form as string columns."""

import pyarrow as pa
import pytest

from corpus.encoding.texts import text_columns

TEXTS = ["a", None, "Größe 日本", "", "b" * 30]
COLUMN = pa.array(TEXTS)


def joined(texts):
    columns = list(text_columns(texts))
    assert all(column.type in (pa.string(), pa.large_string()) for column in columns)
    return [text for column in columns for text in column.to_pylist()]


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        tuple(TEXTS),
        iter(TEXTS),
        COLUMN,
        pa.array(["left out", *TEXTS])[1:],
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS, pa.string_view()),
        COLUMN.dictionary_encode(),
        pa.array(TEXTS, pa.large_string()).dictionary_encode(),
        pa.chunked_array([COLUMN[:2], COLUMN[2:]]).dictionary_encode(),
        pa.chunked_array([COLUMN[:2], COLUMN[2:]]),
        pa.table({"id": range(5), "text": TEXTS}),
        pa.record_batch({"text": TEXTS}),
    ],
    ids=lambda texts: f"{type(texts).__name__} {getattr(texts, 'type', '')}",
)
def test_they_come_in_their_order(texts):
    assert joined(texts) == TEXTS


def test_no_texts():
    assert joined([]) == joined(pa.chunked_array([], pa.string())) == joined(pa.array([])) == []
    assert joined(pa.nulls(2)) == joined([None, None]) == [None, None]


def test_single_strings_are_put_together_up_to_a_size(monkeypatch):
    monkeypatch.setattr("corpus.encoding.texts.BATCH_CHARACTERS", 1000)
    taken = []
    columns = text_columns(taken.append(i) or f"{i:200}" for i in range(10))
    assert len(next(columns)) == len(taken) == 4  # none is taken ahead
    assert [len(column) for column in columns] == [4, 2]


@pytest.mark.parametrize(
    "texts, message",
    [
        ("one text", "not one str"),
        (b"bytes", "not one bytes"),
        (5, "not one int"),
        (["a", 5], "text 1 is no str: 5"),
        ([b"a"], "text 0 is no str: b'a'"),
        (pa.array([1]), "got int64"),
        (pa.array([b"a"]), "got binary"),
        (pa.array([1]).dictionary_encode(), "got dictionary"),
    ],
)
def test_what_are_no_texts(texts, message):
    with pytest.raises(TypeError, match=message):
        list(text_columns(texts))


def test_a_table_without_texts():
    with pytest.raises(KeyError, match="text"):
        list(text_columns(pa.table({"content": ["a"]})))
