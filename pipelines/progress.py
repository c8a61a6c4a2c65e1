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
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pipelines.engine import MapSummary

PLAIN_SECONDS = 5.0
"""Seconds between plain progress lines."""

BAR_SECONDS = 1.0
"""Seconds after which the bar is written again though nothing happened, for the time left."""

LEAST_SECONDS = 0.1
"""Seconds between two writings of the bar at least, however fast tasks end."""

BAR_WIDTH = 40

MARGIN = 8
"""Columns at the right that stay free: the terminal writes ^C there, and one line is all that can be cleared."""

CLEAR_LINE = "\r\x1b[K"


class MapProgress:
    """What the engine reports to: `start` a map, `advance` it by finished tasks, `finish` it. `close` takes the
    bar down at any moment. A stream that cannot be written to any more is no reason to end a run."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._done: threading.Event | None = None  # of the map that runs
        self._written = 0.0

    def say(self, line: str) -> None:
        """Print one line, above the bar where there is one."""
        with self._lock:
            bar = self._has_bar()
            self._write(f"{CLEAR_LINE}{line}\n{self._bar()}" if bar else line + "\n")

    def start(self, summary: MapSummary, weight: int) -> None:
        self.step, self.total, self.weight = summary.step, summary.tasks - summary.done, weight
        self.tasks = self.bytes = self.documents = 0
        self.started = time.perf_counter()
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
        self.say(f"{self.step}: {tasks}, {self._rate()}, {self._seconds():.1f} s")

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
        """Until the map is done: write the bar or a plain line once in a while."""
        while not done.wait(BAR_SECONDS if self.terminal else PLAIN_SECONDS):
            if self.terminal:
                self._draw()
            else:
                with self._lock:
                    if not done.is_set():
                        self._write(self._plain_line())

    def _draw(self) -> None:
        with self._lock:
            if self._has_bar():
                self._write(self._bar())
                self._written = time.perf_counter()

    def _has_bar(self) -> bool:
        return self.terminal and self._done is not None

    def _bar(self) -> str:
        """The bar in one line of the terminal: step, megabytes done, a bar where there is room, rate, time left."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        columns = max(1, columns - MARGIN)
        left = self._left()
        clock = "-:--:--" if left is None else datetime.timedelta(seconds=round(left))
        before = f"  {self.step} {self.bytes / 1e6:.0f}/{self.weight / 1e6:.0f} MB "
        after = f" {self._rate()} {clock}"
        room = min(BAR_WIDTH, columns - len(before) - len(after))
        done, rest = "━╺" if "utf" in (self.stream.encoding or "").lower() else "#-"
        filled = round(max(room, 0) * min(1.0, self.bytes / max(self.weight, 1)))
        return CLEAR_LINE + (before + done * filled + rest * (room - filled) + after)[:columns]

    def _plain_line(self) -> str:
        left = self._left()
        said = "unknown" if left is None else f"{left:.0f} s"
        tasks = f"{self.tasks}/{self.total} tasks"
        return f"  {self.step}: {tasks}, {self._rate()}, {self._seconds():.0f} s gone, {said} left\n"

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()

    def _seconds(self) -> float:
        """Seconds since the map began; never 0."""
        return max(time.perf_counter() - self.started, 1e-3)

    def _left(self) -> float | None:
        """Seconds until the map is done, if it goes on as it went."""
        return self._seconds() * (self.weight - self.bytes) / self.bytes if self.bytes else None

    def _rate(self) -> str:
        documents = f", {self.documents / self._seconds():,.0f} documents/s" if self.documents else ""
        return f"{self.bytes / 1e6 / self._seconds():.1f} MB/s{documents}"
