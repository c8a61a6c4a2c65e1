"""What tokenizer to train, and on which documents."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import xxhash

from corpus.options import option
from corpus.step import Step

Family = Literal["bpe", "wordpiece", "sentencepiece-unigram", "sentencepiece-bpe", "byte"]

_SENTENCEPIECE_TOKENS = ("<pad>", "</s>", "<unk>")  # ids 0, 1, 2: T5 (Raffel et al. 2020), ByT5
SPECIAL_TOKENS = {
    "bpe": ("<|endoftext|>",),  # GPT-2
    "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),  # BERT
    "sentencepiece-unigram": _SENTENCEPIECE_TOKENS,
    "sentencepiece-bpe": _SENTENCEPIECE_TOKENS,
    "byte": _SENTENCEPIECE_TOKENS,
}
"""Special tokens of each family, with the ids 0, 1, 2 ... in this order."""

END_OF_DOCUMENT = {
    "bpe": "<|endoftext|>",
    "wordpiece": "[SEP]",
    "sentencepiece-unigram": "</s>",
    "sentencepiece-bpe": "</s>",
    "byte": "</s>",
}
"""The token that ends a document, one of the family's special tokens."""

BYTE_VOCABULARY = 259
"""ByT5 (Xue et al. 2022): three special tokens and 256 bytes."""


@dataclasses.dataclass(frozen=True)
class TrainTokenizer(Step):
    """Configuration of the step. `special_tokens` come after the family's own;
    `sentinels` is the number of ids for span corruption put on top of `vocab_size`;
    `vocab_size` says nothing to the byte family. `min_frequency` is the least count of a pair
    that may merge (bpe, wordpiece); `lowercase` (wordpiece) also strips accents, as BERT does;
    `character_coverage` and `byte_fallback` are those of sentencepiece."""

    name: ClassVar[str] = "train_tokenizer"

    family: Family = option("bpe", "Kind of tokenizer.")
    vocab_size: int = option(32000, "Ids, those of sentinels apart; the byte family has 259.", ge=0)
    special_tokens: tuple[str, ...] = option((), "Further special tokens, after the family's own.")
    sentinels: int = option(0, "Ids for span corruption, on top of vocab_size.", ge=0)
    sample_bytes: int = option(
        1 << 30, "Bytes of text to train on, about; documents are chosen by a hash of their ids."
    )
    min_frequency: int = option(2, "Least count of a pair that may merge (bpe, wordpiece).")
    lowercase: bool = option(True, "Lower-case and strip accents, as BERT does (wordpiece).")
    character_coverage: float = option(0.9995, "Share of the characters that become pieces (sentencepiece).")
    byte_fallback: bool = option(True, "Spell other characters in bytes (sentencepiece).")

    def all_special_tokens(self) -> tuple[str, ...]:
        """The family's special tokens and then the configured ones, in order of id."""
        own = SPECIAL_TOKENS[self.family]
        return own + tuple(token for token in self.special_tokens if token not in own)


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
