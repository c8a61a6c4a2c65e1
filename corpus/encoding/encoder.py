"""Texts to token ids and back, with a tokenizer that `tokenizer_training` wrote.

    encoder = load_encoder(folder)
    tokens, offsets = encoder.encode(batch["text"], append_end=True)

Ids of text `i` are `tokens[offsets[i] : offsets[i + 1]]`. Text is text: a special token that
is spelled out in it ("<|endoftext|>") is encoded like any other characters, so that a document
cannot end itself. What each encoder's ids equal:

    bpe            Hugging Face `tokenizers` 0.23 on the same tokenizer.json without its
                   `added_tokens`; decode(encode(x)) == x for every x.
    wordpiece      the same. Case, accents and white space are lost as BERT loses them.
    tokenizers     the same, by calling it. What is lost depends on the model.
    sentencepiece  `sentencepiece` on the same model. Its normalizer (nmt_nfkc) collapses white
                   space, so line breaks and indentation are lost, and so is what NFKC unifies.
    byte           ByT5 (Xue et al. 2022): padding 0, end 1, unknown 2, byte b is b + 3;
                   decode(encode(x)) == x for every x.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpus import tables
from corpus.encoding.encoders import ENCODERS, Decode, Encode
from corpus.io import paths

DESCRIPTION = "winnow_tokenizer.json"


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A loaded tokenizer. `end_id` ends a document; `pad_id` and `unknown_id` are None where
    the family has none; `special_tokens` maps their text to their ids; `sentinels` are the ids
    set aside for span corruption, first to last; `fingerprint` names the tokenizer's content;
    `space_before_word` says that tokens contain the space before a word.

    >>> import tempfile
    >>> from tokenizer_training import train_tokenizer
    >>> encoder = train_tokenizer(["to be or not to be"], tempfile.mkdtemp(), family="byte")
    >>> [ids.tolist() for ids in encoder.encode_texts(["to", "be"], append_end=True)]
    [[119, 114, 1], [101, 104, 1]]
    >>> encoder.decode([119, 114, 1])
    'to'
    """

    family: str
    vocab_size: int
    end_id: int
    pad_id: int | None
    unknown_id: int | None
    special_tokens: dict[str, int]
    sentinels: tuple[int, ...]
    fingerprint: str
    space_before_word: bool
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

    def encode_texts(self, texts: Any, append_end: bool = False) -> list[np.ndarray]:
        """The ids (int32[]) of each text, as `encode` gives them. `texts` are anything that `corpus.as_table` takes."""
        found: list[np.ndarray] = []
        for column in tables.text_columns(texts):
            tokens, offsets = self.encode(column, append_end)
            found += (tokens[start:end] for start, end in zip(offsets[:-1], offsets[1:]))
        return found

    def decode(self, tokens: npt.ArrayLike) -> str:
        """The text of a sequence of ids; special tokens and sentinels are left out, bytes that
        are not UTF-8 become U+FFFD."""
        tokens = np.asarray(tokens, np.int64)
        silent = [*self.special_tokens.values(), *self.sentinels]
        return self._decode(tokens[~np.isin(tokens, silent)])


def load_encoder(folder: str | os.PathLike[str]) -> Encoder:
    """The encoder of a folder written by `tokenizer_training.train`, whose files are fetched first where it is a URI.
    Raises FileNotFoundError where it has no winnow_tokenizer.json, ValueError where a file is not the one that this
    describes, or it names an encoder that is not known.

    >>> import tempfile
    >>> from tokenizer_training import load_encoder, train_tokenizer
    >>> folder = tempfile.mkdtemp()
    >>> encoder = train_tokenizer(["to be or not to be"] * 2, folder, family="bpe", vocab_size=260)
    >>> load_encoder(folder).fingerprint == encoder.fingerprint
    True
    """
    if isinstance(folder, str) and not paths.is_local(folder):
        with tempfile.TemporaryDirectory() as local:
            for source in paths.list_files(folder):
                pathlib.Path(local, paths.basename(source.path)).write_bytes(paths.read_bytes(source.path))
            return load_encoder(local)
    folder = pathlib.Path(folder)
    if not (folder / DESCRIPTION).is_file():
        raise FileNotFoundError(f"{folder} holds no tokenizer of `winnow train-tokenizer`: it has no {DESCRIPTION}")
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    for name, digest in description["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{folder / name} has been changed since {DESCRIPTION} was written")
    family = description["family"]
    said = {**implied(family), **description}
    if said["encoder"] not in ENCODERS:
        raise ValueError(
            f"{folder / DESCRIPTION} is of the family {family!r} and names the encoder {said['encoder']!r}, "
            f"which is none of {', '.join(ENCODERS)}"
        )
    encode, decode = ENCODERS[said["encoder"]](folder)
    return Encoder(
        family=family,
        vocab_size=description["vocab_size"],
        end_id=description["end_of_document"]["id"],
        pad_id=description["pad_id"],
        unknown_id=description["unknown_id"],
        special_tokens=description["special_tokens"],
        sentinels=tuple(description["sentinels"]),
        fingerprint=description["fingerprint"],
        space_before_word=said["space_before_word"],
        _encode=encode,
        _decode=decode,
    )


def implied(family: str) -> dict[str, Any]:
    """What the description of a tokenizer leaves out, since the family's name says it: the encoder is what stands
    before the first hyphen, and bpe alone has tokens that contain the space before a word."""
    return {"encoder": family.partition("-")[0], "space_before_word": family == "bpe"}
