"""Shards: what is written is read back, and the same batches give the same bytes."""

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.io import paths, shards

BATCHES = [
    pa.record_batch({"id": ["a", "b", None], "text": ["one", "", "𝄞"], "n": pa.array([1, None, 3])}),
    pa.record_batch({"id": ["c"] * 5000, "text": ["long " * 50] * 5000, "n": pa.array(range(5000))}),
]


def write(path, batches, schema=None):
    with shards.ShardWriter(str(path), schema) as writer:
        for batch in batches:
            writer.write(batch)


@pytest.mark.parametrize("uri", [False, True])
def test_shard_round_trip(tmp_path, uri):
    path = tmp_path / "folder" / "x.arrow"
    name = path.as_uri() if uri else str(path)
    write(name, BATCHES)
    assert list(shards.read(name)) == BATCHES
    assert path.stat().st_size < 100_000  # compressed


@pytest.mark.parametrize("name", ["x.arrow", "x.parquet"])
def test_some_columns_of_a_shard(tmp_path, name):
    path = str(tmp_path / name)
    writer = shards.open_writer(path, BATCHES[0].schema)
    for batch in BATCHES:
        writer.write(batch)
    writer.close()
    digest = xxhash.xxh3_128_hexdigest((tmp_path / name).read_bytes())
    found = pa.Table.from_batches(shards.read(path, digest, ("n", "no such", "id")))
    assert found.equals(pa.Table.from_batches(BATCHES).select(["id", "n"]))
    with pytest.raises(paths.DamagedFile, match="its checksum is wrong"):
        list(shards.read(path, "0" * 32, ("n",)))


def test_same_batches_same_bytes(tmp_path):
    whole = BATCHES[1]
    parts = [whole.slice(0, 1000), whole.slice(1000, 100)]
    copies = [pa.RecordBatch.from_pylist(part.to_pylist(), whole.schema) for part in parts]
    for number, batches in enumerate([parts, parts, copies]):
        write(tmp_path / f"{number}.arrow", batches)
        shards.write_parquet(str(tmp_path / f"{number}.parquet"), batches, whole.schema)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files["0.arrow"] == files["1.arrow"]
    assert files["0.parquet"] == files["1.parquet"] == files["2.parquet"]


def test_shard_without_batches(tmp_path):
    write(tmp_path / "x.arrow", [], BATCHES[0].schema)
    assert list(shards.read(str(tmp_path / "x.arrow"))) == []
    with pytest.raises(ValueError, match="no schema"):
        write(tmp_path / "y.arrow", [])


def test_schemas_must_agree(tmp_path):
    with pytest.raises(ValueError):
        write(tmp_path / "x.arrow", [BATCHES[0], BATCHES[0].select(["id"])])


def test_a_shard_that_was_not_completed_cannot_be_read(tmp_path):
    path = str(tmp_path / "x.arrow")
    with pytest.raises(RuntimeError), shards.ShardWriter(path) as writer:
        writer.write(BATCHES[0])
        raise RuntimeError
    with pytest.raises(paths.DamagedFile, match="x.arrow is damaged: "):
        list(shards.read(path))


def test_parquet_round_trip(tmp_path):
    path = str(tmp_path / "x.parquet")
    shards.write_parquet(path, iter(BATCHES), BATCHES[0].schema)
    read = pa.Table.from_batches(shards.read(path))
    assert read.equals(pa.Table.from_batches(BATCHES)) and shards.count_rows(path) == 5003
    shards.write_parquet(path, [], BATCHES[0].schema)
    assert list(shards.read(path)) == []


@pytest.mark.parametrize("name", ["x.arrow", "x.parquet"])
@pytest.mark.parametrize("uri", [False, True])
def test_any_change_of_a_file_is_noticed_by_its_checksum(tmp_path, name, uri):
    path = tmp_path / name
    writer = shards.open_writer(str(path), BATCHES[0].schema)
    for batch in BATCHES:
        writer.write(batch)
    writer.close()
    data = path.read_bytes()
    digest = xxhash.xxh3_128_hexdigest(data)
    named = path.as_uri() if uri else str(path)
    assert pa.Table.from_batches(shards.read(named, digest)).equals(pa.Table.from_batches(BATCHES))
    for place in range(0, len(data), 251):
        for changed in (data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :], data[:place]):
            path.write_bytes(changed)
            with pytest.raises(paths.DamagedFile) as damage:
                list(shards.read(named, digest))
            assert damage.value.path == named


def test_batches_carry_checksums_where_parts_of_a_file_are_read(tmp_path):
    path = tmp_path / "x.arrow"
    parts = [BATCHES[1].slice(i * 100, 100) for i in range(8)]
    with shards.ShardWriter(str(path), checked=True) as writer:
        for part in parts:
            writer.write(part)
    data = path.read_bytes()
    assert list(shards.read(str(path))) == parts
    noticed = 0
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        for index in range(8):
            try:
                with shards.open_checked(str(path)) as reader:
                    assert shards.checked_batch(str(path), reader, index) == parts[index]
            except paths.DamagedFile:
                noticed += 1
    assert noticed >= len(data) // 97 // 2  # padding and metadata that nobody reads excepted
    path.write_bytes(data)
    with shards.open_checked(str(path)) as reader, pytest.raises(paths.DamagedFile, match="no batch 8"):
        shards.checked_batch(str(path), reader, 8)


COLUMNS = {
    "string": st.none() | st.text(max_size=5),
    "bool": st.none() | st.booleans(),
    "list": st.none() | st.lists(st.integers(0, 9), max_size=3),
    "struct": st.none() | st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.none() | st.text(max_size=3)}),
    "float": st.floats(allow_nan=False),
}


@settings(deadline=None, max_examples=80)
@given(st.lists(st.fixed_dictionaries(COLUMNS), min_size=1, max_size=30), st.data())
def test_a_batch_has_the_same_checksum_once_written_and_read(tmp_path_factory, rows, data):
    """Of any types, as a slice or a filtered one."""
    batch = pa.RecordBatch.from_pylist(rows)
    batch = batch.append_column("dictionary", batch.column("string").dictionary_encode())
    start = data.draw(st.integers(0, len(rows)))
    batch = batch.slice(start, data.draw(st.integers(0, len(rows) - start)))
    path = str(tmp_path_factory.getbasetemp() / "any.arrow")
    with shards.ShardWriter(path, batch.schema, checked=True) as writer:
        writer.write(batch)
    with shards.open_checked(path) as reader:
        assert shards.checked_batch(path, reader, 0) == batch


def test_storage_that_fails_is_not_taken_for_damage(tmp_path, monkeypatch):
    write(tmp_path / "x.arrow", BATCHES)

    def failing(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pa, "memory_map", failing)
    with pytest.raises(OSError, match="Input/output error"):
        list(shards.read(str(tmp_path / "x.arrow")))


def test_a_file_that_is_given_up_is_not_completed(tmp_path, monkeypatch):
    unraised = []
    monkeypatch.setattr("sys.unraisablehook", unraised.append)
    writer = shards.ParquetShardWriter(str(tmp_path / "x.parquet"), pa.schema([("a", pa.int64())]))
    writer.write(pa.record_batch({"a": [1, 2]}))
    writer._sink.close()
    del writer
    assert not unraised and not (tmp_path / "x.parquet").read_bytes().endswith(b"PAR1")
