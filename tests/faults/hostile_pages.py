"""Records of WARC files, HTTP responses and HTML pages that no honest program writes, and a few that only look so."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import bombs
import brotli
import zstandard
from bombs import Runs
from clean_files import bare_deflate
from hostile_lines import LIMIT, MANY, Case

Run = tuple[bytes, int] | bytes


def record(
    *block: Run,
    kind: str = "response",
    media_type: str = "application/http; msgtype=response",
    length: int | bytes | None = None,
) -> Runs:
    """A WARC record around a block; `length` is what it says instead of the block's length."""
    runs = _runs(block)
    if not isinstance(length, bytes):
        length = b"%d" % (bombs.size_of(runs) if length is None else length)
    return [(_head(kind, media_type) + b"Content-Length: " + length + b"\r\n\r\n", 1), *runs, (b"\r\n\r\n", 1)]


def _head(kind: str = "response", media_type: str = "application/http; msgtype=response") -> bytes:
    return (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:hostile>\r\nWARC-Date: 2024-05-01T10:00:00Z\r\n"
        f"WARC-Target-URI: https://hostile.example/\r\nContent-Type: {media_type}\r\n"
    ).encode()


def _runs(runs) -> list[tuple[bytes, int]]:
    return [(run, 1) if isinstance(run, bytes) else run for run in runs]


def answer(*body: Run, fields: bytes = b"", media_type: bytes = b"text/html; charset=utf-8") -> Runs:
    """A WARC record of an HTTP response; `fields` are further header lines, each with its end."""
    return record(b"HTTP/1.1 200 OK\r\nContent-Type: " + media_type + b"\r\n" + fields + b"\r\n", *body)


def page(*body: Run, **more) -> Case:
    """A page that may become anything."""
    return Case(answer(*body, **more))


def words(*body: Run, **more) -> Case:
    """A page whose text is "some words"."""
    return Case(answer(*body, **more), text=[(b"some words", 1)])


def _refused(runs: Runs | Callable[[], Runs], bad: int = 1, limit: int | None = None, last: bool = False) -> Case:
    return Case(runs, True, None, bad, limit, last)


def _many_attributes() -> Runs:
    return answer(b"<p " + b" ".join(b"a%d=1" % number for number in range(100_000)) + b">some words")


PAGES = {
    "divisions opened": page((b"<div>", 300_000), b"some words"),
    "divisions nested": page((b"<div>", 100_000), b"some words", (b"</div>", 100_000)),
    "tags of the alphabet": page((b"<a><b><i><u><s><p>", 50_000), b"some words"),
    "misnested": page((b"<a><b></a>", 20_000), b"some words"),
    "misnested blocks": page((b"<b><p></b>", 20_000), b"some words"),
    "fonts": page((b"<font size=1>", 50_000), (b"</font>", 50_000), b"some words"),
    "different fonts": page(b"".join(b"<font size=%d>" % number for number in range(20_000)), (b"<p>x", 2_000)),
    "paragraphs unclosed": page((b"<p>", 1_000_000), b"some words"),
    "lists": page((b"<ul><li>", 50_000), b"some words"),
    "tables nested": page((b"<table><tr><td>", 30_000), b"some words"),
    "tables unclosed, text between": page((b"<table>x", 20_000)),
    "a giant table": page(b"<table>", (b"<tr><td>1<td>2<td>3", 300_000), b"</table>"),
    "selects": page((b"<select><option>", 50_000)),
    "templates": page((b"<template>", 50_000)),
    "foreign elements": page((b"<svg><math><desc>", 30_000)),
    "frames": page((b"<frameset>", 50_000)),
    "forms and buttons": page((b"<form><button>", 50_000)),
    "headings": page((b"<h1><h2>", 50_000)),
    "line breaks": page((b"<br>", 2_000_000)),
    "preformatted": page((b"<pre>\n", 50_000), b"some words"),
    "many attributes": Case(_many_attributes),
    "one attribute again and again": words(b"<p ", (b"a=1 ", 1_000_000), b">some words"),
    "a long attribute": words(b'<p title="', (b"x", 10 << 20), b'">some words'),
    "an unclosed attribute": page(b'<p title="', (b"x", 10 << 20)),
    "an unclosed tag": page(b"<p>x<", (b"a", 10 << 20)),
    "an unclosed comment": page(b"<p>some words<!--", (b"x", 10 << 20)),
    "comments opened": page((b"<!--", 1_000_000)),
    "many comments": words(b"<p>some words", (b"<!-- -->", 500_000)),
    "an unclosed script": page(b"<p>some words<script>", (b"x<", 5 << 20)),
    "scripts in scripts": page((b"<script><!--<script>", 50_000)),
    "an unclosed title": page(b"<title>", (b"x", 10 << 20)),
    "titles": page((b"<title>x</title>", 100_000)),
    "plaintext": page(b"<plaintext>", (b"<p>", 100_000)),
    "entities": page(b"<p>", (b"&amp;", 2_000_000)),
    "ampersands": page(b"<p>", (b"&", 5_000_000)),
    "entities without end": page(b"<p>", (b"&CounterClockwiseContourIntegra", 100_000)),
    "numbers without end": page(b"<p>&#", (b"9", 5_000_000)),
    "entity of NUL": page(b"<p>", (b"&#0;&#xd800;&#x110000;", 100_000)),
    "angles": page((b"<", 5_000_000)),
    "closing tags": page((b"</p>", 500_000)),
    "NULs": page(b"<p>some words", (b"\0", 10 << 20)),
    "NULs in tags": page((b"<\0p\0>", 200_000), b"some words"),
    "blanks": words(b"<p>some words", (b" \t\n", 5 << 20)),
    "one line": page(b"<p>", (b"word ", 6 << 20)),
    "no markup": page((b"<", 1), (b"x", 10 << 20)),
    "a big page": page(b"<p>", (b"<p>a sentence of some words</p>\n", 1 << 20)),
    "nearly the limit of text": page(b"<p>", (b"words ", MANY // 6)),
    "nearly the limit of tags": page((b"<i>", MANY // 3)),
    "nearly the limit of elements": page((b"<br/>", MANY // 5)),
    "nearly the limit of entities": page((b"<p>&lt;", MANY // 7)),
    "nothing": page(b""),
    "the wrong charset": page(b"<p>Gr\xfc\xdfe", media_type=b"text/html; charset=utf-16"),
    "an unknown charset": words(b"<p>some words", media_type=b"text/html; charset=klingon"),
    "a long charset": page(b"<p>some words", media_type=b"text/html; charset=" + b"x" * 50_000),
    "two charsets": page(
        b"<meta charset=utf-16><meta charset=koi8-r><p>some words", media_type=b"text/html; charset=big5"
    ),
    "UTF-7": page(b"<p>+ADw-script+AD4-", media_type=b"text/html; charset=utf-7"),
    "UTF-32": page("<p>some words".encode("utf-32"), media_type=b"text/html; charset=utf-32"),
    "shift sequences": page(b"<p>", (b"\x1b$B\x1b(B", 500_000), media_type=b"text/html; charset=iso-2022-jp"),
    "codecs that are none": page(b"<p>some words", media_type=b"text/html; charset=zlib"),
    "idna": page(b"<p>", (b"x.", 100_000), media_type=b"text/html; charset=idna"),
    "unicode_escape": page(b"<p>\\ud834\\N{BELL}", media_type=b"text/html; charset=unicode_escape"),
    "half characters": page(b"<p>some words", (b"\xf0\x9f", 500_000)),
    "surrogates": page(b"<p>", (b"\xed\xa0\xb4", 100_000)),
}
"""HTML. Sizes are such that a parser in linear time takes a second or so."""

HTML = b"<p>some words</p>"


def _coded(coding: bytes, body: bytes, more: bytes = b"") -> Runs:
    return answer(body, fields=b"Content-Encoding: " + coding + b"\r\n" + more)


def _chunks(*chunks: Run, more: bytes = b"") -> Runs:
    return answer(*chunks, fields=b"Transfer-Encoding: chunked\r\n" + more)


def _gzip(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = gzip.compress(data, mtime=0)
    return data


def _bomb(coding: bytes, make: Callable[[], bytes], limit: int | None = None) -> Case:
    """A body that exceeds the limit once its coding is undone."""
    return _refused(lambda: _coded(coding, make()), limit=limit)


def _small_bomb(coding: bytes, encode: Callable[[bytes], bytes]) -> Case:
    return _bomb(coding, lambda: encode(HTML + b" " * LIMIT), LIMIT)


BOMBS = {
    "gzip of 300 MB": _bomb(b"gzip", lambda: bombs.gzip_bomb(304 << 20)),
    "gzip of 2 GB": _bomb(b"gzip", lambda: bombs.gzip_bomb(2 << 30)),
    "deflate of 2 GB": _bomb(b"deflate", lambda: bombs.gzip_bomb(2 << 30, wbits=15)),
    "bare deflate of 2 GB": _bomb(b"deflate", lambda: bombs.gzip_bomb(2 << 30, wbits=-15)),
    "brotli of 300 MB": _bomb(b"br", lambda: bombs.brotli_bomb(304 << 20)),
    "brotli of 4 GB": _bomb(b"br", lambda: bombs.brotli_bomb(4 << 30)),
    "zstd of 4 GB": _bomb(b"zstd", lambda: bombs.zstd_bomb(4 << 30)),
    "zstd of 4 GB in a window of 2 GB": _bomb(b"zstd", lambda: bombs.zstd_bomb(4 << 30, window_log=31)),
    "zstd, 1 GB in one segment": _bomb(b"zstd", lambda: bombs.zstd_bomb(1 << 30, single=True, content_size=1 << 30)),
    "gzip in gzip": _bomb(b"gzip, gzip", lambda: _gzip(bombs.gzip_bomb(1 << 30))),
    "gzip in gzip in gzip": _bomb(b"gzip, gzip, gzip", lambda: _gzip(bombs.gzip_bomb(2 << 30), 2)),
    "brotli in gzip": _bomb(b"br, gzip", lambda: _gzip(bombs.brotli_bomb(2 << 30))),
    "zstd in brotli": _bomb(b"zstd, br", lambda: brotli.compress(bombs.zstd_bomb(2 << 30))),
    "gzip beyond a small limit": _small_bomb(b"gzip", _gzip),
    "deflate beyond a small limit": _small_bomb(b"deflate", zlib.compress),
    "bare deflate beyond a small limit": _small_bomb(b"deflate", bare_deflate),
    "brotli beyond a small limit": _small_bomb(b"br", brotli.compress),
    "zstd beyond a small limit": _small_bomb(b"zstd", zstandard.compress),
    "gzip in gzip beyond a small limit": _small_bomb(b"gzip, gzip", lambda body: _gzip(body, 2)),
    "gzip below a small limit": Case(
        lambda: _coded(b"gzip", _gzip(HTML + b" " * (LIMIT - 1000))), text=[(b"some words", 1)], limit=LIMIT
    ),
}
"""Bodies small on disk and large once decoded."""

CODINGS = {
    "thousands of codings": Case(lambda: _coded(b", ".join([b"gzip"] * 10_000), _gzip(HTML))),
    "thousands of identities": Case(lambda: _coded(b",".join([b"identity"] * 5_000), HTML)),
    "nested and all undone": Case(lambda: _coded(b"gzip, gzip, gzip", _gzip(HTML, 3)), text=[(b"some words", 1)]),
    "two members": Case(lambda: _coded(b"gzip", _gzip(HTML) + _gzip(b"<p>more"))),
    "an unknown coding": _refused(_coded(b"sdch", b"\x83 words of a dictionary")),
    "coding named, not there": Case(_coded(b"gzip", HTML), text=[(b"some words", 1)]),
    "another coding than named": Case(_coded(b"br", _gzip(HTML))),
    "gzip cut short": Case(lambda: _coded(b"gzip", _gzip(HTML * 50)[:-20])),
    "gzip with a wrong checksum": Case(lambda: _coded(b"gzip", _gzip(HTML)[:-8] + b"\xff" * 8)),
    "gzip with a long name": Case(_coded(b"gzip", b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 100_000)),
    "zstd without content": Case(_coded(b"zstd", b"\x28\xb5\x2f\xfd")),
    "zstd with a window of a terabyte": Case(_coded(b"zstd", bombs.zstd_bomb(0, HTML, window_log=40))),
    "zstd of a claimed exabyte": Case(_coded(b"zstd", bombs.zstd_bomb(0, HTML, content_size=1 << 60))),
    "zstd of a claimed 2 GB": Case(_coded(b"zstd", bombs.zstd_bomb(0, HTML, single=True, content_size=2 << 30))),
    "zstd with a dictionary": Case(_coded(b"zstd", bombs.zstd_bomb(0, HTML, dictionary=7))),
    "zstd frames": Case(lambda: _coded(b"zstd", zstandard.compress(HTML) + zstandard.compress(b"<p>more"))),
    "brotli cut short": Case(lambda: _coded(b"br", brotli.compress(HTML * 50)[:-3])),
    "brotli of noise": Case(_coded(b"br", bytes(range(256)) * 20)),
    "chunks of one byte": Case(
        _chunks((b"1\r\n \r\n", 300_000), b"11\r\n<p>some words</p>\r\n0\r\n\r\n"), text=[(b"some words", 1)]
    ),
    "millions of chunks of one byte": Case(
        _chunks((b"1\r\n \r\n", 4_000_000), b"11\r\n<p>some words</p>\r\n0\r\n\r\n"), text=[(b"some words", 1)]
    ),
    "a chunk beyond the body": Case(_chunks(b"ffffffff\r\n<p>some words")),
    "a chunk of 2^64 bytes": Case(_chunks(b"11\r\n<p>some words</p>\r\nffffffffffffffff\r\nx")),
    "a chunk size of a megabyte of digits": Case(_chunks((b"f", 1 << 20), b"\r\nx")),
    "a chunk size of zeros": Case(_chunks((b"0", 100_000), b"11\r\n<p>some words</p>\r\n0\r\n\r\n")),
    "a negative chunk": Case(_chunks(b"-5\r\n<p>some words")),
    "chunks without end": Case(_chunks((b"5\r\nwords\r\n", 1000))),
    "a chunk too short": Case(_chunks(b"5\r\n<p>some words</p>\r\n0\r\n\r\n")),
    "a long chunk extension": Case(_chunks(b"11;x=", (b"y", 1 << 20), b"\r\n<p>some words</p>\r\n0\r\n\r\n")),
    "a trailer after the chunks": Case(
        _chunks(b"11\r\n<p>some words</p>\r\n0\r\nX: y\r\n\r\n"), text=[(b"some words", 1)]
    ),
    "chunked said, not done": Case(_chunks(HTML), text=[(b"some words", 1)]),
}
"""Codings that lie, break, or go on."""

RESPONSES = {
    "thousands of headers": words(HTML, fields=b"X-Filler: yes\r\n" * 3_000),
    "a hundred thousand headers": page(HTML, fields=b"X-Filler: yes\r\n" * 100_000),
    "a header of a megabyte": page(HTML, fields=b"X-Filler: " + b"y" * (1 << 20) + b"\r\n"),
    "headers without end": Case(
        record(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", (b"X-Filler: yes\r\n", 5_000))
    ),
    "headers without colon": page(HTML, fields=b"nonsense\r\n" * 1_000),
    "folded headers": page(HTML, fields=b"X: y\r\n" + b" folded\r\n" * 100_000),
    "a response of NULs": _refused(record((b"\0", 100_000))),
    "no status": _refused(record(HTML)),
    "a long status": Case(record(b"HTTP/1.1 ", (b"2", 100_000), b"\r\n\r\n" + HTML)),
    "status of another range": Case(record(b"HTTP/1.1 999 ?\r\nContent-Type: text/html\r\n\r\n" + HTML)),
    "blanks before the status": Case(record(b"HTTP/1.1 ", (b" ", 1 << 20), b"200 OK\r\n\r\n" + HTML)),
    "an empty response": _refused(record(b"")),
    "no media type": Case(record(b"HTTP/1.1 200 OK\r\n\r\n" + HTML), text=[(b"some words", 1)]),
    "no media type, many blanks": Case(record(b"HTTP/1.1 200 OK\r\n\r\n", (b" ", 5 << 20), HTML)),
    "plain text of NULs": page((b"\0", 1 << 20), media_type=b"text/plain"),
    "plain text not UTF-8": page((b"\xff\xfe\xfd", 100_000), media_type=b"text/plain"),
    "a body beyond the limit": _refused(answer(HTML, (b" ", 80 << 20))),
    "a body beyond a small limit": _refused(answer(HTML, (b" ", LIMIT)), limit=LIMIT),
    "bodies beyond a small limit": _refused(answer(HTML, (b" ", LIMIT)) * 5, 5, LIMIT),
    "a plain body beyond a small limit": _refused(
        answer((b"word ", LIMIT // 4), media_type=b"text/plain"), limit=LIMIT
    ),
    "a body below a small limit": words(HTML, (b" ", LIMIT - 2_000))._replace(limit=LIMIT),
}

HEAD = _head()


def _odd_head(field: bytes, value: bytes) -> Case:
    """A good page under a header one field of which has another value; it has the text "some words" for all that."""
    lines = [line for line in HEAD.split(b"\r\n") if line and not line.startswith(field)]
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + HTML
    head = b"\r\n".join([*lines, field + b": " + value, b"Content-Length: %d" % len(block)])
    return Case([(head + b"\r\n\r\n" + block + b"\r\n\r\n", 1)])


DATES = (
    b"",
    b"0000-00-00T00:00:00Z",
    b"9999-12-31T23:59:60Z",
    b"0001-01-01T00:00:00+14:00",
    b"9" * 14,
    b"9" * 10_000,
    b"\xff",
)
NAMES = (b"", b"<>", b"<urn:uuid:>", b"\0", b"x" * 50_000, b"\xff\xfe", "\u202e\U0010ffff".encode())
ODD = {
    **{
        f"date {number}": _odd_head(b"WARC-Date", value)._replace(text=[(b"some words", 1)])
        for number, value in enumerate(DATES)
    },
    **{f"id {number}": _odd_head(b"WARC-Record-ID", value) for number, value in enumerate(NAMES)},
    **{
        f"address {number}": _odd_head(b"WARC-Target-URI", value)._replace(text=[(b"some words", 1)])
        for number, value in enumerate(NAMES)
    },
}
"""Dates, ids and addresses that are none, by their place in the lists above."""

RECORDS = {
    "thousands of fields": _refused(
        [(HEAD, 1), (b"X-Filler: yes\r\n", 20_000), (b"Content-Length: 0\r\n\r\n\r\n\r\n", 1)]
    ),
    "fields without end": _refused([(HEAD, 1), (b"X-Filler: yes\r\n", 2_000_000)], last=True),
    "a field of a megabyte": _refused(
        [(HEAD + b"X-Filler: ", 1), (b"y", 1 << 20), (b"\r\nContent-Length: 0\r\n\r\n\r\n\r\n", 1)]
    ),
    "a field without end": _refused([(HEAD + b"X-Filler: ", 1), (b"y", 100 << 20)], last=True),
    "folded fields": Case(
        [(HEAD + b"X: y\r\n", 1), (b" folded\r\n", 5_000), (b"Content-Length: 0\r\n\r\n\r\n\r\n", 1)]
    ),
    "no length": _refused([(HEAD + b"\r\n" + HTML + b"\r\n\r\n", 1)]),
    "two lengths": Case([(HEAD + b"Content-Length: 5\r\nContent-Length: 17\r\n\r\n" + HTML + b"\r\n\r\n", 1)]),
    **{
        f"length {value.decode()!r}": _refused(record(HTML, length=value))
        for value in (b"", b"-1", b"+17", b"17.0", b"1e1", b"0x11", b"17 17")
    },
    "length in other digits": _refused(record(HTML, length="１７".encode())),
    "length of a thousand digits": _refused(record(HTML, length=b"9" * 1_000)),
    "length of a million digits": _refused(record(HTML, length=b"9" * 1_000_000)),
    "length of zeros": Case(record(HTML, length=b"0" * 10_000 + b"17")),
    "length of 2^63": _refused(record(HTML, length=1 << 63)),
    "length beyond the file": _refused(record(HTML, length=50_000_000)),
    "many lengths beyond the file": _refused(record(HTML, length=50_000_000) * 1_000, 1_000),
    "many lengths beyond the limit": _refused(record(HTML, length=1 << 40) * 1_000, 1_000),
    "length too short": _refused(record(HTML, length=5)),
    "length nothing": _refused(record(HTML, length=0)),
    "a record beyond the limit": _refused(record((b"x", 100 << 20), kind="conversion", media_type="text/plain")),
    "records beyond the limit": _refused(record((b"x", 70 << 20), kind="conversion", media_type="text/plain") * 3, 3),
    "a request beyond the limit": Case(record((b"x", 100 << 20), kind="request")),
    "a record beyond a small limit": _refused(
        record((b"x", LIMIT + 1), kind="conversion", media_type="text/plain"), limit=LIMIT
    ),
    "a record below a small limit": Case(
        record((b"x", LIMIT - 2_000), kind="conversion", media_type="text/plain"),
        text=[(b"x", LIMIT - 2_000)],
        limit=LIMIT,
    ),
    "a record without end": _refused([*record((b"x", 50 << 20), length=60 << 20)], last=True),
    "a record beyond the limit without end": _refused([*record((b"x", 100 << 20), length=200 << 20)], last=True),
    "a text below the limit": Case(
        record((b"word ", 12 << 20), kind="conversion", media_type="text/plain"), text=[(b"word ", 12 << 20)]
    ),
    "a text not UTF-8": _refused(record((b"\xff", 10_000), kind="conversion", media_type="text/plain")),
    "a text of NULs": Case(record((b"\0", 1 << 20), kind="conversion", media_type="text/plain")),
    "an unknown type": _refused(record(HTML, kind="responze")),
    "no type": _refused([(b"WARC/1.0\r\nContent-Length: 17\r\n\r\n" + HTML + b"\r\n\r\n", 1)]),
    "a type of a megabyte": _refused(record(HTML, kind="x" * (1 << 20))),
    "a type not UTF-8": _refused(
        [(b"WARC/1.0\r\nWARC-Type: \xff\xfe\r\nContent-Length: 17\r\n\r\n" + HTML + b"\r\n\r\n", 1)]
    ),
    "version 9.9": Case([(piece.replace(b"WARC/1.0", b"WARC/9.9"), count) for piece, count in answer(HTML)]),
    "version of many digits": Case(
        [(piece.replace(b"WARC/1.0", b"WARC/1." + b"9" * 10_000), count) for piece, count in answer(HTML)]
    ),
    "line feeds alone": Case([(piece.replace(b"\r\n", b"\n"), count) for piece, count in answer(HTML)]),
    "carriage returns alone": _refused(
        [(piece.replace(b"\r\n", b"\r"), count) for piece, count in answer(HTML)] + [(b"\r\n\r\n", 1)]
    ),
    "one line end after it": Case([*answer(HTML)[:-1], (b"\r\n", 1)]),
    "many line ends after it": Case([*answer(HTML), (b"\r\n", 500_000)], text=[(b"some words", 1)]),
    "many line feeds after it": Case([*answer(HTML), (b"\n", 20_000_000)], text=[(b"some words", 1)]),
    "NULs after it": Case([*answer(HTML), (b"\0", 100_000), (b"\r\n\r\n", 1)], text=[(b"some words", 1)]),
    "a text after it": Case([*answer(HTML), (b"502 Bad Gateway\r\n\r\n", 1)], text=[(b"some words", 1)]),
    "NULs in the header": _refused(
        [(b"WARC/1.0\r\nWARC-Type: res\0ponse\r\nContent-Length: 17\r\n\r\n" + HTML + b"\r\n\r\n", 1)]
    ),
    "starts of records": _refused([(b"WARC/1.0\r\nX:\r\n", 100_000), (b"\r\n\r\n", 1)]),
    "empty records": _refused([(b"WARC/1.0\r\nContent-Length: 0\r\n\r\n\r\n\r\n", 50_000)], 50_000),
    "versions only": _refused([(b"WARC/1.0\r\n", 100_000), (b"\r\n\r\n", 1)]),
    "an archive within a record": Case(
        record(b"HTTP/1.1 200 OK\r\nContent-Type: application/warc\r\n\r\n", *answer(HTML), *answer(HTML))
    ),
}
"""WARC records and what stands between them."""

WARC_CASES: dict[str, Case] = {
    **{f"page: {name}": case for name, case in PAGES.items()},
    **{f"body: {name}": case for name, case in {**BOMBS, **CODINGS}.items()},
    **{f"response: {name}": case for name, case in RESPONSES.items()},
    **{f"record: {name}": case for name, case in {**RECORDS, **ODD}.items()},
}
