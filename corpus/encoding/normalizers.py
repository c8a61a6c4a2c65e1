"""What tokenizers do to a text before they divide it, by name, and as a tokenizer.json describes it.

A normalizer is a function over a string column, given as `corpus.text.arrow.buffers` gives it: (data uint8, offsets
int64[texts + 1]) to the same of the normalized texts. What it does to a character is what Hugging Face `tokenizers`
0.23.3 does (`corpus.encoding.huggingface` has its tables), but for BERT in the mode `google`, which is that of Google's
`tokenization.py` (Devlin et al. 2019) with Unicode 16.0.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pyarrow as pa

from corpus.encoding import character_maps, huggingface, patterns
from corpus.encoding.patterns import MATCHES, PatternError
from corpus.encoding.pretokenize import first_state, next_span
from corpus.encoding.pretokenizers import quoted
from corpus.text import lowering, normal_forms, unicode, utf8
from corpus.text.arrow import buffers, string_array

Columns = tuple[np.ndarray, np.ndarray]
Normalize = Callable[[np.ndarray, np.ndarray], Columns]


@dataclasses.dataclass(frozen=True)
class Normalizer:
    """`apply` (data, offsets) to (data, offsets). `by_word` says that the normal form of a text is made of those of its
    words, wherever it is cut at white space: blanks stay, or become others."""

    name: str
    apply: Normalize = dataclasses.field(repr=False)
    by_word: bool = True

    def texts(self, text: pa.Array) -> pa.Array:
        """A string column, normalized (large_string)."""
        return string_array(*self.apply(*buffers(text)), pa.large_string())


def form(name: str) -> Normalizer:
    """A normal form of Unicode: "nfc", "nfd", "nfkc" or "nfkd"."""
    compatible, compose = "k" in name, name.endswith("c")

    def apply(data: np.ndarray, offsets: np.ndarray) -> Columns:
        tables = huggingface.forms(compatible)
        return normal_forms.normalized(data, offsets, tables, _touched(compatible, compose), compose)

    return Normalizer(name, apply)


@functools.cache
def _touched(compatible: bool, compose: bool) -> np.ndarray:
    return normal_forms.touched(huggingface.forms(compatible), compose)


def lowercase() -> Normalizer:
    """Lower case, one character at a time: a final sigma is like any other."""
    return _mapping("lowercase", lambda: _lowered({}))


def strip_accents() -> Normalizer:
    """Without marks (M). Characters are not decomposed for that."""
    return _mapping("strip_accents", lambda: dict.fromkeys(_points(huggingface.members("mark")), ""))


def strip(left: bool = True, right: bool = True) -> Normalizer:
    """Without white space before and after."""
    spaces = (unicode.class_table() & unicode.WHITE_SPACE) != 0

    def apply(data: np.ndarray, offsets: np.ndarray) -> Columns:
        return _stripped(data, offsets, spaces, left, right)

    return Normalizer("strip", apply, by_word=False)


def prepend(text: str, unless: str = "") -> Normalizer:
    """`text` before every text that is not empty and does not begin with `unless` (which is nothing: before all)."""
    prefix, other = (np.frombuffer(each.encode(), np.uint8) for each in (text, unless))

    def apply(data: np.ndarray, offsets: np.ndarray) -> Columns:
        return _prefixed(data, offsets, prefix, other)

    return Normalizer("prepend", apply, by_word=False)


def replace(regular_expression: str, content: str) -> Normalizer:
    """`content` for every match. Raises PatternError for a pattern that is not understood."""
    table = patterns.table((regular_expression, MATCHES))
    replacement = np.frombuffer(content.encode(), np.uint8)

    def apply(data: np.ndarray, offsets: np.ndarray) -> Columns:
        return _replaced(data, offsets, table, replacement)

    return Normalizer("replace", apply, by_word=False)


def bert(
    clean_text: bool = True,
    handle_chinese_chars: bool = True,
    strip_accents: bool | None = None,
    lowercase: bool = True,
    mode: str = "hf",
) -> Normalizer:
    """BERT's: controls are dropped and white space becomes a space, Chinese characters stand apart, accents go (where
    `strip_accents` is None, if `lowercase`), and capitals. `mode` is "hf" (Hugging Face's BertNormalizer), or "google",
    whose classes of characters differ, and which lowers before it strips. What white space becomes is a space; words
    are never joined."""
    if mode not in ("hf", "google"):
        raise ValueError(f"BERT's normalization has the modes hf and google, not {mode!r}")
    accents = lowercase if strip_accents is None else strip_accents
    steps = (_bert_huggingface if mode == "hf" else _bert_google)(clean_text, handle_chinese_chars, accents, lowercase)
    return Normalizer("bert" if mode == "hf" else "bert_google", _one_after_the_other(steps))


def _bert_huggingface(clean_text: bool, chinese: bool, accents: bool, lower: bool) -> list[Normalize]:
    """The order of `BertNormalizer`: clean, Chinese, accents, lower case."""
    first: dict[int, str] = {}
    if chinese:
        first |= {c: f" {chr(c)} " for c in _points(huggingface.members("chinese"))}
    if clean_text:
        first |= dict.fromkeys(_points(huggingface.members("removed")), "")
        first |= dict.fromkeys(_points(huggingface.members("space")), " ")
    second = dict.fromkeys(_points(huggingface.members("accent")), "") if accents else {}
    steps = [_mapping("", lambda: first).apply] if first else []
    steps += [form("nfd").apply] if accents else []
    return steps + ([_mapping("", lambda: _lowered(second) if lower else second).apply] if second or lower else [])


def _bert_google(clean_text: bool, chinese: bool, accents: bool, lower: bool) -> list[Normalize]:
    """The order of `BasicTokenizer`: clean, Chinese, lower case, accents."""
    names, categories = np.array(unicode.CATEGORIES), unicode.category_table()
    first: dict[int, str] = {}
    if chinese:
        apart = huggingface.members("chinese")
        apart[0x2B820:0x2B920] = True  # Hugging Face's range begins at the latter
        first |= {c: f" {chr(c)} " for c in _points(apart)}
    if clean_text:
        first |= dict.fromkeys(_points(np.isin(names[categories], ("Cc", "Cf"))), "")
        first |= dict.fromkeys([0, 0xFFFD], "")
        first |= dict.fromkeys([*_points(names[categories] == "Zs"), *b"\t\n\r"], " ")
    steps = [_mapping("", lambda: first).apply] if first else []
    steps += [_lower_text] if lower else []
    if accents:
        marks = dict.fromkeys(_points(names[categories] == "Mn"), "")
        steps += [_canonical_decomposition, _mapping("", lambda: marks).apply]
    return steps


def _canonical_decomposition(data: np.ndarray, offsets: np.ndarray) -> Columns:
    """NFD of Unicode 16.0."""
    tables = normal_forms.tables()
    return normal_forms.normalized(data, offsets, tables, normal_forms.touched(tables, False), False)


def _lower_text(data: np.ndarray, offsets: np.ndarray) -> Columns:
    """`str.lower` of every text."""
    return _lowered_texts(data, offsets, unicode.lower_table(), unicode.case_table())


def _mapping(name: str, changes: Callable[[], dict[int, str]]) -> Normalizer:
    @functools.cache
    def characters() -> character_maps.CharacterMap:
        return character_maps.make_map(changes())

    return Normalizer(name, lambda data, offsets: character_maps.mapped(data, offsets, characters()))


def _lowered(others: dict[int, str]) -> dict[int, str]:
    """`others`, and the lower case of all that are not among them."""
    return {c: "".join(map(chr, lowered)) for c, lowered in huggingface.lower_case().items()} | others


def _points(members: np.ndarray) -> list[int]:
    return np.flatnonzero(members).tolist()


def in_sequence(*parts: Normalizer) -> Normalizer:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    name = " + ".join(part.name for part in parts)
    return Normalizer(name, _one_after_the_other([part.apply for part in parts]), all(part.by_word for part in parts))


def _one_after_the_other(steps: list[Normalize]) -> Normalize:
    def apply(data: np.ndarray, offsets: np.ndarray) -> Columns:
        for step in steps:
            data, offsets = step(data, offsets)
        return data, offsets

    return apply


NORMALIZERS: dict[str, Callable[..., Normalizer]] = {
    "nfc": lambda: form("nfc"),
    "nfd": lambda: form("nfd"),
    "nfkc": lambda: form("nfkc"),
    "nfkd": lambda: form("nfkd"),
    "lowercase": lowercase,
    "strip_accents": strip_accents,
    "strip": strip,
    "prepend": prepend,
    "replace": replace,
    "bert": bert,
}
"""What makes each, by name; options are those of the functions above."""


def from_component(component: dict[str, Any] | None) -> Normalizer:
    """The normalizer that `normalizer` of a tokenizer.json describes; that which changes nothing for None. Raises
    PatternError, with the component's name, for one that is not to be had."""
    if component is None:
        return Normalizer("none", lambda data, offsets: (data, offsets))
    kind = component.get("type")
    if kind == "Sequence":
        return in_sequence(from_component(None), *map(from_component, component["normalizers"]))
    if kind in _PLAIN:
        return NORMALIZERS[_PLAIN[kind]]()
    if kind == "Strip":
        return strip(component.get("strip_left", True), component.get("strip_right", True))
    if kind == "Prepend":
        return prepend(component["prepend"])
    if kind == "Replace":
        pattern = component["pattern"]
        written = pattern["Regex"] if "Regex" in pattern else quoted(pattern["String"])
        return replace(written, component["content"])
    if kind == "BertNormalizer":
        options = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
        return bert(**{name: component[name] for name in options if name in component})
    raise PatternError(f"the normalizer {kind} is not one of those that are understood")


_PLAIN = {
    "NFC": "nfc",
    "NFD": "nfd",
    "NFKC": "nfkc",
    "NFKD": "nfkd",
    "Lowercase": "lowercase",
    "StripAccents": "strip_accents",
}
"""Components without options, and what they are here."""


@numba.njit(cache=True, nogil=True)
def _lowered_texts(data, offsets, lower_table, case_table):
    out = np.empty(int(lowering.GREATEST_GROWTH * (offsets[-1] - offsets[0])) + 2, np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    for d in range(offsets.size - 1):
        at = ends[d]
        ends[d + 1] = at + lowering.lower(data, offsets[d], offsets[d + 1], lower_table, case_table, out[at:])
    return out[: ends[-1]], ends


@numba.njit(cache=True, nogil=True)
def _stripped(data, offsets, spaces, left, right):
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    for d in range(offsets.size - 1):
        start, end = offsets[d], offsets[d + 1]
        while left and start < end:
            code_point, width = utf8.decode(data, start)
            if not spaces[code_point]:
                break
            start += width
        while right and start < end:
            last = utf8.previous(data, end)
            code_point, _ = utf8.decode(data, last)
            if not spaces[code_point]:
                break
            end = last
        ends[d + 1] = utf8.copy(data, start, end, out, ends[d])
    return out[: ends[-1]], ends


@numba.njit(cache=True, nogil=True)
def _prefixed(data, offsets, prefix, unless):
    out = np.empty(offsets[-1] - offsets[0] + prefix.size * (offsets.size - 1), np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    for d in range(offsets.size - 1):
        start, at = offsets[d], ends[d]
        same = 0
        while same < unless.size and start + same < offsets[d + 1] and data[start + same] == unless[same]:
            same += 1
        if start < offsets[d + 1] and (unless.size == 0 or same < unless.size):
            at = utf8.copy(prefix, 0, prefix.size, out, at)
        ends[d + 1] = utf8.copy(data, start, offsets[d + 1], out, at)
    return out[: ends[-1]], ends


@numba.njit(cache=True, nogil=True)
def _replaced(data, offsets, table, content):
    """A match has one byte at least."""
    out = np.empty((offsets[-1] - offsets[0]) * max(1, content.size), np.uint8)
    ends = np.zeros(offsets.size, np.int64)
    limits = np.zeros(patterns.MOST_PATTERNS, np.int64)
    classes, transitions, first = table.classes, table.transitions, first_state(table)
    for d in range(offsets.size - 1):
        i, end, at = offsets[d], offsets[d + 1], ends[d]
        while i < end:
            start, stop = next_span(data, i, end, classes, transitions, first, table, limits)
            at = utf8.copy(data, i, start, out, at)
            if start < stop:
                at = utf8.copy(content, 0, content.size, out, at)
            i = stop
        ends[d + 1] = at
    return out[: ends[-1]], ends
