"""CSV and TSV files with a header, plain or compressed, each whole: where a row begins in the middle of one, only what
comes before it can tell.

Fields may stand in quotes, and then hold delimiters, line ends, and quotes doubled (RFC 4180). A quote anywhere else is
a fault in CSV, where who writes one knows to double it; in TSV it is a character, for many write those without a
thought of quotes. A fault costs its row: where a quote has no end, and the lines behind it are rows as the header has
them, these are read.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from corpus.io import paths
from corpus.reading import records, streams
from corpus.reading.reader import Reader, Unit
from corpus.reading.records import Quarantined
from corpus.reading.window import HELD, Window

if TYPE_CHECKING:
    from corpus.reading.read_options import ReadOptions

MOST_FIELDS = 1 << 16
AGAIN = 256 << 20
"""Bytes of a file, beside four times as many as it has, that may be looked at again because of faults in quoting; then
it is given up."""
FIRST_ROWS = 100
"""Rows that are looked at to know what is in the fields."""
_NAMED = re.compile(rb'"?sep=([^\w"\r\n])"?\r?\n', re.IGNORECASE)
_QUOTED = re.compile(rb'"[^"]*"?')
_UNFINISHED, _MISQUOTED = -1, -2
_QUOTE, _LINE_FEED, _RETURN = ord('"'), ord("\n"), ord("\r")


class Row(NamedTuple):
    """A row: its offset in the content, its bytes, its fields; or what is wrong with it. `records` and `bytes` are
    those that are lost with a fault, as `Quarantined` has them."""

    offset: int
    raw: bytes
    fields: list[bytes]
    error: str | None = None
    records: int = 1
    bytes: int = 0


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded, tabs: bool) -> Iterator[records.Event]:
    """Documents of a file's rows."""
    every = rows(unit.path, options.max_record_bytes, tabs)
    names = None
    number = 0
    for row in every:
        if names is None:
            names = _names(row)
            if names is None:
                yield Quarantined(
                    unit.name, 0, _fault_of_header(row), row.raw[: streams.PREFIX], 0, paths.size(unit.path)
                )
                return
            continue
        left_out = excluded.reason(number)
        number += row.records
        error, identity = row.error, None
        try:
            if error is None:
                values, repaired = _values(row, names, options)
                if left_out is None:
                    yield records.document(values, options, unit.name, str(row.offset), repaired)
                    continue
                identity = records.identity(values, options, unit.name, str(row.offset))
        except ValueError as problem:
            error = records.reason(problem)
        raw = row.raw[: streams.PREFIX]
        yield Quarantined(unit.name, row.offset, left_out or error or "", raw, row.records, row.bytes, identity)


def _names(header: Row) -> list[str] | None:
    """The names of the columns, all distinct; None where there are none to read."""
    try:
        return None if header.error else records.distinct_names([name.decode().strip() for name in header.fields])
    except UnicodeDecodeError:
        return None


def _fault_of_header(header: Row) -> str:
    return f"its header: {header.error or 'not UTF-8'}"


def _values(row: Row, names: list[str], options: ReadOptions) -> tuple[dict[str, object], bool]:
    """(the fields of a row by name, whether it was repaired). Raises ValueError."""
    if len(row.fields) != len(names):
        raise ValueError(f"a row of {len(row.fields)} fields, and the header has {len(names)}")
    try:
        return dict(zip(names, [field.decode() for field in row.fields])), False
    except UnicodeDecodeError:
        records.utf8(row.raw, options)  # raises, unless it may be repaired
        return dict(zip(names, [field.decode("utf-8", "replace") for field in row.fields])), True


def first(path: str, options: ReadOptions, tabs: bool) -> records.First:
    """See `Reader.first`: the header, with the text in the first rows."""
    found = list(itertools.islice(rows(path, options.max_record_bytes, tabs, hold=0), 1 + FIRST_ROWS))
    names = _names(found[0]) if found else None
    if names is None:
        return records.First({}, {}, _fault_of_header(found[0]) if found else None)
    values = [[field.decode("utf-8", "replace") for field in row.fields] for row in found[1:]]
    return records.first_of([dict(zip(names, each)) for each in values if len(each) == len(names)], names)


# ------------------------------------------------------------------ rows


def rows(path: str, limit: int, tabs: bool, hold: int = HELD) -> Iterator[Row]:
    """Every row of a file with anything on it, the header first, and every fault, in order."""
    window = Window(path, limit, end=b"\n", hold=hold)
    marks, wanted, again = np.empty((MOST_FIELDS, 3), np.int64), 0, AGAIN + 4 * paths.size(path)
    delimiter = _delimiter(window, limit, tabs)
    while window.size or window.grow():
        end, count, seen = _row(window.array, window.start, delimiter, not tabs, marks)
        if end == _UNFINISHED and window.size <= limit and window.grow():
            continue
        if end == _UNFINISHED and window.damage:
            break
        if end >= 0 and end - window.start <= limit and count <= MOST_FIELDS:
            raw = window.data[window.start : end].rstrip(b"\r\n")
            if raw:
                yield Row(window.offset, raw, _fields(window.data, marks[:count]))
                wanted = wanted or count
            window.start = end
            continue
        before = window.start
        row = _faulty(window, end, count, seen, limit, delimiter, wanted, tabs)
        yield row
        again -= max(0, seen - before - len(row.raw)) if end < 0 else 0
        if again < 0:
            window.damage = streams.Damage(0, window.lost(window.offset), 0, "too many quotes without end", b"")
            break
    if window.damage:
        yield _given_up(path, window, window.damage)


def _delimiter(window: Window, limit: int, tabs: bool) -> int:
    """What stands between fields: in CSV what a line before the header names, as Excel has it, else that of which the
    header has most outside of quotes, of as many a comma before whatever else people take for one."""
    line = _first_line(window, limit)
    if line.startswith(b"\xef\xbb\xbf"):
        window.start = 3  # byte order mark
        line = line[3:]
    named = None if tabs else _NAMED.fullmatch(line)
    if named:
        window.start += len(line)
        return named[1][0]
    header = _QUOTED.sub(b"", line)
    return max(b"\t" if tabs else b",;\t|", key=header.count)


def _first_line(window: Window, limit: int) -> bytes:
    """The line that the window begins with, and its end; what is there of one above the limit."""
    while b"\n" not in window.data and window.size <= limit and window.grow():
        pass
    return window.data[: (window.data.find(b"\n") + 1) or None]


def _given_up(path: str, window: Window, damage: streams.Damage) -> Row:
    """The rest of a file behind damage, with the row that it breaks off."""
    begun = window.data[window.start :]
    lost = max(0, paths.size(path) - damage.start)
    return Row(window.offset, (begun or damage.raw)[: streams.PREFIX], [], damage.error, int(bool(begun)), lost)


def _fields(data: bytes, marks: np.ndarray) -> list[bytes]:
    found = []
    for begin, end, quoted in marks.tolist():
        field = data[begin:end]
        found.append(field.replace(b'""', b'"') if quoted else field)
    return found


def _faulty(
    window: Window, end: int, count: int, seen: int, limit: int, delimiter: int, wanted: int, tabs: bool
) -> Row:
    """What to make of the row that the window begins with, and cannot be read: see `_row` for what is known of it. The
    window is left where reading goes on."""
    start, offset = window.start, window.offset
    line = window.data.find(b"\n", start) + 1
    if not line:  # a line longer than the limit: the next one follows it
        raw, size = window.data[start : start + streams.PREFIX], _past_line(window)
        return Row(offset, raw, [], _too_long(limit), bytes=window.lost(size))
    if end >= 0:
        error = f"a row of more than {MOST_FIELDS} fields" if count > MOST_FIELDS else _too_long(limit)
    else:
        misquoted = end == _MISQUOTED
        error = "a quote neither around a field nor doubled in one" if misquoted else "a quote without its end"
        alone = misquoted and tabs or _is_alone(window, line, seen, delimiter, wanted, misquoted)
        end = line if alone else (window.data.find(b"\n", seen) + 1) or len(window.data)
        raw = window.data[start:line].rstrip(b"\r\n")
        if alone and tabs and len(raw) <= limit:  # a quote that is a character
            window.start = end
            return Row(offset, raw, raw.split(b"\t"))
        error = _too_long(limit) if end - start > limit else error
    window.start = end
    raw = window.data[start:end].rstrip(b"\r\n")
    size = end - start + (_past_line(window) if window.data[end - 1] != _LINE_FEED else 0)
    return Row(offset, raw, [], error, bytes=window.lost(size))


def _is_alone(window: Window, line: int, seen: int, delimiter: int, wanted: int, misquoted: bool) -> bool:
    """Whether a row with a quote that is none, or has no end, is one line, which ends at `line`: all lines behind it up
    to `seen` are rows. One that the file is cut in says nothing."""
    cut = window.cut and not misquoted
    last = max(line, window.data.rfind(b"\n", line, seen - cut) + 1)
    rows_follow: bool = _all_rows(window.array, line, last, delimiter, wanted)
    return (last > line or not cut) and rows_follow


def _too_long(limit: int) -> str:
    return f"a row above the limit of {limit} bytes (read.max_record_bytes)"


def _past_line(window: Window) -> int:
    """Pass over the line that the window is in; how many bytes that were."""
    begun = window.offset
    while True:
        found = window.data.find(b"\n", window.start) + 1
        window.start = found or len(window.data)
        if found or not window.grow():
            return window.offset - begun


@numba.njit(cache=True, nogil=True)
def _row(data, start, delimiter, strict, marks):
    """(where the row that begins at `start` ends, behind its line feed; how many fields it has; how far it was looked
    at). It ends at _UNFINISHED where the data do before, at _MISQUOTED where a quote stands as none may. `marks`,
    int64[fields, 3], are where each begins and ends, and whether it is in quotes. If not `strict`, quotes within fields
    without any are characters."""
    at, count, size = start, 0, len(data)
    while True:
        begin, quoted = at, at < size and data[at] == _QUOTE
        if quoted:
            at = begin = at + 1
            while True:
                while at < size and data[at] != _QUOTE:
                    at += 1
                if at + 1 < size and data[at + 1] == _QUOTE:
                    at += 2
                    continue
                break
            if at + 1 >= size:
                return _UNFINISHED, count, size
            end = at
            at += 1
            if data[at] == _RETURN and at + 1 < size and data[at + 1] == _LINE_FEED:
                at += 1
            elif data[at] == _RETURN and at + 1 == size:
                return _UNFINISHED, count, size
            if data[at] != delimiter and data[at] != _LINE_FEED:
                return _MISQUOTED, count, at
        else:
            while at < size and data[at] != delimiter and data[at] != _LINE_FEED:
                if strict and data[at] == _QUOTE:
                    return _MISQUOTED, count, at
                at += 1
            if at == size:
                return _UNFINISHED, count, size
            end = at - 1 if at > begin and data[at] == _LINE_FEED and data[at - 1] == _RETURN else at
        if count < len(marks):
            marks[count, 0], marks[count, 1], marks[count, 2] = begin, end, quoted
        count += 1
        at += 1
        if data[at - 1] == _LINE_FEED:
            return at, count, at


@numba.njit(cache=True, nogil=True)
def _all_rows(data, start, end, delimiter, wanted):
    """Whether all lines from `start` to `end` are rows of as many fields as are wanted."""
    fields = 1
    for at in range(start, end):
        if data[at] == delimiter:
            fields += 1
        elif data[at] == _LINE_FEED:
            if fields != wanted:
                return False
            fields = 1
    return True


READERS = (
    Reader("csv", (".csv",), functools.partial(read, tabs=False), first=functools.partial(first, tabs=False)),
    Reader("tsv", (".tsv",), functools.partial(read, tabs=True), first=functools.partial(first, tabs=True)),
)
