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


def added_tokens(special: tuple[str, ...], vocab_size: int, sentinels: int) -> list[dict[str, Any]]:
    """The `added_tokens` of tokenizer.json: special tokens 0, 1, ... and the sentinels."""
    ids = {token: i for i, token in enumerate(special)} | sentinel_tokens(vocab_size, sentinels)
    flags = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    ordered = sorted(ids.items(), key=lambda item: item[1])
    return [{"id": i, "content": token, **flags} for token, i in ordered]


def compression_curve(merges: Merges, symbols: int, first_size: int) -> dict[str, dict[str, int]]:
    """Tokens of the training text at several vocabulary sizes. Byte-pair vocabularies are
    prefixes of each other, so that one training gives the length of the text at every size."""
    if len(merges.rows) == 0:
        return {"tokens_by_vocab_size": {str(first_size): symbols}}
    left = symbols - np.cumsum(merges.applied)
    points = np.unique(np.geomspace(1, len(left), CURVE_POINTS).astype(int))
    sizes = {str(merges.rows[p - 1, 2] + 1): int(left[p - 1]) for p in points}
    return {"tokens_by_vocab_size": {str(first_size): symbols, **sizes}}
