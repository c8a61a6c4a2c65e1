"""What is done again after a change of code: what the code takes part in, and nothing else."""

import importlib
import json
import pathlib
import shutil
import sys

import corpora
import pytest
from commands import winnow

from corpus import closure
from pipelines import Recipe, RecipeError, run_recipe

RECIPE = """
name: small
input: ["{input}"]
steps:
  - custom: {{function: "mine:judge"}}
  - split
  - exact_dedup
  - train_tokenizer: {{family: byte}}
  - tokenize
"""
MAPS = ["00-read+custom+split", "01-exact_dedup-keys", "01-exact_dedup-reduce", "01-exact_dedup-send"]
MAPS += ["01-exact_dedup-decide", "02-documents", "tokenizer-count", "tokenizer-train"]
MAPS += ["tokens-gate", "tokens-encode", "tokens-shards"]
TRAINING = ("tokenizer-count", "tokenizer-train")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project's code and a finished run of it; `redone(files)` edits these and gives the maps in which
    tasks ran again, and the report."""
    folder = tmp_path_factory.mktemp("identity")
    for package in closure.OWN:
        shutil.copytree(
            pathlib.Path(closure.ROOT, package), folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    corpora.write_jsonl(folder / "a.jsonl", corpora.documents(12))
    (folder / "small.yaml").write_text(RECIPE.format(input=folder / "a.jsonl"))
    (folder / "mine.py").write_text("import mine_too\n\ndef judge(text):\n    return mine_too.judge(text)\n")
    (folder / "mine_too.py").write_text("def judge(text):\n    return True\n")
    caches = pathlib.Path(closure.ROOT, "corpus", "__pycache__")

    def run():
        run = ["run", "small.yaml", "--output", "out", "--workers", 0, "--replace"]
        winnow(*run, check=0, cwd=folder, project=folder, NUMBA_CACHE_DIR=str(caches))
        return json.loads((folder / "out" / "report.json").read_text())

    def redone(*edits):
        before = manifests(folder)
        for name, old, new in edits:
            text = (folder / name).read_text()
            assert old in text, name
            (folder / name).write_text(text.replace(old, new, 1))
        report = run()
        after = manifests(folder)
        return [step for step in MAPS if before[step] != after[step]], report

    run()
    assert sorted(manifests(folder)) == sorted(MAPS)
    return redone


def manifests(folder):
    """When the tasks of each map were committed."""
    found = {}
    for path in (folder / "out" / "work").glob("*/0*.json"):
        found.setdefault(path.parent.name, {})[path.name] = path.stat().st_mtime_ns
    return found


def test_remarks_and_code_that_no_task_runs_redo_nothing(project):
    code, remarked = "import numpy as np\n", "import numpy as np  # why\n\n# for this\n"
    remarks = [(f"{name}.py", code, remarked) for name in ("corpus/reading/jsonl", "pipelines/steps/tokenize")]
    remarks += [("corpus/cleaning/split.py", "import dataclasses\n", '"""Why."""\nimport dataclasses\n')]
    names = ("pipelines/run", "pipelines/lock", "pipelines/engine/backends")
    unused = [(f"{name}.py", "import os\n", "import os\nUNUSED = 1\n") for name in names]
    unused += [("corpus/cleaning/c4.py", "import re\n", "import re\nUNUSED = 1\n")]
    unused += [("tokenizer_training/families/bpe.py", "import pathlib\n", "import pathlib\nUNUSED = 1\n")]
    unused += [("pipelines/steps/__init__.py", "STAGES = (", "UNUSED = 1\nSTAGES = (")]
    assert project(*remarks, *unused)[0] == []


def test_the_evaluation_of_the_tokenizer_is_that_of_the_code(project):
    found, report = project(("tokenizer_training/evaluate.py", "    return {", '    return {\n        "planted": 1,'))
    assert found == ["tokens-encode", "tokens-shards"]
    assert report["figures"]["tokenizer evaluation"]["planted"] == 1


def test_the_family_of_the_tokenizer_is_that_of_the_recipe(project):
    found, _ = project(("tokenizer_training/families/byte.py", "BYTE_OFFSET + 256", "256 + BYTE_OFFSET"))
    assert found == list(TRAINING)


def test_the_exchange_is_part_of_what_uses_it(project):
    found, _ = project(("pipelines/maps/exchange.py", "checked=True", "checked=bool(1)"))
    assert found == [
        step for step in MAPS if step not in ("00-read+custom+split", "02-documents", "tokens-gate", *TRAINING)
    ]


def test_a_function_of_the_map_itself(project):
    assert project(("pipelines/maps/step_counts.py", "bins = np.searchsorted(", "bins = 0 + np.searchsorted("))[0] == [
        step for step in MAPS if step not in ("tokens-gate", *TRAINING)
    ]


def test_a_configured_step_and_what_it_imports(project):
    expected = [MAPS[0]]
    assert (
        project(("corpus/cleaning/split.py", "import dataclasses\n", "import dataclasses\nPLANTED = 1\n"))[0]
        == expected
    )
    assert project(("mine_too.py", "return True", "return bool(1)"))[0] == expected


OWN_STEP = """
import dataclasses
import functools
import numpy as np
import pyarrow as pa
from corpus import Filter, Outcome
from own_measure import measure

MOST = {most}
PATH = "a"
PATH += "b"  # no plain value: not compared
CALLS = 0
wrapped = functools.lru_cache(lambda text: text)

def counted():
    global CALLS
    CALLS += 1

@dataclasses.dataclass(frozen=True)
class Cutter(Filter):
    name, rules = "cutter", ("long",)

    @staticmethod
    def static(text):
        return text

    @property
    def shape(self):
        return self.static(self.name)

    def apply(self, batch):
        counted(), wrapped(self.shape)
        long = np.array([measure(text) > MOST for text in batch["text"].to_pylist()], bool)
        rows = np.flatnonzero(long)
        reasons = [["long"] * len(rows), ["?"] * len(rows), [str(MOST)] * len(rows)]
        return Outcome(batch.filter(pa.array(~long)), rows, *reasons)
"""
MEASURE = "def measure(text):\n    return len(text){more}\n"


def test_a_step_of_ones_own_runs_as_its_file_says_or_not_at_all(tmp_path, monkeypatch):
    """Edited after the import it would run as it was, and be taken for done as it is."""
    corpora.write_jsonl(tmp_path / "in.jsonl", [{"text": "a" * size} for size in range(1, 10)])
    (tmp_path / "own_step.py").write_text(OWN_STEP.format(most=5))
    (tmp_path / "own_measure.py").write_text(MEASURE.format(more=""))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which goes by whole seconds
    step, measure = importlib.import_module("own_step"), importlib.import_module("own_measure")

    def kept():
        recipe = Recipe(input=str(tmp_path / "in.jsonl"), steps=[step.Cutter()])
        result = run_recipe(recipe, str(tmp_path / "out"), replace=True)
        return result.report["documents"]["kept"], result.worked

    try:
        assert [kept(), kept()] == [(5, True), (5, False)]
        (tmp_path / "own_step.py").write_text(OWN_STEP.format(most=3))  # a constant
        with pytest.raises(RecipeError, match=r"own_step\.py has been changed since this process imported it"):
            kept()
        importlib.reload(step)
        assert [kept(), kept()] == [(3, True), (3, False)]
        (tmp_path / "own_measure.py").write_text(MEASURE.format(more=" - 1"))  # a function, of what it imports
        with pytest.raises(RecipeError, match=r"own_measure\.py has been changed"):
            kept()
        importlib.reload(measure)
        importlib.reload(step)
        assert [kept(), kept()] == [(4, True), (4, False)]
    finally:
        for name in ("own_step", "own_measure"):
            sys.modules.pop(name)
