"""What is counted is what was done."""

import os

import pyarrow as pa
import slow_store

from corpus.io import paths, shards


def test_operations_on_a_disk_are_counted(tmp_path):
    batch = pa.record_batch({"number": [1, 2, 3]})
    with slow_store.counting(tmp_path) as counts:
        with shards.ShardWriter(str(tmp_path / "in" / "a.arrow")) as writer:
            writer.write(batch)
        paths.write_atomic(str(tmp_path / "b"), b"12345")
        assert (counts["creates"], counts["renames"], counts["opens"]) == (2, 1, 0)
        written = counts["bytes written"]
        assert written == os.path.getsize(tmp_path / "in" / "a.arrow") + 5
        assert [b.num_rows for b in shards.read(str(tmp_path / "in" / "a.arrow"))] == [3]
        assert paths.read_bytes(str(tmp_path / "b")) == b"12345"
        assert (counts["opens"], counts["bytes read"]) == (2, written)
        before = counts["stats"]
        assert paths.size(str(tmp_path / "b")) == 5 and paths.exists(str(tmp_path / "in" / "a.arrow"))
        assert counts["stats"] == before + 2
        assert [entry.name for entry in paths.entries(str(tmp_path))] == ["b", "in"] and counts["listings"] == 1
        paths.size("elsewhere")
        assert counts["stats"] == before + 2
    assert counts.opened == {str(tmp_path / "in" / "a.arrow"): 1, str(tmp_path / "b"): 1}
    assert paths.size(str(tmp_path / "b")) == 5 and counts["stats"] == before + 2


def test_a_store_is_used_by_its_name(tmp_path):
    with slow_store.store(tmp_path, seconds=0) as counts:
        for number in range(3):
            paths.write_atomic(f"slow://bucket/x/{number}.json", b"[]")
        assert [source.path for source in paths.expand("slow://bucket/x/*.json")] == [
            f"slow://bucket/x/{number}.json" for number in range(3)
        ]
        assert paths.read_bytes("slow://bucket/x/1.json") == b"[]"
        paths.remove(["slow://bucket/x/2.json"])
        assert [entry.name for entry in paths.entries("slow://bucket/x")] == ["0.json", "1.json"]
    assert (counts["creates"], counts["opens"], counts["reads"], counts["deletes"]) == (3, 1, 1, 1)
    assert counts["listed"] == 3 + 2 and sorted(os.listdir(tmp_path / "bucket" / "x")) == ["0.json", "1.json"]


def test_a_store_lists_a_thousand_names_at_a_time(tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(2001):
        (tmp_path / "many" / str(number)).touch()
    with slow_store.store(tmp_path, seconds=0) as counts:
        assert len(paths.entries("slow://many")) == 2001
    assert counts["listings"] == 3
