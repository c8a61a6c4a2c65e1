"""What a run of many files asks of storage grows with the files; a rerun with nothing to do asks for its manifests."""

import os

import many_tasks
import pytest
import slow_store

from corpus.io import paths
from corpus.reading import readers
from pipelines import run as runs
from pipelines.engine import numbered
from pipelines.engine.engine import committed

STEPS = [{"length": {"max_characters": 115}}]  # which drops about half


@pytest.mark.parametrize("files", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_task_a_file(tmp_path, files):
    task_bytes = many_tasks.write_files(tmp_path / "in", files, "jsonl")
    recipe, output = many_tasks.recipe_for(str(tmp_path / "in"), STEPS, task_bytes), str(tmp_path / "out")
    with slow_store.counting(tmp_path) as first:
        result = runs.run(recipe, output)
    (summary,) = result.summaries
    assert summary.tasks == files and result.report["documents"]["in"] == 2 * files
    sources = [os.path.join(tmp_path, "in", f"{number:06d}.jsonl") for number in range(files)]
    assert [first.opened[source] for source in sources] == [1] * files
    assert first["opens"] <= files + 20  # outputs are not read back
    outputs = sum(len(manifest.outputs) for manifest in committed(os.path.join(output, "work", summary.step)).values())
    assert files < outputs < 2 * files and first["creates"] <= files + outputs + 20
    assert first["listings"] <= 30

    with slow_store.counting(tmp_path) as again:
        result = runs.run(recipe, output)
    assert not result.worked and result.report["documents"]["in"] == 2 * files
    manifests = [os.path.join(output, "work", summary.step, f"{number:05d}.json") for number in range(files)]
    assert [again.opened[manifest] for manifest in manifests] == [1] * files
    assert again["opens"] <= files + 20 and again["creates"] <= 5 and again["listings"] <= 30
    assert again["bytes read"] < 1500 * files + (1 << 20)  # the rest is published.json and the report


@pytest.mark.parametrize("files", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_the_input_is_divided_once(tmp_path, files):
    """Parquet files above `task_bytes` are opened for their row groups."""
    many_tasks.write_files(tmp_path / "in", files, "parquet")
    recipe = many_tasks.recipe_for(str(tmp_path / "in"), STEPS, 10)
    with slow_store.counting(tmp_path) as counts:
        result = runs.run(recipe, str(tmp_path / "out"), dry_run=True)
    (summary,) = result.summaries
    assert summary.tasks == 2 * files  # a row group a task
    assert set(counts.opened.values()) == {1} and len(counts.opened) == counts["opens"] == files
    units = readers.split(paths.expand(str(tmp_path / "in")), recipe.read, 10)
    assert [unit.path for unit in units] == sorted(unit.path for unit in units)
    assert [unit.start for unit in units] == [0, 1] * files


@pytest.mark.slow
def test_on_a_store_a_rerun_asks_for_manifests_only(tmp_path):
    files = 400
    task_bytes = many_tasks.write_files(tmp_path / "in", files, "jsonl")
    recipe = many_tasks.recipe_for("slow://in", STEPS, task_bytes)
    with slow_store.store(tmp_path, seconds=0):
        runs.run(recipe, "slow://out")
    with slow_store.store(tmp_path, seconds=0) as counts:
        assert not runs.run(recipe, "slow://out").worked
    assert counts["opens"] <= files + 20 and counts["reads"] <= files + 20
    assert counts["stats"] <= 50 and counts["listings"] <= 100 and counts["copies"] == 0 and counts["creates"] <= 5


def test_published_names_are_as_wide_as_the_largest_number_needs():
    assert [numbered(7, count) for count in (1, 8, 100_000)] == ["00007"] * 3
    names = [numbered(number, 100_002) for number in (0, 99_999, 100_000, 100_001)]
    assert names == sorted(names) == ["000000", "099999", "100000", "100001"]
