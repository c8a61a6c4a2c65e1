"""What a run leaves for people, and whose it is.

`OUT/published.json` lists every file that a run has put into OUT, with size and checksum, and it alone says what may
be replaced or deleted. It is written before the files it names are put in place, so that nothing of ours is ever
unlisted; what is not on the list is somebody else's, and never touched.

    {"format": "winnow-published/1", "finished": bool, "recipe": {"name", "steps": [...]},
     "files": {"documents/00000.parquet": {"bytes", "xxh3_128"}, ...}}

Files are hard links to the outputs of tasks in OUT/work where the disk allows it, copies elsewhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Iterable

import xxhash
import yaml

from corpus.io import paths
from pipelines.engine import File, describe_file
from pipelines.engine.engine import committed
from pipelines.engine.tasks import is_ours

FORMAT = "winnow-published/1"
NAME = "published.json"
LOCK = "lock.json"
FOLDERS = ("documents", "dropped", "quarantine", "tokenizer", "tokens")
_FILES = ("recipe.yaml", "report.json", "report.html")
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}\.tmp$")
_NAMES = {
    "documents": re.compile(r"([^/]+=[^/]+/)?\d{5,}\.parquet"),
    "dropped": re.compile(r"[^/]+-\d{5,}\.parquet"),
    "quarantine": re.compile(r"[^/]+-\d{5,}\.parquet"),
    "tokenizer": re.compile(r"(tokenizer|vocab|sentencepiece|special_tokens_map)[^/]*|merges\.txt|pretokens[^/]*"),
    "tokens": re.compile(r"\d{5,}\.(bin|idx)|manifest\.json|packing/[^/]+/(\d{5,}\.arrow|figures\.json)"),
}
"""Names in these folders that a run may write."""


class OutputError(ValueError):
    """A directory that a run cannot use; the message is one sentence."""


@dataclasses.dataclass
class Published:
    """What is published in `output`: files by their name below it, whether the run that put them there has finished,
    and which recipe that was."""

    output: str
    files: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    finished: bool = False
    recipe: dict = dataclasses.field(default_factory=dict)

    adopted: bool = False  # made from manifests, and not written yet

    def paths(self, folder: str) -> list[str]:
        """Paths of what is published in a folder, in the order of their names."""
        return [self._path(name) for name in sorted(self.files) if name.startswith(folder + "/")]

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
        self._check_free(wanted)
        kept = tuple(f"{folder}/{prefix}" for prefix in keep)
        stale = [n for n in self.files if n.startswith(f"{folder}/") and n not in wanted and not (kept and n.startswith(kept))]
        entries = {name: (file.bytes, file.hash) for name, file in wanted.items()}
        same = {name for name, entry in entries.items() if self.files.get(name) == entry}
        if len(same) < len(entries):
            self.files.update(entries)
            self.save()
        for name, file in wanted.items():
            self._place(name, file, name in same)
        self._remove(stale)

    def put(self, path: str, data: bytes) -> None:
        """Write a file of ours whole, unless it is there already. Raises OutputError where somebody else's is in the
        way."""
        name = path.removeprefix(self.output.rstrip("/") + "/")
        self._check_free([name])
        entry = len(data), xxhash.xxh3_128_hexdigest(data)
        if self.files.get(name) != entry:
            self.files[name] = entry
            self.save()
        elif paths.size(path) == len(data) and paths.read_bytes(path) == data:
            return
        paths.write_atomic(path, data)

    def _place(self, name: str, file: File, listed: bool) -> None:
        target = self._path(name)
        if paths.is_local(file.path) and os.path.exists(target) and os.path.samefile(file.path, target):
            return
        if not (listed and paths.size(target) == file.bytes):
            paths.publish(file.path, target)

    def _path(self, name: str) -> str:
        return paths.join(self.output, name if paths.is_local(self.output) else name.replace("%", "%25"))

    def _check_free(self, names: Iterable[str]) -> None:
        for folder in {name.rpartition("/")[0] for name in names}:
            refuse_links(self.output, folder)
        for name in names:
            if name not in self.files and paths.exists(self._path(name)):
                raise OutputError(f"{self._path(name)} is in the way: no run has put it there. Move it, or choose another --output")

    def _remove(self, names: list[str]) -> None:
        if not names:
            return
        paths.remove(map(self._path, names))
        for name in names:
            del self.files[name]
        self.save()
        paths.remove_empty({self._path(name).rpartition("/")[0] for name in names})

    def sweep(self) -> None:
        """Delete what was not put in place since a run was ended in the middle of it."""
        for folder in ("", *FOLDERS):
            for source in _list(paths.join(self.output, folder) if folder else self.output):
                name = source.path.removeprefix(self.output.rstrip("/") + "/")
                if self.is_leftover(name):
                    paths.remove([source.path])

    def is_leftover(self, name: str) -> bool:
        """Whether a file is one of ours that was not put in place."""
        return bool(_TEMPORARY.search(name)) and _TEMPORARY.sub("", name) in (*self.files, NAME, LOCK, *_FILES)

    def counts(self) -> str:
        """What is published, for people: "documents/ (5 files), report.json"."""
        folders: dict[str, int] = {}
        for name in self.files:
            head, slash, _ = name.partition("/")
            folders[head + slash] = folders.get(head + slash, 0) + 1
        said = (f"{name} ({n} file{'s' * (n > 1)})" if name.endswith("/") else name for name, n in sorted(folders.items()))
        return ", ".join(said) or "nothing yet"


def _list(folder: str) -> list[paths.Source]:
    try:
        return paths.list_files(folder)
    except NotADirectoryError:
        return []


def refuse_links(output: str, folder: str) -> None:
    """Raises OutputError if a folder in OUT is reached through a symbolic link, or is a file."""
    if not paths.is_local(output):
        return
    path = output
    for part in folder.split("/") if folder else ():
        path = os.path.join(path, part)
        if os.path.islink(path):
            raise OutputError(f"{path} is a symbolic link; a run writes and deletes in folders of its own only. Remove it, or choose another --output")
        if os.path.exists(path) and not os.path.isdir(path):
            raise OutputError(f"{path} is in the way: a run needs a folder of that name. Move it, or choose another --output")


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


def load(output: str) -> Published | None:
    """The list of a run directory, made from its manifests where the run is of a version that had none; None if it
    is no run directory. Raises OutputError for a list that is damaged."""
    if paths.is_local(output) and os.path.exists(output) and not os.path.isdir(output):
        raise OutputError(f"{output} is a file, and not a run directory")
    path = paths.join(output, NAME)
    if not paths.exists(path):
        return _adopted(output)
    try:
        record = json.loads(paths.read_bytes(path))
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}, and this version knows {FORMAT!r}")
        files = {name: (int(file["bytes"]), str(file["xxh3_128"])) for name, file in record["files"].items()}
        return Published(output, files, bool(record["finished"]), dict(record["recipe"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"{path} cannot be read ({error}): delete it, and a run adopts the files that its work/ vouches for") from None


def _refuse_strangers(output: str) -> None:
    """Raises OutputError unless a directory without a run is empty, but for what a run leaves that was ended at once."""
    for source in _list(output):
        name = source.path.removeprefix(output.rstrip("/") + "/")
        if name not in (NAME, LOCK) and not Published(output).is_leftover(name):
            raise OutputError(f"{output} is not empty and holds no run of ours ({name}); choose another --output")


def _check_names(found: Published) -> None:
    """Raises OutputError where a name that a run may write is somebody else's, or leads elsewhere."""
    for folder in (*FOLDERS, "work"):
        refuse_links(found.output, folder)
    for name in (*_FILES, NAME, LOCK):
        path = paths.join(found.output, name)
        if paths.is_local(path) and (os.path.islink(path) or os.path.isdir(path)):
            raise OutputError(f"{path} is in the way: a run writes a file of that name. Move it, or choose another --output")
        if name in _FILES and name not in found.files and paths.exists(path):
            raise OutputError(f"{path} is in the way: no run has put it there. Move it, or choose another --output")
    for folder, pattern in _NAMES.items():
        for source in _list(paths.join(found.output, folder)):
            name = source.path.removeprefix(found.output.rstrip("/") + "/")
            if name not in found.files and not found.is_leftover(name) and pattern.fullmatch(name.removeprefix(folder + "/")):
                raise OutputError(f"{source.path} is in the way: no run has put it there. Move it, or choose another --output")


# ------------------------------------------------------------------ runs of versions without the list


def _adopted(output: str) -> Published | None:
    """The list of a run without one: the files that are what its manifests say. None if there is no such run."""
    recipe = _recipe_of(output)
    vouched = _vouched(paths.join(output, "work")) if recipe else {}
    if not vouched:
        return None
    found = Published(output, recipe=recipe)
    for folder in FOLDERS:
        for source in _list(paths.join(output, folder)):
            name = source.path.removeprefix(output.rstrip("/") + "/")
            derived = _derived(name, source.path)
            if derived or source.size in vouched:
                file = describe_file(source.path)
                if derived or file.hash in vouched[file.bytes]:
                    found.files[name] = (file.bytes, file.hash)
    for name in _FILES:
        if paths.exists(paths.join(output, name)):
            file = describe_file(paths.join(output, name))
            found.files[name] = (file.bytes, file.hash)
    found.finished = "report.json" in found.files
    found.adopted = True
    return found


def _recipe_of(output: str) -> dict | None:
    """Name and steps of the recipe.yaml that a run has written; None if there is none."""
    try:
        record = yaml.safe_load(paths.read_bytes(paths.join(output, "recipe.yaml")))
        return {"name": str(record["name"]), "steps": [next(iter(entry)) for entry in record["steps"]]}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, StopIteration, RecursionError):
        return None


def _vouched(work: str) -> dict[int, set[str]]:
    """Hashes of the outputs that manifests name, by size."""
    folders = {source.path.rpartition("/")[0] for source in _list(work) if is_ours(source.path.rpartition("/")[2])}
    found: dict[int, set[str]] = {}
    for folder in sorted(folders):
        for manifest in committed(folder).values():
            for file in manifest.outputs.values():
                found.setdefault(file.bytes, set()).add(file.hash)
    return found


def _derived(name: str, path: str) -> bool:
    """Whether a file is one of those that a run makes of its manifests' counters."""
    if not re.fullmatch(r"tokens/(manifest|packing/[^/]+/figures)\.json", name):
        return False
    with contextlib.suppress(ValueError):
        record = json.loads(paths.read_bytes(path))
        return isinstance(record, dict) and str(record.get("format", "")).startswith("winnow-")
    return False
