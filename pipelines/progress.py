"""Progress of maps: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 5.0
"""Seconds between plain progress lines."""


class MapProgress:
    """What the engine reports to: `start` a map, `advance` it by finished tasks, `finish` it."""

    def __init__(self, stream=sys.stderr):
        self.console = Console(file=stream, highlight=False)
        self._bar: Progress | None = None
        self._stop: threading.Event | None = None

    def say(self, line: str) -> None:
        """Print one line, above the bar where there is one."""
        self.console.print(line, markup=False, soft_wrap=True)

    def start(self, summary, weight: int) -> None:
        self.step, self.total, self.weight = summary.step, summary.tasks - summary.done, weight
        self.tasks = self.bytes = self.documents = 0
        self.started = time.perf_counter()
        if summary.done or set(summary.reasons) != {"not done yet"}:
            reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(summary.reasons.items()))
            skipped = f"{summary.done} done already; " if summary.done else ""
            self.say(f"{self.step}: {self.total} of {summary.tasks} tasks to run ({skipped}{reasons})")
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("  {task.description} {task.completed:.0f}/{task.total:.0f} MB"),
                BarColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self.step, total=max(weight, 1) / 1e6, rate="")
        else:
            self._stop = threading.Event()
            threading.Thread(target=self._plain_lines, args=(self._stop,), daemon=True).start()

    def advance(self, weight: int, counters: dict) -> None:
        self.tasks += 1
        self.bytes += weight
        self.documents += counters.get("documents", 0)
        if self._bar is not None:
            self._bar.update(self._task, advance=weight / 1e6, rate=self._rate())

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._stop is not None:
            self._stop.set()
            self._stop = None
        tasks = "1 task" if self.tasks == 1 else f"{self.tasks} tasks"
        self.say(f"{self.step}: {tasks}, {self._rate()}, {time.perf_counter() - self.started:.1f} s")

    def _rate(self) -> str:
        seconds = max(time.perf_counter() - self.started, 1e-3)
        documents = f", {self.documents / seconds:,.0f} documents/s" if self.documents else ""
        return f"{self.bytes / 1e6 / seconds:.1f} MB/s{documents}"

    def _plain_lines(self, stop: threading.Event) -> None:
        while not stop.wait(PLAIN_SECONDS):
            seconds = time.perf_counter() - self.started
            left = "unknown"
            if self.bytes:
                left = f"{seconds * (self.weight - self.bytes) / self.bytes:.0f} s"
            self.say(f"  {self.step}: {self.tasks}/{self.total} tasks, {self._rate()}, {seconds:.0f} s gone, {left} left")
