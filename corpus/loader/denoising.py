"""BART's corruptions of a row (fairseq, fairseq/data/denoising_dataset.py), as kernels. A row is <s>, tokens, </s>, of
which the first and the last stay where they are; of a bare row all are tokens."""

from __future__ import annotations

import functools
import math

import numba
import numpy as np

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
    that stay; int64[B], how many each became. `starts` and `stops` (bool[V]): which tokens begin a word, which are full
    stops; the others as the options of Bart, `odds` of `poisson`."""
    state = philox.state()
    width = inputs.shape[1]
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
                state, text, count, starts, pool, mask, odds, mask_share, replace, random_share, room, other
            )  # fmt: skip
            text, other = other, text
        if insert_share > 0:
            more = min(room - count, np.int64(np.ceil((count + 2 * frame) * insert_share)))
            count = _insert(state, text, count, more, pool, mask, random_share, other)
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
    for k in range(count):
        stop = stops[text[k]] or k == count - 1
        if stop and (k == 0 or not stops[text[k - 1]]):
            ends[sentences] = k + 1
            sentences += 1
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
        for k in range(ends[sentence - 1] if sentence else 0, ends[sentence]):
            result[at] = text[k]
            at += 1
    for k in range(at, count):
        result[k] = text[k]


@numba.njit(cache=True, nogil=True)
def _span(state, odds):
    """Words of a span."""
    if len(odds) == 0:
        return 1
    left = philox.uniform(state) * odds.sum()
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
def _mask(state, text, count, starts, pool, mask, odds, share, replace, random_share, room, result):
    """`result` is the text with spans that begin at words drawn at random, in place of each what `replace` says; its
    length. Lengths are drawn until there are words enough, the last one is cut; those of 0 are masks put in between,
    as far as there is room."""
    begins = np.empty(count, np.int64)
    words = 0
    for k in range(count):
        if starts[text[k]]:
            begins[words] = k
            words += 1
    budget = np.int64(np.ceil(words * share))
    lengths = np.empty(budget, np.int64)
    spans, inserts = 0, 0
    left = budget
    while left > 0:
        size = min(left, _span(state, odds))
        if size:
            lengths[spans] = size
            spans += 1
            left -= size
        else:
            inserts += 1
    keep, random = np.ones(count, np.int8), np.zeros(count, np.bool_)  # 1: as it is, 2: a mask, 0: nothing
    for span in range(spans):
        at = span + philox.below(state, words - span)
        begins[span], begins[at] = begins[at], begins[span]
        keep[begins[span]] = 0 if replace == NOTHING else 2
    for span in range(spans):
        at, size = begins[span], lengths[span]
        chance = random_share > 0 and philox.uniform(state) < random_share
        random[at] = chance
        at += 1
        while at < count:
            size -= starts[text[at]]
            if size <= 0 and starts[text[at]]:
                break
            keep[at] = 2 if replace == TOKEN else 0
            random[at] = chance
            at += 1
    to = 0
    for k in range(count):
        if keep[k] == 1:
            result[to] = text[k]
            to += 1
        elif keep[k] == 2:
            result[to] = pool[philox.below(state, len(pool))] if random[k] else mask
            to += 1
    inserts = min(inserts, room - to)
    if inserts > 0:
        for k in range(to):
            text[k] = result[k]
        to = _insert(state, text, to, inserts, pool, mask, random_share, result)
    return to


@numba.njit(cache=True, nogil=True)
def _insert(state, text, count, more, pool, mask, random_share, result):
    """`result` is the text with `more` masks in places drawn at random, every set of places as likely; its length."""
    masks = more
    taken = 0
    for place in range(count + more):
        if philox.below(state, count + more - place) < masks:
            result[place] = _token(state, pool, mask, random_share)
            masks -= 1
        else:
            result[place] = text[taken]
            taken += 1
    return count + more
