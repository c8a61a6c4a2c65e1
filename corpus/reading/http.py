"""HTTP responses as crawlers store them: status, headers, and the body without its codings.

Lenient where crawls are: line feeds alone end header lines, a coding that the header names but
the body does not have (Common Crawl and others remove it and keep the header) is ignored, and a
coded body that ends early gives what there is of it.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import brotli  # type: ignore[import-untyped]  # it comes without
import numba
import numpy as np
import zstandard

from corpus.reading import warc

HEADER_LIMIT = 256 << 10
"""Bytes of a header at most, as in Chromium. Its end is not looked for beyond."""
MOST_CODINGS = 8
"""Codings of one body at most: each may be a bomb. Servers in the field apply one, rarely two."""
GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 1 << 20
"""Bytes that a decoder puts out at a time, about."""

_CODINGS = (b"content-encoding", b"transfer-encoding")
"""Headers that name codings, in the order in which these are applied."""
TRANSFER_CODINGS = ("chunked", "gzip", "x-gzip", "deflate")
"""Those of RFC 9112, section 7; whatever else is named there is ignored."""
_NO_TEXT = bytes(set(range(32)) - set(b"\t\n\f\r"))
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})")
_CHARSET = re.compile(r"""charset\s*=[\s"']*([^\s;"']+)""", re.IGNORECASE)


class Response(NamedTuple):
    """`body` still has its transfer and content codings."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Content-Type without parameters, in lower case; "" if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The charset parameter of Content-Type, as written."""
        match = _CHARSET.search(self.headers.get("content-type", ""))
        return match[1] if match else None


def parse(data: bytes) -> Response:
    """The response that `data` is. Raises ValueError if there is no status line, or no end of the header within
    HEADER_LIMIT."""
    status = _STATUS.match(data)
    if not status:
        raise ValueError("no HTTP status line")
    block, start = warc.split_header(data, HEADER_LIMIT)
    headers = warc.headers(block, "latin-1")
    for name in _CODINGS:  # a list, which may be spread over several lines (RFC 9110, section 5.3)
        headers[name.decode()] = ",".join(line.decode("latin-1") for line in _lines_of(block, name))
    return Response(int(status[1]), headers, data[start:])


def _named(header: str) -> list[str]:
    """The codings that a header names."""
    return [coding.strip() for coding in header.lower().split(",") if coding.strip()]


def _lines_of(block: bytes, name: bytes) -> list[bytes]:
    """Values of the lines of a header that have this name."""
    found = (line.partition(b":") for line in block.split(b"\n"))
    return [value.strip() for key, _, value in found if key.strip().lower() == name]


def content(response: Response, limit: int) -> bytes:
    """The body with its codings undone. Raises ValueError for an unknown or corrupt coding, and where more than
    `limit` bytes come out; no more than about that are ever held."""
    body = response.body
    codings = _named(response.headers.get("content-encoding", ""))
    codings += [
        coding for coding in _named(response.headers.get("transfer-encoding", "")) if coding in TRANSFER_CODINGS
    ]
    if len(codings) > MOST_CODINGS:
        raise ValueError(f"{len(codings)} content codings, above the limit of {MOST_CODINGS}")
    for coding in reversed(codings):
        body = dechunk(body) if coding == "chunked" else _decode(body, coding, limit)
    if len(body) > limit:
        raise ValueError(f"a body of more than {limit} bytes (read.max_record_bytes)")
    return body


def dechunk(data: bytes) -> bytes:
    """A chunked body (RFC 9112, section 7.1) put together; `data` itself if it does not begin
    with a chunk. What follows a broken chunk is left out."""
    body = np.empty(len(data), np.uint8)
    size = _dechunk(np.frombuffer(data, np.uint8), body)
    return body[:size].tobytes() if size >= 0 else data


@numba.njit(cache=True, nogil=True)
def _dechunk(data, body):
    """Put the content of the chunks in `data` into `body`; how many bytes they are, or -1 if there is no chunk."""
    size, at, chunks = 0, 0, 0
    while True:
        length, start = _chunk_head(data, at)
        if length < 0:
            return size if chunks else -1
        chunks += 1
        end = min(start + length, len(data))
        body[size : size + end - start] = data[start:end]
        size += end - start
        if end == start:
            return size
        at = end
        if at + 1 < len(data) and data[at] == 0x0D and data[at + 1] == 0x0A:
            at += 2
        elif at < len(data) and data[at] == 0x0A:
            at += 1


@numba.njit(cache=True, nogil=True)
def _chunk_head(data, at):
    """(length of the chunk whose first line begins at `at`, where its content begins): blanks, one to sixteen
    hexadecimal digits, blanks, an extension after a semicolon, the end of the line. Length -1 if that is not there."""
    at = _past_blanks(data, at)
    length, digits = 0, 0
    while at < len(data) and digits < 16:
        byte = data[at]
        if 0x30 <= byte <= 0x39:
            value = byte - 0x30
        elif 0x41 <= (byte & 0xDF) <= 0x46:
            value = (byte & 0xDF) - 0x37
        else:
            break
        length = min(length * 16 + value, 1 << 40)
        digits += 1
        at += 1
    at = _past_blanks(data, at)
    if at < len(data) and data[at] == 0x3B:
        while at < len(data) and data[at] != 0x0D and data[at] != 0x0A:
            at += 1
    if at < len(data) and data[at] == 0x0D:
        at += 1
    if digits == 0 or at >= len(data) or data[at] != 0x0A:
        return -1, at
    return length, at + 1


@numba.njit(cache=True, nogil=True)
def _past_blanks(data, at):
    while at < len(data) and (data[at] == 0x20 or data[at] == 0x09):
        at += 1
    return at


def _decode(data: bytes, coding: str, limit: int) -> bytes:
    """`data` without a coding; at most about `limit` + BLOCK bytes."""
    if _is_markup(data[:1024]):
        return data  # the coding has been undone already
    if coding in ("gzip", "x-gzip"):
        return _gathered(_inflated(data, 31), limit, coding) if data[:2] == GZIP_MAGIC else data
    if coding == "deflate":  # zlib by the standard, bare deflate in fact
        zlib_header = len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return _gathered(_inflated(data, 15 if zlib_header else -15), limit, coding)
    if coding == "br":
        return _gathered(_unbrotlied(data), limit, coding)
    if coding == "zstd" and data[:4] == b"\x28\xb5\x2f\xfd":
        return _gathered(_unzstd(data), limit, coding)
    if coding in ("", "identity", "zstd", "none", "utf-8"):
        return data
    raise ValueError(f"unknown content coding {coding!r}")


def _is_markup(head: bytes) -> bool:
    return b"<" in head and len(head.translate(None, _NO_TEXT)) == len(head)


def _gathered(pieces: Iterator[bytes], limit: int, coding: str) -> bytes:
    """What a decoder gives, up to a little more than `limit`, and what there is of a body that breaks. Raises
    ValueError if that is nothing."""
    found, size = [], 0
    try:
        for piece in pieces:
            found.append(piece)
            size += len(piece)
            if size > limit:
                break
    except (zlib.error, zstandard.ZstdError, brotli.error) as error:
        if not size:
            raise ValueError(f"corrupt {coding} body: {error}") from error
    return b"".join(found)


def _inflated(data: bytes, wbits: int) -> Iterator[bytes]:
    while data:
        decompressor = zlib.decompressobj(wbits)
        while not decompressor.eof and (piece := decompressor.decompress(data, BLOCK)):
            yield piece
            data = decompressor.unconsumed_tail
        data = decompressor.unused_data if decompressor.unused_data[:2] == GZIP_MAGIC else b""  # the next member


def _unbrotlied(data: bytes) -> Iterator[bytes]:
    decompressor = brotli.Decompressor()
    while not decompressor.is_finished() and (piece := decompressor.process(data, output_buffer_limit=BLOCK)):
        yield piece
        data = b""


def _unzstd(data: bytes) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
    while piece := reader.read(BLOCK):
        yield piece
