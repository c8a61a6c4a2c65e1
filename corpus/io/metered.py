"""How far a task is with what it reads, for whoever shows it: counted where it is read, and never exact.

seen = []
with metered.into(lambda bytes, documents: seen.append((bytes, documents))):
    metered.add(100)
    metered.add(0, documents=3)
seen  # [(100, 0), (100, 3)]
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Show = Callable[[int, int], None]
"""Gets the bytes and the documents so far: bytes of files as they lie in storage, of the text of a view, of the rows of
an exchange, as those who weigh a task count them beforehand."""


class _Meter:
    """What has been read, and how many parts of the work on what is at hand are done; reading it is the first."""

    def __init__(self, show: Show):
        self._show = show
        self._done = self._at_hand = self._documents = 0
        self._parts = self._of = 1

    def divide(self, parts: int) -> None:
        self._of = parts

    def add(self, bytes: int, documents: int) -> None:
        self._at_hand += bytes
        self._documents += documents
        self._tell()

    def part_done(self) -> None:
        self._parts += 1
        if self._parts >= self._of:
            self._done, self._at_hand, self._parts = self._done + self._at_hand, 0, 1
        self._tell()

    def _tell(self) -> None:
        self._show(self._done + self._at_hand * self._parts // self._of, self._documents)


_into: ContextVar[_Meter | None] = ContextVar("_into", default=None)


@contextlib.contextmanager
def into(show: Show) -> Iterator[None]:
    """What this thread reads inside is shown. What other threads read is not."""
    token = _into.set(_Meter(show))
    try:
        yield
    finally:
        _into.reset(token)


def add(bytes: int, documents: int = 0) -> None:
    """So much more has been read."""
    if meter := _into.get():
        meter.add(bytes, documents)


def divide(parts: int) -> None:
    """Each piece of what will be read here takes so many parts of work, all about the same: reading it, and others."""
    if meter := _into.get():
        meter.divide(parts)


def part_done() -> None:
    """One of the others is done, with what has been read so far."""
    if meter := _into.get():
        meter.part_done()
