"""Counts of words that neighbouring stages share, so that a document's words are found once.

A pass offers stages that want the same counts a column for them: nulls, until the first of the stages fills it
while it has the words at hand. Filtering carries it along. The pass takes it away before any other stage and
before documents are written, so that it never outlives the text it was made from and nobody else sees it. A
stage that is offered nothing works alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from corpus.cleaning.kernels.gopher_words import WORD_COUNTS
from corpus.documents import replace_column
from corpus.step import Filter

_PREFIX = "\0words of "  # no column that was read begins so
_TYPE = pa.list_(pa.int64(), len(WORD_COUNTS))
UNKNOWN = np.empty((0, len(WORD_COUNTS)), np.int64)


def plan(stages: Sequence[Filter]) -> list[str | None]:
    """For each stage the `shared_words` (a preset) that it shares with the stage before or after it, else None."""
    wanted = [None, *(stage.shared_words for stage in stages), None]
    return [own if own in (before, after) else None for before, own, after in zip(wanted, wanted[1:], wanted[2:])]


def offer(batch: pa.RecordBatch, preset: str | None) -> pa.RecordBatch:
    """`batch` with a column for the counts of `preset`, those already there kept, and with no other."""
    name = _PREFIX + preset if preset else None
    for other in batch.schema.names:
        if other.startswith(_PREFIX) and other != name:
            batch = batch.drop_columns([other])
    if name is None or name in batch.schema.names:
        return batch
    return batch.append_column(name, pa.nulls(batch.num_rows, _TYPE))


def is_wanted(batch: pa.RecordBatch, preset: str) -> bool:
    """Whether the counts of `preset` are asked for and not yet there."""
    name = _PREFIX + preset
    return name in batch.schema.names and batch[name].null_count > 0


def known(batch: pa.RecordBatch, preset: str) -> np.ndarray:
    """The counts of `preset`, int64[rows, len(WORD_COUNTS)]; UNKNOWN if they are not there."""
    name = _PREFIX + preset
    if name not in batch.schema.names or batch[name].null_count:
        return UNKNOWN
    return batch[name].flatten().to_numpy().reshape(-1, len(WORD_COUNTS))


def store(batch: pa.RecordBatch, preset: str, counts: np.ndarray) -> pa.RecordBatch:
    """`batch` with these counts, int64[rows, len(WORD_COUNTS)], in the column that was offered."""
    values = pa.array(np.ascontiguousarray(counts).ravel())
    return replace_column(batch, _PREFIX + preset, pa.FixedSizeListArray.from_arrays(values, type=_TYPE))
