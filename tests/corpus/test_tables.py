"""Whatever people have becomes the same document table, and what holds no texts is refused in a sentence."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import tables
from corpus.documents import MAX_BATCH_TEXT

TEXTS = ["one", "", "zwei €", "三 𝒳"]
KINDS = {
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "generator": lambda: (text for text in TEXTS),
    "string": pa.array(TEXTS),
    "large_string": pa.array(TEXTS, pa.large_string()),
    "string_view": pa.array(TEXTS, pa.string_view()),
    "dictionary": pa.array(TEXTS).dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays(range(4), pa.array(TEXTS, pa.string_view())),
    "chunks": pa.chunked_array([TEXTS[:1], [], TEXTS[1:]]),
    "slice": pa.array(["before", *TEXTS, "after"]).slice(1, len(TEXTS)),
    "batch": pa.RecordBatch.from_pydict({"text": TEXTS}),
    "table": pa.table({"text": pa.array(TEXTS, pa.string_view())}),
    "columns": {"text": TEXTS},
    "rows": [{"text": text} for text in TEXTS],
    "batches": [pa.RecordBatch.from_pydict({"text": TEXTS[:2]}), pa.RecordBatch.from_pydict({"text": TEXTS[2:]})],
    "reader": lambda: pa.table({"text": TEXTS}).to_reader(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_is_the_same_table(kind):
    data = KINDS[kind]() if callable(KINDS[kind]) else KINDS[kind]
    table = tables.as_table(data)
    assert table.schema == pa.schema([("id", pa.string()), ("text", pa.string())])
    assert table.to_pydict() == {"id": ["0", "1", "2", "3"], "text": TEXTS}
    assert tables.as_table(table).equals(table)


class Stream:
    """What polars, pandas and others give to Arrow."""

    def __init__(self, data):
        self.data = data

    def __arrow_c_stream__(self, requested_schema=None):
        return self.data.__arrow_c_stream__(requested_schema)


def test_data_of_other_libraries_comes_over_arrows_interface():
    assert tables.as_table(Stream(pa.table({"text": TEXTS})))["text"].to_pylist() == TEXTS
    assert tables.as_table(Stream(pa.chunked_array([TEXTS])))["text"].to_pylist() == TEXTS


def test_columns_are_kept_and_those_with_a_meaning_are_strings():
    given = {
        "n": [1, 2],
        "url": pa.array(["u", None]).dictionary_encode(),
        "content": ["a", "b"],
        "id": [7, 8],
        "text": [0, 0],
    }
    table = tables.as_table(given, text_field="content")
    assert table.column_names == ["id", "text", "n", "url"]
    assert table.to_pylist() == [
        {"id": "7", "text": "a", "n": 1, "url": "u"},
        {"id": "8", "text": "b", "n": 2, "url": None},
    ]


def test_rows_and_tables_may_have_different_columns():
    rows = [{"text": "a"}, {"text": "b", "id": "mine", "url": "u"}]
    with pytest.raises(ValueError, match="row 0 has no id"):
        tables.as_table(rows)
    rows[0] = {"url": None, "id": "first", "text": "a"}
    assert tables.as_table(rows).to_pylist() == [
        {"id": "first", "text": "a", "url": None},
        {"id": "mine", "text": "b", "url": "u"},
    ]
    parts = [pa.table({"text": ["a"]}), pa.table({"text": pa.array(["b"], pa.large_string()), "url": ["u"]})]
    assert tables.as_table(parts).to_pydict() == {"id": ["0", "1"], "text": ["a", "b"], "url": [None, "u"]}


@pytest.mark.parametrize("data", [[], pa.array([], pa.string()), pa.table({"text": pa.nulls(0)}), iter(())])
def test_no_documents_are_an_empty_table(data):
    table = tables.as_table(data)
    assert len(table) == 0 and table.schema.names == ["id", "text"]
    (batch,) = tables.batches(table)
    assert batch.num_rows == 0 and batch.schema == table.schema


NOT_UTF8 = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")]
)


@pytest.mark.parametrize(
    "data, error, words",
    [
        ("a text", TypeError, "one text alone: give a list of texts"),
        (3, TypeError, "expected a table, a column of strings, or a list of str, not int"),
        (["a", 1], TypeError, "text 1 is no str but int"),
        (["a", None], TypeError, "text 1 is no str but NoneType"),
        (["a", "\ud800"], ValueError, "text 1 is not Unicode: surrogates not allowed"),
        ({"a"}, TypeError, "expected a table, a column of strings, or a list of str, not set"),
        (pa.table([["a"], ["b"]], names=["text", "text"]), ValueError, "there are several columns 'text'"),
        ({"text": ["a"], "id": [b"x"]}, TypeError, "column 'id' holds no strings but binary"),
        (pa.array([1]), TypeError, "column 'text' holds no strings but int64"),
        (pa.array([["a"]]), TypeError, "column 'text' holds no strings but list"),
        (pa.array(["a", None]), ValueError, "row 1 has no text"),
        ({"text": ["a", "b"], "id": [None, "x"]}, ValueError, "row 0 has no id"),
        ({"content": ["a"]}, TypeError, "no column 'text': the columns are content"),
        (NOT_UTF8, ValueError, "column 'text' holds what is not UTF-8"),
    ],
)
def test_what_holds_no_texts_is_refused(data, error, words):
    with pytest.raises(error, match=words):
        tables.as_table(data)


def test_batches_hold_no_more_than_a_batch_may(monkeypatch):
    monkeypatch.setattr(tables, "MAX_BATCH_TEXT", 10)
    texts = ["a" * 4, "b" * 6, "c" * 11, "", "d" * 10, "e"]
    found = list(tables.batches(pa.array(texts, pa.large_string())))
    assert [batch["text"].to_pylist() for batch in found] == [texts[:2], texts[2:3], texts[3:5], texts[5:]]
    assert MAX_BATCH_TEXT == 64 << 20


@settings(deadline=None)
@given(st.lists(st.text(max_size=6), max_size=6), st.data())
def test_drop_and_cut_equal_python(texts, data):
    rows = data.draw(st.sets(st.integers(0, len(texts) - 1)) if texts else st.just(set()))
    assert tables.drop(texts, sorted(rows))["text"].to_pylist() == [t for i, t in enumerate(texts) if i not in rows]
    cuts, expected = [], list(texts)
    for row in sorted(rows):
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(texts[row]))] * 2)))
        cuts.append({"row": row, "start": len(texts[row][:first].encode()), "end": len(texts[row][:last].encode())})
        expected[row] = texts[row][:first] + texts[row][last:]
    schema = pa.schema([("row", pa.int64()), ("start", pa.int64()), ("end", pa.int64())])
    parts = [texts[:2], texts[2:]]
    passages = pa.Table.from_pylist(data.draw(st.permutations(cuts)), schema)
    assert tables.cut(pa.chunked_array(parts, pa.string()), passages)["text"].to_pylist() == expected


def test_texts_of_an_iterator_are_taken_bit_by_bit(monkeypatch):
    monkeypatch.setattr(tables, "ITERATOR_CHARACTERS", 1000)
    taken = []
    columns = tables.text_columns(taken.append(i) or f"{i:200}" for i in range(10))
    assert len(next(columns)) == len(taken) == 4  # none is taken ahead
    assert [len(column) for column in columns] == [4, 2]
    with pytest.raises(TypeError, match="text 7 is no str but int"):
        list(tables.text_columns(iter(["a" * 200] * 7 + [5])))
    batches = iter([pa.record_batch({"text": ["a", "b"]}), pa.record_batch({"text": ["c"]})])
    assert [column.to_pylist() for column in tables.text_columns(batches)] == [["a", "b"], ["c"]]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_alone_are_those_of_the_table(kind):
    data = KINDS[kind]() if callable(KINDS[kind]) else KINDS[kind]
    assert [text for column in tables.text_columns(data) for text in column.to_pylist()] == TEXTS


def test_rows_and_ranges_that_are_none_are_refused():
    with pytest.raises(IndexError, match="there is no row 2: the rows are 0 to 1"):
        tables.drop(["a", "b"], [2])
    for rows in ([True, False], np.array([1.7]), ["1"], pa.table({"row": pa.array([0, None])})):
        with pytest.raises(TypeError, match="rows are numbers"):
            tables.drop(["a", "b"], rows)
    with pytest.raises(ValueError, match="bytes 0 to 9 of row 3 lie outside the text"):
        tables.cut(pa.chunked_array([["aaa", "bbb"], ["ccc", "d"]]), pa.table({"row": [3], "start": [0], "end": [9]}))
    with pytest.raises(ValueError, match="split a character"):
        tables.cut(["é"], pa.table({"row": [0], "start": [0], "end": [1]}))
