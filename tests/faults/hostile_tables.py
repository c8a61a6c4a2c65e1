"""Parquet files that lie about themselves, and tables that no honest program writes, or seldom."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from typing import NamedTuple

import bombs
import pyarrow as pa
import pyarrow.parquet as pq
import thrift_fields
from bombs import Runs
from clean_files import text_of
from hostile_lines import LIMIT
from thrift_fields import Path

ROWS = 60


class Table(NamedTuple):
    """A file, and the `texts` of its documents by id. They must come out if that is `certain`, else they may be
    quarantined instead; with these texts if they are `exact`. `refused`: ids that must be quarantined; `bad`: the
    number of records without id that must be. `limit`: the most bytes of a record to read it with. `huge`: the
    documents are sound, and more than one would want on a disk."""

    make: Callable[[], bytes]
    texts: dict[str, Runs]
    refused: tuple[str, ...] = ()
    bad: int = 0
    limit: int | None = None
    certain: bool = True
    exact: bool = True
    huge: bool = False


def texts(count: int = ROWS) -> dict[str, Runs]:
    return {f"doc-{number}": [(text_of(number).encode(), 1)] for number in range(count)}


def table(count: int = ROWS, **columns) -> pa.Table:
    """Ids, texts and further columns."""
    base = {"id": [f"doc-{n}" for n in range(count)], "text": [text_of(n) for n in range(count)]}
    return pa.table({**base, **columns})


def written(content: pa.Table, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(content, sink, **options)
    return sink.getvalue()


# Sound files


def _whole(make: Callable[[], bytes], count: int = ROWS) -> Table:
    return Table(make, texts(count))


def _written(**options) -> Table:
    return _whole(lambda: written(table(), **options))


def _of_type(kind: pa.DataType) -> Table:
    return _whole(lambda: written(pa.table({"id": table()["id"], "text": table()["text"].cast(kind)})))


FORMS = {
    "gzip": _written(compression="gzip"),
    "brotli": _written(compression="brotli"),
    "lz4": _written(compression="lz4"),
    "no compression": _written(compression="none", use_dictionary=False),
    "pages of version 2": _written(data_page_version="2.0", compression="zstd"),
    "delta byte arrays": _written(use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY"),
    "delta lengths": _written(use_dictionary=False, column_encoding="DELTA_LENGTH_BYTE_ARRAY"),
    "page checksums and index": _written(write_page_checksum=True, write_page_index=True),
    "tiny pages": _written(data_page_size=1, write_batch_size=1),
    "a row a group": _written(row_group_size=1),
    "large_string": _of_type(pa.large_string()),
    "string_view": _of_type(pa.string_view()),
    "binary": _of_type(pa.binary()),
    "large_binary": _of_type(pa.large_binary()),
    "dictionary": _whole(
        lambda: written(pa.table({"id": table()["id"], "text": table()["text"].combine_chunks().dictionary_encode()}))
    ),
    "a thousand columns": _whole(lambda: written(table(20, **{f"c{n}": [n] * 20 for n in range(1_000)})), 20),
    "hundreds of row groups": _whole(lambda: written(table(200), row_group_size=1, compression="zstd"), 200),
    "no rows": Table(lambda: written(table().slice(0, 0)), {}),
    "no columns": Table(lambda: written(pa.table({})), {}),
}


# Columns that no Python object holds


def _beside(*arrays: tuple[pa.DataType, list]) -> Table:
    """Good documents beside columns whose values may not be what Python can hold; a row may be quarantined for it."""

    def make() -> bytes:
        columns = {}
        for number, (kind, values) in enumerate(arrays):
            columns[f"odd{number}"] = _array(kind, (values * ROWS)[:ROWS])
        return written(table(**columns))

    return Table(make, texts(), certain=False)


def _array(kind: pa.DataType, values: list) -> pa.Array:
    """Values as the integers that are stored, where Python has no object for them."""
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int64() if kind.bit_width == 64 else pa.int32()).view(kind)
    return pa.array(values, kind)


LAST = (1 << 63) - 1

COLUMNS = {
    "dates beyond the year 9999": _beside((pa.date32(), [(1 << 31) - 1, -(1 << 31), 0])),
    "seconds beyond the year 9999": _beside((pa.timestamp("s"), [1 << 40, 0]), (pa.timestamp("us"), [LAST, -LAST])),
    "milliseconds beyond the year 9999": _beside((pa.timestamp("ms"), [LAST, -LAST, 0])),
    "nanoseconds": _beside((pa.timestamp("ns"), [LAST, -LAST, 1])),
    "an unknown time zone": _beside((pa.timestamp("us", "Mars/Phobos"), [0, 1])),
    "times beyond a day": _beside((pa.time32("ms"), [(1 << 31) - 1, -1]), (pa.time64("us"), [LAST, -1])),
    "durations": _beside((pa.duration("us"), [LAST, -LAST]), (pa.duration("s"), [1 << 40, 0])),
    "halves": _beside((pa.float16(), [float("nan"), 1.0])),
    "decimals": _beside((pa.decimal256(76, 10), [None])),
    "deep lists": _beside((pa.list_(pa.list_(pa.list_(pa.int8()))), [[[[1]], []], None])),
    "maps with a key twice": _beside((pa.map_(pa.string(), pa.int8()), [[("a", 1), ("a", 2)], []])),
    "structures": _beside((pa.struct([("a", pa.struct([("b", pa.binary())]))]), [{"a": {"b": b"\xff"}}, None])),
    "binary of noise": _beside((pa.binary(), [bytes(range(256)), b"", None])),
    "infinities": _beside((pa.float64(), [float("inf"), float("-inf"), float("nan")])),
}


# Text that is none


def _text_column(make: Callable[[], pa.Array], step: int = 1) -> Table:
    """A column of another kind under the name of the text; every so manieth row holds no text, the others do."""
    none = tuple(texts())[::step]
    good = {identity: text for identity, text in texts().items() if identity not in none}
    return Table(lambda: written(pa.table({"id": table()["id"], "text": make()})), good, none)


def _broken_utf8() -> pa.Array:
    """A column of strings every second of which is not UTF-8."""
    raw = pa.array([text_of(n).encode() if n % 2 else b"\xff\xfe" for n in range(ROWS)], pa.binary())
    return pa.Array.from_buffers(pa.string(), ROWS, raw.buffers())


def _text_twice() -> bytes:
    content = table()
    return written(pa.Table.from_arrays([*content.columns, content["text"]], names=["id", "text", "text"]))


def _without_text() -> bytes:
    return written(table().drop_columns(["text"]))


TEXTS = {
    "numbers": _text_column(lambda: pa.array(range(ROWS))),
    "lists of strings": _text_column(lambda: pa.array([["a"]] * ROWS)),
    "structures": _text_column(lambda: pa.array([{"a": "b"}] * ROWS)),
    "nulls": _text_column(lambda: pa.nulls(ROWS, pa.string())),
    "the null type": _text_column(lambda: pa.nulls(ROWS)),
    "not UTF-8": _text_column(_broken_utf8, 2),
    "twice": Table(_text_twice, texts(), certain=False),
    "missing": Table(_without_text, {}, tuple(texts())),
}


# Too much


def _repeated(count: int, value: Runs) -> bytes:
    """A table of one text, which a dictionary holds once."""
    words = pa.array([bombs.join(value)], pa.binary())
    indices = pa.array([0] * count, pa.int32())
    text = pa.DictionaryArray.from_arrays(indices, words)
    identity = (
        pa.array([f"doc-{number}" for number in range(count)]) if count <= 10_000 else pa.nulls(count, pa.string())
    )
    return written(pa.table({"id": identity, "text": text}), compression="zstd")


def _with_long_cells(size: int, every: int, **options) -> bytes:
    """A table every so manieth text of which is of `size` bytes."""
    long = "a" * size
    rows = [long if number % every == 3 else text_of(number) for number in range(ROWS)]
    return written(table().set_column(1, "text", pa.array(rows)), compression="zstd", **options)


def _long_cells(size: int, every: int, limit: int | None = None, **options) -> Table:
    short = texts()
    long = tuple(f"doc-{number}" for number in range(3, ROWS, every))
    for identity in long:
        del short[identity]
    return Table(lambda: _with_long_cells(size, every, **options), short, long, limit=limit)


def _long_word_in_a_dictionary() -> bytes:
    words = pa.array([b"a" * (100 << 20), b"some words"], pa.binary())
    indices = pa.array([number % 2 for number in range(400)], pa.int32())
    identity = pa.array([f"doc-{number}" for number in range(400)])
    return written(
        pa.table({"id": identity, "text": pa.DictionaryArray.from_arrays(indices, words)}), compression="zstd"
    )


def _nulls() -> bytes:
    nothing = pa.nulls(1_000_000, pa.string())
    return written(pa.table({"id": nothing, "text": nothing}))


def _much_beside() -> bytes:
    """Rows of a small text and a word of a megabyte that a dictionary holds once."""
    count = 5_000
    word = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["a" * (1 << 20)]))
    identity = [f"doc-{number}" for number in range(count)]
    return written(pa.table({"id": identity, "text": ["some words"] * count, "extra": word}), compression="zstd")


MEGABYTE: Runs = [(b"words and ", 100_000)]
BOMBS = {
    "a thousand rows of one megabyte": Table(
        lambda: _repeated(1_000, MEGABYTE), {f"doc-{n}": MEGABYTE for n in range(1_000)}
    ),
    "a million rows of one megabyte": Table(lambda: _repeated(1_000_000, MEGABYTE), {}, huge=True),
    "rows of 60 megabytes": Table(
        lambda: _repeated(20, [(b"word ", 12 << 20)]), {f"doc-{n}": [(b"word ", 12 << 20)] for n in range(20)}
    ),
    "a megabyte beside each text": Table(
        _much_beside, {f"doc-{n}": [(b"some words", 1)] for n in range(5_000)}, huge=True
    ),
    "a cell beyond the limit": _long_cells(100 << 20, 60),
    "a cell beyond the limit in a small group": _long_cells(100 << 20, 60, row_group_size=5),
    "cells beyond the limit": _long_cells(70 << 20, 10),
    "cells beyond a small limit": _long_cells(LIMIT + 1, 5, LIMIT),
    "cells below a small limit": Table(
        lambda: _with_long_cells(LIMIT - 1, 5),
        {**texts(), **{f"doc-{n}": [(b"a", LIMIT - 1)] for n in range(3, ROWS, 5)}},
        limit=LIMIT,
    ),
    "a word beyond the limit in a dictionary": Table(
        _long_word_in_a_dictionary,
        {f"doc-{n}": [(b"some words", 1)] for n in range(1, 400, 2)},
        tuple(f"doc-{n}" for n in range(0, 400, 2)),
    ),
    "a million nulls": Table(_nulls, {}, bad=1_000_000),
    "a million empty texts": Table(lambda: _repeated(1_000_000, [(b"", 1)]), {}),
}


# Lies

GROUPS = 6


def _grouped() -> bytes:
    return written(table(), row_group_size=ROWS // GROUPS, compression="none", use_dictionary=False)


def _single(**options) -> bytes:
    return written(table(), **{"compression": "none", "use_dictionary": False, **options})


def _footer(data: bytes) -> int:
    """Where the footer begins."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def with_footer(data: bytes, footer: bytes) -> bytes:
    return data[: _footer(data)] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def with_value(data: bytes, path: Path, value: int) -> bytes:
    """The file with another number in its footer; in place of a list's head, one that claims so many elements."""
    begin = _footer(data)
    field = thrift_fields.fields(data, begin)[0][path]
    new = (
        thrift_fields.number(value)
        if field.value is not None
        else thrift_fields.list_head(data[field.start] & 15, value)
    )
    return with_footer(data, data[begin : field.start] + new + data[field.end : -8])


TEXT_COLUMN = (4, 0, 1, 1, 3)
"""Metadata of the column `text` in the first row group."""


def with_page_value(data: bytes, path: Path, value: int) -> bytes:
    """The file of one row group with another number in the first page header of its last column, which begins
    elsewhere only if that has another length: the column's size follows."""
    footer = thrift_fields.fields(data, _footer(data))[0]
    dictionary, page = footer.get((*TEXT_COLUMN, 11)), footer[(*TEXT_COLUMN, 9)]
    field = thrift_fields.fields(data, (dictionary or page).value)[0][path]
    new = thrift_fields.number(value)
    size = footer[(*TEXT_COLUMN, 7)].value + len(new) - (field.end - field.start)
    return with_value(data[: field.start] + new + data[field.end :], (*TEXT_COLUMN, 7), size)


def with_page_bytes(data: bytes, offset: int, new: bytes) -> bytes:
    """The file with other bytes so far within the first page of its text."""
    footer = thrift_fields.fields(data, _footer(data))[0]
    dictionary, page = footer.get((*TEXT_COLUMN, 11)), footer[(*TEXT_COLUMN, 9)]
    start = thrift_fields.fields(data, (dictionary or page).value)[1] + offset
    return data[:start] + new + data[start + len(new) :]


def _lie(make: Callable[[], bytes]) -> Table:
    return Table(make, texts(), certain=False, exact=False)


FOOTER_FIELDS: dict[str, Path] = {
    "rows of the file": (3,),
    "rows of a group": (4, 2, 3),
    "bytes of a group": (4, 2, 2),
    "values of a column": (4, 2, 1, 1, 3, 5),
    "bytes of a column, unpacked": (4, 2, 1, 1, 3, 6),
    "bytes of a column": (4, 2, 1, 1, 3, 7),
    "place of a column": (4, 2, 1, 1, 3, 9),
    "codec": (4, 2, 1, 1, 3, 4),
    "type of a column": (4, 2, 1, 1, 3, 1),
    "type in the schema": (2, 2, 1),
    "repetition in the schema": (2, 2, 3),
    "converted type in the schema": (2, 2, 6),
    "children in the schema": (2, 0, 5),
    "number of groups": (4,),
    "number of columns": (4, 2, 1),
    "number of schema elements": (2,),
}
FOOTER_VALUES = (0, 1, 4, -1, (1 << 31) - 1, 1 << 40, (1 << 63) - 1)
LIST_SIZES = (0, 1, 4, (1 << 31) - 1)

PAGE_FIELDS: dict[str, Path] = {
    "kind of a page": (1,),
    "bytes of a page, unpacked": (2,),
    "bytes of a page": (3,),
    "values of a page": (5, 1),
    "encoding of a page": (5, 2),
    "encoding of levels": (5, 3),
}
PAGE_VALUES = (0, 1, 7, -1, (1 << 31) - 1)


def _footer_lie(path: Path, value: int) -> Table:
    return _lie(lambda: with_value(_grouped(), path, value))


def _page_lie(path: Path, value: int, **options) -> Table:
    return _lie(lambda: with_page_value(_single(**options), path, value))


def _bytes_lie(offset: int, new: bytes, **options) -> Table:
    return _lie(lambda: with_page_bytes(_single(**options), offset, new))


def _footer_bytes(footer: bytes) -> Table:
    return _lie(lambda: with_footer(_grouped(), footer))


def _arrow_schema(value: bytes) -> Table:
    """Other bytes where Arrow keeps its own form of the schema."""

    def make() -> bytes:
        data = _grouped()
        at = data.index(b"ARROW:schema") + len(b"ARROW:schema") + 3
        return data[: at + 40] + value + data[at + 40 + len(value) :]

    return _lie(make)


LIES = {
    **{
        f"{name} is {value}": _footer_lie(path, value)
        for name, path in FOOTER_FIELDS.items()
        for value in (LIST_SIZES if name.startswith("number") else FOOTER_VALUES)
    },
    **{f"{name} is {value}": _page_lie(path, value) for name, path in PAGE_FIELDS.items() for value in PAGE_VALUES},
    **{
        f"{name} is {value}, compressed": _page_lie(path, value, compression="snappy")
        for name, path in list(PAGE_FIELDS.items())[1:4]
        for value in PAGE_VALUES
    },
    "levels beyond the page": _bytes_lie(0, b"\xff\xff\xff\x7f"),
    "levels of a negative length": _bytes_lie(0, b"\xff\xff\xff\xff"),
    "a run of 2^31 levels": _bytes_lie(4, b"\xfe\xff\xff\xff\x0f"),
    "a text beyond the page": _bytes_lie(7, b"\xff\xff\xff\x7f"),
    "a text of a negative length": _bytes_lie(7, b"\xff\xff\xff\xff"),
    "snappy of 4 GB": _bytes_lie(0, b"\xff\xff\xff\xff\x0f", compression="snappy"),
    "gzip of noise": _bytes_lie(0, bytes(range(60)), compression="gzip"),
    "zstd in a window of 2 GB": _bytes_lie(0, bombs.zstd_frame_header(31) + b"\x01\0\0", compression="zstd"),
    "words of a negative length in a dictionary": _bytes_lie(0, b"\xff\xff\xff\xff", use_dictionary=True),
    "a footer of nothing": _footer_bytes(b""),
    "a footer of noise": _footer_bytes(bytes(range(256)) * 10),
    "a footer of nested structures": _footer_bytes(b"\x1c" * 150_000),
    "a footer of nested lists": _footer_bytes(b"\x19" * 150_000),
    "a footer of unknown nested structures": _footer_bytes(b"\xec" + b"\x1c" * 150_000),
    "a footer of a string of 2 GB": _footer_bytes(b"\x15\x04\x48\xff\xff\xff\xff\x07"),
    "a footer cut short": _lie(lambda: with_footer(_grouped(), _grouped()[_footer(_grouped()) : -300])),
    "footer length 0": _lie(lambda: _grouped()[:-8] + bytes(4) + b"PAR1"),
    "footer length 2^31": _lie(lambda: _grouped()[:-8] + struct.pack("<I", 1 << 31) + b"PAR1"),
    "footer length 2^32 - 1": _lie(lambda: _grouped()[:-8] + b"\xff\xff\xff\xffPAR1"),
    "footer as long as the file": _lie(lambda: _grouped()[:-8] + struct.pack("<I", len(_grouped()) - 8) + b"PAR1"),
    "an encrypted footer": _lie(lambda: _grouped()[:-4] + b"PARE"),
    "no magic number at the end": _lie(lambda: _grouped()[:-4] + b"PAR0"),
    "no magic number at the start": _lie(lambda: b"XXXX" + _grouped()[4:]),
    "two magic numbers and no more": _lie(lambda: b"PAR1PAR1"),
    "magic numbers around a length": _lie(lambda: b"PAR1" + struct.pack("<I", 4) + b"PAR1"),
    "Arrow's schema of noise": _arrow_schema(base64.b64encode(bytes(range(90)))),
    "Arrow's schema not base64": _arrow_schema(b"!" * 60),
    "Arrow's schema with large offsets": _arrow_schema(base64.b64encode(b"\xff\xff\xff\x7f" * 15)),
}

TABLES: dict[str, Table] = {
    **{f"form: {name}": table_ for name, table_ in FORMS.items()},
    **{f"column: {name}": table_ for name, table_ in COLUMNS.items()},
    **{f"text: {name}": table_ for name, table_ in TEXTS.items()},
    **{f"bomb: {name}": table_ for name, table_ in BOMBS.items()},
    **{f"lie: {name}": table_ for name, table_ in LIES.items()},
}
