"""One entry point for every family.

    tables = [count(batch["text"], config) for batch in batches]     # anywhere, in any order
    figures = train(merge_counts(tables), config, folder)            # on one machine

The files depend on the counts and the configuration alone.
"""

from __future__ import annotations

import hashlib
import json
import pathlib

import pyarrow as pa
import pyarrow.compute as pc

from corpus.encoding.encoder import DESCRIPTION, PRETOKENS, load_encoder
from corpus.text.unicode import UNICODE_VERSION
from tokenizer_training import byte_pairs, sentence_pieces, word_pieces
from tokenizer_training.configuration import (
    BYTE_VOCABULARY,
    END_OF_DOCUMENT,
    TrainTokenizer,
    sampled,
)
from tokenizer_training.counts import count, merge_counts
from tokenizer_training.export import sentinel_tokens, write_json

__all__ = ["TrainTokenizer", "count", "load_encoder", "merge_counts", "sampled", "train"]

FORMAT = "winnow-tokenizer/1"
_PADDING = {"wordpiece": "[PAD]"}
_UNKNOWN = {"wordpiece": "[UNK]"}


def train(counts: pa.Table, config: TrainTokenizer, folder: str) -> dict:
    """Trains on a table of counts and writes the tokenizer into a local folder, made where it
    is missing. Returns figures for the report: `vocab_size`, `distinct_words`, `words`,
    `fingerprint`, and the family's own. Raises ValueError where the configuration does not fit
    the counts, TypeError where `counts` has other columns."""
    if config.family == "byte" and config.special_tokens:
        raise ValueError("the byte family has no room for further special tokens; use sentinels")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    counts = merge_counts([counts])
    own = _train_family(counts, config, folder)
    description = _describe(config, folder)
    write_json(folder / DESCRIPTION, description)
    return {
        "family": config.family,
        "vocab_size": description["vocab_size"],
        "fingerprint": description["fingerprint"],
        "distinct_words": len(counts),
        "words": pc.sum(counts["count"]).as_py() or 0,
        **own,
    }


def _train_family(counts: pa.Table, config: TrainTokenizer, folder: pathlib.Path) -> dict:
    if config.family == "bpe":
        return byte_pairs.train(counts, config, folder)
    if config.family == "wordpiece":
        return word_pieces.train(counts, config, folder)
    if config.family == "byte":
        return {}
    return sentence_pieces.train(counts, config, folder)


def _vocabulary_size(config: TrainTokenizer, folder: pathlib.Path) -> int:
    """Ids without the sentinels: fewer than asked for where the text had no more pairs."""
    if config.family == "byte":
        return BYTE_VOCABULARY
    if config.family in ("bpe", "wordpiece"):
        stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        return len(stored["model"]["vocab"])
    return (folder / "sentencepiece.vocab").read_bytes().count(b"\n")


_FILES = {
    "bpe": ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer.tiktoken", PRETOKENS),
    "wordpiece": ("tokenizer.json", "vocab.txt"),
    "sentencepiece-unigram": ("sentencepiece.model", "sentencepiece.vocab"),
    "sentencepiece-bpe": ("sentencepiece.model", "sentencepiece.vocab"),
    "byte": (),
}


def _describe(config: TrainTokenizer, folder: pathlib.Path) -> dict:
    size = _vocabulary_size(config, folder)
    special = {token: i for i, token in enumerate(config.all_special_tokens())}
    end = END_OF_DOCUMENT[config.family]
    description = {
        "format": FORMAT,
        "family": config.family,
        "vocab_size": size + config.sentinels,
        "end_of_document": {"token": end, "id": special[end]},
        "pad_id": special.get(_PADDING.get(config.family, "<pad>")),
        "unknown_id": special.get(_UNKNOWN.get(config.family, "<unk>")),
        "special_tokens": special,
        "sentinels": list(sentinel_tokens(size, config.sentinels).values()),
        "unicode_version": UNICODE_VERSION,
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _FILES[config.family]},
    }
    text = json.dumps(description, sort_keys=True)
    return {**description, "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:32]}
