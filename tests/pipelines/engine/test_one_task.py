"""One task of a run, again: `winnow task OUT STEP/KEY`."""

import importlib
import json
import sys

import pytest
from commands import winnow

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.engine import NothingRuns, TaskFailed
from pipelines.engine import tasks as engine_tasks
from pipelines.publishing import OutputError
from pipelines.recipe import RecipeError


@pytest.fixture
def output(tmp_path):
    lines = [{"id": name, "text": text} for name, text in (("a", "one text"), ("b", "one text"), ("c", "another"))]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = recipes.parse(
        {"input": [str(tmp_path / "x.jsonl")], "steps": [{"length": {"min_words": 2}}, "exact_dedup"]}
    )
    runs.run(recipe, str(tmp_path / "out"))
    return tmp_path / "out"


def files(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_its_counters_are_those_of_its_manifest_and_nothing_is_left(output):
    before = files(output)
    for name in ("00-read+length/00000", "01-exact_dedup-decide/00000"):
        counters = runs.run_task(str(output), name)
        committed = json.loads((output / "work" / f"{name}.json").read_text())["counters"]
        for both in (counters, committed):
            for step in both["steps"].values():
                step.pop("seconds")
        assert counters == committed
    assert files(output) == before


def test_what_is_not_there_is_said(output, tmp_path):
    with pytest.raises(KeyError, match="00-read.length has no task '00007'; its tasks are 00000 to 00000"):
        runs.run_task(str(output), "00-read+length/00007")
    with pytest.raises(
        KeyError, match="the run has no step '00-raed'; its steps are 00-read.length, 01-exact_dedup-keys"
    ):
        runs.run_task(str(output), "00-raed/00000")
    with pytest.raises(OutputError, match="holds no run"):
        runs.run_task(str(tmp_path / "none"), "00-read+length/00000")
    (output / "work" / "00-read+length" / "00000.json").unlink()
    with pytest.raises(NothingRuns, match="00-read.length comes before 02-documents, and is not done"):
        runs.run_task(str(output), "02-documents/00000")


def test_a_task_that_fails_is_named_and_raises_what_it_raised(output, tmp_path, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(engine_tasks, "call", fail)
    recipe = recipes.load(str(output / "recipe.yaml"))
    with pytest.raises(TaskFailed, match="planted") as failed:
        runs.run(recipe, str(tmp_path / "fresh"))
    assert failed.value.name == "00-read+length/00000" and "ZeroDivisionError" in failed.value.trace
    monkeypatch.setattr("pipelines.engine.one_task.call", fail)
    with pytest.raises(ZeroDivisionError):
        runs.run_task(str(tmp_path / "fresh"), failed.value.name)


def test_from_the_command_line(output):
    done = winnow("task", output, "01-exact_dedup-decide/00000", check=0)
    assert json.loads(done.stdout)["documents"] == 1
    assert "the run has no step ''" in winnow("task", output, "nothing", check=2).stderr


def test_a_step_of_ones_own_is_found_again_for_its_task_alone(output, tmp_path, monkeypatch):
    (tmp_path / "one_task_step.py").write_text(
        "import dataclasses, corpus\n\n"
        "@dataclasses.dataclass(frozen=True)\nclass Brief(corpus.Length):\n    name = 'brief'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    step = importlib.import_module("one_task_step").Brief(max_words=1)
    recipe = recipes.Recipe(input=str(tmp_path / "x.jsonl"), steps=[step])
    runs.run(recipe, str(tmp_path / "own"))
    monkeypatch.undo()
    sys.modules.pop("one_task_step")
    before = list(sys.path)
    counters = runs.run_task(str(tmp_path / "own"), "00-read+brief+documents/00000", folder=str(tmp_path))
    assert counters["steps"]["brief"]["dropped"] == {"too_many_words": 2} and sys.path == before
    sys.modules.pop("one_task_step")
    with pytest.raises(RecipeError, match="step 'one_task_step:Brief': No module named 'one_task_step'"):
        runs.run_task(str(tmp_path / "own"), "00-read+brief+documents/00000", folder=str(output))
    said = winnow("run", tmp_path / "own" / "recipe.yaml", "--output", tmp_path / "again")
    assert (
        said.returncode == 2 and "'one_task_step:Brief' is a class in Python: run the recipe from there" in said.stderr
    )
