"""Our side of every case runs and says how much it did; the list names the cases. No timing is judged."""

import json
import pathlib
import subprocess
import sys

import corpora
import pipeline
import pytest

BENCH = pathlib.Path(__file__).parent / "bench.py"
KEYS = {"case", "peer", "peer_version", "ratio", "corpus_bytes", "cores"}


def bench(*arguments):
    done = subprocess.run(
        [sys.executable, str(BENCH), *map(str, arguments)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_list_names_the_cases():
    listed = bench("--list")
    for case in ("c4", "minhash", "encode", "loader_causal"):
        assert case in listed


@pytest.mark.slow
def test_our_side_of_the_first_cases_runs(tmp_path):
    corpora.write_jsonl(tmp_path / "docs.jsonl", corpora.documents(400))
    cases = ["c4", "langdetect", "minhash", "near_dedup", "suffix_array", "windows"]
    bench(*cases, "--corpus", tmp_path / "docs.jsonl", "--no-peers", "--repeat", 1, "--json", tmp_path / "out.json")
    results = [json.loads(line) for line in (tmp_path / "out.json").read_text().splitlines()]
    assert [result["case"] for result in results] == cases
    for result in results:
        assert KEYS <= result.keys()
        assert result["mb_per_s"] > 0 and result["corpus_bytes"] > 0
        assert result["peer_mb_per_s"] is None and result["cores"] == 1


def test_the_time_of_a_whole_recipe_is_divided(tmp_path):
    corpora.write_jsonl(tmp_path / "docs.jsonl", corpora.documents(300))
    run = pipeline.timed([str(tmp_path / "docs.jsonl")], ["length", "url_dedup", "near_dedup"], workers=0)
    names = ["read+length", "url_dedup-keys", "url_dedup-reduce", "url_dedup-decide", "near_dedup-signatures"]
    assert [name.partition("-")[2] for name in run.maps][:5] == names
    assert all(tasks > 0 and seconds > 0 for tasks, seconds in run.maps.values())
    kernels = sum(run.maps[name][1] for name in ("01-url_dedup-keys", "02-near_dedup-signatures"))
    assert kernels + run.filters < run.kernels < run.in_tasks and 0 < run.filters + run.reading < run.in_tasks
    assert run.started > 0 and run.ended > 0 and run.running < run.seconds and run.text > 0
