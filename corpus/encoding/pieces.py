"""The text of single tokens, for people to read: a token may be bytes that are no character alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from corpus.encoding import byte_level, sentencepiece_model
from corpus.encoding.encoders import BYTE_OFFSET, MODEL
from corpus.io import paths

SYMBOL = sentencepiece_model.SYMBOL


def of_folder(folder: str | os.PathLike[str]) -> Callable[[int], str]:
    r"""What tells the text of a token by its id, of a tokenizer in a folder or at a URI: blanks are blanks, bytes that
    are no UTF-8 alone are escaped (\xe6), and what is no token at all is its id.

    >>> import tempfile
    >>> from tokenizer_training import train_tokenizer
    >>> folder = tempfile.mkdtemp()
    >>> encoder = train_tokenizer(["to be or not to be"] * 2, folder, vocab_size=260)
    >>> [of_folder(folder)(i) for i in encoder.encode_texts(["to be"], append_end=True)[0].tolist()]
    ['to', ' be', '<|endoftext|>']
    """
    text_of = _texts(os.fspath(folder))
    return lambda i: text_of.get(i, f"<{i}>")


def _texts(folder: str) -> dict[int, str]:
    there = paths.join(folder, "tokenizer.json")
    if paths.exists(there):
        return _of_json(json.loads(paths.read_bytes(there).decode("utf-8")))
    model = paths.join(folder, MODEL)
    if paths.exists(model):
        read = sentencepiece_model.read_model(paths.read_bytes(model))
        return {i: piece.replace(SYMBOL, " ") for i, (piece, _, _) in enumerate(read.pieces)}
    return {byte + BYTE_OFFSET: _shown(bytes([byte])) for byte in range(256)}


def _of_json(stored: dict) -> dict[int, str]:
    vocabulary = stored["model"]["vocab"]
    ids = vocabulary if isinstance(vocabulary, dict) else {token: i for i, (token, _) in enumerate(vocabulary)}
    of_bytes = '"ByteLevel"' in json.dumps([stored.get("decoder"), stored.get("pre_tokenizer")])
    alphabet = set(byte_level.characters())
    found = {}
    for token, i in ids.items():
        spelled = of_bytes and alphabet >= set(token)
        found[i] = _shown(byte_level.to_bytes(token)) if spelled else token.replace(SYMBOL, " ")
    return {**found, **{token["id"]: token["content"] for token in stored.get("added_tokens") or []}}


def _shown(token: bytes) -> str:
    return token.decode("utf-8", "backslashreplace")
