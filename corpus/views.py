"""Views: document shards plus the decisions made about them, applied while reading.

May import `corpus.documents`, `corpus.io`, `corpus.text.ranges`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import replace_column
from corpus.io import shards
from corpus.text import ranges


@dataclasses.dataclass(frozen=True)
class ShardView:
    """One shard of a view: its number in corpus order, its file, the fingerprint of that file,
    its documents and bytes of text (before decisions), and the decision files that apply to it,
    oldest first, each with its fingerprint; `folder` is that of its partition (`corpus.io.partitions`),
    if documents are partitioned. `excluded` are rows, ascending, that a task fails at, each with the reason: they are
    left out until a decision says that they are quarantined."""

    number: int
    path: str
    hash: str
    documents: int
    text_bytes: int
    decisions: tuple[tuple[str, str], ...] = ()
    folder: str = ""
    excluded: tuple[tuple[int, str], ...] = ()

    def inputs(self) -> tuple[tuple[str, str], ...]:
        """(name, fingerprint) of every file that reading this shard depends on."""
        left_out = (("left out", repr(self.excluded)),) if self.excluded else ()
        decided = ((f"decisions {i}", h) for i, (_, h) in enumerate(self.decisions))
        return ((f"shard {self.number}", self.hash), *decided, *left_out)

    def decided(self, path: str, hash_: str) -> ShardView:
        """This shard with one more layer of decisions, which says of the rows left out, too."""
        return dataclasses.replace(self, decisions=(*self.decisions, (path, hash_)), excluded=())

    def without(self, ranges: Iterable[tuple[int, int, str]]) -> ShardView:
        """This shard without the rows `first` to `end` of each range, for the reason given."""
        rows = {row: reason for first, end, reason in ranges for row in range(first, min(end, self.documents))}
        return dataclasses.replace(self, excluded=tuple(sorted({**rows, **dict(self.excluded)}.items())))


def read(shard: ShardView) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Batches of the shard's documents as they stand after all decisions, each with the rows
    (int64) of the shard that they are. Batches may be empty. Raises DamagedFile."""
    layers = [shards.read_table(path, digest) for path, digest in shard.decisions]
    excluded = np.array([row for row, _ in shard.excluded], np.int64)
    start = 0
    for batch in shards.read(shard.path, shard.hash):
        rows = np.arange(start, start + batch.num_rows, dtype=np.int64)
        start += batch.num_rows
        if len(excluded):
            rows, batch = _rest(rows, batch, ~np.isin(rows, excluded))
        for layer in layers:
            rows, batch = apply(layer, rows, batch)
        yield rows, batch


def read_excluded(shard: ShardView) -> Iterator[tuple[list[str], pa.RecordBatch]]:
    """The rows that are left out as they stand after all decisions, batches of them with the reason for each."""
    reasons = dict(shard.excluded)
    if not reasons:
        return
    for rows, batch in read(dataclasses.replace(shard, excluded=())):
        rows, batch = _rest(rows, batch, np.isin(rows, list(reasons)))
        if len(rows):
            yield [reasons[row] for row in rows.tolist()], batch


def _rest(rows: np.ndarray, batch: pa.RecordBatch, keep: np.ndarray) -> tuple[np.ndarray, pa.RecordBatch]:
    return (rows, batch) if keep.all() else (rows[keep], batch.filter(pa.array(keep)))


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
    return _rest(rows, batch, ~np.isin(rows, part_rows[is_drop]))
