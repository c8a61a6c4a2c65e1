"""What was freed counts as done as long as nobody needs it."""

import json
import pathlib

import map_functions
import pytest

from pipelines.engine import Engine, NeededAgain, Task, freed, outputs_named


@pytest.fixture
def run(tmp_path):
    """Runs three maps, each upon the one before it, and frees the first: `run(texts)` gives (what the last wrote, the
    texts for which tasks ran)."""
    log = tmp_path / "log"

    def once(engine, texts, free):
        first = engine.map("first", map_functions.copy_upper, [
            Task(f"{i:05d}", (text, str(log)), ((text, text),)) for i, text in enumerate(texts)
        ])  # fmt: skip
        for step in ("second", "third"):
            read = outputs_named(first, "text.txt")
            inputs = tuple((f"text {i}", file.hash) for i, file in enumerate(read))
            (done,) = engine.map(
                step, map_functions.join_files, [Task("00000", (tuple(f.path for f in read), str(log)), inputs)]
            )
        if free:
            engine.free("first", "third", ".parquet", {"said": 1})
        return pathlib.Path(done.outputs["text.txt"].path).read_text()

    def run(texts, free=True, **options):
        engine = Engine(str(tmp_path / "work"), 0, **options)
        log.write_text("")
        for _ in range(5):
            engine.begin()
            try:
                return once(engine, texts, free), log.read_text().split()
            except NeededAgain as why:
                assert "first wrote was freed" in str(why)
        raise AssertionError("it never ends")

    return run


def left(tmp_path, step="first"):
    return sorted(path.name.partition("-")[2][-8:] for path in (tmp_path / "work" / step).glob("0*-*"))


def test_what_was_freed_is_gone_and_done(run, tmp_path):
    assert run(["a", "b"]) == ("AB", ["a", "b", "join", "join"])
    assert left(tmp_path) == [] and left(tmp_path, "third") == ["text.txt"]
    assert freed.load(str(tmp_path / "work" / "first")) == ("third", ".parquet", {"said": 1})
    assert run(["a", "b"]) == run(["a", "b"], free=False) == ("AB", [])


def test_what_needs_it_has_it_done_again(run, tmp_path):
    run(["a", "b"])
    assert run(["a", "b", "c"]) == ("ABC", ["a", "b", "c", "join", "join"])  # a task of the map itself
    assert left(tmp_path) == [] and run(["a", "b", "c"]) == ("ABC", [])
    next((tmp_path / "work" / "second").glob("*-text.txt")).unlink()
    assert run(["a", "b", "c"]) == ("ABC", ["a", "b", "c", "join"])  # of one that read it
    assert left(tmp_path) == [] and run(["a", "b", "c"]) == ("ABC", [])


def test_what_comes_after_the_last_reader_does_not_need_it(run, tmp_path):
    run(["a"])
    engine = Engine(str(tmp_path / "work"), 0)
    log = str(tmp_path / "log")
    first = [Task("00000", ("a", log), (("a", "a"),))]
    engine.begin()
    (manifest,) = engine.map("first", map_functions.copy_upper, first)
    file = manifest.outputs["text.txt"]
    for step in ("second", "third"):
        engine.map(step, map_functions.join_files, [Task("00000", ((file.path,), log), (("text 0", file.hash),))])
    assert set(engine.freed) == {"first"}
    engine.map("fourth", map_functions.copy_upper, [Task("00000", ("later", log), ())])
    assert left(tmp_path) == [] and engine.summaries[-1].reasons == {"not done yet": 1}
    with pytest.raises(NeededAgain):
        engine.begin()
        engine.map("first", map_functions.copy_upper, first)
        engine.map("second", map_functions.join_files, [Task("00001", ((), log), ())])


def test_a_kill_between_costs_nothing(run, tmp_path, monkeypatch):
    """After the note and before the files are deleted, or some of them."""
    remove = freed.paths.remove
    monkeypatch.setattr(
        freed.paths, "remove", lambda names: [] if "-text.txt" in (names := list(names))[0] else remove(names)
    )
    run(["a", "b"])
    assert left(tmp_path) == ["text.txt"] * 2
    next((tmp_path / "work" / "first").glob("*-text.txt")).unlink()
    assert run(["a", "b"]) == ("AB", []) and left(tmp_path) == ["text.txt"]
    monkeypatch.undo()
    assert run(["a", "b"]) == ("AB", []) and left(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"until": 1, "keep": 2, "notes": 3}', "[" * 100_000])
def test_a_note_that_is_damaged_says_nothing(run, tmp_path, content):
    run(["a", "b"])
    (tmp_path / "work" / "first" / freed.NAME).write_text(content)
    assert run(["a", "b"]) == ("AB", ["a", "b"]) and left(tmp_path) == []
    assert json.loads((tmp_path / "work" / "first" / freed.NAME).read_text())["until"] == "third"


def test_what_stays_must_be_there(run, tmp_path):
    run(["a"], free=False)
    engine = Engine(str(tmp_path / "work"), 0)
    task = Task("00000", ("a", str(tmp_path / "log")), (("a", "a"),))
    engine.map("first", map_functions.copy_upper, [task])
    engine.free("first", "third", ".txt", {})
    assert left(tmp_path) == ["text.txt"]
    next((tmp_path / "work" / "first").glob("*-text.txt")).unlink()
    again = Engine(str(tmp_path / "work"), 0)
    again.map("first", map_functions.copy_upper, [task])
    assert again.summaries[-1].reasons == {"an output is missing or damaged": 1}


def test_a_dry_run_frees_nothing_and_finds_everything_done(run, tmp_path):
    run(["a"], free=False)
    assert run(["a"], free=True, dry_run=True) == ("A", []) and left(tmp_path) == ["text.txt"]
    run(["a"])
    assert run(["a"], dry_run=True) == ("A", []) and left(tmp_path) == []
