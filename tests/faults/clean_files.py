"""Small clean files of every layout that Winnow reads, and what lies where in them.

A file is made of *parts*: gzip members, zstd frames, row groups of a table or, where nothing is
compressed, its records. What the parts decode to, joined, is the *content*; a record lies in a
range of the content, and may straddle parts. Start at `LAYOUTS`.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import html
import io
import itertools
import json
import zlib
from collections.abc import Callable
from typing import NamedTuple

import brotli
import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from corpus.reading.records import SCHEMA

SEVERAL = 160
"""Documents of a file of several parts: some dozen parts of a few kilobytes."""
ONE = 1000
"""Documents of a file of one part, over a megabyte of content: a decoder that loses its last blocks
must not thereby lose the file."""


class Entry(NamedTuple):
    """A record: its bytes in the content, with what separates it from the next; the document's id and
    text, both None if the record is no document."""

    data: bytes
    id: str | None = None
    text: str | None = None


class Record(NamedTuple):
    """A document's place in the content, and the text that must come out."""

    id: str
    text: str
    start: int
    end: int


class Part(NamedTuple):
    """Bytes `start` to `end` of the file, which decode to bytes `first` to `last` of the content."""

    start: int
    end: int
    first: int
    last: int


class Clean(NamedTuple):
    """A clean file. `ends`: where its records end in the content, those that are no documents too.
    `silent`: damage within a part can change a document without anything to tell it by, or before
    the checksum that tells comes."""

    layout: str
    suffix: str
    data: bytes
    parts: list[Part]
    records: list[Record]
    ends: frozenset[int]
    silent: bool

    @property
    def kind(self) -> str:
        """ "plain", "gzip", "zstd" or "parquet": what the parts are."""
        kinds = {".gz": "gzip", ".zst": "zstd", ".parquet": "parquet"}
        return next((kind for suffix, kind in kinds.items() if self.suffix.endswith(suffix)), "plain")

    @property
    def format(self) -> str:
        """ "jsonl", "warc", "wet", "text" or "parquet"."""
        last = self.suffix.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
        return {"txt": "text"}.get(last, last)

    @property
    def aligned(self) -> bool:
        """Whether every part ends where a record does."""
        return all(part.last in self.ends for part in self.parts)


# Records


@functools.cache
def text_of(number: int) -> str:
    """English, with other scripts, escapes and entities here and there; every 31st is of 15 kB."""
    lines = corpora.document(("clean", number), 140 if number % 31 == 30 else 8).split("\n")
    if number % 3 == 1:
        lines.append(corpora.german("clean", number))
    if number % 7 == 2:
        lines.append("“Zitat” \\ 日本語 𝄞 & <angle brackets>")
    return "\n".join(lines)


def jsonl_entries(count: int, prefix: str = "doc", first: int = 0) -> list[Entry]:
    entries = []
    for number in range(first, first + count):
        identity, text = f"{prefix}-{number}", text_of(number)
        row = {"id": identity, "text": text, "url": f"https://{prefix}.example/{number}"}
        line = json.dumps(row, ensure_ascii=number % 2 == 0).encode()
        entries.append(Entry(line + b"\n", identity, text))
    return entries


def warc_id(url: str, kind: str = "response") -> str:
    """The id that a document of `corpora.warc_record` gets."""
    return hashlib.md5((kind + url).encode()).hexdigest()


def page(text: str) -> bytes:
    return (
        b"<html><body>"
        + "".join(f"<p>{html.escape(line)}</p>\n" for line in text.split("\n")).encode()
        + b"</body></html>"
    )


def chunked(body: bytes, size: int) -> bytes:
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def bare_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "Content-Encoding: gzip": lambda body: gzip.compress(body, mtime=0),
    "Content-Encoding: deflate": zlib.compress,
    "Content-Encoding:  deflate": bare_deflate,  # as some servers have it; the space makes it a key of its own
    "Content-Encoding: br": brotli.compress,
    "Content-Encoding: zstd": zstandard.compress,
    "Transfer-Encoding: chunked": lambda body: chunked(body, 700),
    "Content-Encoding: gzip\r\nTransfer-Encoding: chunked": lambda body: chunked(gzip.compress(body, mtime=0), 100),
    "Content-Encoding: br\r\nTransfer-Encoding: chunked": lambda body: chunked(brotli.compress(body), 1),
    "Content-Encoding: zstd\r\nTransfer-Encoding: chunked": lambda body: chunked(zstandard.compress(body), 64),
    "Content-Encoding: deflate, gzip": lambda body: gzip.compress(zlib.compress(body), mtime=0),
}
"""Header lines of a response, and what they say was done to its body."""


def response(body: bytes, fields: str = "", media_type: str = "text/html; charset=utf-8") -> bytes:
    """An HTTP response; `fields` are further header lines."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n" + (fields + "\r\n" if fields else "")
    return head.encode() + b"\r\n" + body


def warc_entries(count: int, prefix: str = "doc", first: int = 0, coded: bool = False) -> list[Entry]:
    """Responses, every third after its request; `coded` ones have bodies of every coding in turn."""
    codings = itertools.cycle(CODINGS.items() if coded else [("", bytes)])
    entries = []
    for number, (fields, encode) in zip(range(first, first + count), codings):
        url, text = f"https://{prefix}.example/{number}", text_of(number)
        if number % 3 == 0:
            entries.append(Entry(corpora.warc_record("request", url, b"GET / HTTP/1.1\r\n\r\n")))
        block = response(encode(page(text)), fields)
        entries.append(Entry(corpora.warc_record("response", url, block), warc_id(url), text))
    return entries


def wet_entries(count: int, prefix: str = "doc", first: int = 0) -> list[Entry]:
    entries = []
    for number in range(first, first + count):
        url, text = f"https://{prefix}.example/{number}", text_of(number)
        data = corpora.warc_record("conversion", url, text.encode(), media_type="text/plain")
        entries.append(Entry(data, warc_id(url, "conversion"), text))
    return entries


def text_entries(count: int, prefix: str = "doc") -> list[Entry]:
    """One document; its id is the file's name, which nobody here knows: it goes by its text."""
    text = "\n".join([f"All about {prefix}.", *(text_of(number) for number in range(count))])
    return [Entry(text.encode(), "", text)]


# Parts


def gzip_member(number: int, content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def bgzf_member(number: int, content: bytes) -> bytes:
    """As bgzip writes them: the size of the member in a field of its header (SAM specification, 4.1)."""
    body = bare_deflate(content)
    size = 18 + len(body) + 8
    head = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff\x06\x00BC\x02\x00" + (size - 1).to_bytes(2, "little")
    return head + body + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


def zstd_frame(checksum: bool = True, size: bool = True) -> Callable[[int, bytes], bytes]:
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=checksum, write_content_size=size)
    return lambda number, content: compressor.compress(content)


def skippable_frame(number: int) -> bytes:
    payload = f"skip {number}".encode()
    return b"\x50\x2a\x4d\x18" + len(payload).to_bytes(4, "little") + payload


def plain(number: int, content: bytes) -> bytes:
    return content


def by_records(entries: list[Entry], each: int) -> list[int]:
    """Where parts of `each` records end in the content."""
    ends = list(itertools.accumulate(len(entry.data) for entry in entries))
    return sorted({*ends[each - 1 :: each], ends[-1]})


def by_bytes(entries: list[Entry], size: int) -> list[int]:
    total = sum(len(entry.data) for entry in entries)
    return [*range(size, total, size), total]


def assemble(
    layout: str,
    suffix: str,
    entries: list[Entry],
    ends: list[int],
    pack: Callable[[int, bytes], bytes],
    silent: bool,
    filler: Callable[[int], bytes] | None = None,
) -> Clean:
    """The file whose parts end at `ends` of the content; `filler` makes parts without content, one before
    each other."""
    content = b"".join(entry.data for entry in entries)
    data, parts, first = bytearray(), [], 0
    for number, last in enumerate(ends):
        if filler:
            parts.append(Part(len(data), len(data) + len(filler(number)), first, first))
            data += filler(number)
        packed = pack(number, content[first:last])
        parts.append(Part(len(data), len(data) + len(packed), first, last))
        data += packed
        first = last
    records, offset, record_ends = [], 0, {0}
    for entry in entries:
        if entry.id is not None:
            records.append(Record(entry.id, entry.text, offset, offset + len(entry.data)))
        offset += len(entry.data)
        record_ends.add(offset)
    return Clean(layout, suffix, bytes(data), parts, records, frozenset(record_ends), silent)


# Tables


def _rows(count: int, prefix: str, repeated: bool) -> list[dict]:
    """Documents; of `repeated` ones every eighth text is the first again, which a dictionary then holds once."""
    numbers = [0 if repeated and number % 8 == 0 else number for number in range(count)]
    return [
        {"id": f"{prefix}-{i}", "text": text_of(n), "url": f"https://{prefix}.example/{i}"}
        for i, n in enumerate(numbers)
    ]


def parquet(
    layout: str, count: int, groups: int, prefix: str = "doc", ours: bool = False, repeated: bool = False, **options
) -> Clean:
    """A table; `ours`: with all the columns of documents that Winnow itself writes."""
    table = pa.Table.from_pylist(_rows(count, prefix, repeated))
    if ours:
        more = {"date": "2024-05-01", "source": "s", "language": "en", "metadata": '{"k":1}'}
        for name, value in more.items():
            table = table.append_column(name, pa.array([value] * count))
        table = table.select(SCHEMA.names)
    sink, each = io.BytesIO(), -(-count // groups)
    pq.write_table(table, sink, row_group_size=each, data_page_size=4096, **options)
    data = sink.getvalue()
    found = pq.ParquetFile(io.BytesIO(data)).metadata
    parts = [Part(*_extent(found.row_group(group)), group, group + 1) for group in range(found.num_row_groups)]
    records = [Record(row["id"], row["text"], i // each, i // each + 1) for i, row in enumerate(table.to_pylist())]
    silent = not options.get("write_page_checksum", False)
    return Clean(layout, ".parquet", data, parts, records, frozenset(range(groups + 1)), silent)


def _extent(group) -> tuple[int, int]:
    """Where a row group begins and ends in the file. Its content is its number, for want of bytes."""
    columns = [group.column(index) for index in range(group.num_columns)]
    starts = [column.dictionary_page_offset or column.data_page_offset for column in columns]
    return min(starts), max(start + column.total_compressed_size for start, column in zip(starts, columns))


# All layouts


def _jsonl(layout: str, suffix: str, pack=plain, each=None, size=None, silent=True, filler=None):
    def make(prefix: str) -> Clean:
        several = each or size or pack is plain
        entries = jsonl_entries(SEVERAL if several else ONE, prefix)
        return assemble(layout, suffix, entries, _ends(entries, each, size), pack, silent, filler)

    return layout, make


def _warc(layout: str, suffix: str, pack=plain, each=None, size=None, silent=False, coded=False):
    def make(prefix: str) -> Clean:
        several = each or size or pack is plain
        count = SEVERAL if several else ONE
        entries = wet_entries(count, prefix) if ".wet" in suffix else warc_entries(count, prefix, coded=coded)
        info = Entry(corpora.warc_record("warcinfo", "", b"software: none\r\n", media_type="application/warc-fields"))
        entries = [info, *entries]
        return assemble(layout, suffix, entries, _ends(entries, each, size), pack, silent)

    return layout, make


def _text(layout: str, suffix: str, pack=plain, size=None, silent=False):
    def make(prefix: str) -> Clean:
        entries = text_entries(60, prefix)
        return assemble(layout, suffix, entries, _ends(entries, None, size), pack, silent)

    return layout, make


def _ends(entries: list[Entry], each: int | None, size: int | None) -> list[int]:
    if each:
        return by_records(entries, each)
    return by_bytes(entries, size or sum(len(entry.data) for entry in entries))


def _parquet(layout: str, **options):
    return layout, lambda prefix: parquet(layout, prefix=prefix, **options)


_MAKERS = dict(
    [
        _jsonl("jsonl", ".jsonl", each=1),
        _jsonl("jsonl.gz", ".jsonl.gz", gzip_member),
        _jsonl("jsonl.gz members", ".jsonl.gz", gzip_member, each=5),
        _jsonl("jsonl.gz cut members", ".jsonl.gz", gzip_member, size=9_001),
        _jsonl("jsonl.gz bgzf", ".jsonl.gz", bgzf_member, size=2_000),
        _jsonl("jsonl.zst", ".jsonl.zst", zstd_frame()),
        _jsonl("jsonl.zst frames", ".jsonl.zst", zstd_frame(), each=5),
        _jsonl("jsonl.zst cut frames", ".jsonl.zst", zstd_frame(checksum=False), size=9_001),
        _jsonl("jsonl.zst bare frames", ".jsonl.zst", zstd_frame(False, False), size=5_003, filler=skippable_frame),
        _warc("warc", ".warc", each=1, silent=True),
        _warc("warc coded", ".warc", each=1, silent=True, coded=True),
        _warc("warc.gz", ".warc.gz", gzip_member, each=1),
        _warc("warc.gz coded", ".warc.gz", gzip_member, each=1, coded=True),
        _warc("warc.gz one member", ".warc.gz", gzip_member, silent=True),
        _warc("warc.gz cut members", ".warc.gz", gzip_member, size=9_001, silent=True),
        _warc("warc.zst", ".warc.zst", zstd_frame(), each=1),
        _warc("warc.wet", ".warc.wet", each=1, silent=True),
        _warc("warc.wet.gz", ".warc.wet.gz", gzip_member, each=1),
        _text("txt", ".txt", silent=True),
        _text("txt.gz", ".txt.gz", gzip_member),
        _text("txt.gz members", ".txt.gz", gzip_member, size=9_001),
        _text("txt.zst", ".txt.zst", zstd_frame()),
        _parquet("parquet", count=SEVERAL, groups=1, compression="snappy"),
        _parquet("parquet groups", count=SEVERAL, groups=8, compression="zstd", write_page_checksum=True),
        _parquet("parquet plain", count=SEVERAL, groups=8, compression="none", use_dictionary=False),
        _parquet("parquet dictionary", count=SEVERAL, groups=4, compression="snappy", repeated=True),
        _parquet("parquet ours", count=SEVERAL, groups=8, compression="zstd", ours=True),
    ]
)

LAYOUTS = tuple(_MAKERS)
"""Names of the layouts that `clean` makes."""


@functools.cache
def clean(layout: str, prefix: str = "doc") -> Clean:
    """A clean file; ids and URLs of its documents begin with, or hang on, `prefix`."""
    return _MAKERS[layout](prefix)
