"""`inspect` on what winnow reads, and on what it has set aside."""

import bz2
import json

import pyarrow as pa
import pytest

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.inspection import quarantine
from pipelines.inspection.describe import describe


@pytest.fixture
def output(tmp_path):
    lines = [json.dumps({"text": f"Good {i}."}) for i in range(20)]
    lines += ["not JSON", "no JSON", '{"id": 1, "text": ', '{"text": 5}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "y.jsonl.bz2").write_bytes(bz2.compress(b'{"text": "Good."}\n')[:-4])
    recipe = recipes.parse({"input": [f"{tmp_path}/*.jsonl*"], "steps": ["length"]})
    runs.run(recipe, str(tmp_path / "out"))
    return tmp_path / "out"


def test_the_reasons_of_a_run_are_shown_the_most_frequent_first(output):
    lines = describe(str(output), 3).splitlines()
    first = lines[lines.index("quarantined, by reason:") + 1 :]
    x = output.parent / "x.jsonl"
    assert first[0] == f"  3 records: read: not JSON: Expecting value at character 0 (the first: {x}, at 410)"
    assert first[1] == (
        f"  1 record: read: field 'text' must be a string, not a number (the first: {x}, at {410 + 9 + 8 + 19})"
    )
    assert "y.jsonl.bz2, at 0)" in first[2] and "the file ends inside it" in first[2]


def test_a_quarantine_shows_its_reasons_and_first_records(output):
    for path in (output / "quarantine", next((output / "quarantine").iterdir())):
        lines = describe(str(path), 2).split("\n")
        assert lines[0].startswith("  3 records: read: not JSON")
        assert lines.count("not JSON") == 1 and lines.count("no JSON") == 1 and '{"text": 5}' not in lines


def test_a_run_without_quarantine_says_nothing_of_it(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "Good."}\n')
    runs.run(recipes.parse({"input": [f"{tmp_path}/x.jsonl"], "steps": ["length"]}), str(tmp_path / "out"))
    assert "quarantined, by reason" not in describe(str(tmp_path / "out"), 3)


def test_reasons_are_bounded(output, monkeypatch):
    monkeypatch.setattr(quarantine, "MOST_REASONS", 1)
    assert describe(str(output), 3).splitlines()[-1] == "  and 2 further reasons"
    monkeypatch.setattr(quarantine, "MOST_KEPT", 1)
    assert describe(str(output), 3).splitlines()[-1] == "  and 1 further reasons"


@pytest.mark.parametrize("name, data", [
    ("x.csv", b"id,text\n1,Some words.\n"),
    ("x.json", b'[{"id": 1, "text": "Some words."}]'),
    ("x.txt.bz2", bz2.compress(b"Some words.")),
    ("x.arrow", None),
])  # fmt: skip
def test_any_file_that_is_read_can_be_looked_at(tmp_path, name, data):
    if data is None:
        with pa.ipc.new_stream(tmp_path / name, pa.schema({"text": pa.string()})) as writer:
            writer.write_table(pa.table({"text": ["Some words."]}))
    else:
        (tmp_path / name).write_bytes(data)
    assert describe(str(tmp_path / name), 3).splitlines()[1] == "Some words."
