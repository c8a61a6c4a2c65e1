"""Prefix LM: the first tokens of a sample are seen at once, the rest is predicted (T5's `prefix_lm`; Raffel et al.
2020, section 3.2.4)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numba
import numpy as np

from corpus.loader import names
from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective, Samples, Setting
from corpus.tokens import philox

LAYOUTS = ("decoder", "encoder_decoder")


@dataclasses.dataclass(frozen=True)
class PrefixLm(Objective):
    """A prefix of 1 to n - 1 of a sample's n tokens, each length as likely (t5/data/preprocessors.py,
    random_prefix_noise_mask). A sample of one token has no prefix.

    With layout "decoder", of L tokens:
    tokens       [B, L] the token before each label, as of "causal": tokens[:, i] stands before labels[:, i]
    labels       [B, L] the sample behind its prefix; -100 for the prefix and padding
    prefix_mask  [B, L] 1 where tokens are seen from everywhere: what stands before the prefix's tokens, and its last
                 token; else 0

    With "encoder_decoder", of L - 1 tokens, an end token behind both:
    tokens, decoder_tokens, labels   [B, L] the prefix; the rest, moved by one with padding first; the rest, padding
    -100
    """

    layout: str = "decoder"
    """"decoder" or "encoder_decoder"."""

    def __post_init__(self) -> None:
        names.check("layout", self.layout, LAYOUTS)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """As many tokens as a row has, less the end token of an encoder's."""
        if self.layout == "decoder":
            return (setting.sequence_length,)
        if setting.sequence_length < 2:
            raise ValueError("sequence_length must be at least 2 with prefix_lm for an encoder and a decoder")
        return (setting.sequence_length - 1,)

    batch_options: ClassVar[tuple[str, ...]] = ()

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, and prefix_mask or decoder_tokens."""
        setting = samples.setting
        lengths = samples.count_tokens()
        prefixes = _prefixes(samples.keys, lengths)
        if self.layout == "decoder":
            rows = samples.read(previous=True, padding=IGNORE)
            mask = np.zeros(rows.tokens.shape, setting.dtype)
            _hide(rows.tokens, prefixes, mask)
            batch = {"tokens": rows.previous, "labels": rows.tokens, "prefix_mask": mask}
            return batch | samples.describe(rows.document_ids)
        rows = samples.read()
        shape = len(lengths), setting.sequence_length
        inputs, decoder = (np.full(shape, setting.pad_id, setting.dtype) for _ in range(2))
        labels = np.full(shape, IGNORE, setting.dtype)
        _divide(rows.tokens, lengths, prefixes, setting.end_id, inputs, decoder, labels)
        batch = {"tokens": inputs, "decoder_tokens": decoder, "labels": labels}
        if rows.document_ids is None:
            return batch
        ids = np.zeros(shape, np.int32)
        _divide_ids(rows.document_ids, prefixes, ids, lengths)
        return batch | samples.describe(ids)

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """What is not prefix, and the end token."""
        lengths = samples.count_tokens()
        rest = lengths - _prefixes(samples.keys, lengths)
        return rest if self.layout == "decoder" else np.where(lengths > 0, rest + 1, 0)


@numba.njit(cache=True, nogil=True)
def _prefixes(keys, lengths):
    """int64[B]: tokens of each prefix."""
    state = philox.state()
    found = np.zeros(len(lengths), np.int64)
    for row in range(len(lengths)):
        if lengths[row] > 1:
            philox.seat(state, keys[row], philox.SPANS)
            found[row] = 1 + philox.below(state, lengths[row] - 1)
    return found


@numba.njit(cache=True, nogil=True)
def _hide(labels, prefixes, mask):
    for row in range(len(prefixes)):
        if prefixes[row]:
            labels[row, : prefixes[row]] = IGNORE
            mask[row, : prefixes[row] + 1] = 1


@numba.njit(cache=True, nogil=True)
def _divide(source, lengths, prefixes, end_id, inputs, decoder, labels):
    for row in range(len(lengths)):
        prefix, length = prefixes[row], lengths[row]
        if length == 0:
            continue
        for k in range(prefix):
            inputs[row, k] = source[row, k]
        inputs[row, prefix] = end_id
        for k in range(prefix, length):
            labels[row, k - prefix] = source[row, k]
            decoder[row, k - prefix + 1] = source[row, k]
        labels[row, length - prefix] = end_id


@numba.njit(cache=True, nogil=True)
def _divide_ids(source, prefixes, ids, lengths):
    for row in range(len(prefixes)):
        if lengths[row]:
            ids[row, : prefixes[row]] = source[row, : prefixes[row]]
            ids[row, prefixes[row]] = ids[row, prefixes[row] - 1] if prefixes[row] else 1
