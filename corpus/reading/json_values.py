"""Files called .json: an array of objects, or objects one after the other over several lines each; else JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numba
import numpy as np

from corpus.io import paths
from corpus.reading import jsonl, records, streams
from corpus.reading.jsonl import Line
from corpus.reading.reader import Range, Reader, Unit
from corpus.reading.window import HELD, Window

if TYPE_CHECKING:
    from corpus.io.paths import Source
    from corpus.reading.read_options import ReadOptions

_SPACE = re.compile(rb"[\s]*")
_BETWEEN = re.compile(rb"[\s,]*")
_NOT_LINES = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[|\{[ \t\r]*\n|(\{[^\n]*)\n\s*[\"\d\[\]},:-])")
"""How a file begins that is no JSON lines: with an array, or an object that may go on in the next line. Where that one
begins with a brace, it is more likely that the first is damaged."""
HEAD = 64 << 10
"""Bytes in which it does."""
NO_END = "an element without its end"
_DEPTH, _IN_STRING, _ESCAPED, _SEEN = range(4)


def byte_ranges(source: Source, unit_bytes: int) -> list[Range]:
    """Those of JSON lines; none of what has to be read from its beginning."""
    return [] if _is_values(source.path) else jsonl.byte_ranges(source, unit_bytes)


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """Documents of the objects in a file, or of the lines in a range of one."""
    if unit.start is not None or not _is_values(unit.path):
        return jsonl.read(unit, options, excluded)
    return jsonl.documents(values(unit.path, options.max_record_bytes), unit, options, excluded, "an element")


def first(path: str, options: ReadOptions) -> records.First:
    """See `Reader.first`."""
    if not _is_values(path):
        return jsonl.first(path, options)
    limit = options.max_record_bytes
    return jsonl.first_of(values(path, limit, hold=0), limit, "an element")


def _is_values(path: str) -> bool:
    chunk = next(streams.chunks(path, first=HEAD), None)
    found = _NOT_LINES.match(chunk.data[:HEAD]) if isinstance(chunk, streams.Chunk) else None
    return found is not None and (found[1] is None or _is_open(found[1]))


def _is_open(line: bytes) -> bool:
    """Whether an object begins with a line that ends outside of its strings, and does not end in it."""
    state = np.zeros(4, np.int64)
    return _end(np.frombuffer(line, np.uint8), 0, state) < 0 and not state[_IN_STRING]


def values(path: str, limit: int, hold: int = HELD) -> Iterator[Line]:
    """Each element of the arrays in a file, and each object outside of them, as a line is; one longer than `limit`
    with an error, as is what is neither, and everything behind it. Commas are not missed where there are none."""
    window, inside = Window(path, limit, hold=hold), False
    if window.grow() and window.data.startswith(b"\xef\xbb\xbf"):
        window.start = 3  # byte order mark
    while True:
        found = (_BETWEEN if inside else _SPACE).match(window.data, window.start)
        window.start = found.end() if found else window.start
        if not window.size:
            if window.grow():
                continue
            break
        first = window.data[window.start : window.start + 1]
        if first == (b"]" if inside else b"["):
            inside = not inside
            window.start += 1
        elif inside or first == b"{":
            value = _value(window, path, limit)
            yield value
            if value.error == NO_END:
                return
        else:
            raw = window.data[window.start : window.start + streams.PREFIX]
            rest = (0, 0) if window.compressed else (window.offset, paths.size(path))
            yield Line(window.offset, raw, "neither an array nor an object begins here", 1, rest)
            return
    if window.damage and window.damage.raw:  # of which no element has told
        damage = window.damage
        yield Line(window.offset, damage.raw, damage.error, 0, (damage.start, paths.size(path)))
    elif inside and not window.damage:
        yield Line(window.offset, b"[", "the array has no end", 0, (0, 0))


def _value(window: Window, path: str, limit: int) -> Line:
    """The value that the window begins with."""
    offset, state = window.offset, np.zeros(4, np.int64)
    prefix, passed = b"", 0
    while (end := _end(window.array, window.start, state)) < 0:
        if passed or window.size > limit:  # what is too long is not held
            prefix = prefix or window.data[window.start : window.start + streams.PREFIX]
            passed, window.start = passed + window.size, len(window.data)
            state[_SEEN] = 0
        if not window.grow():
            return _broken_off(window, path, offset, prefix, passed)
    size = passed + end - window.start
    raw = window.data[window.start : end]
    window.start = end
    span = (0, 0) if window.compressed else (offset, offset + size)
    if size > limit:
        error = f"an element of {size} bytes, above the limit of {limit} (read.max_record_bytes)"
        return Line(offset, prefix or raw[: streams.PREFIX], error, 1, span)
    return Line(offset, raw, None, 1, span)


def _broken_off(window: Window, path: str, offset: int, prefix: bytes, passed: int) -> Line:
    """A value that the file ends in, or its damage."""
    raw = prefix or window.data[window.start : window.start + streams.PREFIX]
    size = passed + window.size
    window.start = len(window.data)
    if window.damage:
        damage, window.damage = window.damage, window.damage._replace(raw=b"")
        return Line(offset, raw, damage.error, 1, (damage.start, paths.size(path)))
    return Line(offset, raw, NO_END, 1, (0, 0) if window.compressed else (offset, offset + size))


@numba.njit(cache=True, nogil=True)
def _end(data, start, state):
    """Where the value that begins at `start` ends; -1 where the data do before. `state` is int64[4], zeros at first:
    arrays and objects that are open, whether it is in a string, and behind a backslash there, and how many bytes from
    `start` on have been seen."""
    depth, inside, escaped = state[_DEPTH], state[_IN_STRING], state[_ESCAPED]
    for at in range(start + state[_SEEN], len(data)):
        byte = data[at]
        if inside:
            if escaped:
                escaped = 0
            elif byte == 0x5C:
                escaped = 1
            elif byte == 0x22:
                inside = 0
                if depth == 0:
                    return at + 1
        elif byte == 0x22:
            inside = 1
        elif byte == 0x5B or byte == 0x7B:
            depth += 1
        elif byte == 0x5D or byte == 0x7D:
            if depth == 0 and at > start:
                return at
            depth -= 1
            if depth <= 0:
                return at + 1
        elif depth == 0 and (byte == 0x2C or byte <= 0x20):
            return at
    state[_DEPTH], state[_IN_STRING], state[_ESCAPED], state[_SEEN] = depth, inside, escaped, len(data) - start
    return -1


READER = Reader("json", (".json",), read, byte_ranges, first=first)
