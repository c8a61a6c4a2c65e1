"""The document table, the decisions about it, and views.

A *document* is a row, a batch is an Arrow record batch whose text is at most
`MAX_BATCH_TEXT` bytes (one longer document is a batch of its own). A *shard* is an
Arrow IPC file of such batches. Shards of one pass are numbered in corpus order, so the
*address* of a document, `shard << 32 | row`, sorts as the corpus does.

Global steps never rewrite documents. They write *decisions*, one file per shard, and a
*view* is the shards plus the layers of decisions made so far, applied while reading:
every layer's byte offsets refer to the text as its step saw it, that is, after the
layers before it; every layer's rows are rows of the shard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.text.arrow import buffers

MAX_BATCH_TEXT = 64 << 20
"""Bytes of text in a batch at most (design: batches hold at most 64 MiB of text)."""

ROW_BITS = 32
PREFIX_BYTES = 4096
"""Bytes of a faulty record, or of a document that a step fails at, kept in `quarantine/`."""
PREFIX_CHARACTERS = 500
"""Length of the prefix of a dropped document's text kept in `dropped/`, in code points."""

DOCUMENT_FIELDS = {
    "id": pa.string(),
    "text": pa.string(),
    "url": pa.string(),
    "date": pa.string(),
    "source": pa.string(),
    "language": pa.string(),
}
"""Columns whose names mean something. `id` and `text` are required and hold no nulls;
any other column is carried along unchanged."""

DECISION_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # row of the shard
        ("action", pa.string()),  # "drop" or "cut"
        ("start", pa.int64()),  # bytes of the text as the step saw it; null for drop
        ("end", pa.int64()),
        ("step", pa.string()),
        ("reason", pa.string()),  # the rule
        ("by", pa.string()),  # id or name of the cause
        ("score", pa.float64()),
        (
            "separator",
            pa.string(),
        ),  # what a cut leaves between pieces of text, the same for all of a step; null: nothing
    ]
)

DROPPED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("step", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
        ("threshold", pa.string()),
        ("text", pa.string()),  # a prefix of the text as the step saw it
    ]
)

QUARANTINE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),  # the file
        ("position", pa.int64()),  # of a record: byte offset in it, in WARC that of its gzip member or zstd frame, in
        # other compressed files that of the content; of a range of damage: offset in the file as it lies on disk
        ("records", pa.int64()),  # how many it stands for; 0 for a range in which they cannot be counted
        ("bytes", pa.int64()),  # of the file, as it lies on disk, that are lost with it; 0 if next to nothing
        ("id", pa.string()),  # of a document that was read
        ("step", pa.string()),  # at which it was set aside
        ("error", pa.string()),
        ("raw", pa.binary()),  # the first bytes of the record, bounded
    ]
)


def address(shard: int, rows: np.ndarray) -> np.ndarray:
    """Addresses (int64) of `rows` of shard number `shard`."""
    return (np.int64(shard) << ROW_BITS) | rows.astype(np.int64)


def shard_and_row(addresses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `address`: (shard numbers, rows), both int64."""
    addresses = np.asarray(addresses, np.int64)
    return addresses >> ROW_BITS, addresses & ((1 << ROW_BITS) - 1)


def text_bytes(text: pa.Array) -> int:
    """Bytes of UTF-8 in a string array, slices and nulls respected."""
    if text.null_count:
        text = text.drop_null()
    _, offsets = buffers(text)
    return int(offsets[-1] - offsets[0])


def replace_column(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    """`batch` with the column `name` replaced, or appended where it is missing."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        return batch.append_column(name, column)
    return batch.set_column(index, name, column)


def span(batch: pa.RecordBatch) -> str:
    """Which documents a batch holds, for a message: the first and the last, and where they are from."""
    ids = batch.column("id")
    if not len(ids):
        return "no document"
    sources = batch.column("source") if "source" in batch.schema.names else pa.nulls(len(ids), pa.string())
    ends = [f"{ids[row].as_py()!r}" + (f" of {sources[row]}" if sources[row].is_valid else "") for row in (0, -1)]
    return f"document {ends[0]}" if len(ids) == 1 else f"{len(ids)} documents, {ends[0]} to {ends[1]}"


@contextlib.contextmanager
def at_hand(batch: pa.RecordBatch) -> Iterator[None]:
    """Have an exception say, in its notes, which documents were being worked on."""
    try:
        yield
    except Exception as error:
        vars(error)["__notes__"] = [*getattr(error, "__notes__", ()), f"at {span(batch)}"]  # add_note; 3.10 has none
        raise


def dropped_rows(
    batch: pa.RecordBatch,
    rows: np.ndarray,
    step: str,
    rules: Sequence[str],
    values: Sequence[str],
    thresholds: Sequence[str],
) -> pa.RecordBatch:
    """`DROPPED_SCHEMA` of these rows (integers) of a batch: by which rule of which step, and the start of the text."""
    chosen = batch.take(pa.array(rows, pa.int64()))
    url = chosen.column("url") if "url" in chosen.schema.names else pa.nulls(len(rows), pa.string())
    columns = {
        "id": chosen.column("id"),
        "url": url,
        "step": pa.array([step] * len(rows), pa.string()),
        "rule": pa.array(rules, pa.string()),
        "value": pa.array(values, pa.string()),
        "threshold": pa.array(thresholds, pa.string()),
        "text": pc.utf8_slice_codeunits(chosen.column("text"), 0, PREFIX_CHARACTERS),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=DROPPED_SCHEMA)
