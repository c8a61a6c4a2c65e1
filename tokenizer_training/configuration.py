"""What tokenizer to train, and on which documents."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa
import xxhash

from corpus import closure
from corpus.options import option
from corpus.step import Step
from tokenizer_training import families

if TYPE_CHECKING:
    FamilyName = str
else:  # the registry alone says which there are
    FamilyName = Literal[tuple(families.FAMILIES)]


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

    def all_special_tokens(self) -> tuple[str, ...]:
        """The family's special tokens and then the configured ones, in order of id."""
        own = families.named(self.family).special_tokens
        return own + tuple(token for token in self.special_tokens if token not in own)

    def check(self) -> None:
        """Raises ValueError where `vocab_size` cannot be, whatever the text."""
        special, least = len(self.all_special_tokens()), families.named(self.family).least
        if least and self.vocab_size < special + least:
            raise ValueError(
                f"vocab_size {self.vocab_size} is too small: {special} special tokens and {least} bytes come first"
            )

    def code(self) -> tuple[closure.Code, ...]:
        """The family's module, which is imported by name."""
        return (closure.Code(families.module_of(self.family)),)


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
