"""Next token: every token of a sample is to be predicted from those before it."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective, Samples


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

    batch_options: ClassVar[tuple[str, ...]] = ("mask_document_starts",)

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels."""
        rows = samples.read(previous=True, padding=IGNORE, mask_starts=self.mask_document_starts)
        if self.mask_document_starts:
            bare = np.flatnonzero((rows.lengths > 0) & (rows.tokens == IGNORE).all(1))
            if len(bare):
                rows.tokens[bare] = samples.read(padding=IGNORE, numbers=samples.numbers[bare]).tokens
        return {"tokens": rows.previous, "labels": rows.tokens} | samples.describe(rows.document_ids)

    def labels(self, samples: Samples) -> np.ndarray | None:
        """All tokens, but what is masked: only then are they read."""
        return super().labels(samples) if self.mask_document_starts else samples.count_tokens()
