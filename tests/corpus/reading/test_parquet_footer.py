"""The footer of Parquet files: what pyarrow says of it, and nothing but ValueError for what is none."""

import datetime
import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.reading import footer_sizes, parquet_footer

FIELDS = {
    "id": pa.string(),
    "text": pa.string(),
    "same": pa.string(),
    "tags": pa.list_(pa.string()),
    "meta": pa.struct({"n": pa.int64(), "deep": pa.struct({"x": pa.float64()})}),
    "when": pa.timestamp("us"),
    "flag": pa.bool_(),
}


def table(rows):
    noise = random.Random(rows)
    return pa.table(
        {
            "id": [str(i) for i in range(rows)],
            "text": [noise.randbytes(20).hex() for _ in range(rows)],
            "same": ["x"] * rows,
            "tags": [["a", "b"][: i % 3] for i in range(rows)],
            "meta": [{"n": i, "deep": {"x": 0.5}} if i % 2 else None for i in range(rows)],
            "when": [datetime.datetime(2020, 1, 1)] * rows,
            "flag": [None if i % 3 else True for i in range(rows)],
        },
        pa.schema(FIELDS),
    )


def written(content, **options):
    sink = io.BytesIO()
    pq.write_table(content, sink, **options)
    return pa.BufferReader(sink.getvalue())


OPTIONS = [
    {},
    {"row_group_size": 7},
    {"compression": "zstd", "use_dictionary": False},
    {"column_encoding": {"text": "DELTA_BYTE_ARRAY", "id": "PLAIN"}, "use_dictionary": ["same"]},
    {"version": "1.0", "data_page_version": "2.0", "write_page_checksum": True},
    {"write_statistics": False, "store_schema": False, "data_page_size": 100},
    {"sorting_columns": [pq.SortingColumn(0)], "write_page_index": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
@pytest.mark.parametrize("rows", [0, 1, 100])
def test_it_says_what_pyarrow_says(options, rows):
    file = written(table(rows), **options)
    metadata = pq.ParquetFile(file).metadata
    footer = parquet_footer.read(file)
    assert footer.rows == metadata.num_rows == rows and len(footer.groups) == metadata.num_row_groups
    names = {"BYTE_ARRAY": 6, "BOOLEAN": 0, "INT64": 2, "DOUBLE": 5, "INT32": 1}
    for number, group in enumerate(footer.groups):
        theirs = metadata.row_group(number)
        assert (group.rows, group.bytes, len(group.columns)) == (
            theirs.num_rows,
            theirs.total_byte_size,
            theirs.num_columns,
        )
        for index, column in enumerate(group.columns):
            other = theirs.column(index)
            assert column.type == names[other.physical_type] and column.path == other.path_in_schema
            assert (column.values, column.uncompressed, column.compressed) == (
                other.num_values,
                other.total_uncompressed_size,
                other.total_compressed_size,
            )
            assert (column.data, column.dictionary or None) == (other.data_page_offset, other.dictionary_page_offset)
            assert (parquet_footer.DELTA_BYTE_ARRAY in column.encodings) == ("DELTA_BYTE_ARRAY" in other.encodings)
            if not rows:
                continue
            kind, size = parquet_footer.page_header(file, column.dictionary or column.data)
            assert (kind == parquet_footer.DICTIONARY_PAGE) == bool(
                column.dictionary
            ) and 0 <= size <= column.uncompressed
        starts = [
            theirs.column(i).dictionary_page_offset or theirs.column(i).data_page_offset
            for i in range(theirs.num_columns)
        ]
        assert group.extent == (
            min(starts),
            sum(theirs.column(i).total_compressed_size for i in range(theirs.num_columns)),
        )


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
@pytest.mark.parametrize("rows", [0, 1, 100])
def test_sizes_of_row_groups_are_those_of_the_whole_footer(options, rows):
    file = written(table(rows), **options)
    data = footer_bytes(file)
    sizes, sure = footer_sizes.compressed(np.frombuffer(data, np.uint8))
    expected = [group.extent[1] for group in parquet_footer.read(file).groups]
    assert sure and sizes.tolist() == expected == parquet_footer.row_group_sizes(file)


def test_a_footer_longer_than_what_is_read_first():
    wide = pa.table({f"column {i}": [i] * 200 for i in range(100)})
    file = written(wide, row_group_size=10)
    assert len(footer_bytes(file)) > parquet_footer.TAIL
    assert len(parquet_footer.read(file).groups) == len(parquet_footer.row_group_sizes(file)) == 20


@pytest.mark.parametrize("data", [
    b"", b"\x00", b"\x16", b"\x26\x02\x00", b"\x36\x02\x00", b"\x38\x01x\x00", b"\x49\x0c\x00", b"\x49\x1c\x00\x00",
    b"\x49\x16\x02\x00", b"\x4c\x00\x00", b"\x49\xfc\xff\xff\x7f\x00", b"\x49\x1c\x19\x1c\x3c\x76\x0a\x00\x00\x00\x00",
    b"\x49\x1c\x19\x1c\x3c\x76\x09\x00\x00\x00\x00", b"\x49\x1c\x19\x1c\x3c\x78\x01x\x00\x00\x00\x00",
    b"\x49\x1c\x19\x1c\x3c\x73\x05\x00\x00\x00\x00", b"\x49\x1c\x00\x09\x08\x1c\x00\x00", b"\x1b\x01\x88\x01a\x01b\x00",
    b"\x1b\x00\x00", b"\x1b\x02\x11\x01\x01\x02\x02\x00", b"\x19\x21\x01\x02\x00", b"\x17" + bytes(8) + b"\x00",
    b"\x1c\x03" + b"\xff" * 10, b"\x1c\x07" + b"\xff" * 10, b"\x49\x11\x01\x00", b"\x49\x1c\x19\x11\x01\x00\x00",
    b"\x06\x0e\x02\x00",
    b"\x1c" * 60 + bytes(61), b"\x1c" * 25 + bytes(26), b"\x19\x1c" * 25 + bytes(26),
])  # fmt: skip
def test_sizes_of_footers_by_hand(data):
    same_sizes(data)


def test_sizes_that_a_kernel_tells():
    """Each way through it, and not only those that are left to Python."""
    column = b"\x3c\x76\x0a\x00\x00"  # 5 bytes, as zigzag
    for data, sizes in [
        (b"\x00", []),
        (b"\x49\x1c\x19\x2c" + column * 2 + b"\x00\x00", [10]),
        (b"\x49\x2c\x00\x19\x1c" + column + b"\x00\x00", [0, 5]),
        (b"\x1b\x02\x11\x01\x01\x02\x02\x39\x0c\x00", []),  # a map of truths, an empty list
    ]:
        found, sure = footer_sizes.compressed(np.frombuffer(data, np.uint8))
        assert sure and found.tolist() == sizes
        same_sizes(data)


def same_sizes(data):
    """What the kernel tells is what the whole footer says; where it does not, nothing is claimed."""
    sizes, sure = footer_sizes.compressed(np.frombuffer(data, np.uint8))
    file = pa.BufferReader(data + len(data).to_bytes(4, "little") + b"PAR1")
    try:
        expected = [group.extent[1] for group in parquet_footer.read(file).groups]
    except ValueError:
        assert not sure
        with pytest.raises(ValueError):
            parquet_footer.row_group_sizes(file)
        return
    assert parquet_footer.row_group_sizes(file) == expected and (not sure or sizes.tolist() == expected)


def footer_bytes(file):
    data = file.read_buffer().to_pybytes()
    file.seek(0)
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def test_the_size_of_a_dictionary_is_that_of_its_page():
    file = written(pa.table({"text": ["x" * 1000] * 5000}), compression="zstd")
    (group,) = parquet_footer.read(file).groups
    assert parquet_footer.page_header(file, group.columns[0].dictionary) == (parquet_footer.DICTIONARY_PAGE, 1004)


def test_what_is_no_footer_is_a_value_error():
    whole = written(table(20), row_group_size=5).read_buffer().to_pybytes()
    length = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - length : -8]
    for data in (b"", b"PAR1", whole[:-1], whole[:-8], b"\xff\xff\xff\xffPAR1", b"x" * 100):
        with pytest.raises(ValueError, match="no footer"):
            parquet_footer.read(pa.BufferReader(data))
    for size in range(0, length, 3):
        data = footer[:size] + size.to_bytes(4, "little") + b"PAR1"
        with pytest.raises(ValueError):
            parquet_footer.read(pa.BufferReader(data))
    for deep in (b"\x1c" * 5000, b"\x19\x1c" * 5000, b"\x19\xf9\xff\xff\xff\xff\x0f" * 100):
        with pytest.raises(ValueError):
            parquet_footer.read(pa.BufferReader(deep + len(deep).to_bytes(4, "little") + b"PAR1"))
    with pytest.raises(ValueError):
        parquet_footer.page_header(pa.BufferReader(whole), -5)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_changed_footer_is_read_or_a_value_error(data):
    footer = bytearray(FOOTER)
    for _ in range(data.draw(st.integers(1, 4))):
        footer[data.draw(st.integers(0, len(footer) - 1))] = data.draw(st.integers(0, 255))
    same_sizes(bytes(footer))
    try:
        found = parquet_footer.read(pa.BufferReader(bytes(footer) + len(footer).to_bytes(4, "little") + b"PAR1"))
    except ValueError:
        return
    assert all(isinstance(column.values, int) for group in found.groups for column in group.columns)


WHOLE = written(table(20), row_group_size=5).read_buffer().to_pybytes()
FOOTER = WHOLE[-8 - int.from_bytes(WHOLE[-8:-4], "little") : -8]
