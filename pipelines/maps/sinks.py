"""Where tasks put rows about documents: `dropped.parquet` and `quarantine.parquet`."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from corpus.documents import PREFIX_BYTES, QUARANTINE_SCHEMA
from corpus.io import shards
from pipelines.engine import Outputs

ROWS_AT_A_TIME = 4096
"""Rows of a row group, about."""
RAW_ROWS = 1000
"""Rows of quarantine that are written at a time."""
RAW_BYTES = 64 << 20
"""Bytes of faulty records that a task keeps; of those after that only the fault."""


class Rows:
    """An output of rows, which is made when there are any, and written some thousand at a time."""

    def __init__(self, outputs: Outputs, name: str, schema: pa.Schema):
        self._outputs, self._name, self._schema = outputs, name, schema
        self._writer: shards.ParquetShardWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self.rows += batch.num_rows
        if batch.num_rows:
            self._waiting.append(batch)
            self._waiting_rows += batch.num_rows
        if self._waiting_rows >= ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = shards.ParquetShardWriter(self._outputs.path(self._name), self._schema)
        (batch,) = pa.Table.from_batches(self._waiting).combine_chunks().to_batches()
        self._writer.write(batch)
        self._waiting, self._waiting_rows = [], 0

    def close(self) -> None:
        """Complete the file, if there is one."""
        self._flush()
        if self._writer is not None:
            self._writer.close()


class Quarantine:
    """The output `quarantine.parquet` of a task."""

    def __init__(self, outputs: Outputs):
        self._rows = Rows(outputs, "quarantine.parquet", QUARANTINE_SCHEMA)
        self._waiting: list[dict] = []
        self._room = RAW_BYTES
        self.ranges = self.bytes = 0  # ranges in which no records can be counted; bytes of the input that are lost

    def add(self, rows: list[dict], step: str) -> None:
        """Rows as readers give them."""
        for row in rows:
            self.ranges += not row["records"]
            self.bytes += row["bytes"]
            self._room -= len(row["raw"])
            self._waiting.append({**row, "step": step, "raw": row["raw"] if self._room > 0 else b""})
            if len(self._waiting) >= RAW_ROWS:
                self._write()

    def add_documents(self, batch: pa.RecordBatch, errors: Sequence[str], step: str) -> None:
        """Documents that were read and that a step fails at, each with why."""
        texts = batch.column("text")
        sources = batch.column("source").to_pylist() if "source" in batch.schema.names else [None] * batch.num_rows
        for row, (name, source, error) in enumerate(zip(batch.column("id").to_pylist(), sources, errors)):
            raw = texts[row].as_buffer()[:PREFIX_BYTES].to_pybytes()
            self.add([{"source": source, "id": name, "records": 1, "bytes": 0, "error": error, "raw": raw}], step)

    def _write(self) -> None:
        self._rows.write(pa.RecordBatch.from_pylist(self._waiting, QUARANTINE_SCHEMA))
        self._waiting = []

    def close(self) -> None:
        """Complete the file, if there is one."""
        self._write()
        self._rows.close()
