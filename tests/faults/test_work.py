"""Files in work/ that are damaged or gone, inputs that change, code of the user's own that fails, an OUT that is
somebody else's: through `run`, in this process or from the command line."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import corpora
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from commands import FRESH, winnow
from outputs import Said, digest

from corpus.io import paths
from corpus.reading import readers
from pipelines import lock, publishing
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.engine import TaskFailed, tasks
from pipelines.inspection.clean_work import clean_work
from pipelines.inspection.explain import explain
from pipelines.inspection.verify import verify
from pipelines.publishing import OutputError
from pipelines.recipe import RecipeError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of a recipe with every kind of map, three shards: (recipe, its output)."""
    folder = tmp_path_factory.mktemp("whole")
    corpora.write_files(folder / "in", corpora.documents(48), 3)
    document = {
        "name": "whole",
        "input": [str(folder / "in")],
        "task_bytes": 16384,
        "working_bytes": 16384,
        "steps": ["c4", "exact_dedup", {"near_dedup": {"permutations": 64}}, {"substring_dedup": {"min_length": 60}},
                  {"train_tokenizer": {"vocab_size": 400}}, {"tokenize": {"shard_bytes": 8192}},
                  {"pack": {"sequence_length": 64}}],
    }  # fmt: skip
    recipe = recipes.parse(document)
    result = runs.run(recipe, str(folder / "out"))
    assert result.report["problems"] == [] and result.worked
    return recipe, folder / "out"


@pytest.fixture
def copy(whole, tmp_path):
    """The recipe and a copy of its run, without the links between published files and work/."""
    recipe, output = whole
    shutil.copytree(output, tmp_path / "out")
    return recipe, tmp_path / "out", digest(output)


def outputs(output, pattern):
    found = sorted(p for p in (output / "work").rglob(pattern))
    assert found
    return found


def unfinished(output):
    """As if the run had been ended before its last maps."""
    for path in [
        *(output / "work").glob("*plan/*"),
        *(output / "work").glob("tokens-*/*"),
        *(output / "work").glob("tokenizer-*/*"),
    ]:
        path.unlink()
    published = publishing.load(str(output))
    published.set_finished(False)


DAMAGES = {
    "flipped": lambda path: path.write_bytes(
        bytes(b ^ (i == len(path.read_bytes()) // 2) for i, b in enumerate(path.read_bytes()))
    ),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES)
def test_every_file_in_work_that_a_rerun_reads_is_checked(copy, how):
    """All files of one map after the other are damaged, and the run is repeated from the map after it."""
    recipe, output, expected = copy
    folders = sorted({path.parent for path in (output / "work").rglob("*.json")})
    noticed = redone = 0
    for place, folder in enumerate(folders[:-1]):
        publishing.load(str(output)).set_finished(False)
        for later in folders[place + 1 :]:
            shutil.rmtree(later, ignore_errors=True)
        for path in folder.iterdir():
            if path.suffix != ".json":
                DAMAGES[how](path)
        said = Said()
        result = runs.run(recipe, str(output), progress=said)
        noticed += sum("is damaged" in line and "is done again" in line for line in said.lines)
        redone += sum(summary.reasons.get("an output is missing or damaged", 0) for summary in result.summaries)
        found = digest(output)
        broken = {name for name in expected if found[name] != expected[name]}
        assert all(name.startswith(("dropped/", "quarantine/")) for name in broken), broken  # which no task reads
        expected = found
    assert noticed > 10 if how in ("flipped", "zeros") else redone > 10


def test_a_damaged_file_in_work_costs_its_task(copy):
    recipe, output, expected = copy
    unfinished(output)
    DAMAGES["flipped"](outputs(output, "*documents-0000.parquet")[0])
    DAMAGES["cut"](outputs(output, "*documents-0000.parquet")[1])
    said = Said()
    assert runs.run(recipe, str(output), progress=said).report["problems"] == []
    assert digest(output) == expected
    assert ["the task that wrote it is done again" in line for line in said.lines].count(True) == 1


def test_damage_that_comes_again_ends_the_run(copy, monkeypatch):
    recipe, output, _ = copy
    monkeypatch.setattr(runs, "MOST_REPAIRS", 3)
    unfinished(output)
    write = tasks.Outputs.files

    def damaged(self):
        files = write(self)
        for file in files.values():
            if "documents" in file.path:
                DAMAGES["flipped"](pathlib.Path(file.path))
        return files

    monkeypatch.setattr(tasks.Outputs, "files", damaged)
    DAMAGES["gone"](outputs(output, "*documents-0000.arrow")[0])
    shutil.rmtree(next((output / "work").glob("*exact_dedup-keys")))
    with pytest.raises(TaskFailed, match="is the disk sound"):
        runs.run(recipe, str(output), replace=True)


def test_outputs_are_durable_before_their_manifest(tmp_path, monkeypatch):
    events, names = [], {}
    sync, replace, open_ = os.fsync, os.replace, os.open

    def opening(path, *rest):
        handle = open_(path, *rest)
        names[handle] = str(path)
        return handle

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", lambda handle: events.append(("sync", names.get(handle, "?"))) or sync(handle))
    monkeypatch.setattr(os, "replace", lambda a, b: events.append(("name", str(b))) or replace(a, b))
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(5))
    runs.run(recipes.parse({"input": [str(tmp_path / "x.jsonl")], "steps": ["exact_dedup"]}), str(tmp_path / "out"))
    committed = [
        i for i, (kind, path) in enumerate(events) if kind == "name" and "/work/" in path and path.endswith(".json")
    ]
    assert len(committed) >= 3
    for i in committed:
        folder = os.path.dirname(events[i][1])
        manifest = json.loads(pathlib.Path(events[i][1]).read_text())
        before = {path for kind, path in events[:i] if kind == "sync"}
        assert {os.path.join(folder, file["path"]) for file in manifest["outputs"].values()} <= before
        assert folder in before and ("sync", folder) in events[i:]


# ------------------------------------------------------------------ verify


@pytest.mark.parametrize("name", [
    "documents/*", "dropped/*", "tokens/*.bin", "tokens/*.idx", "tokens/manifest.json", "tokens/packing/*/*",
    "tokenizer/*", "report.html", "recipe.yaml",
])  # fmt: skip
@pytest.mark.parametrize("how", ["flipped", "gone", "cut"])
def test_verify_finds_every_published_file_that_is_not_what_it_was(copy, name, how):
    _, output, _ = copy
    path = sorted(output.glob(name))[0]
    assert how != "flipped" or verify(str(output)) == []
    DAMAGES[how](path)
    words = {"flipped": "is damaged: its checksum is wrong", "gone": "is missing", "cut": "bytes and not"}[how]
    found = verify(str(output))
    assert any(str(path) in line and words in line for line in found)
    assert all("\n" not in line for line in found)


def test_verify_without_work_and_of_whole_folders(copy):
    _, output, _ = copy
    winnow("clean-work", output, check=0)
    assert not (output / "work").exists()
    assert "every published file and count is as it should be" in winnow("verify", output, check=0).stdout
    for folder in ("tokens", "tokenizer", "dropped", "tokens/packing"):
        if (output / folder).exists():
            shutil.rmtree(output / folder)
    lines = winnow("verify", output, check=1).stderr.splitlines()
    assert all(line.startswith("winnow: ") for line in lines)
    assert len(lines) > 8 and all("is missing" in line or "No such file" in line for line in lines)
    for path in ("nowhere", output / "documents"):
        assert winnow("verify", path, check=2).stderr.count("\n") == 1


def manifest(output, pattern, change):
    """Change what the first manifest that matches says."""
    path = outputs(output, pattern)[0]
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record, indent=1))


def other_hash(record):
    file = next(iter(record["outputs"].values()))
    file["hash"] = f"{int(file['hash'][0], 16) ^ 1:x}{file['hash'][1:]}"


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "copied"])
@pytest.mark.parametrize(
    "name",
    [
        "documents/*",
        "dropped/*",
        "tokens/*.bin",
        "tokens/manifest.json",
        "tokenizer/tokenizer.json",
        "report.json",
        "report.html",
    ],
)
def test_damage_that_verify_finds_is_repaired_by_replace(copy, name, linked):
    recipe, output, expected = copy
    path = sorted(output.glob(name))[0]
    work = [p for p in (output / "work").rglob("*") if p.is_file() and p.read_bytes() == path.read_bytes()]
    DAMAGES["flipped"](path)
    if linked and work:
        work[0].unlink()
        os.link(path, work[0])
    assert any(f"{path} is damaged" in line for line in verify(str(output)))
    result = runs.run(recipe, str(output), replace=True)
    assert result.report["problems"] == [] and verify(str(output)) == []
    assert digest(output) == expected
    assert not runs.run(recipe, str(output), replace=True).worked and digest(output) == expected


def test_a_file_that_was_listed_and_not_put_in_place_is(copy):
    recipe, output, expected = copy
    unfinished(output)
    DAMAGES["flipped"](output / "documents" / "00000.parquet")  # of the same size, as of a run before
    assert runs.run(recipe, str(output)).worked and digest(output) == expected


@pytest.mark.parametrize("change", [
    lambda record: record["counters"]["steps"]["c4"].update(kept=1),
    other_hash,
    lambda record: record.update(key="00007"),
    lambda record: record["counters"].update(steps=[]),
], ids=["count", "hash", "key", "type"])  # fmt: skip
def test_a_damaged_manifest_costs_its_task(copy, change):
    recipe, output, expected = copy
    manifest(output, "00-read+c4/00000.json", change)
    (line,) = verify(str(output))
    assert line.endswith("00-read+c4/00000.json is damaged: its task has to be done again")
    said = "".join(map(str, explain(str(output), "doc-0", 5)))
    assert "00000.json is damaged, so that nobody knows what the steps decided" in said
    with pytest.raises(OutputError, match="1 not done yet.*Say --replace"):
        runs.run(recipe, str(output))
    assert runs.run(recipe, str(output), replace=True).report["problems"] == []
    assert digest(output) == expected and verify(str(output)) == []


def test_verify_says_what_to_do_and_what_is_in_the_way(copy):
    _, output, _ = copy
    shutil.copy(output / "recipe.yaml", output / "documents" / "00099.parquet")
    (output / "work" / "00-read+c4" / "tsconfig.json").write_text("{}")  # of the user, and no matter
    (output / "documents" / "notes.txt").write_text("mine")
    done = winnow("verify", output, check=1)
    assert done.stderr.splitlines() == [
        f"winnow: {output}/documents/00099.parquet is not of this run: move it, "
        "for the next run does not begin while it is there"
    ]
    assert "with --replace compares everything with its checksum and does again what is damaged" in done.stdout


def test_pipes_keep_nobody_waiting(copy):
    recipe, output, expected = copy
    for name in ("documents/00000.parquet", "tokens/00000.bin"):
        (output / name).unlink()
        os.mkfifo(output / name)
    assert [
        f"{output}/{name} cannot be read: {output}/{name} is not a regular file"
        for name in ("documents/00000.parquet", "tokens/00000.bin")
    ] == verify(str(output))
    winnow("explain", output, "doc-0", check=1, timeout=60)
    assert not runs.run(recipe, str(output)).worked and digest(output) == expected
    os.mkfifo(output / "lock.json")
    assert "lock.json" in winnow("clean-work", output, check=1).stderr
    assert "lock.json" in winnow("report", output, check=1).stderr
    with pytest.raises(OutputError, match="lock.json is in the way"):
        runs.run(recipe, str(output))


def test_published_files_that_are_gone_come_back(copy):
    recipe, output, expected = copy
    (output / "tokens" / "00000.bin").unlink()
    shutil.rmtree(output / "dropped")
    (output / "tokens" / "manifest.json").write_text("{}")
    result = runs.run(recipe, str(output))
    assert not result.worked and digest(output) == expected


# ------------------------------------------------------------------ whose OUT it is


def test_files_of_others_stay_where_they_are(copy):
    recipe, output, expected = copy
    mine = [
        "documents/notes.txt",
        "dropped/mine.csv",
        "tokens/README",
        "work/00-read+c4/todo.txt",
        "work/other/x",
        "todo.md",
    ]
    for name in mine:
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_text("mine")
    assert not runs.run(recipe, str(output)).worked  # nothing to do
    changed = dataclasses.replace(
        recipe, steps=(*recipe.steps[:-2], dataclasses.replace(recipe.steps[-2], shard_bytes=1 << 20), recipe.steps[-1])
    )
    assert runs.run(changed, str(output), replace=True).worked
    assert "left alone 2 that no task has made" in winnow("clean-work", output, check=0).stdout
    assert all((output / name).read_text() == "mine" for name in mine)
    assert sorted(p.name for p in (output / "work").rglob("*") if p.is_file()) == ["todo.txt", "x"]
    assert {name for name in digest(output) if name.startswith("tokens/0")} < {
        name for name in expected if name.startswith("tokens/0")
    }


def test_what_looks_almost_like_ours_in_work_stays(copy, tmp_path):
    recipe, output, expected = copy
    victim = tmp_path / "victim"
    victim.mkdir()
    mine = [
        "work/00-read+c4/tsconfig.json",
        "work/00-read+c4/2024-deadbeef-thesis.doc",
        "work/mynode/package.json",
        "work/package.json",
        "recipe.yaml.deadbeef.tmp",
        "documents/00000.parquet.deadbeef.tmp",
    ]
    for path in [*(output / name for name in mine), victim / "00000.json", victim / "00000-deadbeef-x"]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    for link in ("work/old", "latest", "documents/latest"):
        (output / link).symlink_to(victim if "work" in link else "/nowhere")
    assert not runs.run(recipe, str(output)).worked and verify(str(output)) == []
    assert runs.run(recipe, str(output), limit=5, replace=True).worked
    assert "left alone 5 that no task has made" in winnow("clean-work", output, check=0).stdout
    assert all((output / name).read_text() == "mine" for name in mine)
    assert sorted(os.listdir(victim)) == ["00000-deadbeef-x", "00000.json"] and (output / "work" / "old").is_symlink()


def test_a_link_in_place_of_the_folder_of_a_step_is_refused(copy, tmp_path):
    recipe, output, _ = copy
    (tmp_path / "victim").mkdir()
    shutil.move(output / "work" / "00-read+c4", tmp_path / "victim" / "00-read+c4")
    (output / "work" / "00-read+c4").symlink_to(tmp_path / "victim" / "00-read+c4")
    before = digest(tmp_path / "victim")
    with pytest.raises(OutputError, match="work/00-read.c4 is a symbolic link"):
        runs.run(recipe, str(output), replace=True)
    winnow("clean-work", output, check=0)
    assert digest(tmp_path / "victim") == before and os.listdir(output / "work") == ["00-read+c4"]


def test_a_list_that_names_files_outside_deletes_nothing(copy, tmp_path):
    recipe, output, _ = copy
    (tmp_path / "precious").write_text("mine")
    record = json.loads((output / "published.json").read_text())
    record["files"]["documents/../../precious"] = {"bytes": 4, "xxh3_128": "0"}
    (output / "published.json").write_text(json.dumps(record))
    for replace in (False, True):
        with pytest.raises(OutputError, match="published.json cannot be read .it lists 'documents/../../precious'"):
            runs.run(recipe, str(output), replace=replace)
    for verb in (["verify"], ["clean-work"], ["report"]):
        assert winnow(*verb, output, check=2).stderr.count("\n") == 1
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_folder_of_somebody_elses_is_refused_before_work(whole, tmp_path):
    recipe, _ = whole
    out = tmp_path / "out"
    (out / "documents").mkdir(parents=True)
    (out / "documents" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no run of ours"):
        runs.run(recipe, str(out))
    assert [str(p.relative_to(out)) for p in out.rglob("*")] == ["documents", "documents/mine.txt"]
    (tmp_path / "theirs" / "work").mkdir(parents=True)
    (tmp_path / "theirs" / "work" / "precious").write_text("theirs")
    (tmp_path / "theirs" / "recipe.yaml").write_text("name: pancakes\nsteps: [flour, milk]\n")
    assert winnow("clean-work", tmp_path / "theirs", check=2).stderr.count("\n") == 1
    assert (tmp_path / "theirs" / "work" / "precious").read_text() == "theirs"


def test_finished_work_is_only_discarded_if_one_says_so(copy):
    recipe, output, expected = copy
    with pytest.raises(OutputError) as refused:
        runs.run(recipe, str(output), limit=1)
    said = str(refused.value)
    assert (
        "holds a finished run, which this one would replace, beginning with 00-read+c4: " in said
        and "configuration changed" in said
    )
    assert "documents/ (" in said and "tokens/ (" in said and "Say --replace" in said
    assert digest(output) == expected
    assert runs.run(recipe, str(output), limit=5, replace=True).report["documents"]["in"] == 5
    assert runs.run(recipe, str(output), replace=True).worked and digest(output) == expected


def test_so_is_that_of_a_run_that_has_not_finished(copy):
    recipe, output, expected = copy
    unfinished(output)
    with pytest.raises(OutputError, match="would discard finished work in .*, beginning with 00-read"):
        runs.run(recipe, str(output), limit=1)
    assert runs.run(recipe, str(output)).worked and digest(output) == expected


def test_more_input_is_more_work_and_replaces_what_is_published(copy, tmp_path):
    recipe, output, expected = copy
    corpora.write_jsonl(tmp_path / "more.jsonl", corpora.documents(60)[48:])
    grown = dataclasses.replace(recipe, input=(*recipe.input, str(tmp_path / "more.jsonl")))
    with pytest.raises(OutputError, match="beginning with 00-read.*1 not done yet"):
        runs.run(grown, str(output))
    assert digest(output) == expected
    assert runs.run(grown, str(output), replace=True).report["documents"]["in"] == 60


def test_a_run_of_an_earlier_version_is_adopted(copy):
    recipe, output, expected = copy
    (output / "published.json").unlink()
    (output / "documents" / "mine.txt").write_text("mine")
    assert not runs.run(recipe, str(output)).worked
    assert digest(output) == {**expected, "documents/mine.txt": digest(output)["documents/mine.txt"]}
    listed = publishing.load(str(output)).files
    assert {name.partition("/")[0] for name in listed} >= {
        "documents",
        "tokens",
        "tokenizer",
        "report.json",
        "recipe.yaml",
    }
    assert (
        "documents/mine.txt" not in listed
        and "tokens/manifest.json" in listed
        and "tokens/packing/best_fit-64/figures.json" in listed
    )
    winnow("verify", output, check=0)
    (output / "published.json").unlink()
    DAMAGES["flipped"](output / "documents" / "00000.parquet")  # nothing vouches for that
    with pytest.raises(OutputError, match="documents/00000.parquet is in the way"):
        runs.run(recipe, str(output))


def test_a_run_of_the_version_before_is_continued(copy):
    """Its manifests have no checksum, and it left files with other names that were not put in place."""
    recipe, output, expected = copy
    for path in outputs(output, "[0-9]????.json"):
        record = json.loads(path.read_text())
        del record["checksum"]
        path.write_text(json.dumps(record, indent=1))
    left = [
        "recipe.yaml.0a1b2c3d.tmp",
        "documents/00000.parquet.0a1b2c3d.tmp",
        "work/00-read+c4/00000.json.0a1b2c3d.tmp",
    ]
    for name in left:
        (output / name).write_text("na")
    assert not runs.run(recipe, str(output)).worked
    assert not runs.run(recipe, str(output), replace=True).worked and verify(str(output)) == []
    assert [(output / name).exists() for name in left] == [True, True, False]
    unfinished(output)
    assert runs.run(recipe, str(output)).worked
    assert digest(output) == {**expected, left[1]: digest(output)[left[1]]}


@pytest.mark.parametrize("name, text", [
    ("report.html", "MY NOTES"), ("report.json", '{"mine": 1}'),
    ("report.json", '{"recipe": "other", "seed": 0, "documents": {}, "problems": [], "steps": []}'),
    ("report.json", "[" * 100000),
], ids=["page", "record", "other recipe", "deep"])  # fmt: skip
def test_a_report_of_somebody_elses_is_not_adopted(copy, name, text):
    recipe, output, _ = copy
    (output / "published.json").unlink()
    (output / name).write_text(text)
    for options in ({}, {"replace": True, "limit": 5}):
        with pytest.raises(OutputError, match=r"report\.\w+ is in the way: no run has put it there"):
            runs.run(recipe, str(output), **options)
    assert (output / name).read_text() == text


@pytest.mark.parametrize("text", ["name: cake\nsteps: [{c4: {}}]\n", "made: 2024-13-01\n", "a: " + "9" * 5000])
def test_a_recipe_of_another_program_makes_no_run_of_ours(copy, text):
    recipe, output, _ = copy
    (output / "published.json").unlink()
    (output / "recipe.yaml").write_text(text)
    for verb in (["verify"], ["clean-work"], ["report"], ["explain"]):
        assert winnow(*verb, output, *(["doc-0"] if verb == ["explain"] else []), check=2).stderr.count("\n") == 1
    with pytest.raises(OutputError, match="holds no run of ours"):
        runs.run(recipe, str(output))


@pytest.mark.parametrize("output", ["xyz://a", "file://rel", "s3://", "file:///", "file:/x", "\udcff"])
def test_what_cannot_name_an_output_is_one_sentence(tmp_path, output):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3))
    for verb in (
        ["verify", output],
        ["clean-work", output],
        ["report", output],
        ["explain", output, "x"],
        ["inspect", output],
        ["dedup", "exact", tmp_path / "x.jsonl", output, "--workers", 0],
    ):
        done = winnow(*verb, check=2, cwd=tmp_path)
        assert done.stderr.startswith("winnow: ") and done.stderr.count("\n") == 1, (verb, done.stderr)
    assert os.listdir(tmp_path) == ["x.jsonl"]


@pytest.mark.parametrize("output", ["file://{}/out", "file://{}/o%20ut/", "file://{}/out?key=value"])
def test_an_output_by_a_uri_is_that_of_a_path(tmp_path, output):
    values = ["a/b", "100%", "x?y=1", "é", ""]
    corpora.write_jsonl(
        tmp_path / "x.jsonl", [{"id": str(i), "text": f"text {i}", "language": value} for i, value in enumerate(values)]
    )
    steps = ["exact_dedup", {"train_tokenizer": {"vocab_size": 300}}, "tokenize", {"pack": {"sequence_length": 16}}]
    recipe = recipes.parse({"input": [str(tmp_path / "x.jsonl")], "partition_by": "language", "steps": steps})
    runs.run(recipe, str(tmp_path / "plain"))
    uri = output.format(tmp_path)
    assert runs.run(recipe, uri).worked and not runs.run(recipe, uri).worked
    (there,) = [p for p in tmp_path.iterdir() if p.name in ("out", "o ut")]
    assert digest(there) == digest(tmp_path / "plain")
    assert verify(uri) == [] and verify(str(there)) == []
    assert not runs.run(recipe, uri, replace=True).worked
    assert runs.run(dataclasses.replace(recipe, partition_by=None), uri, replace=True).worked
    assert [str(p.relative_to(there / "documents")) for p in (there / "documents").rglob("*") if p.is_file()] == [
        "00000.parquet"
    ]
    assert clean_work(uri, print)[1] == 0 and verify(uri) == []


@pytest.fixture
def store(monkeypatch):
    """An object store in memory, by the name s3://bucket."""
    found, known, publish = pafs._MockFileSystem(), paths.filesystem, paths.publish

    def filesystem(name):
        return (
            (found, urllib.parse.unquote(paths._address(name)[0].removeprefix("s3://")))
            if name.startswith("s3://")
            else known(name)
        )

    def into_a_folder(source, target):  # which a store does not need
        found.create_dir(filesystem(target)[1].rpartition("/")[0], recursive=True)
        publish(source, target)

    found.create_dir("bucket")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1")  # a host that is known without a network
    monkeypatch.setattr(paths, "filesystem", filesystem)
    monkeypatch.setattr(paths, "publish", into_a_folder)
    monkeypatch.setattr(lock, "SETTLE", 0.01)
    return found


def test_an_output_on_a_store(tmp_path, store):
    values = ["a/b", "100%", "x?y=1", ""]
    corpora.write_jsonl(
        tmp_path / "x.jsonl", [{"id": str(i), "text": f"text {i}", "language": value} for i, value in enumerate(values)]
    )
    steps = ["exact_dedup", {"train_tokenizer": {"vocab_size": 300}}, "tokenize", {"pack": {"sequence_length": 16}}]
    recipe = recipes.parse({"input": [str(tmp_path / "x.jsonl")], "partition_by": "language", "steps": steps})
    output = "s3://bucket/o%20ut?region=us-east-1"

    def names():
        found = store.get_file_info(pafs.FileSelector("bucket/o ut/documents", recursive=True))
        return [info.path.removeprefix("bucket/o ut/documents/") for info in found if info.type == pafs.FileType.File]

    assert runs.run(recipe, output).worked and not runs.run(recipe, output).worked
    folders = ["language=100%25", "language=__HIVE_DEFAULT_PARTITION__", "language=a%2Fb", "language=x%3Fy%3D1"]
    assert sorted(names()) == [f"{folder}/0000{i}.parquet" for i, folder in enumerate(folders)]
    assert verify(output) == [] and not runs.run(recipe, output, replace=True).worked
    assert len(explain(output, "1", 3)) == 1
    with store.open_output_stream("bucket/o ut/documents/00007.parquet") as file:
        file.write(b"mine")
    with pytest.raises(OutputError, match="00007.parquet.* is in the way"):
        runs.run(recipe, output)
    store.delete_file("bucket/o ut/documents/00007.parquet")
    removed, left = clean_work(output, print)
    assert removed > 20 and left == 0 and verify(output) == []
    assert runs.run(dataclasses.replace(recipe, partition_by=None), output, replace=True).worked
    assert names() == ["00000.parquet"] and verify(output) == []


@pytest.mark.parametrize("make", [
    lambda out: out.write_text("a file"),
    lambda out: (out.mkdir(), (out / "recipe.yaml").write_text("- not\n- ours")),
    lambda out: (out.mkdir(), (out / "recipe.yaml").write_text("name: x\nsteps: [")),
    lambda out: (out.mkdir(), (out / "recipe.yaml").mkdir()),
    lambda out: (out.mkdir(), (out / "published.json").write_text('{"format"')),
    lambda out: (out.mkdir(), (out / "documents").symlink_to(out.parent)),
], ids=["file", "recipe of others", "no YAML", "folder", "broken list", "link"])  # fmt: skip
def test_an_output_that_cannot_be_used_is_one_sentence(tmp_path, make):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3))
    make(tmp_path / "out")
    done = winnow("dedup", "exact", tmp_path / "x.jsonl", tmp_path / "out", "--workers", 0, check=2)
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("winnow: ")


def test_what_a_run_leaves_that_ended_at_once_is_no_hindrance(tmp_path):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3))
    (tmp_path / "out").mkdir()
    for name in (".recipe.yaml.winnow-0a1b2c3d.tmp", ".published.json.winnow-0a1b2c3d.tmp", "recipe.yaml.0a1b2c3d.tmp"):
        (tmp_path / "out" / name).write_text("na")
    winnow("dedup", "exact", tmp_path / "x.jsonl", tmp_path / "out", "--workers", 0, check=0)
    assert [p.name for p in (tmp_path / "out").rglob("*.tmp")] == ["recipe.yaml.0a1b2c3d.tmp"]  # may be anybody's


def test_a_storage_that_is_read_only_is_one_sentence(tmp_path, monkeypatch):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3))
    if os.geteuid() == 0:
        output = pathlib.Path("/proc/winnow-out")  # where even root cannot write
        if not output.parent.is_dir():
            pytest.skip("there is no folder here in which root cannot write")
    else:
        (tmp_path / "locked").mkdir(mode=0o555)
        output = tmp_path / "locked" / "out"
    done = winnow("dedup", "exact", tmp_path / "x.jsonl", output, "--workers", 0)
    assert done.returncode in (1, 2) and done.stderr.count("\n") == 1


def test_the_output_inside_the_input_is_left_out_with_a_word(tmp_path):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(20))
    for _ in range(2):
        done = winnow("dedup", "exact", tmp_path, tmp_path / "out", "--workers", 0, check=0)
        assert "20 in = " in done.stdout
    assert re.search(r"left out: \d+ files of the input, which lie in .*/out, where this run writes", done.stderr)
    for folder, output in ((tmp_path.as_uri(), tmp_path / "out"), (tmp_path, (tmp_path / "out").as_uri())):
        sources, notes = runs.input_sources((str(folder),), str(output))
        assert [os.path.basename(source.path) for source in sources] == [
            "x.jsonl"
        ] and "where this run writes" in notes[0]
    assert (
        "all of the input lies in"
        in winnow("dedup", "exact", tmp_path / "out" / "documents", tmp_path / "out", check=2).stderr
    )


def test_values_of_any_length_and_content_are_partitions(tmp_path):
    values = [
        "a" * 3000,
        "a" * 3000 + "b",
        "../../x",
        "é" * 200,
        "",
        "\0\n",
        ".",
        "a/b",
        "CON",
        "__HIVE_DEFAULT_PARTITION__",
        "😀" * 80,
        "+",
    ]
    corpora.write_jsonl(
        tmp_path / "x.jsonl", [{"id": str(i), "text": f"text {i}", "language": value} for i, value in enumerate(values)]
    )
    recipe = recipes.parse({"input": [str(tmp_path / "x.jsonl")], "partition_by": "language", "steps": ["length"]})
    runs.run(recipe, str(tmp_path / "out"))
    files = sorted((tmp_path / "out" / "documents").rglob("*.parquet"))
    assert len(files) == len(values)
    winnow("verify", tmp_path / "out", check=0)
    again = recipes.parse({"input": [str(tmp_path / "out" / "documents")], "steps": ["length"]})
    runs.run(again, str(tmp_path / "again"))
    read = pq.read_table(tmp_path / "again" / "documents").to_pylist()
    assert {row["id"]: row["language"] or "" for row in read} == {str(i): value for i, value in enumerate(values)}


# ------------------------------------------------------------------ inputs


@pytest.mark.parametrize("change, words", [
    (lambda path: path.open("a").write('{"text": "more"}\n'), "bytes when the run began and has"),
    (lambda path: path.write_text('{"text": "x"}\n'), "bytes when the run began and has"),
    (lambda path: os.utime(path, ns=(1, 1)), "was written to since the run began"),
    (lambda path: path.unlink(), "is gone since the run began"),
], ids=["appended", "truncated", "replaced", "removed"])  # fmt: skip
def test_input_that_changes_while_it_is_read_fails_its_task(tmp_path, monkeypatch, change, words):
    path = tmp_path / "x.jsonl"
    corpora.write_jsonl(path, corpora.documents(20))
    recipe = recipes.parse({"input": [str(path)], "steps": ["length"]})
    read = readers.read

    def reading(*arguments, **named):
        found = list(read(*arguments, **named))
        change(path)
        return found

    monkeypatch.setattr(readers, "read", reading)
    with pytest.raises(TaskFailed, match=words) as failure:
        runs.run(recipe, str(tmp_path / "out"))
    assert failure.value.trace == "" and str(path) in str(failure.value)
    assert not (tmp_path / "out" / "documents").exists()


def test_a_list_that_changes_while_it_is_used_fails_the_task_too(tmp_path, monkeypatch):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(20))
    words = tmp_path / "words"
    words.write_text("flumpet\n")
    recipe = recipes.parse({"input": [str(tmp_path / "x.jsonl")], "steps": [{"bad_words": {"path": str(words)}}]})
    read = readers.read
    monkeypatch.setattr(readers, "read", lambda *a, **n: words.write_text("flumpet\nother\n") and read(*a, **n))
    with pytest.raises(TaskFailed, match="words had 8 bytes when the run began"):
        runs.run(recipe, str(tmp_path / "out"))


def test_a_file_by_several_names_and_loops_of_links_are_read_once(tmp_path):
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    corpora.write_jsonl(folder / "a" / "x.jsonl", corpora.documents(10))
    corpora.write_jsonl(tmp_path / "outside.jsonl", corpora.documents(13)[10:])
    (folder / "loop").symlink_to(folder)
    (folder / "a" / "up").symlink_to("..")
    (folder / "same.jsonl").symlink_to(folder / "a" / "x.jsonl")
    os.link(folder / "a" / "x.jsonl", folder / "hard.jsonl")
    (folder / "more.jsonl").symlink_to(tmp_path / "outside.jsonl")
    (folder / "b").symlink_to(folder / "a")
    inputs = [str(folder), str(folder / "a" / ".." / "a" / "x.jsonl"), os.path.relpath(folder / "a")]
    sources, notes = runs.input_sources(tuple(inputs))
    assert [os.path.relpath(s.path, folder) for s in sources] == ["a/x.jsonl", "more.jsonl"]
    assert notes == [f"read once: {folder}/hard.jsonl, which is {folder}/a/x.jsonl by another name and 6 more"]
    done = winnow("filter", folder, tmp_path / "out", "--step", "length", "--workers", 0, check=0)
    assert "13 in = " in done.stdout and "read once: " in done.stderr
    (folder / "broken.jsonl").symlink_to(tmp_path / "nothing")
    with pytest.raises(RecipeError, match="broken.jsonl is a symbolic link to nothing"):
        runs.input_sources((str(folder),))


# ------------------------------------------------------------------ recipes and code of the user's own


def test_alias_bombs_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    bombs = [
        "\n".join([*lines, "steps: *a11"]),
        "steps: &s [*s]",
        "a: &a {b: *a}\nsteps: [length]",
        "steps: " + "[" * 5000,
        "x: " + "y" * (2 << 20),
    ]
    for number, bomb in enumerate(bombs):
        (tmp_path / f"{number}.yaml").write_text(bomb)
        with pytest.raises(RecipeError) as refused:
            recipes.load(str(tmp_path / f"{number}.yaml"))
        assert "\n" not in str(refused.value)
    done = winnow("run", tmp_path / "0.yaml", "--input", tmp_path, "--output", tmp_path / "out", check=2)
    assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()
    (tmp_path / "fine.yaml").write_text("steps: [{length: &d {min_words: 1}}, {length: *d}]\n")
    assert [step.min_words for step in recipes.load(str(tmp_path / "fine.yaml")).steps] == [1, 1]
    done = winnow(
        "filter", tmp_path, tmp_path / "out", "--step", "length", "--set", "length.min_words=&a [*a]", check=2
    )
    assert done.stderr.count("\n") == 1


OWN = """
open({marker!r}, "a").write("imported\\n")

def judge(text):
    if "number 3 " in text:
        raise LookupError("no number\\nthree here")
    return None if "number 5 " in text else True
"""


def test_a_function_of_ones_own_that_fails_costs_the_document_and_is_said_beforehand(tmp_path):
    rows = [{"id": f"doc-{i}", "text": f"document number {i} of a few"} for i in range(8)]
    corpora.write_jsonl(tmp_path / "x.jsonl", rows)
    (tmp_path / "recipes").mkdir()
    marker = tmp_path / "marker"
    (tmp_path / "recipes" / "mine.py").write_text(OWN.format(marker=str(marker)))
    recipe = tmp_path / "recipes" / "r.yaml"
    recipe.write_text("steps: [{custom: {function: 'mine:judge'}}]\n")
    run = ["run", recipe, "--input", tmp_path / "x.jsonl", "--output", tmp_path / "out"]
    dry = winnow(*run, "--dry-run", check=0, cwd=tmp_path)
    assert f"imports judge from {tmp_path}/recipes/mine.py" in dry.stderr and not marker.exists()
    done = winnow(*run, "--workers", 0, check=0, cwd=tmp_path)
    assert f"imports judge from {tmp_path}/recipes/mine.py" in done.stderr and marker.exists()
    assert "8 in = 6 kept + 0 dropped + 2 quarantined" in done.stdout
    (table,) = [pq.read_table(path).to_pylist() for path in (tmp_path / "out" / "quarantine").iterdir()]
    said = {row["id"]: (row["step"], row["records"], row["error"], row["raw"]) for row in table}
    assert said == {
        "doc-3": (
            "custom",
            1,
            "mine:judge: LookupError: no number three here (mine.py line 6)",
            rows[3]["text"].encode(),
        ),
        "doc-5": (
            "custom",
            1,
            "mine:judge: TypeError: it returned NoneType and not a bool or a number",
            rows[5]["text"].encode(),
        ),
    }
    strict = winnow(
        *run[:-1], tmp_path / "strict", "--workers", 0, "--set", "max_quarantined=0.2", check=1, cwd=tmp_path
    )
    assert "25.0% of the input was quarantined, more than max_quarantined = 20.0%" in strict.stderr
    explained = winnow("explain", recipe, "doc-3", "--input", tmp_path / "x.jsonl", check=0).stdout
    assert explained == "custom: QUARANTINED: mine:judge: LookupError: no number three here (mine.py line 6)\n"


@pytest.mark.parametrize("function", ["os:system", "subprocess:run", "corpora:number", "builtins:eval", "mine:no"])
def test_other_modules_are_not_imported(tmp_path, function):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3))
    (tmp_path / "mine.py").write_text("def yes(text):\n    return True\n")
    options = ["--step", "custom", "--set", f"custom.function={function}", "--workers", 0]
    done = winnow("filter", tmp_path / "x.jsonl", tmp_path / "out", *options, check=2, cwd=tmp_path)
    assert done.stderr.count("\n") == 1 and function.partition(":")[2] in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_module_that_cannot_be_imported_is_one_sentence(tmp_path):
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3))
    (tmp_path / "mine.py").write_text("import nothing_of_that_name\ndef f(text):\n    return True\n")
    done = winnow(
        "filter",
        tmp_path / "x.jsonl",
        tmp_path / "out",
        "--step",
        "custom",
        "--set",
        "custom.function=mine:f",
        "--workers",
        0,
        check=1,
        cwd=tmp_path,
    )
    assert "cannot import f from" in done.stderr and "mine.py line 1" in done.stderr


# ------------------------------------------------------------------ two runs


@pytest.mark.slow
def test_two_runs_on_one_output(whole, tmp_path):
    recipe, output = whole
    (tmp_path / "r.yaml").write_text(recipes.dump(recipe))
    command = [*FRESH, "run", str(tmp_path / "r.yaml"), "--output", str(tmp_path / "out"), "--workers", "0"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.pid: process.communicate(timeout=300)[1] for process in both}
    codes = {process.pid: process.returncode for process in both}
    assert sorted(codes.values()) in ([0, 1], [0, 0])
    for pid, code in codes.items():
        if code:
            assert re.search(r"out is in use by .*, process \d+, since", said[pid]) and said[pid].count("\n") <= 2
    assert digest(tmp_path / "out") == digest(output) and not (tmp_path / "out" / "lock.json").exists()
