"""Reading: from files in many formats to batches of documents. Start here.

`split` divides the input into units of work, `read` reads one; `read_files` does both. Nothing is lost in silence:
every record is in some `Reading` as a document, as dropped by one of `RULES`, as quarantined, or is
counted as skipped because it is no document. What a format is: `reader`; which there are: `formats`.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from corpus.io import metered, parallel, paths
from corpus.options import check_known
from corpus.reading import formats, records
from corpus.reading.read_options import ReadOptions
from corpus.reading.reader import Range, Unit
from corpus.reading.records import Reading

RULES = (*(rule for reader in formats.READERS.values() for rule in reader.rules), "empty_text")
"""Rules of the step `read`, in order of application."""

BESIDE_ARROW = ("dataset_dict.json", "dataset_info.json", "state.json")
"""Files that are no documents where Arrow files are in the same folder, or below."""
MOST_NAMED = 10
"""Files that are named where there may be many."""
UNIT_BYTES = 256 << 20
"""Size of a unit of work, in bytes of the file: a few batches."""


def read_files(files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], **options: Any) -> Iterator[Reading]:
    """Everything in some files, in order, in batches: `documents` of each `Reading` is a RecordBatch (see
    `records.SCHEMA`), and `dropped`, `quarantined` and `skipped` say what became of all other records.

    `files` are paths, folders, globs or URIs, one or several, of any formats; `options` are those of `ReadOptions`.
    Of folders and globs, files of unknown kind are passed over, with a warning.
    Raises FileNotFoundError where there are none, ValueError for an unknown suffix or option, ImportError for a package
    that an option needs, before it reads; OSError if the storage does.

    >>> import pathlib, pyarrow as pa
    >>> from corpus.reading import readers
    >>> _ = pathlib.Path("docs.jsonl").write_text('{"id": "a", "text": "Words."}\\nnot JSON\\n{"text": ""}\\n')
    >>> readings = list(readers.read_files("docs.jsonl"))
    >>> pa.Table.from_batches([reading.documents for reading in readings]).select(["id", "text"]).to_pylist()
    [{'id': 'a', 'text': 'Words.'}]
    >>> [(row["id"], row["rule"]) for reading in readings for row in reading.dropped]
    [('docs.jsonl#39', 'empty_text')]
    >>> [row["error"] for reading in readings for row in reading.quarantined]
    ['not JSON: Expecting value at character 0']
    """
    check_known(options, [field.name for field in dataclasses.fields(ReadOptions)], "option", "read")
    chosen = ReadOptions(**options)
    chosen.check()
    patterns = [files] if isinstance(files, (str, os.PathLike)) else files
    found = [expand(os.fspath(pattern), chosen) for pattern in patterns]
    if unknown := [path for _, others in found for path in others]:
        warnings.warn(passed_over(unknown), stacklevel=2)
    units = split(list(dict.fromkeys(source for sources, _ in found for source in sources)), chosen)
    return (reading for unit in units for reading in read(unit, chosen))


def expand(pattern: str, options: ReadOptions) -> tuple[list[paths.Source], list[str]]:
    """(the files that a path, folder, glob or URI names, sorted by name; the names of further ones that a folder or
    glob holds, whose kind is not known). What only describes Arrow files is neither. Raises
    FileNotFoundError where there are none, ValueError where none is known.

    >>> import pathlib
    >>> from corpus.reading import readers
    >>> pathlib.Path("pages").mkdir()
    >>> for name in ("a.txt", "README.md"):
    ...     _ = pathlib.Path("pages", name).write_text("Words.")
    >>> sources, others = readers.expand("pages", readers.ReadOptions())
    >>> [source.path for source in sources], others
    (['pages/a.txt'], ['pages/README.md'])
    """
    sources = paths.expand(pattern)
    if [source.path for source in sources] == [pattern]:  # who names a file wants it read
        return sources, []
    sources = [source for source in sources if not _is_beside_arrow(source.path, sources)]
    known = [source for source in sources if formats.is_known(source.path, options.format)]
    if not known:
        formats.of_file(sources[0].path, options.format)  # raises
    kept = set(known)
    return known, [source.path for source in sources if source not in kept]


def _is_beside_arrow(path: str, sources: list[paths.Source]) -> bool:
    """Whether a file says something of the Arrow files in its folder, as `save_to_disk` of `datasets` has it."""
    if paths.basename(path) not in BESIDE_ARROW:
        return False
    folder = path.removesuffix(paths.basename(path))
    return any(s.path.startswith(folder) and paths.has_suffix(s.path, ".arrow") for s in sources)


def passed_over(unknown: list[str]) -> str:
    """What to say of files whose kind is not known."""
    names = ", ".join(unknown[:MOST_NAMED]) + (f" and {len(unknown) - MOST_NAMED} more" * (len(unknown) > MOST_NAMED))
    files = "a file" if len(unknown) == 1 else f"{len(unknown)} files"
    return f"left out: {files} of unknown kind: {names} (known: {formats.suffixes()})"


def split(sources: list[paths.Source], options: ReadOptions, unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Units of work, in the order of `sources`: whole files, and ranges of those above `unit_bytes` that their formats
    can divide. Depends on the files and the options alone. Raises ValueError for a file of unknown format.

    >>> from corpus.io import paths
    >>> from corpus.reading import readers
    >>> sources = [paths.Source("a.jsonl", 50, mtime_ns=0), paths.Source("b.jsonl.gz", 50, mtime_ns=0)]
    >>> [(unit.path, unit.start, unit.end) for unit in readers.split(sources, readers.ReadOptions(), unit_bytes=30)]
    [('a.jsonl', 0, 30), ('a.jsonl', 30, 50), ('b.jsonl.gz', None, None)]
    """
    of_source = [formats.of_file(source.path, options.format) for source in sources]
    large = [i for i, source in enumerate(sources) if source.size > unit_bytes and of_source[i].ranges]

    def ranges(number: int) -> list[Range]:
        divide = of_source[number].ranges
        return divide(sources[number], unit_bytes) if divide else []

    # some formats open the file for it
    divided = dict(zip(large, parallel.each(ranges, large, sources[large[0]].path if large else "")))
    return [
        Unit(source.path, of_source[i].name, *each)
        for i, source in enumerate(sources)
        for each in divided.get(i) or [Range(None, None, source.size)]
    ]


def read(unit: Unit, options: ReadOptions, excluded: tuple[tuple[int, int, str], ...] = ()) -> Iterator[Reading]:
    """Everything in a unit, in order, in batches of at most `documents.MAX_BATCH_TEXT` bytes of
    text and `records.BATCH_ROWS` rows. `excluded` are records (first, end, reason), by
    number in the unit, that are quarantined for the reason given and not looked at.

    Raises OSError (FileNotFoundError, ...) if the storage does; faults of the data are
    quarantined. A file of no bytes holds nothing.

    >>> import pathlib
    >>> from corpus.reading import readers
    >>> _ = pathlib.Path("page.txt").write_bytes(b"A page.")
    >>> (reading,) = readers.read(readers.Unit("page.txt", "text"), readers.ReadOptions())
    >>> reading.documents["text"].to_pylist(), reading.bytes_read
    (['A page.'], 7)
    """
    if paths.size(unit.path) == 0:
        return iter(())
    reader = formats.READERS[unit.format]
    return _counted(records.batches(reader.read(unit, options, records.Excluded(excluded))))


def _counted(readings: Iterator[Reading]) -> Iterator[Reading]:
    for reading in readings:
        metered.add(0, reading.documents.num_rows)
        yield reading


def columns(sources: Iterable[paths.Source], options: ReadOptions) -> list[str]:
    """Names of the columns that documents may have beyond those of `records.SCHEMA`: those of the first file of a
    format that keeps them."""
    for source in sources:
        reader = formats.of_file(source.path, options.format)
        if reader.columns:
            return reader.columns(source.path)
    return []
