"""Bytes of plain, gzip and zstd files, a bounded piece at a time, with faults reported in place.

Two kinds of trouble are kept apart. What the storage reports (a lost connection, a missing
file) is raised: the task should be tried again. What the bytes themselves show (a bad
checksum, a stream that ends early) is returned as a `Chunk` with an error: trying again
would not help, and the records before and after it are good.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import zstandard

from corpus.io import paths

PIECE = 64 << 10
"""Compressed bytes handed to a decompressor at a time: small, because at the end of each gzip
member (one a record in a WARC file) the rest of the piece is copied."""
BLOCK = 1 << 20
"""Bytes read at a time from a plain file, and the most that one call of zlib may put out."""
PREFIX = 4096
"""Bytes of a faulty record that are kept for inspection."""
GZIP_MAGIC = b"\x1f\x8b\x08"

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


class Chunk(NamedTuple):
    """Decompressed bytes; the offset in the file of the gzip member or zstd frame they are of
    (0 in a plain file); and what is wrong with that member after these bytes, if anything.
    Then `data` is not content but the first compressed bytes of the member."""

    data: bytes
    member: int
    error: str | None = None


def compression(path: str) -> str | None:
    """"gzip", "zstd" or None, by suffix."""
    return next((kind for suffix, kind in COMPRESSIONS.items() if path.lower().endswith(suffix)), None)


def chunks(path: str, start: int = 0, resume: bytes | None = None) -> Iterator[Chunk]:
    """The content of a file, from byte `start` if it is plain.

    After a faulty gzip member reading goes on at the next member whose content begins with
    `resume`; without `resume` it ends there. Raises OSError when the storage does.
    """
    kind = compression(path)
    with paths.open_input(path) as file:
        if kind:
            yield from _members(_Input(file), kind, resume)
            return
        file.seek(start)
        while data := file.read(BLOCK):
            yield Chunk(data, 0)


class _Input:
    """A file read in pieces, whose unread tail can be given back."""

    def __init__(self, file):
        self.file, self.tail, self.end = file, b"", 0  # end: offset after `tail`

    @property
    def offset(self) -> int:
        return self.end - len(self.tail)

    def seek(self, offset: int) -> None:
        self.file.seek(offset)
        self.tail, self.end = b"", offset

    def read(self) -> bytes:
        piece, self.tail = self.tail, b""
        if not piece:
            piece = self.file.read(PIECE)
            self.end += len(piece)
        return piece


def _decompressor(kind: str):
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()


def _inflate(decompressor, kind: str, piece: bytes) -> Iterator[bytes]:
    if kind == "zstd":
        yield decompressor.decompress(piece)
        return
    while True:
        data = decompressor.decompress(piece, BLOCK)
        yield data
        piece = decompressor.unconsumed_tail
        if not piece and len(data) < BLOCK:
            return


def _members(source: _Input, kind: str, resume: bytes | None) -> Iterator[Chunk]:
    start: int | None = 0
    while start is not None:
        error = yield from _member(source, kind, start)
        if error is None:
            start = None if _at_end(source) else source.offset
            continue
        source.seek(start)
        yield Chunk(source.read()[:PREFIX], start, error)
        start = _next_member(source, start + 1, resume) if resume and kind == "gzip" else None


def _member(source: _Input, kind: str, start: int):
    """Yield the content of one member; return what is wrong with it, or None."""
    decompressor = _decompressor(kind)
    while not decompressor.eof:
        piece = source.read()
        if not piece:
            return f"the file ends inside the {kind} stream that begins at byte {start}"
        try:
            for data in _inflate(decompressor, kind, piece):
                if data:
                    yield Chunk(data, start)
        except (zlib.error, zstandard.ZstdError) as error:
            return f"the {kind} stream that begins at byte {start} is corrupt: {error}"
    source.tail = decompressor.unused_data
    return None


def _at_end(source: _Input) -> bool:
    """True at the end of the file; zeros that pad it (gzip allows them) are passed over."""
    while True:
        piece = source.read()
        if not piece:
            return True
        source.tail = piece.lstrip(b"\0") if piece[0] == 0 else piece
        if source.tail:
            return False


def _next_member(source: _Input, start: int, resume: bytes) -> int | None:
    """Offset of the first gzip member at or after `start` whose content begins with `resume`."""
    source.seek(start)
    window, base = b"", start
    while piece := source.read():
        window += piece
        found = window.find(GZIP_MAGIC)
        while found >= 0:
            if _begins_with(source.file, base + found, resume):
                source.seek(base + found)
                return base + found
            found = window.find(GZIP_MAGIC, found + 1)
        source.seek(source.end)
        base, window = base + len(window) - len(window[-2:]), window[-2:]
    return None


def _begins_with(file, offset: int, resume: bytes) -> bool:
    file.seek(offset)
    try:
        return zlib.decompressobj(wbits=31).decompress(file.read(PREFIX), len(resume)) == resume
    except zlib.error:
        return False
