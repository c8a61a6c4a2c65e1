"""Shards of documents on disk: Arrow IPC files between steps, Parquet for what is delivered.

With the same version of Arrow, the same batches give the same bytes: Parquet always, IPC if their
buffers are the same too (a slice can bring a few bytes beyond its end, as alignment)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from corpus.io import paths

PARQUET_LEVEL = 3
"""zstd's own default level."""
CHECKSUM, NOTE = b"xxh3_64", b"note"
"""Under these names a batch carries its checksum, and what else there is to say."""
MOST_RATIO = 256
"""lz4 cannot pack tighter."""
GATHERED_BYTES, GATHERED_BATCHES = 1 << 20, 4096
"""Batches smaller than that, in memory, are written together, until they have that or are so many."""
_ONE_THREAD = pa.ipc.IpcReadOptions(use_threads=False)
"""Tasks are what runs in parallel; handing a small batch to other threads costs more than reading it."""
_LONG = {"text", "raw", "id", "url"}
"""Columns for which a dictionary of values would be of no use."""


class ShardWriter:
    """Writes record batches to an Arrow IPC file with lz4 buffers. A context manager; the file
    is complete once closed. The schema is that of the first batch, unless it is given (a shard
    without batches needs one). With `checked` every batch carries a checksum, by which `checked_batch` knows it: for
    files of which readers read parts."""

    def __init__(self, path: str, schema: pa.Schema | None = None, checked: bool = False):
        self.path = path
        self.schema = schema
        self.checked = checked
        self._batches = 0
        self._sink = paths.open_output(path)
        self._writer = self._open(schema) if schema is not None else None

    def _open(self, schema: pa.Schema) -> pa.RecordBatchWriter:
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        return pa.ipc.new_file(self._sink, schema, options=options)

    def write(self, batch: pa.RecordBatch, note: bytes = b"") -> None:
        """Append a batch; where they are checked, with a note. Raises ValueError if its schema differs from the
        shard's."""
        if self._writer is None:
            self._writer = self._open(batch.schema)
        checksum = {CHECKSUM: _checksum(batch, self._batches, note)} if self.checked else None
        self._writer.write_batch(batch, custom_metadata=checksum and {**checksum, NOTE: note} if note else checksum)
        self._batches += 1

    def close(self) -> None:
        """Complete the file. Raises ValueError if it has neither batches nor a schema."""
        if self._sink.closed:
            return
        if self._writer is None:
            self._sink.close()
            raise ValueError(f"shard {self.path} has no batches and no schema")
        self._writer.close()
        self._sink.close()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._sink.close()


def _checksum(batch: pa.RecordBatch, index: int, note: bytes = b"") -> bytes:
    """xxh3-64, in hex, of a batch as IPC has it, of its schema, its note and its place in the file: the same after it
    has been written and read."""
    digest = xxhash.xxh3_64(batch.schema.serialize(), seed=index)
    digest.update(batch.serialize())
    digest.update(note)
    return digest.hexdigest().encode()


@contextlib.contextmanager
def _ours(path: str) -> Iterator[None]:
    """What is inside reads a file that we wrote: raises DamagedFile where it is gone or no Arrow or Parquet file."""
    try:
        yield
    except MemoryError as error:  # Arrow's is an ArrowException, too
        size = re.search(r"\d+", str(error))
        if size is None or int(size[0]) <= MOST_RATIO * max(paths.size(path), 1):
            raise
        raise paths.DamagedFile(path, "a length in it is impossible") from None
    except FileNotFoundError:
        raise paths.DamagedFile(path, "it is gone") from None
    except (pa.ArrowException, EOFError) as error:
        raise paths.DamagedFile(path, str(error).partition("\n")[0]) from None
    except OSError as error:
        if error.errno:  # of the storage; Arrow has none for what it cannot decode
            raise
        raise paths.DamagedFile(path, str(error).partition("\n")[0]) from None


def checked_batch(path: str, reader: pa.ipc.RecordBatchFileReader, index: int) -> pa.RecordBatch:
    """A batch of a file written with `checked`. Raises DamagedFile if it is not what was written."""
    return noted_batch(path, reader, index)[0]


def noted_batch(path: str, reader: pa.ipc.RecordBatchFileReader, index: int) -> tuple[pa.RecordBatch, bytes]:
    """Such a batch and its note."""
    with _ours(path):
        if not 0 <= index < reader.num_record_batches:
            raise paths.DamagedFile(path, f"it has no batch {index}")
        batch, metadata = reader.get_batch_with_custom_metadata(index)
        batch.validate()  # before anything follows its offsets
        note = metadata.get(NOTE, b"") if metadata else b""
        if not metadata or metadata.get(CHECKSUM) != _checksum(batch, index, note):
            raise paths.DamagedFile(path, f"the checksum of batch {index} is wrong")
    return batch, note


@contextlib.contextmanager
def open_checked(path: str) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """A reader of a file written with `checked`. Raises DamagedFile if it is no such file."""
    with contextlib.ExitStack() as stack:
        with _ours(path):
            source = _mapped(path) if paths.is_local(path) else stack.enter_context(paths.open_input(path))
            reader = stack.enter_context(pa.ipc.open_file(source, options=_ONE_THREAD))
        yield reader


def read_table(path: str, digest: str | None = None) -> pa.Table:
    """The whole of a file of `write_table`, which has a batch at least. Raises DamagedFile; see `read`."""
    return pa.Table.from_batches(read(path, digest))


def write_table(path: str, table: pa.Table) -> None:
    """Write a table as an Arrow IPC file: for the small ones, such as counts, decisions, edges."""
    with ShardWriter(path, table.schema) as writer:
        for batch in table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]:
            writer.write(batch)


def read(path: str, digest: str | None = None, columns: Collection[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of a shard, Parquet or Arrow IPC, by its suffix; a local one is memory-mapped. With `columns` they have
    those of these that the shard has, in its order, and of the others nothing is decoded. Raises DamagedFile if it
    cannot be read, or if `digest`, its xxh3-128 in hex, is given and wrong."""
    with _ours(path):
        source = _mapped(path) if paths.is_local(path) else _fetched(path)
        if digest is not None and xxhash.xxh3_128_hexdigest(source.read_buffer()) != digest:
            raise paths.DamagedFile(path, "its checksum is wrong")
        source.seek(0)
        is_parquet = paths.has_suffix(path, ".parquet")
        batches = _parquet(source, columns) if is_parquet else _ipc(source, columns)
    while True:
        with _ours(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def count_rows(path: str) -> int:
    """Rows of a shard. Raises DamagedFile if it cannot be read."""
    return sum(batch.num_rows for batch in read(path))


def columns_of(path: str) -> list[str]:
    """Names of a Parquet file's columns; none of what is no Parquet file."""
    if not paths.has_suffix(path, ".parquet"):
        return []
    with paths.open_input(path) as file:
        try:
            names: list[str] = pq.ParquetFile(file).schema_arrow.names
        except (ValueError, OSError):
            return []
    return names


def _mapped(path: str) -> pa.BufferReader:
    """A local file as memory: of what is no buffer Arrow asks other threads, which takes ten times as long."""
    with pa.memory_map(path) as file:
        return pa.BufferReader(file.read_buffer())


def _fetched(path: str) -> pa.BufferReader:
    """A file of a store in memory: a shard is read whole anyway."""
    return pa.BufferReader(paths.read_bytes(path))


def _ipc(source: pa.NativeFile, columns: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_file(source, options=_ONE_THREAD)
    if columns is not None:
        chosen = [number for number, name in enumerate(reader.schema.names) if name in columns]
        reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(use_threads=False, included_fields=chosen))
    return (reader.get_batch(index) for index in range(reader.num_record_batches))


def _parquet(source: pa.NativeFile, columns: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(source)
    chosen = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
    batches: Iterator[pa.RecordBatch] = file.iter_batches(columns=chosen, use_threads=False)
    return batches


def open_writer(path: str, schema: pa.Schema) -> ShardWriter | ParquetShardWriter:
    """A writer (`write(batch)`, `close()`) of the format that the suffix names."""
    return ParquetShardWriter(path, schema) if paths.has_suffix(path, ".parquet") else ShardWriter(path, schema)


class Gathered:
    """Hands batches on to `write`, small ones together, so that a file takes what its rows take, however few of them
    come at a time. What waits is handed on by `flush`."""

    def __init__(self, write: Callable[[pa.RecordBatch], None]):
        self._write = write
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows, of the columns that all have."""
        if batch.nbytes >= GATHERED_BYTES:
            self.flush()
            self._write(batch)
        elif batch.num_rows:
            self._waiting.append(batch)
            self._bytes += batch.nbytes
            if self._bytes >= GATHERED_BYTES or len(self._waiting) >= GATHERED_BATCHES:
                self.flush()

    def flush(self) -> None:
        """Hand on what waits, as one batch."""
        if self._waiting:
            (batch,) = pa.Table.from_batches(self._waiting).combine_chunks().to_batches()
            self._waiting, self._bytes = [], 0
            self._write(batch)


class _Writer(pq.ParquetWriter):
    """A writer that does not complete its file when it is given up: on a full disk that fails once more."""

    def __del__(self) -> None:
        pass


class ParquetShardWriter:
    """Writes record batches to a Parquet file, zstd-compressed, a row group a batch."""

    def __init__(self, path: str, schema: pa.Schema):
        columns = [field.name for field in schema if field.name not in _LONG]
        self.schema = schema
        self._sink = paths.open_output(path)
        self._writer = _Writer(
            self._sink, schema, compression="zstd", compression_level=PARQUET_LEVEL, use_dictionary=columns
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()
        self._sink.close()


def write_parquet(path: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    """Write a whole Parquet file."""
    writer = ParquetShardWriter(path, schema)
    for batch in batches:
        writer.write(batch)
    writer.close()
