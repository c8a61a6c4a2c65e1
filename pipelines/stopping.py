"""Ctrl-C, SIGTERM and a closed terminal stop a command in one line and leave nothing behind.

The command works in a child process; the process that was started only watches over it. What Ray, native
code, or a bare `except:` in a library make of a signal is then never the last word: the watcher runs none of
them, so it can always put the terminal right, end what is left, and exit with the status that the signal asks for.

What happens at a signal:

1. The watcher asks the command to stop. `KeyboardInterrupt` is raised in its main thread, so that every
   `finally` runs: Ray is shut down, locks are released. What the command prints from then on goes nowhere.
2. If that takes longer than GRACE seconds, or at a second signal, the command is killed.
3. Every process that is still below the watcher is killed: on Linux they all are, for it adopts orphans.
4. The watcher clears the line the bar was on, shows the cursor, says the sentence, exits with 128 + the signal.

After a command that ended by itself, or crashed, nothing is left either (3), and a crash is told in
one line. A watcher that is killed itself (SIGKILL) takes the command with it, on Linux. Where there is no `fork`
nothing is watched, and a signal does what it does to any Python program.

This module imports little, for it is the first to be imported: until it is, a Ctrl-C prints a traceback.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

SENTENCE = "stopped; the same command continues"

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that stop a command. One that was ignored from the start (nohup, a script's `&`) stays ignored."""

ASK: int = getattr(signal, "SIGUSR1", 0)
"""From the watcher: stop. To the watcher: the command alone got SIGTERM or SIGHUP. A signal of our own, for Ray
takes SIGTERM for itself while it starts. 0 on Windows, where nothing is watched."""

GRACE = 5.0
"""Seconds a command has to stop by itself. Ray takes one to three to shut down."""

ASK_AGAIN = 0.5
"""Seconds between two times that the watcher asks the command to stop."""

TWICE = 0.5
"""Seconds after a signal in which another one says nothing new: a terminal that closes sends SIGHUP twice."""

KILLING = 3.0
"""Seconds the watcher waits at most for processes to be gone that it has killed."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Run the block in a child process that this one watches over. Only the child enters the block and goes on
    after it; this process exits with the child's status, or with 128 + the signal that stopped it."""
    if not hasattr(os, "fork") or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, ASK})  # until both processes have their handlers
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    watcher = os.getpid()
    command = os.fork()
    if command:
        _watch(command)
    stopped = _obey(watcher)
    try:
        yield
    except SystemExit as leaving:
        if "ray" in sys.modules and isinstance(leaving.code, int) and not stopped:
            _leave(leaving.code)
        raise
    finally:
        if stopped:
            os._exit(1)  # the watcher knows why, and how to exit


def _leave(code: int) -> NoReturn:
    """Exit without C's exit handlers: Ray's destroys an object there that a thread of Ray's may still be using,
    which ends some runs in SIGSEGV."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


# ------------------------------------------------------------------ the command's side


def _obey(watcher: int) -> list[bool]:
    """Install the command's handlers. Returns a list that is empty until the command has been asked to stop."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != watcher:  # it died before the line above
        os._exit(1)
    stopped: list[bool] = []

    def stop(*_: Any) -> None:
        if not stopped:
            stopped.append(True)
            _silence()
            raise KeyboardInterrupt  # whatever the signal: `ray.wait` lets no exception of ours through

    def tell(*_: Any) -> None:
        os.kill(watcher, ASK)

    signal.signal(ASK, stop)
    for signum in _heeded():
        # A terminal sends Ctrl-C to all its processes. It is the watcher's to handle, and ignoring it is
        # inherited: Python processes started by the command print no traceback then.
        signal.signal(signum, signal.SIG_IGN if signum == signal.SIGINT else tell)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, ASK})
    return stopped


def _silence() -> None:
    """Send what this process still prints, from any thread and any library, nowhere: only the watcher speaks now."""
    with contextlib.suppress(OSError):  # too many open files, say
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Put back the handlers of ours that the block replaces, as `ray.init` does SIGTERM's."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for signum, handler in before.items():
                if callable(handler):
                    signal.signal(signum, handler)


# ------------------------------------------------------------------ the watcher's side


def _watch(command: int) -> NoReturn:
    """Wait until the command ends or is to be stopped, clean up after it, exit."""
    signum, status = _wait(command, _signal_pipe())
    kill_below(os.getpid())
    if signum is not None:
        _say(SENTENCE)
        os._exit(128 + (signal.SIGTERM if signum == ASK else signum))
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _say(f"winnow: killed by signal {-code} ({signal.strsignal(-code)}); the same command continues")
    os._exit(code if code >= 0 else 128 - code)


def _signal_pipe() -> int:
    """A pipe's end from which the numbers of signals can be read, a byte each, as they come to this process."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for signum in (*_heeded(), ASK, signal.SIGCHLD):
        signal.signal(signum, lambda *_: None)  # Python writes to the pipe only for signals with a handler
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, ASK})
    return reader


def _wait(command: int, signals: int) -> tuple[int | None, int]:
    """(The signal that stopped the command, or None; its wait status, or 0 if it is to be killed). The signal is
    ASK where the command got one that did not come here."""
    first: int | None = None
    asked = 0.0
    while (status := _reap().get(command)) is None:  # it may have ended before there was a handler for SIGCHLD
        if first is not None:
            if time.monotonic() > asked + GRACE:
                return first, 0
            os.kill(command, ASK)  # more than once: a signal that comes just before a system call does not end it
        if not select.select([signals], [], [], None if first is None else ASK_AGAIN)[0]:
            continue
        for signum in os.read(signals, 512):
            if signum == signal.SIGCHLD:
                continue
            if first is None:
                asked = time.monotonic()
            if first in (None, ASK):  # of a signal to both processes the command may tell before it is here
                first = signum
            elif signum != ASK and time.monotonic() > asked + TWICE:
                return first, 0
    return first, status


def _reap() -> dict[int, int]:
    """Wait statuses of the children that have ended since the last call, orphans that were adopted among them."""
    statuses = {}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = ended[1]
    return statuses


def kill_below(process: int) -> None:
    """Kill every process below `process`, again and again until there is none: one may start another meanwhile."""
    deadline = time.monotonic() + KILLING
    while (found := below(process)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        _reap()


def below(process: int) -> list[int]:
    """Process ids below `process`: its children, theirs, and so on, parents first."""
    import psutil

    try:
        return [child.pid for child in psutil.Process(process).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _say(sentence: str) -> None:
    """Write a line to standard error; on a terminal, in place of a bar, and with the cursor shown. Where nobody
    takes it (a terminal that is gone or held, a full pipe) it is not written."""
    with contextlib.suppress(OSError, ValueError):
        clear = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""
        if select.select([], [2], [], 1.0)[1]:
            os.write(2, f"{clear}{sentence}\n".encode())


# ------------------------------------------------------------------ before there is a watcher


def exit_at_signals() -> dict[int, Any]:
    """Let signals end this process at once, with the sentence, from now on: for the time of the first imports.
    Returns the handlers that were there, for `restore`."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {signum: signal.getsignal(signum) for signum in _heeded()}
    for signum in before:
        signal.signal(signum, _exit_at_once)
    return before


def restore(handlers: dict[int, Any]) -> None:
    """Install these handlers, by signal."""
    for signum, handler in handlers.items():
        if handler is not None:  # one that was not installed by Python
            signal.signal(signum, handler)


def _exit_at_once(signum: int, frame: Any) -> NoReturn:
    _say(SENTENCE)
    os._exit(128 + signum)


def _heeded() -> list[int]:
    """The signals of SIGNALS that are not ignored."""
    return [signum for signum in SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]


def _prctl(option: int, value: int) -> None:
    """Linux's prctl(2); nothing elsewhere."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
