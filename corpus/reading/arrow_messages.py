"""The messages that an Arrow file or stream is made of, looked at before they are decoded: how many rows a batch has,
and how many bytes it comes to.

pyarrow believes what a batch says of itself, and makes room for it. Format: Message.fbs and Schema.fbs of Apache Arrow,
version 5 of the metadata, in FlatBuffers; a message has a prefix of eight bytes, its metadata, and its body. A file
holds the same messages as a stream, behind eight bytes, and an index that is not needed where all of it is read. Some
put several in a file, one after the other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from corpus.reading import streams

SCHEMA, DICTIONARY, BATCH = 1, 2, 3
MAGIC = b"ARROW1\0\0"
MOST_METADATA = 16 << 20
"""Bytes of the metadata of a message: those of a batch of 100,000 columns have some 6 MB."""
AHEAD = 16 << 10
"""Bytes in which the metadata of most messages are."""
_CONTINUES = b"\xff\xff\xff\xff"
_END = _CONTINUES + bytes(4)
_BLOCK = 1 << 20


class Broken(ValueError):
    """What is no message; nothing behind it can be read."""

    def __init__(self, error: str, position: int, raw: bytes):
        super().__init__(error)
        self.position, self.raw = position, raw


class Message(NamedTuple):
    """A message: where it begins, its kind, its prefix and metadata; its rows, its body, and the bytes to which that
    comes once it is decoded. The body of one that comes to more than is allowed is None."""

    position: int
    kind: int
    head: bytes
    rows: int
    body: bytes | None
    decoded: int


def messages(file: pa.NativeFile, most: int) -> Iterator[Message]:
    """The messages of an open file, in order, those of further files and streams behind it too; bodies that have, or
    come to, more than `most` bytes are passed over. Raises Broken."""
    size, at = file.size(), 0
    while at < size:
        is_file = file.read_at(len(MAGIC), at) == MAGIC
        at = begin = at + len(MAGIC) * is_file
        while at < size and (at == begin or file.read_at(len(_END), at) != _END):
            message, at = _message(file, at, most)
            yield message
        at += len(_END)
        if is_file and at <= size:
            at = _past_index(file, at)


def _message(file: pa.NativeFile, at: int, most: int) -> tuple[Message, int]:
    """The message that begins at a position, and where the next one does. Raises Broken."""
    ahead = file.read_at(AHEAD, at)
    prefix = ahead[:8]
    length = int.from_bytes(prefix[4:], "little", signed=True)
    if len(prefix) < 8 or prefix[:4] != _CONTINUES or not 0 < length <= MOST_METADATA:
        old = prefix.startswith(b"FEA1")
        why = "Feather of version 1, which is not Arrow" if old else "no message of an Arrow file begins here"
        raise Broken(why, at, ahead[: streams.PREFIX])
    head = ahead[: 8 + length] if length <= len(ahead) - 8 else file.read_at(8 + length, at)
    try:
        kind, rows, body_bytes, buffers = _parsed(head[8:])
    except (struct.error, IndexError):
        raise Broken("the metadata of a message are damaged", at, head[: streams.PREFIX]) from None
    begin = at + 8 + length
    if len(head) < 8 + length or begin + body_bytes > file.size():
        raise Broken("the file ends inside a message", at, head[: streams.PREFIX])
    body = file.read_at(body_bytes, begin) if body_bytes <= most else None
    decoded = body_bytes if body is None or buffers is None else _decoded(body, buffers)
    return Message(at, kind, head, rows, body if decoded <= most else None, decoded), begin + body_bytes


def _past_index(file: pa.NativeFile, begin: int) -> int:
    """Where the file ends whose index begins at a position: the index is followed by its length, and by how files
    begin. Raises Broken where there is no such end, for nobody can tell what the rest is."""
    mark, at, size = MAGIC.rstrip(b"\0"), begin, file.size()
    while at < size:
        block = file.read_at(_BLOCK, at)
        found = block.find(mark)
        while found >= 0:
            end = at + found
            if end >= begin + 4 and int.from_bytes(file.read_at(4, end - 4), "little") == end - 4 - begin:
                return end + len(mark)
            found = block.find(mark, found + 1)
        at += max(len(block) - len(mark) + 1, 1)
    raise Broken("the index at the end of an Arrow file is damaged", begin, file.read_at(streams.PREFIX, begin))


def _decoded(body: bytes, buffers: list[tuple[int, int]]) -> int:
    """Bytes to which the compressed buffers of a body come, each of which says so in its first eight."""
    total = 0
    for offset, length in buffers:
        said = int.from_bytes(body[offset : offset + 8], "little", signed=True) if length >= 8 else -1
        total += length if said < 0 else said
    return total


def _parsed(data: bytes) -> tuple[int, int, int, list[tuple[int, int]] | None]:
    """(kind, rows, bytes of the body, the places of the buffers in it if they are compressed) of some metadata. Raises
    struct.error or IndexError."""
    message = _Table(data, struct.unpack_from("<I", data)[0])
    kind, body = message.number(1, "<B"), message.number(3, "<q")
    header = message.table(2)
    if kind == DICTIONARY and header:
        header = header.table(1)
    if kind not in (DICTIONARY, BATCH) or header is None:
        return kind, 0, max(body, 0), None
    buffers = header.pairs(2) if header.table(3) else None
    return kind, header.number(0, "<q"), max(body, 0), buffers


class _Table:
    """A table of FlatBuffers: its fields are where its virtual table says, counted from its own beginning."""

    def __init__(self, data: bytes, at: int):
        self.data, self.at = data, at
        self.fields = at - struct.unpack_from("<i", data, at)[0]
        if self.fields < 0:
            raise IndexError
        self.size = struct.unpack_from("<H", data, self.fields)[0]

    def _place(self, field: int) -> int:
        """Where a field is; 0 where it is left out."""
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self.data, self.fields + entry)[0] if entry < self.size else 0
        return self.at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return int(struct.unpack_from(form, self.data, place)[0]) if place else 0

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0]) if place else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structs of two int64."""
        place = self._place(field)
        if not place:
            return []
        place += struct.unpack_from("<I", self.data, place)[0]
        count = struct.unpack_from("<I", self.data, place)[0]
        if count > len(self.data) // 16:
            raise IndexError
        flat = struct.unpack_from(f"<{2 * count}q", self.data, place + 4)
        return [(max(offset, 0), length) for offset, length in zip(flat[::2], flat[1::2])]
