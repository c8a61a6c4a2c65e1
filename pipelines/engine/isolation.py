"""Which records does a task die of? Halving: a task that fails again and again is run without half of its records,
then without the other half, and so on down to those that it fails at alone. It is then run once more without them,
so that what it leaves is what it would leave had they never been there; the task itself sets them aside as
quarantined, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from pipelines.engine.failures import Failure
from pipelines.engine.tasks import Exclusion, Job, Limits, Task, execute, probe

ROUNDS = 2
"""How often records that a task fails at are looked for."""

IN_A_ROW = 16
"""Records one after the other that each fail alone, after which those behind them are not tried one by one: the first
that succeeds is looked for in steps that double, and those before it are quarantined, too. How many may be is for the
run to say."""
LEAST_SECONDS = 300.0
"""A part of a task gets its share of the limit of time, but no less than this (or the whole limit)."""
ALL = 1 << 62
"""More records than any part has."""


Probe = Callable[[Sequence[Exclusion], float], bytes | Failure]
"""Try a task without some records, with a share of its time; its counters as JSON, or why not."""
Work = Callable[[Job, Task, str, Sequence[Exclusion]], bytes]
"""What an attempt does: `execute` or `probe`."""
Attempt = Callable[[Work, Sequence[Exclusion], Limits], bytes | Failure]
"""Do it without some records of a task, within limits; what it returned, or why it did not."""


def share_of(limits: Limits, share: float) -> Limits:
    """The limits for a part of a task."""
    least = min(limits.seconds, LEAST_SECONDS)
    return Limits(max(least, limits.seconds * share), limits.memory)


class GivenUp(Exception):
    """The search met a failure that is no record's."""

    def __init__(self, failure: Failure):
        super().__init__(failure.reason)
        self.failure = failure


def without_poison(
    job: Job, task: Task, step: str, last: Failure, attempt: Attempt, say: Callable[[str], None]
) -> bytes | Failure:
    """Find the records that a task fails at, and run it without them; its manifest as JSON, or why there is none."""
    say(f"{step}, task {task.key}: {last.reason}; looking for the record at which it fails")
    found: list[Exclusion] = []

    def try_without(exclusions: Sequence[Exclusion], share: float) -> bytes | Failure:
        return attempt(probe, [*found, *exclusions], share_of(job.limits, share))

    for _ in range(ROUNDS):
        try:
            found += find(task, try_without)
        except GivenUp as problem:
            return problem.failure
        for each in found:
            say(f"  left out: {_name(task, each)}: {each.reason}")
        answer = attempt(execute, found, job.limits)
        if not isinstance(answer, Failure):
            return answer
        last = answer
    together = "" if found else "its records succeed one by one but not together; "
    return Failure(together + last.reason, last.kind, last.error, last.trace)


def _name(task: Task, each: Exclusion) -> str:
    of = task.inputs[each.part][0] if each.part < len(task.inputs) else f"part {each.part}"
    if each.end is None:
        return f"all of {of}"
    records = f"record {each.first}" if each.end == each.first + 1 else f"records {each.first} and on"
    return f"{records} of {of}"


def find(task: Task, attempt: Probe) -> list[Exclusion]:
    """The records that the task fails at, in order; a part as a whole if it cannot even be counted. None if every
    part of the task succeeds by itself. Raises GivenUp."""
    found: list[Exclusion] = []
    for part, count in enumerate(task.parts):
        others = [Exclusion(p, 0, None, "") for p in range(len(task.parts)) if p != part]
        search = _Search(part, others, attempt, len(task.parts))
        failure = search.tried(0, ALL)
        if failure is None:
            continue
        if count is None:
            counted = search.counted()
            if isinstance(counted, Failure):
                found.append(Exclusion(part, 0, None, counted.reason))
                continue
            count = counted
        search.count = count
        if count:
            search.halve(0, count, failure)
            found += search.found
        else:
            found.append(Exclusion(part, 0, None, failure.reason))
    return found


class _Search:
    """The search through the records of one part."""

    def __init__(self, part: int, others: list[Exclusion], attempt: Probe, parts: int):
        self.part, self.others, self.attempt, self.parts = part, others, attempt, parts
        self.count = 0
        self.found: list[Exclusion] = []
        self.next = 0  # what comes before is settled

    def tried(self, first: int, end: int) -> Failure | None:
        """Why the task fails with these records of this part alone, or None."""
        share = (end - first) / self.count / self.parts if self.count else 1 / self.parts
        answer = self._answer([(0, first), (end, ALL)], share)
        return answer if isinstance(answer, Failure) else None

    def counted(self) -> int | Failure:
        """How many records this part has, or why not even that can be said."""
        answer = self._answer([(0, ALL)], 1 / self.parts)
        return answer if isinstance(answer, Failure) else json.loads(answer)["records"][self.part]

    def _answer(self, without: list[tuple[int, int]], share: float) -> bytes | Failure:
        exclusions = [Exclusion(self.part, first, end, "not now") for first, end in without if first < end]
        answer = self.attempt([*self.others, *exclusions], share)
        if isinstance(answer, Failure) and answer.kind not in ("error", "death"):
            raise GivenUp(answer)
        return answer

    def halve(self, first: int, end: int, failure: Failure) -> None:
        """Find the records in a range that fails."""
        if end - first > 1:
            middle = (first + end) // 2
            for half in ((first, middle), (middle, end)):
                half = max(half[0], self.next), half[1]
                if half[0] < half[1] and (again := self.tried(*half)):
                    self.halve(*half, again)
        elif again := self.tried(first, end):  # once more: it goes for good
            self.found.append(Exclusion(self.part, first, end, again.reason))
            if self._in_a_row() >= IN_A_ROW:
                self.next = self._first_good(end)
                reason = f"{IN_A_ROW} records in a row before it fail; the last: {failure.reason}"
                if self.next > end:
                    self.found.append(Exclusion(self.part, end, self.next if self.next < self.count else ALL, reason))

    def _first_good(self, first: int) -> int:
        """The first record from `first` on that succeeds alone, if those before it all fail: found by doubling steps,
        then by halving the last; `count` if the steps meet none."""
        bad, step = first - 1, 1
        while bad + step < self.count and self.tried(bad + step, bad + step + 1):
            bad, step = bad + step, 2 * step
        good = min(bad + step, self.count)
        while good - bad > 1:
            middle = (bad + good) // 2
            if self.tried(middle, middle + 1):
                bad = middle
            else:
                good = middle
        return good

    def _in_a_row(self) -> int:
        row = 0
        for before, after in zip([None, *reversed(self.found)], reversed(self.found)):
            if before is not None and after.end != before.first:
                break
            row += 1
        return row
