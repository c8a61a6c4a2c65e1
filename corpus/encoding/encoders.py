"""The ways there are to encode, each read from the folder of a tokenizer: a pair (encode, decode).

`ENCODERS` is the registry. A family of tokenizers that `tokenizers` can read needs no way of its own. Text is text: no
way takes a special token that is spelled out in it for the token, unless it is asked to.
"""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from corpus.encoding import added_tokens, bpe, byte_level, components, normalizers
from corpus.encoding.added_tokens import Encode
from corpus.encoding.distinct_words import BLANK_FREE, distinct
from corpus.text.arrow import buffers

if TYPE_CHECKING:
    import tokenizers

PRETOKENS = "pretokens.arrow"
"""Frequent pre-tokens (`pretoken`: large_string) and their `ids` (large_list of int32), so that
the cache of the bpe encoder is warm from the first text on."""
BYTE_OFFSET = 3
"""Id of byte 0 where bytes are tokens: padding, end and unknown come first (ByT5)."""
TEXTS_AT_ONCE = 256
"""Texts for which `tokenizers` makes its encodings at once: they take some hundred bytes a token."""

Decode = Callable[[np.ndarray], str]
"""The text of ids (int64[]), none of them special tokens or sentinels."""


def load_bpe(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """A byte-level tokenizer.json, of which `components.kernel` says that it is one for us. Special tokens in text are
    text, or, where `special_too`, themselves."""
    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    added = stored.get("added_tokens") or []
    vocabulary, alphabet = stored["model"]["vocab"], set(byte_level.characters())
    token_bytes = {i: byte_level.to_bytes(t) for t, i in vocabulary.items() if alphabet >= set(t)}
    merges = [(vocabulary[a], vocabulary[b], vocabulary[a + b]) for a, b in map(_pair, stored["model"]["merges"])]
    byte_ids = [vocabulary[character] for character in byte_level.characters()]
    rules = bpe.make_rules(byte_ids, merges, token_bytes.values())
    normalize = components.normalizer(stored.get("normalizer"))
    divide, prefixed = components.divider(stored["pre_tokenizer"])
    table, space = divide.table(), normalizers.prepend(" ", unless=" ")
    cache = bpe.make_cache()
    if (folder / PRETOKENS).exists():
        with pa.ipc.open_file(folder / PRETOKENS) as reader:
            _warm(cache, reader.read_all().combine_chunks())
    lock = threading.Lock()  # the cache is written while encoding

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = normalize.apply(*buffers(text)) if normalize else buffers(text)
        if prefixed:
            data, offsets = space.apply(data, offsets)
        out = np.empty(offsets[-1] - offsets[0] + bpe.ENCODE_SLACK, np.int32)
        ends = np.empty(len(offsets), np.int64)
        with lock:
            n = bpe.encode(data, offsets, table, rules, cache, out, ends)
        return out[:n].copy(), ends

    spelled = {**token_bytes, **{token["id"]: token["content"].encode() for token in added}}

    def decode(tokens: np.ndarray) -> str:
        return b"".join(spelled[i] for i in tokens.tolist()).decode("utf-8", "replace")

    return added_tokens.around(encode, added, special_too), decode


def _pair(merge: list[str] | str) -> list[str]:
    return merge.split(" ") if isinstance(merge, str) else merge


def _warm(cache: bpe.Cache, known: pa.Table) -> None:
    if len(known):
        ids = known["ids"].chunk(0)
        bpe.warm(
            cache,
            *buffers(known["pretoken"].chunk(0)),
            ids.values.to_numpy(),
            ids.offsets.to_numpy(),
        )


def load_tokenizers(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """Any tokenizer.json, through the library `tokenizers`; what it puts about a text is left out."""
    tokenizer = _tokenizer(folder, special_too)

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        slices = (text.slice(i, TEXTS_AT_ONCE) for i in range(0, len(text), TEXTS_AT_ONCE))
        return _flat(ids for each in slices for ids in _encode_batch(tokenizer, each))

    return encode, _decoder(tokenizer)


def load_wordpiece(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """The same for one that divides text as BERT does: never looking across a blank, so that each distinct word is
    encoded once."""
    tokenizer = _tokenizer(folder, False)

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        words, _, occurrences, offsets = distinct(text, BLANK_FREE, locate=True)
        ids = pa.array(_encode_batch(tokenizer, words), pa.large_list(pa.int32()))
        taken = ids.take(pa.array(occurrences))
        ends = np.asarray(taken.offsets)
        return taken.flatten().to_numpy(), (ends - ends[0])[offsets]

    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return added_tokens.around(encode, stored.get("added_tokens") or [], special_too), _decoder(tokenizer)


def _tokenizer(folder: pathlib.Path, special_too: bool) -> tokenizers.Tokenizer:
    """The tokenizer of a tokenizer.json, which adds and cuts nothing, and takes special tokens in text for text."""
    path = folder / "tokenizer.json"
    tokenizer = components.load(json.loads(path.read_text(encoding="utf-8")), str(path))
    tokenizer.encode_special_tokens = not special_too
    return tokenizer


def _decoder(tokenizer: tokenizers.Tokenizer) -> Decode:
    return lambda tokens: tokenizer.decode(tokens.tolist(), skip_special_tokens=False)


def _encode_batch(tokenizer: tokenizers.Tokenizer, text: pa.Array) -> list[list[int]]:
    encodings = tokenizer.encode_batch_fast(_strings(text), add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def load_sentencepiece(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """A sentencepiece.model, through the library `sentencepiece`. Where `special_too`, a text is divided at the control
    symbols that it spells, and what stands between them is encoded as texts of its own."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.model"))

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        return _flat(model.encode(_strings(text), num_threads=1))

    control = [
        {"content": model.id_to_piece(i), "id": i, "special": True}
        for i in range(model.get_piece_size())
        if model.is_control(i)
    ]
    return added_tokens.around(encode, control, special_too), lambda tokens: model.decode(tokens.tolist())


def _strings(text: pa.Array) -> list[str]:
    return ["" if each is None else each for each in text.to_pylist()]


def _flat(lists: Iterable[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    arrays = [np.array(ids, np.int32) for ids in lists]
    offsets = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
    return np.concatenate([np.empty(0, np.int32), *arrays]), offsets


def load_byte(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """No file at all: byte b is b + BYTE_OFFSET."""

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(text)
        tokens = data[offsets[0] : offsets[-1]].astype(np.int32) + np.int32(BYTE_OFFSET)
        return tokens, offsets - offsets[0]

    def decode(tokens: np.ndarray) -> str:
        return (tokens - BYTE_OFFSET).astype(np.uint8).tobytes().decode("utf-8", "replace")

    return encode, decode


ENCODERS: dict[str, Callable[..., tuple[Encode, Decode]]] = {
    "bpe": load_bpe,
    "wordpiece": load_wordpiece,
    "sentencepiece": load_sentencepiece,
    "byte": load_byte,
    "tokenizers": load_tokenizers,
}
"""By the name that a tokenizer's description gives them. Each takes a folder, and `special_too`."""
LIBRARY = {"bpe": "tokenizers", "wordpiece": "tokenizers"}
"""Of encoders that are ours the one whose ids they equal, by calling the library."""
CALLS = {"tokenizers": "tokenizers", "sentencepiece": "sentencepiece"}
"""Of encoders that are not ours the library that they call."""
