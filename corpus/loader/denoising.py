"""BART's corruptions of a row (fairseq, fairseq/data/denoising_dataset.py), as kernels. A row is <s>, tokens, </s>, of
which the first and the last stay where they are; of a bare row all are tokens."""

from __future__ import annotations

import functools
import math

import numba
import numpy as np

from corpus.loader.kernel import copy
from corpus.tokens import philox

LEAST = 1e-7
"""The table of Poisson's probabilities ends with the first below this (fairseq)."""
SPAN, TOKEN, NOTHING = range(3)


@functools.cache
def poisson(mean: float) -> np.ndarray:
    """float64[n]: probabilities of spans of 0, 1, .. words, up to where they are below LEAST; [0]: all are of one."""
    if mean == 0:
        return np.empty(0)
    odds = [math.exp(-mean)]
    while len(odds) < 128 and (odds[-1] >= LEAST or len(odds) <= mean):
        odds.append(odds[-1] * mean / len(odds))
    return np.array(odds)


@numba.njit(cache=True, nogil=True)
def targets(source, lengths, first, labels, decoder):
    """The rows `source` as labels, and moved by one, `first` before them."""
    for row in range(len(lengths)):
        before = first
        for k in range(lengths[row]):
            labels[row, k] = source[row, k]
            decoder[row, k] = before
            before = source[row, k]


@numba.njit(cache=True, nogil=True)
def corrupt(
    source, lengths, keys, frame, starts, stops, pool, mask, odds, mask_share, replace, random_share, insert_share,
    permute_share, rotate_share, inputs,
):  # fmt: skip
    """Fill a row of `inputs` [B, L] of each of `source` [B, M], `lengths` (int64[B]), with `frame` tokens at either end
    that stay; int64[B], how many each became. `starts` and `stops` (bool[V]): which tokens begin a word ([0]: all),
    which are full stops; the others as the options of Bart, `odds` of `poisson`."""
    state = philox.state()
    width, all_odds = inputs.shape[1], odds.sum()
    marks, begins = np.zeros(width + 1, np.bool_), np.empty(width + 1, np.int64)
    filled = np.zeros(len(lengths), np.int64)
    text, other = np.empty(width + 1, np.int64), np.empty(width + 1, np.int64)
    for row in range(len(lengths)):
        count = lengths[row] - 2 * frame
        if lengths[row] == 0:
            continue
        if frame and source.shape[1] > 1 and lengths[row] == 1:
            count = 0
        philox.seat(state, keys[row], philox.CORRUPTION)
        for k in range(count):
            text[k] = source[row, frame + k]
        if permute_share > 0 and count:
            _permute(state, text, count, stops, permute_share, other)
            text, other = other, text
        room = width - 2 * frame
        if mask_share > 0 and count:
            count = _mask(
                state, text, count, starts, pool, mask, odds, all_odds, mask_share, replace, random_share, room, marks,
                begins, other,
            )  # fmt: skip
            text, other = other, text
        if insert_share > 0:
            more = min(room - count, np.int64(np.ceil((count + 2 * frame) * insert_share)))
            count = _insert(state, text, count, more, pool, mask, random_share, marks, other)
            text, other = other, text
        if rotate_share > 0 and philox.uniform(state) < rotate_share and count:
            shift = philox.below(state, count + 1) if frame else philox.below(state, count)
            for k in range(count):
                other[k] = text[(shift + k) % count]
            text, other = other, text
        if frame:
            inputs[row, 0] = source[row, 0]
            inputs[row, count + 1] = source[row, lengths[row] - 1]
        for k in range(count):
            inputs[row, frame + k] = text[k]
        filled[row] = count + 2 * frame
    return filled


@numba.njit(cache=True, nogil=True)
def _permute(state, text, count, stops, share, result):
    """`result` is the text with ceil(share m) of its m sentences in each other's places. What stands behind the last
    sentence, which are stops that follow a stop, stays."""
    ends = np.empty(count, np.int64)
    sentences = 0
    before = False
    for k in range(count):
        stop = stops[text[k]]
        if (stop or k == count - 1) and not before:
            ends[sentences] = k + 1
            sentences += 1
        before = stop
    chosen = np.arange(sentences)
    moved = min(sentences, np.int64(np.ceil(sentences * share)))
    for k in range(moved):  # which, in an order drawn at random
        at = k + philox.below(state, sentences - k)
        chosen[k], chosen[at] = chosen[at], chosen[k]
    order = np.arange(sentences)
    turned = chosen[:moved].copy()
    for k in range(moved):
        at = k + philox.below(state, moved - k)
        turned[k], turned[at] = turned[at], turned[k]
        order[chosen[k]] = turned[k]
    at = 0
    for sentence in order:
        first = ends[sentence - 1] if sentence else 0
        size = ends[sentence] - first
        copy(text[first : first + size], result[at : at + size])
        at += size
    copy(text[at:count], result[at:count])


@numba.njit(cache=True, nogil=True)
def _span(state, odds, all_odds):
    """Words of a span."""
    if len(odds) == 0:
        return 1
    left = philox.uniform(state) * all_odds
    for words in range(len(odds) - 1):
        if left < odds[words]:
            return words
        left -= odds[words]
    return len(odds) - 1


@numba.njit(cache=True, nogil=True)
def _token(state, pool, mask, random_share):
    """The mask, or a random token."""
    if random_share > 0 and philox.uniform(state) < random_share:
        return pool[philox.below(state, len(pool))]
    return mask


@numba.njit(cache=True, nogil=True)
def _mask(
    state, text, count, starts, pool, mask, odds, all_odds, share, replace, random_share, room, marks, begins, result
):  # fmt: skip
    """`result` is the text with spans that begin at words drawn at random, in place of each what `replace` says; its
    length. Lengths are drawn until there are words enough, the last one is cut; those of 0 are masks put in between,
    as far as there is room. `marks` (bool, all False before and after) and `begins` are room to work in."""
    words = 0
    every = len(starts) == 0
    for k in range(count):
        begins[words] = k
        words += every or starts[text[k]]
    budget = np.int64(np.ceil(words * share))
    lengths = np.empty(budget, np.int64)
    spans, inserts = 0, 0
    left = budget
    while left > 0:
        size = min(left, _span(state, odds, all_odds))
        if size:
            lengths[spans] = size
            spans += 1
            left -= size
        else:
            inserts += 1
    for span in range(spans):
        at = span + philox.below(state, words - span)
        begins[span], begins[at] = begins[at], begins[span]
    change = np.zeros(count, np.int8)  # what becomes of a token: 0 it stays, or one of these
    gone, masked, random = 1, 2, 3
    for span in range(spans):
        change[begins[span]] = gone if replace == NOTHING else masked
    for span in range(spans):
        at, size = begins[span], lengths[span]
        chance = random_share > 0 and philox.uniform(state) < random_share
        if change[at] != gone:
            change[at] = random if chance else masked
        at += 1
        while at < count:
            if every or starts[text[at]]:
                size -= 1
                if size <= 0:
                    break
            change[at] = gone if replace != TOKEN else random if chance else masked
            at += 1
    to = 0
    for k in range(count):
        result[to] = text[k] if change[k] == 0 else mask
        if change[k] == random:
            result[to] = pool[philox.below(state, len(pool))]
        to += change[k] != gone
    inserts = min(inserts, room - to)
    if inserts > 0:
        copy(result[:to], text[:to])
        to = _insert(state, text, to, inserts, pool, mask, random_share, marks, result)
    return to


@numba.njit(cache=True, nogil=True)
def _insert(state, text, count, more, pool, mask, random_share, marks, result):
    """`result` is the text with `more` masks in places drawn at random, every set of places as likely, as Floyd (1987)
    draws a set; its length."""
    for last in range(count, count + more):
        place = philox.below(state, last + 1)
        marks[last if marks[place] else place] = True
    taken = 0
    for place in range(count + more):
        if marks[place]:
            marks[place] = False
            result[place] = _token(state, pool, mask, random_share)
        else:
            result[place] = text[taken]
            taken += 1
    return count + more
