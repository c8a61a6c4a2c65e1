"""Records of a WARC file, with faults confined to the record they are in.

The splitter trusts a record's Content-Length only if a new record, or the end of the file or of
its gzip member or zstd frame, follows where it says. Otherwise the record is a `Fault` and reading
goes on at the next line, or the next member, that begins a record. (FastWARC 2.0.1 stops at such a
record or swallows the ones after it.) At most one record, of bounded size, is in memory.

Format: WARC/1.0 and 1.1 (ISO 28500:2009, 2017), WARC/0.18 as in ClueWeb09.
"""

from __future__ import annotations

import collections
import datetime
import re
from collections.abc import Iterator
from typing import NamedTuple

from corpus.reading.streams import PREFIX, Chunk, Damage, Lost

HEADER_LIMIT = 256 << 10
"""Bytes of a record's header at most."""

_VERSION = re.compile(rb"WARC/\d+\.\d+[ \t]*\r?\n")
_HEAD = re.compile(_VERSION.pattern + rb"[A-Za-z-]+:")
_RECORD = re.compile(rb"\n(?=%s)" % _HEAD.pattern)
_HEADER_END = re.compile(rb"\n(?:(\r?\n)|(?=%s))" % _HEAD.pattern)
_NEXT = re.compile(rb"(?:(?:\r\n){2,}|\n{2,})(?=WARC/)")
_END = b"\r\n\r\n"
_LINE_ENDS = re.compile(rb"[\r\n]*")
_FOLD = re.compile(r"\r?\n[ \t]+")
_BLANK_LINE = re.compile(rb"\n\r?\n")  # after what ends the line before, whose \r is white space
_LOOKAHEAD = 256
"""Bytes after a record that are looked at for the start of the next: some newlines, "WARC/"."""
_STEP = 4 << 10
"""Bytes searched at a time: a search that stops at what comes first must not cost all that is in memory."""

FIELDS = frozenset(
    {
        *("warc-type", "warc-record-id", "warc-target-uri", "warc-date", "content-type", "content-length"),
        *("content-encoding", "transfer-encoding"),  # of HTTP
    }
)
"""The header fields that are kept; most of a header is of no use here."""


class Record(NamedTuple):
    """`headers` are those of `FIELDS` that there are. `position` is the byte
    offset in the file (of the gzip member, if compressed); `place` is that offset as text, with
    the offset inside the member where several records share one."""

    headers: dict[str, str]
    body: bytes
    position: int
    place: str


class Fault(NamedTuple):
    """A record that cannot be read: where, why, its first bytes; how many records it stands for (none if it is damage
    outside of any), and how many bytes of the file, about, are lost with it."""

    position: int
    error: str
    raw: bytes
    records: int = 1
    bytes: int = 0


class _Piece(NamedTuple):
    """Where a piece of the window begins, in decompressed bytes, and where its member does; how far in the file
    reading had come before it; and which member it is of."""

    start: int
    member_start: int
    come: int
    member: int


class _Window:
    """The bytes from the current record on, as far as they have been read."""

    def __init__(self, chunks: Iterator[Chunk | Damage], compressed: bool):
        self.data = bytearray()
        self.broken: Damage | None = None  # where reading has stopped, until `recover`
        self.reported = False  # whether a record has been given up for it
        self._chunks, self._compressed = chunks, compressed
        self._passed = 0  # decompressed bytes before `data`
        self._end = 0  # how far reading has come in the file
        self.lost = Lost()
        self._pieces = collections.deque([_Piece(0, 0, 0, 0)])
        self._member_starts: set[int] = set()  # of those that begin in `data`

    def need(self, size: int) -> bool:
        """Read until `data` holds `size` bytes. False if it cannot."""
        while len(self.data) < size and not self.broken:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            if isinstance(chunk, Damage):
                self.broken = chunk
            else:
                self._add(chunk)
        return len(self.data) >= size

    def _add(self, chunk: Chunk) -> None:
        start, last = self._passed + len(self.data), self._pieces[-1]
        if not self.data:
            self._pieces.clear()
            self._member_starts.clear()
        member_start = last.member_start
        if chunk.member != last.member:
            member_start = start
            self._member_starts.add(start)
        self._pieces.append(_Piece(start, member_start, self._end, chunk.member))
        self.data += chunk.data
        self._end = chunk.end

    def drop(self, size: int) -> None:
        del self.data[:size]
        self._passed += size
        pieces = self._pieces
        while len(pieces) > 1 and pieces[1].start <= self._passed:
            pieces.popleft()
            self._member_starts.discard(pieces[0].start)

    def recover(self, damage: Damage) -> None:
        """Go on after the damage that reading has stopped at."""
        self._end = damage.end
        self.broken, self.reported = None, False

    @property
    def member(self) -> int:
        return self._pieces[0].member

    @property
    def position(self) -> int:
        return self.member if self._compressed else self._passed

    @property
    def come(self) -> int:
        """Where in the file the window begins, about: compressed bytes stand for equally many decompressed ones of
        their piece."""
        first, end, come = self._pieces[0], self._passed + len(self.data), self._end
        if len(self._pieces) > 1:
            end, come = self._pieces[1].start, self._pieces[1].come
        return first.come + (come - first.come) * (self._passed - first.start) // max(end - first.start, 1)

    @property
    def place(self) -> str:
        if not self._compressed:
            return str(self._passed)
        first = self._pieces[0]
        within = self._passed - first.member_start
        return f"{first.member}+{within}" if within else str(first.member)

    def breaks_before(self, offset: int) -> bool:
        """Whether the byte before `offset` is of the member that the damage is in."""
        last = self._pieces[-1]
        return (
            self.broken is not None and self.broken.member == last.member and offset > last.member_start - self._passed
        )

    def member_begins(self, first: int, last: int) -> bool:
        """Whether a member does at one of these offsets; then the one before it is whole."""
        return any(self._passed + offset in self._member_starts for offset in range(first, last + 1))

    def member_with_record(self, end: int) -> int | None:
        """The offset, after 0 and before `end`, of the first member there that begins with a record."""
        if len(self._pieces) == 1 or self._pieces[1].start - self._passed >= end:
            return None
        for piece in self._pieces:
            offset = piece.start - self._passed
            if offset >= end:
                return None
            if offset > 0 and piece.start == piece.member_start and _HEAD.match(self.data, offset):
                return offset
        return None


def headers(block: bytes | bytearray, encoding: str) -> dict[str, str]:
    """`Name: value` lines (after a first line) whose lower-case names are in `FIELDS`; a line that
    begins with white space continues the one before; the first of equal names counts."""
    text = block.decode(encoding, "replace")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    found: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        name, colon, value = line.partition(":")
        if colon and (name := name.strip().lower()) in FIELDS and name not in found:
            found[name] = value.strip()
    return found


def split_header(data: bytes | bytearray, limit: int) -> tuple[bytes, int]:
    """(header block, offset of what follows its blank line); the block is everything if there
    is no blank line. Raises ValueError for a block of more than `limit` bytes."""
    blank = _BLANK_LINE.search(data, 0, limit)
    if blank:
        return bytes(data[: blank.start()]), blank.end()
    if len(data) > limit:
        raise ValueError(f"a header without end within {limit} bytes")
    return bytes(data), len(data)


def records(chunks: Iterator[Chunk | Damage], compressed: bool, limit: int) -> Iterator[Record | Fault]:
    """Every record of a WARC file, good or faulty, in order; one of more than `limit` bytes is a fault."""
    window = _Window(chunks, compressed)
    while True:
        while (window.data or window.need(1)) and window.data[0] in b"\r\n":
            window.drop(_past_line_ends(window.data, 0, len(window.data)))
        if window.data:
            record, end = _record(window, limit)
            if isinstance(record, Record):
                yield record
                window.drop(end)
            else:
                yield _past(window, record, end)
        elif window.broken:
            damage = window.broken
            if not window.reported:
                yield Fault(damage.start, damage.error, damage.raw, 0, window.lost.with_fault(damage.start, damage.end))
            window.recover(damage)
        else:
            return


def _past(window: _Window, fault: Fault, offset: int) -> Fault:
    """Go to the next record, looked for from `offset` in the window on; the fault with what is lost by that."""
    begun, damage = window.come, window.broken if window.reported else None
    _find_record(window, offset)
    return fault._replace(bytes=window.lost.with_fault(begun, damage.end if damage else window.come))


def _record(window: _Window, limit: int) -> tuple[Record | Fault, int]:
    """(the record that the window begins with, an offset at or before the next), or (its fault,
    the offset from which to look for the next record)."""

    def fault(error: str, resume: int) -> tuple[Fault, int]:
        if window.broken and window.broken.member == window.member:
            error, window.reported = window.broken.error, True
        return Fault(window.position, error, bytes(window.data[:PREFIX])), resume

    window.need(_LOOKAHEAD)
    if not _VERSION.match(window.data):
        return fault("no WARC record begins here", 0)
    start, whole = _header_end(window)
    if not whole:
        return fault("the record header has no end", start)
    found = headers(window.data[:start], "utf-8")
    length = found.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return fault(f"Content-Length is {length[:80]!r}", start)
    end = start + int(length[:20])
    if end > start + limit:
        return fault(
            f"Content-Length is {length[:80]}, above the limit of {limit} bytes (read.max_record_bytes)", start
        )
    if not window.need(end):
        return fault(f"Content-Length is {length[:80]}, but only {len(window.data) - start} bytes follow", start)
    following = _following(window, end)
    if following is None:
        return fault(f"Content-Length is {length[:80]}, but no record begins there", start)
    return Record(found, bytes(memoryview(window.data)[start:end]), window.position, window.place), following


def _header_end(window: _Window) -> tuple[int, bool]:
    """(how long the header is that the window begins with, whether a blank line ends it); it has no end if a record,
    or HEADER_LIMIT, comes before."""
    size, more = _STEP, True
    while more and size <= HEADER_LIMIT:
        more = window.need(size + _LOOKAHEAD)
        size = size if more else len(window.data)
        found = _HEADER_END.search(window.data, 0, size)
        cut = window.member_with_record(found.end() if found else size)
        if cut:
            return cut, False
        if found:
            return found.end(), found.lastindex is not None
        size *= 2
    return 1, False


def _following(window: _Window, end: int) -> int | None:
    """Where to go on after a record that ends before byte `end`; None if it does not, or is not sound: two line
    ends stand after a record, and a checksum comes after the last byte it covers. (Some archives have line feeds
    only; they must be followed by a record, or the end of the file or of the member, which vouches for what it
    holds.)"""
    window.need(end + _LOOKAHEAD)
    if following := _NEXT.match(window.data, end, end + _LOOKAHEAD):
        return following.end()
    if window.breaks_before(end):
        return None
    if window.data.startswith(_END, end):
        return end + len(_END)  # whatever it is that follows
    limit = min(end + _LOOKAHEAD, len(window.data))
    rest = _past_line_ends(window.data, end, limit)
    return rest if rest == limit or window.member_begins(end, rest) else None


def _past_line_ends(data: bytearray, start: int, limit: int) -> int:
    """Where something else than a line end stands, from `start` on; `limit` if nothing does before."""
    found = _LINE_ENDS.match(data, start, limit)
    return found.end() if found else start


def _find_record(window: _Window, offset: int) -> None:
    """Drop everything before the next record that begins at byte `offset` or later, at the start of a line or of a
    member."""
    window.drop(max(offset - 1, 0))
    more = True
    while more:
        more = window.need(_STEP + _LOOKAHEAD)
        size = _STEP if more else len(window.data)
        found = _RECORD.search(window.data, 0, size)
        end = found.end() if found else size
        start = window.member_with_record(end)
        if found or start:
            window.drop(start or end)
            return
        window.drop(max(size - _LOOKAHEAD, 0) if more else size)  # it may end in a record's first two lines


_DATE = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d)(?:\.\d+)?)?\s*(?:Z|UTC|GMT|([+-])(\d\d):?(\d\d))?$"
)


def date(value: str) -> str | None:
    """A WARC-Date as `YYYY-MM-DDThh:mm:ssZ` in UTC, so that dates sort as text; None where it
    cannot be read. Fractions of a second are cut off; 14 digits, as in ARC files, are read."""
    try:
        if len(value) == 20 and datetime.datetime.fromisoformat(value[:19]).isoformat() + "Z" == value:
            return value  # as nearly all are
    except ValueError:
        pass
    match = _DATE.match(value.strip())
    if not match:
        return None
    *parts, sign, hours, minutes = match.groups()
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in parts)
        moment = datetime.datetime(year, month, day, hour, minute, second)
        if sign:
            offset = datetime.timedelta(hours=int(hours), minutes=int(minutes))
            moment += -offset if sign == "+" else offset
    except (ValueError, OverflowError):
        return None
    return moment.isoformat() + "Z"
