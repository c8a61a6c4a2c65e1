"""The bpe family: byte-level tokens (GPT-2, Radford et al. 2019) and its files.

Ids: special tokens, the 256 bytes in order of the characters that stand for them, merges. That
is the order of Hugging Face's trainer, whose merges these equal. `tokenizer.json` loads in
`tokenizers` and `transformers`; `vocab.json` with `merges.txt` is GPT-2's form;
`tokenizer.tiktoken` has `base64(bytes) id` lines. `pretokens.arrow` is for the encoder's cache.
"""

from __future__ import annotations

import base64
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa

from corpus.encoding import byte_level, conversions, normalizers
from corpus.encoding.encoders import PRETOKENS, load_bpe
from corpus.text.arrow import buffers, string_array
from tokenizer_training.configuration import TrainTokenizer, pretokenizer
from tokenizer_training.counts import count_words
from tokenizer_training.export import added_tokens, compression_curve, vocabulary, write_json
from tokenizer_training.families.family import Family, Trained
from tokenizer_training.merges import learn_merges

MAX_PRETOKENS = 1 << 17
"""Pre-tokens written for the encoder's cache: about 5 MB, more than 95% of the pre-tokens of a
text (a gigabyte of English has some 1.3 million different ones)."""
_NORMALIZERS = {"nfc": ("NFC",), "nfkc": ("NFKC",), "nfc_lowercase": ("NFC", "Lowercase")}
"""Components, in order, by what the configuration calls them."""


def count(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """Pre-tokens of the configuration's pattern, after its normalization."""
    if config.normalization:
        data, offsets = normalizers.from_component(_normalizer(config)).apply(*buffers(text))
        text = string_array(data, offsets, pa.large_string())
    return count_words(text, pretokenizer(config.pattern))


def train(counts: pa.Table, config: TrainTokenizer, folder: pathlib.Path) -> Trained:
    """Trains and writes the files. With `end_of_word` the last byte of a word is a symbol of its own, after all
    bytes, as in Sennrich et al. 2016."""
    special = config.all_special_tokens()
    alphabet = byte_level.alphabet()
    ids = np.empty(256, np.int32)
    for i, character in enumerate(alphabet):
        ids[byte_level.to_bytes(character)[0]] = len(special) + i
    data, offsets = buffers(counts["word"].combine_chunks())
    weights = counts["count"].to_numpy()
    symbols = ids[data[offsets[0] : offsets[-1]]]
    if config.end_of_word:
        symbols[offsets[1:] - offsets[0] - 1] += len(alphabet)
        alphabet = [*alphabet, *(character + config.end_of_word for character in alphabet)]
    learned = learn_merges(
        symbols,
        offsets - offsets[0],
        weights,
        [(byte_level.to_bytes(token), False) for token in alphabet],
        len(special),
        config.vocab_size - len(config.last_tokens) - len(config.user_symbols),
        config.min_frequency,
    )
    tokens = [*special, *alphabet]
    merges = []
    for left, right, merged in learned.rows.tolist():
        if merged == len(tokens):
            tokens.append(tokens[left] + tokens[right])
        merges.append((tokens[left], tokens[right]))
    first = len(special) + len(alphabet)
    spelled = {token: len(special) + i for i, token in enumerate(tokens[len(special) :])}
    tokens += [*config.last_tokens, *config.user_symbols]
    _write_files(tokens, spelled, merges, config, folder)
    _write_pretokens(counts, folder)
    curve = compression_curve(learned, int(np.dot(np.diff(offsets), weights)), first)
    return Trained(len(tokens), {"merges": len(merges), **curve})


def _write_files(
    tokens: list[str],
    spelled: dict[str, int],
    merges: list[tuple[str, str]],
    config: TrainTokenizer,
    folder: pathlib.Path,
) -> None:
    ids = vocabulary(tokens)
    special = config.special_ids(len(tokens))
    symbols = {token: ids[token] for token in config.user_symbols}
    about = ((token, special[token]) if token else None for token in (config.before, config.after))
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(special, len(tokens), config.sentinels, symbols),
        "normalizer": _normalizer(config),
        "pre_tokenizer": conversions.divided_by(pretokenizer(config.pattern)),
        "post_processor": conversions.template(*about) if config.before or config.after else None,
        "decoder": conversions.byte_level_decoder(config.end_of_word),
        "model": conversions.byte_level_model(ids, merges, config.end_of_word),
    }
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "vocab.json", ids)
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_bytes(("\n".join(lines) + "\n").encode())
    ranks = (base64.b64encode(byte_level.to_bytes(token)) + f" {i}\n".encode() for token, i in spelled.items())
    (folder / "tokenizer.tiktoken").write_bytes(b"".join(ranks))


def _normalizer(config: TrainTokenizer) -> dict[str, Any] | None:
    """The component of tokenizer.json."""
    parts = [{"type": part} for part in _NORMALIZERS.get(config.normalization, ())]
    return {"type": "Sequence", "normalizers": parts} if len(parts) > 1 else parts[0] if parts else None


def _write_pretokens(counts: pa.Table, folder: pathlib.Path) -> None:
    """The most frequent pre-tokens with their ids; in byte order where counts are equal."""
    path = folder / PRETOKENS
    path.unlink(missing_ok=True)
    order = np.argsort(-counts["count"].to_numpy(), kind="stable")[:MAX_PRETOKENS]
    words = counts["word"].combine_chunks().take(pa.array(order))
    ids, offsets = load_bpe(folder)[0](words)
    ids = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids))
    table = pa.table({"pretoken": words, "ids": ids})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


BPE = Family(
    name="bpe",
    special_tokens=("<|endoftext|>",),  # GPT-2
    end="<|endoftext|>",
    pad="<pad>",
    unknown="<unk>",
    count=count,
    train=train,
    files=("tokenizer.json", "vocab.json", "merges.txt", "tokenizer.tiktoken", PRETOKENS),
    encoder="bpe",
    space_before_word=True,
    least=256,
)
