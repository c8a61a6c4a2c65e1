"""Fill in the middle (Bavarian et al. 2022, arXiv 2207.14255; NVIDIA/Megatron-LM, fim_dataset.py), of packed
context."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numba
import numpy as np

from corpus.loader import names
from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective, Samples, Setting
from corpus.tokens import philox

EXTRA = 3
"""Tokens that a piece has more once it is turned."""


@dataclasses.dataclass(frozen=True)
class Fim(Objective):
    """Next tokens, of documents whose middle was moved to the end. Each piece that a sample has of a document, without
    its end token, is turned with probability `rate`: it is cut in two places, each of the n + 1 as likely, into prefix,
    middle and suffix, any of which may be empty. Nothing is cut off to make room: a sample is sequence_length - reserve
    tokens, and where more pieces want to be turned than that has room for, chance decides which are.

    tokens  [B, L] the token before each label: of the first, the one before the sample
    labels  [B, L] what is to be predicted, all of it; -100 is padding
            PSM: <PRE> prefix <SUF> suffix <MID> middle     SPM: <PRE> <SUF> suffix <MID> prefix middle
    """

    rate: float = 0.5
    """How many pieces are turned (the paper: up to 0.9 does no harm)."""
    spm_rate: float = 0.5
    """Of these, how many have the suffix first (SPM, the paper's second variant)."""
    reserve: int = 0
    """Room for special tokens in a row, three a piece; 0: three for each 192 tokens of sequence_length."""

    batch_options: ClassVar[tuple[str, ...]] = ("rate", "spm_rate")

    def __post_init__(self) -> None:
        for name in ("rate", "spm_rate"):
            names.within(name, getattr(self, name), 0, 1)
        names.count("reserve", self.reserve)

    def _reserve(self, setting: Setting) -> int:
        return self.reserve or EXTRA * max(1, setting.sequence_length // 192)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """What is left beside the reserve."""
        self._tokens(setting)
        room = setting.sequence_length - self._reserve(setting)
        if room < 1 or self._reserve(setting) < EXTRA:
            raise ValueError(f"fim needs a reserve of at least {EXTRA} tokens and a longer sequence_length")
        return (room,)

    def _tokens(self, setting: Setting) -> np.ndarray:
        known = setting.vocabulary
        return np.array([known.role(name, "fim") for name in ("fim_prefix", "fim_middle", "fim_suffix")], np.int64)

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels."""
        setting = samples.setting
        rows = samples.read(documents=True, previous=True)
        assert rows.document_ids is not None
        shape = len(rows.lengths), setting.sequence_length
        labels, inputs = np.full(shape, IGNORE, setting.dtype), np.full(shape, setting.pad_id, setting.dtype)
        document_ids = np.zeros(shape if setting.boundaries else (shape[0], 0), np.int32)
        _turn(
            rows.tokens, rows.lengths, rows.document_ids, samples.keys, setting.end_id, self._tokens(setting),
            float(self.rate), float(self.spm_rate), self._reserve(setting) // EXTRA, labels, document_ids,
        )  # fmt: skip
        _shift(labels, rows.previous[:, 0].copy(), inputs)
        return {"tokens": inputs, "labels": labels} | samples.describe(document_ids)


@numba.njit(cache=True, nogil=True)
def _shift(labels, before, inputs):
    """The token before each label; before the first of a row, `before[row]`."""
    for row in range(labels.shape[0]):
        last = before[row]
        for column in range(labels.shape[1]):
            if labels[row, column] == IGNORE:
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
def _copy(source, row, first, end, target, at):
    for k in range(end - first):
        target[row, at + k] = source[row, first + k]
    return at + end - first


@numba.njit(cache=True, nogil=True)
def _turn(source, lengths, ids, keys, end_id, special, rate, spm_rate, room, labels, document_ids):
    """Fill rows of `labels` [B, L] with the samples `source` [B, T], pieces turned; `document_ids` int32[B, L] with
    those that they had ([B, 0]: not wanted)."""
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
                one = first + philox.below(state, end - first + 1)
                other = first + philox.below(state, end - first + 1)
                low, high = min(one, other), max(one, other)
                suffix_first = philox.uniform(state) < spm_rate
                labels[row, at] = before
                at += 1
                if not suffix_first:
                    at = _copy(source, row, first, low, labels, at)
                labels[row, at] = after
                at = _copy(source, row, high, end, labels, at + 1)
                labels[row, at] = middle
                at = _copy(source, row, first if suffix_first else low, high, labels, at + 1)
                at = _copy(source, row, end, behind, labels, at)
            else:
                at = _copy(source, row, first, behind, labels, at)
            if document_ids.shape[1]:
                document_ids[row, begin:at] = ids[row, first]
