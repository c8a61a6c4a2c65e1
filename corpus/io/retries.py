"""Storage that fails for a while: what is asked of a store is asked again, after a wait, and counted.

`Steady` makes of any filesystem one that does so; `corpus.io.stores` puts it before every store that is not this
machine's disk. Whoever uses `corpus.io.paths` knows nothing of it, and nothing else tries an operation again (a task
as a whole is another matter: `pipelines.engine.backends`).

A file's size is known before it is read, and it ends there: an answer that is cut short is a failure, never the end.
"""

from __future__ import annotations

import errno
import functools
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

ATTEMPTS = 8
"""Attempts at an operation: about twenty seconds, with the waits between them."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds before the second attempt, twice as many before each further one, and at most. What is really waited is
half of that or more, by chance, so that workers that failed together do not come back together."""
PART = 256 << 20
"""Bytes that are asked for at once at most."""
AHEAD = 4 << 20
"""Bytes that are asked for at least where a file is read from one end to the other."""
SMALL, TAIL = 256 << 10, 64 << 10
"""A file of so many bytes is read whole; where something near the end of a larger one is read, such as the footer of a
table, so many."""
HELD = 8 << 20
"""Bytes of a file that is written are held back, and if there are no more, written by one request; a larger file goes
out as it comes."""

_ANSWERS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
"""Errors that are answers."""
_OF_CODE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, MemoryError, AssertionError)
"""Errors that are nobody's but the caller's."""
_FINAL = re.compile(
    r"AWS Error (ACCESS_DENIED|NO_SUCH_BUCKET|ACCOUNT_PROBLEM|INVALID_ACCESS_KEY\w*|INVALID_CLIENT_TOKEN\w*|"
    r"INVALID_SIGNATURE|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT|EXPIRED_TOKEN|MISSING_AUTHENTICATION\w*|VALIDATION)\b"
)
"""What comes again, as Arrow's S3 says it."""
_PASSES = {408, 409, 425, 429}
"""Statuses of HTTP below 500 of what does not."""
_STATUS = re.compile(r"AWS Error \w+ \(HTTP status (\d{3})\)")
_BEFORE = re.compile(r"^When [^\n]*?: (?=AWS Error)")
"""What Arrow says of an operation before it says what failed; we name the file ourselves."""

Result = TypeVar("Result")


class StoreFailed(OSError):
    """Storage that failed for good; the message is one sentence that names the file and the store. Its `errno` is
    EIO, as that of a disk."""

    def __init__(self, sentence: str):
        super().__init__(errno.EIO, sentence)

    def __str__(self) -> str:
        return str(self.args[1])

    def __reduce__(self) -> tuple[type[StoreFailed], tuple[str]]:
        return StoreFailed, (str(self),)


class _Tally:
    """A number that several threads count up."""

    def __init__(self) -> None:
        self.number, self._lock = 0, threading.Lock()

    def add(self) -> None:
        with self._lock:
            self.number += 1


_again = _Tally()


def count() -> int:
    """How often this process has tried something again."""
    return _again.number


def call(operation: Callable[[], Result], what: str) -> Result:
    """What `operation` returns, tried again while it fails as storage does for a while. Raises StoreFailed, which
    begins with `what`, where it fails for good; what is an answer of the storage (FileNotFoundError and the like) or
    no fault of it (ValueError and the like) comes as it is."""
    attempt = 1
    while True:
        try:
            return operation()
        except (StoreFailed, *_ANSWERS, *_OF_CODE):
            raise
        except Exception as error:
            if attempt == ATTEMPTS or not may_pass(error):
                tried = f" (tried {attempt} times)" if attempt > 1 else ""
                raise StoreFailed(f"{what} fails: {_reason(error)}{tried}") from error
        _again.add()
        time.sleep(min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0))
        attempt += 1


def may_pass(error: BaseException) -> bool:
    """Whether what failed so may succeed if it is tried again."""
    if isinstance(error, PermissionError) or _FINAL.search(str(error)):
        return False
    status = status_of(error)
    return status is None or status >= 500 or status in _PASSES


def status_of(error: BaseException) -> int | None:
    """The status of HTTP that an error is about, or that which it was made of, as Arrow and the libraries behind fsspec
    say it."""
    for each in filter(None, (error, error.__cause__)):
        found = getattr(each, "status", None) or getattr(getattr(each, "response", None), "status_code", None)
        said = _STATUS.search(str(each))
        if isinstance(found, int) or said:
            return found if isinstance(found, int) else int(said[1]) if said else None
    return None


def _reason(error: Exception) -> str:
    """What an exception says, in one line."""
    return _BEFORE.sub("", " ".join(str(error).split())) or type(error).__name__


class Steady(pafs.FileSystemHandler):
    """The operations of a filesystem, each tried again. `root` stands before paths in names of files, `store` says
    where they are. `writing` gives the filesystem through which large files are written: a stream cannot be begun
    anew here, so that it has to try each of its requests again by itself. With `flat` there are no folders, and none
    are made but the first, the bucket, if `makes_buckets`."""

    def __init__(
        self,
        filesystem: pafs.FileSystem,
        root: str,
        store: str,
        writing: Callable[[], pafs.FileSystem],
        flat: bool = False,
        makes_buckets: bool = False,
    ):
        self.filesystem, self.root, self.store, self.writing = filesystem, root, store, writing
        self.flat, self.makes_buckets = flat, makes_buckets
        self._made: set[str] = set()

    def _call(self, operation: Callable[[], Result], path: str) -> Result:
        return call(operation, self._said(path))

    def _said(self, path: str) -> str:
        return f"{self.root}{path}: {self.store}"

    def get_type_name(self) -> str:
        return str(self.filesystem.type_name)

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[pafs.FileInfo]:
        return self._call(lambda: self.filesystem.get_file_info(list(paths)), paths[0] if paths else "")

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        return self._call(lambda: self.filesystem.get_file_info(selector), selector.base_dir)

    def create_dir(self, path: str, recursive: bool) -> None:
        if not self.flat:
            return self._call(lambda: self.filesystem.create_dir(path, recursive=recursive), path)
        bucket = path.partition("/")[0]
        if self.makes_buckets and bucket not in self._made:
            self._call(lambda: self.filesystem.create_dir(bucket), bucket)
            self._made.add(bucket)
        return None

    def delete_dir(self, path: str) -> None:
        self._call(lambda: self.filesystem.delete_dir(path), path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        self._call(lambda: self.filesystem.delete_dir_contents(path, missing_dir_ok=missing_dir_ok), path)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError("nobody deletes all there is")

    def delete_file(self, path: str) -> None:
        self._call(lambda: self.filesystem.delete_file(path), path)

    def move(self, src: str, dest: str) -> None:
        raise NotImplementedError("a move that is tried again may find nothing to move")

    def copy_file(self, src: str, dest: str) -> None:
        self._call(lambda: self.filesystem.copy_file(src, dest), src)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(Input(lambda: self.filesystem.open_input_file(path), self._said(path)), mode="r")

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        def put(data: list[bytes]) -> None:
            with self.filesystem.open_output_stream(path, compression=None, metadata=metadata) as file:
                for piece in data:
                    file.write(piece)

        def stream() -> pa.NativeFile:
            return self.writing().open_output_stream(path, compression=None, metadata=metadata)

        return pa.PythonFile(Output(put, stream, self._said(path)), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        raise NotImplementedError("nothing is appended to")


class Input:
    """A file of a store, opened by `opener`, as Python's binary files are read."""

    def __init__(self, opener: Callable[[], pa.NativeFile], what: str):
        self.closed = False
        self._what = what
        self._file = call(opener, what)
        self._size = call(self._file.size, what)
        self._place = 0
        self._next = 0  # where the last read ended
        self._held, self._from = b"", 0  # bytes that were asked for ahead, and where they begin

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def close(self) -> None:
        self.closed = True
        self._held = b""
        self._file.close()

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the end of the file. Raises StoreFailed."""
        start = min(self._place, self._size)
        end = self._size if size is None or size < 0 else min(start + size, self._size)
        data = self._between(start, end)
        self._place = self._next = end
        return data

    def _between(self, start: int, end: int) -> bytes:
        until = self._from + len(self._held)
        if self._from <= start < until:
            held = self._held[start - self._from : end - self._from]
            return held if end <= until else held + self._between(until, end)
        if start >= end:
            return b""
        first, last = self._window(start, end)
        pieces = [self._part(at, min(at + PART, last)) for at in range(first, last, PART)]
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if (first, last) == (start, end):
            return data
        self._held, self._from = data, first
        return data[start - first : end - first]

    def _window(self, start: int, end: int) -> tuple[int, int]:
        """What is asked for where this is wanted."""
        if self._size <= SMALL:
            return 0, self._size
        if start >= self._size - TAIL:
            return self._size - TAIL, self._size
        if start in (self._next, self._from + len(self._held)):
            return start, max(end, min(start + AHEAD, self._size))
        return start, end

    def _part(self, start: int, end: int) -> bytes:
        return call(lambda: self._asked(start, end), self._what)

    def _asked(self, start: int, end: int) -> bytes:
        """One attempt."""
        try:
            data = self._file.read_at(end - start, start)
        except ValueError as error:  # of fsspec, where a server gives files as a whole only
            raise StoreFailed(f"{self._what} fails: {_reason(error)}; download the file first") from error
        if len(data) != end - start:
            raise OSError(f"an answer of {len(data)} bytes, and not {end - start}")
        return data


class Output:
    """A file of a store, as Python's binary files are written: by `put` if it is small, else through `stream`. It is
    there when it has been closed."""

    def __init__(self, put: Callable[[list[bytes]], None], stream: Callable[[], pa.NativeFile], what: str):
        self.closed = False
        self._put, self._open_stream, self._what = put, stream, what
        self._held: list[bytes] = []
        self._size = 0
        self._stream: pa.NativeFile | None = None

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def write(self, data: bytes) -> int:
        """Append. Raises StoreFailed."""
        self._size += len(data)
        self._held.append(bytes(data))
        if self._stream is None and self._size > HELD:
            self._stream = self._once(self._open_stream)
        if self._stream is not None:
            for piece in self._held:
                self._once(functools.partial(self._stream.write, piece))
            self._held = []
        return len(data)

    def close(self) -> None:
        """Complete the file. Raises StoreFailed."""
        if self.closed:
            return
        self.closed = True
        if self._stream is None:
            call(lambda: self._put(self._held), self._what)
        else:
            self._once(self._stream.close)

    def _once(self, operation: Callable[[], Result]) -> Result:
        """An operation on the stream, which has tried by itself."""
        try:
            return operation()
        except (StoreFailed, *_OF_CODE):
            raise
        except Exception as error:
            raise StoreFailed(f"{self._what} fails: {_reason(error)}") from error
