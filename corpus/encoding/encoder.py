"""Texts to token ids and back, with a tokenizer that `tokenizer_training` wrote.

    encoder = load_encoder(folder)
    tokens, offsets = encoder.encode(batch["text"], append_end=True)

Ids of text `i` are `tokens[offsets[i] : offsets[i + 1]]`. Text is text: a special token that
is spelled out in it ("<|endoftext|>") is encoded like any other characters, so that a document
cannot end itself. What each family's ids equal:

    bpe            Hugging Face `tokenizers` 0.23 on the same tokenizer.json without its
                   `added_tokens`; decode(encode(x)) == x for every x.
    wordpiece      the same. Case, accents and white space are lost as BERT loses them.
    sentencepiece  `sentencepiece` on the same model. Its normalizer (nmt_nfkc) collapses white
                   space, so line breaks and indentation are lost, and so is what NFKC unifies.
    byte           ByT5 (Xue et al. 2022): padding 0, end 1, unknown 2, byte b is b + 3;
                   decode(encode(x)) == x for every x.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from corpus.encoding import bpe, byte_level
from corpus.encoding.distinct_words import BLANK_FREE, distinct
from corpus.encoding.pretokenize import gpt2_classes
from corpus.text.arrow import buffers

DESCRIPTION = "winnow_tokenizer.json"
PRETOKENS = "pretokens.arrow"
"""Frequent pre-tokens (`pretoken`: large_string) and their `ids` (large_list of int32), so that
the cache of the bpe family is warm from the first text on."""
BYTE_OFFSET = 3
"""Id of byte 0 in the byte family: padding, end and unknown come first (ByT5)."""

Encode = Callable[[pa.Array], tuple[np.ndarray, np.ndarray]]
Decode = Callable[[np.ndarray], str]


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A loaded tokenizer. `end_id` ends a document; `pad_id` and `unknown_id` are None where
    the family has none; `special_tokens` maps their text to their ids; `sentinels` are the ids
    set aside for span corruption, first to last; `fingerprint` names the tokenizer's content."""

    family: str
    vocab_size: int
    end_id: int
    pad_id: int | None
    unknown_id: int | None
    special_tokens: dict[str, int]
    sentinels: tuple[int, ...]
    fingerprint: str
    _encode: Encode = dataclasses.field(repr=False)
    _decode: Decode = dataclasses.field(repr=False)

    def encode(self, text: pa.Array, append_end: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(tokens int32[], offsets int64[len(text) + 1]) of a string column, null as empty.
        No special token is added but `end_id` after each text where `append_end`."""
        tokens, offsets = self._encode(text)
        if append_end:
            tokens = np.insert(tokens, offsets[1:], np.int32(self.end_id))
            offsets = offsets + np.arange(len(offsets))
        return tokens, offsets

    def decode(self, tokens) -> str:
        """The text of a sequence of ids; special tokens and sentinels are left out, bytes that
        are not UTF-8 become U+FFFD."""
        tokens = np.asarray(tokens, np.int64)
        silent = [*self.special_tokens.values(), *self.sentinels]
        return self._decode(tokens[~np.isin(tokens, silent)])


def load_encoder(folder) -> Encoder:
    """The encoder of a local folder written by `tokenizer_training.train`. Raises
    FileNotFoundError where it has no winnow_tokenizer.json, ValueError where a file is not the
    one that this describes."""
    folder = pathlib.Path(folder)
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    for name, digest in description["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{folder / name} has been changed since {DESCRIPTION} was written")
    family = description["family"]
    encode, decode = _LOADERS[family](folder)
    return Encoder(
        family=family,
        vocab_size=description["vocab_size"],
        end_id=description["end_of_document"]["id"],
        pad_id=description["pad_id"],
        unknown_id=description["unknown_id"],
        special_tokens=description["special_tokens"],
        sentinels=tuple(description["sentinels"]),
        fingerprint=description["fingerprint"],
        _encode=encode,
        _decode=decode,
    )


def load_bpe(folder: pathlib.Path) -> tuple[Encode, Decode]:
    """(encode, decode) of a folder with a byte-level tokenizer.json."""
    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    special = {token["content"] for token in stored["added_tokens"]}
    vocabulary = stored["model"]["vocab"]
    token_bytes = {i: byte_level.to_bytes(t) for t, i in vocabulary.items() if t not in special}
    merges = [(vocabulary[a], vocabulary[b], vocabulary[a + b]) for a, b in stored["model"]["merges"]]
    byte_ids = [vocabulary[character] for character in byte_level.characters()]
    rules = bpe.make_rules(byte_ids, merges, token_bytes.values())
    cache = bpe.make_cache()
    if (folder / PRETOKENS).exists():
        with pa.ipc.open_file(folder / PRETOKENS) as reader:
            _warm(cache, reader.read_all().combine_chunks())
    lock = threading.Lock()  # the cache is written while encoding

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(text)
        out = np.empty(offsets[-1] - offsets[0] + bpe.ENCODE_SLACK, np.int32)
        ends = np.empty(len(offsets), np.int64)
        with lock:
            n = bpe.encode(data, offsets, gpt2_classes(), rules, cache, out, ends)
        return out[:n].copy(), ends

    def decode(tokens: np.ndarray) -> str:
        return b"".join(token_bytes[i] for i in tokens.tolist()).decode("utf-8", "replace")

    return encode, decode


def _warm(cache: bpe.Cache, known: pa.Table) -> None:
    if len(known):
        ids = known["ids"].chunk(0)
        bpe.warm(
            cache,
            *buffers(known["pretoken"].chunk(0)),
            ids.values.to_numpy(),
            ids.offsets.to_numpy(),
        )


def _load_wordpiece(folder: pathlib.Path) -> tuple[Encode, Decode]:
    import tokenizers

    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    stored["added_tokens"] = []
    stored["post_processor"] = None
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(stored))

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        # BERT's rules never look across a blank, so each distinct word is encoded once.
        words, _, occurrences, offsets = distinct(text, BLANK_FREE, locate=True)
        encodings = tokenizer.encode_batch_fast(words.to_pylist(), add_special_tokens=False)
        ids = pa.array([encoding.ids for encoding in encodings], pa.large_list(pa.int32()))
        taken = ids.take(pa.array(occurrences))
        ends = np.asarray(taken.offsets)
        return taken.flatten().to_numpy(), (ends - ends[0])[offsets]

    return encode, lambda tokens: tokenizer.decode(tokens.tolist())


def _load_sentencepiece(folder: pathlib.Path) -> tuple[Encode, Decode]:
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.model"))

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        ids = model.encode(["" if t is None else t for t in text.to_pylist()], num_threads=1)
        offsets = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(i) for i in ids], out=offsets[1:])
        tokens = np.empty(offsets[-1], np.int32)
        for i, start, end in zip(ids, offsets[:-1], offsets[1:]):
            tokens[start:end] = i
        return tokens, offsets

    return encode, lambda tokens: model.decode(tokens.tolist())


def _load_byte(folder: pathlib.Path) -> tuple[Encode, Decode]:
    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(text)
        tokens = data[offsets[0] : offsets[-1]].astype(np.int32) + np.int32(BYTE_OFFSET)
        return tokens, offsets - offsets[0]

    def decode(tokens: np.ndarray) -> str:
        return (tokens - BYTE_OFFSET).astype(np.uint8).tobytes().decode("utf-8", "replace")

    return encode, decode


_LOADERS = {
    "bpe": load_bpe,
    "wordpiece": _load_wordpiece,
    "sentencepiece-unigram": _load_sentencepiece,
    "sentencepiece-bpe": _load_sentencepiece,
    "byte": _load_byte,
}
