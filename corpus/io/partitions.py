"""Folders that hold the documents of one value of a column, as Hive names them: `language=de/`.

Names are as pyarrow and Spark write and read them: what is not a letter, digit, `-`, `.`, `_` or `~` is
percent-encoded. The column is in the folder's name and not in the files. A value that a name cannot hold is cut there,
with `+` and a hash at the end, and stands whole in the metadata of the files' schema.
"""

from __future__ import annotations

import json
import urllib.parse

import numpy as np
import pyarrow as pa
import xxhash

from corpus.io import paths

MISSING = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name for documents without a value; the empty string is none either, as in Hive."""


MOST_NAME = 200
"""Bytes in the name of a folder at most; file systems allow 255."""
MOST_COLUMN = 160
"""Bytes that the name of a column by which documents are partitioned may take, percent-encoded: there must be room for
a value."""
METADATA = b"winnow.partition"
"""Under this name the schema of a file has its column and value as JSON, where the folder cannot say them."""
HASH = "+"
"""What stands before the hash of a value that the name does not hold; in a value itself it is percent-encoded."""


def folder(column: str, value: str | None) -> str:
    """Name of the folder of a value."""
    start = urllib.parse.quote(column, safe="") + "="
    if not value:
        return start + MISSING
    name = start + urllib.parse.quote(value, safe="")
    if len(name) <= MOST_NAME and value != MISSING:
        return name
    digest = HASH + xxhash.xxh3_64_hexdigest(value.encode())
    shown = value[:MOST_NAME]
    while len(start + urllib.parse.quote(shown, safe="") + digest) > MOST_NAME and shown:
        shown = shown[:-1]
    return start + urllib.parse.quote(shown, safe="") + digest


def can_name(column: str) -> bool:
    """Whether folders can have the name of this column."""
    return len(urllib.parse.quote(column, safe="")) <= MOST_COLUMN


def holds(folder: str) -> bool:
    """Whether the name of a folder says the value."""
    return HASH not in folder


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
    """A batch of a file with the columns of its folders, and those that its schema says, as strings; those that it has
    itself stay."""
    metadata = dict(batch.schema.metadata or {})
    if METADATA in metadata:
        columns = {**columns, **json.loads(metadata.pop(METADATA))}
        batch = batch.replace_schema_metadata(metadata or None)
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
    of_value = values.dictionary.to_pylist()
    names, first, numbers = np.unique(
        [folder(column, value) for value in of_value], return_index=True, return_inverse=True
    )
    rows = numbers[values.indices.to_numpy()]  # two values can be MISSING
    rest = batch.remove_column(place)
    parts = []
    for number, name in enumerate(names.tolist()):
        part = rest.filter(pa.array(rows == number))
        if not holds(name):
            value = json.dumps({column: of_value[first[number]]})
            part = part.replace_schema_metadata({**(part.schema.metadata or {}), METADATA: value})
        parts.append((name, part))
    return parts
