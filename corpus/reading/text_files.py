"""Text files: each is one document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from corpus.io import paths
from corpus.reading import records, streams
from corpus.reading.reader import Reader, Unit
from corpus.reading.records import Document, Quarantined

if TYPE_CHECKING:
    from corpus.reading.read_options import ReadOptions


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """The document that a file is."""
    pieces: list[bytes] = []
    size, repaired = 0, False
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
        yield Quarantined(unit.name, 0, error, text[: streams.PREFIX], bytes=paths.size(unit.path))
    else:
        yield records.marked(Document(f"{unit.name}#0", text, source=unit.name), repaired)


READER = Reader("text", (".txt",), read)
