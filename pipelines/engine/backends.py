"""Where attempts at tasks run: in this process, or in Ray's workers. What becomes of those that fail is the same."""

from __future__ import annotations

import logging
import os
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from corpus.io import paths
from pipelines import stopping
from pipelines.engine import isolation, limits
from pipelines.engine.isolation import Failure, GivenUp
from pipelines.engine.tasks import (
    MAX_ATTEMPTS,
    Exclusion,
    InputChanged,
    Job,
    Manifest,
    Task,
    TaskFailed,
    Unproven,
    execute,
    probe,
)

if TYPE_CHECKING:
    import ray

    from pipelines.engine.engine import MapSummary

BACKOFF = 0.2
"""Seconds before storage that failed is tried again; twice as many each time."""
ROUNDS = 2
"""How often records that a task fails at are looked for."""

AGAIN, OF_RECORDS = ("storage", "death"), ("error", "death")
"""Kinds of failures after which a task is tried again, and of those that may be the fault of its records."""

Say = Callable[[str], None]
Work = Callable[[Job, Task, str, Sequence[Exclusion]], bytes]
"""What an attempt does: `execute` or `probe`."""
Attempt = Callable[[Work, Sequence[Exclusion], limits.Limits], bytes | Failure]
"""Do it without some records of a task, within limits; what it returned, or why it did not."""
_FINAL = (InputChanged, Unproven, ImportError, paths.DamagedFile)
"""Errors that are no record's fault, and that come again."""


class Backend(Protocol):
    """A place where attempts run."""

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary, say: Say) -> Iterator[tuple[Task, Manifest]]:
        """Every task with its manifest, in the order in which they are done; retries are counted in `summary`. Raises
        what `failed` gives."""

    def close(self) -> None:
        """Let go of the workers."""


def failure_of(error: Exception, trace: str) -> Failure:
    """What an exception out of a task means."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, _FINAL):
        return Failure(str(error) if isinstance(error, InputChanged) else reason, "final", error, trace)
    if isinstance(error, OSError):
        return Failure(reason, "storage", error, trace)
    if isinstance(error, MemoryError):
        return Failure("ran out of memory", "death", error, trace)
    return Failure(reason, "error", error, trace)


def failed(step: str, task: Task, failure: Failure) -> Exception:
    """The exception that ends a map."""
    if isinstance(failure.error, paths.DamagedFile):
        return failure.error
    names = ", ".join(name for name, _ in task.inputs[:3])
    trace = "" if isinstance(failure.error, (OSError, ImportError, InputChanged)) else failure.trace
    where = "".join(f", {note}" for note in getattr(failure.error, "__notes__", ()))
    sentence = f"step {step}, task {task.key} ({names}): {failure.reason}{where}".strip()
    return TaskFailed(sentence, trace, f"{step}/{task.key}")


def without_poison(job: Job, task: Task, step: str, last: Failure, attempt: Attempt, say: Say) -> bytes:
    """Find the records that a task fails at, and run it without them; its manifest as JSON. Raises TaskFailed."""
    say(f"{step}, task {task.key}: {last.reason}; looking for the record at which it fails")
    found: list[Exclusion] = []

    def try_without(exclusions: Sequence[Exclusion], share: float) -> bytes | Failure:
        return attempt(probe, [*found, *exclusions], isolation.share_of(job.limits, share))

    for _ in range(ROUNDS):
        try:
            found += isolation.find(task, try_without)
        except GivenUp as problem:
            raise failed(step, task, problem.failure) from problem.failure.error
        for each in found:
            say(f"  left out: {_name(task, each)}: {each.reason}")
        answer = attempt(execute, found, job.limits)
        if not isinstance(answer, Failure):
            return answer
        last = answer
    together = "" if found else "its records succeed one by one but not together; "
    raise failed(step, task, Failure(together + last.reason, last.kind, last.error, last.trace))


def _name(task: Task, each: Exclusion) -> str:
    of = task.inputs[each.part][0] if each.part < len(task.inputs) else f"part {each.part}"
    if each.end is None:
        return f"all of {of}"
    records = f"record {each.first}" if each.end == each.first + 1 else f"records {each.first} and on"
    return f"{records} of {of}"


class InProcess:
    """Runs tasks one after the other in this process: for debugging, same results. Without limits."""

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary, say: Say) -> Iterator[tuple[Task, Manifest]]:
        for task in tasks:
            yield task, Manifest.from_json(self._done(job, task, summary.step, say), job.folder)

    def _done(self, job: Job, task: Task, step: str, say: Say) -> bytes:
        def attempt(work: Work, exclusions: Sequence[Exclusion], _: limits.Limits) -> bytes | Failure:
            try:
                return work(job, task, uuid.uuid4().hex[:8], exclusions)
            except Exception as error:
                return failure_of(error, traceback.format_exc())

        for number in range(1, MAX_ATTEMPTS + 1):
            answer = attempt(execute, (), job.limits)
            if not isinstance(answer, Failure):
                return answer
            last = answer
            if last.kind not in AGAIN:
                break
            if last.kind == "storage" and number < MAX_ATTEMPTS:
                time.sleep(BACKOFF * 2**number)
        if last.kind in OF_RECORDS and task.parts:
            return without_poison(job, task, step, last, attempt, say)
        raise failed(step, task, last) from last.error

    def close(self) -> None:
        pass


def _guarded(
    work: Work, job: Job, task: Task, attempt: str, exclusions: Sequence[Exclusion], given: limits.Limits
) -> bytes:
    """An attempt in a worker, within its limits."""
    allowed = limits.Limits(given.seconds + task.extra.seconds, given.memory + task.extra.memory)
    with limits.guard(allowed, _reason_file(job, task, attempt)):
        return work(job, task, attempt, exclusions)


def _reason_file(job: Job, task: Task, attempt: str) -> str:
    return paths.join(job.folder, f"{task.key}-{attempt}-reason.txt")


class OnRay:
    """Runs tasks as Ray tasks, at most twice as many in flight as there are processors: what
    waits is a name, never data. A Ray that this process has started already is used as it is."""

    def __init__(self, workers: int, address: str | None):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed")  # we say so ourselves
        import ray

        self.ray = ray
        self._mine = not ray.is_initialized()
        with stopping.handlers_kept():
            if self._mine and address:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            elif self._mine:
                ray.init(
                    address="local",
                    num_cpus=workers,
                    object_store_memory=128 << 20,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_guarded)

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary, say: Say) -> Iterator[tuple[Task, Manifest]]:
        shared = self.ray.put(job)
        limit = 2 * max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        queue = [(task, 1) for task in reversed(tasks)]
        flying: dict[ray.ObjectRef[bytes], tuple[Task, int, str]] = {}
        poisoned: list[tuple[Task, Failure]] = []
        while queue or flying:
            while queue and len(flying) < limit:
                task, number = queue.pop()
                name = uuid.uuid4().hex[:8]
                flying[self._remote.remote(execute, shared, task, name, (), job.limits)] = (task, number, name)
            (reference,), _ = self.ray.wait(list(flying), num_returns=1)
            task, number, name = flying.pop(reference)
            answer = self._answer(reference, job, task, name)
            if not isinstance(answer, Failure):
                yield task, Manifest.from_json(answer, job.folder)
            elif answer.kind in AGAIN and number < MAX_ATTEMPTS:
                summary.retries += 1
                if answer.kind == "storage":
                    time.sleep(BACKOFF * 2**number)
                queue.append((task, number + 1))
            elif answer.kind in OF_RECORDS and task.parts:
                poisoned.append((task, answer))
            else:
                raise failed(summary.step, task, answer) from None
        for task, answer in poisoned:  # last, so that everything else is done
            data = without_poison(job, task, summary.step, answer, self._attempt(shared, job, task), say)
            yield task, Manifest.from_json(data, job.folder)

    def _attempt(self, shared: ray.ObjectRef[Job], job: Job, task: Task) -> Attempt:
        def attempt(work: Work, exclusions: Sequence[Exclusion], given: limits.Limits) -> bytes | Failure:
            name = uuid.uuid4().hex[:8]
            reference = self._remote.remote(work, shared, task, name, tuple(exclusions), given)
            return self._answer(reference, job, task, name)

        return attempt

    def _answer(self, reference: ray.ObjectRef[bytes], job: Job, task: Task, name: str) -> bytes | Failure:
        """What an attempt returned, or why it did not."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            return failure_of(error.cause, str(error))
        except self.ray.exceptions.OutOfMemoryError as error:
            return Failure("its worker was ended because the machine ran out of memory", "death", error, str(error))
        except self.ray.exceptions.RayError as error:
            reason = limits.why(_reason_file(job, task, name)) or f"its worker died ({type(error).__name__})"
            return Failure(reason, "death", error, str(error))

    def close(self) -> None:
        if self._mine:
            self.ray.shutdown()
