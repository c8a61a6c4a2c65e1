"""What a trainer's objectives have to know of a tokenizer: who is who among its special tokens, which tokens begin a
word, which are a full stop. Written into the manifest of token shards, so that a loader needs no tokenizer."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from corpus.encoding import byte_level, sentencepiece_model
from corpus.encoding.encoder import Encoder
from corpus.encoding.sentencepiece_model import SYMBOL
from corpus.io import paths

NAMES = {
    "cls": ("[CLS]", "<cls>", "<s>"),
    "sep": ("[SEP]", "<sep>", "</s>"),
    "mask": ("[MASK]", "<mask>", "<|mask|>"),
    "bos": ("<s>", "<bos>", "[CLS]"),
    "unk": ("[UNK]", "<unk>"),
    "fim_prefix": ("<fim_prefix>", "<|fim_prefix|>", "<PRE>", "<fim-prefix>", "▁<PRE>"),
    "fim_middle": ("<fim_middle>", "<|fim_middle|>", "<MID>", "<fim-middle>", "▁<MID>"),
    "fim_suffix": ("<fim_suffix>", "<|fim_suffix|>", "<SUF>", "<fim-suffix>", "▁<SUF>"),
    "nlu": ("[NLU]", "<|NLU|>"),
    "nlg": ("[NLG]", "<|NLG|>"),
    "s2s": ("[S2S]", "<|S2S|>"),
}
"""By role, the tokens that have it, the likeliest first: BERT's and fairseq's; SantaCoder's, Qwen's and Code Llama's
for fill-in-the-middle (Bavarian et al. 2022); UL2's modes (Tay et al. 2022)."""
_OF_CONFIGURATION = {"cls_token": "cls", "sep_token": "sep", "mask_token": "mask", "bos_token": "bos"}
_BLANKS = (" ", "\t", "\n", "\r")


def describe(folder: str, encoder: Encoder) -> dict[str, Any]:
    """The entry "vocabulary" of `corpus.tokens.manifest` for the tokenizer in a folder (or URI), loaded as
    `encoder`."""
    tokens = _tokens(folder, encoder)
    texts = {i: text for text, i in tokens.items()}
    special = {**{text: i for text, i in tokens.items() if text in _all_names()}, **encoder.special_tokens}
    roles = _roles(folder, special, encoder)
    described: dict[str, Any] = {
        "roles": roles,
        "special": sorted({*encoder.special_tokens.values(), *roles.values()} - set(encoder.sentinels)),
        "sentinels": list(encoder.sentinels),
        "full_stops": sorted(i for i, text in texts.items() if _plain(text, encoder) == "."),
    }
    starts = _word_starts(texts, encoder)
    if starts is not None:
        described["word_starts"] = base64.b64encode(np.packbits(starts).tobytes()).decode()
    return described


def _all_names() -> set[str]:
    return {name for names in NAMES.values() for name in names}


def _roles(folder: str, special: dict[str, int], encoder: Encoder) -> dict[str, int]:
    """Ids by role: as its configuration has it, or by the token's name."""
    said = _json(folder, "tokenizer_config.json")
    found = {}
    for key, role in _OF_CONFIGURATION.items():
        token = said.get(key)
        token = token.get("content") if isinstance(token, dict) else token
        if token in special:
            found[role] = special[token]
    for role, names in NAMES.items():
        there = [name for name in names if name in special]
        if there and role not in found:
            found[role] = special[there[0]]
    found["eos"] = encoder.end_id
    for role, i in (("pad", encoder.pad_id), ("unk", encoder.unknown_id)):
        if i is not None:
            found[role] = i
    return dict(sorted(found.items()))


def _tokens(folder: str, encoder: Encoder) -> dict[str, int]:
    """Ids of all tokens, by their text in the tokenizer's own writing; none where no file says them."""
    stored = _json(folder, "tokenizer.json")
    if stored:
        vocabulary = stored["model"].get("vocab", {})
        if isinstance(vocabulary, list):
            vocabulary = {text: i for i, (text, _) in enumerate(vocabulary)}
        return {**vocabulary, **{token["content"]: token["id"] for token in stored.get("added_tokens") or []}}
    for source in paths.list_files(folder):
        if source.path.endswith(".model"):
            model = sentencepiece_model.read_model(paths.read_bytes(source.path))
            return {piece: i for i, (piece, _, _) in enumerate(model.pieces)}
    return dict(encoder.special_tokens)


def _json(folder: str, name: str) -> dict[str, Any]:
    path = paths.join(folder, name)
    return json.loads(paths.read_bytes(path)) if paths.exists(path) else {}


def _plain(text: str, encoder: Encoder) -> str:
    """The text of a token without what stands for a space before it."""
    if _is_byte_level(encoder):
        try:
            return byte_level.to_bytes(text).decode(errors="replace").lstrip(" ")
        except KeyError:
            return text
    return text.lstrip(SYMBOL)


def _is_byte_level(encoder: Encoder) -> bool:
    return encoder.family in ("bpe", "byte")


def _word_starts(texts: dict[int, str], encoder: Encoder) -> np.ndarray | None:
    """bool[size]: whether a token begins a word: one without "##", or one that contains the space before it (of bytes:
    the space itself); None where tokens do not say."""
    pieces = encoder.family.startswith("wordpiece")
    marked = any(text.startswith((SYMBOL, byte_level.from_bytes(b" "))) for text in texts.values())
    if not pieces and not marked:
        return None
    starts = np.zeros(encoder.vocab_size, np.bool_)
    for i, text in texts.items():
        if i >= encoder.vocab_size:
            continue
        if pieces:
            starts[i] = not text.startswith("##")
        elif _is_byte_level(encoder):
            try:
                starts[i] = byte_level.to_bytes(text)[:1].decode(errors="replace") in _BLANKS
            except KeyError:  # an added token
                starts[i] = True
        else:
            starts[i] = text.startswith(SYMBOL)
    return starts
