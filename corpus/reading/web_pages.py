"""Documents of WARC and WET files: HTML and plain-text responses, and conversions to text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from resiliparse.parse.encoding import detect_mime

from corpus.documents import PREFIX_CHARACTERS
from corpus.reading import charset, html, http, records, streams, warc
from corpus.reading.reader import Reader, Unit
from corpus.reading.records import Document, Dropped, Quarantined, Skipped

if TYPE_CHECKING:
    from corpus.reading.read_options import ReadOptions

HTML_TYPES = ("text/html", "application/xhtml+xml")
NO_DOCUMENTS = ("warcinfo", "request", "metadata", "revisit", "resource", "continuation")
"""Types of records (ISO 28500, section 6) that are passed over; any further one is a fault."""
BATCH_PAGES = 256
BATCH_BYTES = 4 << 20
"""Pages, and bytes of HTML, sent to the extractor at a time."""

# the tags by which browsers know a page without Content-Type (WHATWG MIME Sniffing, section 7.1)
_HTML = re.compile(
    rb"\s*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--)[\s>]|\s*<!--",
    re.IGNORECASE,
)


_RECORD_START = re.compile(rb"\nW(?:ARC/\d+\.\d+[ \t]*\r?\n|[ARC/\d. \t\r]*\Z)")


def _has_record(data: bytes) -> bool:
    """Whether a record begins in some bytes, if only with the last of them."""
    return _RECORD_START.search(b"\n" + data) is not None


class _Page(NamedTuple):
    """An HTML page that waits for the extractor: the document without text, its HTML, the charset of the HTTP header,
    the record that it is of."""

    document: Document
    html: bytes
    declared: str | None
    record: warc.Record


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """Events of every record, in the order of the file."""
    waiting: list[records.Event | _Page] = []
    size = number = 0
    chunks = streams.chunks(unit.path, plausible=_has_record, limit=options.max_record_bytes)
    compressed = streams.compression(unit.path) is not None
    with html.Extractor(options.html_timeout, html.EXTRACTORS[options.extract]) as child:
        for record in warc.records(chunks, compressed, options.max_record_bytes):
            event = _excluded(record, unit.name, excluded.reason(number)) or _event(record, unit.name, options)
            number += record.records if isinstance(record, warc.Fault) else 1
            waiting.append(event)
            if isinstance(event, _Page):
                size += len(event.html)
            if size > BATCH_BYTES or len(waiting) >= BATCH_PAGES:
                yield from _extracted(waiting, child, unit.name, options)
                waiting, size = [], 0
        yield from _extracted(waiting, child, unit.name, options)


def _excluded(record: warc.Record | warc.Fault, path: str, reason: str | None) -> Quarantined | None:
    if reason is None or isinstance(record, warc.Fault):
        return None
    return Quarantined(path, record.position, reason, record.body[: streams.PREFIX], id=_identity(record, path))


def _extracted(
    waiting: list[records.Event | _Page], child: html.Extractor, path: str, options: ReadOptions
) -> Iterator[records.Event]:
    """The events in `waiting`, with documents in place of pages."""
    found = [event for event in waiting if isinstance(event, _Page)]
    texts = iter(child.extract([(page.html, page.declared) for page in found]))
    for event in waiting:
        if isinstance(event, _Page):
            text = next(texts)
            try:
                if isinstance(text, html.Failed):
                    raise ValueError(f"HTML: {text}")
                records.check_size(len(text), options)  # in UTF-8 it can be longer than the page was
                yield event.document._replace(text=text)
            except ValueError as error:
                yield Quarantined(path, event.record.position, records.reason(error), event.html[: streams.PREFIX])
        else:
            yield event


def _event(record: warc.Record | warc.Fault, path: str, options: ReadOptions) -> records.Event | _Page:
    if isinstance(record, warc.Fault):
        return Quarantined(path, *record)
    kind = record.headers.get("warc-type", "").lower()
    try:
        if kind == "response":
            return _response(record, path, options)
        if kind == "conversion":
            return _conversion(record, path, options)
    except ValueError as error:
        return Quarantined(path, record.position, records.reason(error), record.body[: streams.PREFIX])
    if kind in NO_DOCUMENTS:
        return Skipped(kind)
    return Quarantined(
        path, record.position, f"WARC-Type is {kind[:80]!r}, which is not known", record.body[: streams.PREFIX]
    )


def _identity(record: warc.Record, path: str) -> str:
    return record.headers.get("warc-record-id", "").strip("<>").removeprefix("urn:uuid:") or f"{path}#{record.place}"


def _document(record: warc.Record, path: str, text: bytes = b"") -> Document:
    url = record.headers.get("warc-target-uri", "").strip("<>")
    date = warc.date(record.headers.get("warc-date", ""))
    return Document(_identity(record, path), text, url or None, date, path)


def _dropped(document: Document, rule: str, value: object, threshold: object, text: str = "") -> Dropped:
    return Dropped(
        document.id, document.url, rule, str(value)[:PREFIX_CHARACTERS], str(threshold), text[:PREFIX_CHARACTERS]
    )


def _conversion(record: warc.Record, path: str, options: ReadOptions) -> records.Event:
    media_type = record.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("text/plain", ""):
        return _dropped(_document(record, path), "not_html", media_type, "text/plain")
    text, repaired = records.utf8(record.body, options)
    records.check_size(len(text), options)
    return records.marked(_document(record, path, text.rstrip(b"\r\n")), repaired)


def _response(record: warc.Record, path: str, options: ReadOptions) -> records.Event | _Page:
    document = _document(record, path)
    outer = record.headers.get("content-type", "application/http").partition(";")[0].strip().lower()
    if outer != "application/http":  # DNS look-ups, FTP
        return _dropped(document, "not_html", outer, "text/html")
    response = http.parse(record.body)
    if not 200 <= response.status < 300:
        return _dropped(document, "http_status", response.status, "200-299")
    if response.media_type not in (*HTML_TYPES, "text/plain", ""):
        return _dropped(document, "not_html", response.media_type, "text/html")
    body = http.content(response, options.max_record_bytes)
    media_type = response.media_type or _sniff(body)
    if media_type not in (*HTML_TYPES, "text/plain"):
        return _dropped(document, "not_html", media_type, "text/html")
    if media_type == "text/plain":
        text = charset.decode(body, response.charset, markup=False).encode()
        records.check_size(len(text), options)
        return document._replace(text=text)
    return _Page(document, body, response.charset, record)


def _sniff(body: bytes) -> str:
    """Media type of a body that came without one."""
    if _HTML.match(body[:512]):
        return "text/html"
    media_type = detect_mime(body)
    return "application/xhtml+xml" if media_type == "application/xml" and b"<html" in body[:1024] else media_type


READER = Reader("warc", (".warc", ".wet"), read, rules=("http_status", "not_html"))
