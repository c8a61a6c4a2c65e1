"""Views: document shards plus the decisions made about them, applied while reading.

May import `corpus.documents`, `corpus.io`, `corpus.dedup.ranges`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup import ranges
from corpus.documents import replace_column
from corpus.io import shards


@dataclasses.dataclass(frozen=True)
class ShardView:
    """One shard of a view: its number in corpus order, its file, the fingerprint of that file,
    its documents and bytes of text (before decisions), and the decision files that apply to it,
    oldest first, each with its fingerprint; `folder` is that of its partition (`corpus.io.partitions`),
    if documents are partitioned."""

    number: int
    path: str
    hash: str
    documents: int
    text_bytes: int
    decisions: tuple[tuple[str, str], ...] = ()
    folder: str = ""

    def inputs(self) -> tuple[tuple[str, str], ...]:
        """(name, fingerprint) of every file that reading this shard depends on."""
        return ((f"shard {self.number}", self.hash), *((f"decisions {i}", h) for i, (_, h) in enumerate(self.decisions)))

    def decided(self, path: str, hash_: str) -> ShardView:
        """This shard with one more layer of decisions."""
        return dataclasses.replace(self, decisions=(*self.decisions, (path, hash_)))


def read(shard: ShardView) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Batches of the shard's documents as they stand after all decisions, each with the rows
    (int64) of the shard that they are. Batches may be empty."""
    layers = [shards.read_table(path) for path, _ in shard.decisions]
    start = 0
    for batch in shards.read(shard.path):
        rows = np.arange(start, start + batch.num_rows, dtype=np.int64)
        start += batch.num_rows
        for layer in layers:
            rows, batch = apply(layer, rows, batch)
        yield rows, batch


def apply(decisions: pa.Table, rows: np.ndarray, batch: pa.RecordBatch) -> tuple[np.ndarray, pa.RecordBatch]:
    """Drop and cut what `decisions` (sorted by row) say of these rows (ascending)."""
    if not len(rows) or not decisions.num_rows:
        return rows, batch
    decided = decisions["row"].to_numpy()
    low, high = np.searchsorted(decided, [rows[0], rows[-1] + 1])
    if low == high:
        return rows, batch
    part = decisions.slice(low, high - low)
    is_drop = pc.equal(part["action"], "drop").to_numpy(zero_copy_only=False)
    part_rows = decided[low:high]
    cuts = np.flatnonzero(~is_drop & np.isin(part_rows, rows))
    if len(cuts):
        place = np.searchsorted(rows, part_rows[cuts])
        start = part["start"].to_numpy(zero_copy_only=False)[cuts].astype(np.int64)
        end = part["end"].to_numpy(zero_copy_only=False)[cuts].astype(np.int64)
        batch = replace_column(batch, "text", ranges.cut(batch.column("text"), place, start, end))
    keep = ~np.isin(rows, part_rows[is_drop])
    if keep.all():
        return rows, batch
    return rows[keep], batch.filter(pa.array(keep))
