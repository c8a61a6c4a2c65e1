"""What Hugging Face's `transformers` wants to find in the folder of a tokenizer, so that `AutoTokenizer` reads any: a
tokenizer.json, of models of sentencepiece and of bytes too, and who is who among the special tokens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from corpus.encoding import byte_level
from corpus.encoding.conversions import byte_level_model, template
from corpus.encoding.sentencepiece_model import BPE, BYTE, NORMAL, SYMBOL, UNIGRAM, UNKNOWN, Model
from corpus.encoding.sources import ROLES

CONFIG, SPECIAL_TOKENS = "tokenizer_config.json", "special_tokens_map.json"
OTHER_ROLES = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
"""Roles beside those that every family has, and the tokens that have them."""
CARRIED = ("chat_template", "model_max_length", "padding_side", "truncation_side", "model_input_names")
"""What of a configuration is true of any tokenizer."""
_BELOW_ALL = 1000.0
"""How far below the worst piece those are that text must not spell: sentencepiece never finds them in a text, and
Hugging Face's library would, at the score that they have."""


def as_json(value: Any) -> bytes:
    """JSON in UTF-8 on one line, keys in the order given, so that equal values are equal bytes."""
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def roles(described: Mapping[str, Any]) -> dict[str, str]:
    """Which token has which role, by transformers' names, of the description of a tokenizer. The token that ends a
    document also begins one and is the unknown one where there is no other, as for GPT-2."""
    token_of = {i: token for token, i in described["special_tokens"].items()}
    end = described["end_of_document"]["token"]
    special = described["special_tokens"]
    begin = next((token for token in ("<s>", "[CLS]", "<bos>", "<|startoftext|>") if token in special), None)
    found = {
        "bos_token": begin or (end if described["family"] == "bpe" else None),
        "eos_token": end,
        "unk_token": token_of.get(described["unknown_id"], end if described["family"] == "bpe" else None),
        "pad_token": token_of.get(described["pad_id"]),
        **{role: token for role, token in OTHER_ROLES.items() if token in special},
    }
    return {role: token for role, token in found.items() if token}


def transformers_files(described: Mapping[str, Any], said: Mapping[str, Any] = {}) -> dict[str, bytes]:
    """tokenizer_config.json and special_tokens_map.json of the description of a tokenizer whose tokenizer.json says how
    it encodes; roles, and what has nothing to do with ids, as another configuration has `said` them."""
    given = {
        role: said[role]["content"] if isinstance(said[role], dict) else said[role] for role in ROLES if role in said
    }
    named = {
        **roles(described),
        **{role: token for role, token in given.items() if token in described["special_tokens"]},
    }
    known = set(named.values())
    more = [token for token in described["special_tokens"] if token not in known]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(1e30),  # "as long as you like" in transformers' own files
        **{key: said[key] for key in CARRIED if key in said},
        **named,
        **({"additional_special_tokens": more} if more else {}),
    }
    return {CONFIG: as_json(config), SPECIAL_TOKENS: as_json(named)}


def of_bytes(offset: int, special: Mapping[str, int], sentinels: Mapping[str, int], end: str) -> dict[str, Any]:
    """A tokenizer.json whose tokens are bytes: byte b is b + offset."""
    vocabulary = {character: byte + offset for byte, character in enumerate(byte_level.characters())}
    flags = {"add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        **_frame({**special, **sentinels}),
        "pre_tokenizer": {"type": "ByteLevel", **flags},
        "post_processor": template(None, (end, special[end])),
        "decoder": {"type": "ByteLevel", **flags},
        "model": byte_level_model({**special, **vocabulary}, []),
    }


def of_model(model: Model, special: Mapping[str, int], before: str | None, after: str | None) -> dict[str, Any] | None:
    """A tokenizer.json of a model of sentencepiece, with its special tokens, and what is put about a text; None for a
    model that has none: of words or characters, or with pieces that text cannot spell in that library.

    Ids are the same but for texts that Hugging Face's `Precompiled` normalizes otherwise: it looks at a character with
    its marks at once."""
    kinds = {kind for _, _, kind in model.pieces}
    if model.model_type not in (UNIGRAM, BPE) or model.whitespace_as_suffix or kinds - {NORMAL, UNKNOWN, 3, BYTE}:
        return None
    scheme = "always" if model.add_dummy_prefix else "never"
    metaspace = {"type": "Metaspace", "replacement": SYMBOL, "prepend_scheme": scheme, "split": True}
    decoders = [
        {"type": "Replace", "pattern": {"String": SYMBOL}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        *([{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if model.add_dummy_prefix else []),
    ]
    ids = dict(special)
    about = (None if token is None else (token, ids[token]) for token in (before, after))
    return {
        **_frame(ids),
        "normalizer": _normalizer(model),
        "pre_tokenizer": metaspace if model.remove_extra_whitespaces else None,
        "post_processor": template(*about) if before or after else None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": (_unigram if model.model_type == UNIGRAM else _bpe)(model),
    }


def _frame(added: Mapping[str, int]) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    ordered = sorted(added.items(), key=lambda item: item[1])
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": token, **flags} for token, i in ordered],
        "normalizer": None,
    }


def _normalizer(model: Model) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    if model.charsmap:
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(model.charsmap).decode()})
    if model.remove_extra_whitespaces:
        steps.append({"type": "Replace", "pattern": {"Regex": r"\A +| +\z| +(?= )"}, "content": ""})
    else:  # Metaspace would put nothing before a text that begins with a space
        steps += [{"type": "Prepend", "prepend": SYMBOL}] if model.add_dummy_prefix else []
        steps.append({"type": "Replace", "pattern": {"String": " "}, "content": SYMBOL})
    return {"type": "Sequence", "normalizers": steps}


def _unknown(model: Model) -> int:
    return next(i for i, (_, _, kind) in enumerate(model.pieces) if kind == UNKNOWN)


def _unigram(model: Model) -> dict[str, Any]:
    below = min((score for _, score, kind in model.pieces if kind == NORMAL), default=0.0) - _BELOW_ALL
    vocabulary = [[piece, score if kind == NORMAL else below] for piece, score, kind in model.pieces]
    return {"type": "Unigram", "unk_id": _unknown(model), "vocab": vocabulary, "byte_fallback": model.byte_fallback}


def _bpe(model: Model) -> dict[str, Any]:
    """Any two pieces that spell a third are a merge of its rank (transformers' `SentencePieceExtractor`)."""
    ids = {piece: i for i, (piece, _, _) in enumerate(model.pieces)}
    merges: list[tuple[float, int, int, list[str]]] = []
    for piece, score, kind in model.pieces:
        if kind != NORMAL:
            continue
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids:
                merges.append((-score, ids[left], ids[right], [left, right]))
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": model.pieces[_unknown(model)][0],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": model.byte_fallback,
        "ignore_merges": False,
        "vocab": ids,
        "merges": [merge for *_, merge in sorted(merges)],
    }
