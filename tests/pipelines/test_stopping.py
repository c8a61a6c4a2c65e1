"""Signals: whatever a command is doing, it ends with one line and the right status, and leaves nothing behind."""

import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import corpora
import pytest
import stop_campaign
from stop_campaign import PATIENCE, WINNOW, Pty, continues, digest, environment, kill, marked, stop, wait_until

from pipelines import stopping
from pipelines.stopping import SENTENCE

SIGNALS = pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)


class Script:
    """A watched command made of a few lines of Python, with its output in pipes. `ready()` in it says that it has come
    there; the test goes on from then."""

    START = (
        "import os, signal, subprocess, sys, time\n"
        "from pipelines import stopping\n"
        "def ready(): print('ready', flush=True)\n"
    )

    def __init__(self, body, before="", ignored=()):
        def prepare():
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(signum, signal.SIG_IGN if signum in ignored else signal.SIG_DFL)

        block = "".join(f"    {line}\n" for line in body.strip().split("\n"))
        program = f"{self.START}{before}\nwith stopping.watched():\n{block}"
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(self.mark),
            preexec_fn=prepare,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(marked(self.mark))
        self.process.communicate()

    def wait_ready(self):
        assert self.process.stdout.readline() == "ready\n"
        return self

    @property
    def command(self):
        (pid,) = [pid for pid in marked(self.mark) if parent_of(pid) == self.process.pid]
        return pid

    def end(self, signum=None):
        """Send a signal, if any, and wait for the end: (status, standard output after "ready", standard error)."""
        if signum is not None:
            self.process.send_signal(signum)
        output, errors = self.process.communicate(timeout=60)
        assert marked(self.mark) == []
        return self.process.returncode, output, errors


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


FOREVER = "ready()\nwhile True: time.sleep(1000)"


# ------------------------------------------------------------------ the watcher


@pytest.mark.parametrize("body, status, error", [
    ("pass", 0, ""),
    ("sys.exit(3)", 3, ""),
    ("sys.exit('words')", 1, "words"),
    ("1 / 0", 1, "ZeroDivisionError"),
    ("os.kill(os.getpid(), signal.SIGKILL)", 137, "winnow: killed by signal 9 (Killed); the same command continues"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", 139,
     "winnow: killed by signal 11 (Segmentation fault); the same command continues"),
])  # fmt: skip
def test_a_command_that_ends_by_itself(body, status, error):
    with Script(f"print('done', flush=True)\n{body}") as script:
        ended, output, errors = script.end()
    assert (ended, output) == (status, "done\n")
    assert errors.strip().split("\n")[-1].startswith(error) and bool(errors) == bool(error)


@SIGNALS
def test_a_signal_runs_every_finally_and_says_one_sentence(signum, tmp_path):
    body = (
        "try:\n    ready(); time.sleep(1000)\n"
        f"finally:\n    open({str(tmp_path / 'released')!r}, 'x'); print('never shown'); 1 / 0"
    )
    with Script(body, before="stopping.GRACE = 1000") as script:
        assert script.wait_ready().end(signum) == (128 + signum, "", SENTENCE + "\n")
    assert (tmp_path / "released").exists()


def test_what_follows_the_block_runs_once_and_in_the_child():
    body = "print(os.getppid() == int(sys.stdin.readline()), flush=True)"
    with Script(body) as script:
        script.process.stdin.write(f"{script.process.pid}\n")
        script.process.stdin.flush()
        assert script.end() == (0, "True\n", "")


NATIVE = """
import ctypes
lock, mutex = ctypes.{}(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
lock(mutex)
subprocess.Popen(["sh", "-c", "sleep 0.5; echo ready"])  # by when the next line has begun
lock(mutex)
"""
"""Waits in native code for itself, and no signal interrupts that."""


@pytest.mark.parametrize("stuck", [
    NATIVE.format("CDLL"),
    NATIVE.format("PyDLL"),  # which keeps the interpreter's lock, so that no thread runs either
    "try:\n    ready(); time.sleep(1000)\nexcept:\n    time.sleep(1000)",  # langdetect has such an `except`
    "try:\n    ready(); time.sleep(1000)\nfinally:\n    time.sleep(1000)",
], ids=["native", "native-locked", "bare-except", "finally"])  # fmt: skip
def test_a_command_that_does_not_stop_is_killed(stuck):
    with Script(stuck, before="stopping.GRACE = 0.5") as script:
        started = time.monotonic()
        assert script.wait_ready().end(signal.SIGTERM) == (143, "", SENTENCE + "\n")
    assert 0.5 <= time.monotonic() - started


def test_a_second_signal_does_not_wait(tmp_path):
    asked = tmp_path / "asked"
    body = f"try:\n    ready(); time.sleep(1000)\nfinally:\n    open({str(asked)!r}, 'x'); time.sleep(1000)"
    with Script(body, before="stopping.GRACE, stopping.TWICE = 1000, 0") as script:
        script.wait_ready().process.send_signal(signal.SIGINT)
        wait_until(asked.exists, "the command to be asked")
        assert script.process.poll() is None
        assert script.end(signal.SIGTERM) == (130, "", SENTENCE + "\n")


def test_signals_of_one_event_are_one(tmp_path):
    """A terminal that closes sends SIGHUP twice, `timeout` sends SIGTERM to the whole group: clean-up is not cut
    short."""
    body = (
        f"try:\n    ready(); time.sleep(1000)\nfinally:\n    time.sleep(0.5); open({str(tmp_path / 'released')!r}, 'x')"
    )
    with Script(body, before="stopping.GRACE = stopping.TWICE = 1000") as script:
        script.wait_ready()
        os.killpg(script.process.pid, signal.SIGHUP)
        os.killpg(script.process.pid, signal.SIGHUP)
        assert script.end() == (129, "", SENTENCE + "\n")
    assert (tmp_path / "released").exists()


def test_a_signal_to_the_command_alone_is_the_watchers_affair():
    with Script(FOREVER) as script:
        os.kill(script.wait_ready().command, signal.SIGTERM)
        assert script.end() == (143, "", SENTENCE + "\n")


def test_orphans_in_sessions_of_their_own_are_killed(tmp_path):
    daemon = (
        "import os, time; os.fork() and os._exit(0); os.setsid(); "
        f"open({str(tmp_path / 'daemon')!r}, 'x'); time.sleep(1000)"
    )
    body = f"subprocess.run([sys.executable, '-c', {daemon!r}])\nsubprocess.Popen(['sleep', '1000'])\n{FOREVER}"
    with Script(body) as script:
        script.wait_ready()
        wait_until((tmp_path / "daemon").exists, "the daemon")
        wait_until(lambda: len(marked(script.mark)) == 4, "the watcher, the command, the daemon and the child")
        assert script.end(signal.SIGTERM) == (143, "", SENTENCE + "\n")  # which sees that none is left


def test_nothing_is_left_by_a_command_that_crashes():
    with Script("subprocess.Popen(['sleep', '1000'])\nready()\nos.abort()") as script:
        status, _, errors = script.wait_ready().end()
    assert status == 128 + signal.SIGABRT and "killed by signal 6" in errors


def test_a_killed_watcher_takes_the_command_with_it():
    with Script(FOREVER) as script:
        command = script.wait_ready().command
        script.process.kill()
        wait_until(lambda: stop_campaign.identity(command) is None, "the command's end")


def test_children_that_are_interrupted_say_nothing():
    child = "import time; print('ready', flush=True); time.sleep(1000)"
    with Script(f"subprocess.run([sys.executable, '-c', {child!r}])") as script:
        script.wait_ready()
        os.killpg(script.process.pid, signal.SIGINT)  # as a terminal does
        assert script.end() == (130, "", SENTENCE + "\n")


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name)
def test_what_is_ignored_from_the_start_stays_ignored(ignored):
    with Script("ready()\nsys.stdin.readline()\nprint('went on', flush=True)", ignored=[ignored]) as script:
        script.wait_ready()
        os.killpg(script.process.pid, ignored)
        script.process.stdin.write("\n")
        script.process.stdin.flush()
        assert script.end() == (0, "went on\n", "")


@SIGNALS
def test_a_signal_before_there_is_a_watcher(signum):
    with Script("pass", before="stopping.exit_at_signals(); ready(); time.sleep(1000)") as script:
        assert script.wait_ready().end(signum) == (128 + signum, "", SENTENCE + "\n")


def test_handlers_of_before_come_back():
    before = [signal.getsignal(signum) for signum in stopping.SIGNALS]
    handlers = stopping.exit_at_signals()
    assert signal.getsignal(signal.SIGTERM) is not before[1]
    stopping.restore(handlers)
    assert [signal.getsignal(signum) for signum in stopping.SIGNALS] == before


def test_handlers_are_kept(monkeypatch):
    def ours(*_):
        pass

    before = signal.signal(signal.SIGTERM, ours)
    try:
        with pytest.raises(ZeroDivisionError), stopping.handlers_kept():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGTERM) is ours
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with stopping.handlers_kept():  # where a program has none of its own, what the block installs may stay
            signal.signal(signal.SIGTERM, ours)
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)


def test_processes_below_are_found():
    program = "import subprocess, sys; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        grandchild = int(child.stdout.readline())
        try:
            assert stopping.below(child.pid) == [grandchild]
            found = stopping.below(os.getpid())
            assert found.index(child.pid) < found.index(grandchild)
        finally:
            os.kill(grandchild, signal.SIGKILL)
    assert stopping.below(child.pid) == []


# ------------------------------------------------------------------ the command line


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The full recipe over a small corpus."""
    folder = tmp_path_factory.mktemp("stopping")
    path = folder / "full.yaml"
    path.write_text(corpora.full_recipe(corpora.write_inputs(folder / "input")))
    return path


def run_command(recipe, output, workers, *more):
    return [*WINNOW, "run", str(recipe), "--output", str(output), "--workers", str(workers), *more]


class Started:
    """A command in a pseudo-terminal, of which nothing is left after the test."""

    def __init__(self, command):
        self.run = Pty([str(word) for word in command], uuid.uuid4().hex)

    def __enter__(self):
        return self.run

    def __exit__(self, *_):
        self.run.close()


def test_ctrl_c_in_a_terminal_without_ray(recipe, tmp_path):
    with Started(run_command(recipe, tmp_path / "out", 0)) as run:
        wait_until(lambda: "00-read" in run.output() or run.ended(), "the first map")
        assert stop(run, signal.SIGINT, PATIENCE).problems == []


def test_sigterm_in_a_terminal_with_ray(recipe, tmp_path):
    with Started(run_command(recipe, tmp_path / "out", 1)) as run:
        wait_until(lambda: "00-read+length:" in run.output() or run.ended(), "the second map")
        ending = stop(run, signal.SIGTERM, PATIENCE)
        assert ending.problems == [] and ending.processes >= 6  # the watcher, the command, Ray's four at least
        assert "╺" in run.output()  # there was a bar


def test_a_closed_terminal(recipe, tmp_path):
    """A terminal that is gone takes no sentence, and that is no error."""
    run = Pty(run_command(recipe, tmp_path / "out", 0), uuid.uuid4().hex)
    wait_until(lambda: "00-read" in run.output() or run.ended(), "the first map")
    os.close(run.terminal)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(run.pid, 0)[1]) == 129
        assert marked(run.mark) == []
    finally:
        kill(marked(run.mark))


def test_help_still_imports_nothing_heavy():
    """What the process imports that does the work, in a report on standard error."""
    command = [sys.executable, "-X", "importtime", *WINNOW[1:], "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported and "pipelines.stopping" in imported
    assert imported.isdisjoint({"numba", "pyarrow", "pydantic", "ray", "torch", "numpy", "corpus.step", "rich"})


@pytest.mark.slow
@pytest.mark.parametrize("verb, stuck, signum", [
    ("quickstart --workers 0", "pipelines.quickstart.write_archive", signal.SIGINT),
    ("run RECIPE --output OUT --dry-run", "pipelines.run.run", signal.SIGTERM),
    ("explain RECIPE page.txt", "pipelines.recipe.load", signal.SIGINT),
    ("verify OUT", "pipelines.inspection.verify.verify", signal.SIGTERM),
    ("inspect OUT", "pipelines.inspection.describe.describe", signal.SIGINT),
    ("report OUT", "corpus.io.paths.exists", signal.SIGTERM),
    ("clean-work OUT", "corpus.io.paths.exists", signal.SIGINT),
])  # fmt: skip
def test_other_verbs_say_one_line(recipe, tmp_path, verb, stuck, signum):
    """Every verb is stopped in a function that it calls, and that does not return."""
    module, _, function = stuck.rpartition(".")
    program = f"""
import {module} as module, time
def stuck(*_):
    print("here", flush=True)
    time.sleep(1000)
module.{function} = stuck
from pipelines.cli import main
main()
"""
    words = [{"RECIPE": recipe, "OUT": tmp_path / "out"}.get(word, word) for word in verb.split()]
    with Started([sys.executable, "-c", program, *words]) as run:
        wait_until(lambda: "here" in run.output() or run.ended(), "the function")
        assert stop(run, signum).problems == []
        said = run.screen()
        assert said[next(i for i, line in enumerate(said) if line.startswith("here")) + 1 :] == [SENTENCE, ""]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.5])
def test_a_run_is_stopped_while_ray_starts(recipe, tmp_path, seconds):
    with Started(run_command(recipe, tmp_path / "out", 1)) as run:
        wait_until(lambda: "00-read" in run.output() or run.ended(), "the first map")
        time.sleep(seconds)
        ending = stop(run, signal.SIGTERM)
        assert ending.problems == [] and ending.processes >= 2


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_same_bytes(recipe, tmp_path):
    undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    subprocess.run(run_command(recipe, undisturbed, 0), check=True, capture_output=True, timeout=300)
    command = run_command(recipe, stopped, 0)
    program = f"""
import pathlib, time
from pipelines.engine.under_way import UnderWay
done = []
def forget(self, key):
    done.append(key)
    if len(done) == 20:
        pathlib.Path({str(tmp_path / "here")!r}).touch()
        time.sleep(1000)
UnderWay.forget = forget
from pipelines.cli import main
main()
"""
    with Started([sys.executable, "-c", program, *command[len(WINNOW) :]]) as run:
        wait_until(lambda: (tmp_path / "here").exists() or run.ended(), "the twentieth task")
        assert stop(run, signal.SIGINT).problems == []
    assert len(stop_campaign.commits(stopped)) == 20 and not (stopped / "tokens").exists()
    assert continues(command, stopped, digest(undisturbed)) == []
