"""Which tokens a token cannot do without: what byte-pair encoding merges on the way to it.

Byte-pair encoding takes, at each step, of all neighbours that are a merge the leftmost of the best rank. No merge
crosses the edge of a token that is in the end result, so that what happened within it does not depend on what stands
beside it: it is what happens to the token's text alone. Where all tokens of a result are kept with all that was merged
on the way to each, every step finds the same merge best, and the result is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from corpus.encoding.sentencepiece_model import BPE, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, Model

Needs = Callable[[int], tuple[int, ...]]
"""The ids that are merged to make a token, or that might be; none where it is not made of others."""


def of_merges(model: Mapping[str, Any], merges: Sequence[Sequence[str]]) -> Needs:
    """Of the `model` of a tokenizer.json that is BPE, with its merges as pairs."""
    ids: Mapping[str, int] = model["vocab"]
    prefix, suffix = (model.get(key) or "" for key in ("continuing_subword_prefix", "end_of_word_suffix"))
    texts = {i: token for token, i in ids.items()}
    found: dict[tuple[int, int], tuple[int, int]] = {}
    made: dict[int, list[tuple[int, int]]] = {}
    for rank, (left, right) in enumerate(merges):
        pair, merged = (ids[left], ids[right]), ids[left + right[len(prefix) :]]
        found[pair] = (rank, merged)
        made.setdefault(merged, []).append(pair)

    def needs(i: int) -> tuple[int, ...]:
        ways = made.get(i, [])
        if len(ways) < 2:
            return ways[0] if ways else ()
        last = None if prefix else _last_merge(_symbols(texts[i], ids, suffix), found.get, i)
        return last or tuple({part for way in ways for part in way})

    return needs


def _symbols(token: str, ids: Mapping[str, int], suffix: str) -> list[int]:
    """What a token's text is before it is merged; empty where that are no tokens."""
    bare = token.removesuffix(suffix)
    names = [*bare[:-1], bare[-1:] + token[len(bare) :]]
    return [ids[name] for name in names] if all(name in ids for name in names) else []


def of_scores(model: Model) -> Needs:
    """Of a model of sentencepiece, where a merge is as good as the score of what it makes."""
    if model.model_type != BPE:
        return lambda i: ()
    merged = (NORMAL, USER_DEFINED, UNUSED)
    ids = {piece: i for i, (piece, _, kind) in enumerate(model.pieces) if kind in merged}

    def best(pair: tuple[str, str]) -> tuple[float, str] | None:
        i = ids.get(pair[0] + pair[1])
        return None if i is None else (-model.pieces[i][1], model.pieces[i][0])

    def needs(i: int) -> tuple[int, ...]:
        piece, _, kind = model.pieces[i] if i < len(model.pieces) else ("", 0.0, UNKNOWN)  # an id that was added
        if kind not in merged or len(piece) < 2:
            return ()
        last = _last_merge(list(piece), best, piece)
        parts = last or tuple(piece[a:b] for cut in range(1, len(piece)) for a, b in ((0, cut), (cut, len(piece))))
        return tuple(ids[part] for part in parts if part in ids)

    return needs


def _last_merge(symbols: list[Any], merge: Callable[[Any], tuple[Any, Any] | None], whole: Any) -> Any:
    """The pair that was merged last where `symbols` become `whole`, None where they do not. `merge` gives the rank of
    a pair, of which the least is best, and what it becomes."""
    last = None
    while len(symbols) > 1:
        options = [
            (made[0], at, made[1]) for at in range(len(symbols) - 1) if (made := merge((*symbols[at : at + 2],)))
        ]
        if not options:
            return None
        _, at, made_of = min(options, key=lambda option: option[:2])
        last = tuple(symbols[at : at + 2])
        symbols[at : at + 2] = [made_of]
    return last if symbols == [whole] else None


def closed(wanted: Iterable[int], needs: Needs, most: int | None = None, always: Iterable[int] = ()) -> set[int]:
    """`always`, and of `wanted` those, each with all that it needs, that fit into `most` ids, in their order."""
    kept: set[int] = set()
    for i, limit in [*((i, None) for i in always), *((i, most) for i in wanted)]:
        more: set[int] = set()
        waiting = [i]
        while waiting:
            part = waiting.pop()
            if part not in kept and part not in more:
                more.add(part)
                waiting += needs(part)
        if limit is None or len(kept) + len(more) <= limit:
            kept |= more
    return kept
