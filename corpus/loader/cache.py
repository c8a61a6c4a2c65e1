"""Local copies of blocks of files on object stores, named by what they hold.

A copy is written under the name of the block and `.part`, compared with its checksum, and renamed. Whoever writes has a
lock on that file (flock), which dies with its process: others wait for it, find the block there, and each block is
fetched once, by however many processes; what one leaves behind that was killed, the next writes over. Nothing else is
shared: no memory, no process that others wait for. Where a file system knows no locks, a block may be fetched twice.

A copy that is in use may be deleted: whoever has mapped it keeps it. So keeping to a limit needs no counting of users.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import numpy as np

from corpus.tokens.megatron import map_file

ATTEMPTS = 3
"""How often a block is fetched whose bytes are not what its checksum says."""
ABANDONED = 3600.0
"""Seconds after which a part that nobody has locked is deleted."""
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Cache:
    """Blocks in a folder, of at most about `limit` bytes (None: as many as there are) together: those that were opened
    last stay. Several processes may use one folder, and threads a cache."""

    def __init__(self, folder: str, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"cache_bytes must be at least 1, not {limit}")
        self.folder, self.limit = folder, limit
        self._added, self._lock = 0, threading.Lock()

    def open(
        self, name: str, size: int, fetch: Callable[[], bytes], wrong: Callable[[np.ndarray], str | None], what: str
    ) -> np.ndarray:
        """The block `name` of `size` bytes, uint8[size], mapped. What is not there is fetched; `wrong` says what is the
        matter with a copy, which is then fetched again. Raises ValueError, which begins with `what`, where that does
        not help; and what `fetch` raises."""
        path = os.path.join(self.folder, name[:2], name)
        problem: str | None = None
        for _ in range(ATTEMPTS):
            data = _mapped(path, size)
            if data is None:
                data = self._written(path, size, fetch)
            if data is None:  # somebody else has put it in place
                data = _mapped(path, size)
            if data is not None:
                problem = wrong(data)
                if problem is None:
                    _touch(path)
                    return data
                _remove(path)
        raise ValueError(f"{what} {problem or f'does not have {size} bytes'} (fetched {ATTEMPTS} times)")

    def _written(self, path: str, size: int, fetch: Callable[[], bytes]) -> np.ndarray | None:
        """Put the block in place, unless somebody else does (None). It is mapped before it has its name, from when on
        it may be deleted, and checked where it is opened."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with _part(path) as part:
            if os.path.exists(path):
                return None
            data = fetch()
            if len(data) != size:
                return None
            part.truncate(0)
            part.write(data)
            part.flush()
            found = map_file(part.name)
            os.replace(part.name, path)
        self._make_room(size)
        return found

    def _make_room(self, size: int) -> None:
        """Delete what was not used for longest where there is more than the limit: looked at after every 32nd of it
        that this process adds."""
        if self.limit is None:
            return
        with self._lock:
            self._added += size
            if self._added * 32 < self.limit:
                return
            self._added = 0
        blocks = sorted(self._blocks())
        excess = sum(each for _, each, _ in blocks) - self.limit
        for _, each, path in blocks:
            if excess <= 0:
                break
            _remove(path)
            excess -= each

    def _blocks(self) -> Iterator[tuple[int, int, str]]:
        """(time of its last opening in ns, bytes, path) of every block; what was abandoned is deleted on the way."""
        for folder in os.scandir(self.folder):
            if len(folder.name) != 2 or not folder.is_dir():
                continue
            for entry in os.scandir(folder.path):
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat()
                    if not entry.name.endswith(".part"):
                        yield found.st_mtime_ns, found.st_size, entry.path
                    elif time.time() - found.st_mtime > ABANDONED:
                        _sweep(entry.path)


@contextlib.contextmanager
def _part(path: str) -> Iterator:
    """The file that becomes the block `path`, locked, to write to; deleted if it has not become one."""
    name = path + ".part"
    while True:
        file = open(name, "ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _remove(name)
            file.close()
            name = f"{path}.{uuid.uuid4().hex[:8]}.part"
            file = open(name, "ab")
        if _is(file.fileno(), name):
            break
        file.close()  # whoever had it has put it in place, or given up
    try:
        yield file
    finally:
        if _is(file.fileno(), name):
            _remove(name)
        file.close()


def _is(handle: int, name: str) -> bool:
    """Whether the open file is the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(name))
    except FileNotFoundError:
        return False


def _sweep(name: str) -> None:
    """Delete a part that nobody writes."""
    with contextlib.suppress(OSError), open(name, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(file.fileno(), name):
            _remove(name)


def _mapped(path: str, size: int) -> np.ndarray | None:
    """The bytes of a file; None where it is not there, or of another size, and then deleted."""
    try:
        if os.path.getsize(path) == size:
            return map_file(path)
    except FileNotFoundError:
        return None
    _remove(path)
    return None


def _touch(path: str) -> None:
    with contextlib.suppress(OSError):
        os.utime(path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
