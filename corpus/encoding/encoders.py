"""The ways there are to encode, each read from the folder of a tokenizer: a pair (encode, decode).

`ENCODERS` is the registry. A family of tokenizers that `tokenizers` can read needs no way of its own. Text is text: no
way takes a special token that is spelled out in it for the token, unless it is asked to.
"""

from __future__ import annotations

import functools
import json
import pathlib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from corpus.encoding import (
    added_tokens,
    bpe,
    byte_level,
    components,
    metaspace,
    normalizers,
    sentencepiece_model,
    wordpiece,
)
from corpus.encoding.added_tokens import Encode
from corpus.encoding.distinct_words import BLANK_FREE, repeated
from corpus.encoding.known_words import Column, KnownWords
from corpus.encoding.sentencepiece_model import ModelError
from corpus.text.arrow import buffers

if TYPE_CHECKING:
    import sentencepiece
    import tokenizers

PRETOKENS = "pretokens.arrow"
"""Frequent pre-tokens (`pretoken`: large_string) and their `ids` (large_list of int32), so that
the cache of the bpe encoder is warm from the first text on."""
MODEL = "sentencepiece.model"
"""What a model of sentencepiece is called in the folder of a tokenizer."""
BYTE_OFFSET = 3
"""Id of byte 0 where bytes are tokens: padding, end and unknown come first (ByT5)."""
TEXTS_AT_ONCE = 256
"""Texts for which `tokenizers` makes its encodings at once: they take some hundred bytes a token."""

Decode = Callable[[np.ndarray], str]
"""The text of ids (int64[]), none of them special tokens or sentinels."""


def load_bpe(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """A byte-level tokenizer.json, of which `components.kernel` says that it is one for us. Special tokens in text are
    text, or, where `special_too`, themselves."""
    stored = _stored(folder)
    added = stored.get("added_tokens") or []
    vocabulary, alphabet = stored["model"]["vocab"], set(byte_level.characters())
    suffix, space = stored["model"].get("end_of_word_suffix") or "", byte_level.from_bytes(b" ")
    token_bytes = {i: byte_level.to_bytes(t) for t, i in vocabulary.items() if alphabet >= set(t)}
    words = {i: byte_level.to_bytes(t.removesuffix(suffix)) for t, i in vocabulary.items() if i in token_bytes}
    merges = [(vocabulary[a], vocabulary[b], vocabulary[a + b]) for a, b in map(_pair, stored["model"]["merges"])]
    byte_ids, last_ids = ([vocabulary[c + end] for c in byte_level.characters()] for end in ("", suffix))
    whole = {token: i for i, token in token_bytes.items()} if stored["model"].get("ignore_merges") else None
    rules = bpe.make_rules(byte_ids, merges, {*token_bytes.values(), *words.values()}, whole, last_ids)
    normalize = components.normalizer(stored.get("normalizer"))
    divide, prefixed = components.divider(stored["pre_tokenizer"])
    table, prepend = divide.table(), normalizers.prepend(" ", unless=" ")
    cache = bpe.make_cache()
    if (folder / PRETOKENS).exists():
        with pa.ipc.open_file(folder / PRETOKENS) as reader:
            _warm(cache, reader.read_all().combine_chunks())
    lock = threading.Lock()  # the cache is written while encoding

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        data, offsets = buffers(text)
        if prefixed:
            data, offsets = prepend.apply(data, offsets)
        out = np.empty(offsets[-1] - offsets[0] + bpe.ENCODE_SLACK, np.int32)
        ends = np.empty(len(offsets), np.int64)
        with lock:
            n = bpe.encode(data, offsets, table, rules, cache, out, ends)
        return out[:n].copy(), ends

    spelled = {**token_bytes, **{token["id"]: token["content"].encode() for token in added}}
    if suffix:
        spelled |= {i: byte_level.to_bytes(t.replace(suffix, space)) for t, i in vocabulary.items() if i in words}

    def decode(tokens: np.ndarray) -> str:
        return b"".join(spelled[i] for i in tokens.tolist()).decode("utf-8", "replace")

    return added_tokens.around(encode, added, special_too, normalize.texts if normalize else None), decode


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
    """Any tokenizer.json, through the library `tokenizers`, which adds and cuts nothing."""
    tokenizer = components.load(_stored(folder), str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = not special_too

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        slices = (text.slice(i, TEXTS_AT_ONCE) for i in range(0, len(text), TEXTS_AT_ONCE))
        return _flat(ids for each in slices for ids in _encode_batch(tokenizer, each))

    return encode, _decoder(tokenizer)


def load_wordpiece(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """A WordPiece tokenizer.json that normalizes and divides text as BERT does: never looking across a blank, so that
    each distinct word is encoded once."""
    stored = _stored(folder)
    model, added = stored["model"], stored.get("added_tokens") or []
    normalize, divide = components.normalizer(stored["normalizer"]), components.words(stored["pre_tokenizer"])
    late = any(token["normalized"] and (special_too or not token["special"]) for token in added)  # looked for between
    pieces = wordpiece.make_word_pieces(
        model["vocab"], model["unk_token"], model["continuing_subword_prefix"], model["max_input_chars_per_word"]
    )

    def encode_words(words: pa.Array) -> list[Column]:
        data, offsets = buffers(words)
        if normalize and not late:
            data, offsets = normalize.apply(data, offsets)
        spans, first = divide.spans(data, offsets)
        ids, ends = np.empty(len(data), np.int32), np.empty(len(spans) + 1, np.int64)
        n = wordpiece.encode(data, spans, pieces, ids, ends)
        return [(ids[:n], ends[first])]

    known = KnownWords(BLANK_FREE, encode_words)

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        (ids,), occurrences, offsets = known.look_up(text)
        return repeated(*ids, occurrences, offsets)

    decode = functools.cache(lambda: _decoder(components.load(stored, "a tokenizer")))  # the folder may be gone
    first = normalize.texts if normalize and late else None
    return added_tokens.around(encode, added, special_too, first), lambda ids: decode()(ids)


def load_metaspace(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """A tokenizer.json whose tokens have U+2581 for a space: BPE over characters as Llama 2's, and unigram models."""
    stored = _stored(folder)
    if stored["model"]["type"] == "Unigram":  # its scores as the library reads them, which is not to the last bit
        stored["model"]["vocab"] = json.loads(components.load(stored, str(folder)).to_str())["model"]["vocab"]
    encode, normalize = metaspace.encoder(stored), components.normalizer(stored.get("normalizer"))
    decode = functools.cache(lambda: _decoder(components.load(stored, "a tokenizer")))
    added, first = stored.get("added_tokens") or [], normalize.texts if normalize else None
    return added_tokens.around(encode, added, special_too, first), lambda ids: decode()(ids)


def _stored(folder: pathlib.Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return stored


def _decoder(tokenizer: tokenizers.Tokenizer) -> Decode:
    return lambda tokens: tokenizer.decode(tokens.tolist(), skip_special_tokens=False)


def _encode_batch(tokenizer: tokenizers.Tokenizer, text: pa.Array) -> list[list[int]]:
    try:
        encodings = tokenizer.encode_batch_fast(_strings(text), add_special_tokens=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library panics, too, which is no Exception
        raise ValueError(f"`tokenizers` cannot encode a text: {str(error).strip() or type(error).__name__}") from None
    return [encoding.ids for encoding in encodings]


def load_sentencepiece(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """A sentencepiece.model, by our kernels; by its library where they do not know it. Where `special_too`, a text is
    divided at the control symbols that it spells, and what stands between them is encoded as texts of its own."""
    try:
        encode = sentencepiece_model.encoder(sentencepiece_model.read_model((folder / MODEL).read_bytes()))
    except ModelError:
        return load_sentencepiece_library(folder, special_too)
    return _around_control(encode, folder, special_too)


def load_sentencepiece_library(folder: pathlib.Path, special_too: bool = False) -> tuple[Encode, Decode]:
    """The same through the library `sentencepiece`."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / MODEL))

    def encode(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        return _flat(model.encode(_strings(text), num_threads=1))

    return _around_control(encode, folder, special_too)


def _around_control(encode: Encode, folder: pathlib.Path, special_too: bool) -> tuple[Encode, Decode]:
    """`encode`, and decoding by the library."""
    data = (folder / MODEL).read_bytes()
    control = [
        {"content": piece, "id": i, "special": True}
        for i, (piece, _, kind) in enumerate(sentencepiece_model.read_model(data).pieces)
        if kind == sentencepiece_model.CONTROL
    ]

    @functools.cache
    def library() -> sentencepiece.SentencePieceProcessor:
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_proto=data)

    return added_tokens.around(encode, control, special_too), lambda tokens: library().decode(tokens.tolist())


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
    "metaspace": load_metaspace,
    "sentencepiece_library": load_sentencepiece_library,
    "byte": load_byte,
    "tokenizers": load_tokenizers,
}
"""By the name that a tokenizer's description gives them. Each takes a folder, and `special_too`."""
LIBRARY = {
    **dict.fromkeys(("bpe", "wordpiece", "metaspace"), "tokenizers"),
    "sentencepiece": "sentencepiece_library",
}
"""Of encoders that are ours the one whose ids they equal, by calling the library."""
CALLS = {"tokenizers": "tokenizers", "sentencepiece_library": "sentencepiece"}
"""Of encoders that are not ours the library that they call."""
