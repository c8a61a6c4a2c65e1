"""The records of evaluation files: JSON lines and arrays, CSV and TSV, Parquet and Arrow. They are small, and each is
read whole; one that has a fault anywhere is refused, for items that are missing would not be looked for."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.io import paths

KINDS = "JSON lines, JSON arrays, CSV, TSV, Parquet and Arrow can be read"
BESIDE_ARROW = ("dataset_dict.json", "dataset_info.json", "state.json")
"""What `save_to_disk` of `datasets` leaves beside Arrow files: no items."""
_COMPRESSED = (".gz", ".zst", ".bz2")
_LINES, _DELIMITED, _PARQUET, _ARROW = (
    (".jsonl", ".ndjson", ".json"),
    (".csv", ".tsv"),
    ".parquet",
    (".arrow", ".feather"),
)

_EXAMPLE = re.compile(rb"^!!@@##@@!! -- Example (\d+)\r?\n", re.MULTILINE)
"""What is before each prompt that lm-evaluation-harness's scripts/write_out.py has written."""
_SAVED = b"winnow-evaluation-items/"

Numbered = Iterator[tuple[int, dict[str, Any]]]


def expand(pattern: str) -> tuple[list[paths.Source], list[str]]:
    """(the evaluation files that a path, folder, glob or URI names; the names of further ones that a folder or glob
    holds, whose kind is not known). Raises FileNotFoundError where there are none, ValueError where none is known."""
    sources = paths.expand(pattern)
    if [source.path for source in sources] == [pattern]:
        return sources, []
    with_arrow = any(_kind(source.path) in _ARROW for source in sources)
    beside = BESIDE_ARROW if with_arrow else ()
    known = [s for s in sources if (_kind(s.path) and paths.basename(s.path) not in beside) or _is_written_out(s.path)]
    if not known:
        raise ValueError(f"{pattern}: no evaluation file of a known kind, as {sources[0].path} is not: {KINDS}")
    kept = set(known)
    return known, [source.path for source in sources if source not in kept]


def records(path: str) -> Numbered:
    """The records of a file with their numbers, from 1: of lines, those of the lines. A file of unknown kind is read as
    JSON lines. Raises ValueError, of one line that names the file."""
    kind = _kind(path)
    try:
        if kind == _PARQUET:
            with paths.open_input(path) as file:
                batches = pq.ParquetFile(file).iter_batches(1000)
                yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
            return
        data = _content(path)
        if kind in _ARROW:
            yield from enumerate(_arrow_rows(data), 1)
        elif kind in _DELIMITED:
            yield from enumerate(_delimited_rows(data, "\t" if kind == ".tsv" else ""), 1)
        elif not kind and _EXAMPLE.match(data):
            yield from _prompts(data)
        elif data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            yield from enumerate(_array(data), 1)
        else:
            yield from _lines(path, data)
    except (OSError, pa.ArrowException, ValueError, RecursionError, csv.Error) as error:
        if isinstance(error, OSError) and error.errno:  # of the storage; Arrow has none for what it cannot decode
            raise
        why = str(error).partition("\n")[0].removeprefix(f"{path}:").strip()
        between = ":" if why[:1].isdigit() else ": "
        raise ValueError(f"{path}{between}{why}" + (f" ({KINDS})" if not kind else "")) from error


def _kind(path: str) -> str:
    """The suffix that tells what a file is, without that of a compression; "" for one that is not known."""
    name = paths.without_options(path).lower()
    for suffix in (_PARQUET, *_ARROW):
        if name.endswith(suffix):
            return suffix
    for compressed in _COMPRESSED:
        name = name.removesuffix(compressed)
    return next((suffix for suffix in (*_LINES, *_DELIMITED) if name.endswith(suffix)), "")


def _is_written_out(path: str) -> bool:
    """Whether a file, whose name is that of a task, holds prompts."""
    if "." in paths.basename(path):
        return False
    with paths.open_input(path) as file:
        return _EXAMPLE.match(file.read(64)) is not None


def _prompts(data: bytes) -> Numbered:
    parts = _EXAMPLE.split(data)[1:]
    for number, (example, prompt) in enumerate(zip(parts[::2], parts[1::2]), 1):
        yield number, {"id": int(example), "text": prompt.decode().removesuffix("\n")}


def _content(path: str) -> bytes:
    name = paths.without_options(path).lower()
    with paths.open_input(path) as file:
        if name.endswith(_COMPRESSED):
            file = pa.CompressedInputStream(file, pa.Codec.detect(name).name)
        data: bytes = file.read()
    return data


def _lines(path: str, data: bytes) -> Numbered:
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}:{number}: {error}") from error
        if not isinstance(record, dict):
            raise ValueError(f"{path}:{number}: not a JSON object")
        yield number, record


def _array(data: bytes) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(json.loads(data), 1):
        if not isinstance(record, dict):
            raise ValueError(f"element {number} of the array is not a JSON object")
        yield record


def _delimited_rows(data: bytes, delimiter: str) -> Iterator[dict[str, Any]]:
    text = data.decode("utf-8-sig")
    header = text.partition("\n")[0]
    delimiter = delimiter or max(",;\t|", key=header.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = rows.fieldnames or ()
    if twice := [name for name in names if list(names).count(name) > 1]:
        raise ValueError(f"the header has the field {twice[0]!r} twice")
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has another number of fields than the header")
        yield row


def _arrow_rows(data: bytes) -> Iterator[dict[str, Any]]:
    source = pa.BufferReader(data)
    while source.tell() < len(data):
        is_file = data.startswith(b"ARROW1\0\0")
        table = (pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)).read_all()
        if (table.schema.metadata or {}).get(b"format", b"").startswith(_SAVED):
            raise ValueError("it holds items that `winnow contamination save` has kept: let its name end .items.arrow")
        table.validate(full=True)
        yield from table.to_pylist()
        if is_file:
            return
