"""The table of clusters of near-duplicates: what a run publishes, of what it is made, and that it adds up."""

import collections
import dataclasses
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import winnow
from corpora import write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step import ONE_FILE_A_SHARD, ONE_SHARD, SHARDS_TOGETHER

from corpus.io import shards
from corpus.views import ShardView
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.engine import describe_file
from pipelines.inspection.clean_work import clean_work
from pipelines.inspection.verify import verify
from pipelines.maps import exchange as exchanges
from pipelines.maps.groups import Group
from pipelines.near import matrices, tables
from pipelines.publishing import OutputError

STEP = {"near_dedup": {"threshold": 0.5, "ngram": 1, "recall": 1 - 1e-12}}
DIVISIONS = [ONE_FILE_A_SHARD, SHARDS_TOGETHER, ONE_SHARD]
HERE = ("near_dedup", "clusters")


def words(first, end):
    return " ".join(f"w{i}" for i in range(first, end))


DOCUMENTS = [
    {"id": "a", "text": words(0, 10), "url": "https://www.one.example/a", "source": "one"},
    {"id": "alone", "text": words(50, 60), "url": "https://one.example/alone", "source": "one"},
    {"id": "b", "text": words(0, 9), "url": "https://b.blog.co.uk/", "source": "two"},  # 9 of 10
    {"id": "c", "text": words(100, 120), "source": "one"},
    {"id": "d", "text": words(0, 8), "url": "https://two.example:8080/d", "source": "two"},  # 8 of 10
    {"id": "e", "text": words(100, 120), "url": "file:///e"},
    {"id": "f", "text": words(0, 10), "url": "https://one.example/f"},
]
TABLE = [
    ("a", "a", True, None, 4, "https://www.one.example/a", "one", "0:0"),
    ("b", "a", False, 0.9, 4, "https://b.blog.co.uk/", "two", "0:0"),
    ("c", "c", True, None, 2, None, "one", "3:0"),
    ("d", "a", False, 0.8, 4, "https://two.example:8080/d", "two", "0:0"),
    ("e", "c", False, 1.0, 2, "file:///e", "FILE 5", "3:0"),
    ("f", "a", False, 1.0, 4, "https://one.example/f", "FILE 6", "0:0"),
]


def write(folder, documents=DOCUMENTS):
    """A file for each."""
    folder.mkdir()
    for number, row in enumerate(documents):
        write_jsonl(folder / f"{number:03d}.jsonl", [row])
    return folder


def recipe_of(folder, *steps, **options):
    return recipes.parse({"name": "x", "input": [str(folder)], "steps": list(steps), **options})


def rows_in(output, *folder):
    return [
        row for path in sorted(output.joinpath(*folder or HERE).glob("*")) for row in pq.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize("division", DIVISIONS)
def test_every_document_of_every_cluster_is_in_the_table(tmp_path, division):
    recipe = recipe_of(write(tmp_path / "in"), STEP, **division)
    result = runs.run(recipe, str(tmp_path / "out"))
    found = rows_in(tmp_path / "out")
    own = {f"{tmp_path}/in/00{number}.jsonl": f"FILE {number}" for number in range(7)}
    for row, expected in zip(found, TABLE, strict=True):
        *same, source, address = row.values()
        assert (*same, own.get(source, source)) == expected[:-1]
        assert division == ONE_SHARD or address == expected[-1]
    assert len({row["address"] for row in found}) == 2
    figures = result.report["figures"]["near_dedup"]
    assert (figures["clusters"], figures["dropped"]) == (2, 4)
    assert sum(step["dropped"].get("near_duplicate", 0) for step in result.report["steps"]) == 4

    names = figures["domains"]["names"]
    pairs = {
        (names[i], names[j]): n
        for i, row in enumerate(figures["domains"]["documents"][:-1])
        for j, n in enumerate(row)
        if n
    }
    assert pairs == {("one.example", "one.example"): 1, ("blog.co.uk", "one.example"): 1,
                     ("two.example", "one.example"): 1, (None, None): 1}  # fmt: skip
    assert names == ["one.example", None, "blog.co.uk", "two.example"]
    assert figures["sources"]["names"][:2] == ["one", "two"]
    assert figures["sources"]["documents"][1] == [2, 0, 0, 0, 0]
    assert verify(str(tmp_path / "out")) == []


def test_the_bytes_are_the_same_again_and_without_its_work(tmp_path):
    recipe = recipe_of(write(tmp_path / "in"), STEP, **SHARDS_TOGETHER)
    for name in ("one", "two"):
        runs.run(dataclasses.replace(recipe, keep_work=name == "one"), str(tmp_path / name))
    files = {
        name: [path.read_bytes() for path in sorted((tmp_path / name).joinpath(*HERE).iterdir())]
        for name in ("one", "two")
    }
    assert files["one"] == files["two"] and len(files["one"]) == 1
    assert not runs.run(dataclasses.replace(recipe, keep_work=False), str(tmp_path / "two")).worked
    clean_work(str(tmp_path / "one"), print)
    assert len(rows_in(tmp_path / "one")) == 6 and verify(str(tmp_path / "one")) == []


def test_a_step_that_stands_twice_has_two_folders(tmp_path):
    strict = {"near_dedup": {**STEP["near_dedup"], "threshold": 0.95}}
    output = tmp_path / "out"
    result = runs.run(recipe_of(write(tmp_path / "in"), strict, STEP), str(output))
    first, second = (rows_in(output, name, "clusters") for name in ("near_dedup", "near_dedup-2"))
    assert [row["id"] for row in first] == ["a", "c", "e", "f"]
    assert [row["id"] for row in second] == ["a", "b", "d"]
    for name, rows in (("near_dedup", first), ("near_dedup-2", second)):
        figures = result.report["figures"][name]
        assert figures["clusters"] + figures["dropped"] == len(rows)
    listed = json.loads((output / "published.json").read_text())["files"]
    assert {"near_dedup/clusters/00000.parquet", "near_dedup-2/clusters/00000.parquet"} <= set(listed)
    assert verify(str(output)) == []
    (output / "near_dedup-2" / "clusters" / "00000.parquet").write_bytes(b"damaged")
    assert "near_dedup-2/clusters/00000.parquet" in verify(str(output))[0]
    (output / "near_dedup-2" / "clusters" / "99999.parquet").write_bytes(b"somebody's")
    with pytest.raises(OutputError, match="99999.parquet is in the way"):
        runs.run(recipe_of(tmp_path / "in", strict, STEP), str(output))


def test_without_a_table_nothing_else_is_done_again(tmp_path):
    recipe, output = recipe_of(write(tmp_path / "in"), STEP), tmp_path / "out"
    bare = dataclasses.replace(recipe, steps=(dataclasses.replace(recipe.steps[0], clusters=False),))
    result = runs.run(bare, str(output))
    assert not (output / "near_dedup").exists() and "domains" not in result.report["figures"]["near_dedup"]
    assert not any(summary.step.endswith(("-rows", "-table", "-sources")) for summary in result.summaries)
    result = runs.run(recipe, str(output), replace=True)
    worked = [summary.step for summary in result.summaries if summary.done < summary.tasks]
    assert worked == ["01-near_dedup-rows", "01-near_dedup-table", "01-near_dedup-sources"]
    assert len(rows_in(output)) == 6
    runs.run(bare, str(output))
    assert not (output / "near_dedup").exists() and verify(str(output)) == []


def test_no_clusters_no_table(tmp_path):
    for number, documents in enumerate(([], DOCUMENTS[:2])):
        output = tmp_path / f"out{number}"
        source = write(tmp_path / f"in{number}", documents or [{"text": ""}])
        result = runs.run(recipe_of(source, STEP), str(output))
        assert result.report["figures"]["near_dedup"]["clusters"] == 0 and not (output / "near_dedup").exists()
        assert "sources" not in result.report["figures"]["near_dedup"]


def test_only_shards_with_members_are_read_and_no_text(tmp_path, monkeypatch):
    alone = [{"id": f"n{i}", "text": words(1000 + 20 * i, 1020 + 20 * i)} for i in range(8)]
    documents = [*alone[:3], DOCUMENTS[0], *alone[3:], DOCUMENTS[2]]
    seen = []

    def watched(path, digest=None, columns=None, read=shards.read):
        if columns is not None:
            seen.append(path)
        for batch in read(path, digest, columns):
            assert columns is None or "text" not in batch.schema.names
            yield batch

    monkeypatch.setattr(shards, "read", watched)
    result = runs.run(recipe_of(write(tmp_path / "in", documents), STEP, **ONE_FILE_A_SHARD), str(tmp_path / "out"))
    assert seen == [result.before["near_dedup"][number].path for number in (3, 9)]
    tasks = {summary.step: summary.tasks for summary in result.summaries}
    assert tasks["01-near_dedup-rows"] == tasks["01-near_dedup-table"] == 2
    assert [row["id"] for row in rows_in(tmp_path / "out")] == ["a", "b"]


def test_of_components_some_were_never_compared(tmp_path):
    chain = [{"id": str(i), "text": words(4 * i, 4 * i + 14)} for i in range(4)]  # 10 of 18 with the next, 6 of 22
    step = {"near_dedup": {**STEP["near_dedup"], "mode": "components"}}
    runs.run(recipe_of(write(tmp_path / "in", chain), step), str(tmp_path / "out"))
    found = [(row["id"], row["cluster"], row["similarity"], row["size"]) for row in rows_in(tmp_path / "out")]
    assert found == [
        ("0", "0", None, 4),
        ("1", "0", pytest.approx(10 / 18), 4),
        ("2", "0", None, 4),
        ("3", "0", None, 4),
    ]


@pytest.mark.parametrize("keep, kept", [("longest", "b"), ("newest", "c")])
def test_the_one_that_is_kept_may_come_later(tmp_path, keep, kept):
    documents = [
        {"id": "a", "text": words(0, 10), "date": "2020"},
        {"id": "b", "text": words(0, 11), "date": "2021"},
        {"id": "c", "text": words(0, 10), "date": "2022"},
    ]
    step = {"near_dedup": {**STEP["near_dedup"], "keep": keep}}
    runs.run(recipe_of(write(tmp_path / "in", documents), step, **ONE_FILE_A_SHARD), str(tmp_path / "out"))
    found = [(row["id"], row["cluster"], row["kept"], row["size"]) for row in rows_in(tmp_path / "out")]
    assert found == [(name, kept, name == kept, 3) for name in "abc"]


def test_documents_of_one_name_are_told_apart_by_address(tmp_path):
    documents = [{"id": "same", "text": words(20 * (i // 2), 20 * (i // 2) + 10)} for i in range(4)]
    runs.run(recipe_of(write(tmp_path / "in", documents), STEP, **ONE_FILE_A_SHARD), str(tmp_path / "out"))
    assert [(r["cluster"], r["address"], r["kept"]) for r in rows_in(tmp_path / "out")] == [
        ("same", "0:0", True), ("same", "0:0", False), ("same", "2:0", True), ("same", "2:0", False),
    ]  # fmt: skip


def test_columns_of_documents_without_url_or_source_are_null(tmp_path):
    """As other readers may leave them, or steps drop them."""
    table = pa.table({"text": [words(0, 10)] * 2, "id": ["a", "b"]})
    pq.write_table(table, tmp_path / "x.parquet")
    runs.run(recipe_of(tmp_path / "x.parquet", STEP), str(tmp_path / "out"))
    assert [(row["id"], row["url"]) for row in rows_in(tmp_path / "out")] == [("a", None), ("b", None)]


def test_verify_compares_the_table_with_the_report(tmp_path):
    output = tmp_path / "out"
    runs.run(recipe_of(write(tmp_path / "in"), STEP), str(output))
    copy = tmp_path / "copy"
    shutil.copytree(output, copy)
    path = copy / "report.json"
    built = json.loads(path.read_text())
    built["figures"]["near_dedup"]["dropped"] = 5
    path.write_text(json.dumps(built))
    assert "near_dedup/clusters has 6 documents, the report says 7" in " ".join(verify(str(copy)))


@st.composite
def clusterings(draw):
    """(batches of each shard, as numbers of documents; the first shard of each group; of each document that goes, by
    its number in the corpus, the one that is kept)."""
    batches = draw(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=6))
    firsts = sorted({0, *draw(st.lists(st.integers(0, len(batches) - 1), max_size=3))})
    numbers = list(range(sum(map(sum, batches))))
    leaders = draw(st.lists(st.sampled_from(numbers), unique=True)) if numbers else []
    others = [number for number in numbers if number not in leaders] if leaders else []
    goes = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    return batches, firsts, {number: draw(st.sampled_from(leaders)) for number in goes}


class Folder:
    """The outputs of a task."""

    def __init__(self, folder, key):
        self.folder, self.key = folder, key

    def path(self, name):
        return f"{self.folder}/{self.key}-{name}"


@settings(deadline=None, max_examples=60)
@given(clusterings(), st.sampled_from([1, 1 << 20]), st.sampled_from([2, 1 << 20]))
def test_the_maps_make_the_table_of_any_clusters(tmp_path_factory, clustering, hold, at_a_time):
    """In groups of shards of batches, whichever documents are kept, whatever fits memory."""
    batches, firsts, kept = clustering
    folder = tmp_path_factory.mktemp("maps")
    rows, places = [], []
    view = []
    for number, sizes in enumerate(batches):
        path, first = str(folder / f"{number}.arrow"), len(rows)
        with shards.ShardWriter(path, pa.schema([(n, pa.string()) for n in ("text", "url", "id")])) as writer:
            for size in sizes:
                new = [
                    {"text": "", "url": f"http://d{len(rows) + i}.example/", "id": f"n{len(rows) + i}"}
                    for i in range(size)
                ]
                writer.write(pa.RecordBatch.from_pylist(new, writer.schema))
                rows += new
        places += [(number, row) for row in range(len(rows) - first)]
        view.append(ShardView(number, path, describe_file(path).hash, len(rows) - first, 0))
    ends = [*firsts[1:], len(view)]
    groups = [Group(i, tuple(view[start:end])) for i, (start, end) in enumerate(zip(firsts, ends))]

    addresses = np.array([shard << 32 | row for shard, row in places], np.int64)
    goes = np.array(list(kept), np.int64)
    score = np.array([np.nan if number % 3 == 0 else number / 100 for number in kept])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "MEMBERS_AT_A_TIME", at_a_time)
        by = addresses[np.array(list(kept.values()), np.int64)]
        counters = tables.write_members(Folder(folder, "c"), np.array(firsts), hold, addresses[goes], by, score)

    def exchange(name, *keys):
        return exchanges.Exchange((tuple(f"{folder}/{key}-{name}" for key in keys),), len(groups), "", 0, 0)

    members, with_members = exchange(tables.MEMBERS, "c"), [groups[i] for i in counters["groups"]]
    gathering = tables.Gathering(members, exchange(tables.WANTED, "c"), hold)
    for group in with_members:
        tables.gather_rows(group, Folder(folder, group.number), gathering)
    tabulating = tables.Tabulating(members, exchange(tables.KEPT, *counters["groups"]))
    found, pairs = [], []
    for group in with_members:
        file = describe_file(f"{folder}/{group.number}-{tables.ROWS}")
        counted = tables.write_table((group.number, file), Folder(folder, group.number), tabulating)
        table = pq.read_table(f"{folder}/{group.number}-{tables.TABLE}").to_pylist()
        assert counted["kept"] == sum(row["kept"] for row in table) and sum(counted.values()) == len(table) > 0
        found += table
        pairs.append(describe_file(f"{folder}/{group.number}-{tables.PAIRS}"))

    sizes = collections.Counter(kept.values())
    scores = dict(zip(kept, [None if np.isnan(each) else each for each in score]))
    assert found == [
        {
            "id": f"n{i}", "cluster": f"n{kept.get(i, i)}", "kept": i not in kept, "similarity": scores.get(i),
            "size": sizes[kept.get(i, i)] + 1, "url": f"http://d{i}.example/", "source": None,
            "address": "{}:{}".format(*places[kept.get(i, i)]),
        }
        for i in sorted({*kept, *kept.values()})
    ]  # fmt: skip
    matrix = matrices.tally(pairs, Folder(folder, "m"))["matrices"]["domains"]
    assert np.sum(matrix["documents"] if matrix else 0) == len(kept)


def test_on_the_command_line(tmp_path):
    source, output = write(tmp_path / "in"), tmp_path / "out"
    command = ["dedup", "near", source, output, "--threshold", 0.5, "--ngram", 1, "--workers", 0]
    winnow(*command, check=0)
    assert [row["id"] for row in rows_in(output)] == ["a", "b", "c", "d", "e", "f"]
    assert "every published file and count is as it should be" in winnow("verify", output, check=0).stdout
    assert winnow("explain", output, "b", check=0).stdout.splitlines()[:3] == [
        "b: near_dedup: near_duplicate: the other document is a",
        "b: near_dedup: w0 w1 w2 w3 w4 w5 w6 w7 w8[- w9-]",
        "b: near_dedup: one of 4 near-duplicates, of which a is kept; similarity 0.9000",
    ]
    page = (output / "report.html").read_text()
    assert "<del><bdi> w9</bdi></del>" in page and "<bdi>blog.co.uk</bdi>" in page
    assert not list(output.glob("near_dedup/clusters/00001*"))
    winnow(*command[:3], tmp_path / "none", *command[4:], "--clusters", "false", check=0)
    assert not (tmp_path / "none" / "near_dedup").exists()
