"""From records of any format to the document table.

A reader is a generator of events: a `Document`, or a record that was `Dropped` by a rule, set
aside because it is faulty (`Quarantined`), or `Skipped` because it is no document at all.
`batches` gathers them into `Reading`s.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Union

import pyarrow as pa

from corpus import documents

BATCH_ROWS = 10_000
"""Documents (and likewise dropped or faulty records) in a batch at most."""
BATCH_RAW = 16 << 20
"""Bytes of faulty records in a batch, about."""

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


class Dropped(NamedTuple):
    """A record that a rule of the reader dropped."""

    id: str
    url: str | None
    rule: str
    value: str
    threshold: str
    text: str


class Quarantined(NamedTuple):
    """A faulty record: its file, byte offset, fault, and first bytes."""

    source: str
    position: int
    error: str
    raw: bytes


class Skipped(NamedTuple):
    """A record that is no document, such as a WARC request."""

    kind: str


Event = Union[Document, Dropped, Quarantined, Skipped]


@dataclasses.dataclass
class Reading:
    """A batch of documents (schema `SCHEMA`) and what became of the other records read with it.

    `dropped`: dicts of id, url, rule, value, threshold, text (a prefix); `quarantined`: dicts of
    source, position, error, raw; `skipped`: number of records that are no documents, by kind;
    `bytes_read`: bytes of text in `documents`.
    """

    documents: pa.RecordBatch
    dropped: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]
    skipped: dict[str, int]
    bytes_read: int


def batches(events: Iterable[Event]) -> Iterator[Reading]:
    """Gather events into batches of at most MAX_BATCH_TEXT bytes of text; a longer document is a
    batch of its own. A document without text is dropped by the rule `empty_text`."""
    kept: list[Document] = []
    dropped: list[dict] = []
    quarantined: list[dict] = []
    skipped: dict[str, int] = {}
    size = raw = 0
    for event in events:
        if isinstance(event, Document):
            if event.text and not event.text.isspace():
                if kept and size + len(event.text) > documents.MAX_BATCH_TEXT:
                    yield _reading(kept, dropped, quarantined, skipped)
                    kept, dropped, quarantined, skipped, size, raw = [], [], [], {}, 0, 0
                kept.append(event)
                size += len(event.text)
            else:
                dropped.append(Dropped(event.id, event.url, "empty_text", "0", "1", "")._asdict())
        elif isinstance(event, Dropped):
            dropped.append(event._asdict())
        elif isinstance(event, Quarantined):
            quarantined.append(event._asdict())
            raw += len(event.raw)
        else:
            skipped[event.kind] = skipped.get(event.kind, 0) + 1
        if max(len(kept), len(dropped), len(quarantined)) >= BATCH_ROWS or raw > BATCH_RAW:
            yield _reading(kept, dropped, quarantined, skipped)
            kept, dropped, quarantined, skipped, size, raw = [], [], [], {}, 0, 0
    if kept or dropped or quarantined or skipped:
        yield _reading(kept, dropped, quarantined, skipped)


def _reading(kept, dropped, quarantined, skipped) -> Reading:
    columns = zip(*kept) if kept else [[] for _ in SCHEMA]
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, SCHEMA)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
    size = sum(len(document.text) for document in kept)
    return Reading(batch, dropped, quarantined, skipped, size)


def document(row: dict[str, Any], options, path: str, place: str) -> Document:
    """The document that a JSON object, or a row of a table, describes; takes `row` apart.

    A missing id becomes `path#place`; a field `timestamp` serves as date if there is no `date`;
    an empty string is no url, date, source or language. Raises ValueError if there is no text.
    """
    try:
        text = row.pop(options.text_field)
    except KeyError:
        raise ValueError(f"no field {options.text_field!r}") from None
    if isinstance(text, str):
        text = text.encode()
    elif isinstance(text, bytes):  # Parquet without the annotation UTF8
        text.decode()
    else:
        raise ValueError(f"field {options.text_field!r} must be a string, not {kind(text)}")
    if len(text) > options.document_max_bytes:
        raise ValueError(f"a text of {len(text)} bytes, above the limit of {options.document_max_bytes}")
    identity = _string(row.pop(options.id_field, None)) or f"{path}#{place}"
    url, source, language = (_string(row.pop(name, None)) for name in ("url", "source", "language"))
    date = _string(row.pop("date" if "date" in row else "timestamp", None))
    return Document(identity, text, url, date, source or path, language, _metadata(row))


def _metadata(row: dict[str, Any]) -> str | None:
    if not row:
        return None
    if row.keys() == {"metadata"} and (row["metadata"] is None or isinstance(row["metadata"], str)):
        return row["metadata"]  # written by us: reading it again changes nothing
    return canonical(row)


def _string(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    value = _plain(value)
    return value if isinstance(value, str) else canonical(value)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinities are null, dates ISO 8601."""
    try:
        return _canonical(value)
    except ValueError:
        return _canonical(_finite(value))


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
    )


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


_KINDS = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
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
