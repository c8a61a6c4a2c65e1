"""Reading: from files in many formats to batches of documents. Start here.

`split` divides the input into units of work, `read` reads one. Nothing is lost in silence: every
record is in some `Reading` as a document, as dropped by one of `RULES`, as quarantined, or is
counted as skipped because it is no document.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator
from typing import Literal

from corpus import closure, options
from corpus.io import paths
from corpus.options import option
from corpus.reading import html, jsonl, parquet, records, streams, web_pages
from corpus.reading.records import Document, Quarantined, Reading

RULES = (*web_pages.RULES, "empty_text")
"""Rules of the step `read`, in order of application."""

UNIT_BYTES = 256 << 20
"""Size of a unit of work, in bytes of the file: a few batches."""

MOST_RECORD_BYTES = (1 << 31) - 1
"""What a string of Arrow's can hold."""

FORMATS = {
    ".warc": "warc",  # .warc.wet too
    ".wet": "warc",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
}
"""Suffixes and what they mean. All but .parquet may be followed by .gz or .zst."""


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How to read.

    "resiliparse" keeps the whole page, menus and footers too; "resiliparse_main" and "trafilatura" (settings of
    FineWeb; needs the extra `html`) the main content, as far as each can tell. `max_record_bytes` holds for a line of
    JSON, the text of a row, a record of an archive, the body of a page without its codings, a text file; what is longer
    is quarantined, and no decoder holds more. JSON lines, WET records, rows of tables and text files that are repaired
    are counted as `repaired_utf8`; web pages have charsets, and are always decoded.
    """

    format: Literal["auto", "warc", "jsonl", "parquet", "text"] = option(
        "auto", "Format of all input files; auto goes by their suffixes."
    )
    text_field: str = option("text", "Field or column of the text, in JSON and Parquet.")
    id_field: str = option("id", "Field or column of the id, in JSON and Parquet.")
    extract: Literal["resiliparse", "resiliparse_main", "trafilatura"] = option(
        "resiliparse", "HTML to text: the whole page, or the main content by either of two extractors."
    )
    html_timeout: float = option(60.0, "Seconds that a page may take to extract.")
    max_record_bytes: int = option(
        64 << 20, "Decoded bytes that a line, a row, a record or a page may have.", ge=1, le=MOST_RECORD_BYTES
    )
    invalid_utf8: Literal["quarantine", "repair"] = option(
        "quarantine", "What becomes of text that is not UTF-8; repair puts U+FFFD for each sequence."
    )

    def __post_init__(self) -> None:
        options.validate(self, "read")

    def check(self) -> None:
        """Raises ImportError if the package that `extract` names is missing."""
        if self.extract == "trafilatura" and importlib.util.find_spec("trafilatura") is None:
            raise ImportError("read.extract 'trafilatura' needs the package trafilatura: pip install 'winnow[html]'")

    def code(self) -> tuple[closure.Code, ...]:
        """The module that `extract` names, which only the child of `html` imports."""
        return (closure.Code(html.EXTRACTORS[self.extract].partition(":")[0]),)


options.document(ReadOptions)


@dataclasses.dataclass(frozen=True)
class Unit:
    """Part of the input that one task reads: a file, a byte range of a plain .jsonl file, or a
    range of row groups of a Parquet file. None means from the start, to the end."""

    path: str
    format: str
    start: int | None = None
    end: int | None = None
    bytes: int = dataclasses.field(default=0, compare=False)  # of the file, that it reads


def file_format(path: str) -> str:
    """ "warc", "jsonl", "parquet" or "text". Raises ValueError for an unknown suffix."""
    name = path.lower()
    for suffix in streams.COMPRESSIONS:
        name = name.removesuffix(suffix)
    for suffix, kind in FORMATS.items():
        if name.endswith(suffix) and (kind != "parquet" or not streams.compression(path)):
            return kind
    known = ", ".join(FORMATS)
    raise ValueError(f"unknown kind of file: {path} (known: {known}; .gz and .zst of all but .parquet)")


def split(sources: list[paths.Source], options: ReadOptions, unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Units of work, in the order of `sources`: whole files, but for plain .jsonl and Parquet
    files above `unit_bytes`. Depends on the files and the options alone."""
    units = []
    for source in sources:
        kind = file_format(source.path) if options.format == "auto" else options.format
        ranges: list[tuple[int | None, int | None, int]] = [(None, None, source.size)]
        if source.size > unit_bytes:
            if kind == "jsonl" and not streams.compression(source.path):
                ends = [min(start + unit_bytes, source.size) for start in range(0, source.size, unit_bytes)]
                ranges = [(start, end, end - start) for start, end in zip([0, *ends], ends)]
            elif kind == "parquet":
                ranges = parquet.row_group_ranges(source.path, unit_bytes) or ranges
        units += [Unit(source.path, kind, *each) for each in ranges]
    return units


def read(
    unit: Unit, options: ReadOptions, extractor: str | None = None, excluded: tuple[tuple[int, int, str], ...] = ()
) -> Iterator[Reading]:
    """Everything in a unit, in order, in batches of at most `documents.MAX_BATCH_TEXT` bytes of
    text and `records.BATCH_ROWS` rows. `extractor` names a function (see `html.Extractor`) to extract
    text from HTML instead of the one that `options` choose. `excluded` are records (first, end, reason), by
    number in the unit, that are quarantined for the reason given and not looked at.

    Raises OSError (FileNotFoundError, ...) if the storage does; faults of the data are
    quarantined.
    """
    return records.batches(
        _events(unit, options, extractor or html.EXTRACTORS[options.extract], records.Excluded(excluded))
    )


def _events(unit: Unit, options: ReadOptions, extractor: str, excluded: records.Excluded) -> Iterator[records.Event]:
    if paths.size(unit.path) == 0:
        return iter([Quarantined(unit.path, 0, "file is empty", b"")])
    if unit.format == "warc":
        return web_pages.read(unit, options, excluded, extractor)
    return {"jsonl": jsonl.read, "parquet": parquet.read, "text": _read_text}[unit.format](unit, options, excluded)


def _read_text(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """A text file is one document."""
    pieces, size, repaired = [], 0, False
    error = excluded.reason(0)
    for chunk in streams.chunks(unit.path, limit=options.max_record_bytes):
        if error:
            break
        if isinstance(chunk, streams.Damage):
            error = chunk.error
            pieces = pieces or [chunk.raw]
        else:
            pieces.append(chunk.data)
            size += len(chunk.data)
            if size > options.max_record_bytes:
                error = f"a text above the limit of {options.max_record_bytes} bytes (read.max_record_bytes)"
    text = b"".join(pieces).removeprefix(b"\xef\xbb\xbf")
    if not error:
        try:
            text, repaired = records.utf8(text, options)
            records.check_size(len(text), options)  # a repaired one can be three times as long
        except ValueError as problem:
            error = records.reason(problem)
    if error:
        yield Quarantined(unit.path, 0, error, text[: streams.PREFIX], bytes=paths.size(unit.path))
    else:
        yield records.marked(Document(f"{unit.path}#0", text, source=unit.path), repaired)
