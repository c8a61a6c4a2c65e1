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
from collections.abc import Callable

import numba
import numpy as np

from corpus.tokens import philox

LONGEST = 1 << 24
"""Tokens of a sample at most that are looked for."""


@dataclasses.dataclass(frozen=True)
class Noise:
    """How much of a sample is noise: `density`, and in spans of `mean` tokens on average; both as fractions."""

    density: fractions.Fraction
    mean: fractions.Fraction

    @property
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


def noise_of(density: float, mean: float) -> Noise:
    """The noise of these numbers, as they are written."""
    return Noise(fractions.Fraction(str(density)), fractions.Fraction(str(mean)))


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
def cut(state, length, parts, marked, sizes):
    """Cut `length` into so many parts of at least 1, every way as likely: `sizes` (int64, [:parts]). `marked` (bool,
    [length]) is all False before and after. The places are drawn as Floyd (1987) draws a set."""
    free = length - 1
    for last in range(free - parts + 1, free):
        place = philox.below(state, last + 1)
        marked[last if marked[place] else place] = True
    part, first = 0, 0
    for place in range(free):
        if marked[place]:
            marked[place] = False
            sizes[part] = place + 1 - first
            first = place + 1
            part += 1
    sizes[part] = length - first


@numba.njit(cache=True, nogil=True)
def corrupt(
    source, lengths, ids, keys, parts, roll, first_tokens, sentinels, end_id, inputs, decoder, labels, document_ids
):  # fmt: skip
    """Fill a row of `inputs` [B, L], `labels` and `decoder` [B, T] of each of `source` [B, N], `lengths` (int64[B]);
    `document_ids` int32[B, L] of `ids` [B, N] ([B, 0]: not wanted). `parts`: of a Noise; `roll`: move the noise on by
    an amount drawn at random; `first_tokens`: put before the inputs of all rows."""
    longest = source.shape[1]
    state = philox.state()
    marked = np.zeros(longest + 1, np.bool_)
    kept, taken = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        noise, spans = _count(length, parts[0], parts[1], parts[2], parts[3])
        at, to = len(first_tokens), 0
        for k in range(at):
            inputs[row, k] = first_tokens[k]
        position = 0
        shift = 0
        if spans:
            philox.seat(state, keys[row], philox.SPANS)
            cut(state, noise, spans, marked, taken)
            cut(state, length - noise, spans, marked, kept)
            if roll:
                shift = philox.below(state, length)
        else:
            kept[0], taken[0], spans = length, 0, 1
        if shift:
            at, to = _rolled(source, row, length, ids, kept, taken, spans, shift, sentinels, inputs, labels, at)
            if document_ids.shape[1]:
                document_ids[row, : len(first_tokens)] = 1
                _rolled_ids(ids, row, length, kept, taken, spans, shift, document_ids, len(first_tokens))
        else:
            for span in range(spans):
                begin = at
                for k in range(kept[span]):
                    inputs[row, at + k] = source[row, position + k]
                at += kept[span]
                position += kept[span]
                sentinel = sentinels[span]
                if taken[span]:
                    inputs[row, at] = sentinel
                    at += 1
                labels[row, to] = sentinel
                to += 1
                for k in range(taken[span]):
                    labels[row, to + k] = source[row, position + k]
                if document_ids.shape[1]:
                    for k in range(kept[span]):
                        document_ids[row, begin + k] = ids[row, position - kept[span] + k]
                    if taken[span]:
                        document_ids[row, at - 1] = ids[row, position]
                to += taken[span]
                position += taken[span]
            if document_ids.shape[1]:
                document_ids[row, : len(first_tokens)] = 1
        inputs[row, at] = end_id
        if document_ids.shape[1]:
            document_ids[row, at] = ids[row, length - 1]
        labels[row, to] = end_id
        for k in range(to):
            decoder[row, k + 1] = labels[row, k]


@numba.njit(cache=True, nogil=True)
def _mask_of(length, kept, taken, spans, shift):
    """bool[length]: which tokens are noise, the pattern of parts being moved on by `shift`."""
    noisy = np.zeros(length, np.bool_)
    position = 0
    for span in range(spans):
        position += kept[span]
        for k in range(taken[span]):
            noisy[(position + k + shift) % length] = True
        position += taken[span]
    return noisy


@numba.njit(cache=True, nogil=True)
def _rolled(source, row, length, ids, kept, taken, spans, shift, sentinels, inputs, labels, at):
    """Inputs and targets of a pattern that was moved on: noise that went over the end is a span of its own at the
    beginning. The targets have a sentinel where a run of noise begins, as the inputs have."""
    noisy = _mask_of(length, kept, taken, spans, shift)
    used, to = 0, 0
    for place in range(length):
        if not noisy[place]:
            inputs[row, at] = source[row, place]
            at += 1
            continue
        if place == 0 or not noisy[place - 1]:
            inputs[row, at] = sentinels[used]
            labels[row, to] = sentinels[used]
            at, to, used = at + 1, to + 1, used + 1
        labels[row, to] = source[row, place]
        to += 1
    return at, to


@numba.njit(cache=True, nogil=True)
def _rolled_ids(ids, row, length, kept, taken, spans, shift, document_ids, at):
    noisy = _mask_of(length, kept, taken, spans, shift)
    for place in range(length):
        if not noisy[place] or place == 0 or not noisy[place - 1]:
            document_ids[row, at] = ids[row, place]
            at += 1
