"""Stops real runs at all kinds of moments and checks what each leaves behind:

    python tests/faults/stop_campaign.py --runs 50

Every run sits in a terminal of its own: a pseudo-terminal, or tmux where it is installed. It gets Ctrl-C as a terminal
sends it, or SIGTERM, while the program is imported, while Ray starts, during the maps or at their end. Then its exit
status, what it said, the screen, the cursor and the processes it leaves are checked. At last every output is finished
by the same command, which must not do again what was done and must leave the same bytes as a run that nobody stopped.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pty
import random
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import uuid
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "faults")]

import corpora
from outputs import digest

from pipelines.stopping import SENTENCE, below

WINNOW = [sys.executable, "-c", "from pipelines.cli import main; main()"]
MARK = "WINNOW_STOP_CAMPAIGN"
COLUMNS, LINES = 100, 40

PATIENCE = 120.0
"""Seconds that anything may take of which no time is asserted."""

WITHIN = 10.0
"""Seconds from the signal within which every process must be gone."""


# ------------------------------------------------------------------ processes


def environment(mark: str) -> dict[str, str]:
    """The environment of a run; its processes are found again by the mark."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, MARK: mark, "PYTHONPATH": path, "TERM": "xterm-256color"}


def identity(pid: int) -> tuple[int, str] | None:
    """What tells a process from a later one with its number; None if it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (pid, fields[19])


def marked(mark: str) -> list[int]:
    """Living processes that have inherited the mark."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and identity(
                pid
            ):
                found.append(pid)
    return found


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
    return "?"


def obeys(pid: int, signum: int) -> bool:
    """Whether the process has a handler for the signal: from then on our code has begun."""
    with contextlib.suppress(OSError):
        caught = re.search(r"^SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return bool(int(caught[1], 16) >> (signum - 1) & 1)
    return False


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


# ------------------------------------------------------------------ terminals


def screen(output: str, columns: int = COLUMNS) -> list[str]:
    """The lines a terminal shows after `output`; of control sequences it knows the few that a bar needs."""
    lines, column = [""], 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[^\x1b]", output):
        if part == "\r":
            column = 0
        elif part == "\n":
            lines.append("")
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif not part.startswith("\x1b"):
            if column == columns:
                lines.append("")
                column = 0
            lines[-1] = lines[-1].ljust(column)[:column] + part + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


class Pty:
    """A command in the foreground of a pseudo-terminal."""

    def __init__(self, command: list[str], mark: str):
        self.mark, self.raw, self.status = mark, b"", None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever starts us in the background ignores it
            os.chdir(ROOT)
            os.execvpe(command[0], command, environment(mark))
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def output(self) -> str:
        """All that was written to the terminal until now."""
        while select.select([self.terminal], [], [], 0)[0]:
            try:
                self.raw += os.read(self.terminal, 1 << 16)
            except OSError:  # nobody has the other side open any more
                break
        return self.raw.decode("utf-8", "replace")

    def ended(self) -> bool:
        self.output()  # a process that writes to a full terminal never ends
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def press_ctrl_c(self) -> None:
        os.write(self.terminal, b"\x03")

    def screen(self) -> list[str]:
        return screen(self.output())

    def cursor_is_visible(self) -> bool:
        return self.output().rfind("\x1b[?25h") >= self.output().rfind("\x1b[?25l")  # both -1: nobody has hidden it

    def close(self) -> None:
        kill(marked(self.mark))
        os.close(self.terminal)
        if self.status is None:
            os.waitpid(self.pid, 0)


class Tmux:
    """The same in tmux, which is asked for what its screen shows and whether the cursor is visible."""

    def __init__(self, command: list[str], mark: str):
        self.mark, self.status = mark, None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stop-campaign-"))
        own = shlex.join(
            ["env", *(f"{key}={value}" for key, value in environment(mark).items() if key in (MARK, "PYTHONPATH"))]
        )
        inner = shlex.quote(f"echo $$ > {self.folder}/pid; exec {own} {shlex.join(command)}")
        # The shell is in the foreground, too, and must outlive a Ctrl-C to write the status down.
        script = f"cd {ROOT}; trap : INT; sh -c {inner}; echo $? > {self.folder}/status; exec sleep 1000"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), script)
        wait_until(lambda: self._read("pid"), "tmux")
        self.pid = int(self._read("pid"))

    def _tmux(self, *arguments: str) -> str:
        environ = {key: value for key, value in os.environ.items() if key != "TMUX"}
        command = ["tmux", "-S", str(self.folder / "socket"), *arguments]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def _read(self, file: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / file).read_text().strip()
        return ""

    def output(self) -> str:
        return self._tmux("capture-pane", "-p", "-S", "-", "-J")

    def ended(self) -> bool:
        self.status = int(self._read("status")) if self._read("status") else None
        return self.status is not None

    def press_ctrl_c(self) -> None:
        self._tmux("send-keys", "C-c")

    def screen(self) -> list[str]:
        return [line.rstrip() for line in self.output().rstrip().split("\n")] + [""]

    def cursor_is_visible(self) -> bool:
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def close(self) -> None:
        kill(marked(self.mark))
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")
        shutil.rmtree(self.folder, ignore_errors=True)


# ------------------------------------------------------------------ one run


@dataclasses.dataclass
class Plan:
    """How to stop one run: in which terminal, with how many workers, by what, when: `delay` seconds after `moment`."""

    terminal: type
    workers: int
    signum: int
    moment: str
    delay: float

    def __str__(self) -> str:
        name = signal.Signals(self.signum).name
        return f"{self.terminal.__name__:4} workers={self.workers} {name:7} {self.moment:11} +{self.delay:.2f} s"


MOMENTS = {
    "import": lambda run: obeys(run.pid, signal.SIGTERM),
    "start": lambda run: "00-read" in run.output(),
    "maps": lambda run: "00-read+length:" in run.output(),
    "end": lambda run: "best_fit-64-plan" in run.output(),
}
"""Moment: how to see that a run has come to it. At "start" the first map is shown and Ray is about to be started."""


@dataclasses.dataclass
class Ending:
    """How a run was stopped: what is wrong with it, processes there were at the signal, seconds until all were gone."""

    problems: list[str]
    processes: int
    seconds: float


def stop(run, signum: int, within: float = WITHIN) -> Ending:
    """Stop a run and look at what it leaves after so many seconds at most."""
    before = list(filter(None, map(identity, [run.pid, *below(run.pid)])))
    started = time.monotonic()
    run.press_ctrl_c() if signum == signal.SIGINT else os.kill(run.pid, signum)

    def left() -> list[int]:
        return sorted({*marked(run.mark), *(pid for pid, start in before if identity(pid) == (pid, start))})

    problems = []
    try:
        wait_until(lambda: run.ended() and not left(), "the end", within)
    except TimeoutError:
        problems = [f"left after {within:g} s: {pid} {name(pid)}" for pid in left()] or ["no exit status"]
    seconds = time.monotonic() - started
    if run.status != 128 + signum:
        problems.append(f"exit status {run.status}")
    return Ending(problems + looks_wrong(run), len(before), seconds)


def looks_wrong(run) -> list[str]:
    """What is wrong with what a stopped run has left on the terminal."""
    shown, problems = run.screen(), []
    if shown[-2:] != [SENTENCE, ""] or shown.count(SENTENCE) != 1:
        problems.append(f"the last lines are {shown[-4:]}")
    if any(re.search(r"MB [━╺]|-:--:--", line) for line in shown):
        problems.append("the bar is still there")
    if any("Traceback" in line or "Error" in line for line in shown):
        problems.append("a traceback: " + "\n".join(shown))
    if not run.cursor_is_visible():
        problems.append("the cursor is hidden")
    return problems


def commits(output: pathlib.Path) -> dict[pathlib.Path, int]:
    """Manifests of tasks that are done, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in (output / "work").glob("*/*.json") if "-" not in path.name}


def continues(command: list[str], output: pathlib.Path, expected: dict[str, str]) -> list[str]:
    """Run the stopped command again, to its end. Returns what is wrong."""
    done = commits(output)
    again = subprocess.run(command, env=environment("again"), cwd=ROOT, capture_output=True, text=True)
    problems = []
    if again.returncode:
        problems.append(f"rerun exits {again.returncode}: {again.stderr[-2000:]}")
    if {path: commits(output).get(path) for path in done} != done:
        problems.append("rerun: tasks that were done were done again")
    if digest(output) != expected:
        problems.append("rerun: other bytes")
    return problems


# ------------------------------------------------------------------ the campaign


def plans(count: int, seed: int) -> list[Plan]:
    """Every combination of terminal, workers, signal and moment about as often as any other, in random order."""
    chance = random.Random(seed)
    terminals = [Pty, Tmux] if shutil.which("tmux") else [Pty]
    combinations = [
        (terminal, workers, signum, moment)
        for moment in MOMENTS
        for terminal in terminals
        for workers in (0, 2)
        for signum in (signal.SIGINT, signal.SIGTERM)
    ]
    chance.shuffle(combinations)
    longest = {"import": 1.0, "start": 4.5, "maps": 3.0, "end": 0.4}
    chosen = [combinations[i % len(combinations)] for i in range(count)]
    return [
        Plan(*choice, delay=chance.uniform(0, longest[choice[-1]] * (0.5 if choice[1] == 0 else 1)))
        for choice in chosen
    ]


def carry_out(plan: Plan, command: list[str], transcript: pathlib.Path) -> Ending | None:
    """One stopped run; None if it was over before its signal came."""
    run = plan.terminal(command, uuid.uuid4().hex)
    try:
        wait_until(lambda: MOMENTS[plan.moment](run) or run.ended(), plan.moment)
        deadline = time.monotonic() + plan.delay
        while time.monotonic() < deadline and not run.ended():
            time.sleep(0.005)
        if run.ended():
            return None
        return stop(run, plan.signum)
    finally:
        transcript.write_text(run.output(), encoding="utf-8")
        run.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument(
        "--folder", type=pathlib.Path, help="where to leave outputs and transcripts; default: a temporary one"
    )
    arguments = parser.parse_args()
    folder = arguments.folder or pathlib.Path(tempfile.mkdtemp(prefix="stop-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "full.yaml"
    recipe.write_text(corpora.full_recipe(corpora.write_inputs(folder / "input", arguments.documents)))

    def command(output: str, workers: int) -> list[str]:
        return [*WINNOW, "run", str(recipe), "--output", str(folder / output), "--workers", str(workers)]

    subprocess.run(command("undisturbed", 0), env=environment("undisturbed"), cwd=ROOT, check=True, capture_output=True)
    expected = digest(folder / "undisturbed")
    bad, slowest, by_moment = 0, 0.0, collections.Counter()
    for i, plan in enumerate(plans(arguments.runs, arguments.seed)):
        ending = None
        while ending is None:
            shutil.rmtree(folder / f"run-{i}", ignore_errors=True)
            ending = carry_out(plan, command(f"run-{i}", plan.workers), folder / f"run-{i}.txt")
            plan.delay *= 0.7  # a run that was over is stopped sooner the next time
        problems = ending.problems + continues(command(f"run-{i}", plan.workers), folder / f"run-{i}", expected)
        figures = f"{ending.processes:2} processes, gone after {ending.seconds:4.1f} s"
        print(f"{i:3} {plan}: {figures}: {'; '.join(problems) or 'good'}", flush=True)
        bad, slowest = bad + bool(problems), max(slowest, ending.seconds)
        by_moment[plan.moment] += 1
    print(f"{arguments.runs} runs ({dict(by_moment)}), {bad} bad, slowest end {slowest:.1f} s; transcripts in {folder}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
