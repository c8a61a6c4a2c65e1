"""What it means that an attempt at a task did not succeed, and what people are told of tasks that fail for good."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from corpus.io import paths
from pipelines.engine.tasks import InputChanged, Task, TaskFailed, Unproven

LISTED = 10
"""Tasks that a report names; of the others it says how many there are."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why an attempt did not succeed. `reason` is a part of a sentence. `kind` is "error" (an exception of the code,
    which comes again), "death" (of the process, for whatever reason), "storage" (may pass; no record's fault), "lost"
    (what the attempt ran on went; no task's fault), "place" (a node that no task can run on) or "final" (none of
    these, and it comes again)."""

    reason: str
    kind: str
    error: BaseException | None = None
    trace: str = ""


class WrongPlace(RuntimeError):
    """A node that cannot see what tasks read or write, or cannot import what they are made of."""


_FINAL = (InputChanged, Unproven, ImportError, paths.DamagedFile)
"""Errors that are no record's fault, and that come again."""
_SAID = (InputChanged, WrongPlace)
"""Errors whose sentences are for people already."""
_NO_TRACE = (OSError, ImportError, *_SAID)
"""Errors for which it does not matter where in the code they came up."""
ADVICE = {
    "storage": "see to the storage",
    "death": "give a task more memory or time (task_memory, task_seconds), or run fewer at a time",
    "lost": "see why nodes leave the cluster",
}
"""What to do about failures of a kind, where the reason does not say."""


def failure_of(error: BaseException, trace: str) -> Failure:
    """What an exception out of a task means."""
    reason = str(error) if isinstance(error, _SAID) else f"{type(error).__name__}: {error}"
    if isinstance(error, WrongPlace):
        return Failure(reason, "place", error, trace)
    if isinstance(error, _FINAL):
        return Failure(reason, "final", error, trace)
    if isinstance(error, OSError):
        return Failure(reason, "storage", error, trace)
    if isinstance(error, MemoryError):
        return Failure("ran out of memory", "death", error, trace)
    return Failure(reason, "error", error, trace)


def report(step: str, failed: Sequence[tuple[Task, Failure]], tasks: int, untried: int) -> Exception:
    """The exception that ends a map of so many tasks of which some failed for good, and so many were not tried after
    that: a DamagedFile if there is one, for that can be mended; else TaskFailed, by the name of the first."""
    failed = sorted(failed, key=lambda each: each[0].key)
    for _, failure in failed:
        if isinstance(failure.error, paths.DamagedFile):
            return failure.error
    for task, failure in failed:
        if failure.kind == "place":
            return TaskFailed(f"step {step}: {failure.reason}", "", f"{step}/{task.key}")
    task, failure = failed[0]
    trace = "" if isinstance(failure.error, _NO_TRACE) else failure.trace
    return TaskFailed("\n".join(_lines(step, failed, tasks, untried)), trace, f"{step}/{task.key}")


def _lines(step: str, failed: Sequence[tuple[Task, Failure]], tasks: int, untried: int) -> list[str]:
    advice = [text for kind, text in ADVICE.items() if any(failure.kind == kind for _, failure in failed)]
    what = "".join(f"{text}; " for text in advice)
    if len(failed) == 1 and not untried:
        (each,) = failed
        rest = "all other tasks of the step are done, and " if tasks > 1 else ""
        todo = f" ({what}{rest}the same command tries it again)" if what or rest else ""
        return [f"step {step}, task {_said(*each)}{todo}"]
    rest = "" if len(failed) == tasks else ", all others are done"
    if untried:
        rest = f", so many in a row that {untried} were not tried"
    lines = [f"step {step}: {len(failed)} of {tasks} tasks failed for good{rest}:"]
    lines += [f"  task {_said(*each)}".split("\n")[0] for each in failed[:LISTED]]
    lines += [f"  and {len(failed) - LISTED} more"] if len(failed) > LISTED else []
    return [*lines, f"{what}the same command tries only what is left"]


def _said(task: Task, failure: Failure) -> str:
    names = ", ".join(name for name, _ in task.inputs[:3])
    where = "".join(f", {note}" for note in getattr(failure.error, "__notes__", ()))
    return f"{task.key} ({names}): {failure.reason}{where}".strip()
