"""What a run asks of its storage, counted; and an object store that takes its time.

    with slow_store.counting(tmp_path) as counts:
        runs.run(recipe, str(tmp_path / "out"))
    assert counts["opens"] <= 3 * shards

    with slow_store.store(tmp_path / "bucket", seconds=0.03) as counts:
        runs.run(recipe, "slow://out")  # lies in tmp_path / "bucket" / "out"

Only what this process does is counted: run with `workers=0`.
"""

import builtins
import collections
import contextlib
import math
import os
import pathlib
import threading
import time
from unittest import mock

import pyarrow as pa
import pyarrow.fs as pafs

from corpus.io import paths, retries

SCHEME = "slow://"
LISTED_AT_ONCE = 1000
"""Names that a store gives for a request, as S3 does."""
OF_OS = {
    "stat": "stats", "lstat": "stats", "scandir": "listings", "listdir": "listings", "replace": "renames",
    "link": "links", "remove": "deletes", "unlink": "deletes", "rmdir": "deletes", "mkdir": "folders",
}  # fmt: skip


class Counts(collections.Counter):
    """Operations by kind:

    opens, reads, bytes read: of files for reading; one that is memory-mapped is one read of all of it
    creates, writes, bytes written: of files for writing
    stats, listings, listed: questions about a file, about a folder, and the names that these were answered with
    renames, links, copies, deletes, folders

    `opened` says how often each file was opened for reading."""

    def __init__(self, folders=()):
        super().__init__()
        self.opened = collections.Counter()
        self._folders = tuple(os.path.abspath(folder) for folder in folders)
        self._lock = threading.Lock()

    def note(self, kind, path, number=1):
        """Count an operation on a file, if it is one of those that are looked at."""
        if self._folders and not os.path.abspath(os.fspath(path)).startswith(self._folders):
            return
        with self._lock:
            self[kind] += number
            if kind == "opens":
                self.opened[os.fspath(path)] += 1

    @property
    def operations(self):
        """All of them together."""
        return sum(number for kind, number in self.items() if not kind.startswith(("bytes", "listed")))


class _File:
    """A file whose reads and writes are counted, and take their time."""

    def __init__(self, file, path, note):
        self._file, self._path, self._note = file, path, note

    def read(self, *arguments):
        data = self._file.read(*arguments)
        self._note("reads", self._path)
        self._note("bytes read", self._path, len(data))
        return data

    def read_buffer(self, *arguments):
        """Arrow asks for this where there is one."""
        data = self._file.read_buffer(*arguments)
        self._note("reads", self._path)
        self._note("bytes read", self._path, data.size)
        return data

    def write(self, data):
        self._note("writes", self._path)
        self._note("bytes written", self._path, memoryview(data).nbytes)
        return self._file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __iter__(self):
        return iter(self._file)

    def __getattr__(self, name):
        return getattr(self._file, name)


class _CountedDisk(pafs.LocalFileSystem):
    """The local file system, counted by `note`."""

    note = None

    def get_file_info(self, asked):
        found = super().get_file_info(asked)
        if isinstance(asked, pafs.FileSelector):
            self.note("listings", asked.base_dir)
            self.note("listed", asked.base_dir, len(found))
        else:
            for path in asked if isinstance(asked, list) else [asked]:
                self.note("stats", path)
        return found

    def create_dir(self, path, **named):
        self.note("folders", path)
        return super().create_dir(path, **named)

    def delete_file(self, path):
        self.note("deletes", path)
        return super().delete_file(path)

    def copy_file(self, path, target):
        self.note("copies", target)
        return super().copy_file(path, target)

    def open_input_file(self, path):
        self.note("opens", path)
        return pa.PythonFile(_File(super().open_input_file(path), path, self.note), "r")

    def open_output_stream(self, path, **named):
        self.note("creates", path)
        return pa.PythonFile(_File(super().open_output_stream(path, **named), path, self.note), "w")


@contextlib.contextmanager
def counting(*folders):
    """What is inside has its operations on local files below `folders` counted, on all where there are none."""
    counts = Counts(folders)
    disk = _CountedDisk()
    disk.note = counts.note
    open_, memory_map = builtins.open, pa.memory_map
    of_os = {name: getattr(os, name) for name in OF_OS}

    def opening(file, mode="r", *arguments, **named):
        opened = open_(file, mode, *arguments, **named)
        if "b" not in mode or not isinstance(file, (str, os.PathLike)):
            return opened
        counts.note("opens" if mode == "rb" else "creates", file)
        return _File(opened, file, counts.note)

    def mapping(path, *arguments):
        mapped = memory_map(path, *arguments)
        for kind, number in (("opens", 1), ("reads", 1), ("bytes read", mapped.size())):
            counts.note(kind, path, number)
        return mapped

    def counted(name):
        def call(path=".", *arguments, **named):
            if isinstance(path, (str, os.PathLike)):
                counts.note(OF_OS[name], path)
            return of_os[name](path, *arguments, **named)

        return call

    with (
        mock.patch.object(paths, "LOCAL", disk),
        mock.patch.object(builtins, "open", opening),
        mock.patch.object(pa, "memory_map", mapping),
        mock.patch.multiple(os, **{name: counted(name) for name in OF_OS}),
    ):
        yield counts


class _Store(pafs.FileSystemHandler):
    """Files in a local folder as an object store has them: each request is counted and takes `seconds`, folders are
    nothing, a file is there once it is closed."""

    def __init__(self, folder, seconds, counts):
        self.disk = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
        self.seconds, self.counts = seconds, counts

    def request(self, kind, path, number=1):
        if not kind.startswith("bytes"):
            time.sleep(self.seconds)
        self.counts.note(kind, path, number)

    def get_type_name(self):
        return "slow"

    def normalize_path(self, path):
        return path

    def get_file_info(self, asked):
        for path in asked:
            self.request("stats", path)
        return self.disk.get_file_info(asked)

    def get_file_info_selector(self, selector):
        found = self.disk.get_file_info(selector)
        for _ in range(max(1, math.ceil(len(found) / LISTED_AT_ONCE))):
            self.request("listings", selector.base_dir)
        self.counts.note("listed", selector.base_dir, len(found))
        return found

    def create_dir(self, path, recursive):
        self.request("folders", path)
        self.disk.create_dir(path, recursive=recursive)

    def delete_file(self, path):
        self.request("deletes", path)
        self.disk.delete_file(path)

    def copy_file(self, path, target):
        self.request("copies", target)
        self.disk.create_dir(target.rpartition("/")[0], recursive=True)
        self.disk.copy_file(path, target)

    def open_input_file(self, path):
        self.request("opens", path)  # which asks for the size
        return pa.PythonFile(_File(self.disk.open_input_file(path), path, self.request), "r")

    open_input_stream = open_input_file

    def open_output_stream(self, path, metadata):
        self.request("creates", path)
        self.disk.create_dir(path.rpartition("/")[0], recursive=True)
        return pa.PythonFile(_File(self.disk.open_output_stream(path), path, self.note_written), "w")

    def note_written(self, kind, path, number=1):
        """Small writes are put together before they are sent: the one request is that of the opening."""
        self.counts.note(kind, path, number)

    def _none(self, *_):
        raise NotImplementedError("no object store does that")

    delete_dir = delete_dir_contents = delete_root_dir_contents = move = open_append_stream = _none


@contextlib.contextmanager
def store(folder, seconds=0.03):
    """An object store for what is inside: `slow://x/y` is the file x/y in `folder`, and each request takes `seconds`.
    Its operations are counted, as they are asked of a store in the field: see `corpus.io.retries`."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    counts = Counts()
    files = pafs.PyFileSystem(_Store(folder, seconds, counts))
    slow = pafs.PyFileSystem(retries.Steady(files, SCHEME, "a slow store", lambda: files, flat=True))
    known = paths.filesystem

    def filesystem(name):
        return (slow, name.removeprefix(SCHEME)) if name.startswith(SCHEME) else known(name)

    paths.filesystem = filesystem
    try:
        yield counts
    finally:
        paths.filesystem = known
