"""Kernels of later steps are compiled beside a run that compiles, and by nobody where there is none to compile."""

import json
import pathlib
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import corpus
import pipelines
from corpus import kernel_cache
from pipelines import ahead, warm
from pipelines import recipe as recipes
from pipelines import run as runs

RECIPES = sorted(path.stem for path in pathlib.Path(recipes.__file__).parent.glob("recipes/*.yaml"))


def names(found):
    return [next(iter(each)) for each in found]


def test_later_steps_are_those_behind_the_first_pass_as_the_recipe_has_them():
    steps = [corpus.C4(), pipelines.NearDedup(), corpus.GopherQuality(preset="datatrove"), pipelines.LineDedup()]
    found = ahead.later(steps, warm.STEPS)
    assert names(found) == ["gopher_quality", "near_dedup", "line_dedup", "near_dedup"]
    assert found[0]["gopher_quality"]["preset"] == "datatrove" and "unit" not in found[2]["line_dedup"]
    assert ahead.later([corpus.C4(), corpus.Length(min_words=3)], warm.STEPS) == []


def test_substrings_are_found_by_the_method_of_the_recipe():
    for method in ("windows", "suffix_array"):
        found = ahead.later([pipelines.SubstringDedup(method=method)], warm.STEPS)
        assert [each["substring_dedup"].get("method", "windows") for each in found] == [method]


@pytest.mark.parametrize("family, expected", [("bpe", ["train_tokenizer", "tokenize"]), ("wordpiece", [])])
def test_tokens_need_a_tokenizer_that_is_trained_here(family, expected):
    steps = [pipelines.TrainTokenizer(family=family, vocab_size=500), pipelines.Tokenize()]
    assert names(ahead.later(steps, warm.STEPS)) == expected
    assert ahead.later(steps[1:], warm.STEPS) == []


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "lee2021"])  # it needs a tokenizer made elsewhere
def test_later_steps_of_every_recipe_run_on_what_is_made_for_them(name, tmp_path, monkeypatch):
    monkeypatch.setenv("WINNOW_QUICKSTART", str(tmp_path))
    steps = recipes.load(name, [], ["docs"], "out").steps
    found = ahead.later(steps, warm.STEPS)
    if isinstance(steps[0], pipelines.TrainTokenizer):  # a paper's, on documents as they are: not what warm trains
        assert found == [] and (steps[0].preset or steps[0].family != "bpe")
        return
    assert found
    warm.run_steps(str(tmp_path), found)
    assert list((tmp_path / "out" / "documents").iterdir())


@pytest.fixture
def program(tmp_path, monkeypatch):
    """In place of what compiles: says with what it was started, and sleeps. Where it says so."""
    said = tmp_path / "said"
    monkeypatch.setattr(
        ahead,
        "_PROGRAM",
        f"import json, sys, time; open({str(said)!r}, 'a').write(sys.argv[1] + '\\n' + sys.argv[2]); time.sleep(600)",
    )
    return said


def test_one_process_is_started_and_ends_with_the_run(program, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with ahead.Ahead([pipelines.ExactDedup()]) as beside:
        for _ in range(3):
            beside.begin()
        while not program.exists() or "}]" not in program.read_text():
            time.sleep(0.01)
    folder, steps = program.read_text().split("\n")
    assert json.loads(steps) == [{"exact_dedup": {}}]
    assert len(started) == 1 and started[0].returncode == -9 and not pathlib.Path(folder).exists()
    beside.begin()
    assert len(started) == 1


def test_what_goes_wrong_beside_a_run_is_no_concern_of_it(monkeypatch):
    """It is tried once, the run goes on, and what was made for it is gone."""
    tried = []

    def broken(folder, steps):
        tried.append((pathlib.Path(folder), names(steps)))
        assert tried[-1][0].is_dir()
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(ahead, "_start", broken)
    with ahead.Ahead([pipelines.ExactDedup()]) as beside:
        beside.begin()
        beside.begin()
    assert [steps for _, steps in tried] == [["exact_dedup"]] and not tried[0][0].exists()


class Polling:
    """In place of a progress bar, which sees kernels compiled where `compiles` says so."""

    def __init__(self, compiles):
        self.compiles = compiles

    def start(self, summary, weight, reached):
        self.reached = reached

    def advance(self, weight, counters):
        pass

    def say(self, line):
        pass

    def finish(self):
        pass


@pytest.mark.parametrize("compiles", [False, True])
def test_a_run_begins_it_when_it_is_seen_to_compile(compiles, tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(runs.Ahead, "begin", lambda self: begun.append(len(self._steps)))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    pq.write_table(pa.table({"text": ["one", "one"]}), tmp_path / "docs.parquet")
    polling = Polling(compiles)

    def step(batch):
        if compiles:
            kernel_cache._say(True, 0.0)
            polling.reached()
            kernel_cache._say(False, 0.0)
        return batch

    monkeypatch.setattr(corpus.Length, "apply", seeing(corpus.Length.apply, step))
    recipe = pipelines.Recipe(input=str(tmp_path / "docs.parquet"), steps=[corpus.Length(min_characters=1)])
    result = runs.run(recipe, str(tmp_path / "out"), progress=polling)
    assert result.report["documents"]["kept"] == 2 and begun == [1] * compiles


def seeing(apply, look):
    return lambda self, batch: apply(self, look(batch))
