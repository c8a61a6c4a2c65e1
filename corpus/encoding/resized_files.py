"""The files of a tokenizer with other ids: what each says of them, changed alike. `place` is the new id of each old one
that stays; new tokens are (text, whether special).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from corpus.encoding import sentencepiece_model, sources
from corpus.encoding.encoders import MODEL, PRETOKENS
from corpus.encoding.exports import as_json
from corpus.encoding.sentencepiece_model import CONTROL, Model


def pair(merge: Sequence[str] | str) -> Sequence[str]:
    """The two parts of a merge of a tokenizer.json, which has them in a list or beside a space."""
    return merge.split(" ") if isinstance(merge, str) else merge


def resized_files(
    files: Mapping[str, bytes],
    place: Mapping[int, int],
    stored: dict[str, Any] | None,
    model: Model | None,
    new: Sequence[tuple[str, bool]],
    numbered: Mapping[str, int],
) -> dict[str, bytes]:
    """The files with other ids; without those that another form of the vocabulary would have to be made for."""
    found: dict[str, bytes] = {}
    if stored:
        changed = _tokenizer(stored, place)
        changed["added_tokens"] = sorted(
            [*(changed.get("added_tokens") or []), *(_new_token(t, numbered[t], special) for t, special in new)],
            key=lambda token: token["id"],
        )
        found["tokenizer.json"] = as_json(changed)
    for name, data in files.items():
        if name in ("tokenizer.json", PRETOKENS):
            continue
        if name == MODEL and model:
            pieces = [(token, 0.0, CONTROL) for token, _ in new]
            found[name] = sentencepiece_model.with_pieces(data, [i for i in place if i < len(model.pieces)], pieces)
        elif name.endswith((".tiktoken", ".model")) and (name.endswith(".tiktoken") or sources.is_ranks(data)):
            found[name] = _ranks(data, name, place)
        elif name == "sentencepiece.vocab":
            lines = data.decode().split("\n")
            rows = [*(lines[i] for i in sorted(place) if i < len(lines) - 1), *(f"{token}\t0" for token, _ in new)]
            found[name] = "".join(f"{row}\n" for row in rows).encode()
        elif name in _REWRITTEN:
            found[name] = _REWRITTEN[name](data, place, found.get("tokenizer.json"))
        else:
            found[name] = data
    return found


def _tokenizer(stored: dict[str, Any], place: Mapping[int, int]) -> dict[str, Any]:
    """A tokenizer.json with other ids."""
    model = dict(stored["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        there = {token: place[i] for token, i in vocabulary.items() if i in place}
        model["vocab"] = dict(sorted(there.items(), key=lambda item: item[1]))
    else:
        model["vocab"] = [vocabulary[i] for i in sorted(place) if i < len(vocabulary)]
        if model.get("unk_id") is not None:
            model["unk_id"] = place[model["unk_id"]]
    if "merges" in model:
        skipped = len(model.get("continuing_subword_prefix") or "")

        def stays(merge: Sequence[str]) -> bool:
            left, right = pair(merge)
            return {left, right, left + right[skipped:]} <= model["vocab"].keys()

        model["merges"] = [merge for merge in model["merges"] if stays(merge)]
    added = [{**token, "id": place[token["id"]]} for token in stored.get("added_tokens") or [] if token["id"] in place]
    found = {**stored, "added_tokens": added, "model": model}
    if stored.get("post_processor"):
        found["post_processor"] = _processor(stored["post_processor"], place)
    padding = stored.get("padding")
    if isinstance(padding, dict) and isinstance(padding.get("pad_id"), int):
        found["padding"] = {**padding, "pad_id": place.get(padding["pad_id"], 0)}
    return found


def referred(stored: Mapping[str, Any]) -> set[int]:
    """Ids of the tokens that other parts of a tokenizer.json name: what is unknown, and what stands about a text."""
    model, found = stored["model"], set()
    if model.get("unk_id") is not None:
        found.add(model["unk_id"])
    elif isinstance(model["vocab"], dict) and model.get("unk_token") in model["vocab"]:
        found.add(model["vocab"][model["unk_token"]])
    waiting = [stored["post_processor"]] if stored.get("post_processor") else []
    while waiting:
        component = waiting.pop()
        waiting += component.get("processors") or []
        found |= {component[side][1] for side in ("sep", "cls") if side in component}
        tokens = component.get("special_tokens") or {}
        found |= {i for token in tokens.values() for i in token["ids"]}
    return found


def _processor(component: dict[str, Any], place: Mapping[int, int]) -> dict[str, Any]:
    kind = component.get("type")
    if kind == "Sequence":
        return {**component, "processors": [_processor(part, place) for part in component["processors"]]}
    if kind == "TemplateProcessing":
        tokens = component["special_tokens"]
        moved = {name: {**token, "ids": [place[i] for i in token["ids"]]} for name, token in tokens.items()}
        return {**component, "special_tokens": moved}
    pairs: dict[str, Any] = {
        side: [component[side][0], place[component[side][1]]] for side in ("sep", "cls") if side in component
    }
    return {**component, **pairs}


def _new_token(token: str, i: int, special: bool) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
    return {"id": i, "content": token, **flags}


def _config(data: bytes, place: Mapping[int, int], _: bytes | None) -> bytes:
    said = json.loads(data)
    if "added_tokens_decoder" in said:
        decoder = {int(i): token for i, token in said["added_tokens_decoder"].items()}
        said["added_tokens_decoder"] = {str(place[i]): token for i, token in decoder.items() if i in place}
    return as_json(said)


def _added_tokens(data: bytes, place: Mapping[int, int], _: bytes | None) -> bytes:
    return as_json({token: place[i] for token, i in json.loads(data).items() if i in place})


def _vocabulary(_: bytes, place: Mapping[int, int], stored: bytes | None) -> bytes:
    return as_json(json.loads(stored or b"")["model"]["vocab"])


def _merges(_: bytes, place: Mapping[int, int], stored: bytes | None) -> bytes:
    pairs = (pair(merge) for merge in json.loads(stored or b"")["model"]["merges"])
    return "\n".join(["#version: 0.2", *(f"{left} {right}" for left, right in pairs), ""]).encode()


def _words(data: bytes, place: Mapping[int, int], _: bytes | None) -> bytes:
    lines = data.decode("utf-8").split("\n")
    return "".join(f"{lines[i]}\n" for i in sorted(place) if i < len(lines) and lines[i]).encode()


def _ranks(data: bytes, name: str, place: Mapping[int, int]) -> bytes:
    ranks = sources.ranks(data, name)
    rows = (base64.b64encode(token) + f" {place[i]}\n".encode() for token, i in ranks.items() if i in place)
    return b"".join(rows)


_REWRITTEN: dict[str, Callable[[bytes, Mapping[int, int], bytes | None], bytes]] = {
    sources.CONFIG: _config,
    sources.ADDED_TOKENS: _added_tokens,
    "vocab.json": _vocabulary,
    "merges.txt": _merges,
    "vocab.txt": _words,
}
"""Files that say ids, and what writes them with others; the tokenizer.json is given, where there is one."""
