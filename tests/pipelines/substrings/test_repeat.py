"""Rounds until nothing changes: the same as the step several times in a recipe."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines import recipe as recipes
from pipelines.run import run

STEP = {"min_length": 8, "snap": "character", "separator": "", "min_remaining": 3}


def left(folder, steps, source):
    """(documents, the rows dropped, the report) of a run."""
    recipe = recipes.parse({"input": [str(source)], "steps": steps, "task_bytes": 200, "working_bytes": 400})
    report = run(recipe, str(folder)).report
    dropped = pq.read_table(folder / "dropped").select(["id", "rule"]).to_pylist()
    return pq.read_table(folder / "documents")["text"].to_pylist(), dropped, report


@pytest.mark.parametrize("separator", ["\n", "\n\n", " \n", "#"])
def test_rounds_end_where_a_cut_leaves_a_separator_of_its_size(tmp_path, separator):
    texts = ["abcdefg \nhere", "zabcdefg \nthere"]  # cuts shrink to words: of what is the same, to the newline
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    step = {"min_length": 6, "separator": separator, "repeat": "until_nothing_changes"}
    recipe = recipes.parse({"input": [str(tmp_path / "in.jsonl")], "steps": [{"substring_dedup": step}]})
    report = run(recipe, str(tmp_path / "out")).report
    assert "round_2" not in report["figures"]["substring_dedup"] and not report["notes"]
    assert pq.read_table(tmp_path / "out" / "documents")["text"].to_pylist() == texts


def test_rounds_go_on_until_nothing_changes(tmp_path):
    random = np.random.default_rng(3)
    pieces = ["".join(np.array(list("abcd"))[random.integers(0, 4, size)]) for size in random.integers(4, 12, 12)]
    texts = ["".join(pieces[i] for i in random.integers(0, 12, 5)) for _ in range(24)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    repeated = {"substring_dedup": {**STEP, "repeat": "until_nothing_changes"}}
    documents, dropped, report = left(tmp_path / "repeat", [repeated], tmp_path / "in.jsonl")
    rounds = 1 + sum(name.startswith("round_") for name in report["figures"]["substring_dedup"])
    assert rounds > 2
    step = {"substring_dedup": STEP}
    one_by_one = left(tmp_path / "steps", [step] * rounds, tmp_path / "in.jsonl")
    assert documents == one_by_one[0]
    assert sorted(map(str, dropped)) == sorted(map(str, one_by_one[1])) and dropped
    *changing, last = [each["counters"].get("cuts") or each["dropped"] for each in one_by_one[2]["steps"][1:]]
    assert all(changing) and not last
    (read, found), others = report["steps"], one_by_one[2]["steps"][1:]
    assert sum(found["dropped"].values()) == len(dropped) == 24 - len(documents)
    assert found["in"] == read["kept"] and found["kept"] == len(documents)
    for name in ("cuts", "bytes_cut"):
        assert found["counters"][name] == sum(each["counters"].get(name, 0) for each in others)
    assert (found["bytes_in"], found["bytes_out"]) == (others[0]["bytes_in"], others[-1]["bytes_out"])
