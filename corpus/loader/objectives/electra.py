"""Candidates for replaced-token detection (ELECTRA, Clark et al. 2020; google-research/electra,
pretrain_helpers.py)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corpus.loader import masking, names
from corpus.loader.kernel import IGNORE
from corpus.loader.layout import Frame, lay_out
from corpus.loader.objective import Objective, Samples, Setting
from corpus.loader.objectives.mlm import frame_of, framed_windows
from corpus.tokens.sentence_packing import PAIRS


@dataclasses.dataclass(frozen=True)
class Electra(Objective):
    """What a generator is asked for: where `labels` has a token, it puts one of its own there, and the discriminator is
    asked of all tokens whether they were put there. max(1, round(share n)) places of a row of n tokens are drawn, of
    those without special tokens, with replacement, as ELECTRA's code has it: so some fewer are candidates.

    tokens    [B, L] [CLS] x [SEP], or [CLS] A [SEP] B [SEP] of a packing plan of segments, candidates masked
    labels    [B, L] what candidates were, else -100
    segments  [B, L] of two segments: 0 for [CLS] A [SEP], 1 for B [SEP]; padding is 0

    A sample of special tokens alone has one label, of a token that stays.
    """

    share: float = 0.15
    """Draws, as a share of a row's tokens (0.25 for ELECTRA-Large)."""
    mask_share: float = 0.85
    """How many of the draws put the mask token; the rest leave what is there."""
    segments: int = 1
    """2: samples are of a packing plan of segments."""
    frame: bool = True
    """Put [CLS] and [SEP] about each row."""

    pair_plans: ClassVar[tuple[str, ...]] = PAIRS
    batch_options: ClassVar[tuple[str, ...]] = ("share", "mask_share")

    def __post_init__(self) -> None:
        names.shares(share=self.share, mask_share=self.mask_share)
        names.flag("frame", self.frame)
        names.segments(self.segments)

    def _frame(self, setting: Setting) -> Frame:
        return frame_of(setting, self.segments, self.frame, "electra")

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """What is left of a row beside its frame."""
        setting.vocabulary.role("mask", "electra")
        return framed_windows(setting, self._frame(setting), "electra")

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, and of two segments segments."""
        setting = samples.setting
        framed = lay_out(samples, self._frame(setting))
        labels = np.full(framed.tokens.shape, IGNORE, setting.dtype)
        most = int((self.share + 0.005) * setting.sequence_length)
        masking.draw_with_replacement(
            framed.tokens, framed.lengths, samples.keys, setting.vocabulary.plain,
            setting.vocabulary.role("mask", "electra"), float(self.share), most, masking.bounds(self.mask_share, 0)[0],
            labels,
        )  # fmt: skip
        batch: dict[str, Any] = {"tokens": framed.tokens, "labels": labels}
        if framed.segments is not None:
            batch["segments"] = framed.segments
        return batch | samples.describe(framed.document_ids)
