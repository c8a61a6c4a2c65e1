"""Documents as JSON lines: the same as in documents/, and gone when they are no longer wanted."""

import json

import pyarrow.parquet as pq
import pytest
import zstandard

from corpus.reading import readers
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.inspection.verify import verify

ROWS = [{"id": f"d{i}", "text": f"Text {i} ü\n.", "language": "en" if i % 3 else "de", "n": i} for i in range(200)]


@pytest.fixture
def docs(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(docs, output, workers=0, **more):
    document = {"input": [str(docs)], "steps": ["length", "exact_dedup"], "task_bytes": 500, "jsonl": True, **more}
    return runs.run(recipes.parse(document), str(output), workers, replace=True)


def lines(folder):
    names = sorted(folder.rglob("*.jsonl.zst"))
    return {
        str(name.relative_to(folder)).removesuffix(".jsonl.zst"): [
            json.loads(line) for line in zstandard.decompress(name.read_bytes(), 1 << 20).splitlines()
        ]
        for name in names
    }


@pytest.mark.parametrize("more", [{}, {"partition_by": "language"}, {"keep_work": False}])
def test_every_document_is_a_line_in_a_file_beside_its_shard(tmp_path, docs, more):
    run(docs, tmp_path / "out", **more)
    found = lines(tmp_path / "out" / "jsonl")
    shards = sorted((tmp_path / "out" / "documents").rglob("*.parquet"))
    assert len(shards) > 3
    for shard in shards:
        name = str(shard.relative_to(tmp_path / "out" / "documents")).removesuffix(".parquet")
        wanted = pq.ParquetFile(shard).read(["id", "text", "source", "metadata"]).to_pylist()
        assert [{key: row[key] for key in wanted[0]} for row in found.pop(name)] == [
            {**row, "metadata": json.loads(row["metadata"])} for row in wanted
        ]
    assert not found and not verify(str(tmp_path / "out"))


def test_winnow_reads_what_it_writes(tmp_path, docs):
    run(docs, tmp_path / "out")
    readings = list(readers.read_files(tmp_path / "out" / "jsonl"))
    assert sorted(row["id"] for reading in readings for row in reading.documents.to_pylist()) == sorted(
        row["id"] for row in ROWS
    )


def test_they_are_made_once_the_same_by_any_workers_and_go_when_unwanted(tmp_path, docs, ray_workers):
    run(docs, tmp_path / "out")
    assert not run(docs, tmp_path / "out").worked
    run(docs, tmp_path / "ray", ray_workers)
    for name in (tmp_path / "out" / "jsonl").iterdir():
        assert name.read_bytes() == (tmp_path / "ray" / "jsonl" / name.name).read_bytes()
    run(docs, tmp_path / "out", jsonl=False)
    assert not (tmp_path / "out" / "jsonl").exists() and (tmp_path / "out" / "documents").exists()
    assert not verify(str(tmp_path / "out"))
