"""Compressed data that are small and decode to much, made without ever holding what they decode to.

Long content is written as *runs*: pairs of a piece and how often it is repeated.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import brotli
import zstandard

Runs = Iterable[tuple[bytes, int]]

STEP = 16 << 20
"""Bytes of content behind one copy of the repeated piece of a bomb."""
RLE = 128 << 10
"""Bytes of content of a zstd block at most (RFC 8878, section 3.1.1.2.4)."""


def size_of(runs: Runs) -> int:
    return sum(len(piece) * count for piece, count in runs)


def blocks(runs: Runs) -> Iterator[bytes]:
    """The content in blocks of about a megabyte."""
    for piece, count in runs:
        each = max(1, min(count, (1 << 20) // max(1, len(piece))))
        for start in range(0, count, each):
            yield piece * min(each, count - start)


def join(runs: Runs) -> bytes:
    return b"".join(blocks(runs))


def gzip_of(runs: Runs, wbits: int = 31) -> bytes:
    """One gzip member; with `wbits` 15 a zlib stream, with -15 bare deflate."""
    compressor = zlib.compressobj(9, wbits=wbits)
    return b"".join(map(compressor.compress, blocks(runs))) + compressor.flush()


def zstd_of(runs: Runs) -> bytes:
    """One frame, without its size, and with a checksum."""
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return b"".join(map(compressor.compress, blocks(runs))) + compressor.flush()


def brotli_of(runs: Runs) -> bytes:
    compressor = brotli.Compressor(quality=5)
    return b"".join(map(compressor.process, blocks(runs))) + compressor.finish()


def gzip_bomb(size: int, tail: bytes = b"", wbits: int = 31) -> bytes:
    """`size` zeros (whole steps) and `tail`, with a true checksum: after a full flush equal input gives
    equal output, which need only be made once."""
    compressor = zlib.compressobj(9, wbits=-15)
    step = compressor.compress(bytes(STEP)) + compressor.flush(zlib.Z_FULL_FLUSH)
    body = step * (size // STEP) + compressor.compress(tail) + compressor.flush()
    if wbits == -15:
        return body
    checksum = zlib.adler32 if wbits == 15 else zlib.crc32
    value = checksum(b"")
    for block in [*blocks([(bytes(1 << 20), size >> 20)]), tail]:
        value = checksum(block, value)
    if wbits == 15:
        return b"\x78\xda" + body + value.to_bytes(4, "big")
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + body + value.to_bytes(4, "little") + ((size + len(tail)) & 0xFFFFFFFF).to_bytes(4, "little")


def brotli_bomb(size: int, tail: bytes = b"") -> bytes:
    """The same by flushes of brotli: the second megabytes of zeros are coded as the third."""
    compressor = brotli.Compressor(quality=5)
    first, step = (compressor.process(bytes(STEP)) + compressor.flush() for _ in range(2))
    last = compressor.process(tail) + compressor.finish()
    return first + step * (size // STEP - 1) + last


def zstd_frame_header(
    window_log: int = 17, content_size: int | None = None, single: bool = False, dictionary: int = 0
) -> bytes:
    """Magic and Frame_Header (RFC 8878, section 3.1.1.1), without a checksum at the end of the frame."""
    descriptor = (0xC0 if content_size is not None else 0) | (0x20 if single else 0) | (3 if dictionary else 0)
    header = b"\x28\xb5\x2f\xfd" + bytes([descriptor])
    if not single:
        header += bytes([(window_log - 10) << 3])
    if dictionary:
        header += dictionary.to_bytes(4, "little")
    return header + (b"" if content_size is None else content_size.to_bytes(8, "little"))


def zstd_block(kind: int, size: int, data: bytes, last: bool = False) -> bytes:
    """A block (RFC 8878, section 3.1.1.2) of kind 0 (raw), 1 (RLE), 2 (compressed) or 3 (reserved)."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + data


def zstd_bomb(size: int, tail: bytes = b"", **header) -> bytes:
    """`size` zeros (whole RLE blocks) and `tail`."""
    zeros = zstd_block(1, RLE, b"\0") * (size // RLE)
    return zstd_frame_header(**header) + zeros + zstd_block(0, len(tail), tail, last=True)
