"""From records of any format to the document table.

A reader is a generator of events: a `Document`, or a record that was `Dropped` by a rule, set
aside because it is faulty (`Quarantined`), or `Skipped` because it is no document at all.
`batches` gathers them into `Reading`s.
"""

from __future__ import annotations

import base64
import bisect
import dataclasses
import datetime
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa

from corpus import documents

if TYPE_CHECKING:
    from corpus.reading.read_options import ReadOptions

BATCH_ROWS = 10_000
"""Records in a batch at most: documents, dropped and faulty ones together."""
BATCH_OTHER = 64 << 20
"""Bytes in a batch that are no text of documents, about: of faulty records, ids, addresses, further fields."""

SCHEMA = pa.schema([*documents.DOCUMENT_FIELDS.items(), ("metadata", pa.string())])
"""Columns of everything that is read, whatever its format. `metadata` holds all other fields of a
record as one JSON object with sorted keys, null if there are none."""


class Document(NamedTuple):
    """A row; `text` is UTF-8."""

    id: str
    text: bytes
    url: str | None = None
    date: str | None = None
    source: str | None = None
    language: str | None = None
    metadata: str | None = None


class Repaired(NamedTuple):
    """A document whose record held invalid UTF-8, replaced by U+FFFD."""

    document: Document


class Dropped(NamedTuple):
    """A record that a rule of the reader dropped."""

    id: str
    url: str | None
    rule: str
    value: str
    threshold: str
    text: str


class Quarantined(NamedTuple):
    """A faulty record: its file, byte offset, fault, and first bytes. `records` is how many it stands for: none if
    what is lost cannot be counted in records, more than one for the rest of a row group. `bytes` is how much of the
    file, as it lies on disk, is lost with it; 0 where that is next to nothing or not known. `id`: that of the document
    it would be, where it is no fault of the record's own."""

    source: str
    position: int
    error: str
    raw: bytes
    records: int = 1
    bytes: int = 0
    id: str | None = None


class Skipped(NamedTuple):
    """A record that is no document, such as a WARC request."""

    kind: str


Event: TypeAlias = Document | Repaired | Dropped | Quarantined | Skipped | pa.RecordBatch
"""A record batch is documents that are in the form of the table already, whole."""
BYTES_A_VALUE = 16
"""A record may hold a value (of JSON, or in lists of a table) for as many bytes of the limit: as Python objects values
take up to 100 bytes each, so that 64 MiB of `{},{},{}` would take 1.6 GB."""


@dataclasses.dataclass
class Reading:
    """A batch of documents (schema `SCHEMA`, more columns from Parquet that has them) and what became of the other
    records read with it.

    `dropped`: dicts of id, url, rule, value, threshold, text (a prefix); `quarantined`: dicts of
    source, position, error, raw, records, bytes, id (see `Quarantined`); `skipped`: number of records that are no
    documents, by kind; `bytes_read`: bytes of text in `documents`; `repaired`: number of records, in `documents` or
    `dropped`, whose invalid UTF-8 was replaced.

    >>> import corpus, pathlib
    >>> _ = pathlib.Path("docs.jsonl").write_text('{"text": "Words."}\\n{"text": ""}\\nnot JSON\\n')
    >>> (reading,) = corpus.read_files("docs.jsonl")
    >>> reading.documents.num_rows, len(reading.dropped), len(reading.quarantined)
    (1, 1, 1)
    """

    documents: pa.RecordBatch
    dropped: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]
    skipped: dict[str, int]
    bytes_read: int
    repaired: int = 0

    @property
    def records(self) -> int:
        """How many records of the file this accounts for, documents or not."""
        faulty = sum(row["records"] for row in self.quarantined)
        return self.documents.num_rows + len(self.dropped) + faulty + sum(self.skipped.values())


class Excluded:
    """Records that are not to be read, by number in the unit, each with the reason: ranges (first, end, reason),
    ascending and apart. A task that died of a record is run again without it."""

    def __init__(self, ranges: tuple[tuple[int, int, str], ...] = ()):
        self.ranges = ranges
        self._ends = [end for _, end, _ in ranges]

    def reason(self, number: int) -> str | None:
        """Why this record is not to be read, or None."""
        place = bisect.bisect_right(self._ends, number)
        if place < len(self.ranges) and self.ranges[place][0] <= number:
            return self.ranges[place][2]
        return None

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int, str | None]]:
        """Numbers `start` to `end` as ranges (first, end, reason or None)."""
        for first, last, reason in self.ranges[bisect.bisect_right(self._ends, start) :]:
            if first >= end:
                break
            if first > start:
                yield start, first, None
            yield max(first, start), min(last, end), reason
            start = last
        if start < end:
            yield start, end, None

    def all(self, start: int, end: int) -> str | None:
        """The reason why none of the numbers `start` to `end` is to be read, or None."""
        ((first, last, reason), *_) = self.runs(start, end)
        return reason if (first, last) == (start, end) else None


def batches(events: Iterable[Event]) -> Iterator[Reading]:
    """Gather events into batches of at most MAX_BATCH_TEXT bytes of text; a longer document is a
    batch of its own. A document without text is dropped by the rule `empty_text`."""
    pending = _Pending()
    for event in events:
        if isinstance(event, pa.RecordBatch):
            if pending.records or pending.skipped:
                yield pending.reading()
                pending = _Pending()
            yield Reading(event, [], [], {}, documents.text_bytes(event.column("text")))
            continue
        repaired = False
        if isinstance(event, Repaired):
            event, repaired = event.document, True
        if isinstance(event, Document):
            if not event.text or event.text.isspace():
                event = Dropped(event.id, event.url, "empty_text", "0", "1", "")
            elif pending.kept and pending.text + len(event.text) > documents.MAX_BATCH_TEXT:
                yield pending.reading()
                pending = _Pending()
        pending.add(event)
        pending.repaired += repaired
        if pending.records >= BATCH_ROWS or pending.other > BATCH_OTHER:
            yield pending.reading()
            pending = _Pending()
    if pending.records or pending.skipped:
        yield pending.reading()


@dataclasses.dataclass
class _Pending:
    """Events that wait to be a `Reading`."""

    kept: list[Document] = dataclasses.field(default_factory=list)
    dropped: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    quarantined: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    skipped: dict[str, int] = dataclasses.field(default_factory=dict)
    records: int = 0
    text: int = 0
    other: int = 0
    repaired: int = 0

    def add(self, event: Event) -> None:
        if isinstance(event, Skipped):
            self.skipped[event.kind] = self.skipped.get(event.kind, 0) + 1
            return
        self.records += 1
        if isinstance(event, Document):
            self.kept.append(event)
            self.text += len(event.text)
        elif isinstance(event, Dropped):
            self.dropped.append(event._asdict())
        else:
            self.quarantined.append(event._asdict())
        self.other += sum(len(value) for value in event if isinstance(value, (str, bytes)))
        if isinstance(event, Document):
            self.other -= len(event.text)

    def reading(self) -> Reading:
        return Reading(table(self.kept), self.dropped, self.quarantined, self.skipped, self.text, self.repaired)


def table(found: Sequence[Document]) -> pa.RecordBatch:
    """Documents as a table."""
    columns = zip(*found) if found else [[] for _ in SCHEMA]
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, SCHEMA)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def utf8(data: bytes, options: ReadOptions) -> tuple[bytes, bool]:
    """(valid UTF-8, whether `data` is not). Raises UnicodeDecodeError for invalid UTF-8 unless
    `options.invalid_utf8` is "repair": each maximal invalid sequence becomes U+FFFD, as Python's
    `errors="replace"` and the Unicode Standard (section 3.9, "substitution of maximal subparts") have it."""
    try:
        data.decode()
        return data, False
    except UnicodeDecodeError:
        if options.invalid_utf8 != "repair":
            raise
        return data.decode("utf-8", "replace").encode(), True


def check_size(size: int, options: ReadOptions, what: str = "a text") -> None:
    """Raises ValueError for more bytes than a record may have."""
    if size > options.max_record_bytes:
        raise ValueError(
            f"{what} of {size} bytes, above the limit of {options.max_record_bytes} (read.max_record_bytes)"
        )


def marked(document: Document, repaired: bool) -> Document | Repaired:
    """The event for a document."""
    return Repaired(document) if repaired else document


def document(
    row: dict[str, Any], options: ReadOptions, path: str, place: str, repaired: bool = False
) -> Document | Repaired:
    """The document that a JSON object, or a row of a table, describes; takes `row` apart. It is
    marked if it was `repaired`, or is so here.

    The options name the fields, nested ones with dots. A missing id becomes `path#place`; a field `timestamp` serves as
    date if there is no `date` and the options name no other; an empty string is no url, date, source or language.
    Raises ValueError if there is no text.
    """
    text = _take(row, options.text_field, _ABSENT)
    if text is _ABSENT:
        raise ValueError(f"no field {options.text_field!r}")
    if isinstance(text, str):
        text = text.encode()
    elif isinstance(text, bytes):  # Parquet without the annotation UTF8
        text, broken = utf8(text, options)
        repaired |= broken
    else:
        raise ValueError(f"field {options.text_field!r} must be a string, not {kind(text)}")
    check_size(len(text), options)
    name = identity(row, options, path, place)
    url = _string(_take(row, options.url_field))
    date = _take(row, options.date_field, _ABSENT)
    if date is _ABSENT:
        date = row.pop("timestamp", None) if options.date_field == "date" else None
    source = _string(row.pop("source", None)) or path
    language = _string(_take(row, options.language_field))
    metadata = _metadata(row) if row else None
    return marked(Document(name, text, url, _string(date), source, language, metadata), repaired)


_ABSENT = object()
"""What a field holds that is not there."""


def _take(row: dict[str, Any], field: str, default: Any = None) -> Any:
    """What a field holds, of objects within the row too (`data.text`); takes it out of them, and them out of the row
    where nothing else is in them."""
    if field in row:
        return row.pop(field)
    outer, dot, inner = field.partition(".")
    within = row.get(outer) if dot else None
    if not isinstance(within, dict):
        return default
    value = _take(within, inner, default)
    if not within:
        del row[outer]
    return value


def identity(row: dict[str, Any], options: ReadOptions, path: str, place: str) -> str:
    """The id of the document that a JSON object, or a row of a table, describes; takes it out of `row`."""
    return _string(_take(row, options.id_field)) or f"{path}#{place}"


def distinct_names(names: Sequence[str]) -> list[str]:
    """Names of columns, of which no two are the same: the first of a name keeps it, the second of `text` is `text.2`,
    or where that is a name too, the next number that is none.

    >>> from corpus.reading import records
    >>> records.distinct_names(["text", "n", "text", "text", "text.2"])
    ['text', 'n', 'text.3', 'text.4', 'text.2']
    """
    taken, seen, last = set(names), set[str](), dict[str, int]()
    found = []
    for name in names:
        distinct = name
        while distinct in seen or distinct != name and distinct in taken:
            last[name] = last.get(name, 1) + 1
            distinct = f"{name}.{last[name]}"
        seen.add(distinct)
        found.append(distinct)
    return found


class First(NamedTuple):
    """What the first records of a file say. `texts`: the names that a text could have, nested ones with dots, with
    about how many bytes of text there are of each, 0 for what is none; `others`: what is in those that hold no string
    ("null", "a number"); `fault`: why not one of these records can be read."""

    texts: dict[str, int]
    others: dict[str, str]
    fault: str | None = None


def first_of(rows: Iterable[dict[str, Any]], names: Iterable[str] = (), fault: str | None = None) -> First:
    """What some rows say, of fields in order of appearance behind those `names` that there are anyhow; those of objects
    within rows have names with dots, as the options name them. `fault`: the first, of rows that cannot be read."""
    texts: dict[str, int] = dict.fromkeys(names, 0)
    others: dict[str, str] = {}
    strings: set[str] = set()

    def add(row: dict[str, Any], above: str) -> None:
        for name, value in row.items():
            if isinstance(value, dict):
                add(value, f"{above}{name}.")
                continue
            texts[above + name] = texts.get(above + name, 0) + (len(value) if isinstance(value, str) else 0)
            if isinstance(value, (str, bytes)):
                strings.add(above + name)
            elif others.get(above + name, NULL) == NULL:
                others[above + name] = _kind_of_field(value)

    for row in rows:
        add(row, "")
    return First(texts, {n: kind for n, kind in others.items() if n not in strings}, None if texts else fault)


def _kind_of_field(value: Any) -> str:
    return OBJECTS if isinstance(value, list) and value and isinstance(value[0], dict) else kind(value)


def _metadata(row: dict[str, Any]) -> str | None:
    if row.keys() == {"metadata"} and (row["metadata"] is None or isinstance(row["metadata"], str)):
        return row["metadata"]  # written by us: reading it again changes nothing
    if row.keys() == {"metadata"} and isinstance(row["metadata"], dict):
        return canonical(row["metadata"])  # as JSON lines have it
    return canonical(row)


def _string(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    value = _plain(value)
    return value if isinstance(value, str) else canonical(value)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinities are null, dates ISO 8601."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    """What JSON has no form for, as a string; anything else as it is."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, (bool, int, float, list, tuple, dict)):
        return value
    return str(value)


_encode = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
).encode

NULL, OBJECTS = "null", "an array of objects"
_KINDS = {type(None): NULL, bool: "a boolean", int: "a number", float: "a number", str: "a string"}
_KINDS |= {list: "an array", dict: "an object"}


def kind(value: Any) -> str:
    """JSON's name of the type of a value."""
    return _KINDS.get(type(value), type(value).__name__)


def reason(error: Exception) -> str:
    """One line that says what is wrong with a record, without its content."""
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}"
    if isinstance(error, UnicodeEncodeError):
        return "half a surrogate pair, which UTF-8 cannot hold"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos}"
    return str(error) or type(error).__name__
