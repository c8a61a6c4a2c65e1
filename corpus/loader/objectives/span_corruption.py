"""Span corruption: T5's objective (Raffel et al. 2020, section 3.1.4), and ByT5's (Xue et al. 2022)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from corpus.loader import names, spans
from corpus.loader.kernel import IGNORE
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
        parts = spans.noise_of(self.density, self.mean_span).parts
        found = samples.setting.vocabulary.spans(sentinels, "span_corruption")
        return corrupted(samples, parts, self.roll, np.empty(0, np.int64), found, longest)

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """By the lengths alone, but where spans are rolled."""
        if self.roll:
            return super().count_labels(samples)
        noise = spans.noise_of(self.density, self.mean_span)
        return np.array([n and noise.lengths(n)[1] for n in samples.count_tokens().tolist()], np.int64)


def corrupted(
    samples: Samples,
    parts: tuple[int, int, int, int],
    roll: bool,
    first_tokens: np.ndarray,
    sentinels: np.ndarray,
    longest: int,
) -> dict[str, Any]:
    """A batch of span corruption; arguments as of `spans.corrupt`, `longest`: T."""
    setting = samples.setting
    rows = samples.read()
    count = len(rows.lengths)
    inputs = np.full((count, setting.sequence_length), setting.pad_id, setting.dtype)
    decoder = np.full((count, longest), setting.pad_id, setting.dtype)
    labels = np.full((count, longest), IGNORE, setting.dtype)
    wanted = rows.document_ids is not None
    document_ids = np.zeros(inputs.shape if wanted else (count, 0), np.int32)
    ids = np.zeros((count, 0), np.int32) if rows.document_ids is None else rows.document_ids
    spans.corrupt(
        rows.tokens, rows.lengths, ids, samples.keys, parts, roll, first_tokens, sentinels, setting.end_id,
        inputs, decoder, labels, document_ids,
    )  # fmt: skip
    batch = {"tokens": inputs, "labels": labels, "decoder_tokens": decoder}
    return batch | samples.describe(document_ids if wanted else None)
