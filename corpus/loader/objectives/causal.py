"""Next token: every token of a sample is to be predicted from those before it."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corpus.loader import names
from corpus.loader.filling import Rows
from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective, Samples, Setting

LABELS = ("shifted", "hf")


@dataclasses.dataclass(frozen=True)
class Causal(Objective):
    """Megatron's stride of L, moved by one token: the labels are the sample itself, so that every token is a label
    exactly once an epoch, and the inputs the token before each.

    tokens   [B, L] inputs: the token before each label; the end-of-document token before the first document, and with
             packing before each; padding is the pad id, or the end id if there is none
    labels   [B, L] what is to be predicted; -100 where there is padding
    """

    mask_document_starts: bool = False
    """Give no label to a document's first token, which nothing announces; but in a sample that is nothing but first
    tokens, which would have no label at all."""
    labels: str = "shifted"
    """"shifted": labels[:, i] is to be predicted at tokens[:, i]. "hf": at tokens[:, i - 1], for models that shift the
    labels themselves, as those of Hugging Face do when they are given any. Then a row of L inputs has L - 1 labels, and
    labels[:, 0] is -100: windows, and the sequences of a packing plan, are of L - 1 tokens."""

    batch_options: ClassVar[tuple[str, ...]] = ("mask_document_starts",)

    def __post_init__(self) -> None:
        names.check("labels", self.labels, LABELS)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """As many tokens as a row has labels."""
        if self.labels == "shifted":
            return (setting.sequence_length,)
        if setting.sequence_length < 2:
            raise ValueError(
                "sequence_length must be at least 2 with labels='hf': a row has one label less than inputs"
            )
        return (setting.sequence_length - 1,)

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels."""
        rows = samples.read(previous=True, padding=IGNORE, mask_starts=self.mask_document_starts)
        if self.mask_document_starts:
            bare = np.flatnonzero((rows.lengths > 0) & (rows.tokens == IGNORE).all(1))
            if len(bare):
                rows.tokens[bare] = samples.read(padding=IGNORE, numbers=samples.numbers[bare]).tokens
        if self.labels == "hf":
            rows = _unshifted(rows, samples.setting.pad_id)
        return {"tokens": rows.previous, "labels": rows.tokens} | samples.describe(rows.document_ids)

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """All tokens, but what is masked: only then are they read."""
        return super().count_labels(samples) if self.mask_document_starts else samples.count_tokens()


def _unshifted(rows: Rows, pad_id: int) -> Rows:
    """Rows of one position more, in which each label stands behind the token that it is predicted from. The last label
    is an input, too, from which nothing is predicted; where it is masked, and not known here, it is padding."""
    count, length = rows.tokens.shape
    labels = np.full((count, length + 1), IGNORE, rows.tokens.dtype)
    labels[:, 1:] = rows.tokens
    inputs = np.full((count, length + 1), pad_id, rows.tokens.dtype)
    inputs[:, :-1] = rows.previous
    filled = np.flatnonzero(rows.lengths)
    ends = rows.lengths[filled]
    last = rows.tokens[filled, ends - 1]
    inputs[filled, ends] = np.where(last == IGNORE, pad_id, last)
    if rows.document_ids is None:
        return Rows(labels, inputs, rows.lengths, None)
    ids = np.zeros((count, length + 1), np.int32)
    ids[:, :-1] = rows.document_ids
    ids[filled, ends] = rows.document_ids[filled, ends - 1]
    return Rows(labels, inputs, rows.lengths, ids)
