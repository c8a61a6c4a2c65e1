"""Threads that fetch blocks before they are read."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

THREADS = 8
STEPS = 16
"""Global steps that are looked ahead."""


class ReadAhead:
    """Calls that are made in threads for what they leave in a cache, none twice at a time. The threads begin with the
    first call, and anew in a process that was forked."""

    def __init__(self) -> None:
        self._process = 0
        self._under_way: dict[Any, concurrent.futures.Future] = {}
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None

    def begin(self, calls: list[tuple[Callable[[int], Any], int]]) -> list[concurrent.futures.Future]:
        """Begin what is not under way: what to wait for. Who needs the result of a call makes it again."""
        if not calls:
            return []
        if self._pool is None or self._process != os.getpid():
            self._process, self._under_way = os.getpid(), {}
            self._pool = concurrent.futures.ThreadPoolExecutor(THREADS, "winnow-read-ahead")
        waiting = []
        for call in calls:
            future = self._under_way.get(call)
            if future is None:
                future = self._under_way[call] = self._pool.submit(_call, *call)
                future.add_done_callback(functools.partial(self._done, call))
            waiting.append(future)
        return waiting

    def wait(self, begun: list[concurrent.futures.Future]) -> None:
        """Wait until all of this is done, or has failed."""
        if begun:
            concurrent.futures.wait(begun)

    def _done(self, call: Any, future: concurrent.futures.Future) -> None:
        self._under_way.pop(call, None)


def _call(call: Callable[[int], Any], number: int) -> None:
    """Without the result, which would be kept; what fails, fails again where it is wanted."""
    with contextlib.suppress(Exception):
        call(number)
