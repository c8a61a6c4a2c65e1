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

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
import pathlib
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import xxhash

from corpus.io import paths

MAX_ATTEMPTS = 4
"""Attempts of one task before the run gives up on it: a killed worker costs a retry, a task
that kills every worker must not cost the cluster."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file that a manifest names: its path, its size in bytes, its xxh3-128 in hex."""

    path: str
    bytes: int
    hash: str


@dataclasses.dataclass(frozen=True)
class Task:
    """One call: `key` is unique in its step and sorts as the results do; `argument` is given to
    the function; `inputs` are (name, fingerprint) of every file it reads; `weight` is the number
    of bytes it reads, for the progress line."""

    key: str
    argument: Any
    inputs: tuple[tuple[str, str], ...]
    weight: int = 0


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The commit of a task: what it read, under which configuration and code, what it wrote
    (by logical name), what it counted, how long it took."""

    key: str
    inputs: tuple[tuple[str, str], ...]
    configuration: str
    code: str
    outputs: dict[str, File]
    counters: dict[str, Any]
    seconds: float

    def to_json(self) -> bytes:
        """UTF-8 JSON; output paths relative to the step's folder, so that a run can be moved."""
        record = dataclasses.asdict(self)
        for file in record["outputs"].values():
            file["path"] = file["path"].rpartition("/")[2]
        return json.dumps(record, indent=1).encode()

    @staticmethod
    def from_json(data: bytes, folder: str) -> Manifest:
        record = json.loads(data)
        record["inputs"] = tuple((name, print_) for name, print_ in record["inputs"])
        record["outputs"] = {
            name: File(paths.join(folder, file["path"]), file["bytes"], file["hash"])
            for name, file in record["outputs"].items()
        }
        return Manifest(**record)


class Outputs:
    """Names for one attempt's output files."""

    def __init__(self, folder: str, key: str):
        paths.make_folder(folder)
        self._prefix = paths.join(folder, f"{key}-{uuid.uuid4().hex[:8]}")
        self._paths: dict[str, str] = {}

    def path(self, name: str) -> str:
        """Where to write the output called `name` (its suffix is kept)."""
        self._paths[name] = f"{self._prefix}-{name}"
        return self._paths[name]

    def files(self) -> dict[str, File]:
        """The outputs by name. Raises FileNotFoundError if one that was asked for is not there."""
        return {name: describe_file(path) for name, path in sorted(self._paths.items())}


def describe_file(path: str) -> File:
    """Size and xxh3-128 of a file."""
    digest = xxhash.xxh3_128()
    total = 0
    with paths.open_input(path) as file:
        while chunk := file.read(4 << 20):
            digest.update(chunk)
            total += len(chunk)
    return File(path, total, digest.hexdigest())


def fingerprint(value: Any) -> str:
    """Short hex digest of a JSON-able value (dataclasses and tuples included)."""
    text = json.dumps(value, sort_keys=True, default=_jsonable, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {"type": type(value).__qualname__, **dataclasses.asdict(value)}
    raise TypeError(f"a configuration cannot hold {type(value).__name__}")


@functools.lru_cache(maxsize=None)
def code_fingerprint(packages: tuple[str, ...]) -> str:
    """Digest of the source of our modules or whole packages (their .py files, by name), and of the
    versions of installed libraries."""
    digest = hashlib.sha256()
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            digest.update(f"{package} {importlib.metadata.version(package)}".encode())
            continue
        origin = pathlib.Path(importlib.import_module(package).__file__)
        files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class TaskFailed(RuntimeError):
    """A task that failed for good: says which, on what, and why."""


class NothingRuns(RuntimeError):
    """Raised by a dry run where a result would be needed that is not there yet."""


@dataclasses.dataclass
class MapSummary:
    """What a map had to do: for the plan, the progress lines and the report."""

    step: str
    tasks: int
    done: int
    reasons: dict[str, int]
    retries: int = 0
    seconds: float = 0.0


class Engine:
    """Runs durable maps below `folder` (OUT/work). `workers`: processes on this machine, 0 for
    this process; `address`: a Ray cluster to use instead. `progress`: an object with `start`,
    `advance` and `finish` (see progress.py). With `dry_run` nothing is written or run."""

    def __init__(self, folder: str, workers: int, address: str | None = None, progress=None, dry_run: bool = False):
        self.folder = folder
        self.workers = workers
        self.address = address
        self.progress = progress
        self.dry_run = dry_run
        self.summaries: list[MapSummary] = []
        self._backend = None

    def map(
        self,
        step: str,
        function: Callable[[Any, Outputs], dict[str, Any]],
        tasks: Sequence[Task],
        configuration: Any = None,
        code: Sequence[str] = (),
    ) -> list[Manifest]:
        """Run `function(argument, outputs) -> counters` for every task that has no matching
        manifest; manifests of all tasks, in their order. `code` names the modules whose source
        is part of a task's identity. Raises TaskFailed."""
        folder = paths.join(self.folder, step)
        settings = fingerprint(configuration)
        source = code_fingerprint(tuple(sorted({*code, function.__module__})))
        committed = _committed(folder)
        results: dict[str, Manifest] = {}
        reasons: dict[str, int] = {}
        waiting = []
        for task in tasks:
            manifest = committed.get(task.key)
            reason = _stale(manifest, task, settings, source)
            if reason is None:
                results[task.key] = manifest
            else:
                reasons[reason] = reasons.get(reason, 0) + 1
                waiting.append(task)
        summary = MapSummary(step, len(tasks), len(results), reasons)
        self.summaries.append(summary)
        if self.dry_run:
            if waiting:
                raise NothingRuns(step)
            return [results[task.key] for task in tasks]
        if waiting:
            started = time.perf_counter()
            job = Job(folder, function, settings, source)
            self._start(summary, waiting)
            for task, manifest in self._get_backend().run(job, waiting, summary):
                results[task.key] = manifest
                if self.progress:
                    self.progress.advance(task.weight, manifest.counters)
            summary.seconds = time.perf_counter() - started
            if self.progress:
                self.progress.finish()
        _sweep(folder, committed, {task.key for task in tasks}, results)
        return [results[task.key] for task in tasks]

    def _start(self, summary: MapSummary, waiting: Sequence[Task]) -> None:
        if self.progress:
            self.progress.start(summary, sum(task.weight for task in waiting))

    def _get_backend(self):
        if self._backend is None:
            in_process = self.workers == 0 and not self.address
            self._backend = InProcess() if in_process else OnRay(self.workers, self.address)
        return self._backend

    def close(self) -> None:
        """Let go of the workers."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None


@dataclasses.dataclass(frozen=True)
class Job:
    """What all tasks of a map share."""

    folder: str
    function: Callable[[Any, Outputs], dict[str, Any]]
    configuration: str
    code: str


def execute(job: Job, task: Task) -> bytes:
    """One attempt at a task, wherever it runs; its manifest as JSON."""
    started = time.perf_counter()
    outputs = Outputs(job.folder, task.key)
    counters = job.function(task.argument, outputs)
    manifest = Manifest(
        key=task.key,
        inputs=task.inputs,
        configuration=job.configuration,
        code=job.code,
        outputs=outputs.files(),
        counters=counters,
        seconds=round(time.perf_counter() - started, 3),
    )
    data = manifest.to_json()
    paths.write_atomic(paths.join(job.folder, f"{task.key}.json"), data)
    return data


class InProcess:
    """Runs tasks one after the other in this process: for debugging, same results."""

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary) -> Iterator[tuple[Task, Manifest]]:
        for task in tasks:
            try:
                data = execute(job, task)
            except Exception as error:
                raise _failure(summary, task, traceback.format_exc(), error) from error
            yield task, Manifest.from_json(data, job.folder)

    def close(self) -> None:
        pass


class OnRay:
    """Runs tasks as Ray tasks, at most twice as many in flight as there are processors: what
    waits is a name, never data. A Ray that this process has started already is used as it is."""

    def __init__(self, workers: int, address: str | None):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self.ray = ray
        self._mine = not ray.is_initialized()
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._mine and address:
            ray.init(address=address, **quiet)
        elif self._mine:
            local = {"num_cpus": workers, "object_store_memory": 128 << 20, "include_dashboard": False}
            ray.init(address="local", **local, **quiet)
        self._execute = ray.remote(num_cpus=1, max_retries=0)(execute)

    def run(self, job: Job, tasks: Sequence[Task], summary: MapSummary) -> Iterator[tuple[Task, Manifest]]:
        ray = self.ray
        shared = ray.put(job)
        limit = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        queue = [(task, 1) for task in reversed(tasks)]
        flying: dict[Any, tuple[Task, int]] = {}
        while queue or flying:
            while queue and len(flying) < limit:
                task, attempt = queue.pop()
                flying[self._execute.remote(shared, task)] = (task, attempt)
            done, _ = ray.wait(list(flying), num_returns=1)
            for reference in done:
                task, attempt = flying.pop(reference)
                try:
                    data = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise _failure(summary, task, str(error), error.cause) from None
                except ray.exceptions.RayError as error:  # the worker died
                    if attempt == MAX_ATTEMPTS:
                        raise _failure(summary, task, str(error), error) from None
                    summary.retries += 1
                    queue.append((task, attempt + 1))
                else:
                    yield task, Manifest.from_json(data, job.folder)

    def close(self) -> None:
        if self._mine:
            self.ray.shutdown()


def _failure(summary: MapSummary, task: Task, trace: str, error: Exception) -> TaskFailed:
    names = ", ".join(name for name, _ in task.inputs[:3])
    failed = TaskFailed(f"step {summary.step}, task {task.key} ({names}): {type(error).__name__}: {error}".strip())
    failed.trace = trace
    return failed


def _committed(folder: str) -> dict[str, Manifest]:
    """Manifests in the folder, by key; one that cannot be read does not count."""
    manifests = {}
    for source in paths.list_files(folder):
        name = source.path.rpartition("/")[2]
        if name.endswith(".json") and "-" not in name:
            try:
                manifest = Manifest.from_json(paths.read_bytes(source.path), folder)
            except (ValueError, KeyError, TypeError):
                continue
            manifests[manifest.key] = manifest
    return manifests


def _stale(manifest: Manifest | None, task: Task, configuration: str, code: str) -> str | None:
    """Why the task has to run, or None if its manifest stands."""
    if manifest is None:
        return "not done yet"
    if manifest.inputs != task.inputs:
        return "inputs changed"
    if manifest.configuration != configuration:
        return "configuration changed"
    if manifest.code != code:
        return "code changed"
    if any(paths.size(file.path) != file.bytes for file in manifest.outputs.values()):
        return "an output is missing or damaged"
    return None


def _sweep(folder: str, before: dict[str, Manifest], keys: set[str], results: dict[str, Manifest]) -> None:
    """Delete manifests of tasks that are no more, and files that no manifest names."""
    paths.remove(paths.join(folder, f"{key}.json") for key in before.keys() - keys)
    named = {file.path for manifest in results.values() for file in manifest.outputs.values()}
    named |= {paths.join(folder, f"{key}.json") for key in keys}
    paths.remove(source.path for source in paths.list_files(folder) if source.path not in named)
