"""Local copies of blocks of files on object stores, named by what they hold.

A copy is written under the name of the block and `.part`, compared with its checksum, and renamed. Whoever writes has a
lock on that file (flock), which dies with its process: others wait for it, find the block there, and each block is
fetched once, by however many processes; what one leaves behind that was killed, the next writes over. Nothing else is
shared: no memory, no process that others wait for without end. Where a file system knows no locks, or who has one does
not come to an end, a block may be fetched twice.

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
from typing import IO

import numpy as np

from corpus.tokens.megatron import map_file

ATTEMPTS = 3
"""How often a block is fetched whose bytes are not what its checksum says."""
ABANDONED = 3600.0
"""Seconds after which a part that nobody has locked is deleted."""
PATIENCE = 60.0
"""Seconds for which a block is waited for that another process fetches, which may have been stopped, or be stuck."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
Buffer = bytes | memoryview
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Cache:
    """Blocks in a folder, of at most about `limit` bytes (None: as many as there are) together: those that were opened
    last stay. Several processes may use one folder, and threads a cache."""

    def __init__(self, folder: str, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"cache_bytes must be at least 1, not {limit}")
        self.folder, self.limit = folder, limit
        self._added, self._lock = limit or 0, threading.Lock()  # what others left here is looked at first

    def open(
        self, name: str, size: int, fetch: Callable[[], Buffer], wrong: Callable[[np.ndarray], str | None], what: str
    ) -> np.ndarray:
        """The block `name` of `size` bytes, uint8[size], mapped. What is not there is fetched; `wrong` says what is the
        matter with a copy, which is then fetched again. Raises ValueError, which begins with `what`, where that does
        not help; OSError where the folder takes no copy; and what `fetch` raises."""
        path = os.path.join(self.folder, name[:2], name)
        problem: str | None = None
        for _ in range(ATTEMPTS):
            data = _mapped(path, size)
            if data is None:
                try:
                    data = self._written(path, size, fetch)
                except FileNotFoundError as error:
                    if not str(error.filename).startswith(self.folder):
                        raise
                    problem = f"finds no place in {self.folder}, which somebody deletes"
                except OSError as error:
                    if error.errno not in _FULL:
                        raise
                    if not self._make_room():
                        held = "" if self.limit is None else f", of which the cache has {self.limit} or less"
                        raise OSError(
                            error.errno,
                            f"no room for a block of {size} bytes in the cache {self.folder}{held}: free some, or set "
                            "cache_bytes to less than the disk has",
                        ) from None
            if data is None:  # somebody else has put it in place
                data = _mapped(path, size)
            if data is not None:
                problem = wrong(data)
                if problem is None:
                    _touch(path)
                    return data
                _remove(path)
        raise ValueError(f"{what} {problem or f'does not have {size} bytes'} (fetched {ATTEMPTS} times)")

    def _written(self, path: str, size: int, fetch: Callable[[], Buffer]) -> np.ndarray | None:
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
        with self._lock:
            self._added += size
            if self.limit is None or self._added * 32 < self.limit:
                return found
            self._added = 0
        self._make_room()
        return found

    def _make_room(self) -> int:
        """Delete what was not used for longest where there is more than the limit, as is looked at after every 32nd of
        it that this process adds: how many bytes."""
        if self.limit is None:
            return 0
        blocks = sorted(self._blocks())
        excess, freed = sum(size for _, size, _ in blocks) - self.limit, 0
        for _, size, path in blocks:
            if freed >= excess:
                break
            with contextlib.suppress(PermissionError):  # somebody else's
                _remove(path)
                freed += size
        return freed

    def _blocks(self) -> Iterator[tuple[int, int, str]]:
        """(time of its last opening in ns, bytes, path) of every block; what was abandoned is deleted on the way."""
        for folder in _entries(self.folder):
            for entry in _entries(folder.path) if len(folder.name) == 2 and folder.is_dir() else []:
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat()
                    if not entry.name.endswith(".part"):
                        yield found.st_mtime_ns, found.st_size, entry.path
                    elif time.time() - found.st_mtime > ABANDONED:
                        _sweep(entry.path)


@contextlib.contextmanager
def _part(path: str) -> Iterator:
    """The file that becomes the block `path`, locked, to write to; deleted if it has not become one. Without a lock it
    has a name of its own."""
    name, until = path + ".part", time.monotonic() + PATIENCE
    while True:
        file = open(name, "ab")
        if not _locked(file, until):
            file.close()
            name = f"{path}.{uuid.uuid4().hex[:8]}.part"
            file = open(name, "ab")
        if _is(file.fileno(), name):
            break
        file.close()  # whoever had it has put it in place, or given up
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):  # of what could not be written, and has been said
            if _is(file.fileno(), name):
                _remove(name)
            file.close()


def _locked(file: IO[bytes], until: float) -> bool:
    """Whether we have a lock on a file, waited for until then. Where there are no locks the file is deleted."""
    wait = 0.001
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno in _NO_LOCKS:
                _remove(file.name)  # which nobody else has
                return False
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        if time.monotonic() > until:
            return False
        time.sleep(wait)
        wait = min(2 * wait, 0.05)


def _is(handle: int, name: str) -> bool:
    """Whether the open file is the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(name))
    except FileNotFoundError:
        return False


def _entries(folder: str) -> list[os.DirEntry]:
    """What is in a folder; nothing in one that is gone."""
    with contextlib.suppress(FileNotFoundError):
        return list(os.scandir(folder))
    return []


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
