"""Threads that fetch blocks before they are read."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

THREADS = 8
STEPS, FAR = 16, 256
"""Global steps that are looked at ahead; and where samples that follow each other lie together, so that few blocks are
new in a step, but many at the end of one, or of a group of them (corpus.loader.order). Each step looks at STEPS more at
most. In a block are many steps: of a stream in such an order only some are looked at, up to a group further."""

Call = tuple[Callable[[int], Any], int]


class ReadAhead:
    """Calls that are made in threads for what they leave in a cache, none twice at a time. The threads begin with the
    first call, and anew in a process that was forked. What is wanted now goes before what will be later; of the latter
    so many are begun as there are threads, so that a process that ends waits for these alone."""

    def __init__(self) -> None:
        self._begin_in(-1)

    def _begin_in(self, process: int) -> None:
        self._process, self._lock = process, threading.Lock()
        self._under_way: dict[Call, concurrent.futures.Future] = {}
        self._later: dict[Call, None] = {}
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS, "winnow-read-ahead")

    def fetch(self, wanted: Iterable[Call], later: Iterable[Call], anew: bool) -> None:
        """Make the calls that are `wanted`, and wait until all are done, or have failed: who needs the result of one
        makes it again. Make the others when there is time; if `anew`, in place of those that were for later before."""
        if self._process != os.getpid():
            self._begin_in(os.getpid())
        with self._lock:
            if anew:
                self._later.clear()
            waiting = [self._begin(call) for call in wanted]
            self._later.update((call, None) for call in later if call not in self._under_way)
            self._go_on()
        concurrent.futures.wait(waiting)

    def _begin(self, call: Call) -> concurrent.futures.Future:
        self._later.pop(call, None)
        future = self._under_way.get(call)
        if future is None:
            future = self._under_way[call] = self._pool.submit(self._make, call)
        return future

    def _go_on(self) -> None:
        while self._later and len(self._under_way) < THREADS:
            self._begin(next(iter(self._later)))

    def _make(self, call: Call) -> None:
        """Without the result, which would be kept; what fails, fails again where it is wanted."""
        function, number = call
        try:
            with contextlib.suppress(Exception):
                function(number)
        finally:
            with self._lock, contextlib.suppress(RuntimeError):  # which a pool says that begins nothing any more
                del self._under_way[call]
                self._go_on()
