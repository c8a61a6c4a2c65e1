"""What runs in a worker of a cluster: an attempt at a task, made as at home as it can be, within its limits."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from corpus.io import paths
from pipelines.engine import limits
from pipelines.engine.failures import WrongPlace
from pipelines.engine.tasks import Exclusion, Job, Task

if TYPE_CHECKING:
    import ray

SHARED = (
    "on a cluster what a run reads and writes lies where all nodes see it, on a shared filesystem or an object store"
)
IMPORTABLE = (
    "what tasks are made of must be importable on every node: install it there, or have `ray job submit --working-dir` "
    "bring it along"
)


@dataclasses.dataclass(frozen=True)
class Home:
    """Where the map comes from: the node of the driver, its current folder, where it looks for modules beside what is
    installed, and a file that every node must see (None on an object store)."""

    node: str
    folder: str
    modules: tuple[str, ...]
    mark: str | None


@contextlib.contextmanager
def home(node: str, folder: str) -> Iterator[Home]:
    """Where maps come from that write into `folder`, as long as they run."""
    installed = (sys.prefix, sys.base_prefix)
    modules = tuple(os.path.abspath(path) for path in sys.path if not path.startswith(installed))
    mark = None
    if paths.local_path(folder) is not None:
        paths.make_folder(folder)
        mark = paths.temporary(paths.join(folder, "seen"))  # a name that is swept where a run is killed
        paths.write_atomic(mark, b"")
    try:
        yield Home(node, os.getcwd(), modules, mark)
    finally:
        if mark is not None:
            paths.remove([mark])


def carry_out(
    work: Callable[..., bytes],
    home: Home,
    job: list[ray.ObjectRef[Job]],
    task: bytes,
    attempt: str,
    exclusions: Sequence[Exclusion],
    given: limits.Limits,
) -> bytes:
    """An attempt in a worker, within its limits. The job is in a list, and the task pickled, so that they are only
    unpickled here. Raises WrongPlace, and what the work raises."""
    _be_at_home(home)
    found, each = _unpickled(job[0], task)
    elsewhere = _node() != home.node
    if elsewhere:
        _check_sees(home, each)
    allowed = limits.Limits(given.seconds + each.extra.seconds, given.memory + each.extra.memory)
    with limits.guard(allowed, reason_file(found, each, attempt)):
        try:
            return work(found, each, attempt, exclusions)
        except ImportError as problem:
            if elsewhere:  # the driver can import it, or would not have begun
                raise not_importable(f"node {platform.node()}", problem) from None
            raise


def not_importable(who: str, problem: BaseException) -> WrongPlace:
    """What to raise where a node could not unpickle something."""
    why = str(problem).split("\n")[0].removeprefix("System error: ")  # Ray adds a traceback
    return WrongPlace(f"{who} cannot import what a task is made of ({why}): {IMPORTABLE}")


def reason_file(job: Job, task: Task, attempt: str) -> str:
    """Where an attempt that was over its limits has left why."""
    return paths.join(job.folder, f"{task.key}-{attempt}-reason.txt")


def _be_at_home(home: Home) -> None:
    """Have names of files and modules mean what they mean to the driver, as far as its folders are to be seen here."""
    with contextlib.suppress(OSError):
        os.chdir(home.folder)
    sys.path += [folder for folder in home.modules if folder not in sys.path and os.path.isdir(folder)]


def _unpickled(job: ray.ObjectRef[Job], task: bytes) -> tuple[Job, Task]:
    import ray

    try:
        return ray.get(job), pickle.loads(task)
    except (ImportError, AttributeError, ray.exceptions.RaySystemError) as problem:
        raise not_importable(f"node {platform.node()}", problem) from None


def _node() -> str:
    """The node that this is."""
    import ray

    return ray.get_runtime_context().get_node_id()


def _check_sees(home: Home, task: Task) -> None:
    """Raises WrongPlace where this node does not see what the driver sees."""
    needed = [*([home.mark] if home.mark else []), *(source.path for source in task.sources)]
    for name in needed:
        local = paths.local_path(name)
        if local is not None and not os.path.exists(local):
            what = paths.parent(name) if name == home.mark else name
            raise WrongPlace(f"node {platform.node()} does not see {what}: {SHARED}")
