"""Where attempts at tasks run: in this process, or in Ray's workers. What becomes of those that fail is the same."""

from __future__ import annotations

import logging
import math
import os
import re
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipelines import stopping
from pipelines.engine import limits, retries, workers
from pipelines.engine.cluster import LOOK, Cluster, answers
from pipelines.engine.failures import Failure, failure_of
from pipelines.engine.isolation import Attempt, Work
from pipelines.engine.tasks import Exclusion, Job, Manifest, Task, TaskFailed, execute

if TYPE_CHECKING:
    import ray

    from pipelines.engine.engine import MapSummary

Say = Callable[[str], None]


class Backend(Protocol):
    """A place where attempts run."""

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary, say: Say) -> Iterator[tuple[Task, Manifest]]:
        """See `retries.run`."""

    def close(self) -> None:
        """Let go of the workers."""


class InProcess:
    """Runs tasks one after the other in this process: for debugging, same results. Without limits."""

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary, say: Say) -> Iterator[tuple[Task, Manifest]]:
        yield from retries.run(job, tasks, summary, say, _OneByOne(job))

    def close(self) -> None:
        pass


class _OneByOne:
    """The tasks of a map in this process: one in flight, which runs when it is waited for."""

    def __init__(self, job: Job):
        self._job = job
        self._task: Task | None = None

    def __len__(self) -> int:
        return self._task is not None

    def room(self) -> int:
        return self._task is None

    def start(self, task: Task) -> None:
        self._task = task

    def ended(self, seconds: float) -> tuple[Task, bytes | Failure] | None:
        if self._task is None:
            time.sleep(seconds)
            return None
        task, self._task = self._task, None
        return task, self.attempt(task)(execute, (), self._job.limits)

    def attempt(self, task: Task) -> Attempt:
        def attempt(work: Work, exclusions: Sequence[Exclusion], _: limits.Limits) -> bytes | Failure:
            try:
                return work(self._job, task, uuid.uuid4().hex[:8], exclusions)
            except Exception as error:
                return failure_of(error, traceback.format_exc())

        return attempt


class OnRay:
    """Runs tasks as Ray tasks, twice as many in flight as there are processors at the time: what waits is a name,
    never data. A Ray that this process has started already is used as it is."""

    def __init__(self, workers: int, address: str | None):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        said_by_us = "A worker died or was killed|Raylet is terminated|has been marked dead"
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", said_by_us)
        import ray

        self._ray = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            with stopping.handlers_kept():
                _connect(ray, workers, address)
        self._cluster = Cluster(ray, own=self._mine and not address)

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary, say: Say) -> Iterator[tuple[Task, Manifest]]:
        with workers.home(self._cluster.node, job.folder) as home:
            yield from retries.run(
                job, tasks, summary, say, _InFlight(self._ray, self._cluster, home, job, summary, say)
            )

    def close(self) -> None:
        if self._mine:
            self._ray.shutdown()


def _connect(ray: Any, workers: int, address: str | None) -> None:
    """Raises TaskFailed where there is no such cluster, or it does not take this process."""
    if address and address.startswith("ray://"):
        raise TaskFailed(f"{address} is an address for Ray Client, which is not what this is for: use `ray job submit`")
    if address and re.fullmatch(r"[^/]+:\d+", address) and not answers(address):  # Ray itself tries for two minutes
        raise TaskFailed(
            f"no Ray cluster answers at {address}: start one (ray start --head), or leave out --address to run on this "
            "machine"
        )
    local = {"num_cpus": workers, "object_store_memory": 128 << 20, "include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else local),
        )
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        where = f"connect to the Ray cluster at {address}" if address else "start Ray on this machine"
        raise TaskFailed(f"cannot {where}: {error}") from error


class _Flight(NamedTuple):
    """An attempt that is under way: its task, its own name, the bytes of memory that it reserves."""

    task: Task
    name: str
    memory: int


class _InFlight:
    """The tasks of a map that are under way in a cluster."""

    def __init__(self, ray: Any, cluster: Cluster, home: workers.Home, job: Job, summary: MapSummary, say: Say):
        self._ray, self._cluster, self._home, self._job = ray, cluster, home, job
        self._step, self._say = summary.step, say
        self._cluster.look(say)
        self._shared = ray.put(job)
        self._remote = ray.remote(num_cpus=1, max_retries=0)(workers.carry_out)
        self._flying: dict[ray.ObjectRef[bytes], _Flight] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def room(self) -> int:
        return max(2, 2 * self._cluster.processors) - len(self._flying)  # two that wait ask an autoscaler for nodes

    def start(self, task: Task) -> None:
        self._submit(task, execute, (), self._job.limits)

    def ended(self, seconds: float) -> tuple[Task, bytes | Failure] | None:
        if self._cluster.look(self._say):
            self._cancel_what_fits_nowhere()
        if not self._flying:
            time.sleep(min(seconds, LOOK))
            return None
        ready, _ = self._ray.wait(list(self._flying), num_returns=1, timeout=min(seconds, LOOK))
        if not ready:
            return None
        flight = self._flying.pop(ready[0])
        return flight.task, self._answer(ready[0], flight)

    def attempt(self, task: Task) -> Attempt:
        def attempt(work: Work, exclusions: Sequence[Exclusion], given: limits.Limits) -> bytes | Failure:
            self._submit(task, work, exclusions, given)
            while (ended := self.ended(math.inf)) is None:
                pass
            return ended[1]

        return attempt

    def _submit(self, task: Task, work: Work, exclusions: Sequence[Exclusion], given: limits.Limits) -> None:
        flight = _Flight(task, uuid.uuid4().hex[:8], self._cluster.reserved(given, task.extra))
        remote = self._remote.options(name=f"{self._step}/{task.key}", memory=flight.memory or None)
        pickled = self._ray.cloudpickle.dumps(task)
        reference = remote.remote(work, self._home, [self._shared], pickled, flight.name, tuple(exclusions), given)
        self._flying[reference] = flight

    def _cancel_what_fits_nowhere(self) -> None:
        """An attempt that waits for a node as large as one that has left would wait for ever."""
        for reference, flight in self._flying.items():
            if flight.memory > self._cluster.memory > 0:
                self._ray.cancel(reference)

    def _answer(self, reference: ray.ObjectRef[bytes], flight: _Flight) -> bytes | Failure:
        """What an attempt returned, or why it did not."""
        errors = self._ray.exceptions
        gone = (errors.NodeDiedError, errors.LocalRayletDiedError, errors.ObjectLostError, errors.TaskCancelledError)
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RaySystemError):  # before any code of ours could run
                return failure_of(workers.not_importable("a node", error.cause), str(error))
            return failure_of(error.cause, str(error))
        except errors.OutOfMemoryError as error:
            return Failure("its worker was ended because the machine ran out of memory", "death", error, str(error))
        except gone as error:
            return Failure(f"the node that it ran on was lost ({type(error).__name__})", "lost", error, str(error))
        except errors.RayError as error:
            why = limits.why(workers.reason_file(self._job, flight.task, flight.name))
            return Failure(why or f"its worker died ({type(error).__name__})", "death", error, str(error))
