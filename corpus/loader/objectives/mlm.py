"""Masked language model: BERT's, with next sentences and without; RoBERTa's, ALBERT's."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corpus.loader import masking, names
from corpus.loader.kernel import IGNORE
from corpus.loader.layout import Frame, lay_out
from corpus.loader.objective import Objective, Samples, Setting

RULES = ("bert", "roberta")


@dataclasses.dataclass(frozen=True)
class Mlm(Objective):
    """Tokens to be found again that were masked. A sample is sequence_length - 2 tokens, or with two segments, of a
    packing plan of pairs, sequence_length - 3.

    tokens           [B, L] [CLS] x [SEP], or [CLS] A [SEP] B [SEP], with masks in it
    labels           [B, L] what masked tokens were, else -100
    segments         [B, L] of two segments: 0 for [CLS] A [SEP], 1 for B [SEP]; padding is 0
    sentence_labels  [B] of two segments: 1 where B is of another document, or stands before A in its own; else 0

    A sample that has nothing to mask but special tokens has one label, of a token that stays, so that none has none.
    """

    share: float = 0.15
    """How much of a sample is masked."""
    rule: str = "bert"
    """"bert": a rounded share of all tokens, taken of those that are not special; what is put in place of one is any
    token. "roberta": a share rounded up or down by chance, of special tokens, too; what is put in is not special."""
    whole_word: bool = False
    """Mask whole words."""
    ngrams: int = 1
    """Mask runs of up to so many words (ALBERT: 3), n of them with probability in proportion to 1/n."""
    max_predictions: int = 0
    """Labels of a sample at most; 0: no limit. BERT has 20 for 128 tokens, 77 for 512."""
    mask_share: float = 0.8
    """Of what is masked, how much becomes the mask token;"""
    random_share: float = 0.1
    """and how much a random one. The rest stays."""
    static: int = 0
    """Masks of a window are the same again every so many epochs (BERT's dupe_factor: 10); 0: new ones each epoch."""
    segments: int = 1
    """2: samples are pairs, of a packing plan that has such."""
    frame: bool = True
    """Put [CLS] and [SEP] about each row: not for tokens that have them about each document, packed one by one."""

    pair_plans: ClassVar[tuple[str, ...]] = ("next_sentence", "sentence_order", "sentence_pairs")
    batch_options: ClassVar[tuple[str, ...]] = (
        "share", "rule", "whole_word", "ngrams", "max_predictions", "mask_share", "random_share", "static",
    )  # fmt: skip

    def __post_init__(self) -> None:
        names.check("rule", self.rule, RULES)
        names.shares(share=self.share, mask_share=self.mask_share, random_share=self.random_share)
        for name in ("whole_word", "frame"):
            names.flag(name, getattr(self, name))
        for name in ("max_predictions", "static"):
            names.count(name, getattr(self, name))
        names.count("ngrams", self.ngrams, 1)
        names.segments(self.segments)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """What is left of a row beside its frame."""
        setting.vocabulary.role("mask", "mlm")
        if self.whole_word:
            setting.vocabulary.word_starts("mlm with whole words")
        return framed_windows(setting, self._frame(setting), "mlm")

    def _frame(self, setting: Setting) -> Frame:
        return frame_of(setting, self.segments, self.frame, "mlm")

    @property
    def _by_words(self) -> bool:
        return self.whole_word or self.ngrams > 1

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, and of pairs segments and sentence_labels."""
        setting = samples.setting
        framed = lay_out(samples, self._frame(setting))
        labels = np.full(framed.tokens.shape, IGNORE, setting.dtype)
        known, bert = setting.vocabulary, self.rule == "bert"
        eligible = known.plain if bert else np.empty(0, np.bool_)
        pool = known.every if bert else known.ordinary
        mask, most = known.role("mask", "mlm"), self.max_predictions
        masked_below, random_below = masking.bounds(self.mask_share, self.random_share)
        keys, share = samples.repeating_keys(self.static), float(self.share)
        if self._by_words:
            starts = known.word_starts("mlm") if self.whole_word else np.ones(known.size, np.bool_)
            masking.mask_words(
                framed.tokens, framed.lengths, keys, eligible, starts, self.ngrams, pool, mask, share, bert, most,
                masked_below, random_below, labels,
            )  # fmt: skip
        else:
            masking.mask_tokens(
                framed.tokens, framed.lengths, keys, eligible, pool, mask, share, bert, most, masked_below,
                random_below, labels,
            )  # fmt: skip
        batch: dict[str, Any] = {"tokens": framed.tokens, "labels": labels}
        if framed.segments is not None:
            batch |= {"segments": framed.segments, "sentence_labels": samples.turned().astype(setting.dtype)}
        return batch | samples.describe(framed.document_ids)


def frame_of(setting: Setting, segments: int, frame: bool, objective: str) -> Frame:
    """The frame of rows. Raises ValueError where the tokenizer lacks what it is made of."""
    if not frame:
        return Frame(segments, True)
    known, more = setting.vocabulary, 1 + segments
    if setting.method == "segments":  # the longest samples have one; those of two have a token less
        more = 2
    return Frame(segments, False, more, known.role("cls", objective), known.role("sep", objective))


def framed_windows(setting: Setting, frame: Frame, objective: str) -> tuple[int, ...]:
    """As Objective.windows, of rows in a frame."""
    if setting.sequence_length <= frame.more:
        raise ValueError(f"sequence_length must be more than {frame.more} with {objective}, which frames each row")
    return (setting.sequence_length - frame.more,)
