"""Counts that do not add up are said; a run that lost a step is not proven."""

import pytest
import yaml

from pipelines import recipe as recipes
from pipelines import report

RECIPE = recipes.parse(yaml.safe_load("{input: x, steps: [length, c4, train_tokenizer]}"))


def step(name, documents_in, kept, dropped=(), quarantined=0):
    return {"name": name, "in": documents_in, "kept": kept, "dropped": dict(dropped), "quarantined": quarantined}


GOOD = [step("read", 10, 8, {"empty_text": 1}, 1), step("length", 8, 8), step("c4", 8, 5, {"lorem_ipsum": 1, "too_few_sentences": 2})]


def test_a_proven_run_has_no_problems():
    assert report.problems(RECIPE, GOOD, 5) == []
    assert report.problems(RECIPE, [step("read", 1, 0, {"empty_text": 1})], 0) == []  # nothing left to do


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
    assert words in report.problems(RECIPE, steps, written)
