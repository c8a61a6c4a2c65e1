"""Tokens of a tokenizer in a folder, and the bytes of the text that each stands for (byte-level BPE, as GPT-2's)."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.encoding import byte_level, components, gate
from corpus.encoding.encoder import Encoder, load_encoder
from corpus.io import paths
from corpus.text import arrow

_SHOWN = 40
"""Characters of a text that are shown where its tokens are not its bytes."""


class ByteTokens(NamedTuple):
    """Tokens of texts: those of text i are `ids[offsets[i]:offsets[i + 1]]` (uint32; int64); `ends` (int64[ids + 1])
    are the bytes of all texts before each token, and in all. A token may begin and end within a character."""

    ids: np.ndarray
    offsets: np.ndarray
    ends: np.ndarray


def files_of(folder: str) -> tuple[paths.Source, ...]:
    """The files of a tokenizer, none where the folder is called "". Raises OSError."""
    try:
        return tuple(paths.list_files(folder)) if folder else ()
    except NotADirectoryError:
        raise NotADirectoryError(f"{folder} is a file: give the folder that it is in") from None


def encoder_in(folder: str) -> Encoder:
    """The tokenizer in a folder, loaded once until one of its files changes. Raises as `load_encoder` does."""
    return _encoder(folder, files_of(folder))


@functools.lru_cache(maxsize=1)
def _encoder(folder: str, files: tuple[paths.Source, ...]) -> Encoder:
    return load_encoder(folder)


def byte_tokens(text: pa.Array, folder: str) -> ByteTokens:
    """The tokens of a column of strings. Raises ValueError for a tokenizer whose tokens are not the bytes of a text,
    FileNotFoundError for none."""
    ids, offsets = encoder_in(folder).encode(text)
    lengths = _lengths(folder, files_of(folder))
    ends = np.concatenate([[0], np.cumsum(lengths[ids])])
    differs = np.flatnonzero(np.diff(ends[offsets]) != np.diff(arrow.buffers(text)[1]))
    if len(differs):
        where = text[int(differs[0])].as_py()[:_SHOWN]
        raise ValueError(
            f"tokens of {folder} are not the bytes of a text, which is needed here, at {where!r}; use words"
        )
    return ByteTokens(ids.astype(np.uint32), offsets, ends)


def check(folder: str) -> None:
    """Raises as `byte_tokens` does for some text: for a tokenizer that changes texts, whatever it changes of them, and
    for tokens that take the white space about them."""
    encoder_in(folder)  # which says what is wrong with a folder of none
    _lengths(folder, files_of(folder))
    stored = _stored(folder)
    if components.changes_texts(stored.get("normalizer")):
        named = components.name("the normalizer", stored["normalizer"])
        raise ValueError(
            f"{folder} has {named}: its tokens are not the bytes of a text, which is needed here; use words"
        )
    added = [token["content"] for token in stored.get("added_tokens") or []]
    byte_tokens(pa.array(list(gate.adversarial(added)), pa.large_string()), folder)


@functools.lru_cache(maxsize=1)
def _lengths(folder: str, files: tuple[paths.Source, ...]) -> np.ndarray:
    """Bytes that each token stands for (int64), 0 of those that no text has."""
    stored = _stored(folder)
    vocabulary = stored.get("model", {}).get("vocab", {})
    alphabet = set(byte_level.characters())
    if not isinstance(vocabulary, dict) or not alphabet <= set("".join(vocabulary)):
        raise ValueError(f"{folder} has no tokenizer.json of byte-level BPE, which is needed here; use words")
    lengths = np.zeros(max(encoder_in(folder).vocab_size, max(vocabulary.values()) + 1), np.int64)
    for token, number in vocabulary.items():
        lengths[number] = len(token) if alphabet.issuperset(token) else 0
    for added in stored.get("added_tokens") or []:
        lengths[added["id"]] = len(added["content"].encode())
    return lengths


def _stored(folder: str) -> dict[str, Any]:
    path = paths.join(folder, "tokenizer.json")
    stored = json.loads(paths.read_bytes(path)) if paths.exists(path) else {}
    return stored if isinstance(stored, dict) else {}
