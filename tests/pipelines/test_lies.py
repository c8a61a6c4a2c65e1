"""The proof works: what a step says untruly of its rows ends the run, and nothing is left that looks like a result."""

import dataclasses

import corpora
import lying_steps
import pytest

from pipelines import recipe as recipes
from pipelines.engine import TaskFailed
from pipelines.run import run


def run_with(step, folder):
    """Two shards of three documents, of which `length` drops the last."""
    for shard in range(2):
        rows = [{"id": f"{3 * shard + i}", "text": "a text" if i < 2 else "too long a text"} for i in range(3)]
        corpora.write_jsonl(folder / f"{shard}.jsonl", rows)
    sizes = {"task_bytes": 400, "working_bytes": 1}
    recipe = recipes.parse({"input": [str(folder / "*.jsonl")], "steps": ["length"], **sizes})
    return run(dataclasses.replace(recipe, steps=(step,)), str(folder / "out"))


def test_the_truth_is_believed(tmp_path):
    report = run_with(lying_steps.Liar(max_characters=10), tmp_path).report
    assert report["problems"] == [] and len(list((tmp_path / "out" / "documents").iterdir())) == 2
    assert report["documents"] == {"in": 6, "kept": 4, "dropped": 2, "quarantined": 0}


COUNTS = "3 documents in, 4 accounted for"
KEPT = "the documents that it kept are not those that it was given"


@pytest.mark.parametrize("lie, words", [
    ("loses a row", KEPT),
    ("makes a row up", KEPT),
    ("says twice that it dropped a row", COUNTS),
    ("drops a row in silence", KEPT),
    ("says twice and then never that it dropped a row", COUNTS),
    ("changes an id", KEPT),
    ("has one row twice and another not at all", KEPT),
    ("keeps another row than it says", KEPT),
    ("sets a row aside that it keeps", KEPT),
])  # fmt: skip
def test_a_filter_that_lies_is_refused(tmp_path, lie, words):
    with pytest.raises(TaskFailed, match=rf"task 00000 \(.*step liar: {words}") as failed:
        run_with(lying_steps.Liar(max_characters=10, lie=lie), tmp_path)
    assert words == COUNTS or "at 3 documents, '0' of " in str(failed.value)
    assert_no_result(tmp_path / "out")


def test_a_global_step_that_decides_twice_is_refused(tmp_path):
    with pytest.raises(TaskFailed, match=rf"task 00000 \(.*step decides_twice: {COUNTS}"):
        run_with(lying_steps.DecidesTwice(), tmp_path)
    assert_no_result(tmp_path / "out")


def assert_no_result(output):
    assert not any((output / name).exists() for name in ("documents", "dropped", "report.json"))


def test_documents_that_fail_only_together_are_named(tmp_path):
    sentence = (
        r"(?m)but not together; ArithmeticError: together, at 3 documents, '0' of .*0\.jsonl to '2' of .*0\.jsonl$"
    )
    with pytest.raises(TaskFailed, match=sentence) as failed:
        run_with(lying_steps.FailsTogether(), tmp_path)
    assert failed.value.name == "00-read+fails_together+documents/00000"
    assert_no_result(tmp_path / "out")
