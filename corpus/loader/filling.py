"""Fills the rows of a batch: windows of the token stream, or bins of a packing plan.

A row has L labels and the L inputs before them. Windows cut the stream of all shards,
t_0 .. t_(N-1), every L tokens: the labels of window i are t_(iL) .. t_((i+1)L-1), its inputs the
same shifted right by one, with the end-of-document token before t_0. So every token is a label
once (Megatron's stride of L, moved by one token), and the last window is padded, not dropped.
A bin is the same piece by piece: see kernel.copy_bins.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from corpus.loader import kernel
from corpus.loader.token_shards import Shards


@dataclasses.dataclass(frozen=True)
class Rows:
    """Arrays of a batch being filled. tokens, labels [B, L] of the batch's dtype; document_ids
    int32[B, L], 1, 2, .. within a row and 0 for padding; mask_starts: document starts get no label."""

    tokens: np.ndarray
    labels: np.ndarray
    document_ids: np.ndarray | None
    mask_starts: bool


def empty_rows(batch_size: int, length: int, dtype: np.dtype, ids: bool, mask_starts: bool) -> Rows:
    """Rows to be filled; `ids`: whether document_ids are wanted."""
    shape = batch_size, length
    document_ids = np.zeros(shape, np.int32) if ids or mask_starts else None
    return Rows(np.empty(shape, dtype), np.empty(shape, dtype), document_ids, mask_starts)


def fill_windows(shards: Shards, numbers: np.ndarray, rows: Rows) -> None:
    """Fill row r with window `numbers[r]` (int64), or with padding only if that is -1."""
    length = rows.tokens.shape[1]
    starts = np.where(numbers >= 0, numbers * length, 0)
    ends = np.where(numbers >= 0, np.minimum(starts + length, shards.tokens), 0)
    end_id, pad_id = special_ids(shards.manifest)
    for number in kernel.shards_of(shards.starts, np.maximum(starts - 1, 0), ends).tolist():
        dataset, begin = shards.open(number), int(shards.starts[number])
        kernel.copy_windows(dataset.tokens, begin, starts, ends, rows.tokens, rows.labels)
        if rows.document_ids is not None:
            kernel.mark_documents(
                dataset.index, dataset.sequences, dataset.documents, dataset.dtype.itemsize,
                len(dataset.tokens), begin, starts, ends,
                rows.document_ids, rows.labels, rows.mask_starts,
            )  # fmt: skip
    rows.tokens[numbers == 0, 0] = end_id
    kernel.pad(ends - starts, pad_id, rows.tokens, rows.labels)


def fill_bins(shards: Shards, plan: str, bin_starts: np.ndarray, numbers: np.ndarray, rows: Rows) -> None:
    """Fill row r with packed sequence `numbers[r]` (int64), or with padding only if that is -1.
    Shard s has the sequences bin_starts[s] to bin_starts[s + 1] (int64) of the plan named `plan`."""
    end_id, pad_id = special_ids(shards.manifest)
    filled = np.zeros(len(numbers), np.int64)
    shard_of = np.searchsorted(bin_starts, numbers, "right") - 1
    for number in np.unique(shard_of[numbers >= 0]).tolist():
        dataset, pieces = shards.open(number), shards.open_plan(plan, number)
        here = np.flatnonzero(shard_of == number)
        kernel.copy_bins(
            dataset.tokens, dataset.index, dataset.sequences, dataset.documents,
            dataset.dtype.itemsize, pieces.offsets, pieces.document, pieces.start, pieces.length,
            numbers[here] - bin_starts[number], here, end_id, rows.mask_starts,
            rows.tokens, rows.labels, rows.document_ids, filled,
        )  # fmt: skip
    kernel.pad(filled, pad_id, rows.tokens, rows.labels)


def special_ids(manifest: dict) -> tuple[int, int]:
    """(end-of-document id, padding id): the former stands in where the tokenizer has no padding."""
    pad_id = manifest.get("pad_id")
    return manifest["end_id"], manifest["end_id"] if pad_id is None else pad_id
