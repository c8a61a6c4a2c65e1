"""How a batch says where its documents begin and end, and what its arrays are called."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.loader import kernel

BOUNDARIES = ("document_ids", "segment_ids", "positions", "cu_seqlens", "attention_mask")
INPUTS: dict[str, dict[str, str]] = {
    "tokens": {},
    "input_ids": {
        "tokens": "input_ids",
        "positions": "position_ids",
        "decoder_tokens": "decoder_input_ids",
        "segments": "token_type_ids",
        "sentence_labels": "next_sentence_label",
    },
}
"""By what a batch calls its inputs: other names of arrays. `input_ids` are the names of Hugging Face's models."""


def finish(batch: dict[str, Any], boundaries: tuple[str, ...], inputs: str, dtype: np.dtype) -> dict[str, Any]:
    """What an objective has made, with the entries that `boundaries`, names in BOUNDARIES, ask for in place of its
    document_ids (nothing where it has none), under the names of `inputs`."""
    names = INPUTS[inputs]
    if not boundaries and not names:
        return batch
    arrays = dict(batch)
    if boundaries and "document_ids" in arrays:
        arrays |= describe(arrays.pop("document_ids"), boundaries, dtype)
    return {names.get(name, name): array for name, array in arrays.items()}


def describe(document_ids: np.ndarray, boundaries: tuple[str, ...], dtype: np.dtype) -> dict[str, Any]:
    """The entries of a batch that `boundaries` ask for, of document_ids int32[B, L]."""
    described: dict[str, Any] = {}
    for name in ("document_ids", "segment_ids"):
        if name in boundaries:
            described[name] = document_ids
    if "positions" in boundaries:
        described["positions"] = kernel.count_positions(document_ids)
    if "cu_seqlens" in boundaries:
        ends, longest = kernel.cumulative_lengths(document_ids)
        described |= {"cu_seqlens": ends, "max_seqlen": int(longest)}
    if "attention_mask" in boundaries:
        described["attention_mask"] = (document_ids > 0).astype(dtype)
    return described
