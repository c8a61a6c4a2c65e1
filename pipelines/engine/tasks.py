"""What a task is, what it leaves, and its manifest, which is its commit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from corpus import closure
from corpus.io import paths, recorded, retries
from pipelines.engine import freed, under_way

RETRIES = "storage_retries"
"""The counter in which a manifest has how often an attempt asked storage again, if it did."""
MAX_ATTEMPTS = 4
"""Attempts of one task before it is given up, or halved: a killed worker costs a retry, a task that kills every
worker must not cost the cluster."""


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file that a manifest names: its path, its size in bytes, its xxh3-128 in hex."""

    path: str
    bytes: int
    hash: str


class Exclusion(NamedTuple):
    """Records of a task that it leaves out, and why: numbers `first` to `end` of its part number `part`; all of
    the part, which is not even opened, where `end` is None."""

    part: int
    first: int
    end: int | None
    reason: str


class Limits(NamedTuple):
    """What an attempt at a task may take in a worker: seconds, and bytes of memory of its processes."""

    seconds: float
    memory: int


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """One call: `key` is a number of five digits or more, unique in its step; `argument` is given to the function;
    `inputs` are (name, fingerprint) of every file it reads; `weight` is the number of bytes it reads, for the progress
    line.

    `sources` are files outside of work/ that it reads, which must be as they were when it commits. `parts` is for
    each of the pieces that its argument can be divided into how many records that has, None where it has to be
    counted; the argument of such a task has a method `without(exclusions)`, and the task's counters `records`, how
    many each part was found to have. `extra` is what the task needs by design beyond the limits."""

    key: str
    argument: Any
    inputs: tuple[tuple[str, str], ...]
    weight: int = 0
    sources: tuple[paths.Source, ...] = ()
    parts: tuple[int | None, ...] = ()
    extra: Limits = Limits(0.0, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """The commit of a task: what it read (as `fingerprint_of` that), under which configuration and code, what it wrote
    (by logical name), what it counted, how long it took; the records that it leaves out since it fails at them,
    and the limits under which it did.

    A run has as many as it has tasks, so that they are held small: counters take a tenth of the room as `packed`."""

    key: str
    inputs: str
    configuration: str
    code: str
    outputs: dict[str, File]
    packed: bytes
    seconds: float
    excluded: tuple[Exclusion, ...] = ()
    limits: Limits | None = None

    @property
    def counters(self) -> dict[str, Any]:
        """What it counted; a new one each time."""
        found: dict[str, Any] = pickle.loads(self.packed)
        return found

    @staticmethod
    def from_json(data: bytes, folder: str) -> Manifest:
        """The manifest in a file in `folder`. Raises ValueError where it is none, or not what was written there."""
        try:
            return Manifest._of_record(json.loads(data), folder)
        except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"no manifest: {error}") from None

    @staticmethod
    def _of_record(record: dict[str, Any], folder: str) -> Manifest:
        checksum = record.pop("checksum", None)  # earlier versions wrote none
        if checksum not in (None, _checksum(paths.basename(folder), record)):
            raise ValueError("its checksum is wrong")
        counters = record.pop("counters")
        if not isinstance(counters, dict):
            raise ValueError("its counters are none")
        record["packed"] = pickle.dumps(counters)
        record["inputs"] = fingerprint_of((name, print_) for name, print_ in record["inputs"])
        record["outputs"] = {
            sys.intern(name): _output(folder, record["key"], file) for name, file in record["outputs"].items()
        }
        record["excluded"] = tuple(Exclusion(*each) for each in record.get("excluded", ()))
        record["limits"] = Limits(*record["limits"]) if record.get("limits") else None
        record["configuration"], record["code"] = sys.intern(record["configuration"]), sys.intern(record["code"])
        return Manifest(**record)


def fingerprint_of(inputs: Iterable[tuple[str, str]]) -> str:
    """Of what a task reads: (name, fingerprint) of each file. What stands for a list that can be long."""
    return xxhash.xxh3_128_hexdigest(json.dumps(list(inputs)).encode())


def _checksum(step: str, record: dict[str, Any]) -> str:
    """Of what a manifest says and where: in the folder of another step it is not valid."""
    return xxhash.xxh3_128_hexdigest(f"{step} {json.dumps(record)}".encode())


def _output(folder: str, key: str, file: dict[str, Any]) -> File:
    """A file as a manifest in `folder` names it. Raises ValueError if no attempt at the task could have written it."""
    name, size, digest = file["path"], file["bytes"], file["hash"]
    if not (_ATTEMPT.fullmatch(name) and key_of(name) == key and isinstance(size, int) and isinstance(digest, str)):
        raise ValueError(f"{name!r} is no output of task {key}")
    return File(paths.join(folder, name), size, digest)


_MANIFEST = re.compile(r"\d{5,}\.json")
_ATTEMPT = re.compile(r"\d{5,}-[0-9a-f]{8}-[^/\0]+")
_UNPLACED = re.compile(r"\d{5,}\.json\.[0-9a-f]{8}\.tmp")
"""Names of what tasks leave in the folder of a step; the last of what earlier versions did not put in place."""


def is_manifest(name: str) -> bool:
    """Whether a file in the folder of a step has the name of a manifest."""
    return _MANIFEST.fullmatch(name) is not None


def is_of_attempt(name: str) -> bool:
    """Whether a file in the folder of a step has a name that only an attempt gives."""
    return _ATTEMPT.fullmatch(name) is not None


def is_ours(name: str) -> bool:
    """Whether a file in the folder of a step has a name that a task could have given it."""
    known = is_manifest(name) or is_of_attempt(name) or name == freed.NAME
    return known or paths.is_temporary(name) or _UNPLACED.fullmatch(name) is not None


def task_key(number: int) -> str:
    """The key of task number `number`."""
    return f"{number:05d}"


def numbered(number: int, count: int) -> str:
    """In names, a number of `count`, from 0: five digits, or as many as the largest has, so that as text they sort as
    numbers do.

    >>> from pipelines.engine import numbered
    >>> numbered(7, 100_000), numbered(7, 100_001)
    ('00007', '000007')
    """
    return f"{number:0{max(5, len(str(count - 1)))}d}"


def key_of(name: str) -> str:
    """The key of the task that gave a file its name."""
    return name.partition("-")[0].removesuffix(".json")


def key_order(key: str) -> tuple[int, str]:
    """By this keys are sorted, and names that end in a number: 99999 comes before 100000, which as text it does not."""
    return len(key), key


class Outputs:
    """Names for one attempt's output files; `written` is what is known of them from when they were written."""

    def __init__(self, folder: str, key: str, attempt: str):
        if paths.local_path(folder) is not None:  # a store needs none
            paths.make_folder(folder)
        self._folder, self._prefix = folder, f"{key}-{attempt}"
        self._paths: dict[str, str] = {}
        self.written: recorded.Found = {}

    def path(self, name: str) -> str:
        """Where to write the output called `name` (its suffix is kept)."""
        self._paths[name] = paths.join(self._folder, f"{self._prefix}-{name}")
        return self._paths[name]

    def files(self) -> dict[str, File]:
        """The outputs by name, durable from now on. Raises FileNotFoundError if one that was asked for is not
        there."""
        paths.sync(self._paths.values())
        return {name: self._file(path) for name, path in sorted(self._paths.items())}

    def _file(self, path: str) -> File:
        return File(path, *self.written[path]) if path in self.written else describe_file(path)

    def remove(self) -> None:
        """Delete what has been written."""
        paths.remove(self._paths.values())


def describe_file(path: str) -> File:
    """Size and xxh3-128 of a file."""
    digest = xxhash.xxh3_128()
    total = 0
    with paths.open_input(path) as file:
        while chunk := file.read(4 << 20):
            digest.update(chunk)
            total += len(chunk)
    return File(path, total, digest.hexdigest())


def check_file(file: File) -> None:
    """Raises DamagedFile if a file that a task wrote is not what it wrote."""
    try:
        found = describe_file(file.path)
    except FileNotFoundError:
        raise paths.DamagedFile(file.path, "it is gone") from None
    if found != file:
        raise paths.DamagedFile(file.path, "its checksum is wrong")


def outputs_named(manifests: Iterable[Manifest], name: str) -> list[File]:
    """The outputs called `name`, in the order of the tasks."""
    return [manifest.outputs[name] for manifest in manifests if name in manifest.outputs]


def fingerprint_of_files(files: Iterable[File]) -> str:
    """xxh3-128, in hex, of what files hold together, in this order: for tasks that read all of them."""
    return xxhash.xxh3_128_hexdigest(" ".join(file.hash for file in files).encode())


def fingerprint(value: Any) -> str:
    """Short hex digest of a JSON-able value (dataclasses and tuples included)."""
    text = json.dumps(value, sort_keys=True, default=_jsonable, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__qualname__, **dataclasses.asdict(value)}
    raise TypeError(f"a configuration cannot hold {type(value).__name__}")


def code_fingerprint(function: Callable, configuration: Any) -> str:
    """Digest of the code that decides what a map does: the closure of its function's module, of the modules of all
    that its configuration holds, and of the further code that these name. Imports nothing."""
    return closure.digest([closure.Code(function.__module__), *_code_of(configuration)])


def _code_of(value: Any) -> Iterator[closure.Code]:
    """The code of what a configuration holds: steps, and the options of reading."""
    if isinstance(value, closure.NamesCode):
        yield from value.code()
    if dataclasses.is_dataclass(value):
        yield closure.Code(type(value).__module__)
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from _code_of(each)


class TaskFailed(RuntimeError):
    """A task that failed for good: says which, on what, and why. `trace` is where in the code, "" if that does not
    matter; `name` is STEP/KEY.

    >>> import pipelines
    >>> error = pipelines.TaskFailed("step 00-read, task 00000: no space left", name="00-read/00000")
    >>> str(error), error.name  # for `winnow task OUT 00-read/00000`
    ('step 00-read, task 00000: no space left', '00-read/00000')
    """

    def __init__(self, sentence: str, trace: str = "", name: str = ""):
        super().__init__(sentence)
        self.trace, self.name = trace, name


class Unproven(AssertionError):
    """Counts that do not add up: not the data's fault, and no record to be set aside for."""


class InputChanged(RuntimeError):
    """An input file that is not what it was when the run began."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What all tasks of a map share. `environment` is set in the process that runs them; `common` is given to the
    function behind its argument and outputs, unless it is None; how far attempts are is noted in the folder
    `under_way`."""

    folder: str
    function: Callable[..., dict[str, Any]]
    configuration: str
    code: str
    limits: Limits
    environment: tuple[tuple[str, str], ...] = ()
    common: Any = None
    under_way: str = ""


def execute(job: Job, task: Task, attempt: str, excluded: Sequence[Exclusion] = ()) -> bytes:
    """One attempt at a task, wherever it runs, without the records `excluded`; commits it. Its manifest as JSON."""
    started, before = time.perf_counter(), retries.count()
    outputs = Outputs(job.folder, task.key, attempt)
    with recorded.into(outputs.written), under_way.noted(job.under_way, task.key):
        counters = call(job, task, outputs, excluded)
    for source in task.sources:
        _check_unchanged(source)
    files = outputs.files()
    if again := retries.count() - before:
        counters = {**counters, RETRIES: again}
    data = _manifest(job, task, files, counters, round(time.perf_counter() - started, 3), excluded)
    paths.write_atomic(paths.join(job.folder, f"{task.key}.json"), data)
    return data


def _manifest(
    job: Job,
    task: Task,
    outputs: dict[str, File],
    counters: dict[str, Any],
    seconds: float,
    excluded: Sequence[Exclusion],
) -> bytes:
    """A manifest as it is stored: UTF-8 JSON with a checksum, for the folder of this step; output paths are relative to
    that, so that a run can be moved."""
    files = {
        name: {"path": paths.basename(file.path), "bytes": file.bytes, "hash": file.hash}
        for name, file in outputs.items()
    }
    record = {
        "key": task.key,
        "inputs": task.inputs,
        "configuration": job.configuration,
        "code": job.code,
        "outputs": files,
        "counters": counters,
        "seconds": seconds,
        "excluded": tuple(excluded),
        "limits": job.limits if excluded else None,
    }
    record["checksum"] = _checksum(paths.basename(job.folder), record)
    return json.dumps(record).encode()  # an indented one takes ten times as long


def probe(job: Job, task: Task, attempt: str, excluded: Sequence[Exclusion]) -> bytes:
    """An attempt that leaves nothing, to learn whether the task succeeds without some records. Its counters as JSON."""
    outputs = Outputs(job.folder, task.key, attempt)
    counters = call(job, task, outputs, excluded)
    outputs.remove()
    return json.dumps(counters).encode()


def call(job: Job, task: Task, outputs: Outputs, excluded: Sequence[Exclusion]) -> dict[str, Any]:
    """Run the function; its counters."""
    os.environ.update(job.environment)
    argument = task.argument.without(_apart(excluded)) if excluded else task.argument
    return job.function(argument, outputs) if job.common is None else job.function(argument, outputs, job.common)


def _apart(excluded: Sequence[Exclusion]) -> tuple[Exclusion, ...]:
    """Exclusions in order; where they overlap the later one gives way."""
    apart: list[Exclusion] = []
    for each in sorted(excluded, key=lambda each: (each.part, each.end is not None, each.first)):
        last = apart[-1] if apart and apart[-1].part == each.part else None
        if last is None:
            apart.append(each)
        elif last.end is not None and each.end is not None and each.end > last.end:
            apart.append(each._replace(first=max(each.first, last.end)))
    return tuple(apart)


def _check_unchanged(source: paths.Source) -> None:
    """Raises InputChanged if a file is not as it was when the run was planned."""
    found = paths.stat(source.path)
    if found is None:
        raise InputChanged(f"{source.path} is gone since the run began")
    if found.size != source.size:
        raise InputChanged(
            f"{source.path} had {source.size} bytes when the run began and has {found.size} now: "
            "run again once it stays as it is"
        )
    if found.mtime_ns != source.mtime_ns:
        raise InputChanged(f"{source.path} was written to since the run began: run again once it stays as it is")
