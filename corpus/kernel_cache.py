"""Where compiled kernels are kept: a folder for each module and the closure of its imports.

Numba's own cache looks at the file of the compiled function only: a kernel that calls or inlines one from another,
changed file would be taken from the cache as it was, in silence. A folder named by `closure.digest` of the module
cannot go stale, serves any number of versions side by side, and outlives a comment. Numba asks `ByClosure` before its
own locators; it answers for our modules only. Imports nothing but the standard library, and numba not at all.

The folders are in the first place that can be written to of NUMBA_CACHE_DIR, the package's `__pycache__`,
XDG_CACHE_HOME or ~/.cache, and the directory for temporary files. What a place before that one, which can only be
read, has of a module (since `winnow warm` ran in an image) is copied.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import os
import pathlib
import shutil
import stat
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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
    """A finder of modules that finds one, numba's of caches, as Python would, and tells it of `ByClosure`."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "numba.core.caching":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        loader = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def execute_and_tell(module: types.ModuleType) -> None:
                execute(module)
                _tell(module)

            loader.exec_module = execute_and_tell  # type: ignore[method-assign]  # of this one loader
        return spec


def _tell(caching: types.ModuleType) -> None:
    locators = caching.FunctionCache._impl_class._locator_classes  # one list for all kinds of caches
    if ByClosure not in locators:
        locators.insert(0, ByClosure)
        _listen()


# ------------------------------------------------------------------ telling others

Told = Callable[[bool, float], None]
"""Gets True and 0.0 when a kernel begins to be compiled, False and the seconds that it took when it is."""
_told: list[Told] = []


@contextlib.contextmanager
def told(who: Told) -> Iterator[None]:
    """Inside, `who` is told when this process compiles a kernel that it does not have."""
    _told.append(who)
    try:
        yield
    finally:
        _told.remove(who)


def _listen() -> None:
    from numba.core import event

    begun: list[float] = []  # of kernels that are being compiled, each for the one before it

    class Compiling(event.Listener):
        def on_start(self, _: event.Event) -> None:
            begun.append(time.perf_counter())
            if len(begun) == 1:
                for who in _told:
                    who(True, 0.0)

        def on_end(self, _: event.Event) -> None:
            seconds = time.perf_counter() - begun.pop()
            if not begun:
                for who in _told:
                    who(False, seconds)

    event.register("numba:compile", Compiling())


def install() -> None:
    """Have numba keep our kernels here, now or as soon as it is imported."""
    if "numba.core.caching" in sys.modules:
        _tell(sys.modules["numba.core.caching"])
    else:
        sys.meta_path.insert(0, _WhenNumbaComes)
