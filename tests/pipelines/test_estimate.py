"""Estimates add up, and are near what a run leaves."""

import doctest
import math
import pathlib

import corpora
import pytest
import slow_store
import yaml

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
    assert estimate.format_of(name).text == ratio


def test_every_step_that_is_no_filter_has_been_measured():
    assert {name for name, kind in recipes.STEPS.items() if not issubclass(kind, Filter)} == set(STEPS)


def test_examples():
    assert doctest.testmod(estimate) == (0, 10)


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


@pytest.mark.parametrize("options", [
    {"task_bytes": 50_000, "working_bytes": 1 << 26}, {"task_bytes": 50_000, "working_bytes": 1 << 18},
    {"task_bytes": 1 << 26, "working_bytes": 1 << 20},
])  # fmt: skip
def test_tasks_and_requests_are_those_of_a_run(tmp_path, options):
    store = tmp_path / "store"
    (store / "in").mkdir(parents=True)
    corpora.write_jsonl(store / "in" / "x.jsonl", corpora.documents(1000))
    steps = ["url_dedup", "length", "near_dedup", {"train_tokenizer": {"vocab_size": 300}}, "tokenize"]
    recipe = recipes.parse({"input": ["slow://in/x.jsonl"], "steps": steps, **options})
    with slow_store.store(store, seconds=0) as counts:
        expected = runs.run(recipe, "slow://out", 0, dry_run=True).estimate
        assert not (store / "out").exists()
        counts.clear()
        found = runs.run(recipe, "slow://out", 0)
    tasks = sum(summary.tasks for summary in found.summaries)
    assert expected.tasks / 2 < tasks < expected.tasks * 2
    reads = counts["opens"] + counts["reads"]
    assert expected.reads / 3 < reads < expected.reads * 3
    assert expected.writes / 3 < counts["creates"] + counts["copies"] < expected.writes * 3
    assert expected.price == pytest.approx(0.4e-6 * expected.reads + 5e-6 * expected.writes)


PAGE = pathlib.Path(estimate.__file__).parent / "ARITHMETIC.md"


def table_of(page):
    """The table that belongs on the page of arithmetic, for the recipe that stands there."""
    document = yaml.safe_load(page.split("```yaml")[1].split("```")[0])
    recipe = recipes.parse({"name": "page", **document})
    runs_ = []
    for terabytes in (1, 10, 100):
        files = [paths.Source("x.warc.wet.gz", 10**8, 0)] * math.ceil(terabytes * 1e12 / 1.9 / 1e8)
        runs_.append(estimate.of_run(recipe, files, len(files)))
    shown = estimate.shown
    rows = [
        ("text", lambda e: shown(e.text)),
        ("files", lambda e: f"{e.files:,}"),
        ("shards", lambda e: f"{e.shards:,}"),
        ("groups", lambda e: f"{e.groups:,}"),
        ("tasks", lambda e: f"{e.tasks:,}"),
        *((f"exchanged, {step.name}", lambda e, i=i: f"{shown(e.steps[i].exchanged)} in {e.steps[i].partitions:,}")
          for i, step in enumerate(runs_[0].steps)),
        ("files opened for exchanges", lambda e: f"{sum(step.openings for step in e.steps) / 1e6:,.1f} million"),
        ("core hours", lambda e: f"{e.seconds / 3600:,.0f}"),
        ("on 16 cores", lambda e: estimate.duration(e.seconds / 16)),
        ("on 1,024 cores", lambda e: estimate.duration(e.seconds / 1024)),
        ("memory for clusters", lambda e: shown(e.memory)),
        ("work/", lambda e: shown(e.work)),
        ("work/, freed", lambda e: shown(e.freed)),
        ("documents/", lambda e: shown(e.documents)),
        ("tokens/", lambda e: shown(e.tokens)),
        ("requests to read", lambda e: f"{e.reads / 1e6:,.0f} million"),
        ("requests to write", lambda e: f"{e.writes / 1e6:,.1f} million"),
        ("price of requests", lambda e: f"${e.price:,.0f}"),
    ]  # fmt: skip
    lines = [f"| {name} | {' | '.join(value(e) for e in runs_)} |" for name, value in rows]
    return "\n".join([lines[0], "|---|--:|--:|--:|", *lines[1:]])


def test_the_page_of_arithmetic_says_what_the_estimate_says():
    page = PAGE.read_text()
    assert table_of(page) in page
