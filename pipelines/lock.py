"""A lock on a run directory: it spares people two runs that undo each other's work.

`OUT/lock.json` names the run that uses OUT, and that run writes it anew every few seconds. A lock whose run is gone is
taken over. It is advisory: what two runs write would be right all the same, since tasks commit by themselves.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

import psutil

from corpus.io import paths
from pipelines.publishing import LOCK

BEAT = 10.0
"""Seconds between heartbeats."""
STALE = 60.0
"""Seconds without one, or of difference between two machines' clocks, after which a lock is looked at for a while."""
SETTLE = 1.0
"""Seconds after which a lock that was taken over is looked at again: somebody else may have done so, too."""
TRIES = 20
"""How often a lock is looked for that is neither there nor can be made."""
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
"""Errors with which a file system says that it has no hard links."""


_HELD: set[str] = set()
"""Tokens of the locks that this process holds. A lock of this process that is not among them could not be removed."""


class Locked(RuntimeError):
    """Another run uses the directory; the message is one sentence."""


class Lock:
    """The lock of a run directory; a context manager. `say` is told of a lock that is taken over. Raises Locked."""

    def __init__(self, output: str, say: Callable[[str], None]):
        self.output, self.path, self.say = output, paths.join(output, LOCK), say
        self.token = uuid.uuid4().hex
        self.lost = ""
        self._beats = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Lock:
        _HELD.add(self.token)
        try:
            self._acquire()
        except BaseException:
            self._release()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._release()

    def _acquire(self) -> None:
        for _ in range(TRIES):
            held = self._read()
            if held is not None:
                return self._take_over(held)
            if self._create():
                return
        raise Locked(f"{self.output} cannot be locked: {self.path} comes and goes")

    def _release(self) -> None:
        _HELD.discard(self.token)
        with contextlib.suppress(OSError):
            if self._is_mine():
                paths.remove([self.path])

    def check(self) -> None:
        """Raises Locked if somebody has taken this lock over."""
        if self.lost:
            raise Locked(f"{self.output} was taken over by {self.lost}; this run stops")

    def _take_over(self, held: dict) -> None:
        owner = held.get("owner", "a run")
        if not self._is_stale(held):
            raise Locked(
                f"{self.output} is in use by {owner}, since {held.get('since', 'some time')}; wait for it, or choose "
                "another --output"
            )
        self.say(f"{self.output} was locked by {owner}, which has ended without unlocking it; going on")
        paths.write_atomic(self.path, self._content())
        time.sleep(SETTLE)
        if not self._is_mine():
            raise Locked(f"{self.output} has just been taken by {(self._read() or held).get('owner')}")

    def _is_stale(self, held: dict) -> bool:
        """Whether the run that holds the lock is gone. Of one on this machine the system knows; another's clock may
        be wrong, so that one that looks stale is watched for a heartbeat."""
        if held.get("machine") == _machine():
            mine = held.get("pid") == os.getpid()
            return held.get("token") not in _HELD if mine else not _runs(held.get("pid"), held.get("created"))
        written = held.get("time")
        if isinstance(written, (int, float)) and abs(time.time() - written) < STALE:
            return False
        self.say(f"{self.output} is locked by {held.get('owner')}; looking whether that still runs ...")
        time.sleep(1.5 * BEAT)
        now = self._read()
        return now is None or (now.get("token"), now.get("beat")) == (held.get("token"), held.get("beat"))

    def _create(self) -> bool:
        """Make the lock if there is none."""
        path = paths.local_path(self.path)
        if path is None:
            return self._create_unlinked()
        paths.make_folder(self.output)
        beside = paths.temporary(path)
        try:
            with open(beside, "wb") as file:
                file.write(self._content())
            os.link(beside, path)  # with its content, or not at all
        except (FileExistsError, FileNotFoundError):  # somebody was faster, or has tidied up
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._create_unlinked()
        finally:
            paths.remove([beside])
        return True

    def _create_unlinked(self) -> bool:
        """The same where the storage has no links: the last of those who write at the same time has it."""
        paths.write_atomic(self.path, self._content())
        time.sleep(SETTLE)
        return self._is_mine()

    def _content(self) -> bytes:
        self._beats += 1
        process = psutil.Process()
        record = {
            "owner": f"{_user()} on {socket.gethostname()}, process {process.pid}",
            "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(process.create_time())),
            "machine": _machine(),
            "pid": process.pid,
            "created": process.create_time(),
            "token": self.token,
            "beat": self._beats,
            "time": time.time(),
        }
        return (json.dumps(record, indent=1) + "\n").encode()

    def _read(self) -> dict | None:
        """What is in the lock; None if there is none. A lock that cannot be read is nobody's."""
        try:
            record = json.loads(paths.read_bytes(self.path))
            return record if isinstance(record, dict) else {}
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            return {}

    def _is_mine(self) -> bool:
        return (self._read() or {}).get("token") == self.token

    def _keep(self) -> None:
        while not self._done.wait(BEAT):
            with contextlib.suppress(OSError):  # the storage may come back
                held = self._read()
                if held is not None and held.get("token") != self.token:
                    self.lost = held.get("owner", "another run")
                    return
                paths.write_atomic(self.path, self._content())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a list of users
        return "somebody"


def _machine() -> str:
    """A name of the machine, since it was started, and of the container, in which numbers of processes hold."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _runs(pid: object, created: object) -> bool:
    """Whether the process of that number is still the one that was created then. One that has ended and that nobody has
    asked after (a zombie) does not run."""
    if not isinstance(pid, int) or not isinstance(created, (int, float)):
        return False
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - created) < 1
    except (psutil.Error, ValueError, OverflowError):
        return False
