"""How far tasks are that have begun: seen while they run, of no task more than its weight, gone when they are."""

import os
import shutil
import tempfile
import threading
import time

import map_functions
import pytest

from corpus import kernel_cache
from corpus.io import metered
from pipelines.engine import Engine, Task, under_way
from pipelines.engine.under_way import COMPILING, Reached, UnderWay


class Looking:
    """In place of a progress bar: makes each file when so much has been read by tasks that are under way, one after the
    other."""

    def __init__(self, *marks):
        self.marks, self.advanced = marks, 0

    def start(self, summary, weight, reached):
        self.weight, self.reached = weight, reached
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        for bytes, file in self.marks:
            while self.reached().bytes != bytes:
                time.sleep(0.01)
            file.touch()

    def advance(self, weight, counters):
        self.advanced += weight

    def say(self, line):
        pass

    def finish(self):
        self.after = self.reached()


@pytest.fixture(params=[0, 2], ids=["in-process", "ray"])
def workers(request, monkeypatch):
    monkeypatch.setattr("pipelines.engine.retries.BACKOFF", 0.001)
    if request.param:
        request.getfixturevalue("ray_workers")
    return request.param


def test_what_a_task_notes_is_seen_and_never_more_than_its_weight(tmp_path):
    watched = UnderWay(str(tmp_path), {"00000": 100, "00001": 50})
    assert watched.reached() == Reached()
    with under_way.noted(watched.folder, "00000"):
        metered.add(30, 2)
        metered.add(30, 2)
        assert watched.reached() == Reached(60, 4)
        with under_way.noted(watched.folder, "00001"):
            metered.add(80)
        assert watched.reached() == Reached(110, 4)
    assert watched.reached() == Reached(110, 4)  # until somebody has taken note of it
    watched.forget("00000")
    assert watched.reached() == Reached(50, 0)
    watched.doing = "starting"
    assert watched.reached() == Reached(50, 0, "starting")


@pytest.mark.parametrize("by_note", [True, False])
def test_until_a_task_begins_workers_are_started(tmp_path, by_note):
    watched = UnderWay(str(tmp_path), {"00000": 100})
    watched.starting = under_way.WORKERS
    assert watched.reached().doing == "starting workers"
    if by_note:
        with under_way.noted(watched.folder, "00000"):
            assert watched.reached().doing == ""
    watched.forget("00000")
    assert watched.reached() == Reached()


def test_kernels_that_are_compiled_are_seen_and_their_time_is_not_forgotten(tmp_path):
    watched = UnderWay(str(tmp_path), {"00000": 100})
    with under_way.noted(watched.folder, "00000"):
        for who in kernel_cache._told:
            who(True, 0.0)
        assert watched.reached().doing == COMPILING
        for who in kernel_cache._told:
            who(False, 1.5)
        assert watched.reached() == Reached(0, 0, "", 1.5)
    watched.forget("00000")
    assert watched.reached() == Reached(0, 0, "", 1.5)
    assert not kernel_cache._told


@pytest.mark.parametrize("folder", ["", "/nowhere/at/all"])
def test_where_there_is_no_folder_nothing_is_noted(folder):
    with under_way.noted(folder, "00000"):
        metered.add(10)
    assert UnderWay(folder, {}).reached() == Reached()


def test_a_note_that_cannot_be_read_or_written_says_nothing(tmp_path, monkeypatch):
    watched = UnderWay(str(tmp_path), {"00000": 100})
    (tmp_path / "00000").write_bytes(b"half")
    assert watched.reached() == Reached()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with under_way.noted(watched.folder, "00000"):
            metered.add(10)
    assert watched.reached() == Reached()
    shutil.rmtree(tmp_path)
    watched.forget("00000")
    assert watched.reached() == Reached()


def test_a_run_without_a_folder_for_notes_is_a_run(tmp_path, monkeypatch):
    def no_room(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(under_way.tempfile, "mkdtemp", no_room)
    engine = Engine(str(tmp_path / "work"), 0, progress=Looking())
    assert len(engine.map("upper", map_functions.copy_upper, [Task("00000", ("a", str(tmp_path / "log")), (), 1)])) == 1


def test_tasks_are_seen_while_they_run_and_leave_no_notes(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = tmp_path / "seen"
    looking = Looking((50, seen))
    engine = Engine(str(tmp_path / "work"), workers, progress=looking)
    (manifest,) = engine.map("half", map_functions.read_half, [Task("00000", str(seen), (), 100)])
    assert manifest.counters == {"documents": 1}
    assert looking.weight == looking.advanced == 100 and looking.after == Reached()
    assert not list(tmp_path.glob("winnow-*"))


def test_what_a_worker_noted_before_it_was_killed_does_not_count(ray_workers, tmp_path):
    seen, forgotten = tmp_path / "seen", tmp_path / "forgotten"
    engine = Engine(str(tmp_path / "work"), 2, progress=Looking((60, seen), (0, forgotten)))
    (manifest,) = engine.map(
        "die", map_functions.read_and_die_at_first, [Task("00000", (str(seen), str(forgotten)), (), 100)]
    )
    assert engine.summaries[-1].retries == 1 and manifest.counters == {}
    assert engine.progress.after == Reached()
