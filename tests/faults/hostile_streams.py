"""gzip and zstd streams that lie about themselves, or make a reader work for nothing.

Each stands between two good members (frames), which must come out whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import bombs
import zstandard
from bombs import zstd_block, zstd_frame_header
from clean_files import bgzf_member, gzip_member, skippable_frame, zstd_frame

END = b"\r\n\r\n"
"""Ends a line of JSON and a WARC record alike."""
PIECE = 64 << 10
"""Readers tend to read compressed files in pieces of a power of two."""


class Stream(NamedTuple):
    """Bytes between good members of `kind`; `refused`: something of them must be quarantined. `last`:
    nothing can follow. `hopeless`: they seem to begin a member at so many places that a reader may give up
    what follows them, though not in silence."""

    kind: str
    make: Callable[[], bytes]
    refused: bool = True
    last: bool = False
    hopeless: bool = False


def gzip_header(flags: int, extra: bytes = b"") -> bytes:
    """RFC 1952, section 2.3; `extra` is what the flags say follows."""
    return b"\x1f\x8b\x08" + bytes([flags]) + bytes(5) + b"\xff" + extra


def _member(flags: int, extra: bytes, content: bytes = b"{}" + END) -> bytes:
    """A member with further fields in its header."""
    return gzip_header(flags, extra) + gzip_member(0, content)[10:]


def gzip_chain(count: int, filler: bytes) -> bytes:
    """`count` members one within the other, each of which a reader that begins there can follow to the
    end, through stored blocks that hold the header of the next, and then through a bomb without its
    checksum: following each of them takes time as `count` times the bomb."""
    link = gzip_header(0)
    inner = filler + link
    stored = b"\x00" + len(inner).to_bytes(2, "little") + (len(inner) ^ 0xFFFF).to_bytes(2, "little")
    return link + (stored + inner) * count + bombs.gzip_bomb(64 << 20, END, -15) + b"\xff" * 8


def zstd_chain(count: int, filler: bytes) -> bytes:
    """The same in raw blocks of zstd, with a reserved block at the end (RFC 8878, section 3.1.1.2.2)."""
    inner = filler + zstd_frame_header()
    zeros = zstd_block(1, bombs.RLE, b"\0") * 8192
    return (
        zstd_frame_header() + zstd_block(0, len(inner), inner) * count + zeros + zstd_block(3, 5, b"xxxxx", last=True)
    )


FAKE_RECORD = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 5\r\n\r\n"
FAKE_LINE = b'{"text": 1}\n'

GZIP = {
    "a bomb of 300 MB": Stream("gzip", lambda: bombs.gzip_bomb(304 << 20, END)),
    "a bomb of 2 GB": Stream("gzip", lambda: bombs.gzip_bomb(2 << 30, END)),
    "a bomb without end": Stream("gzip", lambda: bombs.gzip_bomb(304 << 20)[:-9], last=True),
    "a bomb with a wrong checksum": Stream("gzip", lambda: bombs.gzip_bomb(304 << 20, END)[:-8] + bytes(8)),
    "a chain of members": Stream("gzip", lambda: gzip_chain(6_000, b"")),
    "a chain of records": Stream("gzip", lambda: gzip_chain(2_000, FAKE_RECORD)),
    "a chain of lines": Stream("gzip", lambda: gzip_chain(2_000, FAKE_LINE)),
    "empty members": Stream("gzip", lambda: gzip_member(0, b"") * 10_000, refused=False),
    "members of one byte": Stream("gzip", lambda: gzip_member(0, b"\n") * 10_000, refused=False),
    "empty blocks": Stream(
        "gzip", lambda: gzip_header(0) + b"\x00\x00\x00\xff\xff" * 50_000 + b"\x03\x00" + bytes(8), refused=False
    ),
    "stored blocks": Stream("gzip", lambda: _stored(b"[" * 100_000 + END)),
    "gzip in gzip": Stream("gzip", lambda: gzip_member(0, gzip_member(0, b"{}" + END) + END)),
    "headers": Stream("gzip", lambda: gzip_header(0) * 3_000),
    "too many headers": Stream("gzip", lambda: gzip_header(0) * 30_000, hopeless=True),
    "magic numbers": Stream("gzip", lambda: b"\x1f\x8b\x08" * 3_000),
    "too many magic numbers": Stream("gzip", lambda: b"\x1f\x8b\x08" * 100_000, hopeless=True),
    "a name without end": Stream("gzip", lambda: gzip_header(8, b"x" * 200_000)),
    "a comment without end": Stream("gzip", lambda: gzip_header(16, b"x" * 200_000), last=True),
    "an extra field beyond the file": Stream("gzip", lambda: gzip_header(4, b"\xff\xff"), last=True),
    "all reserved flags": Stream("gzip", lambda: gzip_header(0xE0) + gzip_member(0, b"x")[10:]),
    "a wrong header checksum": Stream(
        "gzip", lambda: _member(2, b"\0\0"), refused=False
    ),  # zlib, and gzip itself, differ
    "another method than deflate": Stream("gzip", lambda: b"\x1f\x8b\x07" + gzip_member(0, b"x")[3:]),
    "a distance too far": Stream("gzip", lambda: gzip_header(0) + b"\x63\x00\x02\x00\xff" + bytes(20)),
    "a header at the end of the file": Stream("gzip", lambda: gzip_header(0), last=True),
    "a magic number at the end of the file": Stream("gzip", lambda: b"\x1f\x8b", last=True),
    "zeros at the end of the file": Stream("gzip", lambda: bytes(200_000), refused=False, last=True),
}

ZSTD = {
    "a bomb of 300 MB": Stream("zstd", lambda: bombs.zstd_bomb(304 << 20, END)),
    "a bomb of 4 GB": Stream("zstd", lambda: bombs.zstd_bomb(4 << 30, END)),
    "a bomb without end": Stream("zstd", lambda: bombs.zstd_bomb(304 << 20)[:-3], last=True),
    "a bomb of 3 GB in a window of 2 GB": Stream("zstd", lambda: bombs.zstd_bomb(3 << 30, END, window_log=31)),
    "a bomb of 1 GB in a window of 1 GB": Stream("zstd", lambda: bombs.zstd_bomb(1 << 30, END, window_log=30)),
    "a bomb of 1.9 GB in one segment": Stream(
        "zstd", lambda: bombs.zstd_bomb(1900 << 20, END, single=True, content_size=(1900 << 20) + len(END))
    ),
    "a window of 2 GB": Stream("zstd", lambda: bombs.zstd_bomb(0, b"{" + END, window_log=31)),
    "windows of 128 MB": Stream("zstd", lambda: bombs.zstd_bomb(0, b"{" + END, window_log=27) * 300),
    "a window of 2 TB": Stream("zstd", lambda: bombs.zstd_bomb(0, END, window_log=41)),
    "a claimed exabyte": Stream("zstd", lambda: bombs.zstd_bomb(0, END, content_size=1 << 60)),
    "a claimed exabyte in one segment": Stream(
        "zstd", lambda: bombs.zstd_bomb(0, END, single=True, content_size=1 << 60)
    ),
    "a claimed size too small": Stream("zstd", lambda: bombs.zstd_bomb(bombs.RLE, END, content_size=5)),
    "a dictionary": Stream("zstd", lambda: bombs.zstd_bomb(0, b"{" + END, dictionary=7)),
    "a reserved block": Stream("zstd", lambda: zstd_frame_header() + zstd_block(3, 5, b"hello", last=True)),
    "a block of 2 MB": Stream("zstd", lambda: zstd_frame_header(22) + zstd_block(1, (1 << 21) - 1, b"x", last=True)),
    "a block beyond the file": Stream(
        "zstd", lambda: zstd_frame_header() + zstd_block(0, 100_000, b"hello"), last=True
    ),
    "a chain of frames": Stream("zstd", lambda: zstd_chain(6_000, b"")),
    "a chain of records": Stream("zstd", lambda: zstd_chain(2_000, FAKE_RECORD)),
    "a chain of lines": Stream("zstd", lambda: zstd_chain(2_000, FAKE_LINE)),
    "empty frames": Stream("zstd", lambda: zstandard.compress(b"") * 20_000, refused=False),
    "frames of one byte": Stream("zstd", lambda: zstandard.compress(b"\n") * 20_000, refused=False),
    "empty blocks": Stream(
        "zstd",
        lambda: zstd_frame_header() + zstd_block(0, 0, b"") * 80_000 + zstd_block(0, 0, b"", True),
        refused=False,
    ),
    "skippable frames": Stream("zstd", lambda: b"".join(map(skippable_frame, range(20_000))), refused=False),
    "empty skippable frames": Stream("zstd", lambda: b"\x5f\x2a\x4d\x18\0\0\0\0" * 30_000, refused=False),
    "a long skippable frame": Stream(
        "zstd", lambda: b"\x50\x2a\x4d\x18" + (200_000).to_bytes(4, "little") + bytes(200_000), refused=False
    ),
    "a skippable frame of magic numbers": Stream(
        "zstd",
        lambda: b"\x50\x2a\x4d\x18" + (80_000).to_bytes(4, "little") + b"\x28\xb5\x2f\xfd" * 20_000,
        refused=False,
    ),
    "a skippable frame beyond the file": Stream(
        "zstd", lambda: b"\x50\x2a\x4d\x18\xff\xff\xff\xff" + bytes(9), refused=False, last=True
    ),
    "headers": Stream("zstd", lambda: zstd_frame_header() * 3_000),
    "too many headers": Stream("zstd", lambda: zstd_frame_header() * 30_000, hopeless=True),
    "magic numbers": Stream("zstd", lambda: b"\x28\xb5\x2f\xfd" * 3_000),
    "too many magic numbers": Stream("zstd", lambda: b"\x28\xb5\x2f\xfd" * 60_000, hopeless=True),
    "an old version's frame": Stream("zstd", lambda: b"\x22\xb5\x2f\xfd" + bytes(500)),
    "a header at the end of the file": Stream("zstd", zstd_frame_header, last=True),
    "a magic number at the end of the file": Stream("zstd", lambda: b"\x28\xb5\x2f", last=True),
}


def _stored(content: bytes) -> bytes:
    compressor = zlib.compressobj(0, wbits=31)
    return compressor.compress(content) + compressor.flush()


STREAMS: dict[str, Stream] = {
    **{f"gzip: {name}": stream for name, stream in GZIP.items()},
    **{f"zstd: {name}": stream for name, stream in ZSTD.items()},
}


# Unusual, but sound: everything must come out


def _ends_at(end: int) -> Callable[[int, bytes], bytes]:
    """Members whose ends lie around the ends of the pieces a file is read in, by a padded header."""

    def pack(number: int, content: bytes) -> bytes:
        size = PIECE + (end if number == 0 else (1, -1, 3, -3, 9, -9, 0)[number % 7])
        bare = len(gzip_member(0, content))
        return _member(4, (size - bare - 2).to_bytes(2, "little") + bytes(size - bare - 2), content)

    return pack


def _zstd_ends_at(end: int) -> Callable[[int, bytes], bytes]:
    def pack(number: int, content: bytes) -> bytes:
        frame = zstandard.compress(content)
        size = PIECE + (end if number == 0 else (1, -1, 3, -3, 9, -9, 0)[number % 7]) - len(frame) - 8
        return b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size) + frame

    return pack


def _all_fields(number: int, content: bytes) -> bytes:
    """With an extra field, a name, a comment and a checksum of the header."""
    head = gzip_header(31, (4).to_bytes(2, "little") + b"AB\0\0" + b"name\0" + b"comment\0")
    return head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + gzip_member(0, content)[10:]


def _flushed(number: int, content: bytes) -> bytes:
    """As servers write logs: a flush every hundred bytes."""
    compressor = zlib.compressobj(wbits=31)
    pieces = (content[start : start + 100] for start in range(0, len(content), 100))
    return (
        b"".join(compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH) for piece in pieces)
        + compressor.flush()
    )


def _zstd_options(**options) -> Callable[[int, bytes], bytes]:
    return lambda number, content: zstandard.ZstdCompressor(**options).compress(content)


def _long_distance(number: int, content: bytes) -> bytes:
    """As `zstd --long=27` writes: a window of 128 MiB, the most that zstd itself takes without being asked."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True, write_checksum=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(content) + compressor.flush()


WRAPPERS: dict[str, tuple[str, Callable[[int, bytes], bytes]]] = {
    "gzip: all header fields": ("gzip", _all_fields),
    "gzip: flushed": ("gzip", _flushed),
    "gzip: stored": ("gzip", lambda number, content: _stored(content)),
    "gzip: bgzf and its end": ("gzip", lambda number, content: bgzf_member(0, content) + bgzf_member(0, b"")),
    **{f"gzip: member ends at 64 KiB {end:+}": ("gzip", _ends_at(end)) for end in (-10, -8, -4, -1, 0, 1, 2, 5)},
    **{f"zstd: frame ends at 64 KiB {end:+}": ("zstd", _zstd_ends_at(end)) for end in (-5, -3, 0, 1, 3, 5)},
    "zstd: best": ("zstd", _zstd_options(level=19, write_checksum=True)),
    "zstd: long distances": ("zstd", _long_distance),
    "zstd: bare": ("zstd", zstd_frame(checksum=False, size=False)),
}

SIZES = (PIECE, 1 << 20, 2 << 20, 3 << 20)
"""Content of a member, in bytes: a decoder that puts out so much at a time has nothing more to put out,
and must not wait for it."""
