"""Files that are far away, of which ranges are read."""

from __future__ import annotations

import os
import threading

import pyarrow as pa

from corpus.io import paths

KEPT = 32
"""Files that stay open: for two threads each those of a group of blocks, all of other shards. One may hold some
megabytes that it has read ahead."""


class OpenFiles:
    """Files that stay open for the next range of them, those that were read last, for several threads: to open one asks
    a store what it holds, which takes about as long as a range to begin to come."""

    def __init__(self) -> None:
        self._begin_in(os.getpid())

    def _begin_in(self, process: int) -> None:
        self._process, self._lock = process, threading.Lock()
        self._idle: list[tuple[str, pa.NativeFile]] = []

    def read(self, name: str, first: int, size: int) -> memoryview:
        """Bytes of a file, fewer only at its end, as they were received: a file's `read` would copy them."""
        file = self._taken(name) or paths.open_input(name)
        file.seek(min(first, file.size()))
        data = memoryview(file.read_buffer(size))
        if len(data) < size:
            self.forget(name)  # it may have been longer, or shorter, when it was opened
            return data
        with self._lock:
            self._idle.append((name, file))
            del self._idle[:-KEPT]
        return data

    def forget(self, name: str) -> None:
        """Open a file anew when it is read next, and ask for all its bytes again."""
        while self._taken(name):
            pass

    def _taken(self, name: str) -> pa.NativeFile | None:
        if self._process != os.getpid():  # a fork has neither connections nor a free lock
            self._begin_in(os.getpid())
        with self._lock:
            for place, (each, file) in enumerate(self._idle):
                if each == name:
                    del self._idle[place]
                    return file
        return None
