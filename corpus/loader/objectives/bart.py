"""Text that was corrupted and is to be written anew (BART, Lewis et al. 2020; fairseq, denoising_dataset.py)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from corpus.loader import denoising, names
from corpus.loader.kernel import IGNORE
from corpus.loader.layout import Frame, lay_out
from corpus.loader.objective import Objective, Samples, Setting
from corpus.loader.objectives.mlm import frame_of, framed_windows

REPLACE = ("span", "token", "nothing")


@dataclasses.dataclass(frozen=True)
class Bart(Objective):
    """BART's five corruptions, in the order of its code: sentences are permuted, spans masked, masks put in between,
    the text rotated. The paper's models have sentences permuted and text infilling (the defaults here); token masking
    is mean_span 0, token deletion that with replace "nothing", document rotation rotate_share.

    tokens          [B, L] <s> x </s> corrupted
    labels          [B, L] <s> x </s> as it was; padding is -100
    decoder_tokens  [B, L] the labels moved by one, </s> first

    <s> and </s> are the tokenizer's cls and sep. Sentences end with the first of a run of tokens that are a full stop.
    """

    mask_share: float = 0.3
    """Words that are masked: ceil(mask_share words) of a sample."""
    mean_span: float = 3.0
    """Words of a span, of a Poisson distribution with this mean; spans of none are masks put in between. 0: all are
    of one."""
    replace: str = "span"
    """What stands in place of a span: one mask ("span"), one for each of its tokens ("token"), "nothing"."""
    random_share: float = 0.0
    """How many masks are random tokens instead."""
    insert_share: float = 0.0
    """Masks put in between, as a share of the tokens."""
    permute_share: float = 1.0
    """Sentences that are permuted among themselves."""
    rotate_share: float = 0.0
    """Samples that begin with another of their tokens."""
    whole_word: bool = True
    """Spans are of words; False: of tokens."""
    frame: bool = True
    """Put <s> and </s> about each row."""

    def __post_init__(self) -> None:
        for name in ("mask_share", "random_share", "insert_share", "permute_share", "rotate_share"):
            names.within(name, getattr(self, name), 0, 1)
        names.within("mean_span", self.mean_span, 0, 50)
        names.check("replace", self.replace, REPLACE)
        for name in ("whole_word", "frame"):
            names.flag(name, getattr(self, name))

    def _frame(self, setting: Setting) -> Frame:
        return frame_of(setting, 1, self.frame, "bart")

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """What is left of a row beside its frame, and the masks that are put in between."""
        known = setting.vocabulary
        known.role("mask", "bart")
        if self.whole_word:
            known.word_starts("bart with whole words")
        if self.permute_share:
            known.full_stops("bart with permute_share")
        (room,) = framed_windows(setting, self._frame(setting), "bart")
        while room > 1 and room + math.ceil((room + 2) * self.insert_share) > setting.sequence_length - 2:
            room -= 1
        return (room,)

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, decoder_tokens."""
        setting, known = samples.setting, samples.setting.vocabulary
        framed = lay_out(samples, self._frame(setting))
        shape = len(framed.lengths), setting.sequence_length
        inputs, decoder = (np.full(shape, setting.pad_id, setting.dtype) for _ in range(2))
        labels = np.full(shape, IGNORE, setting.dtype)
        none = np.empty(0, np.bool_)
        stops = known.full_stops("bart") if self.permute_share else none
        filled = denoising.corrupt(
            framed.tokens, framed.lengths, samples.keys, 0 if self._frame(setting).bare else 1,
            known.word_starts("bart") if self.whole_word else none, stops, known.ordinary, known.role("mask", "bart"),
            denoising.poisson(float(self.mean_span)), float(self.mask_share), REPLACE.index(self.replace),
            float(self.random_share), float(self.insert_share), float(self.permute_share), float(self.rotate_share),
            inputs,
        )  # fmt: skip
        denoising.targets(framed.tokens, framed.lengths, known.role("sep", "bart"), labels, decoder)
        batch = {"tokens": inputs, "labels": labels, "decoder_tokens": decoder}
        if not setting.boundaries:
            return batch
        document_ids = (np.arange(shape[1]) < filled[:, None]).astype(np.int32)
        return batch | samples.describe(document_ids)

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """All tokens of the rows."""
        return lay_out(samples, self._frame(samples.setting)).lengths
