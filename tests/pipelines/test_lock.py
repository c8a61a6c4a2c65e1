"""One run at a time on a run directory; a lock whose run is gone is taken over."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from pipelines import lock, publishing
from pipelines.lock import Lock, Locked


@pytest.fixture(params=["local", "uri"])
def output(request, tmp_path):
    return str(tmp_path / "out") if request.param == "local" else (tmp_path / "out").as_uri()


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(lock, "SETTLE", 0.02)


def content(tmp_path):
    return json.loads((tmp_path / "out" / "lock.json").read_text())


def write(tmp_path, **changes):
    """A lock of another machine's run, fresh unless `changes` say otherwise."""
    record = {
        "owner": "ann on elsewhere, process 7",
        "machine": "elsewhere",
        "token": "t",
        "beat": 1,
        "time": time.time(),
        "since": "noon",
    }
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "lock.json").write_text(json.dumps({**record, **changes}))


def test_the_second_is_told_who_the_first_is(output, tmp_path):
    with Lock(output, print):
        first = content(tmp_path)
        assert f"process {os.getpid()}" in first["owner"]
        with pytest.raises(Locked) as refused:
            Lock(output, print).__enter__()
        assert first["owner"] in str(refused.value) and "is in use by" in str(refused.value)
        while content(tmp_path)["beat"] <= first["beat"] + 1:
            time.sleep(0.01)
        assert content(tmp_path)["token"] == first["token"]
    assert not (tmp_path / "out" / "lock.json").exists()
    with Lock(output, print):
        pass
    assert os.listdir(tmp_path / "out") == []


def test_the_lock_of_a_process_that_is_gone_is_taken_over_with_a_word(output, tmp_path):
    code = f"import os, sys; from pipelines.lock import Lock; Lock({output!r}, print).__enter__(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True)
    owner, said = content(tmp_path)["owner"], []
    with Lock(output, said.append):
        assert content(tmp_path)["owner"] != owner
    assert said == [f"{output} was locked by {owner}, which has ended without unlocking it; going on"]


def test_a_number_of_a_process_that_another_has_now_is_no_owner(output, tmp_path):
    write(tmp_path, machine=lock._machine(), pid=os.getpid(), created=5.0)
    with Lock(output, print):
        assert content(tmp_path)["created"] != 5.0


def test_a_run_on_another_machine_is_known_by_its_heartbeat(output, tmp_path):
    write(tmp_path)
    with pytest.raises(Locked, match="ann on elsewhere, process 7, since noon"):
        Lock(output, print).__enter__()
    for age in (-lock.STALE, lock.STALE):  # a clock that is wrong, either way, says nothing by itself
        said = []
        write(tmp_path, time=time.time() + 2 * age)
        with Lock(output, said.append):
            pass
        assert "looking whether that still runs" in said[0] and "going on" in said[1]


def test_one_that_looks_stale_and_beats_is_alive(tmp_path, monkeypatch):
    beats = iter(range(2, 9))
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: write(tmp_path, time=0.0, beat=next(beats)))
    write(tmp_path, time=0.0)
    with pytest.raises(Locked, match="is in use by ann"):
        Lock(str(tmp_path / "out"), lambda line: None).__enter__()


def test_of_two_that_take_it_over_one_goes_on(output, tmp_path, monkeypatch):
    write(tmp_path, machine=lock._machine(), pid=2**22 + 5, created=1.0)
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: write(tmp_path, owner="the faster"))
    with pytest.raises(Locked, match="has just been taken by the faster"):
        Lock(output, lambda line: None).__enter__()


def test_a_run_that_lost_its_lock_notices(output, tmp_path):
    with Lock(output, print) as held:
        held.check()
        write(tmp_path, owner="the next")
        while not held.lost:
            time.sleep(0.01)
        with pytest.raises(Locked, match="was taken over by the next; this run stops"):
            held.check()
    assert content(tmp_path)["owner"] == "the next"  # and leaves it the lock


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"time": "x"}', "[" * 100000], ids=["empty", "cut", "list", "null", "time", "deep"]
)
def test_a_lock_that_cannot_be_read_is_nobodys(tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "lock.json").write_text(text)
    with Lock(str(tmp_path / "out"), lambda line: None):
        assert content(tmp_path)["pid"] == os.getpid()


def test_a_lock_that_could_not_be_removed_is_no_obstacle_to_the_same_process(output, monkeypatch, tmp_path):
    with Lock(output, print):
        monkeypatch.setattr(lock.paths, "remove", lambda names: (_ for _ in ()).throw(OSError("busy")))
    monkeypatch.undo()
    assert content(tmp_path)["pid"] == os.getpid()
    with Lock(output, lambda line: None):
        with pytest.raises(Locked):
            Lock(output, print).__enter__()


def test_a_run_that_begins_while_another_locks_does_not_take_its_lock(output, tmp_path, monkeypatch):
    """The other has seen no lock, and written what is to become its own, when this one locks and tidies up."""
    link = os.link
    with contextlib.ExitStack() as held:

        def late(source, target):
            monkeypatch.setattr(os, "link", link)
            held.enter_context(Lock(output, print))
            publishing.open_output(output).sweep()
            for path in (tmp_path / "out").glob(".lock.json.*.tmp"):  # as if it were old
                path.unlink()
            link(source, target)

        monkeypatch.setattr(os, "link", late)
        with pytest.raises(Locked, match=f"is in use by .*process {os.getpid()}"):
            Lock(output, print).__enter__()
        first = content(tmp_path)["token"]
        assert first in lock._HELD and lock._HELD == {first}
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links_has_locks(output, tmp_path, monkeypatch, code):
    def no_links(*_):
        raise OSError(code, "not here")

    monkeypatch.setattr(os, "link", no_links)
    with Lock(output, print):
        assert content(tmp_path)["pid"] == os.getpid()
        with pytest.raises(Locked):
            Lock(output, print).__enter__()
    assert os.listdir(tmp_path / "out") == []


def test_a_disk_that_fails_is_not_one_without_links(output, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link", fails)
    with pytest.raises(OSError, match="broken"):
        Lock(output, print).__enter__()
    assert os.listdir(tmp_path / "out") == []


def test_a_lock_that_comes_and_goes_is_given_up(output, monkeypatch):
    def gone(*_):
        raise FileNotFoundError(errno.ENOENT, "swept")

    monkeypatch.setattr(os, "link", gone)
    with pytest.raises(Locked, match="comes and goes"):
        Lock(output, print).__enter__()


def test_an_owner_that_has_ended_and_that_nobody_has_asked_after_is_gone(output, tmp_path):
    code = f"import os; from pipelines.lock import Lock; Lock({output!r}, print).__enter__(); os._exit(0)"
    owner = subprocess.Popen([sys.executable, "-c", code])
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(owner.pid).status() == psutil.STATUS_ZOMBIE
    said = []
    with Lock(output, said.append):
        assert content(tmp_path)["pid"] == os.getpid()
    assert owner.wait() == 0 and "which has ended without unlocking it" in said[0]


def test_a_pipe_in_place_of_the_lock_is_said(tmp_path):
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "lock.json")
    with pytest.raises(OSError, match="lock.json is not a regular file"):
        Lock(str(tmp_path / "out"), print).__enter__()
