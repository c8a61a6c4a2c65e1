"""Whole runs from an object store to an object store: the bytes of a run on a disk, whatever fails in between."""

import contextlib
import gzip
import json
import os
import pathlib
import signal
import subprocess

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_store import KINDS, every
from commands import FRESH
from outputs import Said, digest

from corpus import TokenStream
from corpus.io import paths, retries
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.engine import TaskFailed
from pipelines.inspection import clean_work, describe, explain, verify
from pipelines.report import report

RECIPE = str(pathlib.Path(recipes.__file__).parent / "recipes" / "pretrain.yaml")
SMALL = ("task_bytes=65536", "tokenize.shard_bytes=32768", "train_tokenizer.vocab_size=500", "pack.sequence_length=64")
DOCUMENTS = 120


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.001)
    monkeypatch.setattr("pipelines.lock.SETTLE", 0.01)


def write(folder: pathlib.Path) -> None:
    """The corpus as files that say where their documents are from, and the lists that the recipe wants."""
    rows = [{**row, "source": "made"} for row in corpora.documents(DOCUMENTS)]
    for name in ("in", "data/badwords", "data/eval"):
        (folder / name).mkdir(parents=True)
    corpora.write_jsonl(folder / "in" / "a.jsonl", rows[:40])
    lines = "".join(json.dumps(row) + "\n" for row in rows[40:80])
    (folder / "in" / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    pq.write_table(pa.Table.from_pylist(rows[80:]), folder / "in" / "c.parquet")
    (folder / "data" / "badwords" / "en").write_text("flumpet\n")
    corpora.write_jsonl(folder / "data" / "eval" / "questions.jsonl", [{"id": "lanterns", "text": corpora.QUESTION}])


def lists(data: str, options: str = ""):
    """The settings that name the lists in a folder."""
    against = paths.join(data, "eval/*.jsonl") + options
    return f"decontaminate.against=['{against}']", f"bad_words.path={paths.join(data, 'badwords')}{options}"


def run(base: str, name: str, said=None, **options):
    """Run the recipe from BASE/in to BASE/NAME, in this process."""
    recipe = recipes.load(RECIPE, [*SMALL, *lists(paths.join(base, "data"))], [paths.join(base, "in")])
    return runs.run(recipe, paths.join(base, name), progress=said, **options)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The run on a disk: its folder."""
    folder = tmp_path_factory.mktemp("local")
    write(folder)
    run(str(folder), "out")
    return folder


@pytest.fixture
def bucket(local, object_store, monkeypatch, request):
    """A bucket with the input and the lists, and its store, as `s3://` means it."""
    for name, value in object_store.variables().items():
        monkeypatch.setenv(name, value)
    name = request.node.originalname.replace("_", "-")[:60].strip("-")
    object_store.make_bucket(name)
    for folder in ("in", "data"):
        object_store.upload(local / folder, f"{name}/{folder}")
    return name


def left(store, name, folder):
    return digest(store.download(name, folder))


def test_a_run_from_s3_to_s3_is_the_run_on_a_disk(local, bucket, object_store, tmp_path):
    expected = digest(local / "out")
    assert {name.split("/")[0] for name in expected} == {"documents", "dropped", "near_dedup", "tokenizer", "tokens"}
    out = f"s3://{bucket}/out"
    first = run(f"s3://{bucket}", "out")
    assert left(object_store, f"{bucket}/out", tmp_path) == expected
    assert first.worked and first.storage_retries == 0
    again = run(f"s3://{bucket}", "out")
    assert not again.worked and again.report["documents"] == first.report["documents"]

    assert verify.verify(out) == []
    told = describe.describe(out, 3)
    assert told.startswith("step") and "tokens: " in told
    kept = pq.read_table(local / "out" / "documents")["id"].to_pylist()
    lines = [str(line) for line in explain.explain(out, kept[0], 20)]
    assert any(f"kept, in {out}/documents/" in line for line in lines)
    assert report.render_again(out, print)["documents"] == first.report["documents"]
    task = runs.run_task(out, "03-exact_dedup-keys/00000")
    assert task["documents"] > 0
    stream = TokenStream(
        f"{out}/tokens", sequence_length=64, batch_size=4, packing="best_fit-64", cache=str(tmp_path / "c")
    )
    disk = TokenStream(str(local / "out" / "tokens"), sequence_length=64, batch_size=4, packing="best_fit-64")
    assert stream.samples == disk.samples > 10
    assert all((ours["tokens"] == theirs["tokens"]).all() for ours, theirs in zip(stream, disk))

    damaged = next(name for name in object_store.names(f"{bucket}/out/work") if name.endswith("decisions.arrow"))
    object_store.put(damaged, object_store.get(damaged)[:-1] + b"?")
    object_store.put(f"{bucket}/out/documents/00000.parquet", b"PAR1")
    wrong = " ".join(verify.verify(out))
    assert f"s3://{damaged} is damaged: its checksum" in wrong and f"{out}/documents/00000.parquet has 4 bytes" in wrong
    assert run(f"s3://{bucket}", "out", replace=True).worked
    assert verify.verify(out) == []
    removed, others = clean_work.clean_work(out, print)
    assert removed > 50 and others == 0 and object_store.names(f"{bucket}/out/work") == []
    assert left(object_store, f"{bucket}/out", tmp_path / "after") == expected


def test_options_in_names_do_as_the_environment_does(local, bucket, object_store, tmp_path, monkeypatch):
    """And input, lists and output may lie in different places: here the output on a disk."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    options = object_store.options()
    settings = [*SMALL, *lists(f"s3://{bucket}/data", options)]
    recipe = recipes.load(RECIPE, settings, [f"s3://{bucket}/in/*{options}"])
    runs.run(recipe, str(tmp_path / "out"))
    assert digest(tmp_path / "out") == digest(local / "out")


def test_a_tokenizer_from_a_disk_is_published_on_the_store(local, bucket, object_store, tmp_path):
    recipe = recipes.parse(
        {"input": [f"s3://{bucket}/in"], "steps": [{"tokenize": {"tokenizer": str(local / "out" / "tokenizer")}}]}
    )
    runs.run(recipe, f"s3://{bucket}/out")
    got = object_store.download(f"{bucket}/out", tmp_path)
    assert {path.name: path.read_bytes() for path in (got / "tokenizer").iterdir()} == {
        path.name: path.read_bytes() for path in (local / "out" / "tokenizer").iterdir()
    }
    assert verify.verify(f"s3://{bucket}/out") == []
    elsewhere = recipes.parse(
        {"input": [f"s3://{bucket}/in"], "steps": [{"tokenize": {"tokenizer": f"s3://{bucket}/out/tokenizer"}}]}
    )
    runs.run(elsewhere, str(tmp_path / "local"))
    assert digest(tmp_path / "local")["tokens/00000.bin"] == digest(got)["tokens/00000.bin"]


def test_a_store_that_fails_for_good_ends_the_run_in_one_sentence_and_the_next_goes_on(
    local, bucket, object_store, tmp_path, monkeypatch
):
    monkeypatch.setattr(retries, "ATTEMPTS", 2)
    monkeypatch.setattr("pipelines.engine.retries.BACKOFF", 0.001)
    with object_store.behind(
        lambda number, method, path: "503" if "/01-url_dedup" in path and method == "PUT" else None
    ) as bad:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bad.endpoint)
        with pytest.raises(TaskFailed) as failed:
            run(f"s3://{bucket}", "out")
    sentence = str(failed.value)
    assert f"the store at {bad.endpoint} fails: AWS Error" in sentence and f"s3://{bucket}/out/work/01-url" in sentence
    assert "\n" not in sentence and not failed.value.trace
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.endpoint)
    done = run(f"s3://{bucket}", "out")
    assert done.summaries[0].done == done.summaries[0].tasks  # what was done stays so
    assert left(object_store, f"{bucket}/out", tmp_path) == digest(local / "out")


@pytest.mark.slow
def test_a_run_over_a_bad_store_is_the_run_on_a_disk(local, bucket, object_store, tmp_path, monkeypatch):
    said = Said()
    with object_store.behind(every(5)) as bad:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bad.endpoint)
        done = run(f"s3://{bucket}", "out", said)
        assert not run(f"s3://{bucket}", "out").worked
        assert verify.verify(f"s3://{bucket}/out") == []
    assert set(bad.injected) == set(KINDS) and min(bad.injected.values()) > 5
    assert done.storage_retries > 10
    assert said.lines[-1] == f"storage failed for a while and was asked again, {done.storage_retries} times in all"
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.endpoint)
    assert left(object_store, f"{bucket}/out", tmp_path) == digest(local / "out")


def command(bucket, endpoint, workers):
    """The run as a process of its own."""
    settings = [word for setting in (*SMALL, *lists(f"s3://{bucket}/data")) for word in ("--set", setting)]
    words = ["run", RECIPE, "--input", f"s3://{bucket}/in", "--output", f"s3://{bucket}/out", *settings]
    environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(
        [*FRESH, *words, "--workers", str(workers)], env=environment, start_new_session=True, **pipes
    )


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_workers_use_the_store_too(local, bucket, object_store, tmp_path):
    written = iter(range(10**9))

    def killing(number, method, path):
        if method == "PUT" and "/work/" in path and next(written) == 30:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return every(31)(number, method, path)

    with object_store.behind(killing) as bad:
        process = command(bucket, bad.endpoint, workers=0)
        process.communicate(timeout=200)
        assert process.returncode == -signal.SIGKILL
        assert f"{bucket}/out/lock.json" in object_store.names(f"{bucket}/out")
        before = len(bad.asked)
        process = command(bucket, bad.endpoint, workers=2)
        said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "which has ended without unlocking it; going on" in said
    again = {
        path.split("/work/")[1].split("/")[0]
        for method, path in bad.asked[before:]
        if "PUT" in method and "/work/" in path
    }
    assert again and not {"00-read%2Blength", "00-read+length"} & again  # what was done stays so
    assert "storage failed for a while and was asked again" in said
    assert left(object_store, f"{bucket}/out", tmp_path) == digest(local / "out")
