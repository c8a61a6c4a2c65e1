"""Files on any filesystem, named by local path or URI.

A name is a local path (`data/x.jsonl`), or a URI of one that pyarrow or fsspec has (`s3://bucket/x?region=...`, `gs://`,
`hdfs://`, `file:///`; `https://`, `hf://`; `corpus.io.stores` opens them). In a URI `%20` is a space, as usual;
`?key=value` at its end is options of the filesystem (the query of an http URL), and any other `?` is part of the
name or a glob. Nothing here needs rename or locks on an object store: there a file appears whole when its writer is
closed. Stores that fail for a while are asked again (`corpus.io.retries`).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import os
import re
import stat as modes
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from corpus.io import recorded, retries, stores

LOCAL = pafs.LocalFileSystem()
_URI = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
_OPTIONS = re.compile(r"\?\w+=.*$", re.DOTALL)
_KEYS = re.compile(r"^(\w[^/]*://)[^/@]*@")
_MAGIC = re.compile(r"[*?\[]")
MOST_COPIED = 5 << 30
"""Bytes of a file that S3 copies by one request."""
COPIED_AT_ONCE = 16 << 20
REQUESTS = 16
"""Requests to a store at a time where there are many to make."""
_TEMPORARY = re.compile(r"\..+\.winnow-[0-9a-f]{8}\.tmp", re.DOTALL)


class DamagedFile(Exception):
    """A file that we have written ourselves and that is not what we wrote, or is gone."""

    def __init__(self, path: str, why: str):
        super().__init__(path, why)
        self.path, self.why = path, why

    def __str__(self) -> str:
        return f"{self.path} is damaged: {self.why}"


@dataclasses.dataclass(frozen=True, order=True)
class Source:
    """An input file: its name as found, its size in bytes, its modification time in ns
    (-1 where the filesystem has none)."""

    path: str
    size: int
    mtime_ns: int


def _address(name: str) -> tuple[str, str]:
    """A name without, and only, its filesystem options (which only a URI has)."""
    options = _OPTIONS.search(name) if _URI.match(name) else None
    return (name[: options.start()], options[0]) if options else (name, "")


class Entry(NamedTuple):
    """What lies in a folder: its name below that, "file", "folder", "link" (symbolic, wherever it leads) or "other",
    and the bytes of a file."""

    name: str
    kind: str
    size: int


def filesystem(name: str) -> tuple[pafs.FileSystem, str]:
    """(filesystem, path on it) of a local path or URI. Raises ValueError for an unknown scheme,
    OSError if a store cannot be reached."""
    if not _URI.match(name):
        return LOCAL, name
    try:
        return stores.open_store(*_address(name))
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"cannot open {name}: {error}") from error


def reachable(name: str) -> tuple[pafs.FileSystem, str]:
    """See `filesystem`, and StoreFailed at once where the host of a store is not known: for what comes before work."""
    to_look_up = not is_local(name)
    if to_look_up and name[:5].lower() == "s3://":  # whose region is asked for
        stores.check_host(*_address(name))
        to_look_up = False
    found = filesystem(name)
    if to_look_up:
        stores.check_host(*_address(name))
    return found


def is_local(name: str) -> bool:
    """True for a plain local path, False for a URI."""
    return not _URI.match(name)


def local_path(name: str) -> str | None:
    """The path on this machine's disk of a local path or `file://` URI; None for what lies elsewhere."""
    if is_local(name):
        return name
    return filesystem(name)[1] if name[:5].lower() == "file:" else None


def join(folder: str, *parts: str) -> str:
    """`folder/part/...`, for paths and URIs alike."""
    folder, options = _address(folder)
    return ("/".join([folder.rstrip("/"), *parts]) if folder else "/".join(parts)) + options


def without_options(path: str) -> str:
    """A path or URI without the options behind it: what the name of a file can be told by."""
    return _address(path)[0]


def identity(path: str) -> str:
    """The name of a file, whoever reads it from wherever: a URI without options and keys. A web address has none of
    these; its query is part of it."""
    if is_local(path) or stores.is_whole_url(path):
        return path
    return _KEYS.sub(r"\1", without_options(path))


def basename(path: str) -> str:
    """The last part of a path or URI."""
    return _address(path)[0].rstrip("/").rpartition("/")[2]


def parent(path: str) -> str:
    """The folder of a path or URI."""
    address, options = _address(path)
    return address.rstrip("/").rpartition("/")[0] + options


def has_suffix(path: str, suffix: str) -> bool:
    """Whether the name of a file ends so."""
    return _address(path)[0].endswith(suffix)


def suffixed(path: str, suffix: str) -> str:
    """A path or URI with this at the end of its name."""
    address, options = _address(path)
    return address + suffix + options


def without_suffix(path: str, suffix: str) -> str:
    """A path or URI without this at the end of its name."""
    address, options = _address(path)
    return address.removesuffix(suffix) + options


def below(folder: str, name: str) -> str:
    """The path of what a folder holds under this name (`language=a%2Fb/00000.parquet`), which in a URI is quoted."""
    return join(folder, name if is_local(folder) else name.replace("%", "%25").replace("?", "%3F"))


def name_below(folder: str, path: str) -> str:
    """The name for which `below` gave this path."""
    name = _address(path)[0].removeprefix(_address(folder)[0].rstrip("/") + "/")
    return name if is_local(folder) else urllib.parse.unquote(name)


def _source(info: pafs.FileInfo, name: str, path: str) -> Source:
    """The file as a Source, named as `name`, whose path on its filesystem is `path`, is named."""
    mtime = info.mtime_ns if info.mtime_ns is not None else -1
    found = info.path
    address, options = _address(name)
    if not is_local(name) and not stores.is_whole_url(name):
        first, *rest = path.rstrip("/").split("/")  # `first` is a bucket, or nothing
        root = address.rstrip("/").rsplit("/", len(rest))[0].removesuffix(first)
        found = root + found.replace("%", "%25") + options
    return Source(found, info.size or 0, mtime)


def list_files(folder: str) -> list[Source]:
    """Every file below `folder`, sorted by name; an absent folder has none. Names that start
    with `.` or `_`, and what lies below such folders, are left out, as Spark and Arrow do. A folder to which several
    ways lead by symbolic links is gone through once, by the way with the fewest of them.
    Raises FileNotFoundError for a link that leads nowhere, ValueError for a name that is no text."""
    return _usable(_listed(folder))


def _usable(sources: list[Source]) -> list[Source]:
    for source in sources:
        if source.size < 0:
            raise FileNotFoundError(f"{source.path} is a symbolic link to nothing")
        try:
            source.path.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the name of {source.path!r} is not UTF-8: rename the file") from None
    return sources


def _listed(folder: str) -> list[Source]:
    """See `list_files`; links that lead nowhere, with size -1, and names that are no text among them."""
    fs, path = filesystem(folder)
    if is_local(folder):
        return sorted(_local_files((folder or ".").rstrip("/") + "/"))
    found = fs.get_file_info(pafs.FileSelector(path or ".", recursive=True, allow_not_found=True))
    base = len(path.rstrip("/")) + 1 if path not in ("", ".") else 0
    files = [
        _source(info, folder, path)
        for info in found
        if info.type == pafs.FileType.File
        and not any(p.startswith((".", "_")) for p in info.path[base:].removeprefix("./").split("/"))
    ]
    return sorted(files)


def _local_files(folder: str) -> Iterator[Source]:
    """Files below a local folder, named with its slash, those behind symbolic links last."""
    links, seen = [folder], set()
    while links:
        folders, links = links, []
        while folders:
            here = folders.pop()
            try:
                key = _same_file(os.stat(here))
                entries = sorted(os.scandir(here), key=lambda entry: entry.name, reverse=True)
            except FileNotFoundError:
                continue
            if key in seen:
                continue
            seen.add(key)
            for entry in entries:
                if entry.name.startswith((".", "_")):
                    continue
                name = here + entry.name
                try:
                    info = entry.stat()
                except FileNotFoundError:
                    yield Source(name, -1, -1)
                    continue
                except OSError as error:
                    if error.errno == errno.ELOOP:  # a link to itself: there is nothing behind it
                        continue
                    raise
                if modes.S_ISDIR(info.st_mode):
                    (links if entry.is_symlink() else folders).append(name + "/")
                elif modes.S_ISREG(info.st_mode):
                    yield _local_source(name, info)


def _same_file(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _local_source(name: str, info: os.stat_result) -> Source:
    return Source(name, info.st_size, info.st_mtime_ns)


def entries(folder: str, inner: re.Pattern | None = None) -> list[Entry]:
    """What lies in a folder, whatever its name begins with, sorted by name; an absent folder holds nothing. Of the
    folders in it those are gone into whose names `inner` matches. Symbolic links are never followed."""
    path = local_path(folder)
    if path is not None:
        return sorted(_local_entries(path or ".", "", inner))
    fs, path = filesystem(folder)
    found = fs.get_file_info(pafs.FileSelector(path, recursive=inner is not None, allow_not_found=True))
    kinds = {pafs.FileType.File: "file", pafs.FileType.Directory: "folder"}
    base = len(path.rstrip("/")) + 1
    named = [Entry(info.path[base:], kinds.get(info.type, "other"), info.size or 0) for info in found]
    if inner is not None:
        named = [entry for entry in named if all(map(inner.fullmatch, _folders_above(entry.name)))]
    return sorted(named)


def _local_entries(folder: str, prefix: str, inner: re.Pattern | None) -> Iterator[Entry]:
    try:
        with os.scandir(os.path.join(folder, prefix)) as found:
            here = [(prefix + each.name, each.stat(follow_symlinks=False)) for each in found]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, info in here:
        yield Entry(name, _kind(info.st_mode), info.st_size)
        if modes.S_ISDIR(info.st_mode) and inner is not None and inner.fullmatch(name):
            yield from _local_entries(folder, name + "/", inner)


def _kind(mode: int) -> str:
    if modes.S_ISLNK(mode):
        return "link"
    return "file" if modes.S_ISREG(mode) else "folder" if modes.S_ISDIR(mode) else "other"


def _folders_above(name: str) -> list[str]:
    """The folders of a name, outermost first: ["a", "a/b"] of "a/b/c"."""
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def link_in(folder: str, name: str) -> str | None:
    """The first symbolic link on the way from a folder, itself not looked at, to what it holds under a name, that
    included; None where there is none."""
    path = local_path(folder)
    if path is None or not name:
        return None
    on_the_way = (os.path.join(path, each) for each in (*_folders_above(name), name))
    return next((each for each in on_the_way if os.path.islink(each)), None)


def distinct(sources: Iterable[Source]) -> tuple[list[Source], list[tuple[str, str]]]:
    """(the sources, each file once; the other names of files that have several, each with the one that counts,
    which comes first). Two names are of one file if they are equal, or lead to it by links, hard or symbolic."""
    files: dict[object, Source] = {}
    others = []
    for source in sources:
        key = _same_file(os.stat(source.path)) if is_local(source.path) else source.path
        first = files.setdefault(key, source)
        if first.path != source.path:
            others.append((source.path, first.path))
    return list(files.values()), others


def is_inside(name: str, folder: str, resolve: Callable[[str], str] = os.path.realpath) -> bool:
    """Whether a file lies below a folder, links followed. Who asks about many files gives a `resolve` that remembers
    what it has found about folders."""
    file, above = local_path(name), local_path(folder)
    if file is not None and above is not None:
        around, _, last = file.rpartition("/")
        around = around if last != file else "."
        real = resolve(file) if os.path.islink(file) else os.path.join(resolve(around or "/"), last)
        return real.startswith(resolve(above).rstrip("/") + "/")
    plain, start = (urllib.parse.unquote(_address(each)[0]).rstrip("/") for each in (name, folder))
    return (file is None) == (above is None) and plain.startswith(start + "/")


def expand(pattern: str) -> list[Source]:
    """Files that a path, folder, glob (`*`, `?`, `[..]`, `**`) or URI names, sorted by name.
    Raises FileNotFoundError when it names none."""
    fs, path = reachable(pattern)
    info = fs.get_file_info(path)
    if info.type == pafs.FileType.File:
        return [_source(info, pattern, path)]
    address, options = _address(pattern)
    magic = _MAGIC.search(address)
    if info.type == pafs.FileType.Directory:
        files = list_files(pattern)
    elif magic:
        folder = address[: magic.start()].rpartition("/")[0]
        if address.startswith("/") and not folder:
            folder = "/"
        matches = _glob(address).fullmatch
        files = _usable(
            [s for s in _listed((folder or ".") + options) if matches(_address(s.path)[0].removeprefix("./"))]
        )
    elif info.type == pafs.FileType.Unknown:
        raise FileNotFoundError(f"{pattern} is neither a file nor a folder; standard input is called -")
    else:
        raise FileNotFoundError(f"no such file or folder: {pattern}")
    if not files and info.type == pafs.FileType.Directory:
        raise FileNotFoundError(f"there are no files in {pattern}, but for those whose names begin with . or _")
    if not files:
        raise FileNotFoundError(f"no file matches {pattern}")
    return files


_GLOB_PIECES = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_GLOB_EXPRESSIONS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _glob(pattern: str) -> re.Pattern:
    """Compiled glob: `*` and `?` stay within a folder, `**/` spans any number of them."""

    def expression(piece: str) -> str:
        if len(piece) > 1 and piece[0] == "[":
            return "[" + piece[1:].replace("\\", r"\\").replace("!", "^", piece[1] == "!")
        return _GLOB_EXPRESSIONS.get(piece) or re.escape(piece)

    pieces = _GLOB_PIECES.findall(pattern.removeprefix("./"))
    return re.compile("".join(map(expression, pieces)), re.DOTALL)


def exists(name: str) -> bool:
    """True if `name` is a file."""
    fs, path = filesystem(name)
    return fs.get_file_info(path).type == pafs.FileType.File


def size(name: str) -> int:
    """Bytes in the file, or -1 if there is none."""
    fs, path = filesystem(name)
    info = fs.get_file_info(path)
    return info.size if info.type == pafs.FileType.File else -1


def stat(name: str) -> Source | None:
    """The file as it is now; None if there is none."""
    fs, path = filesystem(name)
    info = fs.get_file_info(path)
    return _source(info, name, path) if info.type == pafs.FileType.File else None


def sync(names: Iterable[str]) -> None:
    """Have the storage keep files, and their names, through a loss of power. Object stores do so by themselves."""
    folders = set()
    for name in names:
        if is_local(name):
            _sync(name)
            folders.add(os.path.dirname(name) or ".")
    for folder in sorted(folders):
        _sync(folder)


def _sync(name: str) -> None:
    handle = os.open(name, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_taken(name: str) -> bool:
    """Whether anything at all, a link to nothing too, has this name."""
    path = local_path(name)
    if path is not None:
        return os.path.lexists(path)
    fs, path = filesystem(name)
    return fs.get_file_info(path).type != pafs.FileType.NotFound


def open_input(name: str) -> pa.NativeFile:
    """A seekable file to read from. Raises OSError for a pipe and the like, which would keep its reader
    waiting."""
    fs, path = filesystem(name)
    if isinstance(fs, pafs.LocalFileSystem) and not modes.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{name} is not a regular file")
    return fs.open_input_file(path)


def make_folder(name: str) -> None:
    """Create a folder and those above it; one that exists is no error. On an object store there is nothing to make."""
    fs, path = filesystem(name)
    fs.create_dir(path, recursive=True)


def open_output(name: str) -> pa.NativeFile:
    """A file to write to; folders are made as needed. The file is not atomic
    on a local disk: write to a name nobody reads, or use `write_atomic`."""
    fs, path = filesystem(name)
    parent = path.rpartition("/")[0]
    if parent and not (fs is LOCAL and os.path.isdir(parent)):
        fs.create_dir(parent, recursive=True)
    return recorded.watch(name, fs.open_output_stream(path, compression=None))


def read_bytes(name: str) -> bytes:
    """The whole file."""
    with open_input(name) as file:
        return file.read()


def temporary(path: str) -> str:
    """A name beside a local file for what is to be put in its place. Nobody else gives such names, and whoever lists
    files passes over them."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name[-200:]}.winnow-{uuid.uuid4().hex[:8]}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a file in some folder has a name that `temporary` gave."""
    return _TEMPORARY.fullmatch(name) is not None


def write_atomic(name: str, data: bytes) -> None:
    """Write a whole file so that readers see the old one or the new one: a rename on a local
    disk, one PUT elsewhere."""
    fs, path = filesystem(name)
    if not isinstance(fs, pafs.LocalFileSystem):
        with open_output(name) as file:
            file.write(data)
        return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    beside = temporary(path)
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    _sync(os.path.dirname(path) or ".")


def publish(source: str, target: str) -> None:
    """Make `target` the same file as `source`: a hard link put in place by rename, or a copy: by the store itself where
    both are on one, else through this machine. Nobody sees it half."""
    there, path = filesystem(target)
    here, found = filesystem(source)
    if not isinstance(there, pafs.LocalFileSystem):
        if here is not there or not _copied_by_store(there, found, path):
            _copy(source, target)
        return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    beside = temporary(path)
    if isinstance(here, pafs.LocalFileSystem):
        try:
            os.link(found, beside)
        except OSError:
            LOCAL.copy_file(found, beside)
    else:
        _copy(source, beside)
    os.replace(beside, path)
    if os.path.exists(beside):  # rename does nothing between two links to the same file
        os.remove(beside)


def _copied_by_store(store: pafs.FileSystem, source: str, target: str) -> bool:
    """Whether a store has copied a file of its own; False for one that is too large for that."""
    try:
        store.copy_file(source, target)
    except retries.StoreFailed:
        if store.get_file_info(source).size <= MOST_COPIED:
            raise
        return False
    return True


def _copy(source: str, target: str) -> None:
    """Copy the bytes of a file. One that cannot be read to its end leaves no target on a store, and half of one on a
    disk."""
    with open_input(source) as file:
        copy = open_output(target)  # closed, and so there, only when all of it is written
        while piece := file.read(COPIED_AT_ONCE):
            copy.write(piece)
        copy.close()


def remove(names: Iterable[str]) -> None:
    """Delete files; those that are gone already are no error. Several at once on a store."""
    stored = []
    for name in names:
        if local_path(name) is not None:
            fs, path = filesystem(name)
            if fs.get_file_info(path).type == pafs.FileType.File:
                fs.delete_file(path)
        else:
            stored.append(name)
    if stored:
        with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
            list(pool.map(_remove_stored, stored))


def _remove_stored(name: str) -> None:
    fs, path = filesystem(name)
    with contextlib.suppress(FileNotFoundError):  # also where it was deleted and the answer was lost
        fs.delete_file(path)


def remove_empty(folders: Iterable[str]) -> None:
    """Delete those of some folders that are empty, the deepest first. On a store that is what stands for a folder of
    which all files have been deleted."""
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):
            path = local_path(folder)
            if path is not None:
                os.rmdir(path)
            elif not entries(folder):
                fs, path = filesystem(folder)
                fs.delete_dir(path)
