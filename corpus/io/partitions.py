"""Folders that hold the documents of one value of a column, as Hive names them: `language=de/`.

Names are as pyarrow and Spark write and read them: what is not a letter, digit, `-`, `.`, `_` or `~` is
percent-encoded. The column is in the folder's name and not in the files.
"""

from __future__ import annotations

import urllib.parse

import numpy as np
import pyarrow as pa

from corpus.io import paths

MISSING = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name for documents without a value; the empty string is none either, as in Hive."""


def folder(column: str, value: str | None) -> str:
    """Name of the folder of a value."""
    return f"{urllib.parse.quote(column, safe='')}={urllib.parse.quote(value, safe='') if value else MISSING}"


def of_path(path: str) -> dict[str, str | None]:
    """The columns that the folders directly above a file say, outermost first."""
    found = {}
    for name in reversed(paths.filesystem(path)[1].split("/")[:-1]):
        column, equals, value = name.partition("=")
        if not (column and equals):
            break
        found[urllib.parse.unquote(column)] = None if value in (MISSING, "") else urllib.parse.unquote(value)
    return dict(reversed(found.items()))


def add_columns(batch: pa.RecordBatch, columns: dict[str, str | None]) -> pa.RecordBatch:
    """A batch with the columns of its folders as strings; those that it has itself stay."""
    for name, value in columns.items():
        if name not in batch.schema.names:
            batch = batch.append_column(name, pa.array([value] * batch.num_rows, pa.string()))
    return batch


def split(batch: pa.RecordBatch, column: str) -> list[tuple[str, pa.RecordBatch]]:
    """(folder, its documents without the column) for every value in a batch, in the order of the folders;
    documents stay in theirs. A batch without the column has one folder."""
    place = batch.schema.get_field_index(column)
    if place < 0:
        return [(folder(column, None), batch)]
    values = batch.column(place).cast(pa.string()).dictionary_encode("encode")
    of_value = [folder(column, value) for value in values.dictionary.to_pylist()]
    names, numbers = np.unique(of_value, return_inverse=True)  # two values can be MISSING
    rows = numbers[values.indices.to_numpy()]
    rest = batch.remove_column(place)
    return [(str(name), rest.filter(pa.array(rows == number))) for number, name in enumerate(names)]
