"""Shards of documents on disk: Arrow IPC files between steps, Parquet for what is delivered.

With the same version of Arrow, the same batches give the same bytes: Parquet always, IPC if their
buffers are the same too (a slice can bring a few bytes beyond its end, as alignment)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.io import paths

PARQUET_LEVEL = 3
"""zstd's own default level."""
_LONG = {"text", "raw", "id", "url"}
"""Columns for which a dictionary of values would be of no use."""


class ShardWriter:
    """Writes record batches to an Arrow IPC file with lz4 buffers. A context manager; the file
    is complete once closed. The schema is that of the first batch, unless it is given (a shard
    without batches needs one)."""

    def __init__(self, path: str, schema: pa.Schema | None = None):
        self.path = path
        self.schema = schema
        self._sink = paths.open_output(path)
        self._writer = self._open(schema) if schema is not None else None

    def _open(self, schema: pa.Schema) -> pa.RecordBatchWriter:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        return pa.ipc.new_file(self._sink, schema, options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch. Raises ValueError if its schema differs from the shard's."""
        if self._writer is None:
            self._writer = self._open(batch.schema)
        self._writer.write_batch(batch)

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

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.close()
        else:
            self._sink.close()


def read_shard(path: str) -> Iterator[pa.RecordBatch]:
    """Batches of an Arrow IPC file; a local one is memory-mapped."""
    source = pa.memory_map(path) if paths.is_local(path) else paths.open_input(path)
    with source:
        reader = pa.ipc.open_file(source)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def read_table(path: str) -> pa.Table:
    """The whole of an Arrow IPC file, for the small ones: counts, decisions, edges."""
    with paths.open_input(path) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


def write_table(path: str, table: pa.Table) -> None:
    """Write a table as an Arrow IPC file."""
    with ShardWriter(path, table.schema) as writer:
        for batch in table.combine_chunks().to_batches():
            writer.write(batch)


def read(path: str) -> Iterator[pa.RecordBatch]:
    """Batches of a shard, Parquet or Arrow IPC, by its suffix."""
    return read_parquet(path) if path.endswith(".parquet") else read_shard(path)


def open_writer(path: str, schema: pa.Schema) -> ShardWriter | ParquetShardWriter:
    """A writer (`write(batch)`, `close()`) of the format that the suffix names."""
    return ParquetShardWriter(path, schema) if path.endswith(".parquet") else ShardWriter(path, schema)


class ParquetShardWriter:
    """Writes record batches to a Parquet file, zstd-compressed, a row group a batch."""

    def __init__(self, path: str, schema: pa.Schema):
        columns = [field.name for field in schema if field.name not in _LONG]
        self.schema = schema
        self._sink = paths.open_output(path)
        self._writer = pq.ParquetWriter(
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


def read_parquet(path: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of a Parquet file, all columns or some. Raises OSError or ArrowException on faults."""
    with paths.open_input(path) as file:
        yield from pq.ParquetFile(file).iter_batches(columns=columns, use_threads=False)
