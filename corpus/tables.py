"""What people have, as the document table: tables, columns and lists of whatever kind, made one.

The functions that people call with data of their own (`corpus.apply_filters`, `corpus.near_duplicates`, ...) take what
`as_table` takes. May import `corpus.documents` and `corpus.text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DOCUMENT_FIELDS, MAX_BATCH_TEXT
from corpus.text import arrow, ranges

STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
ITERATOR_CHARACTERS = 8 << 20
"""Characters of the texts of an iterator that are taken at a time, about."""


def as_table(data: Any, text_field: str = "text") -> pa.Table:
    """A document table of anything that holds texts: columns `id` and `text` first, of type string, without nulls.

    data: a table, record batch, or anything else that Arrow reads (pandas, polars); a column of strings of any kind
    (array, chunked array; string, large_string, string_view, dictionary); a mapping from names to columns; or an
    iterable of str, of rows (dicts), or of tables and batches. Without a column `id` the ids are the numbers of the
    rows, as strings. Every chunk holds at most 64 MiB of text (one longer text is a chunk of its own).

    Raises TypeError for what holds no texts, ValueError for a text that is missing or is not Unicode; both say which.

    >>> import corpus
    >>> corpus.as_table(["one text", "another"]).to_pydict()
    {'id': ['0', '1'], 'text': ['one text', 'another']}
    """
    table = _table(data, text_field)
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise ValueError(f"there are several columns {twice[0]!r}")
    if text_field not in table.column_names:
        raise TypeError(f"no column {text_field!r}: the columns are {', '.join(table.column_names) or 'none'}")
    if text_field != "text":
        kept = [name for name in table.column_names if name != "text"]
        table = table.select(kept).rename_columns(["text" if name == text_field else name for name in kept])
    table = _with_strings(table)
    if "id" not in table.column_names:
        table = table.append_column("id", pa.chunked_array([np.arange(len(table)).astype(str)], pa.string()))
    for name in ("id", "text"):
        if table[name].null_count:
            row = pc.index(pc.is_null(table[name]), True).as_py()
            raise ValueError(f"row {row} has no {name}")
    return table.select(["id", "text", *(name for name in table.column_names if name not in ("id", "text"))])


def batches(data: Any) -> Iterator[pa.RecordBatch]:
    """The document table of `data` in batches of at most 64 MiB of text; at least one, which may be empty."""
    table = as_table(data)
    yield from table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]


def text_columns(data: Any) -> Iterator[pa.Array]:
    """The texts of `data` alone, in order, as columns of type string of at most 64 MiB. Those of an iterator are taken
    about 8 MiB at a time, and not held. Raises as `as_table` does, once it comes to what is wrong."""
    if not isinstance(data, (Iterator, pa.RecordBatchReader)):
        yield from as_table(data)["text"].chunks
        return
    first, size = 0, 0
    waiting: list[Any] = []
    for item in data:
        waiting.append(item)
        size += len(item) + 64 if isinstance(item, str) else ITERATOR_CHARACTERS
        if size >= ITERATOR_CHARACTERS:
            yield from as_table(_of_items(waiting, "text", first))["text"].chunks
            first, size, waiting = first + len(waiting), 0, []
    yield from as_table(_of_items(waiting, "text", first))["text"].chunks


def drop(data: Any, rows: Any) -> pa.Table:
    """The document table of `data` without some of its rows (their numbers, or a table with a column `row`, such as
    `corpus.near_duplicates` returns). Raises IndexError for a row that is none.

    >>> import corpus
    >>> corpus.drop(["one", "two", "three"], [1])["text"].to_pylist()
    ['one', 'three']
    """
    table = as_table(data)
    numbers = np.asarray(rows["row"] if isinstance(rows, pa.Table) else rows)
    if len(numbers) and numbers.dtype.kind not in "iu":
        raise TypeError(f"rows are numbers, without gaps, and not {numbers.dtype}; for a mask there is Table.filter")
    rows = numbers.astype(np.int64)
    _check_rows(rows, len(table))
    keep = np.ones(len(table), bool)
    keep[rows] = False
    return table.filter(pa.array(keep))


def cut(data: Any, passages: pa.Table, separator: str = "") -> pa.Table:
    """The document table of `data` with ranges of bytes cut from its texts: the columns `row`, `start` and `end` of
    `passages`, such as `corpus.repeated_substrings` returns. Ranges may overlap. Where text is left before and after
    a cut, `separator` is put between.

    Raises IndexError for a row that is none, ValueError for a range that is not within its text or would split a
    character, TypeError for a separator that is no string.

    >>> import corpus, pyarrow as pa
    >>> corpus.cut(["one two three"], pa.table({"row": [0], "start": [3], "end": [7]}))["text"].to_pylist()
    ['one three']
    """
    if not isinstance(separator, str):
        raise TypeError(f"separator is a string, and not {separator!r}")
    table = as_table(data)
    row, start, end = (passages[name].to_numpy() for name in ("row", "start", "end"))
    _check_rows(row, len(table))
    text = ranges.cut(table["text"].cast(pa.large_string()).combine_chunks(), row, start, end, separator.encode())
    return _with_strings(table.set_column(table.column_names.index("text"), "text", text))


def _check_rows(rows: np.ndarray, number: int) -> None:
    wrong = rows[(rows < 0) | (rows >= number)]
    if len(wrong):
        raise IndexError(f"there is no row {wrong[0]}: the rows are 0 to {number - 1}")


def _table(data: Any, text_field: str) -> pa.Table:
    """The table that `data` is, or is a column of."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, (pa.Array, pa.ChunkedArray)):
        return pa.table({text_field: data})
    if isinstance(data, (str, bytes)):
        raise TypeError("one text alone: give a list of texts")
    if isinstance(data, Mapping):
        return pa.table(dict(data))
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        try:
            return pa.table(data)
        except (ValueError, TypeError, pa.ArrowInvalid):  # a column
            return pa.table({text_field: pa.chunked_array(data)})
    if isinstance(data, Iterable) and not isinstance(data, (set, frozenset)):  # which have no order
        return _of_items(list(data), text_field)
    raise TypeError(f"expected a table, a column of strings, or a list of str, not {type(data).__name__}")


def _of_items(items: list[Any], text_field: str, first: int = 0) -> pa.Table:
    """A table of strings, rows or tables; `first` is the number of the first."""
    if items and isinstance(items[0], (pa.Table, pa.RecordBatch)):
        return pa.concat_tables([_with_strings(_table(item, text_field)) for item in items], promote_options="default")
    if items and isinstance(items[0], Mapping):
        names = dict.fromkeys(name for row in items for name in row)
        return pa.table({name: [row.get(name) for row in items] for name in names})
    for number, item in enumerate(items, first):
        if not isinstance(item, str):
            raise TypeError(f"text {number} is no str but {type(item).__name__}")
    try:
        return pa.table({text_field: pa.array(items, pa.large_string())})
    except UnicodeEncodeError as error:
        number = first + items.index(error.object)
        raise ValueError(f"text {number} is not Unicode: {error.reason}") from None


def _with_strings(table: pa.Table) -> pa.Table:
    """The table with those columns that mean something as strings."""
    for name in DOCUMENT_FIELDS:
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, _strings(table[name], name))
    return table


def _decoded(array: pa.DictionaryArray) -> pa.Array:
    """A dictionary's strings, also of a kind that Arrow takes none of. Raises TypeError."""
    if not any(kind(array.type.value_type) for kind in STRINGS):
        raise TypeError(f"expected strings, got {array.type}")
    return array.dictionary.cast(pa.large_string()).take(array.indices)


def _strings(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column as one of type string in chunks of at most 64 MiB. Raises TypeError, ValueError."""
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([_decoded(each) for each in column.chunks], pa.large_string())
    if not any(kind(column.type) for kind in STRINGS):
        if name != "text" and (pa.types.is_integer(column.type) or pa.types.is_temporal(column.type)):
            return column.cast(pa.string())  # numbers as ids, timestamps as dates
        raise TypeError(f"column {name!r} holds no strings but {column.type}")
    chunks = []
    for chunk in column.chunks:
        try:
            chunk.validate(full=True)
        except pa.ArrowInvalid as error:
            raise ValueError(f"column {name!r} holds what is not UTF-8: {error}") from None
        large = chunk.cast(pa.large_string())
        starts = arrow.buffers(large)[1]
        first = 0
        while first < len(large):
            end = int(np.searchsorted(starts, starts[first] + MAX_BATCH_TEXT, "right")) - 1
            end = max(first + 1, min(end, len(large)))
            chunks.append(large.slice(first, end - first).cast(pa.string()))
            first = end
    return pa.chunked_array(chunks, pa.string())
