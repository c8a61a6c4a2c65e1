"""What a family of tokenizers is: a record, and what its training gives."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

if TYPE_CHECKING:
    from tokenizer_training.configuration import TrainTokenizer


class Trained(NamedTuple):
    """What a training gives: `vocab_size`, the ids without those of sentinels, fewer than asked for where the text had
    no more; `figures` of the family's own for the report."""

    vocab_size: int
    figures: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of tokenizers.

    name                as recipes name it
    special_tokens      the family's own, with the ids 0, 1, 2 ... in this order; those of the configuration follow
    end                 the token that ends a document, one of `special_tokens`
    pad, unknown        tokens that are padding and unknown, where they are among the special tokens
    count               counts of the words of a string column, words in byte order (`counts.SCHEMA`)
    train               trains on the sum of such counts and writes `files` into a local folder; raises ValueError where
                        the configuration does not fit the counts
    files               what it writes
    encoder             which of `corpus.encoding.encoders.ENCODERS` reads them; "tokenizers" reads any tokenizer.json
    space_before_word   whether tokens contain the space before a word
    least               ids that any vocabulary has beside its special tokens
    counted             whether the size of its vocabulary follows from the text, and not from the family alone
    """

    name: str
    special_tokens: tuple[str, ...]
    end: str
    pad: str
    unknown: str
    count: Callable[[pa.Array, TrainTokenizer], pa.Table]
    train: Callable[[pa.Table, TrainTokenizer, pathlib.Path], Trained]
    files: tuple[str, ...]
    encoder: str
    space_before_word: bool = False
    least: int = 0
    counted: bool = True
