"""Standard input as input of a run, called `-`: it is kept as a file in OUT/work, where workers and reruns find it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import BinaryIO

from corpus.io import paths
from corpus.reading import formats, streams
from corpus.reading.read_options import ReadOptions
from pipelines import publishing
from pipelines.lock import Lock
from pipelines.publishing import OutputError

NAME = "-"
PREFIX = "stdin"
"""How the names of its files begin."""
AT_ONCE = 1 << 20
_MAGICS = (*((magic, suffix) for suffix, kind in streams.COMPRESSIONS.items() for magic in streams.MAGICS[kind]),)
_BEGINNINGS = ((b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b"\xff\xff\xff\xff", ".arrow"), (b"WARC/", ".warc"))


def kept(output: str) -> str | None:
    """The file that holds the standard input of a run in OUT; None if there is none."""
    folder = paths.join(output, "work")
    names = [entry.name for entry in paths.entries(folder) if is_ours(entry)]
    return next((paths.join(folder, name) for name in names if not name.startswith(f"{PREFIX}.part")), None)


def is_ours(entry: paths.Entry) -> bool:
    """Whether something in OUT/work is such a file, or a part of one."""
    return entry.kind == "file" and entry.name.startswith(f"{PREFIX}.")


def keep(output: str, options: ReadOptions, replace: bool, stream: BinaryIO, say: Callable[[str], None]) -> None:
    """Keep what comes on a stream as a file in OUT/work, unless it is there already; an empty stream, or a terminal,
    leaves what is there. Raises OutputError where something else is there and may not be replaced, ValueError where
    its format cannot be told, Locked where a run is going on."""
    head = b"" if stream.isatty() else stream.read(AT_ONCE)
    if not head:
        return
    with Lock(output, say):
        publishing.refuse_links(output, "work")
        publishing.open_output(output).save()  # OUT is a run directory from now on
        local = paths.local_path(paths.join(output, "work"))
        with tempfile.TemporaryDirectory() as elsewhere:  # for an object store
            folder = elsewhere if local is None else local
            os.makedirs(folder, exist_ok=True)
            packed = next((suffix for magic, suffix in _MAGICS if head.startswith(magic)), "")
            part = os.path.join(folder, f"{PREFIX}.part{packed}")
            try:
                _write(part, head, stream)
                _place(part, paths.join(output, "work", PREFIX + _kind(part, options) + packed), output, replace)
            finally:
                paths.remove([part])


def _write(part: str, head: bytes, stream: BinaryIO) -> None:
    with open(part, "wb") as file:
        while head:
            file.write(head)
            head = stream.read(AT_ONCE)


def _place(part: str, target: str, output: str, replace: bool) -> None:
    before = kept(output)
    if before == target and _is_same(part, target):
        return
    if before and not replace:
        raise OutputError(
            f"what comes on standard input is not what {before} holds of the run before. Say --replace to run on it, "
            "or choose another --output"
        )
    paths.publish(part, target)
    if before and before != target:
        paths.remove([before])


def _is_same(left: str, right: str) -> bool:
    if paths.size(left) != paths.size(right):
        return False
    with paths.open_input(left) as one, paths.open_input(right) as other:
        while piece := one.read(AT_ONCE):
            if piece != other.read(len(piece)):
                return False
    return True


def _kind(part: str, options: ReadOptions) -> str:
    """The suffix of the format that the options name, or else of the one that the content begins like."""
    if options.format != "auto":
        return formats.READERS[options.format].suffixes[0]
    chunk = next(streams.chunks(part), None)
    data = chunk.data if isinstance(chunk, streams.Chunk) else b""
    for beginning, suffix in _BEGINNINGS:
        if data.startswith(beginning):
            return suffix
    first = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first not in (b"{", b"["):
        choices = ", ".join(formats.READERS)
        raise ValueError(f"the format of standard input cannot be told: say --set read.format= one of {choices}")
    return ".jsonl" if first == b"{" and b"\n" not in data.partition(b"}")[0].strip() else ".json"
