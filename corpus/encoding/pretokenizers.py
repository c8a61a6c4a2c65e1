"""The pre-tokenizers of known tokenizers, by name, and those that a tokenizer.json describes.

A pre-tokenizer is a few patterns, each of which divides the pieces that the one before left, and keeps its matches,
what lies between them, or both. `pretokenize` follows them all. Boundaries are those of Hugging Face `tokenizers` 0.23
and tiktoken 0.14. Their regular expressions are of Unicode 16.0, as the tables here; the classes of other
pre-tokenizers are those of `corpus.encoding.huggingface`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from corpus.encoding import patterns, pretokenize
from corpus.encoding.patterns import GAPS, MATCHES, PatternError, Table

_BOTH = MATCHES | GAPS
_CASED_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
)
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""Radford et al. 2019, `src/encoder.py`."""
LLAMA3 = _WORDS + r"\p{N}{1,3}" + _REST
QWEN2 = _WORDS + r"\p{N}" + _REST
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s"
)
"""Not LLAMA3 where a text ends in white space: that is one piece here, line breaks and all."""
O200K = _CASED_WORDS + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK_CHINESE = "[一-龥\u3040-ゟ゠-ヿ]+"
DEEPSEEK_WORDS = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"""
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""Radford et al. 2021, openai/CLIP `simple_tokenizer.py`; white space is in no pre-token."""
EVERYTHING = r"[\s\S]+"

GOOGLE_PUNCTUATION = r"[!-/:-@\[-`{-~\p{P}]"
"""`_is_punctuation` of Devlin et al. 2019, `tokenization.py`."""

_OPENAI = {
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s": GPT2,
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
    r"\s+(?!\S)|\s": CL100K,
}
"""As tiktoken writes them, and without the possessive repetitions, which change nothing in these."""


@dataclasses.dataclass(frozen=True)
class PreTokenizer:
    """How texts are divided.

    name        in `PRETOKENIZERS`, or what it was made of
    patterns    (regular expression, what is kept: MATCHES, GAPS or both) of each pattern in order
    spellings   regular expressions by which a tokenizer.json (`Split`, of behaviour Isolated) or tiktoken (`pat_str`)
                writes it; none where it is not written as one
    """

    name: str
    patterns: tuple[tuple[str, int], ...]
    spellings: tuple[str, ...] = ()

    def table(self) -> Table:
        """What the kernels follow, made once a process."""
        return patterns.table(*self.patterns)

    @property
    def keeps_everything(self) -> bool:
        """Whether every byte of a text is in one of its pre-tokens."""
        return all(kept == _BOTH for _, kept in self.patterns)

    def spans(self, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pre-tokens of a string column, given as `corpus.text.arrow.buffers` gives it: data uint8 (UTF-8), offsets
        int64[texts + 1]. Returns (spans int64[n, 2], ends int64[texts + 1]): pre-token p is the bytes
        `data[spans[p, 0] : spans[p, 1]]`, one at least, and those of text t are p from ends[t] to ends[t + 1].
        Positions are in `data`, as offsets are. Pre-tokens of a text lie one after the other; what lies between them is
        dropped, which is nothing where `keeps_everything`.

        >>> import numpy as np
        >>> from corpus.encoding.pretokenizers import PRETOKENIZERS
        >>> data = np.frombuffer(b"to be, it's", np.uint8)
        >>> spans, _ = PRETOKENIZERS["gpt2"].spans(data, np.array([0, 11]))
        >>> [bytes(data[start:end]) for start, end in spans]
        [b'to', b' be', b',', b' it', b"'s"]
        """
        made = self.table()
        spans = np.empty((pretokenize.count_spans(data, offsets, made), 2), np.int64)
        ends = np.empty(len(offsets), np.int64)
        pretokenize.write_spans(data, offsets, made, spans, ends)
        return spans, ends


def _isolating(name: str, *regular_expressions: str, spellings: tuple[str, ...] = ()) -> PreTokenizer:
    kept = tuple((regular_expression, _BOTH) for regular_expression in regular_expressions)
    return PreTokenizer(name, kept, (spellings or regular_expressions) if len(kept) == 1 else ())


_ALL = (
    _isolating("gpt2", GPT2, spellings=(GPT2, *(written for written, meant in _OPENAI.items() if meant == GPT2))),
    _isolating("cl100k", CL100K, spellings=tuple(written for written, meant in _OPENAI.items() if meant == CL100K)),
    _isolating("o200k", O200K),
    _isolating("llama3", LLAMA3),
    _isolating("qwen2", QWEN2),
    _isolating("deepseek", r"\p{N}{1,3}", DEEPSEEK_CHINESE, DEEPSEEK_WORDS),
    PreTokenizer("clip", ((CLIP, MATCHES),)),
    PreTokenizer("metaspace", ((r"[ \u2581][^ \u2581]*|[^ \u2581]+", MATCHES),)),
    PreTokenizer("whitespace_split", ((r"\S+", MATCHES),)),
    PreTokenizer("bytes", ((EVERYTHING, MATCHES),)),
    PreTokenizer("whitespace", ((r"\p{hf_word}+|[^\s\p{hf_word}]+", MATCHES),)),
    PreTokenizer("bert", ((r"\p{hf_punctuation}|[^\s\p{hf_punctuation}]+", MATCHES),)),
    PreTokenizer("bert_google", ((rf"{GOOGLE_PUNCTUATION}|[^\s{GOOGLE_PUNCTUATION[1:]}+", MATCHES),)),
    PreTokenizer("punctuation", ((r"\p{hf_punctuation}", _BOTH),)),
    PreTokenizer("digits", ((r"\p{hf_number}+", _BOTH),)),
    PreTokenizer("individual_digits", ((r"\p{hf_number}", _BOTH),)),
)
PRETOKENIZERS: dict[str, PreTokenizer] = {each.name: each for each in _ALL}
"""By name. `metaspace` divides before every space and every U+2581; `bytes` divides nothing; `bert` and `bert_google`
are for texts that `normalizers.bert` has been at in the same mode."""


def by_pattern(regular_expression: str) -> PreTokenizer:
    """The pre-tokenizer whose pre-tokens are the matches of a regular expression, and what lies between them (`Split`
    of a tokenizer.json, behaviour Isolated; `pat_str` of tiktoken). Raises PatternError for one that is not
    understood."""
    for known in _ALL:
        if regular_expression in known.spellings:
            return known
    made = _isolating(regular_expression, regular_expression)
    made.table()
    return made


def in_sequence(*parts: PreTokenizer) -> PreTokenizer:
    """Each dividing what the one before it left. Raises PatternError for too many patterns."""
    if len(parts) == 1:
        return parts[0]
    made = PreTokenizer(" + ".join(part.name for part in parts), tuple(p for part in parts for p in part.patterns))
    made.table()
    return made


def from_component(component: dict[str, Any] | None) -> PreTokenizer:
    """The pre-tokenizer that `pre_tokenizer` of a tokenizer.json describes. `add_prefix_space` of ByteLevel, and what
    Metaspace puts in and before a text, are the business of the caller. Raises PatternError, with the component's name,
    for one that is not to be had."""
    if component is None:
        return PRETOKENIZERS["bytes"]
    kind = component.get("type")
    if kind == "Sequence":
        parts = component["pretokenizers"]
        for part in parts[:-1]:
            if part.get("type") in _REWRITING:
                raise PatternError(
                    f"the pre-tokenizer {part['type']} before another is not one of those that are understood"
                )
        return in_sequence(*map(from_component, parts))
    if kind == "ByteLevel":
        return PRETOKENIZERS["gpt2" if component.get("use_regex", True) else "bytes"]
    if kind == "Split":
        return _from_split(component)
    if kind == "Digits":
        return PRETOKENIZERS["individual_digits" if component.get("individual_digits") else "digits"]
    if kind in _PLAIN:
        return PRETOKENIZERS[_PLAIN[kind]]
    if kind == "Punctuation" and component.get("behavior", "Isolated") == "Isolated":
        return PRETOKENIZERS["punctuation"]
    if kind == "Metaspace" and component.get("split", True) and component.get("replacement") == "\u2581":
        return PRETOKENIZERS["metaspace"]
    raise PatternError(f"the pre-tokenizer {kind} is not one of those that are understood")


_REWRITING = ("ByteLevel", "Metaspace", "Sequence")
"""Components that give others different characters to look at, or may."""
_PLAIN = {"WhitespaceSplit": "whitespace_split", "Whitespace": "whitespace", "BertPreTokenizer": "bert"}
"""Components without options, and what they are here."""
_KEPT = {
    ("Isolated", False): _BOTH,
    ("Isolated", True): _BOTH,
    ("Removed", False): GAPS,
    ("Removed", True): MATCHES,
}
"""By behaviour and `invert` of a Split, which takes what lies between matches for the matches."""


def _from_split(component: dict[str, Any]) -> PreTokenizer:
    behaviour, inverted = str(component.get("behavior")), bool(component.get("invert", False))
    if (behaviour, inverted) not in _KEPT:
        raise PatternError(f"a pre-tokenizer Split of behavior {behaviour!r} is not one of those that are understood")
    pattern = component["pattern"]
    written = pattern["Regex"] if "Regex" in pattern else quoted(pattern["String"])
    found = by_pattern(written)
    kept = _KEPT[behaviour, inverted]
    if kept == _BOTH:
        return found
    ((regular_expression, _),) = found.patterns
    return PreTokenizer(f"{behaviour} {found.name}", ((regular_expression, kept),))


def quoted(text: str) -> str:
    """A regular expression that matches this text alone."""
    return "".join(c if c.isalnum() or not c.isascii() else f"\\u{ord(c):04x}" for c in text)
