"""The shingle sets of documents between maps: a file for each group of shards, read to its end or not at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipelines.engine import File, Task, task_key
from pipelines.maps.groups import Group

SHINGLES = "shingles.arrow"
SHINGLE_SCHEMA = pa.schema([
    ("address", pa.int64()), ("shingles", pa.large_list(pa.uint64())), ("units", pa.large_list(pa.uint64())),
])  # fmt: skip
"""Of a document its shingle set, ascending, and its words or characters in order, if these are compared, else none."""


class Sets(NamedTuple):
    """What documents are compared by: the shingle set of that at `addresses[i]`, which ascend, is
    `values[offsets[i]:offsets[i + 1]]`, its units are `units[unit_offsets[i]:unit_offsets[i + 1]]`."""

    addresses: np.ndarray
    values: np.ndarray
    offsets: np.ndarray
    units: np.ndarray
    unit_offsets: np.ndarray


def sets_of(batches: list[pa.RecordBatch]) -> Sets:
    """The sets in batches of a sidecar."""
    addresses = np.concatenate([np.empty(0, np.int64), *(batch.column(0).to_numpy() for batch in batches)])
    return Sets(addresses, *_lists(batches, 1), *_lists(batches, 2))


def _lists(batches: list[pa.RecordBatch], column: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of lists of all batches, and their offsets."""
    lengths = [np.diff(batch.column(column).offsets.to_numpy()) for batch in batches]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))]).astype(np.int64)
    values = [batch.column(column).flatten().to_numpy() for batch in batches]
    return np.concatenate([np.empty(0, np.uint64), *values]), offsets


def among(wanted: tuple[np.ndarray, ...], batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a batch of a sidecar at some of these addresses."""
    addresses = batch.column(0).to_numpy()
    chosen = np.zeros(len(addresses), np.bool_)
    for each in wanted:
        chosen |= np.isin(addresses, each)
    return batch.filter(pa.array(chosen))


def sidecar_tasks(groups: list[Group], sidecars: list[File], inputs: tuple[tuple[str, str], ...]) -> list[Task]:
    """A task for each group, whose argument is its number and the sidecar with its shingles."""
    return [
        Task(task_key(group.shards[0].number), (group.number, file), (*inputs, ("shingles", file.hash)), file.bytes)
        for group, file in zip(groups, sidecars)
    ]
