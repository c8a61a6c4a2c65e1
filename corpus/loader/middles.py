"""Pieces of documents whose middle is moved to their end: kernels, and how many pieces there is room for."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numba
import numpy as np
import pyarrow as pa

from corpus.loader.filling import Rows
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
def shift(labels, before, nothing, inputs):
    """The token before each label, up to the first that is `nothing`; before the first of a row, `before[row]`."""
    for row in range(labels.shape[0]):
        last = before[row]
        for column in range(labels.shape[1]):
            if labels[row, column] == nothing:
                break
            inputs[row, column] = last
            last = labels[row, column]


@numba.njit(cache=True, nogil=True)
def _find_pieces(source, ids, row, length, end_id, firsts, ends):
    """Pieces of a row, by where each begins and ends (its end token, if it has one, left out)."""
    pieces = 0
    for k in range(length):
        if k == 0 or ids[row, k] != ids[row, k - 1]:
            firsts[pieces] = k
            pieces += 1
        if k + 1 == length or ids[row, k] != ids[row, k + 1]:
            ends[pieces - 1] = k if source[row, k] == end_id else k + 1
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
def _copy(source, row, first, end, target, at):
    for k in range(end - first):
        target[row, at + k] = source[row, first + k]
    return at + end - first


@numba.njit(cache=True, nogil=True)
def turn(source, lengths, ids, keys, special, end_id, rate, spm_rate, room, labels, document_ids):
    """Fill rows of `labels` [B, L] with the samples `source` [B, T] of documents `ids` [B, T], pieces turned;
    `document_ids` int32[B, L] with those that they had ([B, 0]: not wanted). The others as of Turning."""
    state = philox.state()
    longest = source.shape[1]
    firsts, ends, turned = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.bool_)
    before, middle, after = special[0], special[1], special[2]
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        philox.seat(state, keys[row], philox.MIDDLES)
        pieces = _find_pieces(source, ids, row, length, end_id, firsts, ends)
        _choose(state, rate, pieces, firsts, ends, room, turned)
        at = 0
        for piece in range(pieces):
            begin, first, end = at, firsts[piece], ends[piece]
            behind = firsts[piece + 1] if piece + 1 < pieces else length
            if turned[piece]:
                low, high = _cut(state, end - first)
                suffix_first = philox.uniform(state) < spm_rate
                labels[row, at] = before
                at += 1
                if not suffix_first:
                    at = _copy(source, row, first, first + low, labels, at)
                labels[row, at] = after
                at = _copy(source, row, first + high, end, labels, at + 1)
                labels[row, at] = middle
                at = _copy(source, row, first if suffix_first else first + low, first + high, labels, at + 1)
                at = _copy(source, row, end, behind, labels, at)
            else:
                at = _copy(source, row, first, behind, labels, at)
            if document_ids.shape[1]:
                document_ids[row, begin:at] = ids[row, first]


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
) -> None:  # fmt: skip
    """As `turn`, pieces being cut between characters and their parts encoded anew. Where these would be more tokens
    than a row has room for, a piece is cut between tokens, as far along; so is one that begins or ends within a
    character, or has tokens without a text (`silent`, bool[V])."""
    assert rows.document_ids is not None
    found = [_turned(rows, row, keys[row], how, silent, encoder) for row in range(len(keys))]
    texts = [text for pieces in found for piece in pieces for text in piece.texts or ("",) * 3]
    tokens, offsets = encoder.encode(pa.array(texts, pa.string()))
    anew = iter(np.split(tokens, offsets[1:-1]))
    before, between, after = (np.array([each]) for each in how.special)
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
        labels[row, : len(whole)] = whole
        if document_ids.shape[1]:
            document_ids[row, : len(whole)] = np.concatenate([*of, ids[behind:length]])


def _turned(rows: Rows, row: int, key: np.uint64, how: Turning, silent: np.ndarray, encoder: Encoder) -> list[_Piece]:
    """The pieces of a row that are turned, in their order."""
    state, width, length = philox.state(), rows.tokens.shape[1], int(rows.lengths[row])
    firsts, ends, turned = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.bool_)
    philox.seat(state, key, philox.MIDDLES)
    pieces = _find_pieces(rows.tokens, rows.document_ids, row, length, how.end_id, firsts, ends)
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
