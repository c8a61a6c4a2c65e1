"""Where compiled kernels are kept: a folder for each module and the closure of its imports.

Numba's own cache looks at the file of the compiled function only: a kernel that calls or inlines one from another,
changed file would be taken from the cache as it was, in silence. A folder named by `closure.digest` of the module
cannot go stale, serves any number of versions side by side, and outlives a comment. Numba asks `ByClosure` before its
own locators; it answers for our modules only. Imports nothing but the standard library, and numba not at all.

The folders are in the first place that can be written to of NUMBA_CACHE_DIR, the package's `__pycache__`,
XDG_CACHE_HOME or ~/.cache, and the directory for temporary files. What a place before that one, which can only be
read, has of a module (since `winnow warm` ran in an image) is copied. Of processes that want a kernel that nobody has,
one compiles it, and the others take it from the cache.

Numba is also kept from importing SciPy where no kernel needs it: before the first kernel, which would wait for that.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import stat
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from corpus import closure

KEEP_SECONDS = 7 * 24 * 3600
"""How long kernels of other versions of a module are kept that nobody uses."""


class ByClosure:
    """What numba calls a cache locator, for a function of one of our modules."""

    def __init__(self, folder: pathlib.Path, digest: str, file: str):
        self._folder, self._digest, self._py_file = folder, digest, file

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> ByClosure | None:
        """None for a function that is not ours."""
        module = function.__module__
        if module.partition(".")[0] not in closure.OWN or not os.path.abspath(file).startswith(closure.ROOT + os.sep):
            return None
        return cls(*_folder(module), file)

    def ensure_cache_path(self) -> None:
        """Make the folder, should somebody have deleted it."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """What must be the same for a kernel to be taken from the cache."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Nothing beside the function's name, of which a module has one each: a line number changes with a comment."""
        return ""


def homes() -> list[pathlib.Path]:
    """Places for the folders, in the order in which they are tried."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    package = pathlib.Path(closure.ROOT, "corpus", "__pycache__")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    places = [
        place / "winnow-kernels" for place in (*([pathlib.Path(given)] if given else []), package, pathlib.Path(cache))
    ]
    return [*places, pathlib.Path(tempfile.gettempdir(), f"winnow-kernels-{os.getuid()}")]


@functools.cache
def home() -> pathlib.Path:
    """The place where the folders of this process are. Raises OSError if there is none."""
    for place in homes():
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if _is_safe(place) and os.access(place, os.W_OK | os.X_OK):
                return place
    raise OSError(
        f"there is no place for compiled kernels, none of {', '.join(map(str, homes()))}; set NUMBA_CACHE_DIR"
    )


def _is_safe(place: pathlib.Path) -> bool:
    """Whether nobody else has made it where everybody may: what is in it is run."""
    return place.lstat().st_uid == os.getuid() or not place.parent.stat().st_mode & stat.S_ISVTX


@functools.cache
def _folder(module: str) -> tuple[pathlib.Path, str]:
    """The folder of a module's kernels, made, and the digest of all that they depend on."""
    digest = closure.digest([closure.Code(module)])
    folder = home() / f"{module}-{digest[:16]}"
    if not folder.is_dir():
        before = homes()[: homes().index(home())]
        filled = [place / folder.name for place in before if (place / folder.name).is_dir() and _is_safe(place)]
        _make(folder, filled[0] if filled else None)
        _remove_old(home(), module)
    with contextlib.suppress(OSError):  # somebody else's, who shares it
        os.utime(folder)
    return folder, digest


def _make(folder: pathlib.Path, filled: pathlib.Path | None) -> None:
    """Make a folder, with what another holds, in one step: others may do so at the same time."""
    made = folder.with_name(f"{folder.name}.{os.urandom(4).hex()}")
    made.mkdir()
    for file in filled.iterdir() if filled else ():
        shutil.copyfile(file, made / file.name)
    try:
        made.rename(folder)
    except OSError:  # somebody else was faster
        shutil.rmtree(made, ignore_errors=True)


def _remove_old(home: pathlib.Path, module: str) -> None:
    """Delete what is kept of other versions of a module and has not been used for a while."""
    old = time.time() - KEEP_SECONDS  # a younger one may belong to a run that still goes on
    for folder in home.glob(f"{module}-*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < old:
                shutil.rmtree(folder, ignore_errors=True)


# ------------------------------------------------------------------ telling numba


class _WhenNumbaComes:
    """A finder of modules that finds two of numba's, as Python would, and has a say in how they are executed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _EXECUTED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        loader = spec.loader if spec is not None else None
        if loader is not None:
            execute = functools.partial(_EXECUTED[name], loader.exec_module)
            loader.exec_module = execute  # type: ignore[method-assign]  # of this one loader
        return spec


def _execute_and_tell(execute: Callable[[types.ModuleType], None], caching: types.ModuleType) -> None:
    execute(caching)
    _tell(caching)


def _execute_without_scipy(execute: Callable[[types.ModuleType], None], arraymath: types.ModuleType) -> None:
    """numba imports SciPy's linear algebra before the first kernel of a process, to see whether it is there, and again
    for a kernel that needs it: none of ours does, and the time is a third of that to a loader's first batch."""
    linalg: Any = importlib.import_module("numba.np.linalg")
    ensure_blas = linalg.ensure_blas
    scipy = sys.modules["scipy"] if "scipy" in sys.modules else importlib.util.find_spec("scipy")
    if scipy is not None:
        linalg.ensure_blas = lambda: None
    try:
        execute(arraymath)
    finally:
        linalg.ensure_blas = vars(arraymath)["ensure_blas"] = ensure_blas


_EXECUTED = {"numba.core.caching": _execute_and_tell, "numba.np.arraymath": _execute_without_scipy}


def _tell(caching: types.ModuleType) -> None:
    locators = caching.FunctionCache._impl_class._locator_classes  # one list for all kinds of caches
    if ByClosure not in locators:
        locators.insert(0, ByClosure)
        _take_turns(caching.IndexDataCacheFile)
        _listen()


# ------------------------------------------------------------------ telling others

Told = Callable[[bool, float], None]
"""Gets True and 0.0 when a kernel begins to be compiled, here or where it is waited for, False and the seconds that it
took here when it is."""
_told: list[Told] = []
_begun: list[float] = []
"""Of kernels that are being compiled, each for the one before it: when."""


@contextlib.contextmanager
def told(who: Told) -> Iterator[None]:
    """Inside, `who` is told when this process compiles a kernel that it does not have."""
    _told.append(who)
    try:
        yield
    finally:
        _told.remove(who)


def _say(begins: bool, seconds: float) -> None:
    if not _begun:
        for who in _told:
            who(begins, seconds)


def _listen() -> None:
    from numba.core import event as events

    class Compiling(events.Listener):
        def on_start(self, event: events.Event) -> None:
            _say(True, 0.0)
            _begun.append(time.perf_counter())

        def on_end(self, event: events.Event) -> None:
            seconds = time.perf_counter() - _begun.pop()
            _say(False, seconds)

    events.register("numba:compile", Compiling())


def install() -> None:
    """Have numba keep our kernels here, now or as soon as it is imported."""
    if "numba.core.caching" in sys.modules:
        _tell(sys.modules["numba.core.caching"])
    sys.meta_path.insert(0, _WhenNumbaComes)


# ------------------------------------------------------------------ one compiles, others wait

MOST_SECONDS, LOOK_SECONDS = 120.0, 0.02
"""Seconds for which a kernel that another process compiles is waited for, before it is compiled here, too; between
looks at whether it is there."""
_held: dict[str, IO[bytes]] = {}
"""Open files, each with a lock on it, of the kernels that this process compiles, by the path of their index."""


def _take_turns(file_class: Any) -> None:
    """Have numba's files of a cache, where a kernel of ours is not in them, ask for it again once whoever compiles it
    at the moment is done."""
    load, save = file_class.load, file_class.save

    def load_or_take_turn(self: Any, key: Any) -> Any:
        found = load(self, key)
        if found is None and _take_turn(self._index_path):
            found = load(self, key)
            if found is not None:
                _release(self._index_path)
        return found

    def save_and_release(self: Any, key: Any, data: Any) -> None:
        try:
            save(self, key, data)
        finally:
            _release(self._index_path)

    file_class.load, file_class.save = load_or_take_turn, save_and_release


def _take_turn(index: str) -> bool:
    """Wait until nobody else compiles the kernel. False where that cannot be known, or takes too long."""
    if index in _held or not index.startswith(f"{home()}{os.sep}"):
        return False
    if not _begun:  # what is held is of a kernel that could not be compiled
        _release_all()
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    deadline = time.monotonic() + MOST_SECONDS
    try:
        file = open(f"{index}.lock", "wb")
    except OSError:
        return False
    _say(True, 0.0)
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _held[index] = file
            break
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        except OSError:  # a file system without locks
            break
    _say(False, 0.0)
    if index not in _held:
        file.close()
    return index in _held


def _release(index: str) -> None:
    if file := _held.pop(index, None):
        file.close()


def _release_all() -> None:
    for index in list(_held):
        _release(index)
