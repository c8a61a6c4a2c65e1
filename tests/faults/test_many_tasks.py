"""What a run of many files asks of storage grows with the files; a rerun with nothing to do asks for its manifests.
Both look at the first records of some files, however many there are."""

import os

import many_tasks
import pytest
import slow_store

from corpus.io import paths
from corpus.reading import first_records, readers
from pipelines import estimate
from pipelines import run as runs
from pipelines.engine import numbered
from pipelines.engine.engine import committed
from pipelines.maps import exchange

ALIKE = {"near_dedup": {"threshold": 0.4, "ngram": 1, "permutations": 64}}
STEPS = [{"length": {"max_characters": 115}}]  # which drops about half
LOOKED_AT = first_records.FILES


@pytest.mark.parametrize("files", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_task_a_file(tmp_path, files):
    task_bytes = many_tasks.write_files(tmp_path / "in", files, "jsonl")
    recipe, output = many_tasks.recipe_for(str(tmp_path / "in"), STEPS, task_bytes), str(tmp_path / "out")
    with slow_store.counting(tmp_path) as first:
        result = runs.run(recipe, output)
    (summary,) = result.summaries
    assert summary.tasks == files and result.report["documents"]["in"] == 2 * files
    sources = [os.path.join(tmp_path, "in", f"{number:06d}.jsonl") for number in range(files)]
    looked_at = {number * files // LOOKED_AT for number in range(LOOKED_AT)}  # for their fields, before work
    assert [first.opened[source] for source in sources] == [1 + (number in looked_at) for number in range(files)]
    beats = first.opened[os.path.join(output, "lock.json")]  # the longer a run takes, the more
    assert first["opens"] - beats <= files + LOOKED_AT + 20  # outputs are not read back
    outputs = sum(len(manifest.outputs) for manifest in committed(os.path.join(output, "work", summary.step)).values())
    assert files < outputs < 2 * files and first["creates"] <= files + outputs + beats + 20
    assert first["listings"] <= 30

    with slow_store.counting(tmp_path) as again:
        result = runs.run(recipe, output)
    assert not result.worked and result.report["documents"]["in"] == 2 * files
    manifests = [os.path.join(output, "work", summary.step, f"{number:05d}.json") for number in range(files)]
    assert [again.opened[manifest] for manifest in manifests] == [1] * files
    assert [again.opened[source] for source in sources] == [int(number in looked_at) for number in range(files)]
    assert again["opens"] <= files + LOOKED_AT + 20
    assert again["creates"] <= 5 and again["listings"] <= 30
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
    # some tell their fields, too, and the estimate looks at the footers of some
    assert len(counts.opened) == files and files < counts["opens"] <= files + LOOKED_AT + 2 * estimate.FOOTERS
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
    most = files + LOOKED_AT + 20
    assert counts["opens"] <= most and counts["reads"] <= most
    assert counts["stats"] <= 50 and counts["listings"] <= 100 and counts["copies"] == 0 and counts["creates"] <= 5


def test_published_names_are_as_wide_as_the_largest_number_needs():
    assert [numbered(7, count) for count in (1, 8, 100_000)] == ["00007"] * 3
    names = [numbered(number, 100_002) for number in (0, 99_999, 100_000, 100_001)]
    assert names == sorted(names) == ["000000", "099999", "100000", "100001"]


@pytest.mark.slow
def test_global_steps_of_thousands_of_tasks(tmp_path, monkeypatch):
    """Every file is a group; exchanges are combined. What is opened is what the arithmetic says."""
    monkeypatch.setattr(exchange, "MOST_READS", 1 << 12)
    tasks = []
    for files in (125, 500):
        folder = tmp_path / f"{files}"
        task_bytes = many_tasks.write_files(folder / "in", files, "jsonl")
        recipe = many_tasks.recipe_for(str(folder / "in"), ["exact_dedup", ALIKE], task_bytes)
        with slow_store.counting(folder / "out" / "work") as counts:
            result = runs.run(recipe, str(folder / "out"))
        assert result.report["documents"]["in"] == 2 * files
        made = {summary.step.partition("-")[2]: summary.tasks for summary in result.summaries}
        maps = ["read", "exact_dedup-keys", "exact_dedup-send", "exact_dedup-decide", "near_dedup-signatures"]
        maps += ["near_dedup-send", "near_dedup-verify", "near_dedup-decide", "documents"]
        assert [made[name] for name in maps] == [files] * len(maps)
        exact, near = made["exact_dedup-reduce"], made["near_dedup-reduce"]
        ways = {
            "exact_dedup-keys": (files, exact), "exact_dedup-reduce": (exact, files),
            "exact_dedup-send": (files, files), "near_dedup-keys": (files, near),
            "near_dedup-pairs": (near, files), "near_dedup-wanted": (near, files), "near_dedup-send": (files, files),
            "near_dedup-crowded": (near, files), "near_dedup-kept": (made["near_dedup-rows"], files),
        }  # fmt: skip
        combined = {name for name, way in ways.items() if exchange.combining(*way)}
        assert {name.removesuffix("-combine") for name in made if "combine" in name} == combined
        openings = sum(exchange.openings(*way) for way in ways.values())
        assert (
            openings / 2 < counts["opens"] < openings + 42 * files
        )  # shards, decisions, sidecars, edges, crowds, tables
        tasks.append(sum(made.values()))
    assert {"exact_dedup-send", "near_dedup-keys", "near_dedup-pairs", "near_dedup-send"} <= combined
    assert tasks[1] > 5000 and tasks[1] < 5 * tasks[0]
