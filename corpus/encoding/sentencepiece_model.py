"""A model of `sentencepiece` (0.2.3), encoded by the kernels here: each distinct word once.

A text is divided at blanks, and its words are normalized, or normalized, and divided where a space follows anything
else, where its rules look across blanks. No piece reaches across such a place, so that words can be encoded one by one.
Models that have pieces which do, or user-defined ones, are not for these kernels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.encoding import character_bpe, sentencepiece_normalizer, unigram
from corpus.encoding.distinct_words import BLANK_FREE, repeated
from corpus.encoding.known_words import Column, KnownWords
from corpus.encoding.known_words import Encode as EncodeWords
from corpus.encoding.patterns import MATCHES
from corpus.encoding.pretokenizers import PreTokenizer
from corpus.encoding.tries import make_trie
from corpus.text.arrow import buffers, string_array

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of pieces (sentencepiece_model.proto)."""
UNIGRAM, BPE = 1, 2
"""Values of `model_type`."""
_TRAINER, _VOCAB_SIZE = 2, 4
_ROLES = {40: 0, 41: 1, 42: 2, 43: -1}
"""Fields of a TrainerSpec with the ids of the unknown piece, the beginning, the end and padding, and their defaults."""
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


def with_pieces(data: bytes, keep: Collection[int], new: Sequence[tuple[str, float, int]] = ()) -> bytes:
    """The file of a model with those of its pieces whose ids are in `keep`, in their order, and `new` ones after them,
    (text, score, type); all else as it is."""
    places = {i: n for n, i in enumerate(sorted(keep))}
    pieces, others = [], []
    for number, value, raw in _raw_fields(data):
        if number == 1:
            pieces.append(raw)
        elif number == _TRAINER:
            unknown = [len(places) + n for n, (_, _, kind) in enumerate(new) if kind == UNKNOWN]
            others.append(_field(number, _renumbered(value, places, len(places) + len(new), unknown)))
        else:
            others.append(raw)
    made = (
        _field(1, _field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + _field(3, kind))
        for text, score, kind in new
    )
    return b"".join([*(pieces[i] for i in places), *made, *others])


def _renumbered(trainer: bytes, places: Mapping[int, int], size: int, unknown: Sequence[int]) -> bytes:
    """A TrainerSpec with the ids of the pieces that have a role, and their number; `unknown` is a new piece that is."""
    kept = b"".join(raw for number, _, raw in _raw_fields(trainer) if number not in (_VOCAB_SIZE, *_ROLES))
    said = {number: value for number, value, _ in _raw_fields(trainer)}
    roles = {number: said.get(number, usual) for number, usual in _ROLES.items()}
    moved = {number: places.get(i, (1 << 64) - 1) for number, i in roles.items()}  # else -1: there is none
    moved |= dict(zip(_ROLES, unknown[:1]))
    return kept + _field(_VOCAB_SIZE, size) + b"".join(_field(number, i) for number, i in moved.items())


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a message: int for a varint, bytes for all else."""
    return ((number, value) for number, value, _ in _raw_fields(data))


def _raw_fields(data: bytes) -> Iterator[tuple[int, Any, bytes]]:
    """The same, and the field as it stands there."""
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
        first = at
        tag = varint()
        kind = tag & 7
        if kind == 0:
            value = varint()
            yield tag >> 3, value, data[first:at]
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"a field of kind {kind}")
        size = varint() if kind == 2 else 8 if kind == 1 else 4
        if at + size > len(data):
            raise ValueError("it is cut short")
        yield tag >> 3, data[at : at + size], data[first : at + size]
        at += size


def encoder(model: Model) -> Encode:
    """(tokens int32[], offsets int64[n + 1]) of a string column, null as empty, as `sentencepiece` encodes each text.
    Raises ModelError, with what it is, for a model that these kernels do not know."""
    _check(model)
    normalizer = sentencepiece_normalizer.make_normalizer(
        model.charsmap, model.add_dummy_prefix, model.remove_extra_whitespaces
    )
    encode_words, put_together = (_unigram if model.model_type == UNIGRAM else _bpe)(model)
    by_word = sentencepiece_normalizer.by_word(normalizer)

    def normalized(text: pa.Array) -> pa.Array:
        data, offsets = sentencepiece_normalizer.normalized(*buffers(text), normalizer)
        return string_array(data, offsets, pa.large_string())

    known = KnownWords(
        BLANK_FREE if by_word else SPACED, lambda words: encode_words(normalized(words) if by_word else words)
    )

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        return put_together(*known.look_up(text if by_word else normalized(text)))

    return encode


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


PutTogether = Callable[[list[Column], np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""What makes the ids of texts of what `KnownWords.look_up` gives."""


def _bpe(model: Model) -> tuple[EncodeWords, PutTogether]:
    pieces = {p.replace(SYMBOL, " "): (i, score) for i, (p, score, kind) in enumerate(model.pieces) if kind == NORMAL}
    rules = character_bpe.rules_of_scores(pieces, len(model.pieces), _unknown_id(model), _byte_ids(model))
    fused = -1 if model.byte_fallback else rules.unknown_id

    def encode(words: pa.Array) -> list[Column]:
        data, offsets = buffers(words)
        out = np.empty(_room_for_ids(data, offsets), np.int32)
        ends = np.empty(len(offsets), np.int64)
        n = character_bpe.encode(data, offsets, rules, True, out, ends)
        return [(out[:n].copy(), ends)]

    def put_together(
        columns: list[Column], occurrences: np.ndarray, texts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return repeated(*columns[0], occurrences, texts, fused)

    return encode, put_together


def _unigram(model: Model) -> tuple[EncodeWords, PutTogether]:
    normal = [(p.replace(SYMBOL, " ").encode(), i) for i, (p, _, kind) in enumerate(model.pieces) if kind == NORMAL]
    scores = np.array([score for _, score, _ in model.pieces], np.float32)
    worst = scores[[i for _, i in normal]].min() if normal else np.float32(3.4028235e38)  # FLT_MAX
    unknown_score = float(worst - np.float32(unigram.UNKNOWN_PENALTY))
    trie = make_trie([piece for piece, _ in normal], [i for _, i in normal])
    byte_ids = np.array(_byte_ids(model), np.int32)
    kernel_model = unigram.Unigram(trie, scores, _unknown_id(model), unknown_score, byte_ids, True)

    def encode(words: pa.Array) -> list[Column]:
        data, offsets = buffers(words)
        room = unigram.make_room(int(np.diff(offsets).max(initial=0)))
        out = np.empty(_room_for_ids(data, offsets), np.int32)
        ends, score_ends = np.empty(len(offsets), np.int64), np.empty(len(offsets), np.int64)
        piece_scores, limits = np.empty(len(data), np.float32), np.empty(len(words), np.float64)
        n = unigram.encode_with_limits(data, offsets, kernel_model, room, out, ends, piece_scores, score_ends, limits)
        ids, of_pieces = (out[:n].copy(), ends), (piece_scores[: score_ends[-1]].copy(), score_ends)
        return [ids, of_pieces, (limits, np.arange(len(words) + 1)), (data[: offsets[-1]], offsets)]

    def put_together(
        columns: list[Column], occurrences: np.ndarray, texts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        ids, of_pieces, (limits, _), (data, offsets) = columns
        sizes = np.diff(offsets)
        room = unigram.make_room(int(sizes.max(initial=0)))
        counts = np.bincount(occurrences, minlength=len(sizes))
        tokens, text_ends = np.empty(3 * int(np.dot(counts, sizes)), np.int32), np.empty(len(texts), np.int64)
        known = (*ids, *of_pieces, limits)
        n = unigram.encode_carried((data, offsets), occurrences, texts, known, kernel_model, room, tokens, text_ends)
        return tokens[:n].copy(), text_ends

    return encode, put_together


def _room_for_ids(data: np.ndarray, offsets: np.ndarray) -> int:
    """One id a byte, three for a space."""
    return int(offsets[-1] - offsets[0]) + 2 * int(np.count_nonzero(data == character_bpe.SPACE))
