"""Where the numbers of a Parquet file's footer and page headers stand, so that they can be changed.

Both are structures in Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/
thrift-compact-protocol.md); the fields and their numbers are those of Parquet's `parquet.thrift`.
"""

from __future__ import annotations

from typing import NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


class Field(NamedTuple):
    """A number at `start` to `end`; `value` is None for the head of a list."""

    start: int
    end: int
    value: int | None


Path = tuple[int, ...]
"""Numbers of fields and positions in lists, from the outermost structure inwards."""


def fields(data: bytes, start: int) -> tuple[dict[Path, Field], int]:
    """(the numbers and list heads of the structure at `start`, where it ends)."""
    found: dict[Path, Field] = {}
    return found, _struct(data, start, (), found)


def _struct(data: bytes, at: int, path: Path, found: dict[Path, Field]) -> int:
    number = 0
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            raw, at = _varint(data, at)
            number = _signed(raw)
        at = _value(data, at, kind, (*path, number), found)
    return at + 1


def _value(data: bytes, at: int, kind: int, path: Path, found: dict[Path, Field]) -> int:
    if kind in (TRUE, FALSE):
        return at
    if kind == BYTE:
        return at + 1
    if kind in (I16, I32, I64):
        raw, end = _varint(data, at)
        found[path] = Field(at, end, _signed(raw))
        return end
    if kind == DOUBLE:
        return at + 8
    if kind == BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind in (LIST, SET):
        return _list(data, at, path, found)
    if kind == STRUCT:
        return _struct(data, at, path, found)
    raise ValueError(f"Parquet has no fields of kind {kind}")


def _list(data: bytes, at: int, path: Path, found: dict[Path, Field]) -> int:
    start, size, kind = at, data[at] >> 4, data[at] & 15
    at += 1
    if size == 15:
        size, at = _varint(data, at)
    found[path] = Field(start, at, None)
    for index in range(size):
        at = at + 1 if kind in (TRUE, FALSE) else _value(data, at, kind, (*path, index), found)
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def _signed(raw: int) -> int:
    return raw >> 1 ^ -(raw & 1)


def number(value: int) -> bytes:
    """A zigzag varint."""
    return _varint_of(value << 1 if value >= 0 else ~value << 1 | 1)


def list_head(kind: int, size: int) -> bytes:
    return bytes([0xF0 | kind]) + _varint_of(size)


def _varint_of(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
