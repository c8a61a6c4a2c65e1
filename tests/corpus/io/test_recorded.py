"""What is said of a file that was written is what reading it says."""

import threading

import numpy as np
import pyarrow as pa
import pytest
import slow_store
import xxhash

from corpus.io import paths, recorded, shards
from corpus.tokens import megatron


def read_again(path):
    data = paths.read_bytes(path)
    return len(data), xxhash.xxh3_128_hexdigest(data)


def write_ipc(folder):
    with shards.ShardWriter(f"{folder}/a.arrow", checked=True) as writer:
        for start in range(3):
            writer.write(pa.record_batch({"number": list(range(start, 1000)), "text": ["x" * start] * (1000 - start)}))


def write_parquet(folder):
    batch = pa.record_batch({"text": [f"text {i}" for i in range(1000)], "none": [None] * 1000})
    shards.write_parquet(f"{folder}/a.parquet", [batch] * 3, batch.schema)


def write_tokens(folder):
    with megatron.ShardWriter(f"{folder}/00000", vocab_size=100) as shard:
        shard.add(np.arange(90), np.array([0, 30, 30, 90]))


def write_nothing(folder):
    paths.open_output(f"{folder}/empty").close()


@pytest.mark.parametrize("write, names", [
    (write_ipc, {"a.arrow"}), (write_parquet, {"a.parquet"}), (write_tokens, {"00000.bin", "00000.idx"}),
    (write_nothing, {"empty"}),
], ids=lambda value: getattr(value, "__name__", None))  # fmt: skip
@pytest.mark.parametrize("on_store", [False, True], ids=["disk", "store"])
def test_every_writer_is_heard(tmp_path, write, names, on_store):
    found = {}
    with slow_store.store(tmp_path / "store", seconds=0):
        folder = "slow://bucket/x" if on_store else str(tmp_path / "x")
        with recorded.into(found):
            write(folder)
        assert found == {f"{folder}/{name}": read_again(f"{folder}/{name}") for name in names}
        write(folder.replace("/x", "/y"))  # and the bytes are those that are written unheard
        assert [read_again(f"{folder}/{name}".replace("/x/", "/y/")) for name in names] == [
            found[f"{folder}/{name}"] for name in names
        ]


def test_a_file_that_was_written_twice_is_the_last(tmp_path):
    found, path = {}, str(tmp_path / "x")
    with recorded.into(found):
        for data in (b"first", b"second"):
            with paths.open_output(path) as file:
                assert file.write(data) == len(data) and file.tell() == len(data)
        file = paths.open_output(path)
        assert path not in found  # it is being written
        file.close()
    assert found[path] == read_again(path) == (0, xxhash.xxh3_128_hexdigest(b""))


def test_what_another_thread_writes_is_not_known(tmp_path):
    found = {}
    with recorded.into(found):
        thread = threading.Thread(target=write_nothing, args=(tmp_path,))
        thread.start()
        thread.join()
    assert found == {} and paths.size(str(tmp_path / "empty")) == 0


def test_a_write_that_fails_is_raised_as_it_is():
    class Full:
        closed = False

        def write(self, data):
            raise OSError(28, "no space left on device")

        def close(self):
            self.closed = True

    found = {}
    with recorded.into(found):
        file = recorded.watch("x", Full())
        with pytest.raises(OSError, match="no space left") as error:
            file.write(b"data")
            file.close()
    assert error.value.errno == 28
