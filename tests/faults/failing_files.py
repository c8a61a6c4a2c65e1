"""A disk that fails: OSError out of the n-th file operation of this process, once or from then on.

Operations are what `corpus.io.paths` and its callers do with files: asking, listing, making folders, opening, each
read and each write, flushing, renaming, linking, removing.
"""

import builtins
import contextlib
import errno
import os
import traceback
from unittest import mock

import pyarrow as pa
import pyarrow.fs as pafs

from corpus.io import paths

OF_OS = ("replace", "link", "remove", "rmdir", "makedirs", "fsync", "scandir")
WRITING = ("write", "open for writing", "make folder", "copy", "os.replace", "os.link", "os.makedirs", "os.fsync")


class Disk:
    """Counts operations; at number `at` it raises `error`, and if `lasting`, at all later ones, too. With
    `only_writing` reading goes on, as on a disk that is full."""

    def __init__(self, at=None, error=errno.EIO, lasting=False, only_writing=False):
        self.at, self.error, self.lasting, self.only_writing = at, error, lasting, only_writing
        self.count, self.failed, self.where = 0, 0, ""

    def operation(self, kind: str) -> None:
        if self.only_writing and kind not in WRITING:
            return
        self.count += 1
        if self.at is not None and (self.count == self.at or (self.lasting and self.count > self.at)):
            self.failed += 1
            if not self.where:
                frames = [
                    f
                    for f in traceback.extract_stack()
                    if "/faults/" not in f.filename and "site-packages" not in f.filename
                ]
                self.where = f"{kind} in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno} {frames[-1].name}"
            raise OSError(self.error, f"{os.strerror(self.error)} (injected)")


class FailingFileSystem(pafs.LocalFileSystem):
    """The local file system on such a disk."""

    disk: Disk

    def get_file_info(self, *arguments):
        self.disk.operation("ask")
        return super().get_file_info(*arguments)

    def create_dir(self, *arguments, **named):
        self.disk.operation("make folder")
        return super().create_dir(*arguments, **named)

    def delete_file(self, *arguments):
        self.disk.operation("delete")
        return super().delete_file(*arguments)

    def copy_file(self, *arguments):
        self.disk.operation("copy")
        return super().copy_file(*arguments)

    def open_input_file(self, path):
        self.disk.operation("open for reading")
        return pa.PythonFile(FailingFile(open(path, "rb"), self.disk), "r")

    def open_output_stream(self, path, *_, **__):
        self.disk.operation("open for writing")
        return pa.PythonFile(FailingFile(open(path, "wb"), self.disk), "w")


class FailingFile:
    """A file on such a disk."""

    def __init__(self, file, disk: Disk):
        self._file, self._disk = file, disk

    def read(self, *arguments):
        self._disk.operation("read")
        return self._file.read(*arguments)

    def write(self, data):
        self._disk.operation("write")
        return self._file.write(data)

    def flush(self):
        self._disk.operation("write")
        self._file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


@contextlib.contextmanager
def on(disk: Disk):
    """What is inside uses that disk."""
    open_, memory_map = builtins.open, pa.memory_map
    of_os = {name: getattr(os, name) for name in OF_OS}
    system = FailingFileSystem()
    system.disk = disk

    def opening(file, mode="r", *arguments, **named):
        if not isinstance(file, (str, os.PathLike)) or not _is_data(file):
            return open_(file, mode, *arguments, **named)
        disk.operation("open for reading" if mode in ("r", "rb") else "open for writing")
        opened = open_(file, mode, *arguments, **named)
        return FailingFile(opened, disk) if "b" in mode else opened

    def mapping(path, *arguments):
        disk.operation("open for reading")
        return memory_map(path, *arguments)

    def wrapped(name):
        def call(*arguments, **named):
            disk.operation(f"os.{name}")
            return of_os[name](*arguments, **named)

        return call

    FailingFileSystem.open_input_file.__globals__["open"] = open_  # ours opens by itself
    with (
        mock.patch.object(paths, "LOCAL", system),
        mock.patch.object(builtins, "open", opening),
        mock.patch.object(pa, "memory_map", mapping),
        mock.patch.multiple(os, **{name: wrapped(name) for name in OF_OS}),
    ):
        yield disk


def _is_data(file) -> bool:
    """Whether a file is one that a run works on, and no source, library or device."""
    path = os.fspath(file)
    return (
        isinstance(path, str)
        and not path.startswith(("/proc", "/sys", "/dev", "/usr", "/etc"))
        and not path.endswith((".py", ".pyc"))
        and "site-packages" not in path
    )
