"""Views: document shards plus the decisions made about them, applied while reading.

A file of decisions holds those about several shards, a record batch for each. May import `corpus.documents`,
`corpus.io`, `corpus.text.ranges`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import replace_column, text_bytes
from corpus.io import metered, shards
from corpus.text import ranges


class Layer(NamedTuple):
    """Decisions of one step about one shard: batch number `batch` of a file with this fingerprint."""

    path: str
    hash: str
    batch: int

    def read(self) -> pa.Table:
        """The decisions. Raises DamagedFile."""
        with shards.open_checked(self.path) as reader:
            return pa.Table.from_batches([shards.checked_batch(self.path, reader, self.batch)])


@dataclasses.dataclass(frozen=True)
class ShardView:
    """One shard of a view: its number in corpus order, its file, the fingerprint of that file,
    its documents and bytes of text (before decisions), and the decisions that apply to it,
    oldest first; `folder` is that of its partition (`corpus.io.partitions`),
    if documents are partitioned. `excluded` are rows, ascending, that a task fails at, each with the reason: they are
    left out until a decision says that they are quarantined."""

    number: int
    path: str
    hash: str
    documents: int
    text_bytes: int
    decisions: tuple[Layer, ...] = ()
    folder: str = ""
    excluded: tuple[tuple[int, str], ...] = ()

    def inputs(self) -> tuple[tuple[str, str], ...]:
        """(name, fingerprint) of every file that reading this shard depends on."""
        left_out = (("left out", repr(self.excluded)),) if self.excluded else ()
        decided = ((f"decisions {i}", layer.hash) for i, layer in enumerate(self.decisions))
        return ((f"shard {self.number}", self.hash), *decided, *left_out)

    def decided(self, layer: Layer) -> ShardView:
        """This shard with one more layer of decisions, which says of the rows left out, too."""
        return dataclasses.replace(self, decisions=(*self.decisions, layer), excluded=())

    def without(self, ranges: Iterable[tuple[int, int, str]]) -> ShardView:
        """This shard without the rows `first` to `end` of each range, for the reason given."""
        rows = {row: reason for first, end, reason in ranges for row in range(first, min(end, self.documents))}
        return dataclasses.replace(self, excluded=tuple(sorted({**rows, **dict(self.excluded)}.items())))


class Decisions:
    """Files of decisions, which are kept open while the shards that are read next have theirs in them, too. A context
    manager."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[contextlib.ExitStack, pa.ipc.RecordBatchFileReader]] = {}

    def of(self, shard: ShardView) -> list[pa.Table]:
        """The decisions about a shard, oldest first. Raises DamagedFile."""
        wanted = {layer.path for layer in shard.decisions}
        for path in [path for path in self._open if path not in wanted]:
            self._open.pop(path)[0].close()
        return [
            pa.Table.from_batches([shards.checked_batch(layer.path, self._reader(layer.path), layer.batch)])
            for layer in shard.decisions
        ]

    def _reader(self, path: str) -> pa.ipc.RecordBatchFileReader:
        if path not in self._open:
            stack = contextlib.ExitStack()
            self._open[path] = stack, stack.enter_context(shards.open_checked(path))
        return self._open[path][1]

    def __enter__(self) -> Decisions:
        return self

    def __exit__(self, *_: object) -> None:
        for stack, _reader in self._open.values():
            stack.close()


def read(shard: ShardView, decisions: Decisions | None = None) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Batches of the shard's documents as they stand after all decisions, each with the rows
    (int64) of the shard that they are. Batches may be empty. Raises DamagedFile."""
    if decisions is None:
        with Decisions() as decisions:
            yield from read(shard, decisions)
        return
    layers = decisions.of(shard)
    excluded = np.array([row for row, _ in shard.excluded], np.int64)
    start = 0
    for batch in shards.read(shard.path, shard.hash):
        rows = np.arange(start, start + batch.num_rows, dtype=np.int64)
        start += batch.num_rows
        metered.add(text_bytes(batch.column("text")), batch.num_rows)
        if len(excluded):
            rows, batch = _rest(rows, batch, ~np.isin(rows, excluded))
        for layer in layers:
            rows, batch = apply(layer, rows, batch)
        yield rows, batch


def read_all(view: Iterable[ShardView]) -> Iterator[tuple[ShardView, np.ndarray, pa.RecordBatch]]:
    """Batches of all shards, one after the other, each with its shard; see `read`."""
    with Decisions() as decisions:
        for shard in view:
            for rows, batch in read(shard, decisions):
                yield shard, rows, batch


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
    place = np.searchsorted(rows, decided[low:high])  # not beyond the last row
    here = rows[place] == decided[low:high]
    cuts = np.flatnonzero(~is_drop & here)
    if len(cuts):
        start = part["start"].to_numpy(zero_copy_only=False)[cuts].astype(np.int64)
        end = part["end"].to_numpy(zero_copy_only=False)[cuts].astype(np.int64)
        separator = (part["separator"][int(cuts[0])].as_py() or "").encode()
        batch = replace_column(batch, "text", ranges.cut(batch.column("text"), place[cuts], start, end, separator))
    keep = np.ones(len(rows), np.bool_)
    keep[place[is_drop & here]] = False
    return _rest(rows, batch, keep)
