"""How far tasks are that are under way, for the progress line and for nothing else.

An attempt writes what it has read into a small file of its own in a folder of the driver's machine, which costs
microseconds and asks nobody; the driver looks at these files about once a second. A worker on another node has no such
folder and writes nothing: what it does is seen when its task is done, and on a cluster there are many tasks.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from corpus import kernel_cache
from corpus.io import metered

_NOTE = struct.Struct("<qqq?")
"""Bytes and documents read, milliseconds in which kernels were compiled, whether one is being compiled."""

STARTING, WORKERS, COMPILING = "starting Ray", "starting workers", "compiling kernels, once"


class Reached(NamedTuple):
    """By all tasks that are under way: bytes and documents read; what they are at that is no reading, "" if nothing.
    By all tasks of the map: seconds in which kernels were compiled."""

    bytes: int = 0
    documents: int = 0
    doing: str = ""
    compiled: float = 0.0


class UnderWay:
    """Tasks of a map, by key with their weights. `folder` is where their attempts note how far they are; `doing` what
    has to be done before any can begin; `starting` what is done until the first note is there, which comes with the
    first task; `compiling` is called whenever kernels are seen to be compiled."""

    def __init__(self, folder: str, weights: Mapping[str, int], compiling: Callable[[], None] = lambda: None):
        self.folder = folder
        self._call = compiling
        self.doing = self.starting = ""
        self._weights = weights
        self._compiled = 0

    def reached(self) -> Reached:
        """What the notes say now; of no task more than its weight."""
        noted = [(self._weights.get(key, 0), *_read(self.folder, key)) for key in _keys(self.folder)]
        compiling = any(each[4] for each in noted)
        if noted:
            self.starting = ""
        if compiling:
            self._call()
        return Reached(
            sum(min(weight, size) for weight, size, *_ in noted),
            sum(each[2] for each in noted),
            self.doing or self.starting or (COMPILING if compiling else ""),
            (self._compiled + sum(each[3] for each in noted)) / 1000,
        )

    def forget(self, key: str) -> None:
        """A task is done: it counts no longer."""
        self.starting = ""
        self._compiled += _read(self.folder, key)[2]
        forget(self.folder, key)


@contextlib.contextmanager
def watched(weights: Mapping[str, int], compiling: Callable[[], None] = lambda: None) -> Iterator[UnderWay]:
    """Tasks that will be under way inside."""
    folder = ""
    with contextlib.suppress(OSError):  # nobody's progress is worth a run
        folder = tempfile.mkdtemp(prefix="winnow-under-way-")
    try:
        yield UnderWay(folder, weights, compiling)
    finally:
        for key in _keys(folder):
            forget(folder, key)
        with contextlib.suppress(OSError):
            os.rmdir(folder)


@contextlib.contextmanager
def noted(folder: str, key: str) -> Iterator[None]:
    """Have what is read inside noted in `folder`, if that is there, as what the task `key` has read."""
    try:
        file = open(os.path.join(folder, key), "wb", buffering=0) if folder else None
    except OSError:
        file = None
    if file is None:
        yield
        return
    with file:
        note = _Note(file.fileno())
        with metered.into(note.read), kernel_cache.told(note.compiling):
            yield


def forget(folder: str, key: str) -> None:
    """Remove the note of an attempt that has ended."""
    with contextlib.suppress(OSError):
        os.remove(os.path.join(folder, key))


class _Note:
    """What an attempt notes in an open file, always as a whole."""

    def __init__(self, file: int):
        self._file = file
        self._bytes = self._documents = 0
        self._compiled, self._compiling = 0.0, False
        self._write()

    def read(self, bytes: int, documents: int) -> None:
        self._bytes, self._documents = bytes, documents
        self._write()

    def compiling(self, begins: bool, seconds: float) -> None:
        self._compiling, self._compiled = begins, self._compiled + seconds
        self._write()

    def _write(self) -> None:
        note = _NOTE.pack(self._bytes, self._documents, round(1000 * self._compiled), self._compiling)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, note, 0)


def _keys(folder: str) -> list[str]:
    try:
        return os.listdir(folder) if folder else []
    except OSError:
        return []


def _read(folder: str, key: str) -> tuple[int, int, int, bool]:
    """What a note says; nothing if it is not there, or its attempt has not begun to write."""
    try:
        with open(os.path.join(folder, key), "rb") as file:
            size, documents, compiled, compiling = _NOTE.unpack(file.read())
    except (OSError, struct.error):
        return 0, 0, 0, False
    return size, documents, compiled, compiling
