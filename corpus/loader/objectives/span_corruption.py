"""Span corruption: T5's objective (Raffel et al. 2020, section 3.1.4), and ByT5's (Xue et al. 2022)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from corpus.loader import names, spans
from corpus.loader.objective import Objective, Samples, Setting


@dataclasses.dataclass(frozen=True)
class SpanCorruption(Objective):
    """Spans of a sample are taken out and to be found. A sample has as many tokens as make sequence_length inputs (568
    for 512 of T5's; `corpus.loader.spans`).

    tokens          [B, L] the sample with a sentinel in place of each span, and the end token
    labels          [B, T] each sentinel and its span, and the end token; padding is -100
    decoder_tokens  [B, T] the same moved by one, padding first

    Documents follow each other in a sample with their end tokens; T5's own code leaves these out.
    """

    density: float = 0.15
    """How much of a sample is taken out."""
    mean_span: float = 3.0
    """Tokens of a span, on average (ByT5: 20 bytes)."""
    targets_length: int = 0
    """T; 0: as many as the longest sample makes (114 for 512 of T5's)."""
    roll: bool = False
    """Move the spans round by an amount drawn at random, so that a sample need not end with one (T5's random_roll)."""

    def __post_init__(self) -> None:
        names.within("density", self.density, 0.001, 0.999)
        names.within("mean_span", self.mean_span, 1, 1 << 20)
        names.count("targets_length", self.targets_length)
        names.flag("roll", self.roll)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """Tokens that make a full row."""
        return (self._solved(setting)[0],)

    def _solved(self, setting: Setting) -> tuple[int, int, int]:
        """(tokens of a sample, of its targets, sentinels). Raises ValueError where there are none, or no sentinels."""
        noise = spans.noise_of(self.density, self.mean_span)
        wanted = self.targets_length or None
        length = spans.solve(noise, setting.sequence_length - self.roll, wanted and wanted - self.roll)
        if length < 1:
            raise ValueError(
                f"sequence_length {setting.sequence_length} has no room for a span and its sentinel"
                + (f" with targets_length {wanted}" if wanted else "")
            )
        sentinels = max(1, noise.count(length)[1]) + self.roll
        setting.vocabulary.spans(sentinels, "span_corruption")
        return length, wanted or noise.lengths(length)[1] + self.roll, sentinels

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, decoder_tokens."""
        _, longest, sentinels = self._solved(samples.setting)
        kind = spans.noise_of(self.density, self.mean_span), self.roll, ()
        found = samples.setting.vocabulary.spans(sentinels, "span_corruption")
        return corrupted(samples, [kind], np.zeros(len(samples.numbers), np.int64), found, longest)

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """By the lengths alone, but where spans are rolled."""
        if self.roll:
            return super().count_labels(samples)
        noise = spans.noise_of(self.density, self.mean_span)
        return np.array([n and noise.lengths(n)[1] for n in samples.count_tokens().tolist()], np.int64)


Kind = tuple[spans.Noise, bool, tuple[int, ...]]
"""A way to corrupt: its noise, whether this is rolled, tokens before the inputs (as many in each kind)."""


def corrupted(
    samples: Samples, kinds: Sequence[Kind], of: np.ndarray, sentinels: np.ndarray, longest: int
) -> dict[str, Any]:
    """A batch of span corruption, row r of kind `of[r]` (int64[B]), with targets of `longest` tokens."""
    setting, rows = samples.setting, samples.read()
    count = len(rows.lengths)
    inputs = np.empty((count, setting.sequence_length), setting.dtype)
    decoder, labels = (np.empty((count, longest), setting.dtype) for _ in range(2))
    wanted = rows.document_ids is not None
    document_ids = np.zeros(inputs.shape if wanted else (count, 0), np.int32)
    ids = np.zeros((count, 0), np.int32) if rows.document_ids is None else rows.document_ids
    noises, rolls, first_tokens = zip(*kinds)
    spans.corrupt(
        rows.tokens, rows.lengths, ids, samples.keys, of, np.array([noise.parts for noise in noises]), np.array(rolls),
        np.array(first_tokens, np.int64), sentinels, setting.end_id, setting.pad_id, inputs, decoder, labels,
        document_ids,
    )  # fmt: skip
    batch = {"tokens": inputs, "labels": labels, "decoder_tokens": decoder}
    return batch | samples.describe(document_ids if wanted else None)
