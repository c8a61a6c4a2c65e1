"""The byte family: bytes are tokens (ByT5, Xue et al. 2022). There is nothing to count or to train; tokenizer.json is
for others to read.

Ids: padding 0, end 1, unknown 2, byte b is b + 3.
"""

from __future__ import annotations

import pathlib

import pyarrow as pa

from corpus.encoding import exports
from corpus.encoding.encoders import BYTE_OFFSET
from tokenizer_training.configuration import TrainTokenizer
from tokenizer_training.counts import SCHEMA
from tokenizer_training.export import sentinel_tokens, write_json
from tokenizer_training.families.family import Family, Trained


def count(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """No words."""
    return SCHEMA.empty_table()


def train(counts: pa.Table, config: TrainTokenizer, folder: pathlib.Path) -> Trained:
    """Raises ValueError for special tokens, whose ids would be those of bytes."""
    if config.special_tokens:
        raise ValueError("the byte family has no room for further special tokens; use sentinels")
    size = BYTE_OFFSET + 256
    special = {token: i for i, token in enumerate(config.all_special_tokens())}
    sentinels = sentinel_tokens(size, config.sentinels)
    write_json(folder / "tokenizer.json", exports.of_bytes(BYTE_OFFSET, special, sentinels, BYTE.end))
    return Trained(size, {})


BYTE = Family(
    name="byte",
    special_tokens=("<pad>", "</s>", "<unk>"),
    end="</s>",
    pad="<pad>",
    unknown="<unk>",
    count=count,
    train=train,
    files=("tokenizer.json",),
    encoder="byte",
    counted=False,
)
