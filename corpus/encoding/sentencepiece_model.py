"""A model of `sentencepiece` (0.2.3), encoded by the kernels here: each distinct word once.

A text is divided at blanks, and its words are normalized, or normalized, and divided where a space follows anything
else, where its rules look across blanks. No piece reaches across such a place, so that words can be encoded one by one.
Models that have pieces which do, or user-defined ones, are not for these kernels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.encoding import character_bpe, sentencepiece_normalizer, unigram
from corpus.encoding.distinct_words import BLANK_FREE, Distinct, distinct, repeated
from corpus.encoding.patterns import MATCHES
from corpus.encoding.pretokenizers import PreTokenizer
from corpus.encoding.tries import make_trie
from corpus.text.arrow import buffers, string_array

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of pieces (sentencepiece_model.proto)."""
UNIGRAM, BPE = 1, 2
"""Values of `model_type`."""
SPACED = PreTokenizer("spaced", ((r" +[^ ]*|[^ ]+", MATCHES),))
"""Words with the spaces before them."""
SYMBOL = "\u2581"

Encode = Callable[[pa.Array], tuple[np.ndarray, np.ndarray]]


class ModelError(ValueError):
    """A model that is not one, or that the kernels here do not know."""


class Model(NamedTuple):
    """Of a model what encoding wants to know: `pieces` are (text, score, type) by id."""

    pieces: list[tuple[str, float, int]]
    model_type: int
    byte_fallback: bool
    whitespace_as_suffix: bool
    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


def read_model(data: bytes) -> Model:
    """A model from the bytes of its file, a message of protocol buffers (sentencepiece_model.proto). Raises ModelError
    where it is none."""
    try:
        pieces, trainer, normalizer = [], {}, {}
        for number, value in _fields(data):
            if number == 1:
                piece = dict(_fields(value))
                (score,) = struct.unpack("<f", piece.get(2, bytes(4)))
                pieces.append((piece[1].decode(), score, piece.get(3, NORMAL)))
            elif number == 2:
                trainer = dict(_fields(value))
            elif number == 3:
                normalizer = dict(_fields(value))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise ModelError(f"not a model of sentencepiece: {error}") from error
    if not pieces:
        raise ModelError("not a model of sentencepiece: it has no pieces")
    return Model(
        pieces=pieces,
        model_type=trainer.get(3, UNIGRAM),
        byte_fallback=bool(trainer.get(35, 0)),
        whitespace_as_suffix=bool(trainer.get(24, 0)),
        charsmap=normalizer.get(2, b""),
        add_dummy_prefix=bool(normalizer.get(3, 1)),
        remove_extra_whitespaces=bool(normalizer.get(4, 1)),
        escape_whitespaces=bool(normalizer.get(5, 1)),
    )


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a message: int for a varint, bytes for all else."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"a field of kind {kind}")
        size = varint() if kind == 2 else 8 if kind == 1 else 4
        if at + size > len(data):
            raise ValueError("it is cut short")
        yield tag >> 3, data[at : at + size]
        at += size


def encoder(model: Model) -> Encode:
    """(tokens int32[], offsets int64[n + 1]) of a string column, null as empty, as `sentencepiece` encodes each text.
    Raises ModelError, with what it is, for a model that these kernels do not know."""
    _check(model)
    normalizer = sentencepiece_normalizer.make_normalizer(
        model.charsmap, model.add_dummy_prefix, model.remove_extra_whitespaces
    )
    encode_words = (_unigram if model.model_type == UNIGRAM else _bpe)(model)

    def normalized(text: pa.Array) -> pa.Array:
        data, offsets = sentencepiece_normalizer.normalized(*buffers(text), normalizer)
        return string_array(data, offsets, pa.large_string())

    def encode_runs(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        found = distinct(text, BLANK_FREE, locate=True)
        return encode_words(found._replace(words=normalized(found.words)))

    def encode_normalized(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        return encode_words(distinct(normalized(text), SPACED, locate=True))

    return encode_runs if sentencepiece_normalizer.by_word(normalizer) else encode_normalized


def _check(model: Model) -> None:
    if model.model_type not in (UNIGRAM, BPE):
        raise ModelError(f"a model of type {model.model_type}")
    if model.whitespace_as_suffix or not model.escape_whitespaces:
        raise ModelError("a model with treat_whitespace_as_suffix, or without escape_whitespaces")
    for piece, _, kind in model.pieces:
        if kind in (USER_DEFINED, UNUSED):
            raise ModelError(f"a model with the {'user-defined' if kind == USER_DEFINED else 'unused'} piece {piece!r}")
        if kind == NORMAL and SYMBOL in piece.lstrip(SYMBOL):
            raise ModelError(f"a model with a space inside the piece {piece!r}")
        if kind == NORMAL and (" " in piece or not piece):
            raise ModelError(f"a model with the piece {piece!r}")
    if sum(kind == UNKNOWN for _, _, kind in model.pieces) != 1:
        raise ModelError("a model without one unknown piece")
    if model.byte_fallback and len(set(_byte_ids(model))) != 256:
        raise ModelError("a model that spells bytes, without a piece for each")


def _byte_ids(model: Model) -> list[int]:
    """The id of each byte's piece, 0 to 255, where unknown characters are spelled so."""
    if not model.byte_fallback:
        return []
    ids = {piece: i for i, (piece, _, kind) in enumerate(model.pieces) if kind == BYTE}
    return [ids[f"<0x{byte:02X}>"] for byte in range(256) if f"<0x{byte:02X}>" in ids]


def _unknown_id(model: Model) -> int:
    return next(i for i, (_, _, kind) in enumerate(model.pieces) if kind == UNKNOWN)


def _bpe(model: Model) -> Callable[[Distinct], tuple[np.ndarray, np.ndarray]]:
    pieces = {p.replace(SYMBOL, " "): (i, score) for i, (p, score, kind) in enumerate(model.pieces) if kind == NORMAL}
    rules = character_bpe.rules_of_scores(pieces, len(model.pieces), _unknown_id(model), _byte_ids(model))

    def encode(found: Distinct) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(found.words)
        out = np.empty(_room_for_ids(data, offsets), np.int32)
        ends = np.empty(len(offsets), np.int64)
        n = character_bpe.encode(data, offsets, rules, True, out, ends)
        fused = -1 if model.byte_fallback else rules.unknown_id
        return repeated(out[:n], ends, found.occurrences, found.offsets, fused)

    return encode


def _unigram(model: Model) -> Callable[[Distinct], tuple[np.ndarray, np.ndarray]]:
    normal = [(p.replace(SYMBOL, " ").encode(), i) for i, (p, _, kind) in enumerate(model.pieces) if kind == NORMAL]
    scores = np.array([score for _, score, _ in model.pieces], np.float32)
    worst = scores[[i for _, i in normal]].min() if normal else np.float32(3.4028235e38)  # FLT_MAX
    unknown_score = float(worst - np.float32(unigram.UNKNOWN_PENALTY))
    trie = make_trie([piece for piece, _ in normal], [i for _, i in normal])
    byte_ids = np.array(_byte_ids(model), np.int32)
    kernel_model = unigram.Unigram(trie, scores, _unknown_id(model), unknown_score, byte_ids, True)

    def encode(found: Distinct) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(found.words)
        room = unigram.make_room(int(np.diff(offsets).max(initial=0)))
        out = np.empty(_room_for_ids(data, offsets), np.int32)
        ends, score_ends = np.empty(len(offsets), np.int64), np.empty(len(offsets), np.int64)
        piece_scores, limits = np.empty(len(data), np.float32), np.empty(len(found.words), np.float64)
        unigram.encode_with_limits(data, offsets, kernel_model, room, out, ends, piece_scores, score_ends, limits)
        tokens = np.empty(3 * int(np.dot(found.counts, np.diff(offsets))), np.int32)
        text_ends = np.empty(len(found.offsets), np.int64)
        known = (out, ends, piece_scores, score_ends, limits)
        n = unigram.encode_carried(
            (data, offsets), found.occurrences, found.offsets, known, kernel_model, room, tokens, text_ends
        )
        return tokens[:n].copy(), text_ends

    return encode


def _room_for_ids(data: np.ndarray, offsets: np.ndarray) -> int:
    """One id a byte, three for a space."""
    return int(offsets[-1] - offsets[0]) + 2 * int(np.count_nonzero(data == character_bpe.SPACE))
