"""Pieces of documents whose middle is moved to their end: kernels, and how many pieces there is room for."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numba
import numpy as np
import pyarrow as pa

from corpus.loader.filling import Rows
from corpus.loader.kernel import copy
from corpus.tokens import philox

EXTRA = 3
"""Tokens that a piece has more once it is turned."""
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class Turning(NamedTuple):
    """How pieces are turned: `special`, ids of <PRE>, <MID>, <SUF>; `rate` of them, with the suffix first at `spm_rate`
    of these; `room` for so many in a row at most."""

    special: np.ndarray
    end_id: int
    rate: float
    spm_rate: float
    room: int


def room_for(pieces: np.ndarray, rate: float, share: float) -> int:
    """The least number of pieces a row for which there has to be room that `share` of those that want to be turned are,
    each with probability `rate`. `pieces`: int64[k] how many samples have."""
    return int(np.searchsorted(_met(pieces, rate), share)) + 1


def share_met(pieces: np.ndarray, rate: float, room: int) -> float:
    """How many of the pieces that want to be turned are, with room for so many a row."""
    met = _met(pieces, rate)
    return float(met[min(room, len(met)) - 1])


def _met(pieces: np.ndarray, rate: float) -> np.ndarray:
    """float64[n]: `share_met` with room for 1, 2, .. pieces."""
    counts = np.bincount(pieces, minlength=2)
    beyond = np.zeros(len(counts) - 1)  # [k]: expected number of samples in which more than k want to be turned
    for size in np.flatnonzero(counts[1:] if rate else []) + 1:
        chosen = np.arange(size + 1)
        if rate == 1:
            odds = (chosen == size).astype(np.float64)
        else:
            logs = [math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1) for k in chosen]
            odds = np.exp(logs + chosen * math.log(rate) + (size - chosen) * math.log1p(-rate))
        beyond[:size] += counts[size] * (odds.sum() - np.cumsum(odds))[:size]
    expected = rate * (pieces.sum())
    return np.cumsum(beyond) / expected if expected else np.ones(1)


@numba.njit(cache=True, nogil=True)
def find_pieces(source, ids, length, end_id, firsts, ends):
    """How many pieces a row of `length` tokens `source` (integers[T]) of documents `ids` (int32[T], ascending) has, and
    where each begins and ends (its end token, if it has one, left out): `firsts`, `ends` (int64[T])."""
    pieces, at = 0, 0
    while at < length:
        behind = at + np.searchsorted(ids[at:length], ids[at], "right")
        firsts[pieces] = at
        ends[pieces] = behind - 1 if source[behind - 1] == end_id else behind
        pieces += 1
        at = behind
    return pieces


@numba.njit(cache=True, nogil=True)
def _choose(state, rate, pieces, firsts, ends, room, turned):
    """Which pieces are turned (`turned`, bool[pieces]), `room` of them at most; an empty one never is."""
    wanted = 0
    for piece in range(pieces):
        turned[piece] = philox.uniform(state) < rate and ends[piece] > firsts[piece]
        wanted += turned[piece]
    if wanted <= room:
        return
    for piece in range(pieces):
        if turned[piece]:
            turned[piece] = philox.below(state, wanted) < room
            room -= turned[piece]
            wanted -= 1


@numba.njit(cache=True, nogil=True)
def _cut(state, length):
    """Two of the length + 1 places of a cut, in order."""
    one, other = philox.below(state, length + 1), philox.below(state, length + 1)
    return min(one, other), max(one, other)


@numba.njit(cache=True, nogil=True)
def _append(tokens, target, at):
    copy(tokens, target[at : at + len(tokens)])
    return at + len(tokens)


@numba.njit(cache=True, nogil=True)
def turn(source, lengths, ids, keys, special, end_id, rate, spm_rate, room, labels, document_ids):
    """Fill rows of `labels` [B, L] with the samples `source` [B, T] of documents `ids` [B, T], pieces turned;
    `document_ids` int32[B, L] with those that they had ([B, 0]: not wanted). The others as of Turning; int64[B] how
    long the rows became."""
    state = philox.state()
    longest = source.shape[1]
    firsts, ends, turned = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.bool_)
    before, middle, after = special[0], special[1], special[2]
    filled = np.zeros(len(lengths), np.int64)
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        tokens, made = source[row], labels[row]
        philox.seat(state, keys[row], philox.MIDDLES)
        pieces = find_pieces(tokens, ids[row], length, end_id, firsts, ends)
        _choose(state, rate, pieces, firsts, ends, room, turned)
        at = 0
        for piece in range(pieces):
            begin, first, end = at, firsts[piece], ends[piece]
            behind = firsts[piece + 1] if piece + 1 < pieces else length
            if turned[piece]:
                low, high = _cut(state, end - first)
                low, high = first + low, first + high
                suffix_first = philox.uniform(state) < spm_rate
                made[at] = before
                at += 1
                if not suffix_first:
                    at = _append(tokens[first:low], made, at)
                made[at] = after
                at = _append(tokens[high:end], made, at + 1)
                made[at] = middle
                at = _append(tokens[first if suffix_first else low : high], made, at + 1)
                at = _append(tokens[end:behind], made, at)
            else:
                at = _append(tokens[first:behind], made, at)
            if document_ids.shape[1]:
                document_ids[row, begin:at] = ids[row, first]
        filled[row] = at
    return filled


@numba.njit(cache=True, nogil=True)
def shift(labels, filled, before, inputs, pad_id, ignore):
    """The token before each of the labels; before the first of a row, `before[row, 0]`. What is behind `filled[row]` of
    them becomes padding."""
    for row in range(len(filled)):
        count = filled[row]
        labels[row, count:] = ignore
        if count:
            inputs[row, 0] = before[row, 0]
            copy(labels[row, : count - 1], inputs[row, 1:count])
        inputs[row, count:] = pad_id


class Encoder(Protocol):
    """As much of `corpus.encoding.encoder.Encoder` as is asked of one here."""

    def encode(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """(tokens, offsets) of texts."""

    def decode(self, tokens: np.ndarray) -> str:
        """The text of tokens."""


class _Piece(NamedTuple):
    """A piece that is turned: tokens [first, end) of a row. It is cut before tokens `cuts` of these, or into `texts`;
    None where its tokens do not say what its text is."""

    first: int
    end: int
    cuts: tuple[int, int]
    texts: tuple[str, str, str] | None
    suffix_first: bool


def turn_by_characters(
    rows: Rows, keys: np.ndarray, how: Turning, silent: np.ndarray, encoder: Encoder, labels: np.ndarray,
    document_ids: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """As `turn`, pieces being cut between characters and their parts encoded anew. Where these would be more tokens
    than a row has room for, a piece is cut between tokens, as far along; so is one that begins or ends within a
    character, or has tokens without a text (`silent`, bool[V])."""
    assert rows.document_ids is not None
    found = [_turned(rows, row, keys[row], how, silent, encoder) for row in range(len(keys))]
    texts = [text for pieces in found for piece in pieces for text in piece.texts or ("",) * 3]
    tokens, offsets = encoder.encode(pa.array(texts, pa.string()))
    anew = iter(np.split(tokens, offsets[1:-1]))
    before, between, after = (np.array([each]) for each in how.special)
    filled = np.zeros(len(keys), np.int64)
    for row, pieces in enumerate(found):
        source, ids, length = rows.tokens[row], rows.document_ids[row], int(rows.lengths[row])
        room, behind, out = labels.shape[1] - length, 0, [np.empty(0, source.dtype)]
        of = [np.empty(0, ids.dtype)]
        for later, piece in zip(range(len(pieces) - 1, -1, -1), pieces):
            own, parts = source[piece.first : piece.end], [next(anew) for _ in range(3)]
            if piece.texts is None or sum(map(len, parts)) + EXTRA * (later + 1) > room + len(own):
                parts = np.split(own, piece.cuts)
            prefix, middle, suffix = parts
            head = (
                [before, after, suffix, between, prefix]
                if piece.suffix_first
                else [before, prefix, after, suffix, between]
            )
            size = EXTRA + sum(map(len, parts))
            room -= size - len(own)
            out += [source[behind : piece.first], *head, middle]
            of += [ids[behind : piece.first], np.full(size, ids[piece.first])]
            behind = piece.end
        whole = np.concatenate([*out, source[behind:length]])
        labels[row, : len(whole)], filled[row] = whole, len(whole)
        if document_ids.shape[1]:
            document_ids[row, : len(whole)] = np.concatenate([*of, ids[behind:length]])
    return filled


def _turned(rows: Rows, row: int, key: np.uint64, how: Turning, silent: np.ndarray, encoder: Encoder) -> list[_Piece]:
    """The pieces of a row that are turned, in their order."""
    state, width, length = philox.state(), rows.tokens.shape[1], int(rows.lengths[row])
    firsts, ends, turned = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.bool_)
    philox.seat(state, key, philox.MIDDLES)
    assert rows.document_ids is not None
    pieces = find_pieces(rows.tokens[row], rows.document_ids[row], length, how.end_id, firsts, ends)
    _choose(state, how.rate, pieces, firsts, ends, how.room, turned)
    found = []
    for first, end in zip(firsts[:pieces][turned[:pieces]].tolist(), ends[:pieces][turned[:pieces]].tolist()):
        own = rows.tokens[row, first:end]
        text = "" if silent[own].any() else encoder.decode(own)
        known = bool(text) and _UNKNOWN not in text
        size = len(text) if known else len(own)
        low, high = _cut(state, size)
        cuts = low * len(own) // size, high * len(own) // size
        texts = (text[:low], text[low:high], text[high:]) if known else None
        found.append(_Piece(first, end, cuts, texts, bool(philox.uniform(state) < how.spm_rate)))
    return found
