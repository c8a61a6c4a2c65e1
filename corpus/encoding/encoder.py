"""Texts to token ids and back, with a tokenizer that `tokenizer_training` wrote, or that was made elsewhere.

    encoder = load_encoder(folder)
    tokens, offsets = encoder.encode(batch["text"], append_end=True)

Ids of text `i` are `tokens[offsets[i] : offsets[i + 1]]`. Text is text: a special token that
is spelled out in it ("<|endoftext|>") is encoded like any other characters, so that a document
cannot end itself, unless a brought tokenizer is asked to take it for the token. What each encoder's ids equal:

    bpe            Hugging Face `tokenizers` 0.23 on the same tokenizer.json, its special tokens
                   taken for text; decode(encode(x)) == x for every x.
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
from corpus.encoding.added_tokens import Encode
from corpus.encoding.adopt import DESCRIPTION, adopt, bringing
from corpus.encoding.encoders import ENCODERS, Decode
from corpus.io import paths


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A loaded tokenizer. `end_id` ends a document; `pad_id` and `unknown_id` are None where
    the family has none; `special_tokens` maps their text to their ids; `sentinels` are the ids
    set aside for span corruption, first to last; `fingerprint` names the tokenizer's content;
    `space_before_word` says that tokens contain the space before a word; `before` and `after` are ids that are put
    about a document; `encoder` is the one of `corpus.encoding.encoders.ENCODERS` that encodes.

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
    encoder: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    _encode: Encode = dataclasses.field(repr=False)
    _decode: Decode = dataclasses.field(repr=False)

    def encode(self, text: pa.Array, append_end: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(tokens int32[], offsets int64[len(text) + 1]) of a string column, null as empty.
        No special token is added but, where `append_end`, what stands about a document: `before`, `after`, and
        `end_id` unless `after` ends with it."""
        tokens, offsets = self._encode(text)
        if not append_end:
            return tokens, offsets
        closed = self.after[-1:] == (self.end_id,)
        about = np.array([*self.before, *self.after, *(() if closed else (self.end_id,))], np.int32)
        places = np.repeat(offsets[1:], len(about)).reshape(-1, len(about))
        places[:, : len(self.before)] = offsets[:-1, None]
        tokens = np.insert(tokens, places.ravel(), np.tile(about, len(offsets) - 1))
        return tokens, offsets + len(about) * np.arange(len(offsets))

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


def load_encoder(folder: str | os.PathLike[str], encoder: str = "", **options: Any) -> Encoder:
    """The encoder of a folder written by `tokenizer_training.train`, whose files are fetched first where it is a URI;
    or of a tokenizer that was made elsewhere: a folder of Hugging Face's, a tokenizer.json, *.model, *.tiktoken,
    vocab.txt, vocab.json with merges.txt, or a name of the hub. `options` are those of `corpus.encoding.adopt.Bring`,
    for the latter only; `encoder` is the one to encode with in place of the one that the description names.

    Raises FileNotFoundError where there is none, ValueError where a file is not the one that the description of its
    folder says, or it names an encoder that is not known, or where `adopt` does.

    >>> import tempfile
    >>> from tokenizer_training import load_encoder, train_tokenizer
    >>> folder = tempfile.mkdtemp()
    >>> encoder = train_tokenizer(["to be or not to be"] * 2, folder, family="bpe", vocab_size=260)
    >>> load_encoder(folder).fingerprint == encoder.fingerprint
    True
    >>> brought = load_encoder(f"{folder}/tokenizer.json", end="<|endoftext|>")
    >>> [ids.tolist() for ids in brought.encode_texts(["to be"])]
    [[258, 259]]
    """
    given, folder = bringing(options), os.fspath(folder)
    if not is_ours(folder):
        with tempfile.TemporaryDirectory() as local:
            adopt(folder, local, given)
            return load_encoder(local, encoder)
    if options:
        raise ValueError(
            f"{folder} says of itself all that there is to say; {', '.join(options)} is for other tokenizers"
        )
    if not paths.is_local(folder):
        with tempfile.TemporaryDirectory() as local:
            for source in paths.list_files(folder):
                pathlib.Path(local, paths.basename(source.path)).write_bytes(paths.read_bytes(source.path))
            return load_encoder(local, encoder)
    return _load(pathlib.Path(folder), encoder)


def is_ours(folder: str) -> bool:
    """Whether a folder holds a tokenizer with a description."""
    return paths.exists(paths.join(folder, DESCRIPTION))


def _load(folder: pathlib.Path, encoder: str) -> Encoder:
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    for name, digest in description["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{folder / name} has been changed since {DESCRIPTION} was written")
    family = description["family"]
    said = {**implied(family), **description}
    name = encoder or said["encoder"]
    if name not in ENCODERS:
        raise ValueError(
            f"{folder / DESCRIPTION} is of the family {family!r} and names the encoder {name!r}, "
            f"which is none of {', '.join(ENCODERS)}"
        )
    encode, decode = ENCODERS[name](folder, said.get("special_text") == "token")
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
        encoder=name,
        before=tuple(said.get("before", ())),
        after=tuple(said.get("after", ())),
        _encode=encode,
        _decode=decode,
    )


def implied(family: str) -> dict[str, Any]:
    """What the description of a tokenizer leaves out, since the family's name says it: the encoder is what stands
    before the first hyphen, and bpe alone has tokens that contain the space before a word."""
    return {"encoder": family.partition("-")[0], "space_before_word": family == "bpe"}
