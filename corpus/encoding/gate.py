"""Whether a kernel gives the ids of the library: proven on texts before anything is encoded.

    difference = first_difference(ours, library, [*adversarial(special_tokens), *sample])

Fast and wrong happens to every encoder that is written anew, so that none of ours is believed: where one id differs,
the library encodes.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from corpus.encoding.added_tokens import Encode
from corpus.text import unicode

AT_ONCE = 1 << 20
"""Characters that are compared at a time."""
SWEEP = range(0x110000)
"""Code points that are all compared."""
_RUN = 256
"""Code points in a text of the sweep."""
_SHOWN = 60
"""Characters of a text that are shown about a difference."""
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'RE", "'\u017f", "\u2019s", "'x", "''s", "'")
_HARD = (
    "", " ", "  ", "\n", "\r\n", "\n\n \n", "\t\tx", " \u00a0x", "\u3000x", "\u0085", "\u2028x\u2029", "a\u200bb",
    "\ufeffa", "\x00", "\x00a\x00", "\x0b\x0c", "\x1c\x1d\x1e\x1f", "\x7f", "\ufffd", "\ufffe", "\uffff",
    "\U0010ffff", "\u2581a \u2581", "e\u0301", "\u0301", "a\u0301\u0327", "\u00e9", "\u212b", "\ufb01", "\u1e9e",
    "\u0130I\u0131i", "\u01c5", "\u03a3\u03c3\u03c2", "\uac00\u1100\u1161", "\u0e01\u0e33", "\u0915\u094d\u0937",
    "\u0628\u0640\u064e", "\u05d0\u05b8", "\u65e5\u672c\u8a9e \u4e2d\u6587\u3002", "\U0002b820\U0002b920\U00020000",
    "\u30ab\u3099\u30ac", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e6\U0001f1fa",
    "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f44b\U0001f3fd",
    "12345 1,234.5 007 \u0661\u0662\u0663 \u00bd \u2167 \u00b2", "HTTPServer2XX camelCase SNAKE_case", "a1b2c3",
    "don't DON'T we'LL i'M you'Ve", "if (a&&b){\n\treturn x[0]; // ...\n}\n",
    "    indented\n        more\n\n\n\n\tand\ttabs ", "https://example.org/a?b=c#d", "<html>&amp;</html>", "a" * 300,
    "ab" * 200, " " * 130, "\n" * 70, "!" * 120, "\u65e5" * 150, "=-" * 90,
)  # fmt: skip
_CONTEXTS = (
    "{}",
    "a{}",
    "{}a",
    " {}",
    "{} ",
    "a{}b",
    "1{}2",
    "'{}",
    "{}'s",
    "A{}{}",
    ".{}\n",
    "\n{}\n",
    " {}{} x",
    "\u00e9{}\u0301",
)
"""What a character may stand in."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where two encoders first differ: the text (cut down about the place), the ids from there on, and what each gives
    the whole text: how many ids."""

    text: str
    ours: tuple[int, ...]
    library: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.text!r}: ours gives {list(self.ours)}, the library {list(self.library)}"


@dataclasses.dataclass(frozen=True)
class Compared:
    """What a comparison found: the first difference or None, bytes of text, and MB/s of each encoder on them."""

    difference: Difference | None
    texts: int
    bytes: int
    ours_mb_per_s: float
    library_mb_per_s: float


def compare(ours: Encode, library: Encode, texts: Iterable[str]) -> Compared:
    """Both encoders on texts, up to the first difference. Ours is run twice, for a cache may hide one and may make one;
    its speed is that of the second time. Raises ValueError for a text that the library cannot encode."""
    size = count = 0
    seconds = np.zeros(2)
    difference = None
    for batch in _batches(texts):
        array = pa.array(batch, pa.large_string())
        theirs, seconds[1] = _timed(_or_refused(library), array, seconds[1])
        cold = ours(array)
        warm, seconds[0] = _timed(ours, array, seconds[0])
        count += len(batch)
        size += sum(len(text.encode()) for text in batch)
        difference = _difference(batch, cold, theirs) or _difference(batch, warm, theirs)
        if difference:
            break
    speed = size / 1e6 / np.maximum(seconds, 1e-9)
    return Compared(difference, count, size, *(round(float(s), 1) for s in speed))


def measure(library: Encode, texts: Iterable[str]) -> Compared | None:
    """The speed of a library on texts, None where there are none. Raises ValueError for one that it cannot encode."""
    size = count = 0
    seconds = 0.0
    for batch in _batches(texts):
        _, seconds = _timed(_or_refused(library), pa.array(batch, pa.large_string()), seconds)
        count += len(batch)
        size += sum(len(text.encode()) for text in batch)
    return Compared(None, count, size, 0.0, round(size / 1e6 / max(seconds, 1e-9), 1)) if size else None


def _timed(encode: Encode, text: pa.Array, seconds: float) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    begin = time.perf_counter()
    return encode(text), seconds + time.perf_counter() - begin


def _or_refused(library: Encode) -> Encode:
    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        try:
            return library(text)
        except Exception as error:  # the libraries raise nothing more precise
            raise ValueError(f"the library cannot encode every text: {error}") from None

    return encode


def adversarial(special_tokens: Iterable[str] = (), every_code_point: bool = True) -> Iterator[str]:
    """Texts that encoders go wrong at: white space, digits, contractions, emoji, marks, scripts, special tokens' own
    texts; one character of every kind in every context; and every code point there is, in runs, where asked for."""
    yield from _HARD
    for token in special_tokens:
        yield from (
            token,
            f"a{token}b",
            f" {token} ",
            f"{token}{token}",
            token[:-1],
            f"\n{token.upper()}\n",
            token.lower(),
        )
    for contraction in _CONTRACTIONS:
        yield from (
            f"{before}{contraction}{after}" for before in ("", "a", " ", "\u65e5") for after in ("", "a", " x", "1")
        )
    kinds = _kinds()
    for character in kinds:
        yield "\u4e00".join(context.format(character, character) for context in _CONTEXTS)
    for first in kinds:  # every pair of kinds, and what comes between two such pairs
        yield "".join(first + second for second in kinds)
    if every_code_point:
        points = [c for c in SWEEP if not 0xD800 <= c < 0xE000]
        for i in range(0, len(points), _RUN):
            yield "".join(map(chr, points[i : i + _RUN]))


@functools.cache
def _kinds() -> tuple[str, ...]:
    """One character of every kind that our tables tell apart, of each length in UTF-8, and those with a meaning."""
    table = unicode.class_table().astype(np.int64) << 8 | unicode.category_table()
    points = np.arange(len(table))
    lengths = np.searchsorted([0x80, 0x800, 0x10000], points, side="right")
    valid = (points < 0xD800) | (points >= 0xE000)
    _, first = np.unique(table[valid] * 4 + lengths[valid], return_index=True)
    chosen = points[valid][first].tolist()
    return tuple(dict.fromkeys([*map(chr, chosen), *" \n\r\t'/.#_-\u2581\u00a0\u0301\u017f"]))


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _difference(
    texts: list[str], ours: tuple[np.ndarray, np.ndarray], library: tuple[np.ndarray, np.ndarray]
) -> Difference | None:
    if np.array_equal(ours[0], library[0]) and np.array_equal(ours[1], library[1]):
        return None
    for i, text in enumerate(texts):
        a, b = (ids[offsets[i] : offsets[i + 1]] for ids, offsets in (ours, library))
        if np.array_equal(a, b):
            continue
        n = min(len(a), len(b))
        same = int(np.argmin(np.append(a[:n] == b[:n], False)))
        at = max(0, len(text) * same // max(len(b), 1) - _SHOWN // 2)  # about: ids do not say where they stand
        return Difference(text[at : at + _SHOWN], *(tuple(ids[same : same + 4].tolist()) for ids in (a, b)))
    raise AssertionError("the ids of all texts are equal, and their offsets are not")
