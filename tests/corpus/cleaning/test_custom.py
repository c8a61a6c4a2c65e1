"""A user's own function as a filter."""

import pyarrow as pa
import pytest

import custom_filters
from corpus.cleaning.custom import Custom

BATCH = pa.record_batch({"id": ["a", "b", "c"], "text": ["one", "two words", "three words here"]})


def test_a_function_of_a_text():
    outcome = Custom("custom_filters:has_space").apply(BATCH)
    assert outcome.kept["id"].to_pylist() == ["b", "c"]
    assert (outcome.rows.tolist(), outcome.rules) == ([0], ["rejected"])


def test_a_score_with_bounds_and_options():
    outcome = Custom("custom_filters:count", min=1, max=10, options={"letter": "e"}).apply(BATCH)
    assert outcome.kept["id"].to_pylist() == ["a", "c"]
    assert (outcome.rules, outcome.values, outcome.thresholds) == (["below_min"], ["0"], [">= 1"])
    tagged = Custom("custom_filters:count", mode="tag", options={"letter": "e"}).apply(BATCH).kept
    assert tagged["count.score"].to_pylist() == [1.0, 0.0, 4.0]


def test_a_function_of_a_column_gives_the_same():
    slow = Custom("custom_filters:has_space").apply(BATCH)
    fast = Custom("custom_filters:have_space", over="arrow").apply(BATCH)
    assert fast.kept.equals(slow.kept)


@pytest.mark.parametrize("function, words", [
    ("custom_filters", "module:name"), ("no_such_module:f", "cannot import"), ("custom_filters:nothing", "cannot import"),
])  # fmt: skip
def test_what_is_not_there_is_said(function, words):
    with pytest.raises(ValueError, match=words):
        Custom(function).check()


def test_wrong_answers_are_refused():
    with pytest.raises(ValueError, match="must return a bool or a number"):
        Custom("custom_filters:words").apply(BATCH)
