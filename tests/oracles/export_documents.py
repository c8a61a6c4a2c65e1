"""Documents whose exports are known: what the golden bytes are of, and what the others' readers must give back."""

import hashlib
import sys
import types
from importlib.machinery import ModuleSpec

SHARDS = [[[5, 300, 0], [], [7, 0], [1] * 299 + [0]], [[9, 8, 7, 6, 0], [2, 0]]]
"""Two shards of lists of tokens, with an empty document and one of more than 255 tokens."""
TOKENIZER = "tokens/../tokenizer"
VOCABULARIES = {2: 1000, 4: 100_000}
"""By the bytes of a token."""
SMALL = 700
"""Bytes of a small MDS shard: more than its configuration, less than the long document."""


def many(count: int, vocab_size: int) -> list[list[int]]:
    """Documents of up to 400 tokens, each ended by a 0; some are empty."""
    found = []
    for number in range(count):
        digest = hashlib.sha256(str(number).encode()).digest() * 40
        length = int.from_bytes(digest[:2], "big") % 400
        body = [1 + int.from_bytes(digest[i : i + 3], "big") % (vocab_size - 1) for i in range(length)]
        found.append([*body, 0] if length else [])
    return found


def write(folder: str, shards: list[list[list[int]]], vocab_size: int) -> str:
    """A folder of token shards."""
    import numpy as np

    from corpus.tokens import manifest
    from corpus.tokens.megatron import ShardWriter

    entries = []
    for number, documents in enumerate(shards):
        prefix = manifest.shard_prefix(folder, f"{number:05d}")
        with ShardWriter(prefix, vocab_size) as writer:
            tokens = np.array([token for document in documents for token in document], np.int64)
            writer.add(tokens, np.cumsum([0, *map(len, documents)]))
        entries.append(manifest.describe_shard(prefix, block_bytes=64))
    tokenizer = {"fingerprint": "abc", "family": "bpe", "path": "../tokenizer"}
    manifest.write(folder, entries, vocab_size=vocab_size, tokenizer=tokenizer, end_id=0)
    return folder


def without_torchvision() -> None:
    """mosaicml-streaming imports torchvision for its image sets, which do not concern us."""
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.datasets"):
        sys.modules.setdefault(name, types.ModuleType(name)).__spec__ = ModuleSpec(name, None)
    sys.modules["torchvision.transforms.functional"].to_tensor = None
    sys.modules["torchvision.datasets"].VisionDataset = object
