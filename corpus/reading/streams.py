"""Bytes of plain, gzip, zstd, bzip2 and xz files, a bounded piece at a time, with damage reported in place.

Two kinds of trouble are kept apart. What the storage reports (a lost connection, a missing
file) is raised: the task should be tried again. What the bytes themselves show (a bad
checksum, a stream that ends early) comes as `Damage` among the `Chunk`s: trying again would
not help, and what stands before and after it is good. After damage reading goes on at the next
gzip member, zstd frame, bzip2 or xz stream that decodes.

No call puts out more than `BLOCK` bytes, whatever a file claims: zlib, bzip2 and xz are given a limit, and zstd
one block at a time, which holds at most 128 KiB (RFC 8878, section 3.1.1.2.4).
"""

from __future__ import annotations

import bz2
import collections
import lzma
import math
import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import zstandard

from corpus.documents import PREFIX_BYTES as PREFIX
from corpus.io import metered, paths

PIECE = 64 << 10
"""Compressed bytes handed to zlib at a time: small, because at the end of each gzip member (one a
record in a WARC file) the rest of the piece is copied."""
BLOCK = 1 << 20
"""Bytes read at a time from a plain file, and the most in a chunk."""
LOOK_BACK = 1 << 20
"""Damage shows a little after the place where it is: how far before that the next member is looked for."""
DECODED_AGAIN = 256 << 20
"""Decoded bytes of a file, all its damages together, that may be for nothing because of LOOK_BACK, or in members that
turn out to be none after TRIAL bytes: a hostile file must not cost the square of its size."""
SALVAGED = 1 << 10
"""Bytes before an error that zlib may take with it."""
TRIALS = 1_000_000
"""Work in a file on places that look like the beginning of a member and are none, in blocks of zstd; then what is
left of the file is given up."""
A_PLACE, A_PIECE = 10, 50
"""How many blocks of zstd a place costs by itself, and a piece of gzip."""
TRIAL = 64 << 10
"""Decoded bytes by which a member is told from bytes that look like the beginning of one; more, as long as there
are bytes left of DECODED_AGAIN, where they are not plausible: a member can begin within a long record."""
TRIAL_BLOCKS = 64
"""The same in blocks of zstd, where they are small: a chain of frames within frames must not cost its square."""
A_BLOCK = 4 << 10
"""Decoded bytes that a block of zstd counts for beyond TRIAL_BLOCKS."""
OVERLAP = 64
"""Bytes of a piece of content that are seen again with the next, by `plausible`."""
PADDING = 128 << 10
"""Zeros at the end of a file that are taken for padding."""
DICTIONARY = 16 << 20
"""Bytes of a dictionary at most; those of zstd's own training have 110 KiB."""
DICTIONARIES = 32
"""Dictionaries that are taken of a file, which may be several put together; DICTIONARY holds for their sum, too."""

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BZIP2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zX"
DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
"""Of the skippable frame that holds a dictionary."""
DICTIONARY_BEGINS = (b"\x37\xa4\x30\xec", ZSTD_MAGIC)
"""How a dictionary begins, as it is and compressed; a file may begin with one of any other bytes."""
MAGICS = {
    "gzip": (GZIP_MAGIC,),
    "zstd": (ZSTD_MAGIC, DICTIONARY_MAGIC),
    "bzip2": (BZIP2_MAGIC,),
    "xz": (XZ_MAGIC,),
}
"""How a member begins, in at most four bytes."""
XZ_MEMORY = 16 << 20
"""What xz takes beside its dictionary, which is bounded as a window of zstd is."""
ZSTD_HEADER = 18
ZSTD_BLOCK = 128 << 10
ZSTD_WINDOW = 128 << 20
"""The largest window that the zstd command reads unless told otherwise."""
MOST_WINDOW = (1 << 31) - 1
"""The largest that may be allowed here, as the most of read.max_record_bytes."""


class Chunk(NamedTuple):
    """Decompressed bytes; the offset in the file of the gzip member or zstd frame they are of (0 in a plain
    file); and how far in the file reading had come when they were complete."""

    data: bytes
    member: int
    end: int


class Damage(NamedTuple):
    """Bytes `start` to `end` of the file, as they lie on disk, that give no content, or content that a checksum
    proves wrong; the member in which that begins; why; and the first of them. The chunk after it does not continue
    the one before."""

    member: int
    start: int
    end: int
    error: str
    raw: bytes


class Lost:
    """Accounts for the bytes of a file that are lost, none of them twice: where damage shows late, what is read of it
    is at fault first, and then the damage as a whole."""

    def __init__(self) -> None:
        self._bytes = 0

    def with_fault(self, start: int, end: int) -> int:
        """How many bytes are lost with a fault that is about these."""
        size = max(0, min(end - start, end - self._bytes))
        self._bytes += size
        return size


class Corrupt(Exception):
    """A member that cannot be decoded on; `whole` if all of it is lost, or in doubt, since its checksum fails."""

    def __init__(self, reason: str, whole: bool = False):
        super().__init__(reason)
        self.whole = whole


class _Ended(Corrupt):
    """The file ends inside a member."""

    def __init__(self) -> None:
        super().__init__("the file ends inside it")


def compression(path: str) -> str | None:
    """ "gzip", "zstd", "bzip2", "xz" or None, by suffix."""
    name = paths.without_options(path).lower()
    return next((kind for suffix, kind in COMPRESSIONS.items() if name.endswith(suffix)), None)


def chunks(
    path: str,
    start: int = 0,
    plausible: Callable[[bytes], bool] | None = None,
    limit: int = ZSTD_WINDOW,
    hold: int = 0,
    first: int | None = None,
) -> Iterator[Chunk | Damage]:
    """The content of a file, from byte `start` if it is plain; `first`: bytes of a plain one that are read before all
    others, where no more may be needed.

    `plausible` says of some bytes of a member's content whether reading may go on with that member after damage. A
    member that decodes to no more than `hold` bytes is held back until its checksum is known to be
    right, and given up if it is not, unless it is all there is; of a longer one it shows too late. A zstd frame whose
    window is above `limit`, and above what zstd itself allows, is damage. Raises OSError when the storage does.
    """
    kind = compression(path)
    with paths.open_input(path) as file:
        if kind:
            for chunk in _Members(file, kind, plausible or (lambda data: True), max(limit, ZSTD_WINDOW), hold).chunks():
                metered.add(max(0, chunk.end - start))
                start = max(start, chunk.end)
                yield chunk
            return
        file.seek(start)
        size = min(first or BLOCK, BLOCK)
        while data := file.read(size):
            metered.add(len(data))
            start += len(data)
            size = BLOCK
            yield Chunk(data, 0, start)


def _salvaged(decompressor: zlib._Decompress, piece: bytes) -> bytes:
    """What comes out of zlib before the error that `piece` ends in, for `decompress` loses it."""
    found = []
    try:
        while piece:
            found.append(decompressor.decompress(piece, SALVAGED))
            piece = decompressor.unconsumed_tail
    except zlib.error:
        pass
    return b"".join(found)


class _Input:
    """A file read in pieces of any size."""

    def __init__(self, file: pa.NativeFile):
        self.file, self.tail, self.offset = file, b"", 0  # offset: of what comes next

    def seek(self, offset: int) -> None:
        self.file.seek(offset)
        self.tail, self.offset = b"", offset

    def piece(self) -> bytes:
        """Some bytes; none at the end."""
        piece = self.tail or self.file.read(PIECE)
        self.tail = b""
        self.offset += len(piece)
        return piece

    def give_back(self, rest: bytes) -> None:
        """Undo reading the end of the last piece."""
        self.tail = rest + self.tail
        self.offset -= len(rest)

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        if len(self.tail) < size:
            self.tail += self.file.read(max(size - len(self.tail), PIECE))
        taken, self.tail = self.tail[:size], self.tail[size:]
        self.offset += len(taken)
        return taken


class _Members:
    """The members of a compressed file: those that decode, and what lies between."""

    def __init__(self, file: pa.NativeFile, kind: str, plausible: Callable[[bytes], bool], window: int, hold: int):
        self.input, self.kind, self.plausible = _Input(file), kind, plausible
        self.window, self.hold = window, hold
        self.magic = re.compile(b"|".join(map(re.escape, MAGICS[kind])))
        self.size = file.size()
        self.zstd = zstandard.ZstdDecompressor(max_window_size=window)  # with the last dictionary, if there is one
        self.by_dictionary: dict[int, zstandard.ZstdDecompressor] = {}
        self.dictionaries, self.dictionary_bytes = DICTIONARIES, DICTIONARY  # that may be taken still
        self.trials, self.again = TRIALS, DECODED_AGAIN
        self.before = -1  # where the last member began
        self.lost = 0  # where the last damage ended
        self.ahead = 0  # bytes of the input that are read and not decoded yet
        self.noticed = 0  # where the bytes begin that the decoder was given last, once the member has any content
        self.work = 0  # in blocks of zstd
        self.blocks = math.inf  # of the frame at hand that may be read still

    def chunks(self) -> Iterator[Chunk | Damage]:
        while not self._at_end():
            start, held, size = self.input.offset, [], 0
            damage = None
            try:
                for data in self._content():
                    held.append(Chunk(data, start, self.input.offset - self.ahead))
                    size += len(data)
                    if size > self.hold:
                        yield from held
                        held = []
            except Corrupt as problem:
                damage = self._damage(start, problem, size)
                if problem.whole and (damage.start, damage.end) != (0, self.size):
                    held = []
            self.before = start
            yield from held
            if damage:
                yield damage

    def _content(self) -> Iterator[bytes]:
        """The content of the member that begins here, in pieces of at most BLOCK bytes. Raises Corrupt."""
        if self.kind == "bzip2":
            return self._steps(bz2.BZ2Decompressor())
        if self.kind == "xz":
            return self._steps(lzma.LZMADecompressor(lzma.FORMAT_XZ, self.window + XZ_MEMORY))
        return self._gzip() if self.kind == "gzip" else self._zstd()

    def _at_end(self) -> bool:
        """True at the end of the file, or where a few zeros pad it, as gzip allows; many are damage."""
        left = self.size - self.input.offset
        if left > PADDING:
            return False
        rest = self.input.take(left)
        self.input.give_back(rest)
        return not rest.strip(b"\0")

    def _gzip(self) -> Iterator[bytes]:
        decompressor, first, begun = zlib.decompressobj(wbits=31), True, False
        self.noticed, self.ahead = self.input.offset, 0
        while not decompressor.eof:
            at = self.input.offset
            piece = self.input.piece()
            if not piece:
                raise _Ended
            self.noticed = at if begun else self.noticed
            self.work += A_PIECE
            full = True
            while (piece or full) and not decompressor.eof:  # at the end unconsumed_tail keeps what is unused
                before = None if first else decompressor.copy()
                try:
                    data = decompressor.decompress(piece, BLOCK)
                except zlib.error as error:
                    yield from filter(None, [_salvaged(before or zlib.decompressobj(wbits=31), piece)])
                    sums = ("incorrect data check", "incorrect length check")
                    raise Corrupt(str(error), whole=str(error).endswith(sums)) from None
                piece, full, first = decompressor.unconsumed_tail, len(data) == BLOCK, False
                self.ahead = 0 if decompressor.eof else len(piece)
                if decompressor.eof:
                    self.input.give_back(decompressor.unused_data)
                if data:
                    begun = True
                    yield data

    def _steps(self, decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> Iterator[bytes]:
        """The content of a bzip2 or xz stream."""
        begun = False
        self.noticed, self.ahead = self.input.offset, 0
        while not decompressor.eof:
            at = self.input.offset
            piece = self.input.piece() if decompressor.needs_input else b""
            if not piece and decompressor.needs_input:
                raise _Ended
            self.noticed = at if begun else self.noticed
            self.work += A_PIECE
            try:
                data = decompressor.decompress(piece, BLOCK)
            except (OSError, lzma.LZMAError) as error:
                remedy = "; raise read.max_record_bytes" if "Memory usage limit" in str(error) else ""
                raise Corrupt(f"{error}{remedy}", whole=True) from None  # its checksums come behind what they are of
            if decompressor.eof:
                self.input.give_back(decompressor.unused_data)
            if data:
                begun = True
                yield data

    def _zstd(self) -> Iterator[bytes]:
        self.noticed, self.ahead = self.input.offset, 0
        header = self.input.take(ZSTD_HEADER)
        if header[1:4] == b"\x2a\x4d\x18" and header[0] >> 4 == 5:  # a skippable frame
            return self._skip(header)
        return self._blocks(header)

    def _skip(self, header: bytes) -> Iterator[bytes]:
        end = self.noticed + 8 + int.from_bytes(header[4:8], "little")
        if len(header) < 8 or end > self.size:
            raise _Ended
        self.input.seek(self.noticed + 8)
        if header.startswith(DICTIONARY_MAGIC) and (not self.noticed or header[8:12] in DICTIONARY_BEGINS):
            self._take_dictionary(self.input.take(min(end - self.input.offset, DICTIONARY)))
        self.input.seek(end)
        yield from ()

    def _take_dictionary(self, data: bytes) -> None:
        """Decode what follows with the dictionary that a .warc.zst file begins with, which may be compressed itself
        (IIPC, "Zstandard Compression for WARC Files 1.0"). Raises Corrupt."""
        if not self.dictionaries or not self.dictionary_bytes:
            return  # frames that need it are damage
        self.dictionaries -= 1
        try:
            if data.startswith(ZSTD_MAGIC):
                data = zstandard.ZstdDecompressor().stream_reader(data).read(self.dictionary_bytes)
            data = data[: self.dictionary_bytes]
            self.dictionary_bytes -= len(data)
            dictionary = zstandard.ZstdCompressionDict(data)
            self.zstd = zstandard.ZstdDecompressor(max_window_size=self.window, dict_data=dictionary)
            if dictionary.dict_id():  # frames can name it
                self.by_dictionary[dictionary.dict_id()] = self.zstd
        except zstandard.ZstdError as error:
            raise Corrupt(f"its dictionary: {error}") from None

    def _blocks(self, header: bytes) -> Iterator[bytes]:
        """The content of a frame, fed to zstd a block at a time, which bounds what comes out at a time."""
        try:
            frame = zstandard.get_frame_parameters(header)
            size = zstandard.frame_header_size(header)
        except zstandard.ZstdError as error:
            raise (
                Corrupt(str(error)) if len(header) >= 4 and not ZSTD_MAGIC.startswith(header) else _Ended()
            ) from None
        self.input.give_back(header[size:])
        if frame.window_size > self.window:
            self._past_blocks(frame.has_checksum)
            remedy = "; raise read.max_record_bytes" if frame.window_size <= MOST_WINDOW else ""
            raise Corrupt(f"its window of {frame.window_size} bytes is above the limit of {self.window}{remedy}", True)
        decompressor = self.by_dictionary.get(frame.dict_id, self.zstd).decompressobj()
        pending, waiting, begun = [self._decode(decompressor, header[:size])], 0, False
        while not decompressor.eof:
            try:
                at, block, last = self._block()
                self.noticed = at if begun else self.noticed
                data = self._decode(decompressor, block + (self.input.take(4) if last and frame.has_checksum else b""))
                if last and not decompressor.eof:
                    raise _Ended
            except Corrupt:
                self.ahead = self.input.offset - self.noticed
                yield from filter(None, [b"".join(pending)])
                raise
            begun = begun or bool(data)
            pending.append(data)
            waiting += len(data)
            if waiting > BLOCK - ZSTD_BLOCK or last:
                yield from filter(None, [b"".join(pending)])
                pending, waiting = [], 0

    def _block(self) -> tuple[int, bytes, bool]:
        """(where the next block begins, the block, whether it is its frame's last). Raises Corrupt."""
        at = self.input.offset
        self.work, self.blocks = self.work + 1, self.blocks - 1
        if self.blocks < 0:
            raise _Ended
        header = self.input.take(3)
        fields = int.from_bytes(header, "little")
        last, kind, size = fields & 1, fields >> 1 & 3, fields >> 3
        if kind == 3 or size > ZSTD_BLOCK:
            raise Corrupt("it holds a block of no known kind or size")
        content = self.input.take(1 if kind == 1 else size)
        if len(header) < 3 or len(content) < (1 if kind == 1 else size):
            raise _Ended
        return at, header + content, bool(last)

    def _past_blocks(self, checksum: bool) -> None:
        """Pass over the blocks of a frame that is not decoded, or not on. Raises Corrupt."""
        last = False
        while not last:
            _, _, last = self._block()
        self.input.take(4 * checksum)

    def _decode(self, decompressor: zstandard.ZstdDecompressionObj, data: bytes) -> bytes:
        try:
            return decompressor.decompress(data)
        except zstandard.ZstdError as error:
            raise Corrupt(str(error), whole="checksum" in str(error)) from None

    def _damage(self, start: int, problem: Corrupt, size: int) -> Damage:
        """What is lost of the member that begins at `start` and has given `size` bytes; the input is left at the next
        one."""
        noticed, ended = self.noticed, self.input.offset
        # a frame without a checksum may have eaten the head of this one
        begin = self.before if self.kind == "zstd" and not size else start
        first = max(start if problem.whole else noticed, start, self.lost)
        self.input.seek(first)
        raw = self.input.take(PREFIX)
        if problem.whole and self.kind == "zstd":  # its end is known
            self.input.seek(ended)
        else:
            self._find(max(begin + 1, noticed - LOOK_BACK if self.again > 0 else noticed))
        self.again -= size if self.input.offset < noticed else 0
        error = f"the {self.kind} stream that begins at byte {start} is corrupt from byte {first} on: {problem}"
        if problem.whole:
            error = f"the {self.kind} stream from byte {start} to {self.input.offset}: {problem}"
        self.lost = max(self.input.offset, first)
        return Damage(start, first, self.lost, error, raw)

    def _find(self, offset: int) -> None:
        """Go to the first member at or after `offset` that decodes, or dictionary, or to the end."""
        window, base = b"", offset  # base: offset of `window`
        while self.trials > 0:
            self.input.seek(base + len(window))
            piece = self.input.take(BLOCK)
            window += piece
            for found in self.magic.finditer(window):
                place, before = base + found.start(), self.work
                if self._sound(place):
                    self.input.seek(place)
                    return
                self.trials -= A_PLACE + self.work - before
                if self.trials <= 0:
                    break
            if not piece:
                break
            keep = len(window[-3:])
            window, base = window[-3:], base + len(window) - keep
        self.input.seek(self.size)

    def _sound(self, offset: int) -> bool:
        """Whether a dictionary begins here, or a member that decodes, for TRIAL bytes or to its end, to something
        plausible: if not yet in these bytes, then in further ones."""
        self.input.seek(offset)
        header = self.input.take(12)
        self.input.seek(offset)
        if header.startswith(DICTIONARY_MAGIC):
            return header[8:] in DICTIONARY_BEGINS and self._passes()
        spare = max(self.again, 0)
        self.blocks = blocks = TRIAL_BLOCKS + spare // A_BLOCK
        plausible, size, seen = False, 0, b""
        try:
            for piece in self._content():
                seen = seen[-OVERLAP:] + piece[: TRIAL + spare - size]
                size += len(piece)
                plausible = plausible or self.plausible(seen)
                if size >= (TRIAL if plausible else TRIAL + spare):
                    break
        except _Ended:
            pass
        except Corrupt:
            plausible = False
        used, self.blocks = blocks - self.blocks, math.inf
        if not plausible:
            self.again -= max(size - TRIAL, 0) + max(used - TRIAL_BLOCKS, 0) * A_BLOCK
        return plausible

    def _passes(self) -> bool:
        """Whether what begins here is whole."""
        try:
            collections.deque(self._content(), maxlen=0)
        except Corrupt:
            return False
        return True
