"""Where tasks put rows about documents: `dropped.parquet` and `quarantine.parquet`."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from corpus.documents import PREFIX_BYTES, QUARANTINE_SCHEMA
from corpus.io import shards
from pipelines.engine import Outputs

RAW_ROWS = 1000
"""Rows of quarantine that are written at a time."""
RAW_BYTES = 64 << 20
"""Bytes of faulty records that a task keeps; of those after that only the fault."""


class Rows:
    """An output of rows, which is made when there are any."""

    def __init__(self, outputs: Outputs, name: str, schema: pa.Schema):
        self._outputs, self._name, self._schema = outputs, name, schema
        self._writer: shards.ParquetShardWriter | None = None
        self._gathered = shards.Gathered(self._write)
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self.rows += batch.num_rows
        self._gathered.add(batch)

    def write_nothing(self) -> None:
        """Make the output, even if there are no rows for it."""
        if self._writer is None:
            self._writer = shards.ParquetShardWriter(self._outputs.path(self._name), self._schema)

    def _write(self, batch: pa.RecordBatch) -> None:
        self.write_nothing()
        assert self._writer is not None
        self._writer.write(batch)

    def close(self) -> None:
        """Complete the file, if there is one."""
        self._gathered.flush()
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
