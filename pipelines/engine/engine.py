"""The engine's one verb: a durable map.

A *task* is a pure function from named input files and a configuration to output files. Each
attempt writes its outputs under names of its own in `work/<step>/`; the task's *manifest*,
written last and in one atomic step, names them and is the commit. A task whose manifest
matches its fingerprint (inputs, configuration, code) is never run again, a half-finished one
never counts, and what no manifest names is swept when the map ends. So any attempt may die
at any moment, and two attempts of one task cannot harm each other.

Tasks run in this process (`workers=0`) or on Ray; results are the same, in task order.
"""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from corpus.io import parallel, paths
from pipelines.engine import freed, under_way
from pipelines.engine.backends import Backend, InProcess, OnRay
from pipelines.engine.freed import Freed, NeededAgain
from pipelines.engine.tasks import (
    RETRIES,
    File,
    Job,
    Limits,
    Manifest,
    Task,
    code_fingerprint,
    describe_file,
    fingerprint,
    fingerprint_of,
    is_manifest,
    is_of_attempt,
    is_ours,
    key_of,
    key_order,
)
from pipelines.engine.under_way import Reached, UnderWay

LIMITS = Limits(seconds=7200.0, memory=6 << 30)
"""What an attempt at a task may take unless the recipe says otherwise; the processes that it starts, such as that for
pages, are part of it."""


class NothingRuns(RuntimeError):
    """Raised by a dry run where a result would be needed that is not there yet."""


class Discards(RuntimeError):
    """A map that would replace finished work, which nobody has asked for. `summary` says what it would do."""

    def __init__(self, summary: MapSummary, gone: int):
        reasons = [f"{number} {reason}" for reason, number in sorted(summary.reasons.items())]
        reasons += [f"{gone} no longer wanted"] if gone else []
        super().__init__(
            f"{summary.step}: {summary.tasks - summary.done} of {summary.tasks} tasks to do ({', '.join(reasons)})"
        )
        self.summary = summary


@dataclasses.dataclass
class MapSummary:
    """What a map had to do: for the plan, the progress lines and the report."""

    step: str
    tasks: int
    done: int
    reasons: dict[str, int]
    retries: int = 0
    excluded: int = 0  # tasks that left records out
    storage_retries: int = 0  # how often these tasks asked storage again
    seconds: float = 0.0


class Progress(Protocol):
    """What is told how far a map is."""

    def start(self, summary: MapSummary, weight: int, reached: Callable[[], Reached]) -> None:
        """A map begins, whose tasks that are to be done read so many bytes; `reached` says, to any thread, what those
        have done that have begun and are not done."""

    def advance(self, weight: int, counters: dict[str, Any]) -> None:
        """A task is done."""

    def finish(self) -> None:
        """All of them are."""

    def say(self, line: str) -> None:
        """There is something to say."""


NEW, DAMAGED = "not done yet", "an output is missing or damaged"


class Engine:
    """Runs durable maps below `folder` (OUT/work). `workers`: processes on this machine, 0 for
    this process; `address`: a Ray cluster to use instead. With `dry_run` nothing is written or run. `limits` hold for
    each attempt in a worker; they are figures of the machine and no part of a task's identity. `environment` is set
    wherever tasks run.

    `protect` is what must not be replaced: "" nothing, "tasks" what is committed, "all" also what a finished run has
    published, so that no task may run at all. `before_work` is called before tasks run; `still` before a map and after
    each task, and may raise to end the run. With `check` the outputs of tasks that are done are compared with their
    checksums, and those that are damaged done again. `compiling` is called, by any thread, whenever `progress` is shown
    that kernels are being compiled."""

    def __init__(
        self,
        folder: str,
        workers: int,
        address: str | None = None,
        progress: Progress | None = None,
        dry_run: bool = False,
        limits: Limits = LIMITS,
        environment: dict[str, str] | None = None,
        protect: str = "",
        before_work: Callable[[], None] = lambda: None,
        still: Callable[[], None] = lambda: None,
        check: bool = False,
        compiling: Callable[[], None] = lambda: None,
    ):
        self.folder = folder
        self.workers = workers
        self.address = address
        self.progress = progress
        self.dry_run = dry_run
        self.limits = limits
        self.environment = tuple(sorted((environment or {}).items()))
        self.protect = protect
        self.before_work = before_work
        self.still = still
        self.check = check
        self.compiling = compiling
        self.summaries: list[MapSummary] = []
        self.freed: dict[str, Freed] = {}
        self._remains: set[str] = set()  # of these, those of which some output is still there
        self._backend: Backend | None = None

    def begin(self) -> None:
        """A run begins, or begins anew: `summaries` and `freed`, by step, are of its maps."""
        self.summaries.clear()
        self.freed.clear()
        self._remains.clear()

    def map(
        self,
        step: str,
        function: Callable[..., dict[str, Any]],
        tasks: Sequence[Task],
        configuration: Any = None,
        common: Any = None,
    ) -> list[Manifest]:
        """Run `function(argument, outputs) -> counters` for every task that has no matching
        manifest; manifests of all tasks, in their order. What all tasks need that is large is `common`, which reaches
        every worker once: the call is then `function(argument, outputs, common)`; that it is named in the tasks'
        inputs is up to the caller. The code of the function and of the steps that
        `configuration` holds is part of a task's identity. Raises TaskFailed, Discards, NeededAgain,
        `paths.DamagedFile`."""
        self.still()
        folder = paths.join(self.folder, step)
        settings = fingerprint(configuration)
        source = code_fingerprint(function, configuration)
        there = _files_in(folder)
        found = _manifests(folder, there)
        gone = freed.load(folder, there)

        def judge(task: Task) -> Manifest | str:
            return self._standing(found.get(task.key), task, settings, source, there, gone)

        def judge_all() -> list[Manifest | str]:
            return parallel.each(judge, tasks, folder) if self.check else list(map(judge, tasks))

        judged = judge_all()
        if gone and any(isinstance(standing, str) for standing in judged):
            gone = None  # some of its tasks are to run, all of its outputs may be needed
            judged = judge_all()
        results = {task.key: standing for task, standing in zip(tasks, judged) if isinstance(standing, Manifest)}
        waiting = [task for task in tasks if task.key not in results]
        reasons = collections.Counter(standing for standing in judged if isinstance(standing, str))
        summary = MapSummary(step, len(tasks), len(results), dict(reasons))
        self.summaries.append(summary)
        if gone:
            self.freed[step] = gone
            if any(paths.basename(f.path) in there for m in results.values() for f in m.outputs.values()):
                self._remains.add(step)
        if self.dry_run:
            if waiting:
                raise NothingRuns(step)
            return [results[task.key] for task in tasks]
        keys = {task.key for task in tasks}
        self._check_discards(summary, len({key for key, manifest in found.items() if manifest} - keys))
        if waiting:
            self._restore(step)
            freed.forget(folder)
            job = Job(folder, function, settings, source, self.limits, self.environment, common)
            weights = {task.key: task.weight for task in waiting}
            with under_way.watched(weights, self.compiling) as watched:
                self._run(dataclasses.replace(job, under_way=watched.folder), waiting, summary, results, watched)
            there = _files_in(folder)
        _sweep(folder, there, keys, results)
        return [results[task.key] for task in tasks]

    def _standing(
        self,
        manifest: Manifest | None,
        task: Task,
        configuration: str,
        code: str,
        there: Mapping[str, int],
        gone: Freed | None,
    ) -> Manifest | str:
        """The manifest of a task if it stands, or why the task has to run; `there` are the files of the step, `gone`
        says which may be missing."""
        if manifest is None:
            return NEW
        if manifest.inputs != fingerprint_of(task.inputs):
            return "inputs changed"
        if manifest.configuration != configuration:
            return "configuration changed"
        if manifest.code != code:
            return "code changed"
        if manifest.excluded and manifest.limits != self.limits:
            return "records were left out under other limits"
        whole = all(
            (gone and gone.covers(name) and paths.basename(file.path) not in there)
            or _is_whole(file, there, self.check)
            for name, file in manifest.outputs.items()
        )
        return manifest if whole else DAMAGED

    def _restore(self, step: str) -> None:
        """Raises NeededAgain where a step that has tasks to run may need what was freed of steps before it: those that
        were read until a map that does not stand yet. They are done again."""
        passed = {summary.step for summary in self.summaries[:-1]}
        needed = [name for name, each in self.freed.items() if each.until not in passed]
        for name in needed:
            freed.forget(paths.join(self.folder, name))
        if needed:
            raise NeededAgain(step, needed)

    def free(self, step: str, until: str, keep: str, notes: dict[str, Any]) -> None:
        """Delete the outputs of a map of this run, which the map `until` was the last to read, but for those whose
        names end with `keep`. As long as the maps up to that one stand, so does this one; `freed` says so to later
        runs, and keeps the notes for them. Of a map that has left no others nothing is said."""
        if self.dry_run or (step in self.freed and step not in self._remains):
            return
        folder = paths.join(self.folder, step)
        gone = self.freed.get(step) or Freed(until, keep, notes)
        names = [name for name in _files_in(folder) if is_of_attempt(name) and gone.covers(name)]
        if names and step not in self.freed:
            freed.save(folder, gone)
            self.freed[step] = gone
        parallel.each(lambda name: paths.remove([paths.join(folder, name)]), names, folder)
        self._remains.discard(step)

    def _check_discards(self, summary: MapSummary, gone: int) -> None:
        """Raises Discards if tasks would replace what they must not."""
        replaced = gone + sum(number for reason, number in summary.reasons.items() if reason not in (NEW, DAMAGED))
        new = summary.reasons.get(NEW, 0)
        if (self.protect and replaced) or (self.protect == "all" and new):
            raise Discards(summary, gone)

    def _run(
        self,
        job: Job,
        waiting: Sequence[Task],
        summary: MapSummary,
        results: dict[str, Manifest],
        watched: UnderWay,
    ) -> None:
        self.before_work()
        started = time.perf_counter()
        self._start(summary, waiting, watched)
        for task, manifest in self._get_backend(watched).run(job, waiting, summary, self.say):
            self.still()
            results[task.key] = manifest
            summary.excluded += bool(manifest.excluded)
            summary.storage_retries += manifest.counters.get(RETRIES, 0)
            watched.forget(task.key)
            if self.progress:
                self.progress.advance(task.weight, manifest.counters)
        summary.seconds = time.perf_counter() - started
        if self.progress:
            self.progress.finish()

    def say(self, line: str) -> None:
        """A line beside the progress, where there is any."""
        if self.progress:
            self.progress.say(line)

    def discard(self, path: str) -> bool:
        """Forget the task that wrote a file, so that it is done again. False if no task did, or it has been done
        since."""
        folder = paths.parent(path)
        manifest = _manifest(folder, key_of(paths.basename(path))) if paths.parent(folder) == self.folder else None
        if manifest is None or path not in {file.path for file in manifest.outputs.values()}:
            return False
        paths.remove([paths.join(folder, f"{manifest.key}.json")])
        return True

    def _start(self, summary: MapSummary, waiting: Sequence[Task], watched: UnderWay) -> None:
        if self.progress:
            self.progress.start(summary, sum(task.weight for task in waiting), watched.reached)

    def _get_backend(self, watched: UnderWay) -> Backend:
        if self._backend is None and self.workers == 0 and not self.address:
            self._backend = InProcess()
        elif self._backend is None:
            watched.doing = under_way.STARTING
            self._backend = OnRay(self.workers, self.address)
            watched.doing = ""
            watched.starting = "" if self.address else under_way.WORKERS  # on other machines nobody notes anything
        return self._backend

    def close(self) -> None:
        """Let go of the workers."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None


def committed(folder: str) -> dict[str, Manifest]:
    """Manifests in the folder of a step, by key, in their order; one that is damaged does not count."""
    return {key: manifest for key, manifest in manifests_in(folder).items() if manifest}


def damaged(folder: str) -> list[str]:
    """Keys in the folder of a step whose manifests are there and do not count."""
    return [key for key, manifest in manifests_in(folder).items() if not manifest]


def manifests_in(folder: str) -> dict[str, Manifest | None]:
    """Manifests in the folder of a step, by key, in their order; None for one that is there and does not count."""
    return _manifests(folder, _files_in(folder))


def _files_in(folder: str) -> dict[str, int]:
    """Names of the files in the folder of a step, and their bytes: asked for once, and not for each."""
    return {entry.name: entry.size for entry in paths.entries(folder) if entry.kind == "file"}


def _manifests(folder: str, there: Mapping[str, int]) -> dict[str, Manifest | None]:
    keys = sorted((key_of(name) for name in there if is_manifest(name)), key=key_order)
    return dict(zip(keys, parallel.each(lambda key: _manifest(folder, key), keys, folder)))


def _manifest(folder: str, key: str) -> Manifest | None:
    """The manifest of a task; None if there is none that counts."""
    try:
        manifest = Manifest.from_json(paths.read_bytes(paths.join(folder, f"{key}.json")), folder)
    except (ValueError, FileNotFoundError):
        return None
    return manifest if manifest.key == key else None


def _is_whole(file: File, there: Mapping[str, int], check: bool) -> bool:
    """Whether an output has its size, and its checksum if that is asked for."""
    return there.get(paths.basename(file.path)) == file.bytes and (not check or describe_file(file.path) == file)


def _sweep(folder: str, there: Mapping[str, int], keys: set[str], results: dict[str, Manifest]) -> None:
    """Delete manifests of tasks that are no more, and files of tasks that no manifest names."""
    named = {paths.basename(file.path) for manifest in results.values() for file in manifest.outputs.values()}
    rubbish = [name for name in there if name not in named and name != freed.NAME and is_ours(name)]
    manifests = [name for name in rubbish if is_manifest(name)]
    for names in ([name for name in manifests if key_of(name) not in keys], set(rubbish) - set(manifests)):
        parallel.each(lambda name: paths.remove([paths.join(folder, name)]), names, folder)
