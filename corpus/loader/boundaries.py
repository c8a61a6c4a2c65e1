"""How a batch says where its documents begin and end."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.loader import kernel

BOUNDARIES = ("document_ids", "positions", "cu_seqlens")


def describe(document_ids: np.ndarray | None, boundaries: tuple[str, ...]) -> dict[str, Any]:
    """The entries of a batch that `boundaries`, names in BOUNDARIES, ask for, of document_ids int32[B, L]; these are
    needed (not None) for any."""
    described: dict[str, Any] = {}
    if "document_ids" in boundaries:
        described["document_ids"] = document_ids
    if "positions" in boundaries:
        described["positions"] = kernel.count_positions(document_ids)
    if "cu_seqlens" in boundaries:
        ends, longest = kernel.cumulative_lengths(document_ids)
        described |= {"cu_seqlens": ends, "max_seqlen": int(longest)}
    return described
