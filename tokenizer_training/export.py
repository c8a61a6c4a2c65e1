"""Parts of the files that several families write."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizer_training.merges import Merges

CURVE_POINTS = 16


def write_json(path: pathlib.Path, value: Any) -> None:
    """JSON in UTF-8 on one line, keys in the order given, so that equal values are equal
    bytes. (Indented, it would be ten times slower.)"""
    path.write_bytes((json.dumps(value, ensure_ascii=False) + "\n").encode())


def vocabulary(tokens: list[str]) -> dict[str, int]:
    """Ids of tokens. Raises ValueError where a special token is also an ordinary one: text
    would then be encoded to it."""
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        twice = sorted({token for i, token in enumerate(tokens) if ids[token] != i})
        raise ValueError(f"special tokens that text can spell as one token: {', '.join(twice)}")
    return ids


def sentinel_tokens(first_id: int, sentinels: int) -> dict[str, int]:
    """Ids of the tokens that stand for removed spans: `<extra_id_0>` has the highest id of
    all and the others count down (T5, Raffel et al. 2020)."""
    return {f"<extra_id_{i}>": first_id + sentinels - 1 - i for i in range(sentinels)}


RESERVED = "[unused"
"""How tokens begin that are put aside for later, and are not special (BERT)."""


def added_tokens(
    special: dict[str, int], vocab_size: int, sentinels: int, symbols: dict[str, int] | None = None
) -> list[dict[str, Any]]:
    """The `added_tokens` of tokenizer.json: special tokens and sentinels with their ids, and symbols that are not
    special. What is reserved is none."""
    ids = without_reserved(special) | sentinel_tokens(vocab_size, sentinels) | (symbols or {})
    flags = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
    }
    ordered = sorted(ids.items(), key=lambda item: item[1])
    return [{"id": i, "content": token, **flags, "special": token not in (symbols or {})} for token, i in ordered]


def without_reserved(special: dict[str, int]) -> dict[str, int]:
    """The ids of those special tokens that mean something."""
    return {token: i for token, i in special.items() if not token.startswith(RESERVED)}


def compression_curve(merges: Merges, symbols: int, first_size: int) -> dict[str, dict[str, int]]:
    """Tokens of the training text at several vocabulary sizes. Byte-pair vocabularies are
    prefixes of each other, so that one training gives the length of the text at every size."""
    if len(merges.rows) == 0:
        return {"tokens_by_vocab_size": {str(first_size): symbols}}
    left = symbols - np.cumsum(merges.applied)
    points = np.unique(np.geomspace(1, len(left), CURVE_POINTS).astype(int))
    sizes = {str(merges.rows[p - 1, 2] + 1): int(left[p - 1]) for p in points}
    return {"tokens_by_vocab_size": {str(first_size): symbols, **sizes}}
