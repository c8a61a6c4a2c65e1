"""Partition folders: pyarrow reads what we name, we read what pyarrow names."""

import urllib.parse

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.io import partitions, paths
from corpus.reading import readers

LONG = ["x" * 5000, "x" * 5000 + "y", "\U0001f600" * 300, "/" * 64]
VALUES = ["de", "zh-cn", "a/b c%=ü", "..", "10", "\U0001f600", "a+b", "__HIVE_DEFAULT_PARTITION__", *LONG, "", None]
READ_AS = [*VALUES[:-2], None, None]


def batch(values=VALUES):
    count = len(values)
    texts = [f"text {i}" for i in range(count)]
    return pa.record_batch(
        {"id": list(map(str, range(count))), "text": texts, "language": pa.array(values, pa.string())}
    )


def as_pyarrow_reads(value):
    """It has the name of the folder for what that cannot hold."""
    return urllib.parse.unquote(partitions.folder("language", value).partition("=")[2]) if value else None


def write(root, column="language"):
    for folder, part in partitions.split(batch(), column):
        (root / folder).mkdir(parents=True)
        pq.write_table(pa.Table.from_batches([part]), root / folder / "0.parquet")


def test_split_loses_nothing():
    parts = partitions.split(batch(["b", None, "a", "b", ""]), "language")
    assert [name for name, _ in parts] == ["language=__HIVE_DEFAULT_PARTITION__", "language=a", "language=b"]
    assert [part["id"].to_pylist() for _, part in parts] == [["1", "4"], ["2"], ["0", "3"]]
    assert all(part.schema.names == ["id", "text"] for _, part in parts)
    assert partitions.split(batch(), "other") == [("other=__HIVE_DEFAULT_PARTITION__", batch())]
    assert partitions.split(batch([]), "language") == []


def test_pyarrow_reads_it(tmp_path):
    write(tmp_path)
    for table in (ds.dataset(tmp_path, partitioning="hive").to_table(), pq.read_table(tmp_path)):
        rows = sorted(table.to_pylist(), key=lambda row: int(row["id"]))
        assert [row["language"] for row in rows] == [as_pyarrow_reads(value) for value in READ_AS]
        assert [row["text"] for row in rows] == batch()["text"].to_pylist()


@pytest.mark.parametrize("by_pyarrow", [False, True])
@pytest.mark.parametrize("uri", [False, True])
def test_the_reader_gives_the_column_back(tmp_path, uri, by_pyarrow):
    root = tmp_path / "run=1" / "documents"  # a folder above that is not a partition's
    expected = READ_AS
    if by_pyarrow:
        values = [*VALUES[:7], "", None]  # it cannot name long ones, nor tell that value from none
        expected = [*VALUES[:7], None, None]
        ds.write_dataset(batch(values), root, format="parquet", partitioning=["language"], partitioning_flavor="hive")
    else:
        write(root)
    options = readers.ReadOptions()
    units = readers.split(paths.expand(root.as_uri() if uri else str(root)), options)
    rows = [row for unit in units for reading in readers.read(unit, options) for row in reading.documents.to_pylist()]
    assert [row["language"] for row in sorted(rows, key=lambda row: int(row["id"]))] == expected
    assert all(row["metadata"] is None for row in rows)


def test_columns_of_a_path():
    assert partitions.of_path("/a=1/b/language=de/year=2024/x.parquet") == {"language": "de", "year": "2024"}
    assert partitions.of_path("x.parquet") == {} == partitions.of_path("/=a/x.parquet")
    assert partitions.of_path("k=/x.parquet") == {"k": None}


def test_a_column_of_the_file_counts_before_that_of_its_folder():
    assert partitions.add_columns(batch(), {"language": "xx"}) == batch()


@given(column=st.text(min_size=1, max_size=60).filter(partitions.can_name), value=st.text() | st.text(min_size=60))
def test_names_of_any_characters(column, value):
    name = partitions.folder(column, value)
    assert "/" not in name and name.isascii() and len(name) <= 255
    if partitions.holds(name):
        assert partitions.of_path(f"{name}/0.parquet") == {column: value or None}
    else:
        assert value == partitions.MISSING or len(name) > partitions.MOST_NAME - 20


@given(st.lists(st.text(alphabet="a+%/\U0001f600", max_size=90), unique=True, max_size=20))
def test_values_have_folders_of_their_own(values):
    names = [partitions.folder("c", value) for value in values]
    assert len(set(names)) == len(names)
