"""What a run leaves for people, and whose it is.

`OUT/published.json` lists every file that a run has put into OUT, with size and checksum, and it alone says what may
be replaced or deleted. It is written before the files it names are put in place, so that nothing of ours is ever
unlisted; what is not on the list is somebody else's, and never touched.

    {"format": "winnow-published/1", "finished": bool, "recipe": {"name", "steps": [...]},
     "files": {"documents/00000.parquet": {"bytes", "xxh3_128"}, ...}}

Files are hard links to the outputs of tasks in OUT/work where the disk allows it, copies elsewhere.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import xxhash
import yaml

from corpus.io import parallel, paths
from corpus.io.paths import Entry
from corpus.io.retries import StoreFailed
from pipelines.engine import File, describe_file, freed
from pipelines.engine.engine import committed
from pipelines.engine.tasks import is_of_attempt
from pipelines.recipe import MOST_BYTES, read_yaml
from pipelines.steps import STEPS

FORMAT = "winnow-published/1"
NAME = "published.json"
LOCK = "lock.json"
FOLDERS = ("documents", "jsonl", "dropped", "quarantine", "near_dedup", "contamination", "tokenizer", "tokens")
_FILES = ("recipe.yaml", "report.json", "report.html")
_INNER = {
    "documents": re.compile(r"[^/]+=[^/]+"),
    "jsonl": re.compile(r"[^/]+=[^/]+"),
    "near_dedup": re.compile("clusters"),
    "contamination": re.compile(r"[^/]+"),
    "tokens": re.compile(r"packing(/[^/]+)?"),
}
"""Folders in these folders that a run may make."""
_SECOND = re.compile(r"(near_dedup|contamination)-\d+")
"""A folder of a step that stands in a recipe more than once; it holds what that of the first one does."""
_STEP = re.compile(r"(\d{2,}|tokenizer|tokens|best_fit)-.+")
"""Folders in work/ that a run may make."""
_UNPLACED = re.compile(r"\.[0-9a-f]{8}\.tmp$")
"""How names end of what earlier versions did not put in place. It is left alone, since others give such names, too."""
_ABANDONED = 3600.0
"""Seconds after which what was to become a lock is nobody's any more."""
_TITLE = " – Winnow report</title>".encode()
"""In the head of every report.html."""
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:/(?!/)")
_NAMES = {
    "documents": re.compile(r"([^/]+=[^/]+/)?\d{5,}\.parquet"),
    "jsonl": re.compile(r"([^/]+=[^/]+/)?\d{5,}\.jsonl\.zst"),
    "dropped": re.compile(r"[^/]+-\d{5,}\.parquet"),
    "quarantine": re.compile(r"[^/]+-\d{5,}\.parquet"),
    "near_dedup": re.compile(r"clusters/\d{5,}\.parquet"),
    "contamination": re.compile(r"spans/\d{5,}\.parquet|[^/]+/(clean|dirty|unchecked)_ids\.jsonl"),
    "tokenizer": re.compile(r"(tokenizer|vocab|sentencepiece|special_tokens_map)[^/]*|merges\.txt|pretokens[^/]*"),
    "tokens": re.compile(r"\d{5,}\.(bin|idx)|manifest\.json|packing/[^/]+/(\d{5,}\.arrow|figures\.json)"),
}
"""Names in these folders that a run may write."""


class OutputError(ValueError):
    """A directory that a run cannot use; the message is one sentence.

    >>> import pathlib, pipelines
    >>> pathlib.Path("OUT/documents").mkdir(parents=True)
    >>> _ = pathlib.Path("OUT/documents/mine.parquet").write_text("not a run's")
    >>> _ = pathlib.Path("docs.jsonl").write_text('{"text": "one"}')
    >>> pipelines.run_recipe(pipelines.Recipe(input="docs.jsonl", steps=[pipelines.ExactDedup()]), "OUT")
    Traceback (most recent call last):
        ...
    pipelines.publishing.OutputError: OUT is not empty and holds no run of ours (documents/mine.parquet); choose ...
    """


@dataclasses.dataclass
class Published:
    """What is published in `output`: files by their name below it, whether the run that put them there has finished,
    and which recipe that was."""

    output: str
    files: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    finished: bool = False
    recipe: dict = dataclasses.field(default_factory=dict)

    adopted: bool = False  # made from manifests, and not written yet
    check: bool = False  # what is there already is compared with its checksum, and put there again if it is damaged

    def path(self, name: str) -> str:
        """Path or URI of what has this name below `output`."""
        return paths.below(self.output, name)

    def names(self, folder: str) -> list[str]:
        """Names of what is published in a folder, in order."""
        return sorted(name for name in self.files if name.startswith(folder + "/"))

    def paths(self, folder: str) -> list[str]:
        """Paths of what is published in a folder, in the order of their names."""
        return [self.path(name) for name in self.names(folder)]

    def is_there(self, name: str) -> bool:
        """Whether a published file is where it should be, with its size, and its checksum if that is asked for."""
        size, digest = self.files.get(name, (-1, ""))
        path = self.path(name)
        return size >= 0 and paths.size(path) == size and (not self.check or describe_file(path).hash == digest)

    def save(self) -> None:
        """Write the list."""
        self.adopted = False
        files = {name: {"bytes": size, "xxh3_128": digest} for name, (size, digest) in sorted(self.files.items())}
        record = {"format": FORMAT, "finished": self.finished, "recipe": self.recipe, "files": files}
        paths.write_atomic(paths.join(self.output, NAME), (json.dumps(record, indent=1) + "\n").encode())

    def set_finished(self, finished: bool) -> None:
        """Note whether everything is there."""
        if self.finished != finished:
            self.finished = finished
            self.save()

    def publish(self, folder: str, files: dict[str, File], keep: tuple[str, ...] = ()) -> None:
        """Make OUT/folder hold `files` (name: output of a task) and, of ours, nothing else; names that
        begin with one of `keep` stay. Raises OutputError where somebody else's file is in the way."""
        wanted = {f"{folder}/{name}": file for name, file in files.items()}
        there = self._lying_in(folder)
        self._check_free(wanted, there.__contains__)
        kept = tuple(f"{folder}/{prefix}" for prefix in keep)
        stale = [
            n
            for n in self.files
            if n.startswith(f"{folder}/") and n not in wanted and not (kept and n.startswith(kept))
        ]
        entries = {name: (file.bytes, file.hash) for name, file in wanted.items()}
        same = {name for name, entry in entries.items() if self.files.get(name) == entry}
        if len(same) < len(entries):
            self.files.update(entries)
            self.save()
        missing = [name for name in wanted if not (name in same and self._stands(name, there))]
        parallel.each(lambda name: self._place(name, wanted[name], name in same), missing, self.output)
        self._remove(stale)

    def _lying_in(self, folder: str) -> dict[str, Entry]:
        """What lies in a folder of OUT, by its name below OUT: asked for once, and not for each file."""
        found = paths.entries(paths.join(self.output, folder), _INNER.get(_kind(folder) or ""))
        return {f"{folder}/{entry.name}": entry for entry in found}

    def _stands(self, name: str, there: Mapping[str, Entry]) -> bool:
        """Whether a published file is where it should be, as far as its folder says and where that is enough."""
        found = there.get(name)
        return not self.check and found is not None and (found.kind, found.size) == ("file", self.files[name][0])

    def put(self, path: str, data: bytes) -> None:
        """Write a file of ours whole, unless it is there already. Raises OutputError where somebody else's is in the
        way."""
        name = paths.name_below(self.output, path)
        self._check_free([name], lambda name: paths.is_taken(self.path(name)))
        entry = len(data), xxhash.xxh3_128_hexdigest(data)
        if self.files.get(name) != entry:
            self.files[name] = entry
            self.save()
        elif paths.size(path) == len(data) and paths.read_bytes(path) == data:
            return
        paths.write_atomic(path, data)

    def _place(self, name: str, file: File, listed: bool) -> None:
        target = self.path(name)
        here, there = paths.local_path(file.path), paths.local_path(target)
        if here is not None and there is not None and os.path.exists(there) and os.path.samefile(here, there):
            return
        if not (listed and self.is_there(name)):
            paths.publish(file.path, target)

    def _check_free(self, names: Iterable[str], is_taken: Callable[[str], bool]) -> None:
        for folder in {name.rpartition("/")[0] for name in names}:
            refuse_links(self.output, folder)
        for name in names:
            if name not in self.files and is_taken(name):
                raise _in_the_way(self.path(name))

    def _remove(self, names: list[str]) -> None:
        if not names:
            return
        parallel.each(lambda name: paths.remove([self.path(name)]), names, self.output)
        for name in names:
            del self.files[name]
        self.save()
        folders = {folder for name in names for folder in itertools.accumulate(name.split("/")[:-1], "{}/{}".format)}
        paths.remove_empty(map(self.path, folders))

    def sweep(self) -> None:
        """Delete what was not put in place since a run was ended in the middle of it; what is to become a lock only if
        it is old, since somebody may be about to lock OUT."""
        for entry in entries_of(self.output):
            if (
                entry.kind == "file"
                and paths.is_temporary(entry.name.rpartition("/")[2])
                and not self._is_to_be_lock(entry.name)
            ):
                paths.remove([self.path(entry.name)])

    def _is_to_be_lock(self, name: str) -> bool:
        source = paths.stat(self.path(name)) if name.startswith(f".{LOCK}.") else None
        return source is not None and time.time() - source.mtime_ns / 1e9 < _ABANDONED

    def strangers(self) -> list[str]:
        """Names that a run may write and that somebody else has taken."""
        return [entry.name for entry in entries_of(self.output) if self._is_strange(entry)]

    def _is_strange(self, entry: Entry) -> bool:
        folder, _, rest = entry.name.partition("/")
        kind = _kind(folder)
        may_write = _NAMES[kind].fullmatch(rest) if kind and rest else entry.name in _FILES
        unplaced = _UNPLACED.search(entry.name) and _UNPLACED.sub("", entry.name) in self.files
        return bool(may_write) and entry.name not in self.files and not unplaced

    def counts(self) -> str:
        """What is published, for people: "documents/ (5 files), report.json"."""
        folders: dict[str, int] = {}
        for name in self.files:
            head, slash, _ = name.partition("/")
            folders[head + slash] = folders.get(head + slash, 0) + 1
        said = (
            f"{name} ({n} file{'s' * (n > 1)})" if name.endswith("/") else name for name, n in sorted(folders.items())
        )
        return ", ".join(said) or "nothing yet"


def _kind(folder: str) -> str | None:
    """The one of FOLDERS as which a folder in OUT counts; None for what no run makes."""
    second = _SECOND.fullmatch(folder)
    return second[1] if second else folder if folder in FOLDERS else None


def _in_the_way(path: str) -> OutputError:
    return OutputError(f"{path} is in the way: no run has put it there. Move it, or choose another --output")


def entries_of(output: str) -> list[paths.Entry]:
    """What lies in OUT, and in those folders of it that a run may make for people; names are below OUT."""
    found = paths.entries(output)
    for folder in [entry.name for entry in found if entry.kind == "folder" and _kind(entry.name)]:
        below = paths.entries(paths.join(output, folder), _INNER.get(_kind(folder) or ""))
        found += [entry._replace(name=f"{folder}/{entry.name}") for entry in below]
    return sorted(found)


def step_folders(output: str) -> list[str]:
    """Folders in OUT/work in which tasks have left something, in the order of their names."""
    if "work" not in {entry.name for entry in paths.entries(output) if entry.kind == "folder"}:
        return []
    folders = [
        paths.join(output, "work", entry.name)
        for entry in paths.entries(paths.join(output, "work"))
        if entry.kind == "folder"
    ]
    return [folder for folder in folders if _is_step(folder)]


def _is_step(folder: str) -> bool:
    names = [entry.name for entry in paths.entries(folder) if entry.kind == "file"]
    return any(is_of_attempt(name) or name == freed.NAME for name in names) or bool(committed(folder))


def refuse_links(output: str, folder: str) -> None:
    """Raises OutputError if a folder in OUT is reached through a symbolic link, or is a file."""
    local = paths.local_path(output)
    if link := paths.link_in(output, folder):
        raise OutputError(
            f"{link} is a symbolic link; a run writes and deletes in folders of its own only. Remove it, or choose "
            "another --output"
        )
    if (
        local is not None
        and os.path.exists(os.path.join(local, folder))
        and not os.path.isdir(os.path.join(local, folder))
    ):
        raise OutputError(
            f"{os.path.join(local, folder)} is in the way: a run needs a folder of that name. Move it, or choose "
            "another --output"
        )


def open_output(output: str) -> Published:
    """What is published in a directory that a run is to use; nothing in one that is empty or not there. Writes
    nothing. Raises OutputError for a directory that holds something else, or where something of somebody else's is
    in the way."""
    try:
        found = load(output)
        if found is None:
            _refuse_strangers(output)
            found = Published(output)
        _check_names(found)
    except OSError as error:
        raise OutputError(f"cannot use {output} as a run directory: {error}") from None
    return found


def check_output(output: str) -> None:
    """Raises OutputError for what cannot name a directory: a URI that no filesystem knows, bytes that are no text."""
    try:
        output.encode()
        if "\0" in output or not output:
            raise ValueError("a name has characters, and none of them is NUL")
        if _SCHEME.match(output):
            raise ValueError("a URI has two slashes after its colon, a path ./ before it")
        if not paths.reachable(output)[1].strip("/") and not paths.is_local(output):
            raise ValueError("it names no folder")
    except (ValueError, TypeError, OSError) as error:
        raise OutputError(f"{output!r} cannot be a run directory: {_shown(error)}") from None


def check_place(output: str) -> None:
    """Raises OutputError where the folder of a run is not there and cannot be made. Leaves nothing."""
    path = paths.local_path(output)
    if path is None or os.path.lexists(path):
        return
    above = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if os.path.exists(above) and not os.path.isdir(above):
        raise OutputError(f"{output} cannot be a run directory: {above} is a file; choose another --output")
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".winnow-", dir=above))
    except OSError as error:
        raise OutputError(
            f"{output} cannot be a run directory: no folder can be made in {above} ({error.strerror}); choose another "
            "--output"
        ) from None


def load(output: str) -> Published | None:
    """The list of a run directory, made from its manifests where the run is of a version that had none; None if it
    is no run directory. Raises OutputError for a list that is damaged."""
    check_output(output)
    local = paths.local_path(output)
    if local is not None and os.path.exists(local) and not os.path.isdir(local):
        raise OutputError(f"{output} is a file, and not a run directory")
    path = paths.join(output, NAME)
    if not paths.exists(path):
        return _adopted(output)
    try:
        return _listed(output, json.loads(paths.read_bytes(path)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise OutputError(
            f"{path} cannot be read ({_shown(error)}): delete it, and a run adopts the files that its work/ vouches for"
        ) from None


def _shown(error: Exception) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _listed(output: str, record: dict[str, Any]) -> Published:
    """What a list says. Raises ValueError, or what a record of another shape gives rise to, where it cannot be ours."""
    if record["format"] != FORMAT:
        raise ValueError(f"its format is {record['format']!r}, and this version knows {FORMAT!r}")
    recipe, finished = record["recipe"], record["finished"]
    if not isinstance(finished, bool) or (recipe and not _is_identity(recipe)):
        raise ValueError("what it says of the run is damaged")
    for name, file in record["files"].items():
        if not (
            _may_publish(name)
            and type(file["bytes"]) is int
            and file["bytes"] >= 0
            and isinstance(file["xxh3_128"], str)
        ):
            raise ValueError(f"it lists {name!r:.200}, which no run can have put there")
    files = {name: (file["bytes"], file["xxh3_128"]) for name, file in record["files"].items()}
    return Published(output, files, finished, dict(recipe))


def _is_identity(recipe: dict[str, Any]) -> bool:
    """Whether this is how a list names a recipe."""
    return (
        isinstance(recipe["name"], str)
        and isinstance(recipe["steps"], list)
        and all(isinstance(step, str) for step in recipe["steps"])
    )


def _may_publish(name: str) -> bool:
    """Whether a run can have put a file there: below OUT, in one of its folders."""
    name.encode()
    folder, *rest = name.split("/")
    below = bool(rest) and not {"", ".", ".."} & set(rest) and "\0" not in name
    return name in _FILES or (_kind(folder) is not None and below)


def _refuse_strangers(output: str) -> None:
    """Raises OutputError unless a directory without a run is empty, but for what a run leaves that was ended at
    once."""
    for name in _found_in(output, ""):
        unplaced = _UNPLACED.search(name) and _UNPLACED.sub("", name) in (NAME, LOCK, *_FILES)
        if name not in (NAME, LOCK) and not unplaced:
            raise OutputError(f"{output} is not empty and holds no run of ours ({name}); choose another --output")


def _found_in(output: str, folder: str) -> Iterator[str]:
    """Names of what is not a folder, anywhere below OUT, but for those that begin with `.` or `_`."""
    for entry in paths.entries(paths.below(output, folder) if folder else output):
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.kind == "folder" and not entry.name.startswith((".", "_")):
            yield from _found_in(output, name)
        elif not entry.name.startswith((".", "_")):
            yield name


def _check_names(found: Published) -> None:
    """Raises OutputError where a name that a run may write is somebody else's, or leads elsewhere."""
    second = [entry.name for entry in paths.entries(found.output) if _SECOND.fullmatch(entry.name)]
    for folder in (*FOLDERS, *second, "work", *sorted({n.rpartition("/")[0] for n in found.files if "/" in n})):
        refuse_links(found.output, folder)
    for entry in paths.entries(paths.join(found.output, "work")):
        if _STEP.fullmatch(entry.name):
            refuse_links(found.output, f"work/{entry.name}")
    kinds = {entry.name: entry.kind for entry in paths.entries(found.output)}
    for name in (*_FILES, NAME, LOCK):
        if kinds.get(name, "file") != "file":
            raise OutputError(
                f"{found.path(name)} is in the way: a run writes a file of that name. Move it, or choose "
                "another --output"
            )
    for name in found.strangers():
        raise _in_the_way(found.path(name))


# ------------------------------------------------------------------ runs of versions without the list


def _adopted(output: str) -> Published | None:
    """The list of a run without one: the files that are what its manifests say. None if there is no such run."""
    recipe = _recipe_of(output)
    if recipe is None:
        return None
    steps = step_folders(output)
    vouched = _vouched(steps) if _is_work_of(recipe, steps) else {}
    if not vouched:
        return None
    found = Published(output, recipe=recipe, adopted=True)
    for entry in entries_of(output):
        if entry.kind == "file" and _kind(entry.name.partition("/")[0]) and "/" in entry.name:
            path = found.path(entry.name)
            derived = _derived(entry.name, path)
            if derived or entry.size in vouched:
                file = describe_file(path)
                if derived or file.hash in vouched[file.bytes]:
                    found.files[entry.name] = (file.bytes, file.hash)
    for name in ("recipe.yaml", *_reports_of(output, recipe)):
        file = describe_file(paths.join(output, name))
        found.files[name] = (file.bytes, file.hash)
    found.finished = "report.json" in found.files
    return found


def _recipe_of(output: str) -> dict[str, Any] | None:
    """Name and steps of the recipe.yaml that a run has written; None if there is none, or it is another program's."""
    try:
        with paths.open_input(paths.join(output, "recipe.yaml")) as file:
            record = read_yaml(file.read(MOST_BYTES + 1).decode())
        recipe = {"name": record["name"], "steps": [name for step in record["steps"] for name in step]}
        kinds = [
            (record["input"], list),
            (record["read"], dict),
            (record["seed"], int),
            *((step, dict) for step in record["steps"]),
        ]
    except StoreFailed:  # which says nothing of what is there
        raise
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    ours = (
        all(isinstance(value, kind) for value, kind in kinds)
        and _is_identity(recipe)
        and set(recipe["steps"]) <= set(STEPS)
    )
    return recipe if ours else None


def _is_work_of(recipe: dict[str, Any], folders: list[str]) -> bool:
    """Whether the first map in work/ is one of this recipe: its folder has the names of its steps, `00-read+c4`."""
    known = {"read", "documents", *recipe["steps"]}
    first = [
        paths.basename(folder).removeprefix("00-") for folder in folders if paths.basename(folder).startswith("00-read")
    ]
    return bool(first) and all(re.sub(r"-\d+$", "", step) in known for name in first for step in name.split("+"))


def _reports_of(output: str, recipe: dict[str, Any]) -> list[str]:
    """Which of the reports in OUT are ours: that of this recipe, and the page that was made of it."""
    try:
        record = json.loads(paths.read_bytes(paths.join(output, "report.json")))
        ours = record["recipe"] == recipe["name"] and {"seed", "documents", "problems", "steps"} <= set(record)
        page = paths.join(output, "report.html")
        made = ours and paths.exists(page) and _TITLE in paths.read_bytes(page)[:4096]
    except StoreFailed:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return ["report.json", "report.html"][: ours + made]


def _vouched(folders: list[str]) -> dict[int, set[str]]:
    """Hashes of the outputs that manifests name, by size."""
    found: dict[int, set[str]] = {}
    for folder in folders:
        for manifest in committed(folder).values():
            for file in manifest.outputs.values():
                found.setdefault(file.bytes, set()).add(file.hash)
    return found


def _derived(name: str, path: str) -> bool:
    """Whether a file is one of those that a run makes of its manifests' counters."""
    if not re.fullmatch(r"tokens/(manifest|packing/[^/]+/figures)\.json", name):
        return False
    try:
        record = json.loads(paths.read_bytes(path))
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and str(record.get("format", "")).startswith("winnow-")
