"""Spans that are taken out of a sample and put into its targets, a sentinel in place of each: T5's span corruption
(google-research/text-to-text-transfer-transformer, t5/data/preprocessors.py), with its arithmetic and one rule of
rounding: half to even, exact, of the density as it is written (0.15 is 3/20).

Of n tokens k = round(n density) are noise, in m = round(k / mean) spans, both at least 1 and such that all parts have
room: 1 <= k <= n - 1, m <= k, m <= n - k. Noise and the rest are each cut into m parts, every way as likely, which
stand in turn, the rest first; so the sample ends with noise, unless it is rolled. Inputs are then n - k + m + 1 long
and targets k + m + 1, each with an end token.
"""

from __future__ import annotations

import dataclasses
import fractions
import functools
from collections.abc import Callable

import numba
import numpy as np

from corpus.loader.kernel import IGNORE, copy
from corpus.text.intrinsics import trailing_zeros
from corpus.tokens import philox

_WORD, _BITS, _ONE = np.uint64(6), np.uint64(63), np.uint64(1)
LONGEST = 1 << 24
"""Tokens of a sample at most that are looked for."""


@dataclasses.dataclass(frozen=True)
class Noise:
    """How much of a sample is noise: `density`, and in spans of `mean` tokens on average; both as fractions."""

    density: fractions.Fraction
    mean: fractions.Fraction

    @functools.cached_property
    def parts(self) -> tuple[int, int, int, int]:
        """Numerator and denominator of both."""
        return *self.density.as_integer_ratio(), *self.mean.as_integer_ratio()

    def count(self, length: int) -> tuple[int, int]:
        """(noise tokens, spans) of a sample of `length` tokens; (0, 0) below two."""
        noise, spans = _count(length, *self.parts)
        return int(noise), int(spans)

    def lengths(self, length: int) -> tuple[int, int]:
        """(inputs, targets) made of a sample of `length` tokens, end tokens among them."""
        noise, spans = self.count(length)
        return length - noise + spans + 1, noise + max(1, spans) + 1


@functools.lru_cache
def noise_of(density: float, mean: float) -> Noise:
    """The noise of these numbers, as they are written."""
    return Noise(fractions.Fraction(str(density)), fractions.Fraction(str(mean)))


@functools.lru_cache
def solve(noise: Noise, inputs: int, targets: int | None = None) -> int:
    """Tokens of the longest sample whose inputs are at most `inputs`, and whose targets at most `targets`, where that
    is given; one less, as T5 has it, where half is noise and targets would be longer than inputs. 0: there is none."""

    def fits(length: int) -> bool:
        made = noise.lengths(length)
        return made[0] <= inputs and (targets is None or made[1] <= targets)

    length = _last(fits)
    if noise.density == fractions.Fraction(1, 2) and length and noise.lengths(length)[1] > noise.lengths(length)[0]:
        length -= 1
    return length


def _last(fits: Callable[[int], bool]) -> int:
    """The largest number, 0 or more, for which `fits`, which holds up to some number and for none above."""
    low, high = 0, 1
    while high < LONGEST and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@numba.njit(cache=True, nogil=True)
def _rounded(numerator, denominator):
    """numerator / denominator to the next whole number, half to even."""
    whole, rest = numerator // denominator, numerator % denominator
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1):
        whole += 1
    return whole


@numba.njit(cache=True, nogil=True)
def _count(length, density_part, density_whole, mean_part, mean_whole):
    if length < 2:
        return 0, 0
    noise = min(max(_rounded(length * density_part, density_whole), 1), length - 1)
    spans = max(_rounded(noise * mean_whole, mean_part), 1)
    return noise, min(spans, noise, length - noise)


@numba.njit(cache=True, nogil=True)
def cut(state, length, parts, marks, sizes):
    """Cut `length` into so many parts of at least 1, every way as likely: `sizes` (int64, [:parts]). `marks` (uint64, a
    bit for each token) is all 0 before and after. The places are drawn as Floyd (1987) draws a set."""
    free = length - 1
    for last in range(free - parts + 1, free):
        place = np.uint64(philox.below(state, last + 1))
        if marks[place >> _WORD] >> (place & _BITS) & _ONE:
            place = np.uint64(last)
        marks[place >> _WORD] |= _ONE << (place & _BITS)
    part, first = 0, 0
    for word in range((free + 63) >> 6):
        left = marks[word]
        marks[word] = 0
        while left:
            end = np.int64(64 * word) + np.int64(trailing_zeros(left)) + 1
            sizes[part] = end - first
            first = end
            part += 1
            left &= left - _ONE
    sizes[part] = length - first


@numba.njit(cache=True, nogil=True)
def corrupt(
    source, lengths, ids, keys, kinds, parts, rolls, first_tokens, sentinels, end_id, pad_id, inputs, decoder, labels,
    document_ids,
):  # fmt: skip
    """Fill all of a row of `inputs` [B, L], `labels` and `decoder` [B, T] of each of `source` [B, N], `lengths`
    (int64[B]); and of `document_ids` int32[B, L], zeros at first, of `ids` [B, N] ([B, 0]: not wanted). Of each of the
    `kinds` (int64[B]) of noise: `parts` (int64[K, 4]), of a Noise; `rolls` (bool[K]): whether it is moved on by an
    amount drawn at random; `first_tokens` (int64[K, F]): put before the inputs."""
    longest, first = source.shape[1], first_tokens.shape[1]
    state = philox.state()
    marks = np.zeros((longest >> 6) + 1, np.uint64)
    drawn = np.empty((2, longest + 1), np.int64)
    rolled = np.empty((2, longest + 2), np.int64)
    for row in range(len(lengths)):
        length, kind = lengths[row], kinds[row]
        tokens, made, wanted = source[row], inputs[row], labels[row]
        if length == 0:
            made[:] = pad_id
            wanted[:] = IGNORE
            decoder[row, :] = pad_id
            continue
        noise, spans = _count(length, parts[kind, 0], parts[kind, 1], parts[kind, 2], parts[kind, 3])
        kept, taken = drawn[0], drawn[1]
        if spans:
            philox.seat(state, keys[row], philox.SPANS)
            cut(state, noise, spans, marks, taken)
            cut(state, length - noise, spans, marks, kept)
            if rolls[kind]:
                shift = philox.below(state, length)
                if shift:
                    spans = _roll(drawn, spans, length - shift, rolled)
                    kept, taken = rolled[0], rolled[1]
        else:
            kept[0], taken[0], spans = length, 0, 1
        for k in range(first):
            made[k] = first_tokens[kind, k]
        at, to, position = first, 0, 0
        for span in range(spans):
            here, gone = kept[span], taken[span]
            copy(tokens[position : position + here], made[at : at + here])
            at += here
            position += here
            if gone:
                made[at] = sentinels[span]
                at += 1
            if gone or noise == 0:
                wanted[to] = sentinels[span]
                copy(tokens[position : position + gone], wanted[to + 1 : to + 1 + gone])
                to += 1 + gone
                position += gone
        made[at] = wanted[to] = end_id
        made[at + 1 :] = pad_id
        wanted[to + 1 :] = IGNORE
        decoder[row, 0] = pad_id
        copy(wanted[:to], decoder[row, 1 : to + 1])
        decoder[row, to + 1 :] = pad_id
        if document_ids.shape[1]:
            _mark(ids[row], document_ids[row], first, kept, taken, spans, length)


@numba.njit(cache=True, nogil=True)
def _mark(ids, document_ids, at, kept, taken, spans, length):
    """The documents of the inputs: of a sentinel that of the first token of its span, of the end token the last."""
    document_ids[:at] = 1
    position = 0
    for span in range(spans):
        here = kept[span] + (taken[span] > 0)
        document_ids[at : at + here] = ids[position : position + here]
        at += here
        position += kept[span] + taken[span]
    document_ids[at] = ids[length - 1]


@numba.njit(cache=True, nogil=True)
def _roll(drawn, spans, begin, rolled):
    """How many spans there are once what stood at token `begin` stands first: `rolled` (int64[2, spans + 1]) has what
    is kept before each and what is taken, of `drawn`. Of a span that goes over the end both parts are spans; the last
    may take nothing, the first keep nothing."""
    rolled[:, 0] = 0
    span = 0
    for turn in range(2):  # from `begin` on, then up to it
        position = 0
        for k in range(2 * spans):
            size = drawn[k & 1, k >> 1]
            low, high = max(position, begin if turn == 0 else 0), position + size
            if turn:
                high = min(high, begin)
            position += size
            if low >= high:
                continue
            if k & 1 == 0 and rolled[1, span]:
                span += 1
                rolled[:, span] = 0
            rolled[k & 1, span] += high - low
    return span + 1
