"""A map's tasks, from the first attempt to the last: those that fail are tried again later, while others go on."""

from __future__ import annotations

import collections
import heapq
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.engine import isolation, under_way
from pipelines.engine.failures import Failure, report
from pipelines.engine.isolation import Attempt
from pipelines.engine.tasks import MAX_ATTEMPTS, Job, Manifest, Task

if TYPE_CHECKING:
    from pipelines.engine.engine import MapSummary

BACKOFF, LONGEST = 0.5, 60.0
"""Seconds before what failed is tried again: twice as many each time, up to the longest. A process that died is not
waited for."""
MAX_LOST = 20
"""Attempts of a task that may be lost with what they ran on; those are not the task's own."""
IN_A_ROW = 8
"""Tasks in a row that fail for good, at least, before a map is given up; on a cluster as many as are in flight, for
those are done in any case."""
OF_RECORDS = ("error", "death")
"""Kinds of failures that may be the fault of a task's records."""


class Place(Protocol):
    """Where attempts at the tasks of a map run."""

    def __len__(self) -> int:
        """How many are in flight."""

    def room(self) -> int:
        """How many more may be."""

    def start(self, task: Task) -> None:
        """Have an attempt at a task run."""

    def ended(self, seconds: float) -> tuple[Task, bytes | Failure] | None:
        """The next attempt that ended: its manifest as JSON, or why there is none. None if so many seconds have
        passed, or fewer. Raises TaskFailed where no attempt will ever end."""

    def attempt(self, task: Task) -> Attempt:
        """What runs single attempts at a task, and waits for them."""


class Tries:
    """What has become of a task so far."""

    def __init__(self) -> None:
        self.own = self.lost = 0

    def pause(self, failure: Failure) -> float | None:
        """Seconds until the task is to be tried again after one more failure; None if it is not."""
        if failure.kind == "lost":
            self.lost += 1
            return _backoff(self.lost) if self.lost < MAX_LOST else None
        if failure.kind not in ("storage", "death"):
            return None
        self.own += 1
        if self.own >= MAX_ATTEMPTS:
            return None
        return _backoff(self.own) if failure.kind == "storage" else 0.0


def _backoff(failures: int) -> float:
    return min(BACKOFF * 2**failures, LONGEST)


class Queue:
    """Tasks that wait: those that nobody has tried, in order, and before them those whose time to be tried again has
    come."""

    def __init__(self, tasks: Sequence[Task]):
        self._fresh = collections.deque(tasks)
        self._later: list[tuple[float, int, Task]] = []  # (when, a number that makes it unique, task)
        self._numbers = itertools.count()
        self._tries: dict[str, Tries] = collections.defaultdict(Tries)

    def __len__(self) -> int:
        return len(self._fresh) + len(self._later)

    def fresh(self) -> int:
        """How many of them nobody has tried."""
        return len(self._fresh)

    def next(self) -> Task | None:
        """The next task; None if there is none, or its time has not come."""
        if self._later and self._later[0][0] <= time.monotonic():
            return heapq.heappop(self._later)[2]
        return self._fresh.popleft() if self._fresh else None

    def pause(self) -> float:
        """Seconds until the time of the next task comes; for ever if there is none."""
        if self._fresh:
            return 0.0
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else math.inf

    def again(self, task: Task, failure: Failure) -> bool:
        """Whether a task that failed is tried again."""
        pause = self._tries[task.key].pause(failure)
        if pause is not None:
            heapq.heappush(self._later, (time.monotonic() + pause, next(self._numbers), task))
        return pause is not None

    def clear(self) -> int:
        """Forget all tasks; how many they were."""
        number = len(self)
        self._fresh.clear()
        self._later.clear()
        return number


def run(
    job: Job, tasks: Sequence[Task], summary: MapSummary, say: Callable[[str], None], place: Place
) -> Iterator[tuple[Task, Manifest]]:
    """Every task with its manifest, in the order in which they are done. Those that fail for good are reported when
    all others are done; see `failures.report`. Retries are counted in `summary`."""
    queue, in_a_row, untried = Queue(tasks), 0, 0
    failed: list[tuple[Task, Failure]] = []
    poisoned: list[tuple[Task, Failure]] = []
    while queue or len(place):
        while place.room() > 0 and (waiting := queue.next()):
            place.start(waiting)
        ended = place.ended(queue.pause() if place.room() > 0 else math.inf)
        if ended is None:
            continue
        task, answer = ended
        if isinstance(answer, Failure):
            under_way.forget(job.under_way, task.key)
        if not isinstance(answer, Failure):
            in_a_row = 0
            yield task, Manifest.from_json(answer, job.folder)
        elif queue.again(task, answer):
            summary.retries += 1
        elif answer.kind in OF_RECORDS and task.parts:
            poisoned.append((task, answer))
        else:
            failed.append((task, answer))
            in_a_row += 1
            if (in_a_row >= max(IN_A_ROW, len(place)) and queue.fresh()) or answer.kind == "place":
                untried += queue.clear()
    for task, answer in [] if untried else poisoned:  # last, so that everything else is done
        found = isolation.without_poison(job, task, summary.step, answer, _patient(place.attempt(task)), say)
        if isinstance(found, Failure):
            failed.append((task, found))
        else:
            yield task, Manifest.from_json(found, job.folder)
    if failed:
        error = report(summary.step, failed, summary.tasks, untried)
        raise error from next((failure.error for _, failure in failed if failure.error is not error), None)


def _patient(attempt: Attempt) -> Attempt:
    """The same, but that what is no record's fault is tried again at once."""

    def patient(*arguments: Any) -> bytes | Failure:
        tries = Tries()
        while True:
            answer = attempt(*arguments)
            if not isinstance(answer, Failure) or answer.kind not in ("storage", "lost"):
                return answer
            pause = tries.pause(answer)
            if pause is None:
                return answer
            time.sleep(pause)

    return patient
