"""Permutation language model (XLNet, Yang et al. 2019; zihangdai/xlnet, data_utils.py)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numba
import numpy as np

from corpus.loader import lanes, names, order
from corpus.loader.kernel import IGNORE
from corpus.loader.masking import draw_length
from corpus.loader.objective import Objective, Samples, Setting
from corpus.loader.objectives.transformer_xl import marks_of
from corpus.tokens import philox

CONTEXT, PADDING = -1, -2


@dataclasses.dataclass(frozen=True)
class XlNet(Objective):
    """Rows of two halves: `reuse` tokens of the stream, whose states the next row of the lane finds in its memory, and
    what follows them, x [SEP] [CLS] or A [SEP] B [SEP] [CLS]. The next row begins `reuse` tokens further on. In each
    half spans of 1 to `ngrams` tokens, which begin with a word, are targets, each amid alpha / beta times as many
    tokens of context, and single tokens until there are enough: as upstream, whose spans are of tokens and not of
    words.

    tokens           [B, L] the row; nothing in it is masked
    labels           [B, L] the tokens that are targets, else -100
    ranks            int32[B, L] the order of factorization: -1 context, -2 padding. `attention` makes of it who sees
    whom segments         [B, L] 0 up to A's [SEP], 1 B and its [SEP], 2 [CLS]
    sentence_labels  [B] of two segments: 1 where B is from elsewhere, 0 where it follows A
    lanes, starts    with `lanes`: as of "transformer_xl"

    A row that has only [SEP] and [CLS] for targets has one label, its first token.
    """

    reuse: int = 0
    """Tokens of the first half; 0: half of sequence_length (256 of 512)."""
    permutation: int = 0
    """Tokens that are permuted; each group of so many of a half by the same permutation. 0: the first half's."""
    predictions: int = 0
    """Targets of a row; 0: a sixth of sequence_length (85 of 512)."""
    ngrams: int = 5
    """Tokens of a span at most, n of them with probability in proportion to 1/n."""
    alpha: int = 6
    beta: int = 1
    segments: int = 2
    """2: A and B, which are cut behind a full stop or a document; half of the time B is from elsewhere. 1: x."""
    lanes: int = 0
    """Rows of a global step, that each go on where they were; 0: samples in any order, as of other objectives."""
    bidirectional: bool = False
    """Half of the rows go backwards: their text is that of the stream from its end to its beginning. With lanes every
    other lane does, in the next epoch the others."""

    plans: ClassVar[tuple[str, ...]] = ("",)  # what follows a sample is read with it

    def __post_init__(self) -> None:
        for name in ("reuse", "permutation", "predictions", "lanes"):
            names.count(name, getattr(self, name))
        for name in ("ngrams", "alpha", "beta"):
            names.count(name, getattr(self, name), 1)
        names.segments(self.segments)
        names.flag("bidirectional", self.bidirectional)

    def _reuse(self, setting: Setting) -> int:
        return self.reuse or setting.sequence_length // 2

    def _group(self, setting: Setting) -> int:
        return self.permutation or self._reuse(setting)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """The first half; what follows is read with it."""
        reuse, length = self._reuse(setting), setting.sequence_length
        known = setting.vocabulary
        for role in ("sep", "cls"):
            known.role(role, "xlnet")
        known.word_starts("xlnet")
        if self.segments == 2:
            known.full_stops("xlnet with two segments")
        if setting.boundaries:
            raise ValueError("xlnet has rows across documents: it goes without boundaries")
        if length - reuse < 5 or reuse < 1:
            raise ValueError(f"sequence_length {length} has no room for {reuse} tokens, a text, [SEP] and [CLS]")
        if reuse % self._group(setting) or (length - reuse) % self._group(setting):
            raise ValueError(
                f"permutation {self._group(setting)} must divide the halves of a row, {reuse} and {length - reuse}"
            )
        return (reuse,)

    def numbers(self, setting: Setting, samples: int, first: int, count: int) -> np.ndarray:
        """See Objective."""
        if not self.lanes:
            return super().numbers(setting, samples, first, count)
        return lanes.locate(samples, self.lanes, first, count, self.bidirectional)[0]

    def _backward(self, samples: Samples) -> np.ndarray:
        """bool[B]: which samples go backwards."""
        if not self.bidirectional:
            return np.zeros(len(samples.numbers), np.bool_)
        if self.lanes:
            size = samples.source.figures["samples"]
            return lanes.backward(size, self.lanes, samples.first, len(samples.numbers))
        return order.elsewhere(samples.keys, 2, 2) == 1

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, ranks, segments and more."""
        setting, known = samples.setting, samples.setting.vocabulary
        reuse, length, size = self._reuse(setting), setting.sequence_length, samples.source.figures["samples"]
        rows, backward, more = samples.read(), self._backward(samples), -(-(length - reuse) // reuse)
        _flip(rows.tokens, rows.lengths, backward)
        following, there = _read_on(samples, samples.numbers, backward, more, size)
        elsewhere, room = following, there
        if self.segments == 2:
            others = order.elsewhere(samples.keys, 1, size)
            elsewhere, room = _read_on(samples, others - 1, np.zeros_like(backward), more, size)
            _flip(elsewhere, room, backward)
        shape = len(rows.lengths), length
        tokens, segments = np.full(shape, setting.pad_id, setting.dtype), np.zeros(shape, setting.dtype)
        labels, ranks = np.full(shape, IGNORE, setting.dtype), np.full(shape, PADDING, np.int32)
        stops = known.full_stops("xlnet").copy() if self.segments == 2 else np.zeros(known.size, np.bool_)
        stops[setting.end_id] = True
        turned = _compose(
            rows.tokens, rows.lengths, following, there, elsewhere, room, samples.keys, backward, self.segments, reuse,
            stops, known.role("sep", "xlnet"), known.role("cls", "xlnet"), tokens, segments, ranks,
        )  # fmt: skip
        wanted = self.predictions or length // 6
        _choose(
            tokens, ranks, samples.keys, backward, reuse, self._group(setting), wanted, self.alpha, self.beta,
            1.0 / np.arange(1, self.ngrams + 1), known.word_starts("xlnet"), known.role("sep", "xlnet"),
            known.role("cls", "xlnet"), labels,
        )  # fmt: skip
        batch = {"tokens": tokens, "labels": labels, "ranks": ranks, "segments": segments}
        if self.segments == 2:
            batch["sentence_labels"] = turned.astype(setting.dtype)
        return batch | (marks_of(samples, self.lanes) if self.lanes else {})


def attention(ranks: np.ndarray, labels: np.ndarray, reuse: int) -> np.ndarray:
    """bool[B, L, L]: whether token i sees token j, by `ranks` and `labels` [B, L] of a batch: context of its half, what
    has a lower rank there, and the first half from the second. Targets do not see themselves."""
    own = np.where(labels != IGNORE, ranks, ranks + 1)
    half = np.arange(ranks.shape[1]) >= reuse
    later, same = half[:, None] & ~half[None, :], half[:, None] == half[None, :]
    lower = (ranks[:, None, :] == CONTEXT) | (own[:, :, None] > ranks[:, None, :])
    return (ranks[:, None, :] != PADDING) & (later | (same & lower))


def _read_on(
    samples: Samples, first: np.ndarray, backward: np.ndarray, more: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(tokens [B, more windows], int64[B] how many there are) of windows that follow window `first`, or stand before
    it, these backwards; none behind the last, and none of an empty row."""
    parts = []
    for k in range(1, more + 1):
        number = first + np.where(backward, -k, k)
        part = samples.read(numbers=np.where((samples.numbers >= 0) & (number >= 0) & (number < size), number, -1))
        _flip(part.tokens, part.lengths, backward)
        parts.append(part)
    return np.concatenate([part.tokens for part in parts], axis=1), np.sum([part.lengths for part in parts], axis=0)


@numba.njit(cache=True, nogil=True)
def _flip(tokens, lengths, backward):
    """Turn the tokens of the rows that are `backward` (bool[B]) round."""
    for row in range(len(lengths)):
        if backward[row]:
            for k in range(lengths[row] // 2):
                other = lengths[row] - 1 - k
                tokens[row, k], tokens[row, other] = tokens[row, other], tokens[row, k]


@numba.njit(cache=True, nogil=True)
def _compose(
    source, lengths, following, there, elsewhere, room, keys, backward, parts, reuse, stops, sep, cls, tokens, segments,
    ranks,
):  # fmt: skip
    """Fill `tokens` and `segments` [B, L], and `ranks` with CONTEXT where there are any; bool[B]: B is from
    elsewhere."""
    turned = np.zeros(len(lengths), np.bool_)
    state = philox.state()
    cuts = np.empty(following.shape[1] + 1, np.int64)
    total = tokens.shape[1] - reuse - 1 - parts
    for row in range(len(lengths)):
        if lengths[row] == 0:
            continue
        tokens[row, : lengths[row]] = source[row, : lengths[row]]
        ranks[row, : lengths[row]] = CONTEXT
        a, at = min(total, there[row]), reuse
        b, begin = 0, 0
        if parts == 2:
            philox.seat(state, keys[row], philox.SEGMENTS)
            found = 0
            for k in range(1, a):  # behind a stop; backwards a sentence begins with it
                if stops[following[row, k if backward[row] else k - 1]]:
                    cuts[found] = k
                    found += 1
            whole = a
            turned[row] = found == 0 or philox.uniform(state) < 0.5
            if found:
                a = cuts[philox.below(state, found)]
            if turned[row]:
                b = min(max(1, total - a), room[row])
                begin = philox.below(state, room[row] - b + 1)
            else:
                b, begin = whole - a, a
            while a + b > total:
                if a > b:
                    a -= 1
                else:
                    b -= 1
        tokens[row, at : at + a] = following[row, :a]
        at += a
        tokens[row, at] = sep
        at += 1
        if parts == 2:
            start = at
            text = elsewhere if turned[row] else following
            tokens[row, at : at + b] = text[row, begin : begin + b]
            at += b
            tokens[row, at] = sep
            at += 1
            segments[row, start:at] = 1
        tokens[row, at] = cls
        segments[row, at] = 2
        ranks[row, reuse : at + 1] = CONTEXT
    return turned


@numba.njit(cache=True, nogil=True)
def _choose(tokens, ranks, keys, backward, reuse, group, wanted, alpha, beta, odds, starts, sep, cls, labels):
    """Choose the targets of both halves of each row, and give them and what is functional a rank."""
    state = philox.state()
    longest = tokens.shape[1]
    chosen, order = np.empty(longest, np.bool_), np.empty(group, np.int64)
    for row in range(len(keys)):
        if ranks[row, 0] == PADDING:
            continue
        philox.seat(state, keys[row], philox.PERMUTATION)
        labelled = False
        for half in range(2):
            low = half * reuse
            high = low
            while high < (longest if half else reuse) and ranks[row, high] != PADDING:
                high += 1
            goal = wanted // 2 if half else wanted - wanted // 2
            text = tokens[row, low:high].copy()
            if backward[row]:  # words begin where they do in the text
                text = text[::-1].copy()
            _sample(state, text, min(goal, high - low), alpha, beta, odds, starts, chosen)
            if backward[row]:
                chosen[: high - low] = chosen[: high - low][::-1].copy()
            for k in range(group):
                order[k] = k
            philox.shuffle(state, order)
            for k in range(high - low):
                token = tokens[row, low + k]
                functional = token == sep or token == cls
                if chosen[k] or functional:
                    ranks[row, low + k] = low + k // group * group + order[k % group]
                if chosen[k] and not functional:
                    labels[row, low + k] = token
                    labelled = True
        if not labelled:
            labels[row, 0] = tokens[row, 0]
            ranks[row, 0] = max(ranks[row, 0], 0)


@numba.njit(cache=True, nogil=True)
def _sample(state, tokens, goal, alpha, beta, odds, starts, chosen):
    """Choose `goal` of the tokens (`chosen`, bool[:n]): XLNet's _sample_mask."""
    count = len(tokens)
    chosen[:count] = False
    done, at = 0, 0
    while at < count and done < goal:
        size = min(draw_length(state, odds, len(odds)), goal - done)
        context = size * alpha // beta
        before = philox.below(state, context) if context else 0
        begin = at + before
        while begin < count and not starts[tokens[begin]]:
            begin += 1
        if begin + size >= count:
            break
        chosen[begin : begin + size] = True
        done += size
        at = begin + size + context - before
    while done < goal:
        k = philox.below(state, count)
        if not chosen[k]:
            chosen[k] = True
            done += 1
