"""JSON lines, plain or compressed, whole files or byte ranges of plain ones."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from corpus.reading import records, streams
from corpus.reading.reader import Range, Reader, Unit
from corpus.reading.records import Quarantined

if TYPE_CHECKING:
    from corpus.io.paths import Source
    from corpus.reading.read_options import ReadOptions

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r"))
_decode = json.JSONDecoder(parse_constant=lambda name: None).decode  # NaN and Infinity are null

HELD = 16 << 20
"""Bytes of a gzip member or zstd frame, decoded, up to which none of its lines is used before its checksum holds."""
BEYOND = 1 << 16
"""Bytes behind a range that are read with it: its last line ends there."""
COUNTED = 1 << 20
"""Bytes of a line from which its values are counted before it is parsed."""
FIRST_LINES, FIRST_BYTES = 100, 1 << 20
"""Objects, and bytes of lines, about, that are looked at to know what fields there are."""
MOST_LOOKED_AT = 1000
"""Lines that are, where some hold none."""
DEPTH = 200
"""Arrays and objects within one another, at most: where Python's own limit lies depends on who calls."""


class Line(NamedTuple):
    """A line: its offset in the decompressed content; its bytes, or the first of them if something is wrong with it,
    and what; how many records it stands for (0 for a range of damage in which they cannot be counted); and which
    bytes of the file, about, as it lies on disk, are lost if it is."""

    offset: int
    data: bytes
    error: str | None
    records: int
    span: tuple[int, int]


def byte_ranges(source: Source, unit_bytes: int) -> list[Range]:
    """Ranges of bytes of a plain file, wherever its lines begin; none of a compressed one."""
    if streams.compression(source.path):
        return []
    ends = [min(start + unit_bytes, source.size) for start in range(0, source.size, unit_bytes)]
    return [Range(start, end, end - start) for start, end in zip([0, *ends], ends)]


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """Documents of the lines that begin in the unit's byte range."""
    every = lines(unit.path, unit.start or 0, unit.end, options.max_record_bytes)
    return documents(every, unit, options, excluded)


def documents(
    every: Iterable[Line], unit: Unit, options: ReadOptions, excluded: records.Excluded, what: str = "a line"
) -> Iterator[records.Event]:
    """Documents of lines, or of what else holds an object each and is called so."""
    repair = options.invalid_utf8 == "repair"
    number, lost = 0, streams.Lost()
    for line in every:
        if line.error is None and (line.data.isspace() or not line.data):
            continue
        error, identity = line.error, None
        left_out = excluded.reason(number)
        number += line.records
        if error is None:
            try:
                _check_shape(line.data, options.max_record_bytes // records.BYTES_A_VALUE, what)
                row, repaired = parse(line.data, repair, what)
                if left_out is None:
                    yield records.document(row, options, unit.name, str(line.offset), repaired)
                    continue
                identity = records.identity(row, options, unit.name, str(line.offset))
                error = left_out
            except ValueError as problem:
                error = left_out or records.reason(problem)
        raw, span = line.data[: streams.PREFIX], lost.with_fault(*line.span)
        yield Quarantined(unit.name, line.offset, error, raw, line.records, span, identity)


def first(path: str, options: ReadOptions) -> records.First:
    """See `Reader.first`."""
    limit = options.max_record_bytes
    return first_of(lines(path, 0, None, limit, hold=0), limit, "a line")


def first_of(every: Iterable[Line], limit: int, what: str) -> records.First:
    """What the first lines say, of those that hold objects."""
    found, fault, size = [], None, 0
    for line in itertools.islice(every, MOST_LOOKED_AT):
        if line.error is None and not line.data.strip():
            continue
        size += len(line.data)
        try:
            if line.error is not None:
                raise ValueError(line.error)
            _check_shape(line.data, limit // records.BYTES_A_VALUE, what)
            found.append(parse(line.data, repair=True, what=what)[0])
        except ValueError as problem:
            fault = fault or records.reason(problem)
        if size > FIRST_BYTES or len(found) == FIRST_LINES:
            break
    return records.first_of(found, fault=fault)


def parse(line: bytes, repair: bool = False, what: str = "a line") -> tuple[dict[str, Any], bool]:
    """(the object that a line holds, whether it was repaired). Raises ValueError
    if it holds none, is not UTF-8, or escapes half a surrogate pair, which no
    UTF-8 text can hold. `repair` puts U+FFFD in place of both."""
    try:
        value = _object(line.decode(), what)
        if _ESCAPED_SURROGATE.search(line):
            json.dumps(value, ensure_ascii=False).encode()
        return value, False
    except UnicodeError:
        if not repair:
            raise
        return _without_surrogates(_object(line.decode("utf-8", "replace"), what)), True


def _object(line: str, what: str) -> dict[str, Any]:
    value = _decode(line)
    if not isinstance(value, dict):
        raise ValueError(f"{what} must hold an object, not {records.kind(value)}")
    return value


def _without_surrogates(value: Any) -> Any:
    """A JSON value with U+FFFD for every half of a surrogate pair in its strings and names."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _check_shape(line: bytes, most: int, what: str) -> None:
    """Raises ValueError for a line that is nested deeper than DEPTH, and for a long one of more than `most` values."""
    if len(line) <= COUNTED and line.count(b"[") + line.count(b"{") <= DEPTH:
        return
    values, depth = _shape(np.frombuffer(line, np.uint8))
    if depth > DEPTH:
        raise ValueError(f"{what} of values nested deeper than {DEPTH}")
    if len(line) > COUNTED and values > most:
        raise ValueError(f"{what} of more than {most} values")


@numba.njit(cache=True, nogil=True)
def _shape(line):
    """(how many values a line of JSON has, about: commas and opening brackets outside of strings; how deep these are
    nested)."""
    count, inside, escaped, depth, deepest = 0, False, False, 0, 0
    for byte in line:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte == 0x2C:
            count += 1
        elif byte == 0x5B or byte == 0x7B:
            count += 1
            depth += 1
            deepest = max(deepest, depth)
        elif byte == 0x5D or byte == 0x7D:
            depth -= 1
    return count, deepest


def lines(path: str, start: int, end: int | None, limit: int, hold: int = HELD) -> Iterator[Line]:
    """Each line with anything on it whose first byte is at `start` or after, and before `end`. A line longer than
    `limit` comes with an error; so does damage of a compressed file, together with the line that it breaks off, if
    there is one."""
    # from the byte before: a line begins at `start` only if that is a line feed
    offset = max(start - 1, 0)
    skip = start > 0
    compressed = streams.compression(path) is not None
    pieces: list[bytes] = []
    size = begun = come = 0  # of a compressed file, how far reading had come when this line began, and has come

    def span() -> tuple[int, int]:
        return (begun, come) if compressed else (offset, offset + size)

    at_first = None if end is None else end - offset + BEYOND
    for chunk in streams.chunks(path, offset, _is_text, limit, hold, at_first):
        if isinstance(chunk, streams.Damage):
            where, raw = (offset, b"".join(pieces)) if size else (chunk.start, chunk.raw)
            yield Line(where, raw[: streams.PREFIX], chunk.error, int(size > 0), (chunk.start, chunk.end))
            offset += size
            pieces, size = [], 0
            continue
        come = chunk.end
        begun = begun if size else come
        *complete, last = chunk.data.split(b"\n")
        for piece in complete:
            size += len(piece)
            if skip:
                skip = False
            elif end is not None and offset >= end:
                return
            elif size:
                yield _line(offset, pieces, piece, size, limit, span())
            offset += size + 1
            pieces, size, begun = [], 0, come
        size += len(last)
        if skip and end is not None and offset + size >= end:
            return  # no line begins here: what goes on and on is read by the unit where it begins
        if size <= limit or not pieces:
            pieces.append(last)
    if size and not skip and (end is None or offset < end):
        yield _line(offset, pieces, b"", size, limit, span())


def _line(offset: int, pieces: list[bytes], piece: bytes, size: int, limit: int, span: tuple[int, int]) -> Line:
    data = b"".join([*pieces, piece]) if pieces else piece
    if size > limit:
        error = f"a line of {size} bytes, above the limit of {limit} (read.max_record_bytes)"
        return Line(offset, data[: streams.PREFIX], error, 1, span)
    if offset == 0 and data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]  # byte order mark
    return Line(offset, data, None, 1, span)


def _is_text(data: bytes) -> bool:
    """Whether the content of a gzip member or zstd frame can be of JSON lines: next to no control characters."""
    return len(data) - len(data.translate(None, _CONTROL)) <= len(data) // 100


READER = Reader("jsonl", (".jsonl", ".ndjson"), read, ranges=byte_ranges, first=first)
