"""Estimates add up, and are near what a run leaves."""

import doctest

import corpora
import pytest

from corpus.io import paths
from corpus.step import Filter
from pipelines import estimate
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.estimate import DOCUMENTS, PASS, STEPS


def needed(*steps, text=10**9, **options):
    recipe = recipes.parse({"name": "x", "steps": list(steps), **options})
    return estimate.of_run(recipe, [paths.Source("x.jsonl", text, 0)], 10)


def test_room_is_the_sum_of_what_maps_write_or_the_most_at_a_time():
    def rounded(*shares):
        return tuple(round(10**9 * share) for share in shares)

    filters_only = needed("length")
    assert (filters_only.work, filters_only.freed) == rounded(DOCUMENTS, DOCUMENTS)
    near = STEPS["near_dedup"]
    one = needed("near_dedup")
    assert (one.work, one.freed) == rounded(PASS + near.all + DOCUMENTS, PASS + near.all)
    exact = STEPS["exact_dedup"]
    two = needed("exact_dedup", "length", "exact_dedup")
    assert (two.work, two.freed) == rounded(2 * (PASS + exact.all) + DOCUMENTS, 2 * PASS + exact.stays)
    assert needed("exact_dedup", "length").work == needed("length", "exact_dedup").work
    tokens = needed("length", {"tokenize": {"tokenizer": "x"}})
    token = STEPS["tokenize"]
    assert (tokens.work, tokens.freed, tokens.tokens) == rounded(
        DOCUMENTS + token.all, DOCUMENTS + token.all, token.stays
    )
    assert tokens.documents == filters_only.documents == round(10**9 * DOCUMENTS) and filters_only.tokens == 0


def test_shards_hold_the_text():
    assert needed("length", text=10 * (64 << 20)).shards == 10
    assert needed("length", text=10 * (64 << 20) + 10).shards == 20
    assert needed("length", text=0).shards == 10


@pytest.mark.parametrize("name, ratio", [
    ("a.WARC.WET.gz", 1.9), ("s3://bucket/a.warc.gz?region=x", 0.5), ("a.jsonl", 1.0), ("a.jsonl.zst", 3.0),
    ("a.txt.gz", 2.5), ("a.txt", 1.0), ("a.parquet", 2.2),
])  # fmt: skip
def test_text_by_the_name_of_a_file(name, ratio):
    assert estimate.text_a_byte(name) == ratio


def test_every_step_that_is_no_filter_has_been_measured():
    assert {name for name, kind in recipes.STEPS.items() if not issubclass(kind, Filter)} == set(STEPS)


def test_examples():
    assert doctest.testmod(estimate) == (0, 8)


def test_it_is_near_what_a_run_leaves(tmp_path):
    """Text that compresses better than what was measured: within a factor of four, which a wrong unit is not."""
    corpora.write_jsonl(tmp_path / "x.jsonl", corpora.documents(3000))
    recipe = recipes.parse(
        {"input": [str(tmp_path / "x.jsonl")], "steps": ["exact_dedup", {"near_dedup": {"permutations": 64}}]}
    )
    expected = runs.run(recipe, str(tmp_path / "out"), dry_run=True).estimate
    runs.run(recipe, str(tmp_path / "out"))
    found = sum(path.stat().st_size for path in (tmp_path / "out" / "work").rglob("*") if path.is_file())
    assert expected.files == 1 and expected.bytes == (tmp_path / "x.jsonl").stat().st_size
    assert expected.work / 4 < found < expected.work * 4
    assert runs.run(recipe, str(tmp_path / "out"), dry_run=True, limit=5).estimate is None
