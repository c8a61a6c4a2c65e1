"""Megatron's indexed dataset, the file format of token shards.

`PREFIX.bin` holds the token ids of all sequences back to back, little-endian, with neither
header nor padding. `PREFIX.idx` is, little-endian and without alignment padding:

    offset    bytes     content
    0         9         MMIDIDX, 0, 0
    9         8         version, uint64: 1
    17        1         dtype code, uint8: see DTYPES
    18        8         S, uint64: sequences
    26        8         D + 1, uint64: documents plus one
    34        4 S       int32 tokens of each sequence
    34 +  4S  8 S       int64 byte offset of each sequence in .bin
    34 + 12S  8 (D+1)   int64 first sequence of each document, then S

after NVIDIA/Megatron-LM `megatron/core/datasets/indexed_dataset.py`. We write one sequence per
document, its end-of-document token inside; an empty document is legal. Or one per sentence, the end-of-document token
in the last of a document (`preprocess_data.py --split-sentences --append-eod`).
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Any

import numpy as np
import pyarrow as pa

from corpus.io import paths

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEADER_BYTES = 34
_HEADER = struct.Struct("<9sQBQQ")

DTYPES: dict[int, np.dtype] = {
    1: np.dtype("u1"),
    2: np.dtype("i1"),
    3: np.dtype("<i2"),
    4: np.dtype("<i4"),
    5: np.dtype("<i8"),
    8: np.dtype("<u2"),
}
"""Integer dtypes by code (6 and 7 are floats, which hold no tokens)."""
_CODES = {dtype: code for code, dtype in DTYPES.items()}

UINT16_BELOW = 65500
"""Vocabularies smaller than this are stored as uint16, others as int32 (`DType.optimal_dtype`)."""

_CHUNK = 1 << 20  # numbers converted at a time


def token_dtype(vocab_size: int) -> np.dtype:
    """dtype of stored token ids: uint16 below 65,500 entries, else int32."""
    return np.dtype("<u2" if vocab_size < UINT16_BELOW else "<i4")


def stored(tokens: np.ndarray, vocab_size: int, where: str = "") -> np.ndarray:
    """Ids (any integer dtype) as a shard stores them, contiguous. Raises ValueError for ids outside the vocabulary,
    with `where` at the beginning of its message."""
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise ValueError(f"{where}token ids {tokens.min()}..{tokens.max()} outside the vocabulary of {vocab_size}")
    return np.ascontiguousarray(tokens, token_dtype(vocab_size))


class ShardWriter:
    """Writes `PREFIX.bin` as documents come, and `PREFIX.idx` on `close`.

    Memory is bounded: the lengths wait in a temporary file. As a context manager it leaves no
    .idx behind when the block raises, so that a partial shard cannot be read.

    >>> import tempfile
    >>> import numpy as np
    >>> from corpus.tokens.megatron import IndexedDataset, ShardWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> with ShardWriter(folder.name + "/00000", vocab_size=100) as shard:
    ...     shard.add(np.array([11, 12, 0, 21, 0]), np.array([0, 3, 5]))
    >>> IndexedDataset(folder.name + "/00000")[1].tolist()
    [21, 0]
    """

    def __init__(self, prefix: str, vocab_size: int, open_output: Callable[[str], Any] = paths.open_output) -> None:
        """`prefix` is a path or URI without suffix; `open_output(name)` returns a binary file."""
        self.prefix = prefix
        self.vocab_size = vocab_size
        self.dtype = token_dtype(vocab_size)
        self.documents = 0
        self.sequences = 0
        self.tokens = 0
        self._open_output = open_output
        self._payload = open_output(paths.suffixed(prefix, ".bin"))
        self._lengths, self._counts = tempfile.TemporaryFile(), tempfile.TemporaryFile()

    def add(self, tokens: np.ndarray, offsets: np.ndarray, firsts: np.ndarray | None = None) -> None:
        """Append documents: document i is `tokens[offsets[i]:offsets[i + 1]]`; or, with `firsts`, the sequences
        firsts[i] to firsts[i + 1] of those that `offsets` bound.

        `tokens` is a one-dimensional array of any integer dtype, `offsets` int64[sequences + 1], `firsts`
        int64[documents + 1], from 0 to all sequences.
        Raises ValueError for ids outside the vocabulary, offsets that decrease or leave `tokens`, firsts that decrease
        or leave the sequences, and sequences longer than 2^31 - 1 tokens (lengths are int32).
        """
        offsets = np.asarray(offsets, np.int64)
        lengths = np.diff(offsets)
        counts = np.ones(len(lengths), np.int64) if firsts is None else np.diff(firsts)
        if firsts is not None and (counts.min(initial=0) < 0 or firsts[0] != 0 or firsts[-1] != len(lengths)):
            raise ValueError(f"{self.prefix}: first sequences must not decrease nor leave the sequences")
        self._counts.write(counts.astype("<i4").data)
        self.documents += len(counts)
        if len(lengths) == 0:
            return
        if lengths.min() < 0 or offsets[0] < 0 or offsets[-1] > len(tokens):
            raise ValueError(f"{self.prefix}: offsets must not decrease nor leave the tokens")
        if lengths.max() > np.iinfo(np.int32).max:
            raise ValueError(f"{self.prefix}: a document has more than 2^31 - 1 tokens")
        tokens = stored(np.asarray(tokens)[offsets[0] : offsets[-1]], self.vocab_size, f"{self.prefix}: ")
        self._payload.write(tokens.data)
        self._lengths.write(lengths.astype("<i4").data)
        self.sequences += len(lengths)
        self.tokens += len(tokens)

    def close(self) -> None:
        """Finish .bin and write .idx."""
        self._payload.close()
        with self._open_output(paths.suffixed(self.prefix, ".idx")) as index:
            code = _CODES[self.dtype]
            index.write(_HEADER.pack(MAGIC, VERSION, code, self.sequences, self.documents + 1))
            for lengths in _spilled(self._lengths):
                index.write(lengths.data)
            position = 0
            for lengths in _spilled(self._lengths):
                ends = position + np.cumsum(lengths, dtype="<i8") * self.dtype.itemsize
                index.write((ends - lengths.astype("<i8") * self.dtype.itemsize).data)
                position = ends[-1]
            index.write(bytes(8))
            sequence = 0
            for counts in _spilled(self._counts):
                lasts = sequence + np.cumsum(counts, dtype="<i8")
                index.write(lasts.data)
                sequence = lasts[-1]
        self._lengths.close()
        self._counts.close()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._payload.close()
            self._lengths.close()
            self._counts.close()


def _spilled(file: IO[bytes]) -> Iterator[np.ndarray]:
    """The numbers (int32) of a temporary file, _CHUNK at a time."""
    file.seek(0)
    while chunk := file.read(4 * _CHUNK):
        yield np.frombuffer(chunk, "<i4")


def read_header(name: str, header: bytes) -> tuple[np.dtype, int, int]:
    """(dtype, sequences, documents) from the first 34 bytes of the .idx file called `name`.
    Raises ValueError where they are not such a header."""
    if len(header) < HEADER_BYTES or header[:9] != MAGIC:
        raise ValueError(f"{name} is not a Megatron index: it does not begin with MMIDIDX")
    _, version, code, sequences, indices = _HEADER.unpack(header[:HEADER_BYTES])
    if version != VERSION:
        raise ValueError(f"{name} has version {version}; only {VERSION} is known")
    if code not in DTYPES:
        raise ValueError(f"{name} has dtype code {code}, which is not an integer type")
    if indices < 1:
        raise ValueError(f"{name} lists no documents, not even the final entry")
    return DTYPES[code], sequences, indices - 1


class Index:
    """What a .idx says, by a look at its header and its last entries.

    raw          its bytes
    halves       uint16 view of them behind the header, for kernels: the arrays there start at even but otherwise
                 unaligned bytes
    lengths      int32[sequences] tokens of each sequence, a view
    pointers     int64[sequences] where it begins in .bin, in bytes, a view
    firsts       int64[documents + 1] first sequence of each document, a view
    bin_bytes    size of its .bin
    """

    def __init__(self, raw: np.ndarray, prefix: str) -> None:
        """`raw` are the bytes of `PREFIX.idx`. Raises ValueError where they are none of an index."""
        self.raw = raw
        self.dtype, self.sequences, self.documents = read_header(prefix + ".idx", bytes(raw[:HEADER_BYTES]))
        at, count = HEADER_BYTES, self.sequences
        expected = at + 12 * count + 8 * (self.documents + 1)
        if len(raw) not in (expected, expected + count):  # with one mode byte a sequence: multimodal
            raise ValueError(
                f"{prefix}.idx has {len(raw)} bytes; its header implies {expected}: it was cut off or overwritten"
            )
        self.halves = raw[at : len(raw) & ~1].view("<u2")
        self.lengths = raw[at : at + 4 * count].view("<i4")
        self.pointers = raw[at + 4 * count : at + 12 * count].view("<i8")
        self.firsts = raw[at + 12 * count : expected].view("<i8")
        self.bin_bytes = int(self.pointers[-1]) + int(self.lengths[-1]) * self.dtype.itemsize if count else 0
        if self.firsts[0] != 0 or self.firsts[-1] != count:
            raise ValueError(f"{prefix}.idx: its documents do not cover all sequences")
        self._prefix = prefix

    def validate(self) -> None:
        """Check every entry of .idx in bounded memory: lengths not negative, sequences back to
        back, documents in order. Raises ValueError at the first that fails."""
        position = 0
        for first in range(0, self.sequences, _CHUNK):
            lengths = self.lengths[first : first + _CHUNK]
            if lengths.min() < 0:
                raise ValueError(f"{self._prefix}.idx: a sequence has a negative length")
            ends = position + np.cumsum(lengths, dtype=np.int64) * self.dtype.itemsize
            starts = np.concatenate([[position], ends[:-1]])
            wrong = np.flatnonzero(self.pointers[first : first + _CHUNK] != starts)
            if len(wrong):
                raise ValueError(
                    f"{self._prefix}.idx: sequence {first + wrong[0]} does not begin where the one before it ends"
                )
            position = int(ends[-1])
        for first in range(0, self.documents, _CHUNK):
            if np.diff(self.firsts[first : first + _CHUNK + 1]).min(initial=0) < 0:
                raise ValueError(f"{self._prefix}.idx: its documents are out of order")

    @property
    def document_offsets(self) -> np.ndarray:
        """int64[documents + 1], a copy: the tokens of document d are those from offsets[d] to offsets[d + 1]."""
        starts = np.append(self.pointers // self.dtype.itemsize, self.bin_bytes // self.dtype.itemsize)
        return starts[self.firsts].astype(np.int64)

    @property
    def document_lengths(self) -> np.ndarray:
        """int32[documents] tokens of each document, a copy. Raises ValueError beyond int32."""
        lengths = np.diff(self.document_offsets)
        if lengths.max(initial=0) > np.iinfo(np.int32).max:
            raise ValueError(f"{self._prefix}: a document has more than 2^31 - 1 tokens")
        return lengths.astype(np.int32)


def read_sentences(prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """(int32[sequences] tokens of each sequence, int64[documents + 1] first sequence of each document), as
    `read_document_lengths` reads them; copies."""
    index = Index(map_file(paths.suffixed(prefix, ".idx")), prefix)
    index.validate()
    return index.lengths.astype(np.int32), index.firsts.astype(np.int64)


def read_document_lengths(prefix: str) -> np.ndarray:
    """int32[documents] tokens of each document, by the .idx alone, all of which is checked. Raises ValueError where it
    is damaged, and beyond int32."""
    index = Index(map_file(paths.suffixed(prefix, ".idx")), prefix)
    index.validate()
    return index.document_lengths


class IndexedDataset:
    """A shard, memory-mapped (read whole where `prefix` is a URI).

    dtype        of the tokens
    tokens       every token of the shard, one array (read-only view)
    sequences, documents   their numbers; the same in shards that ShardWriter wrote
    raw_index    the bytes of .idx
    index        uint16 view of .idx behind its header, for kernels: the arrays there start at
                 even but otherwise unaligned bytes

    Opening costs the same for any number of documents; `validate=True` (the default) then checks
    all of .idx. Raises ValueError for files that do not belong together or are damaged,
    FileNotFoundError for missing ones.

    >>> import tempfile
    >>> import numpy as np
    >>> from corpus.tokens.megatron import IndexedDataset, ShardWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> with ShardWriter(folder.name + "/00000", vocab_size=100) as shard:
    ...     shard.add(np.array([11, 12, 0, 21, 0]), np.array([0, 3, 5]))
    >>> dataset = IndexedDataset(folder.name + "/00000")
    >>> dataset.dtype.name, dataset.documents, dataset.tokens.tolist()
    ('uint16', 2, [11, 12, 0, 21, 0])
    >>> dataset.document_lengths.tolist()
    [3, 2]
    """

    def __init__(self, prefix: str, validate: bool = True) -> None:
        self.prefix = prefix
        index = self._index = Index(map_file(paths.suffixed(prefix, ".idx")), prefix)
        self.dtype, self.sequences, self.documents = index.dtype, index.sequences, index.documents
        self.raw_index, self.index = index.raw, index.halves
        payload = map_file(paths.suffixed(prefix, ".bin"))
        if index.bin_bytes != len(payload):  # cut off, or swapped
            raise ValueError(f"{prefix}.bin has {len(payload)} bytes; {prefix}.idx expects {index.bin_bytes}")
        self.tokens = payload.view(self.dtype)
        if validate:
            self.validate()

    def validate(self) -> None:
        """Check every entry of .idx in bounded memory: lengths not negative, sequences back to
        back, documents in order. Raises ValueError at the first that fails."""
        self._index.validate()

    @property
    def lengths(self) -> np.ndarray:
        """int32[sequences], a view."""
        return self._index.lengths

    @property
    def document_offsets(self) -> np.ndarray:
        """int64[documents + 1], a copy: document d is `tokens[offsets[d]:offsets[d + 1]]`."""
        return self._index.document_offsets

    @property
    def document_lengths(self) -> np.ndarray:
        """int32[documents] tokens of each document, a copy. Raises ValueError beyond int32."""
        return self._index.document_lengths

    def __len__(self) -> int:
        return self.sequences

    def __getitem__(self, sequence: int) -> np.ndarray:
        """Tokens of one sequence, a read-only view. Raises IndexError."""
        if not -self.sequences <= sequence < self.sequences:
            raise IndexError(f"{self.prefix} has {self.sequences} sequences, not {sequence}")
        start = int(self._index.pointers[sequence]) // self.dtype.itemsize
        return self.tokens[start : start + int(self.lengths[sequence])]


def map_file(name: str) -> np.ndarray:
    """The bytes of a file: mapped if local (an empty file cannot be), else read. The map keeps no file open, so that a
    process may have as many as it likes."""
    if not paths.is_local(name):
        return np.frombuffer(paths.read_bytes(name), np.uint8)
    if os.path.getsize(name) == 0:
        return np.empty(0, np.uint8)
    with pa.memory_map(name) as file:
        return np.frombuffer(file.read_buffer(), np.uint8)
