"""What tokenizer to train, and on which documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import xxhash

from corpus import closure
from corpus.options import option
from corpus.step import Step
from tokenizer_training import families
from tokenizer_training.presets import NAMES, PRESETS

_OF_BPE = ("nfc", "nfkc", "nfc_lowercase")
_OF_SENTENCEPIECE = ("nfkc", "identity", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")

if TYPE_CHECKING:
    from corpus.encoding.pretokenizers import PreTokenizer

    FamilyName = str
    PresetName = str
    Normalization = str
else:  # the registries alone say which there are
    Normalization = Literal[tuple(dict.fromkeys(("", *_OF_BPE, *_OF_SENTENCEPIECE)))]
    FamilyName = Literal[tuple(families.FAMILIES)]
    PresetName = Literal[NAMES]


@dataclasses.dataclass(frozen=True)
class TrainTokenizer(Step):
    """Train a tokenizer on a sample of the documents. `special_tokens` come after the family's own;
    `sentinels` is the number of ids for span corruption put on top of `vocab_size`;
    `vocab_size` says nothing to the byte family. `min_frequency` is the least count of a pair
    that may merge (bpe, wordpiece); `lowercase` (wordpiece) also strips accents, as BERT does;
    `character_coverage` and `byte_fallback` are those of sentencepiece. Raises OptionError for values that
    cannot be, with the nearest that can.

    >>> from tokenizer_training import TrainTokenizer
    >>> TrainTokenizer(family="bpe", special_tokens=("<|pad|>",)).all_special_tokens()
    ('<|endoftext|>', '<|pad|>')
    >>> TrainTokenizer(family="sentencepeice-bpe")
    Traceback (most recent call last):
    ...
    corpus.options.OptionError: unknown value 'sentencepeice-bpe' in option 'family' of step 'train_tokenizer'; \
did you mean 'sentencepiece-bpe'?
    """

    name: ClassVar[str] = "train_tokenizer"

    preset: PresetName = option("", "Options as a paper has them, where they are not given.")
    family: FamilyName = option("bpe", "Kind of tokenizer.")
    vocab_size: int = option(32000, "Ids, those of sentinels apart; the byte family has 259.", ge=0, le=1 << 24)
    special_tokens: tuple[str, ...] = option((), "Further special tokens, after the family's own.")
    sentinels: int = option(0, "Ids for span corruption, on top of vocab_size.", ge=0, le=1 << 20)
    sample_bytes: int = option(
        1 << 30, "Bytes of text to train on, about; documents are chosen by a hash of their ids."
    )
    min_frequency: int = option(2, "Least count of a pair that may merge (bpe, wordpiece).")
    lowercase: bool = option(True, "Lower-case and strip accents, as BERT does (wordpiece).")
    character_coverage: float = option(0.9995, "Share of the characters that become pieces (sentencepiece).")
    byte_fallback: bool = option(True, "Spell other characters in bytes (sentencepiece).")
    pattern: str = option("gpt2", "How text is divided: a name, or a regular expression (bpe).")
    normalization: Normalization = option(
        "", "What is done to text first; empty is nothing (bpe: nfc, nfkc, nfc_lowercase) or nmt_nfkc (sentencepiece)."
    )
    end_of_word: str = option("", "What tokens end in that end a word, as CLIP's </w> (bpe).")
    remove_extra_whitespaces: bool = option(True, "Make one space of several, none at the ends (sentencepiece).")
    split_digits: bool = option(False, "Let every digit be a token (sentencepiece).")
    user_symbols: tuple[str, ...] = option((), "Texts that are always one token, the last ids (bpe).")
    first_tokens: tuple[str, ...] | None = option(None, "Special tokens in place of the family's own.")
    last_tokens: tuple[str, ...] = option((), "Special tokens that come after the vocabulary (bpe).")
    end: str = option("", "The special token that ends a document; empty is the family's.")
    pad: str = option("", "The special token that is padding; empty is the family's.")
    before: str = option("", "Special token before each document.")
    after: str = option("", "Special token after each document; the end where that is another.")

    @classmethod
    def completed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Options with those of their preset."""
        preset = PRESETS.get(str(given.get("preset")))
        return {**(preset.options if preset else {}), **given}

    def record(self) -> families.Family:
        """The family, with the special tokens of the configuration."""
        family = families.named(self.family)
        own = family.special_tokens if self.first_tokens is None else self.first_tokens
        return dataclasses.replace(family, special_tokens=own, end=self.end or family.end, pad=self.pad or family.pad)

    def all_special_tokens(self) -> tuple[str, ...]:
        """The family's special tokens and then the configured ones, in order of id, without those that come last."""
        own = self.record().special_tokens
        return own + tuple(token for token in self.special_tokens if token not in own)

    def special_ids(self, size: int) -> dict[str, int]:
        """Ids of all special tokens in a vocabulary of `size`, without sentinels."""
        last = size - len(self.user_symbols) - len(self.last_tokens)
        first = {token: i for i, token in enumerate(self.all_special_tokens())}
        return first | {token: last + i for i, token in enumerate(self.last_tokens)}

    def refuse(self) -> None:
        """Raises ValueError for options that are of another family, or of special tokens that there are not."""
        if self.preset and PRESETS[self.preset].options["family"] != self.family:
            raise ValueError(
                f"preset {self.preset!r} is of the family {PRESETS[self.preset].options['family']!r}; where options "
                "are not given by name, as in a recipe, build them by `corpus.options.build`"
            )
        spm, bpe = self.family.startswith("sentencepiece"), self.family == "bpe"
        for names, right in (
            (("user_symbols", "last_tokens", "end_of_word"), bpe),
            (("split_digits",), spm),
            (("normalization",), self.normalization in (_OF_BPE if bpe else _OF_SENTENCEPIECE if spm else ())),
        ):
            for name in names:
                if getattr(self, name) and not right:
                    raise ValueError(f"{name} {getattr(self, name)!r} is not for the family {self.family!r}")
        if bpe:
            pretokenizer(self.pattern)
        special = {*self.all_special_tokens(), *self.last_tokens}
        for name in ("end", "pad", "before", "after"):
            if getattr(self, name) and getattr(self, name) not in special:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of the special tokens {', '.join(special)}")
        if self.record().end not in special:
            raise ValueError(f"which of the special tokens ends a document? give `end`, one of {', '.join(special)}")

    def check(self) -> None:
        """Raises ValueError where `vocab_size` cannot be, whatever the text."""
        special, least = len(self.all_special_tokens()) + len(self.last_tokens), families.named(self.family).least
        special += len(self.user_symbols)
        least *= 2 if self.end_of_word else 1
        if least and self.vocab_size < special + least:
            raise ValueError(
                f"vocab_size {self.vocab_size} is too small: {special} special tokens and {least} bytes come first"
            )

    def code(self) -> tuple[closure.Code, ...]:
        """The family's module, which is imported by name."""
        return (closure.Code(families.module_of(self.family)),)


def pretokenizer(pattern: str) -> PreTokenizer:
    """The pre-tokenizer of this name, or of this regular expression. Raises ValueError."""
    from corpus.encoding.pretokenizers import PRETOKENIZERS, by_pattern

    return PRETOKENIZERS.get(pattern) or by_pattern(pattern)


def sampled(ids: pa.Array, total_bytes: int, config: TrainTokenizer, seed: int = 0) -> np.ndarray:
    """Which documents to train on, bool[len(ids)]: each with probability
    min(1, sample_bytes / total_bytes), by a hash of (seed, step, id) alone, where `total_bytes`
    is the size of the text of the whole corpus."""
    if total_bytes <= config.sample_bytes:
        return np.ones(len(ids), np.bool_)
    limit = config.sample_bytes * (1 << 64) // total_bytes
    prefix = f"{seed}/{config.name}/"
    chosen = (xxhash.xxh3_64_intdigest((prefix + i.as_py()).encode()) < limit for i in ids)
    return np.fromiter(chosen, np.bool_, len(ids))
