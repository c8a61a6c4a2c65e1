"""Whose a part of an index is: the run's into an output, whatever that reads and whatever was done to it since."""

import functools
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import winnow
from corpora import write_jsonl

from pipelines import NearDedup, NearOverlap, Recipe, RecipeError, run_recipe
from pipelines.engine import TaskFailed
from pipelines.near import index as indexes
from pipelines.near import index_changes
from pipelines.near.index import IndexRefused

TEXTS = [" ".join(f"w{number}-{place}" for place in range(30)) for number in range(10)]


class Place:
    """Corpora, run directories and an index in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.index = str(folder / "index")

    def corpus(self, name, **texts):
        write_jsonl(self.folder / f"{name}.jsonl", [{"id": key, "text": text} for key, text in texts.items()])

    def run(self, name, output, update=True, limit=None, replace=False, **options):
        """The ids of what stays."""
        step = NearDedup(index=self.index, update=update)
        recipe = Recipe(input=str(self.folder / f"{name}.jsonl"), steps=[step], **options)
        run_recipe(recipe, str(self.folder / output), limit=limit, replace=replace)
        return self.kept(output)

    def kept(self, output):
        files = sorted(pathlib.Path(self.folder, output, "documents").glob("*"))
        return [name for file in files for name in pq.read_table(file)["id"].to_pylist()]

    def held(self):
        """The ids in the index, by part, as its lists say."""
        index = indexes.load(self.index)
        return [
            [
                name
                for chunk in index.chunks([part])
                for name in pa.ipc.open_file(chunk.ids.path).read_all()["id"].to_pylist()
            ]
            for part in index.parts
        ]

    def parts(self):
        return indexes.load(self.index).parts

    def content(self):
        return {path: path.read_bytes() for path in pathlib.Path(self.index).rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path):
    """An index of a corpus, and of another one, the first document of which is like the first one's."""
    made = Place(tmp_path)
    made.corpus("a", a1=TEXTS[0], a2=TEXTS[1])
    made.corpus("b", b1=TEXTS[0] + " so", b2=TEXTS[2])
    made.corpus("s", s1=TEXTS[0] + " so and", s2=TEXTS[3])
    assert made.run("a", "oa") == ["a1", "a2"] and made.run("b", "ob") == ["b2"]
    assert made.held() == [["a1", "a2"], ["b2"]]
    return made


def silent(line):
    pass


@pytest.mark.parametrize("how", ["remove", "delete"])
def test_what_stays_of_a_run_done_again_is_in_the_index_when_what_came_before_is_gone(place, how):
    if how == "remove":
        index_changes.remove(place.index, [place.parts()[0].name], silent)
    else:
        index_changes.delete(place.index, ["a1"], silent)
    assert place.run("b", "ob", replace=True) == ["b1", "b2"]
    assert place.held()[-1] == ["b1", "b2"]
    assert place.run("s", "os") == ["s2"]
    assert sum(path.name.startswith("ids-") for path in place.content()) == len(place.parts())


def test_the_same_documents_into_another_output_are_another_corpus(place):
    place.corpus("copy", **{name: TEXTS[number] for number, name in ((0, "a1"), (1, "a2"))})
    assert place.run("copy", "oc") == [] and place.run("a", "od") == []
    assert place.held() == [["a1", "a2"], ["b2"], [], []]
    assert len({part.name for part in place.parts()}) == 4
    before = place.content()
    assert place.run("a", "oa") == ["a1", "a2"] and place.run("copy", "oc") == []
    assert place.content() == before


def test_parts_without_chunks_have_names_of_their_own(place):
    (place.folder / "none.jsonl").write_text("")
    names = {indexes.listed(str(place.folder / output), [])[0] for output in ("x", "y")}
    assert len(names) == 2


@pytest.mark.parametrize("options", [{"task_bytes": 100, "working_bytes": 1}, {}])
def test_a_run_with_its_work_divided_otherwise_replaces_its_part_in_its_place(place, options):
    """Which may have more chunks then, and fewer; what comes behind stays."""
    divided = {"task_bytes": 100, "working_bytes": 1}
    place.run("a", "oa", replace=True, **divided)
    assert place.parts()[0].chunks == 2 and place.held() == [["a1", "a2"], ["b2"]]
    assert place.run("a", "oa", replace=True, **options) == ["a1", "a2"]
    assert place.held() == [["a1", "a2"], ["b2"]]
    assert place.parts()[0].chunks == (2 if options else 1)
    assert place.run("b", "ob", replace=True) == ["b2"] and place.run("s", "os") == ["s2"]
    assert place.held() == [["a1", "a2"], ["b2"], ["s2"]]


def test_a_first_try_of_a_few_documents_is_replaced_by_the_whole(tmp_path):
    place = Place(tmp_path)
    place.corpus("a", **{f"a{number}": text for number, text in enumerate(TEXTS)})
    assert len(place.run("a", "oa", limit=3)) == 3
    assert len(place.run("a", "oa", replace=True)) == 10
    assert [len(ids) for ids in place.held()] == [10]
    before = place.content()
    place.run("a", "oa")
    assert place.content() == before


def test_a_part_that_grows_beyond_its_room_is_refused(place, monkeypatch):
    monkeypatch.setattr(indexes, "ROOM", 2)
    place.index += "2"
    place.run("a", "pa"), place.run("b", "pb")
    place.corpus("a", **{f"a{number}": text for number, text in enumerate(TEXTS)})
    before = place.parts()
    with pytest.raises(TaskFailed, match=f"has numbers for 2 chunks of part {before[0].name} .* this run has 10"):
        place.run("a", "pa", replace=True, task_bytes=100, working_bytes=1)
    assert place.parts() == before
    assert len(place.run("b", "pb", task_bytes=100, working_bytes=1, replace=True)) == 1  # the last one may grow


def test_without_update_a_run_is_not_compared_with_its_own_part(place):
    assert place.run("a", "oa", update=False) == ["a1", "a2"]
    assert place.run("b", "ob", update=False) == ["b2"]
    assert place.run("b", "oc", update=False) == []


def test_what_was_deleted_stays_away_until_its_run_changes_and_that_is_said(place, monkeypatch):
    add = index_changes.add
    index_changes.delete(place.index, ["a1"], silent)
    before = place.content()
    place.run("a", "oa")
    place.run("a", "oa", replace=True)
    assert place.content() == before and place.held()[0] == ["a2"]
    place.corpus("a", a1=TEXTS[0], a2=TEXTS[1], a3=TEXTS[4])
    said = []
    monkeypatch.setattr(index_changes, "add", functools.partial(lambda add, update, _: add(update, said.append), add))
    place.run("a", "oa", replace=True)
    assert said[0] == f"{place.index}: 3 documents replace 1 of the run into {place.folder / 'oa'} before"
    assert "some had been deleted; those that the run still has are back, to be deleted again" in said[1]
    assert place.held()[0] == ["a1", "a2", "a3"]


def test_a_run_killed_between_publishing_and_updating_adds_when_it_is_done_again(place, monkeypatch):
    def killed(update, say):
        raise KeyboardInterrupt

    place.corpus("c", c1=TEXTS[5])
    monkeypatch.setattr(index_changes, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        place.run("c", "oc")
    assert place.kept("oc") == ["c1"] and place.held() == [["a1", "a2"], ["b2"]]
    monkeypatch.undo()
    assert place.run("c", "oc") == ["c1"]
    assert place.held() == [["a1", "a2"], ["b2"], ["c1"]]


@pytest.mark.parametrize("kind", [*indexes.KINDS, "parts"])
def test_a_file_that_is_gone_is_put_back_by_its_run(place, kind):
    before, part = place.content(), place.parts()[0]
    path = pathlib.Path(indexes.part_path(place.index, part.name))
    if kind != "parts":
        path = pathlib.Path(getattr(indexes.load(place.index).chunks([part])[0], kind).path)
    path.unlink()
    with pytest.raises(TaskFailed) as failed:
        place.run("s", "os")
    assert str(path) in str(failed.value) and f"--remove {part.name}" in str(failed.value)
    assert f"run into {place.folder / 'oa'} again with --replace" in str(failed.value)
    if kind in ("ids", "parts"):
        with pytest.raises(IndexRefused, match=f"is damaged.*run into .* again with --replace.*--remove {part.name}"):
            index_changes.delete(place.index, ["a1"], silent)
    assert place.run("a", "oa") == ["a1", "a2"]
    assert place.content() == before
    assert place.run("s", "os") == ["s2"]


def test_a_file_that_is_damaged_is_put_back_where_all_is_compared(place):
    before = place.content()
    path = next(path for path in before if "keys-" in path.name)
    path.unlink()  # what it is linked to stays
    path.write_bytes(before[path][:-50] + bytes(50))
    place.run("a", "oa", replace=True), place.run("b", "ob", replace=True)
    assert place.content() == before


def test_a_part_goes_though_the_list_of_another_is_gone(place):
    a, b = place.parts()
    pathlib.Path(indexes.part_path(place.index, a.name)).unlink()
    (pathlib.Path(place.index) / "chunks" / "keys-0.arrow").write_text("of an update that was killed")
    of_b = {getattr(indexes.load(place.index).chunks([b])[0], kind).path for kind in indexes.KINDS}
    said = []
    assert index_changes.remove(place.index, [b.name], said.append) == 1
    left = {str(path) for path in place.content()}
    assert place.parts() == (a,) and not of_b & left and len(left) == 5
    assert len(said) == 1 and f"--remove {a.name}" in said[0]
    assert index_changes.remove(place.index, [a.name], said.append) == 2
    assert len(place.content()) == 1


def test_ids_are_lines_and_nothing_else_ends_one(tmp_path):
    place = Place(tmp_path)
    place.corpus("a", **{"x\u2028y": TEXTS[0], "x": TEXTS[1], "z\x1cq": TEXTS[2], "y": TEXTS[3], "": TEXTS[4]})
    place.run("a", "oa")
    kept = place.held()[0]
    (tmp_path / "ids").write_bytes("x\u2028y\r\n\nz\x1cq".encode())
    assert "deleted: 2 documents of 2 ids" in winnow("index", place.index, "--delete-from", tmp_path / "ids").stdout
    assert place.held()[0] == [name for name in kept if name not in ("x\u2028y", "z\x1cq")] and "x" in kept


@pytest.mark.parametrize("option", ["--delete", "--remove"])
def test_what_is_no_index_is_not_made_one_by_taking_something_out(tmp_path, option):
    assert "holds no index" in winnow("index", tmp_path / "nothere", option, "x", check=2).stderr
    assert not (tmp_path / "nothere").exists()
    (tmp_path / "file").write_text("")
    assert "is a file, and an index is a folder" in winnow("index", tmp_path / "file", option, "x", check=2).stderr


@pytest.mark.parametrize("name", ["./index", "index/"])
@pytest.mark.parametrize("update", [True, False])
def test_an_index_that_is_updated_is_of_one_step(tmp_path, name, update):
    """A rerun would compare the other one with what the first has added."""
    write_jsonl(tmp_path / "a.jsonl", [{"text": TEXTS[0]}])
    steps = [
        NearDedup(index=str(tmp_path / "index"), update=True),
        NearDedup(index=f"{tmp_path}/{name}", update=update, threshold=0.9, bands=32, rows=8),
    ]
    if not update:  # which needs an index that is there
        run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=steps[:1]), str(tmp_path / "first"))
        steps.append(NearOverlap(against=str(tmp_path / "index")))
    with pytest.raises(RecipeError, match="another step of the recipe has it, too"):
        run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=steps), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_index_of_before_is_read_and_its_runs_replace_their_parts(place):
    """Of a version whose parts had another origin, and lists without outputs."""
    file = pathlib.Path(place.index, "index.json")
    record = json.loads(file.read_text())
    for part in record["parts"]:
        part["origin"] = "0" * 32
    file.write_text(json.dumps(record))
    assert place.run("s", "os") == ["s2"]
    assert place.run("a", "oa") == ["a1", "a2"] and place.run("b", "ob") == ["b2"]
    assert place.held() == [["a1", "a2"], ["b2"], ["s2"]]
    record["format"] = "winnow-near-index/2"
    file.write_text(json.dumps(record))
    with pytest.raises(RecipeError, match="its format is 'winnow-near-index/2', and this version knows"):
        place.run("s", "ot")
    with pytest.raises(IndexRefused, match="this version knows"):
        index_changes.delete(place.index, ["a1"], silent)


def test_pairs_of_crowds_that_are_not_compared_are_said(tmp_path):
    """With edit similarity a crowd is compared with its first documents only."""
    copies = {f"a{number}": TEXTS[0] + f" more{number}" for number in range(80)}
    for name, documents in (("a", copies), ("b", {f"b{number}": text for number, text in enumerate(copies.values())})):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"id": key, "text": text} for key, text in documents.items()])
    notes = []
    for name in "ab":
        step = NearDedup(
            index=str(tmp_path / "index"), update=True, verification="edit", threshold=0.95, bands=20, rows=5
        )
        result = run_recipe(Recipe(input=str(tmp_path / f"{name}.jsonl"), steps=[step]), str(tmp_path / name))
        notes.append([note for note in result.report["notes"] if "pairs of crowded buckets were not compared" in note])
    left = result.report["figures"]["near_dedup"]["pairs_left_out"]
    assert left > 100 and f"{left:,} pairs" in notes[1][0] and len(notes[1]) == 1
