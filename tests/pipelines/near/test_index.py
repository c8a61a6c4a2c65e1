"""An index on disk: what the command line makes of it, what it refuses, and what is left where an update ends early."""

import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import winnow
from corpora import write_jsonl

from corpus.io import paths
from pipelines import Recipe, run_recipe
from pipelines.engine import TaskFailed
from pipelines.near import index as indexes
from pipelines.near import index_changes
from pipelines.near.index import IndexRefused
from pipelines.steps.near_dedup import NearDedup

SEA = "the quick brown fox jumps over the lazy dog and then it runs on to the sea where it stays"
WOOD = "nobody knows what was in the dark wood behind the old house on the hill in those days"
CITY = "a city has streets and squares and people who walk through them day after day after day"


def write(path, **texts):
    write_jsonl(path, [{"id": name, "text": text} for name, text in texts.items()])
    return path


@pytest.fixture
def first(tmp_path):
    """A run that has made an index of two documents."""
    docs = write(tmp_path / "a.jsonl", a1=SEA, a2=WOOD, a3=SEA + " today")
    winnow("dedup", "near", docs, tmp_path / "a", "--index", tmp_path / "index", "--update", "--workers", 0, check=0)
    return tmp_path / "index"


def near(input, output, index, *options, check=0):
    return winnow("dedup", "near", input, output, "--workers", 0, "--index", index, *options, check=check)


def kept(output):
    return pq.read_table(pathlib.Path(output, "documents"))["id"].to_pylist()


def content(index):
    return {path.relative_to(index): path.read_bytes() for path in pathlib.Path(index).rglob("*") if path.is_file()}


def ids_in(index):
    """Of all documents whose ids the files of an index have."""
    return [
        name
        for path in pathlib.Path(index).rglob("ids-*.arrow")
        for name in pa.ipc.open_file(path).read_all()["id"].to_pylist()
    ]


def test_a_corpus_is_compared_with_an_earlier_one_and_added_to_it(tmp_path, first):
    new = write(tmp_path / "b.jsonl", b1=CITY, b2=WOOD + " gone by", b3="now " + SEA, b4=CITY + " so")
    near(new, tmp_path / "b", first, "--update")
    assert kept(tmp_path / "b") == ["b1"]
    dropped = pq.read_table(tmp_path / "b" / "dropped").to_pylist()
    assert [(row["id"], row["value"].split()[1]) for row in dropped] == [
        ("b2", "id:a2"),
        ("b3", "id:a1"),
        ("b4", "0:0"),
    ]
    assert "the other document is id:a2" in winnow("explain", tmp_path / "b", "b2", check=0).stdout
    figures = json.loads((tmp_path / "b" / "report.json").read_text())["figures"]["near_dedup"]
    assert (figures["known"], figures["dropped_by_known"]) == (2, 2)
    rows = pq.read_table(tmp_path / "b" / "near_dedup" / "clusters").to_pylist()
    assert [(row["id"], row["cluster"], row["kept"], row["size"], row["address"]) for row in rows] == [
        ("b1", "b1", True, 2, "0:0"), ("b2", "a2", False, 2, "id:a2"), ("b3", "a1", False, 2, "id:a1"),
        ("b4", "b1", False, 2, "0:0"),
    ]  # fmt: skip
    clusters = json.loads((tmp_path / "b" / "report.json").read_text())["clusters"]["near_dedup"]
    assert sorted((each["kept"]["id"], each["size"]) for each in clusters) == [("a1", 2), ("a2", 2), ("b1", 2)]
    assert "kept: a2" in (tmp_path / "b" / "report.html").read_text()
    said = winnow("index", first, check=0).stdout.splitlines()
    assert said[0].startswith("index of near-duplicates: 3 documents in 2 parts, ")
    assert "lower-words-2 auto 5" in said[1] and "ngram: 5" in said[2]
    assert [line.split(":")[1].split(",")[0] for line in said[3:]] == [" 2 documents", " 1 documents"]


def test_without_update_it_stays_as_it_is(tmp_path, first):
    before = content(first)
    near(write(tmp_path / "b.jsonl", b1=CITY, b2=WOOD), tmp_path / "b", first)
    assert kept(tmp_path / "b") == ["b1"] and content(first) == before


def test_a_dry_run_makes_no_index(tmp_path, first):
    docs, before = write(tmp_path / "b.jsonl", b1=CITY), content(first)
    near(docs, tmp_path / "b", tmp_path / "new", "--update", "--dry-run")
    near(docs, tmp_path / "b", first, "--update", "--dry-run")
    assert not (tmp_path / "new").exists() and content(first) == before
    near(docs, tmp_path / "b", first, "--update")
    winnow("index", first, "--remove", indexes.load(str(first)).parts[1].name, check=0)
    before = content(first)
    near(docs, tmp_path / "b", first, "--update", "--dry-run")  # everything is done, but for the index
    assert content(first) == before


def test_a_recipe_says_the_same(tmp_path, first):
    docs = write(tmp_path / "b.jsonl", b1=CITY, b2=WOOD)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"steps: [{{near_dedup: {{index: {first}, update: true}}}}]")
    winnow("run", recipe, "--input", docs, "--output", tmp_path / "b", "--workers", 0, check=0)
    assert kept(tmp_path / "b") == ["b1"] and len(indexes.load(str(first)).parts) == 2


def test_the_same_run_adds_to_it_once(tmp_path, first):
    """Again, and again with what it had done gone; also behind other parts."""
    new = write(tmp_path / "b.jsonl", b1=CITY, b2=WOOD)
    near(new, tmp_path / "b", first, "--update")
    near(write(tmp_path / "c.jsonl", c1="one two three four five six seven"), tmp_path / "c", first, "--update")
    before = content(first)
    assert "nothing to do" in near(new, tmp_path / "b", first, "--update").stdout
    winnow("clean-work", tmp_path / "b", check=0)
    assert content(first) == before
    near(new, tmp_path / "b", first, "--update", "--replace")
    near(tmp_path / "a.jsonl", tmp_path / "a", first, "--update")
    assert content(first) == before
    assert kept(tmp_path / "b") == ["b1"]


def test_another_run_into_the_same_folder_replaces_what_that_has_added(tmp_path, first):
    docs = write(tmp_path / "a.jsonl", a1=CITY)
    before = content(first)
    assert "--replace" in near(docs, tmp_path / "a", first, "--update", check=2).stderr and content(first) == before
    said = near(docs, tmp_path / "a", first, "--update", "--replace").stderr
    assert f"1 documents replace 2 of the run into {tmp_path / 'a'} before" in said
    assert kept(tmp_path / "a") == ids_in(first) == ["a1"] and len(content(first)) == 5


@pytest.mark.parametrize("option, value, said", [
    ("--ngram", 3, "set ngram: 5"),
    ("--unit", "characters", "set unit: auto"),
    ("--seed", 2, "set seed: 1"),
    ("--scheme", "legacy", "set scheme: affine32"),
    ("--normalisation", "datatrove", "set normalisation: lower_words"),
    ("--threshold", 0.5, "set bands: 32, rows: 8"),
    ("--verification", "edit", "set verification: jaccard"),
])  # fmt: skip
def test_what_is_not_comparable_is_refused_before_work(tmp_path, first, option, value, said):
    near(write(tmp_path / "b.jsonl", b1=CITY), tmp_path / "b", first, option, value, check=2)
    error = near(tmp_path / "b.jsonl", tmp_path / "b", first, option, value, check=2).stderr
    assert said in error and error.count("bands=") == 2 and not (tmp_path / "b").exists()


def test_bands_that_are_told_make_another_threshold_comparable(tmp_path, first):
    docs = write(tmp_path / "b.jsonl", b1=CITY, b2=WOOD + " gone by, and then some more of it was said")
    near(docs, tmp_path / "b", first, "--threshold", 0.5, "--bands", 32, "--rows", 8)
    assert kept(tmp_path / "b") == ["b1"]


def test_what_is_no_index_is_refused_before_work(tmp_path):
    docs = write(tmp_path / "b.jsonl", b1=CITY)
    out = tmp_path / "b"
    assert "holds no index: a run with `update: true` makes one" in near(docs, out, tmp_path / "i", check=2).stderr
    assert "update needs the option index" in winnow("dedup", "near", docs, out, "--update", check=2).stderr
    assert "is a file" in near(docs, out, docs, "--update", check=2).stderr
    assert "not empty and holds no index (b.jsonl)" in near(docs, out, tmp_path, "--update", check=2).stderr
    (tmp_path / "i").mkdir()
    for data in ("", "{}", "[]", '{"format": "winnow-near-index/9"}', '{"format": "winnow-near-index/1"}'):
        (tmp_path / "i" / "index.json").write_text(data)
        assert "is no index of near-duplicates" in near(docs, out, tmp_path / "i", check=2).stderr
        winnow("index", tmp_path / "i", check=2)
    assert not out.exists()


def test_deleted_documents_are_gone_and_what_was_like_them_stays(tmp_path, first):
    new = write(tmp_path / "b.jsonl", b1=SEA, b2=WOOD)
    (tmp_path / "ids").write_text("a1\r\nnobody\n\n")
    said = winnow("index", first, "--delete-from", tmp_path / "ids", check=0).stdout
    assert said.startswith("deleted: 1 documents of 2 ids\nindex of near-duplicates: 1 documents in 1 parts")
    assert "a1" not in ids_in(first)
    near(new, tmp_path / "b", first)
    assert kept(tmp_path / "b") == ["b1"]
    before = content(first)
    winnow("index", first, "--delete", "nobody", check=0)
    assert content(first) == before
    winnow("index", first, "--delete", "a2", check=0)
    near(new, tmp_path / "c", first)
    assert kept(tmp_path / "c") == ["b1", "b2"]
    near(tmp_path / "a.jsonl", tmp_path / "a", first, "--update")  # what is deleted does not come back
    assert [part.documents for part in indexes.load(str(first)).parts] == [0]
    assert "a1" not in ids_in(first)


def test_a_part_that_was_taken_out_is_added_again_by_its_run(tmp_path, first):
    """Also where that has kept nothing in work/ to add: it is done again."""
    near(write(tmp_path / "b.jsonl", b1=CITY), tmp_path / "b", first, "--update", "--set", "keep_work=false")
    before = content(first)
    part = indexes.load(str(first)).parts[1]
    winnow("index", first, "--remove", part.name, check=0)
    assert len(content(first)) == len(before) - 4
    near(tmp_path / "b.jsonl", tmp_path / "b", first, "--update", "--set", "keep_work=false", "--replace")
    after = indexes.load(str(first)).parts[1]
    assert (after.documents, after.output, after.first) == (1, part.output, part.first + indexes.ROOM)


def test_a_part_that_is_not_there_cannot_be_taken_out(first):
    (part,) = indexes.load(str(first)).parts
    wrong = "0" + part.name[1:] if part.name[0] != "0" else "1" + part.name[1:]
    assert f"did you mean '{part.name}'?" in winnow("index", first, "--remove", wrong, check=2).stderr
    assert len(indexes.load(str(first)).parts) == 1


def recipe_of(tmp_path, index):
    step = NearDedup(index=str(index), update=True)
    return Recipe(input=str(write(tmp_path / "b.jsonl", b1=CITY, b2=WOOD)), steps=[step])


@pytest.mark.parametrize("beginning", ["chunks", "parts", "index.json"])
def test_an_update_that_ends_early_leaves_the_index_as_it_was(tmp_path, first, monkeypatch, beginning):
    before, recipe = indexes.load(str(first)), recipe_of(tmp_path, first)
    write_atomic, publish = paths.write_atomic, paths.publish

    def failing(function):
        def write(*given):
            if str(first / beginning) in (given[0] if function is write_atomic else given[1]):
                raise OSError(28, "No space left on device")
            return function(*given)

        return write

    monkeypatch.setattr(paths, "write_atomic", failing(write_atomic))
    monkeypatch.setattr(paths, "publish", failing(publish))
    with pytest.raises(OSError, match="No space left"):
        run_recipe(recipe, str(tmp_path / "b"))
    assert indexes.load(str(first)) == before
    near(write(tmp_path / "c.jsonl", c1=WOOD, c2=SEA), tmp_path / "c", first)
    monkeypatch.undo()
    run_recipe(recipe, str(tmp_path / "b"))
    assert [part.documents for part in indexes.load(str(first)).parts] == [2, 1]


def test_of_two_runs_that_add_at_a_time_the_second_is_refused(tmp_path, first, monkeypatch):
    add = index_changes.add

    def later(update, say):
        monkeypatch.undo()
        near(write(tmp_path / "c.jsonl", c1=CITY), tmp_path / "c", first, "--update")
        add(update, say)

    monkeypatch.setattr(index_changes, "add", later)
    with pytest.raises(TaskFailed, match="has been changed by somebody else"):
        run_recipe(recipe_of(tmp_path, first), str(tmp_path / "b"))
    run_recipe(recipe_of(tmp_path, first), str(tmp_path / "b"), replace=True)
    assert kept_or_none(tmp_path / "b") == [] and len(indexes.load(str(first)).parts) == 3


def kept_or_none(output):
    return [
        name for file in pathlib.Path(output, "documents").glob("*") for name in pq.read_table(file)["id"].to_pylist()
    ]


def test_a_run_that_is_not_proven_adds_nothing(tmp_path, first):
    (tmp_path / "b.jsonl").write_text('{"id": "b1", "text": "one two"}\nnot json\nnot json\n')
    before = content(first)
    near(tmp_path / "b.jsonl", tmp_path / "b", first, "--update", check=1)
    assert {name for name in content(first) if name.parts[0] != "chunks"} == {
        name for name in before if name.parts[0] != "chunks"
    }
    assert indexes.load(str(first)).parts[-1].documents == 2


@pytest.mark.parametrize("kind", indexes.KINDS)
def test_a_damaged_file_is_named(tmp_path, first, kind):
    (file,) = (first / "chunks").glob(f"{kind}-*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.unlink()  # what it is linked to stays
    file.write_bytes(data)
    said = near(write(tmp_path / "b.jsonl", b1=SEA), tmp_path / "b", first, check=1).stderr
    assert f"{file.name} is damaged" in said


def test_a_damaged_list_of_chunks_is_named(tmp_path, first):
    (file,) = (first / "parts").iterdir()
    file.write_text(file.read_text().replace("1", "2", 1))
    with pytest.raises(IndexRefused, match="take the part out with `winnow index"):
        indexes.load(str(first)).chunks(indexes.load(str(first)).parts)
    assert "is damaged" in near(write(tmp_path / "b.jsonl", b1=SEA), tmp_path / "b", first, check=1).stderr
    winnow("index", first, "--remove", file.stem, check=0)
    assert indexes.load(str(first)).parts == ()


def test_an_index_in_the_folder_of_a_run_outlives_what_the_run_deletes(tmp_path):
    docs = write(tmp_path / "a.jsonl", a1=SEA)
    out = tmp_path / "out"
    near(docs, out, out / "index", "--update")
    winnow("clean-work", out, check=0)
    near(docs, tmp_path / "b", out / "index")
    assert kept_or_none(tmp_path / "b") == []
    assert "as it should be" in winnow("verify", out, check=0).stdout


@pytest.mark.parametrize(
    "place", [".", "..", "documents", "dropped", "work/index", "near_dedup/clusters", "tokens/a/b", "jsonl"]
)
def test_an_index_that_is_in_the_way_of_the_run_is_refused_before_work(tmp_path, place):
    docs = write(tmp_path / "a.jsonl", a1=SEA)
    out = tmp_path / "runs" / "out"
    said = near(docs, out, out / place, "--update", check=2).stderr
    assert "choose another folder" in said and not out.exists()


def test_names_of_files_are_those_of_their_content(first):
    import xxhash

    for path, data in content(first).items():
        if path.suffix == ".arrow":
            assert path.stem.partition("-")[2] == xxhash.xxh3_128_hexdigest(data)
        elif path.parts[0] == "parts":
            assert path.stem == xxhash.xxh3_64_hexdigest(data)
    assert pa.ipc.open_file(first / next(p for p in content(first) if "ids-" in p.name)).num_record_batches > 1


def test_an_index_in_a_store(tmp_path, object_store):
    object_store.make_bucket("indexes")
    variables, index = object_store.variables(), "s3://indexes/near"
    docs = write(tmp_path / "a.jsonl", a1=SEA, a2=WOOD)
    verb = ("dedup", "near", docs)
    update = ("--index", index, "--update", "--workers", 0)
    winnow(*verb, tmp_path / "a", *update, check=0, **variables)
    winnow(*verb, tmp_path / "again", *update, check=0, **variables)
    docs = write(tmp_path / "b.jsonl", b1=SEA, b2=CITY)
    winnow("dedup", "near", docs, tmp_path / "b", *update, check=0, **variables)
    assert kept(tmp_path / "b") == ["b2"]
    said = winnow("index", index, "--delete", "a1", check=0, **variables).stdout
    assert "deleted: 1 documents" in said and "2 documents in 3 parts" in said
    winnow(*("dedup", "near", tmp_path / "a.jsonl", tmp_path / "a"), *update, check=0, **variables)
    assert winnow("index", index, check=0, **variables).stdout == said.partition("\n")[2]  # deleted, and still so
    write(tmp_path / "c.jsonl", c1=SEA, c2=CITY)
    winnow(
        "dedup", "near", tmp_path / "c.jsonl", tmp_path / "c", "--index", index, "--workers", 0, check=0, **variables
    )
    assert kept(tmp_path / "c") == ["c1"]
    write(docs, b1=SEA, b2=CITY)  # b1 is like nothing any more, and its run replaces its part
    winnow(*("dedup", "near", docs, tmp_path / "b"), *update, "--replace", check=0, **variables)
    assert kept(tmp_path / "b") == ["b1", "b2"]
    said = winnow("index", index, check=0, **variables).stdout
    assert "3 documents in 3 parts" in said
    part = said.splitlines()[-1].split()[1].rstrip(":")
    said = winnow("index", index, "--remove", part, check=0, **variables).stdout
    assert "taken out: 2 documents" in said and "1 documents in 2 parts" in said
