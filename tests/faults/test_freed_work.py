"""A run that deletes what it no longer needs leaves the same, is found done, and does again what is needed again."""

import dataclasses
import json
import pathlib
import shutil

import corpora
import pytest
from outputs import Said, digest

from corpus.io import paths
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.inspection.clean_work import clean_work
from pipelines.inspection.explain import explain
from pipelines.inspection.verify import no_longer_there, verify

STEPS = [
    "exact_dedup", "c4", {"near_dedup": {"permutations": 64}}, {"substring_dedup": {"min_length": 60}},
    {"train_tokenizer": {"vocab_size": 400}}, {"tokenize": {"shard_bytes": 8192}}, {"pack": {"sequence_length": 64}},
]  # fmt: skip


STAYS = ["best_fit-64-plan", "tokenizer-train"]
"""Of these the files in Arrow's format are published."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """(a recipe of every kind of map that frees its work, what it leaves if it does not, that run)."""
    folder = tmp_path_factory.mktemp("kept")
    corpora.write_files(folder / "in", corpora.documents(48), 3)
    recipe = recipes.parse(
        {"name": "freed", "input": [str(folder / "in")], "task_bytes": 16384, "keep_work": False, "steps": STEPS}
    )
    result = runs.run(dataclasses.replace(recipe, keep_work=True), str(folder / "out"))
    return recipe, digest(folder / "out"), result, folder / "out"


def arrow_files(output):
    """Steps in work/ that hold files in Arrow's format."""
    return sorted({path.parent.name for path in (output / "work").rglob("*.arrow")})


def plain(built):
    """A report without what differs between any two runs."""
    text = json.dumps(
        {key: built[key] for key in ("documents", "problems", "clusters", "examples", "lengths", "tokens")}
    )
    return json.loads(text)


def test_the_same_is_left_and_nothing_is_to_do(kept, tmp_path):
    recipe, expected, result, whole = kept
    output = tmp_path / "out"
    freed = runs.run(recipe, str(output))
    assert digest(output) == expected and plain(freed.report) == plain(result.report)
    assert len(freed.report["clusters"]["near_dedup"]) > 0
    assert len(arrow_files(whole)) > 10 and arrow_files(output) == STAYS
    assert len(list((output / "work").rglob("*.parquet"))) == len(list((whole / "work").rglob("*.parquet")))
    for keep_work in (False, True):
        again = runs.run(dataclasses.replace(recipe, keep_work=keep_work), str(output))
        assert not again.worked and plain(again.report) == plain(result.report)
    assert runs.run(recipe, str(output), dry_run=True).waiting is None
    assert runs.run(recipe, str(output), replace=True).worked is False
    assert digest(output) == expected and arrow_files(output) == STAYS

    assert verify(str(output)) == [] and no_longer_there(str(whole)) == ""
    assert "00-read, 01-exact_dedup-decide, 01-exact_dedup-keys" in no_longer_there(str(output))
    said = [str(line) for line in explain(str(output), "doc-1", 3)]
    assert "work/ was freed" in said[0] and "doc-1: kept" in said[1]
    removed, left = clean_work(str(output), print)
    assert removed > 50 and left == 0 and verify(str(output)) == []


def test_a_run_that_kept_its_work_frees_it_when_that_is_said(kept, tmp_path):
    recipe, expected, _, _ = kept
    output = tmp_path / "out"
    runs.run(dataclasses.replace(recipe, keep_work=True), str(output))
    assert not runs.run(recipe, str(output)).worked
    assert arrow_files(output) == STAYS and digest(output) == expected


def with_step(recipe, number, **options):
    steps = list(recipe.steps)
    steps[number] = dataclasses.replace(steps[number], **options)
    return dataclasses.replace(recipe, steps=steps)


def with_a_file_more(recipe):
    corpora.write_jsonl(pathlib.Path(recipe.input[0]) / "9.jsonl", corpora.documents(60)[50:])
    return recipe


@pytest.mark.parametrize("change, asks", [
    (lambda recipe: dataclasses.replace(recipe, seed=7), False),  # tokens are made of documents/, which stays
    (lambda recipe: with_step(recipe, 2, threshold=0.5), True),
    (lambda recipe: with_step(recipe, 1, min_sentences=1), True),
    (with_a_file_more, False),  # the first map has a task to run, and none of its outputs
], ids=["tokens only", "near_dedup", "the second pass", "a file more"])  # fmt: skip
def test_what_is_needed_again_is_done_again(kept, tmp_path, change, asks):
    recipe = dataclasses.replace(kept[0], input=(str(tmp_path / "in"),))
    shutil.copytree(kept[0].input[0], tmp_path / "in")
    runs.run(recipe, str(tmp_path / "out"))
    changed = change(recipe)
    said = Said()
    result = runs.run(changed, str(tmp_path / "out"), replace=True, progress=said)
    assert result.report["problems"] == [] and arrow_files(tmp_path / "out") == STAYS
    runs.run(changed, str(tmp_path / "fresh"))
    assert digest(tmp_path / "out") == digest(tmp_path / "fresh") and verify(str(tmp_path / "out")) == []
    assert any("was freed, and is done again" in line for line in said.lines) == asks


def test_documents_that_are_damaged_are_made_again(kept, tmp_path):
    recipe, expected, _, _ = kept
    output = tmp_path / "out"
    runs.run(recipe, str(output))
    for path in (*(output / "work").glob("*documents/*-0000.parquet"), output / "documents" / "00000.parquet"):
        path.unlink()
    assert any("00000.parquet is missing" in problem for problem in verify(str(output)))
    assert runs.run(recipe, str(output)).worked
    assert digest(output) == expected and verify(str(output)) == []
    assert arrow_files(output) == STAYS


class Killed(BaseException):
    """As if the process had ended there."""


@pytest.mark.parametrize("places", [8, pytest.param(24, marks=pytest.mark.slow)])
def test_kills_between(kept, tmp_path, monkeypatch, places):
    """At a file that is put in place or deleted: the same run then leaves the same bytes."""
    recipe, expected, result, _ = kept
    count, at = 0, -1
    known = {"write_atomic": paths.write_atomic, "remove": paths.remove}

    def counted(name):
        def call(*arguments):
            nonlocal count
            count += 1
            if count == at:
                raise Killed
            return known[name](*arguments)

        return call

    for name in known:
        monkeypatch.setattr(paths, name, counted(name))
    runs.run(recipe, str(tmp_path / "count"))
    total = count
    killed = 0
    for number in range(places):
        output = tmp_path / f"out{number}"
        count, at = 0, 1 + (total - 1) * (number + 1) // places
        for _ in range(2):  # killed in the rerun, too
            try:
                runs.run(recipe, str(output))
            except Killed:
                killed += 1
            count, at = 0, at // 2
        at = -1
        again = runs.run(recipe, str(output))
        assert plain(again.report) == plain(result.report)
        assert digest(output) == expected and verify(str(output)) == []
        assert arrow_files(output) == STAYS
    assert killed > places
