"""HTTP responses as crawlers store them: status, headers, and the body without its codings.

Lenient where crawls are: line feeds alone end header lines, a coding that the header names but
the body does not have (Common Crawl and others remove it and keep the header) is ignored, and a
coded body that ends early gives what there is of it.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import zstandard

from corpus.io import warc

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s;"']+)""", re.IGNORECASE)


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
    """The response that `data` is. Raises ValueError if there is no status line."""
    status = _STATUS.match(data)
    if not status:
        raise ValueError("no HTTP status line")
    block, start = warc.split_header(data)
    return Response(int(status[1]), warc.headers(block, "latin-1"), data[start:])


def content(response: Response, limit: int) -> bytes:
    """The body with its codings undone, at most `limit` + 1 bytes of it. Raises ValueError for
    an unknown or corrupt coding."""
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = dechunk(body)
    codings = response.headers.get("content-encoding", "").lower().split(",")
    for coding in reversed(codings):
        body = _decode(body, coding.strip(), limit)
    return body[: limit + 1]


def dechunk(data: bytes) -> bytes:
    """A chunked body (RFC 9112, section 7.1) put together; `data` itself if it does not begin
    with a chunk. What follows a broken chunk is left out."""
    pieces, offset = [], 0
    while size := _CHUNK_SIZE.match(data, offset):
        start = size.end()
        end = start + int(size[1], 16)
        pieces.append(data[start:end])
        if end == start:
            break
        offset = end + 2 if data[end : end + 2] == b"\r\n" else end + (data[end : end + 1] == b"\n")
    return b"".join(pieces) if pieces else data


def _decode(data: bytes, coding: str, limit: int) -> bytes:
    if data[:64].lstrip()[:1] == b"<":
        return data  # markup: the coding has been undone already
    if coding in ("gzip", "x-gzip"):
        return _inflate(data, 31, limit) if data[:2] == b"\x1f\x8b" else data
    if coding == "deflate":  # zlib by the standard, bare deflate in fact
        zlib_header = len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return _inflate(data, 15 if zlib_header else -15, limit)
    if coding == "br":
        return _unbrotli(data, limit)
    if coding == "zstd" and data[:4] == b"\x28\xb5\x2f\xfd":
        try:
            return zstandard.ZstdDecompressor().stream_reader(data).read(limit + 1)
        except zstandard.ZstdError as error:
            raise ValueError(f"corrupt zstd body: {error}") from error
    if coding in ("", "identity", "zstd", "none", "utf-8"):
        return data
    raise ValueError(f"unknown content coding {coding!r}")


def _inflate(data: bytes, wbits: int, limit: int) -> bytes:
    decompressor = zlib.decompressobj(wbits)
    pieces, size = [], 0
    try:
        while data and size <= limit and not decompressor.eof:
            pieces.append(decompressor.decompress(data, 1 << 16))
            size += len(pieces[-1])
            data = decompressor.unconsumed_tail
    except zlib.error as error:
        if not size:
            raise ValueError(f"corrupt body: {error}") from error
    return b"".join(pieces)


def _unbrotli(data: bytes, limit: int) -> bytes:
    try:
        import brotli  # optional
    except ImportError:
        raise ValueError("content coding br needs the package brotli") from None
    decompressor = brotli.Decompressor()
    pieces, size = [], 0
    try:
        for start in range(0, len(data), 4096):
            pieces.append(decompressor.process(data[start : start + 4096]))
            size += len(pieces[-1])
            if size > limit:
                break
    except brotli.error as error:
        if not size:
            raise ValueError(f"corrupt brotli body: {error}") from error
    return b"".join(pieces)
