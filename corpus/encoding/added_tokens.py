"""Tokens that are found in a text before it is divided into words.

A tokenizer.json lists tokens that are *added* to its model's own. Those that are special mean something to a model and
stand in no text, unless a document spells one out: then it is text by default, and the token by option. The others
(runs of blanks of Codex, say) are vocabulary, and are always found. The leftmost match counts, and of those the
longest. Those that are `normalized` are looked for, as they are normalized, in what is normalized of a text that the
others have divided.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Encode = Callable[[pa.Array], tuple[np.ndarray, np.ndarray]]
"""(tokens int32[], offsets int64[n + 1]) of a string column of n texts, null as empty."""


def found_in_text(tokens: list[dict[str, Any]], special_too: bool) -> dict[str, int]:
    """Ids of those `added_tokens` that text can spell."""
    return {token["content"]: token["id"] for token in tokens if special_too or not token["special"]}


def around(
    encode: Encode,
    tokens: list[dict[str, Any]],
    special_too: bool,
    normalized: Callable[[pa.Array], pa.Array] | None = None,
) -> Encode:
    """`encode`, of texts that `normalized` has been at, for what stands between the tokens, each such piece a text of
    its own; `encode` itself where there is nothing to be found or done."""
    parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for token in tokens:
        parts[bool(token.get("normalized"))].append(token)
    inner = _around(encode, contents(parts[1], normalized), special_too)
    return _around((lambda text: inner(normalized(text))) if normalized else inner, parts[0], special_too)


def contents(
    tokens: list[dict[str, Any]], normalized: Callable[[pa.Array], pa.Array] | None = None
) -> list[dict[str, Any]]:
    """The tokens with their contents as they are once they are normalized."""
    if not normalized or not tokens:
        return tokens
    texts = normalized(pa.array([token["content"] for token in tokens], pa.large_string())).to_pylist()
    return [{**token, "content": text} for token, text in zip(tokens, texts)]


def _around(encode: Encode, tokens: list[dict[str, Any]], special_too: bool) -> Encode:
    ids = found_in_text(tokens, special_too)
    if not ids:
        return encode
    every = sorted({token["content"] for token in tokens}, key=lambda text: (-len(text), text))
    pattern, spelled = re.compile("|".join(map(re.escape, every))), "|".join(map(re.escape, ids))

    def encode_around(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        has = pc.match_substring_regex(text, spelled).fill_null(False)
        rows = np.flatnonzero(has.to_numpy(zero_copy_only=False))
        if not len(rows):
            return encode(text)
        pieces, counts, places, inserted = _divided(text, rows, pattern, ids)
        tokens_, offsets = encode(pieces)
        ends = np.cumsum(counts)
        whole = np.insert(tokens_, offsets[places], inserted)
        edges = np.concatenate([[0], ends])
        return whole, offsets[edges] + np.searchsorted(places, edges)

    return encode_around


def _divided(
    text: pa.Array, rows: np.ndarray, pattern: re.Pattern, ids: dict[str, int]
) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
    """(pieces of all texts, how many each text has, before which piece ids are inserted, the ids)."""
    counts = np.ones(len(text), np.int64)
    parts, places, inserted = [], [], []
    done = piece = 0
    for row in rows.tolist():
        parts.append(text.slice(done, row - done))
        piece += row - done
        whole, last, own = text[row].as_py(), 0, []
        for match in pattern.finditer(whole):
            if match.group() not in ids:
                continue  # a special token that is text, and hides what stands in it
            own.append(whole[last : match.start()])
            places.append(piece + len(own))
            inserted.append(ids[match.group()])
            last = match.end()
        own.append(whole[last:])
        parts.append(pa.array(own, text.type))
        counts[row] = len(own)
        piece += len(own)
        done = row + 1
    parts.append(text.slice(done))
    return pa.concat_arrays(parts), counts, np.array(places, np.int64), np.array(inserted, np.int32)
