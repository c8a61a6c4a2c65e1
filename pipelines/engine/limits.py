"""What an attempt at a task may take in a worker: time and memory. (The child that extracts text from HTML has
limits of its own; `corpus.reading.html`.)

A task that is over its limits ends its process, for nothing else stops native code. Two watchers see to it: a thread
of Python's, which knows why and writes it down, and for the time limit also a timer of faulthandler's, which works
while native code or a regular expression holds the interpreter and writes down where.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import IO

import psutil

from corpus.io import paths
from pipelines.engine.tasks import Limits

INTERVAL = 0.1
"""Seconds between looks at the memory."""
GRACE = 2.0
"""Seconds that the thread gets before the timer, if it can run at all."""
EXIT = 70
"""Exit status of a worker that was over its limits."""
SLACK = 4 << 30
"""Bytes of address space that allocators reserve and do not use."""


@contextlib.contextmanager
def guard(limits: Limits, reason: str) -> Iterator[None]:
    """End this process if what is inside takes more than `limits`; why is then in the file `reason`."""
    done = threading.Event()
    with _timer_file(reason) as file, _no_more_memory(2 * limits.memory + SLACK):
        faulthandler.dump_traceback_later(limits.seconds + GRACE, exit=True, file=file)
        watcher = threading.Thread(target=_watch, args=(limits, reason, done), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            faulthandler.cancel_dump_traceback_later()
            watcher.join()
    if paths.is_local(reason):
        paths.remove([reason])


def why(reason: str) -> str | None:
    """What a process that was ended by `guard` left in its file `reason`, as the rest of a sentence; None if it was
    something else."""
    try:
        text = paths.read_bytes(reason).decode("utf-8", "replace")
    except OSError:
        return None
    main_thread = text.rpartition("Thread 0x")[2]  # comes last
    frames = re.findall(r'File "([^"]+)", line (\d+) in (\S+)', main_thread)
    if text.startswith("Timeout") and frames:
        file, line, name = next((f for f in frames if "/lib/python" not in f[0]), frames[0])  # not in a library
        return f"took longer than its limit of time (task_seconds), in {os.path.basename(file)} line {line}, {name}"
    return text.strip() or None


def _watch(limits: Limits, reason: str, done: threading.Event) -> None:
    deadline = time.monotonic() + limits.seconds
    while not done.wait(INTERVAL):
        if time.monotonic() > deadline:
            _end(reason, f"took longer than {limits.seconds:g} s (task_seconds)")
        used = resident()
        if used > limits.memory:
            _end(reason, f"used {used >> 20} MiB of memory, above the limit of {limits.memory >> 20} MiB (task_memory)")


def _end(reason: str, sentence: str) -> None:
    with contextlib.suppress(OSError):
        paths.write_atomic(reason, sentence.encode())
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(EXIT)


def resident() -> int:
    """Bytes of memory of this process and of those it has started, without the pages of mapped files where the system
    tells them apart."""
    me, used = psutil.Process(), 0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            info = process.memory_info()
            used += info.rss - getattr(info, "shared", 0)
    return used


@contextlib.contextmanager
def _timer_file(reason: str) -> Iterator[IO[bytes]]:
    """An open file for faulthandler: `reason` itself where it is local, else one that nobody will read."""
    if not paths.is_local(reason):
        with tempfile.TemporaryFile() as file:
            yield file
        return
    paths.make_folder(paths.parent(reason))
    with open(reason, "wb") as file:
        yield file


@contextlib.contextmanager
def _no_more_memory(extra: int) -> Iterator[None]:
    """Where the system can, refuse the process more than so much beyond what it has: one huge allocation would be
    through before a watcher sees it. It raises MemoryError instead."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = psutil.Process().memory_info().data + extra
    most = most if before[1] == resource.RLIM_INFINITY else min(most, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
