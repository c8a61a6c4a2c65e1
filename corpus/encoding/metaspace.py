"""A tokenizer.json whose tokens have U+2581 for a space: Llama 2's BPE over characters, and unigram models as Hugging
Face `tokenizers` 0.23 encodes them. Each distinct word is encoded once.

Where such a BPE has no pre-tokenizer, a text is one word to the library. It can be divided where U+2581 follows
anything else, as long as no rule makes a token that reaches across such a place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from corpus.encoding import character_bpe, normalizers, unigram
from corpus.encoding.distinct_words import repeated
from corpus.encoding.known_words import Column, KnownWords
from corpus.encoding.known_words import Encode as EncodeWords
from corpus.encoding.normalizers import Normalizer
from corpus.encoding.patterns import MATCHES, PatternError
from corpus.encoding.pretokenizers import PreTokenizer
from corpus.encoding.tries import make_trie
from corpus.text.arrow import buffers

SYMBOL = "\u2581"
RUNS = PreTokenizer("symbol_runs", ((rf"{SYMBOL}+[^{SYMBOL}]*|[^{SYMBOL}]+", MATCHES),))
"""Words with all symbols before them."""
SINGLE = PreTokenizer("symbols", ((rf"{SYMBOL}[^{SYMBOL}]*|[^{SYMBOL}]+", MATCHES),))
"""Words with the one symbol before them: what Metaspace makes."""

AT_SPACES = [
    {"type": "Split", "pattern": {"String": " "}, "behavior": behavior, "invert": False}
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
]
"""Pre-tokenizers that divide at spaces, of which Gemma's texts have none left."""
Encode = Callable[[pa.Array], tuple[np.ndarray, np.ndarray]]
_OF_NO_EFFECT = {"dropout": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "ignore_merges": False}
"""Options of BPE and the value each must have, or lack."""


def encoder(stored: dict[str, Any]) -> Encode:
    """(tokens int32[], offsets int64[n + 1]) of a string column, null as empty, as `tokenizers` encodes each text, once
    it is normalized, with a tokenizer.json, its added tokens and post-processor left out. Raises PatternError, with the
    component, for one that is not of these kinds."""
    model = stored["model"]
    kind = model.get("type")
    if kind not in ("BPE", "Unigram"):
        raise PatternError(f"model {kind}")
    mark, divide = _divider(stored.get("normalizer"), stored.get("pre_tokenizer"))
    encode_words, fused = (_bpe if kind == "BPE" else _unigram)(model, whole_text=divide is RUNS)
    known = KnownWords(divide, encode_words)

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        (ids,), occurrences, ends = known.look_up(mark.texts(text))
        return repeated(*ids, occurrences, ends, fused)

    return encode


def _divider(
    normalizer: dict[str, Any] | None, pre_tokenizer: dict[str, Any] | None
) -> tuple[Normalizer, PreTokenizer]:
    """What is done to a normalized text before it is divided, and how it is."""
    if pre_tokenizer is None or (pre_tokenizer in AT_SPACES and _leaves_no_space(normalizer)):
        return normalizers.from_component(None), RUNS
    if pre_tokenizer.get("type") != "Metaspace" or pre_tokenizer.get("replacement") != SYMBOL:
        raise PatternError(f"pre_tokenizer {pre_tokenizer.get('type')}")
    scheme = pre_tokenizer.get("prepend_scheme", "always")
    if scheme not in ("always", "first", "never"):
        raise PatternError(f"pre_tokenizer Metaspace with the scheme {scheme!r}")
    steps = [normalizers.replace(" ", SYMBOL)]
    steps += [] if scheme == "never" else [normalizers.prepend(SYMBOL, unless=SYMBOL)]
    return normalizers.in_sequence(*steps), SINGLE if pre_tokenizer.get("split", True) else RUNS


def _leaves_no_space(normalizer: dict[str, Any] | None) -> bool:
    """Whether it ends by making symbols of spaces."""
    while normalizer and normalizer.get("type") == "Sequence" and normalizer["normalizers"]:
        normalizer = normalizer["normalizers"][-1]
    return normalizer == {"type": "Replace", "pattern": {"String": " "}, "content": SYMBOL}


def _byte_ids(vocabulary: dict[str, int], wanted: bool) -> list[int]:
    """The id of each byte's token, where unknown characters are spelled so."""
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    if wanted and not vocabulary.keys() >= set(names):
        raise PatternError("a model with byte_fallback that lacks the tokens of bytes")
    return [vocabulary[name] for name in names] if wanted else []


def _bpe(model: dict[str, Any], whole_text: bool) -> tuple[EncodeWords, int]:
    """What encodes words, and the id that is one where two of it meet between words, -1 for none."""
    vocabulary: dict[str, int] = model["vocab"]
    for option, value in _OF_NO_EFFECT.items():
        if (model.get(option) or None) != (value or None):
            raise PatternError(f"model BPE with {option} {model[option]!r}")
    byte_ids = _byte_ids(vocabulary, model.get("byte_fallback", False))
    unknown = model.get("unk_token")
    if unknown is not None and unknown not in vocabulary:
        raise PatternError(f"model BPE without its unknown token {unknown!r}")
    if unknown is None and not byte_ids:
        raise PatternError("model BPE without an unknown token, which brings together what stands about a character")
    merges, spelled = [], {unknown, *(f"<0x{byte:02X}>" for byte in range(256) if byte_ids)}
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if left in spelled or right in spelled:
            raise PatternError(f"model BPE with the merge {left!r} {right!r} of what stands for unknown characters")
        if whole_text and SYMBOL in (left + right).lstrip(SYMBOL):
            raise PatternError(f"model BPE with the merge {left!r} {right!r}, which reaches across words")
        merges.append((vocabulary[left], vocabulary[right], vocabulary[left + right]))
    lengths = np.zeros(1 + max(vocabulary.values(), default=0), np.int32)
    for token, i in vocabulary.items():
        lengths[i] = len(token.encode())
    rules = character_bpe.make_character_rules(
        {token: i for token, i in vocabulary.items() if len(token) == 1},
        lengths,
        merges,
        range(len(merges)),
        -1 if unknown is None else vocabulary[unknown],
        byte_ids,
        spaces=False,
    )
    fuse = bool(model.get("fuse_unk", False))

    def encode(words: pa.Array) -> list[Column]:
        data, offsets = buffers(words)
        out, ends = np.empty(len(data), np.int32), np.empty(len(offsets), np.int64)
        n = character_bpe.encode(data, offsets, rules, fuse, out, ends)
        return [(out[:n].copy(), ends)]

    return encode, rules.unknown_id if fuse and whole_text and not byte_ids else -1


def _unigram(model: dict[str, Any], whole_text: bool) -> tuple[EncodeWords, int]:
    if whole_text:
        raise PatternError("model Unigram without a pre-tokenizer Metaspace that splits")
    vocabulary = {piece: i for i, (piece, _) in enumerate(model["vocab"])}
    unknown = model.get("unk_id")
    if unknown is None:
        raise PatternError("model Unigram without unk_id")
    scores = np.array([score for _, score in model["vocab"]], np.float64)
    trie = make_trie([piece.encode() for piece in vocabulary], list(vocabulary.values()))
    byte_ids = np.array(_byte_ids(vocabulary, model.get("byte_fallback", False)), np.int32)
    unknown_score = float(scores.min()) - unigram.UNKNOWN_PENALTY
    kernel_model = unigram.Unigram(trie, scores, unknown, unknown_score, byte_ids, False)

    def encode(words: pa.Array) -> list[Column]:
        data, offsets = buffers(words)
        room = unigram.make_room(int(np.diff(offsets).max(initial=0)))
        out, ends = np.empty(len(data), np.int32), np.empty(len(offsets), np.int64)
        n = unigram.encode(data, offsets, kernel_model, True, room, out, ends)
        return [(out[:n].copy(), ends)]

    return encode, -1
