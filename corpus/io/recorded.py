"""What is written is hashed on its way, so that who answers for files need not read them again.

found = {}
with recorded.into(found):
    with paths.open_output("x.arrow") as file:
        file.write(b"data")
found["x.arrow"]  # (4, the xxh3-128 of what was written, in hex)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pyarrow as pa

Found = dict[str, tuple[int, str]]
"""By path or URI: bytes and xxh3-128 of a file that was written."""

AT_A_TIME = 1 << 16
"""Bytes that are written and hashed at a time, or more."""

_into: ContextVar[Found | None] = ContextVar("_into", default=None)


@contextlib.contextmanager
def into(found: Found) -> Iterator[None]:
    """Files that this thread opens by `paths.open_output` inside are in `found` once they are closed. What is written
    in other ways, or by other threads, is not."""
    token = _into.set(found)
    try:
        yield
    finally:
        _into.reset(token)


def watch(name: str, file: pa.NativeFile) -> pa.NativeFile:
    """A file that has just been opened for writing, from its beginning to its end; hashed where that is wanted."""
    found = _into.get()
    if found is None:
        return file
    # formats write many small pieces, and each that comes through to Python costs more than hashing it
    return pa.BufferedOutputStream(pa.PythonFile(_Hashed(name, file, found), "w"), AT_A_TIME)


class _Hashed:
    """A file that can only be written to, and that notes what was. Once that has failed it takes the rest and says
    nothing: whoever had the error gives the file up, and Arrow flushes and closes it once more as it goes."""

    def __init__(self, name: str, file: pa.NativeFile, found: Found):
        import xxhash  # whoever only reads does without

        found.pop(name, None)
        self._name, self._file, self._found = name, file, found
        self._digest, self._bytes = xxhash.xxh3_128(), 0
        self._failed = False

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self._failed:
            return size
        try:
            self._file.write(data)
        except BaseException:
            self._failed = True
            raise
        self._digest.update(data)
        self._bytes += size
        return size

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        if not self._failed:
            self._file.flush()

    def close(self) -> None:
        if self._failed:
            with contextlib.suppress(OSError):
                self._file.close()
        elif not self._file.closed:
            self._failed = True  # until it is closed
            self._file.close()
            self._failed = False
            self._found[self._name] = self._bytes, self._digest.hexdigest()
