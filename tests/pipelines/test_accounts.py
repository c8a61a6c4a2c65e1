"""Counts that do not add up are said; a run that lost a step, or more than it may, is not proven: from Python, too."""

import dataclasses
import json

import pytest

from corpus.cleaning.length import Length
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.accounts import Accounts, NotProven, unique_names


def step(name, documents_in, kept, dropped=(), quarantined=0):
    return {"name": name, "in": documents_in, "kept": kept, "dropped": dict(dropped), "quarantined": quarantined}


GOOD = [
    step("read", 10, 8, {"empty_text": 1}, 1),
    step("length", 8, 8),
    step("c4", 8, 5, {"lorem_ipsum": 1, "too_few_sentences": 2}),
]


def problems(steps, written, encoded=None, not_encoded=0, lost_bytes=0, max_quarantined=0.1):
    lost = {"ranges": 1, "bytes": lost_bytes, "input_bytes": 1000}
    return Accounts(steps, ["read", "length", "c4"], written, encoded, not_encoded, lost, max_quarantined).problems()


def test_a_proven_run_has_no_problems():
    assert problems(GOOD, 5) == problems(GOOD, 5, encoded=5, lost_bytes=100) == []
    assert problems([step("read", 1, 0, {"empty_text": 1})], 0) == []  # nothing left to do


@pytest.mark.parametrize(
    "steps, written, words",
    [
        ([GOOD[0], GOOD[1], step("c4", 8, 5, {"lorem_ipsum": 2})], 5, "step c4: 8 documents in, 7 accounted for"),
        ([GOOD[0], step("length", 7, 7), step("c4", 7, 5, {"x": 2})], 5, "8 documents left read, 7 entered length"),
        (GOOD, 4, "5 documents kept, 4 in documents/"),
        (GOOD[:2], 8, "steps counted are read, length, those of the recipe read, length, c4"),
    ],
)
def test_what_does_not_add_up_is_said(steps, written, words):
    assert words in problems(steps, written)


def test_what_is_lost_is_held_to_the_limit():
    assert problems(GOOD, 5, encoded=4, not_encoded=1, max_quarantined=0.2) == []
    assert problems(GOOD, 5, encoded=4) == ["5 documents written, 4 tokenized, 0 quarantined"]
    assert problems(GOOD, 5, encoded=4, not_encoded=1) == [
        "20.0% of the input was quarantined, more than max_quarantined = 10.0%"
    ]
    assert problems(GOOD, 5, lost_bytes=101) == [
        "10.1% of the bytes of the input were quarantined, more than max_quarantined = 10.0%"
    ]


def test_an_input_without_documents_is_said():
    lost = {"ranges": 0, "bytes": 0, "input_bytes": 1000}
    accounts = Accounts([step("read", 0, 0)], ["read"], 0, None, 0, lost, 0.5)
    assert accounts.problems() == ["the input has no documents"]
    assert not dataclasses.replace(accounts, lost={**lost, "ranges": 1}).problems()


def test_names_of_steps_are_unique_in_the_run():
    assert unique_names([Length(), Length(max_words=5), Length()]) == ["length", "length-2", "length-3"]


def recipe_over(tmp_path, steps, lines, **options):
    (tmp_path / "x.jsonl").write_text("".join(line + "\n" for line in lines))
    return recipes.parse({"input": [str(tmp_path / "x.jsonl")], "steps": steps, **options})


def test_a_run_from_python_that_lost_too_much_raises_and_its_report_is_there(tmp_path):
    lines = [json.dumps({"id": "a", "text": "good"}), *["not JSON"] * 9]
    recipe = recipe_over(tmp_path, ["exact_dedup"], lines, max_quarantined=0.1)
    with pytest.raises(
        NotProven, match="90.0% of the input was quarantined, more than max_quarantined = 10.0%"
    ) as raised:
        runs.run(recipe, str(tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["problems"] == raised.value.problems == raised.value.result.report["problems"]
    assert written["documents"] == {"in": 10, "kept": 1, "dropped": 0, "quarantined": 9}


def test_a_step_may_stand_twice_in_different_passes(tmp_path):
    lines = [json.dumps({"id": str(i), "text": "w " * i}) for i in range(1, 9)]
    steps = [{"length": {"min_words": 2}}, "exact_dedup", {"length": {"min_words": 4}}]
    report = runs.run(recipe_over(tmp_path, steps, lines), str(tmp_path / "out")).report
    assert [(s["name"], s["in"], s["kept"]) for s in report["steps"]] == [
        ("read", 8, 8), ("length", 8, 7), ("exact_dedup", 7, 7), ("length-2", 7, 5),
    ]  # fmt: skip
