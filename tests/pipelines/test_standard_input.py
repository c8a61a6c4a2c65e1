"""Input that comes on standard input: any format, kept for reruns, never replaced without a word."""

import bz2
import gzip
import io
import json
import os
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = [{"id": str(i), "text": f"Some words {i}."} for i in range(20)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def winnow(*arguments, given=b"", check=0):
    """Run the command with these bytes on its standard input."""
    root = str(pathlib.Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(
        command, input=given, capture_output=True, timeout=300, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == check and b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def run(out, given=b"", *more, check=0):
    return winnow("dedup", "exact", "-", out, "--workers", 0, *more, given=given, check=check)


def documents(out):
    return pq.read_table(out / "documents").select(["id", "text"]).to_pylist()


def table():
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


@pytest.mark.parametrize("data, name, more", [
    (LINES, "stdin.jsonl", []),
    (gzip.compress(LINES, mtime=0), "stdin.jsonl.gz", []),
    (bz2.compress(json.dumps(ROWS).encode()), "stdin.json.bz2", []),
    (json.dumps(ROWS[0], indent=1).encode(), "stdin.json", []),
    (table(), "stdin.parquet", []),
    (b"id,text\n1,One.\n", "stdin.csv", ["--set", "read.format=csv"]),
    (gzip.compress(b"id\ttext\n1\tOne.\n", mtime=0), "stdin.tsv.gz", ["--set", "read.format=tsv"]),
])  # fmt: skip
def test_the_format_is_told_by_what_comes(tmp_path, data, name, more):
    out = tmp_path / "out"
    run(out, data, *more)
    assert [path.name for path in (out / "work").iterdir() if path.is_file()] == [name]
    found = documents(out)
    assert found == (ROWS if len(data) > 100 and not more else found) and found
    assert (out / "work" / name).read_bytes() == data


def test_a_rerun_has_it_and_something_else_needs_a_word(tmp_path):
    out = tmp_path / "out"
    run(out, LINES)
    for again in (b"", LINES):
        assert b"nothing to do: all" in run(out, again).stdout
    other = LINES + b'{"id": "more", "text": "More."}\n'
    said = run(out, other, check=2).stderr.decode()
    assert "stdin.jsonl holds of the run before. Say --replace" in said
    assert documents(out) == ROWS and b"nothing to do: all" in run(out).stdout
    run(out, gzip.compress(other, mtime=0), "--replace")
    assert len(documents(out)) == 21 and not (out / "work" / "stdin.jsonl").exists()
    winnow("verify", out)
    winnow("clean-work", out)
    assert not (out / "work").exists()


def test_what_cannot_be_read_is_refused_before_work(tmp_path):
    out = tmp_path / "out"
    assert b"nothing came on standard input (a dry run does not read it), and no run before" in run(out, check=2).stderr
    assert not out.exists()
    said = run(out, b"id,text\n1,One.\n", check=2).stderr.decode()
    assert "the format of standard input cannot be told: say --set read.format= one of warc, jsonl" in said
    assert not (out / "work").exists() or not list((out / "work").iterdir())
    assert b"say --text-field body" in run(out, b'{"body": "One."}', check=2).stderr
    run(out, b"", "--text-field", "body")
    assert [row["text"] for row in documents(out)] == ["One."]


def test_a_dry_run_reads_nothing(tmp_path):
    out = tmp_path / "out"
    assert b"nothing came" in run(out, LINES, "--dry-run", check=2).stderr and not out.exists()
    run(out, LINES)
    assert b"nothing to do" in run(out, b"other", "--dry-run").stdout
