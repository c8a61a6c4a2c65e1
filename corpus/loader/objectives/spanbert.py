"""Masked spans and what is about them (SpanBERT, Joshi et al. 2020, arXiv 1907.10529)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corpus.loader import masking, names, order
from corpus.loader.kernel import IGNORE
from corpus.loader.layout import Frame, lay_out
from corpus.loader.objective import Objective, Samples, Setting
from corpus.loader.objectives.mlm import frame_of, framed_windows


@dataclasses.dataclass(frozen=True)
class SpanBert(Objective):
    """Contiguous spans are masked, of whole words, 1 to `longest` of them with probabilities of a geometric
    distribution that is cut off there, until ceil(share n) of n tokens are. A span becomes masks, or random tokens, or
    stays, as a whole. Random ones are drawn of the corpus: of another sample, each as likely.

    tokens        [B, L] [CLS] x [SEP], with masks in it
    labels        [B, L] what tokens of spans were, else -100
    left, right   int32[B, L] for the span boundary objective: the places of the tokens before the span that a token is
                  in and behind it (the paper's x_(s-1) and x_(e+1); the token's place in it is its own minus left); -1
                  for other tokens, and where one of both is no token of the text

    A sample of special tokens alone has one label, of a token that stays.
    """

    share: float = 0.15
    """How much of a sample is masked."""
    geometric: float = 0.2
    """p of the distribution of lengths: p (1 - p)^(n - 1), cut off and made to add up to 1: 3.8 words on average."""
    longest: int = 10
    """Words of a span at most."""
    mask_share: float = 0.8
    """Of the spans, how many become mask tokens;"""
    random_share: float = 0.1
    """and how many random ones."""
    frame: bool = True
    """Put [CLS] and [SEP] about each row."""

    batch_options: ClassVar[tuple[str, ...]] = ("share", "geometric", "longest", "mask_share", "random_share")

    def __post_init__(self) -> None:
        names.shares(share=self.share, mask_share=self.mask_share, random_share=self.random_share)
        names.within("geometric", self.geometric, 0.001, 1)
        names.count("longest", self.longest, 1)
        names.flag("frame", self.frame)

    def _frame(self, setting: Setting) -> Frame:
        return frame_of(setting, 1, self.frame, "spanbert")

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """What is left of a row beside its frame."""
        setting.vocabulary.role("mask", "spanbert")
        setting.vocabulary.word_starts("spanbert")
        return framed_windows(setting, self._frame(setting), "spanbert")

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, left, right."""
        setting = samples.setting
        framed = lay_out(samples, self._frame(setting))
        keys, size = samples.keys, samples.source.figures["samples"]
        others = order.elsewhere(keys, 0, size)
        other = samples.read(numbers=np.where(samples.numbers < 0, -1, others))
        labels = np.full(framed.tokens.shape, IGNORE, setting.dtype)
        left, right = (np.full(framed.tokens.shape, -1, np.int32) for _ in range(2))
        odds = self.geometric * (1 - self.geometric) ** np.arange(self.longest)
        known = setting.vocabulary
        masking.mask_spans(
            framed.tokens, framed.lengths, keys, known.plain, known.word_starts("spanbert"), odds, other.tokens,
            other.lengths, known.ordinary, known.role("mask", "spanbert"), float(self.share),
            *masking.bounds(self.mask_share, self.random_share), labels, left, right,
        )  # fmt: skip
        batch = {"tokens": framed.tokens, "labels": labels, "left": left, "right": right}
        return batch | samples.describe(framed.document_ids)
