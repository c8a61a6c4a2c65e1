"""What the footer of a Parquet file says of its row groups and columns.

pyarrow says so, too, but its process aborts over metadata that contradict each other (seen in 26.0: a type in the
schema that size statistics do not go with), and it does not show the headers of pages. Format: parquet.thrift of Apache
Parquet 2.11, in Thrift's compact protocol.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from corpus.reading import footer_sizes

MOST_DEPTH = 32
"""Structs and lists within each other at most; the format has six."""
TAIL = 64 << 10
"""Bytes at the end of a file that are read at once: footers of a few hundred columns are in it."""
PAGE_HEADER = 64
"""Bytes that are read for the beginning of the header of a page."""
WHOLE_HEADER = 1 << 20
"""Bytes that are read for a whole one, which may hold the smallest and the largest value."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_COLUMN = {1: True, 2: [True], 3: [True], 5: True, 6: True, 7: True, 9: True, 11: True}
_FOOTER = {3: True, 4: [{1: [{3: _COLUMN}], 2: True, 3: True}]}
"""Fields that are read, by number: a dict stands for a struct, a list for a list of its item, True for any other
value."""
_PAGE = {1: True, 2: True}
_SIZES = {2: True, 3: True}

BYTE_ARRAY, DELTA_BYTE_ARRAY = 6, 7
DICTIONARY_PAGE = 2


@dataclasses.dataclass(frozen=True)
class Column:
    """A column chunk. Sizes and offsets are in bytes; `dictionary` is where the page with its dictionary begins, 0 if
    it is not known to have one."""

    type: int
    encodings: tuple[int, ...]
    path: str
    values: int
    uncompressed: int
    compressed: int
    data: int
    dictionary: int


@dataclasses.dataclass(frozen=True)
class RowGroup:
    """A row group: its rows, the bytes of its columns without compression, its columns."""

    rows: int
    bytes: int
    columns: tuple[Column, ...]

    @property
    def extent(self) -> tuple[int, int]:
        """(offset in the file, compressed size)."""
        starts = [c.dictionary or c.data for c in self.columns]
        return max(min(starts, default=0), 0), max(sum(c.compressed for c in self.columns), 0)


@dataclasses.dataclass(frozen=True)
class Footer:
    """What a file says of itself."""

    rows: int
    groups: tuple[RowGroup, ...]


def read(file: pa.NativeFile) -> Footer:
    """The footer of an open file. Raises ValueError if there is none."""
    return _parsed(_footer_of(file))


def row_group_sizes(file: pa.NativeFile) -> list[int]:
    """Compressed bytes of each row group of an open file, as `read` has them, and fast. Raises ValueError if there is
    no footer."""
    data = _footer_of(file)
    sizes, sure = footer_sizes.compressed(np.frombuffer(data, np.uint8))
    return sizes.tolist() if sure else [group.extent[1] for group in _parsed(data).groups]


def _footer_of(file: pa.NativeFile) -> bytes:
    """Its bytes, most often by one request."""
    size = file.size()
    tail: bytes = file.read_at(min(TAIL, size), max(size - TAIL, 0))
    length = int.from_bytes(tail[-8:-4], "little")
    if len(tail) < 8 or tail[-4:] != b"PAR1" or length > size - 8:
        raise ValueError("it has no footer")
    return tail[-8 - length : -8] if length <= len(tail) - 8 else file.read_at(length, size - 8 - length)


def _parsed(data: bytes) -> Footer:
    found = _Reader(data).struct(_FOOTER, 0)
    return Footer(_number(found, 3), tuple(_row_group(each) for each in found.get(4) or ()))


def page_header(file: pa.NativeFile, offset: int) -> tuple[int, int]:
    """(type, uncompressed size) of the page that begins at an offset. Raises ValueError if none does."""
    if offset < 0:
        raise ValueError("no page begins there")
    found = _Reader(file.read_at(PAGE_HEADER, offset)).struct(_PAGE, 0, whole=False)
    return _number(found, 1), _number(found, 2)


def page_sizes(file: pa.NativeFile, column: Column) -> Iterator[int]:
    """Size of each page of a column chunk once it is decompressed, as far as there are pages."""
    at = column.dictionary or column.data
    end = at + column.compressed
    while 0 <= at < end:
        for size in (PAGE_HEADER, WHOLE_HEADER):
            reader = _Reader(file.read_at(min(size, end - at), at))
            try:
                found = reader.struct(_SIZES, 0)
                break
            except ValueError:
                continue
        else:
            return
        yield _number(found, 2)
        at += reader.at + max(_number(found, 3), 0)


def _row_group(fields: dict[int, Any]) -> RowGroup:
    columns = tuple(_column(each.get(3) or {}) for each in fields.get(1) or ())
    return RowGroup(_number(fields, 3), _number(fields, 2), columns)


def _column(fields: dict[int, Any]) -> Column:
    path = ".".join(part.decode("utf-8", "replace") for part in fields.get(3) or () if isinstance(part, bytes))
    encodings = tuple(each for each in fields.get(2) or () if isinstance(each, int))
    numbers = (_number(fields, number) for number in (5, 6, 7, 9, 11))
    return Column(_number(fields, 1), encodings, path, *numbers)


def _number(fields: dict[int, Any], number: int) -> int:
    value = fields.get(number, 0)
    if not isinstance(value, int):
        raise ValueError(f"field {number} of its footer is no number")
    return value


class _Reader:
    """Values in Thrift's compact protocol, one after the other."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def struct(self, wanted: dict[int, Any], depth: int, whole: bool = True) -> dict[int, Any]:
        """The fields of a struct that are wanted, by number; if not `whole`, no more is read once all are there.
        Raises ValueError for what is no struct."""
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) and (whole or len(found) < len(wanted)):
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            found[number] = self._value(head & 15, wanted.get(number), depth + 1)
        return {number: value for number, value in found.items() if number in wanted}

    def _value(self, kind: int, wanted: Any, depth: int) -> Any:
        """A value of a type; None where it is passed over or is not of the shape that is wanted."""
        if depth > MOST_DEPTH:
            raise ValueError("its footer has structs without end")
        if kind in (_TRUE, _FALSE):
            return None
        if kind in (_BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY):
            value = self._single(kind)
            return value if wanted is True else None
        if kind in (_LIST, _SET):
            return self._items(wanted, depth)
        if kind == _MAP:
            return self._map(depth)
        if kind == _STRUCT:
            fields = self.struct(wanted if isinstance(wanted, dict) else {}, depth)
            return fields if isinstance(wanted, dict) else None
        raise ValueError(f"its footer has a value of type {kind}")

    def _single(self, kind: int) -> int | bytes:
        if kind == _BYTE:
            return self._byte()
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        return self._bytes(8 if kind == _DOUBLE else self._varint())

    def _items(self, wanted: Any, depth: int) -> list | None:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        kind, item = head & 15, wanted[0] if isinstance(wanted, list) else None
        found = []
        for _ in range(count):
            value = self._truth(item) if kind in (_TRUE, _FALSE) else self._value(kind, item, depth + 1)
            if item is not None:
                found.append(value if value is not None or item is True else {})
        return found if item is not None else None

    def _truth(self, wanted: Any) -> int | None:
        """An item of a list of truth values; None where it is not of the shape that is wanted."""
        value = self._byte()
        return value if wanted is True else None

    def _map(self, depth: int) -> None:
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            for kind in (kinds >> 4, kinds & 15):
                self._byte() if kind in (_TRUE, _FALSE) else self._value(kind, None, depth + 1)

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise ValueError("its footer ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("its footer ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("its footer has a number without end")

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
