"""JSON lines, plain or compressed, whole files or byte ranges of plain ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from corpus.io import rows, streams
from corpus.io.rows import Quarantined

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_decode = json.JSONDecoder(parse_constant=lambda name: None).decode  # NaN and Infinity are null


def read(unit, options) -> Iterator[rows.Event]:
    """Documents of the lines that begin in the unit's byte range."""
    repair = options.invalid_utf8 == "repair"
    for offset, line, error in lines(unit.path, unit.start or 0, unit.end, options.document_max_bytes):
        if error is None:
            if line.isspace() or not line:
                continue
            try:
                row, repaired = parse(line, repair)
                yield rows.document(row, options, unit.path, str(offset), repaired)
                continue
            except (ValueError, RecursionError) as problem:
                error = rows.reason(problem)
        yield Quarantined(unit.path, offset, error, line[: streams.PREFIX])


def parse(line: bytes, repair: bool = False) -> tuple[dict, bool]:
    """(the object that a line holds, whether it was repaired). Raises ValueError (or
    RecursionError) if it holds none, is not UTF-8, or escapes half a surrogate pair, which no
    UTF-8 text can hold. `repair` puts U+FFFD in place of both."""
    try:
        value = _object(line.decode())
        if _ESCAPED_SURROGATE.search(line):
            json.dumps(value, ensure_ascii=False).encode()
        return value, False
    except UnicodeError:
        if not repair:
            raise
        return _without_surrogates(_object(line.decode("utf-8", "replace"))), True


def _object(line: str) -> dict:
    value = _decode(line)
    if not isinstance(value, dict):
        raise ValueError(f"a line must hold an object, not {rows.kind(value)}")
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


def lines(path: str, start: int, end: int | None, limit: int) -> Iterator[tuple[int, bytes, str | None]]:
    """(offset, line, error) of each line whose first byte is at `start` or after, and before
    `end`. Offsets count decompressed bytes. A line longer than `limit` is an error, with its
    first bytes; so is the line in which a compressed stream breaks, with which reading ends."""
    # from the byte before: a line begins at `start` only if that is a line feed
    offset = max(start - 1, 0)
    skip = start > 0
    pieces: list[bytes] = []
    size = 0
    for data, _, error in streams.chunks(path, offset):
        if error:
            yield offset, b"".join(pieces)[: streams.PREFIX] or data, error
            return
        *complete, last = data.split(b"\n")
        for piece in complete:
            size += len(piece)
            if skip:
                skip = False
            elif end is not None and offset >= end:
                return
            else:
                yield _line(offset, pieces, piece, size, limit)
            offset += size + 1
            pieces, size = [], 0
        size += len(last)
        if size <= limit or not pieces:
            pieces.append(last)
    if size and not skip and (end is None or offset < end):
        yield _line(offset, pieces, b"", size, limit)


def _line(offset, pieces, piece, size, limit) -> tuple[int, bytes, str | None]:
    line = b"".join([*pieces, piece]) if pieces else piece
    if size > limit:
        return offset, line[: streams.PREFIX], f"a line of {size} bytes, above the limit of {limit}"
    if offset == 0 and line.startswith(b"\xef\xbb\xbf"):
        line = line[3:]  # byte order mark
    return offset, line, None
