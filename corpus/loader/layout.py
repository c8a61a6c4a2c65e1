"""How an encoder's rows are laid out: [CLS] x [SEP], or [CLS] A [SEP] B [SEP] of a sample of two segments."""

from __future__ import annotations

import dataclasses

import numba
import numpy as np

from corpus.loader.objective import Samples


@dataclasses.dataclass(frozen=True)
class Frame:
    """What stands about a sample: `cls` and `sep`, ids; none of it where `bare`. `segments`: how many it may have.
    `more`: tokens that a row has beside those of the longest sample."""

    segments: int
    bare: bool
    more: int = 0
    cls: int = 0
    sep: int = 0


@dataclasses.dataclass(frozen=True)
class Framed:
    """Rows of L tokens: `tokens` [B, L]; `lengths` int64[B] without padding; `segments` int64 or int32 [B, L], 0 and 1
    (None of one segment); `document_ids` int32[B, L], or None where nobody asked. Where a row of two segments has
    boundaries, it is one document."""

    tokens: np.ndarray
    lengths: np.ndarray
    segments: np.ndarray | None
    document_ids: np.ndarray | None


def lay_out(samples: Samples, frame: Frame) -> Framed:
    """The samples' tokens in their frame."""
    setting = samples.setting
    rows = samples.read(documents=frame.segments == 2)
    if frame.bare and frame.segments == 1:
        return Framed(rows.tokens, rows.lengths, None, rows.document_ids)
    count, taken = rows.tokens.shape
    tokens = np.full((count, taken + frame.more), setting.pad_id, setting.dtype)
    wanted = bool(setting.boundaries)
    ids = rows.document_ids if rows.document_ids is not None else np.zeros((count, 0), np.int32)
    document_ids = np.zeros(tokens.shape if wanted else (count, 0), np.int32)
    segments = np.zeros(tokens.shape if frame.segments == 2 else (count, 0), setting.dtype)
    lengths = _frame(
        rows.tokens, rows.lengths, ids, frame.bare, frame.cls, frame.sep, tokens, segments, document_ids,
    )  # fmt: skip
    return Framed(tokens, lengths, segments if frame.segments == 2 else None, document_ids if wanted else None)


@numba.njit(cache=True, nogil=True)
def _frame(source, taken, ids, bare, cls, sep, tokens, segments, document_ids):
    """Lay rows of `source` [B, T] out in `tokens` [B, L]; int64[B] how long they became. A separator is not repeated
    where a sample ends with one."""
    lengths = np.zeros(len(taken), np.int64)
    pair = segments.shape[1] > 0
    for row in range(len(taken)):
        count = taken[row]
        if count == 0:
            continue
        cut = count
        if pair:
            cut = 0
            while cut < count and ids[row, cut] == 1:
                cut += 1
        at = 0
        if not bare:
            tokens[row, 0] = cls
            at = 1
        for k in range(cut):
            tokens[row, at + k] = source[row, k]
        at += cut
        if not bare and (pair or source[row, count - 1] != sep):
            tokens[row, at] = sep
            at += 1
        if cut < count:
            first = at
            for k in range(cut, count):
                tokens[row, at + k - cut] = source[row, k]
            at += count - cut
            if not bare:
                tokens[row, at] = sep
                at += 1
            segments[row, first:at] = 1
        lengths[row] = at
        if document_ids.shape[1]:
            if pair or not ids.shape[1]:
                document_ids[row, :at] = 1
            else:
                before = 0 if bare else 1
                document_ids[row, :before] = ids[row, 0]
                document_ids[row, before : before + count] = ids[row, :count]
                document_ids[row, before + count : at] = ids[row, count - 1]
    return lengths
