"""Noisy text, to try models on: the six noises of ByT5 (Xue et al. 2022, arXiv 2105.13626, section 5)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, Literal

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import replace_column
from corpus.options import option
from corpus.step import Filter, Outcome
from corpus.text import arrow, utf8
from corpus.text.hashing import PRIME_1, PRIME_2, PRIME_3, hash64
from corpus.text.leaf import leaf

NOISES = ("drop", "add_drop_mutate", "repetitions", "antspeak", "uppercase", "random_case")
DROP, ADD_DROP_MUTATE, REPETITIONS, ANTSPEAK, UPPERCASE, RANDOM_CASE = range(len(NOISES))
SHARES = {"drop": 0.1, "add_drop_mutate": 0.1, "repetitions": 0.2}
"""The paper's: how likely a character is changed. The others change all of them."""
MOST_REPETITIONS = 3


@dataclass(frozen=True)
class ByT5Noise(Filter):
    """Puts noise into the text, drawn by a hash of (`seed`, document id, place); no document is dropped.

    drop             a character is left out, one in ten
    add_drop_mutate  one in ten: a random character of the text is put before it, it is left out, or replaced by a
                     random character of the text, each as likely
    repetitions      one in five stands there 2, 3 or 4 times, each as likely
    antspeak         capitals, and a space before each and behind the last
    uppercase        capitals
    random_case      each character a capital or small, by a toss

    Capitals are those that are one character ("\u00df" stays).

    >>> import corpus
    >>> corpus.apply_filters(["an owl"], corpus.ByT5Noise(noise="antspeak")).kept["text"].to_pylist()
    [' A N   O W L ']
    """

    noise: Literal["drop", "add_drop_mutate", "repetitions", "antspeak", "uppercase", "random_case"] = option(
        "add_drop_mutate", "Which of ByT5's noises."
    )
    seed: int = option(0, "Draws the noise, with the document's id and the place.", ge=0)

    name: ClassVar[str] = "byt5_noise"
    rules: ClassVar[tuple[str, ...]] = ()

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """The batch with other texts."""
        text = batch["text"]
        data, offsets = arrow.buffers(text)
        ids, id_offsets = arrow.buffers(batch["id"])
        kind, share = NOISES.index(self.noise), SHARES.get(self.noise, 1.0)
        given = (data, offsets, ids, id_offsets, kind, np.uint64(self.seed), share, *_cases())
        bounds = np.zeros(len(offsets), np.int64)
        _noise(*given, np.empty(0, np.uint8), bounds)
        made = np.empty(bounds[-1], np.uint8)
        _noise(*given, made, bounds)
        column = arrow.string_array(made, bounds, text.type)
        if text.null_count:
            column = pc.if_else(text.is_valid(), column, pa.scalar(None, text.type))
        return Outcome(replace_column(batch, "text", column))


@functools.cache
def _cases() -> tuple[np.ndarray, np.ndarray]:
    """(upper, lower), int32[0x110000]: the capital and the small letter of each code point, where that is one."""
    tables = []
    for change in (str.upper, str.lower):
        table = np.arange(0x110000, dtype=np.int32)
        for point in range(0x1E944):  # behind Adlam, none has a case
            other = change(chr(point)) if not 0xD800 <= point < 0xE000 else ""
            if len(other) == 1:
                table[point] = ord(other)
        tables.append(table)
    return tables[0], tables[1]


@leaf
def _draw(key, number):
    """uint64: XXH64's avalanche of the key and a number."""
    state = key + np.uint64(number) * PRIME_1
    state = (state ^ state >> np.uint64(33)) * PRIME_2
    state = (state ^ state >> np.uint64(29)) * PRIME_3
    return state ^ state >> np.uint64(32)


@leaf
def _below(key, number, limit):
    return np.int64((_draw(key, number) >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32))


@leaf
def _put(data, start, end, made, at):
    """The place behind `data[start:end]`, copied to `at` where there is anything to copy to."""
    return utf8.copy(data, start, end, made, at) if len(made) else at + end - start


@leaf
def _put_character(point, made, at):
    if len(made):
        return utf8.encode(point, made, at)
    return at + 1 + (point >= 0x80) + (point >= 0x800) + (point >= 0x10000)


@numba.njit(cache=True, nogil=True)
def _noise(data, offsets, ids, id_offsets, kind, seed, share, upper, lower, made, bounds):
    """Fill `made` (uint8) with the noisy texts, and `bounds` (int64[texts + 1]) with where they begin; the latter alone
    where `made` is empty. Three draws a character, numbered by its place."""
    at = 0
    for text in range(len(offsets) - 1):
        start, end = offsets[text], offsets[text + 1]
        key = hash64(ids, id_offsets[text], id_offsets[text + 1], seed)
        count = utf8.characters(data, start, end)
        begins = np.empty(count + 1, np.int64)
        position = start
        for k in range(count):
            begins[k] = position
            position = min(end, position + utf8.width(data[position]))
        begins[count] = end
        if kind == ANTSPEAK and count:
            at = _put_character(0x20, made, at)
        for k in range(count):
            first, last = begins[k], begins[k + 1]
            if kind >= ANTSPEAK:
                point, _ = utf8.decode(data, first)
                if kind == RANDOM_CASE and _draw(key, 3 * k) >> np.uint64(63):
                    point = lower[point]
                else:
                    point = upper[point]
                at = _put_character(point, made, at)
                if kind == ANTSPEAK:
                    at = _put_character(0x20, made, at)
                continue
            changed = (_draw(key, 3 * k) >> np.uint64(11)) * (1.0 / 9007199254740992.0) < share
            copies = 1
            if changed and kind == DROP:
                copies = 0
            elif changed and kind == REPETITIONS:
                copies = 2 + _below(key, 3 * k + 1, MOST_REPETITIONS)
            elif changed:
                what, other = _below(key, 3 * k + 1, 3), _below(key, 3 * k + 2, count)
                if what != 1:
                    at = _put(data, begins[other], begins[other + 1], made, at)
                copies = 1 if what == 0 else 0
            for _ in range(copies):
                at = _put(data, first, last, made, at)
        bounds[text + 1] = at
