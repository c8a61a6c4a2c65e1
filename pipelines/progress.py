"""Progress of maps: a bar with rate and time left on a terminal, plain lines elsewhere.

The bar is one line that is written again and again, always under one lock. It replaces neither `sys.stdout` nor
`sys.stderr` and never hides the cursor, so that a run that dies at any moment leaves the terminal as it should be.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from pipelines.engine import Reached

if TYPE_CHECKING:
    from pipelines.engine import MapSummary

PLAIN_SECONDS, SAME_SECONDS = 5.0, 30.0
"""Seconds between plain progress lines; between those that have nothing new to say."""

BAR_SECONDS = 1.0
"""Seconds after which the workers' notes are looked at, and the bar is written again."""

LEAST_SECONDS = 0.1
"""Seconds between two writings of the bar at least, however fast tasks end."""

BAR_WIDTH = 40

MARGIN = 8
"""Columns at the right that stay free: the terminal writes ^C there, and one line is all that can be cleared."""

LEAST_NAME = 16
"""Columns that the name of a step gets at least, however little room there is."""

CLEAR_LINE = "\r\x1b[K"

SAID_SECONDS = 0.5
"""Seconds of compiling kernels of which the last line of a map speaks."""


class MapProgress:
    """What the engine reports to: `start` a map, `advance` it by finished tasks, `finish` it. `close` takes the
    bar down at any moment. A stream that cannot be written to any more is no reason to end a run."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._done: threading.Event | None = None  # of the map that runs
        self._reached: Callable[[], Reached] = Reached
        self._written = 0.0

    def say(self, line: str) -> None:
        """Print one line, above the bar where there is one."""
        with self._lock:
            bar = self._has_bar()
            self._write(f"{CLEAR_LINE}{line}\n{self._bar()}" if bar else line + "\n")

    def start(self, summary: MapSummary, weight: int, reached: Callable[[], Reached] = Reached) -> None:
        self.step, self.total, self.weight = summary.step, summary.tasks - summary.done, weight
        self.tasks = self.bytes = self.documents = 0
        self.started = self._since = time.perf_counter()
        self._before, self._doing, self._reached = 0, "", reached
        if summary.done or set(summary.reasons) != {"not done yet"}:
            reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(summary.reasons.items()))
            skipped = f"{summary.done} done already; " if summary.done else ""
            self.say(f"{self.step}: {self.total} of {summary.tasks} tasks to run ({skipped}{reasons})")
        self._done = threading.Event()
        self._draw()
        threading.Thread(target=self._keep_showing, args=(self._done,), daemon=True).start()

    def advance(self, weight: int, counters: dict[str, Any]) -> None:
        self.tasks += 1
        self.bytes += weight
        self.documents += counters.get("documents", 0)
        if time.perf_counter() > self._written + LEAST_SECONDS:
            self._draw()

    def finish(self) -> None:
        self.close()
        tasks = "1 task" if self.tasks == 1 else f"{self.tasks} tasks"
        compiled = self._reached().compiled
        once = f", {compiled:.1f} s of them compiling kernels, once" if compiled >= SAID_SECONDS else ""
        self.say(f"{self.step}: {tasks}, {self._rate(self.bytes, self.documents)}, {self._seconds():.1f} s{once}")

    def close(self) -> None:
        """Take the bar down, if there is one. A terminal that takes nothing is not waited for."""
        had_bar, done = self._has_bar(), self._done
        self._done = None
        if done is not None:
            done.set()
        if had_bar and self._lock.acquire(timeout=1):
            self._write(CLEAR_LINE)
            self._lock.release()

    def _keep_showing(self, done: threading.Event) -> None:
        """Until the map is done: write the bar, or a plain line once in a while and when something else begins."""
        pause, waited, said = min(BAR_SECONDS, PLAIN_SECONDS), 0.0, Reached()
        while not done.wait(pause):
            waited += pause
            if self.terminal:
                self._draw()
                continue
            with self._lock:
                now = self._now()
                begins = bool(now.doing) and now.doing != said.doing
                same = now[:3] == said[:3]
                if not done.is_set() and (begins or waited >= (SAME_SECONDS if same else PLAIN_SECONDS)):
                    self._write(self._plain_line(now))
                    waited, said = 0.0, now

    def _draw(self) -> None:
        with self._lock:
            if self._has_bar():
                self._write(self._bar())
                self._written = time.perf_counter()

    def _has_bar(self) -> bool:
        return self.terminal and self._done is not None

    def _now(self) -> Reached:
        """What the map has done, tasks that are under way included. Time left is reckoned from when it was last at
        something else than its work."""
        found = self._reached()
        found = found._replace(
            bytes=min(self.bytes + found.bytes, self.weight), documents=self.documents + found.documents
        )
        if found.doing:
            self._since, self._before = time.perf_counter(), found.bytes
        return found

    def _bar(self) -> str:
        """The bar in one line of the terminal: step, megabytes or kilobytes done, a bar where there is room, rate or
        what else it is at, time left."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        columns = max(1, columns - MARGIN)
        now = self._now()
        left = self._left(now.bytes)
        clock = "-:--:--" if left is None else datetime.timedelta(seconds=round(left))
        unit, name = (1e6, "MB") if self.weight >= 1e6 else (1e3, "kB")
        size = f" {now.bytes / unit:.0f}/{self.weight / unit:.0f} {name} "
        after = f" {now.doing or self._rate(now.bytes, now.documents)} {clock}"
        before = f"  {self.step}"[: max(LEAST_NAME, columns - len(size) - len(after))] + size
        room = min(BAR_WIDTH, columns - len(before) - len(after))
        done, rest = "━╺" if "utf" in (self.stream.encoding or "").lower() else "#-"
        filled = round(max(room, 0) * now.bytes / max(self.weight, 1))
        return CLEAR_LINE + (before + done * filled + rest * (room - filled) + after)[:columns]

    def _plain_line(self, now: Reached) -> str:
        left = self._left(now.bytes)
        said = "unknown" if left is None else f"{left:.0f} s"
        share = f"{100 * now.bytes // max(self.weight, 1)} %, {self.tasks}/{self.total} tasks"
        what = now.doing or self._rate(now.bytes, now.documents)
        return f"  {self.step}: {share}, {what}, {self._seconds():.0f} s gone, {said} left\n"

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()

    def _seconds(self) -> float:
        """Seconds since the map began; never 0."""
        return max(time.perf_counter() - self.started, 1e-3)

    def _left(self, bytes: int) -> float | None:
        """Seconds until the map is done, if it goes on as it went."""
        done = bytes - self._before
        return (time.perf_counter() - self._since) * (self.weight - bytes) / done if done > 0 else None

    def _rate(self, bytes: int, documents: int) -> str:
        per_second = f", {documents / self._seconds():,.0f} documents/s" if documents else ""
        return f"{bytes / 1e6 / self._seconds():.1f} MB/s{per_second}"
