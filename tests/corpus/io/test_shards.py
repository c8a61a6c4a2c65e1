"""Shards: what is written is read back, and the same batches give the same bytes."""

import pyarrow as pa
import pytest

from corpus.io import shards

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
    assert list(shards.read_shard(name)) == BATCHES
    assert path.stat().st_size < 100_000  # compressed


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
    assert list(shards.read_shard(str(tmp_path / "x.arrow"))) == []
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
    with pytest.raises(pa.ArrowInvalid):
        list(shards.read_shard(path))


def test_parquet_round_trip(tmp_path):
    path = str(tmp_path / "x.parquet")
    shards.write_parquet(path, iter(BATCHES), BATCHES[0].schema)
    read = pa.Table.from_batches(shards.read_parquet(path))
    assert read.equals(pa.Table.from_batches(BATCHES))
    ids = pa.Table.from_batches(shards.read_parquet(path, ["id"]))
    assert ids.schema.names == ["id"] and ids.num_rows == 5003
    shards.write_parquet(path, [], BATCHES[0].schema)
    assert list(shards.read_parquet(path)) == []
