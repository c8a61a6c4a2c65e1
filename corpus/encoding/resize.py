"""A tokenizer with fewer tokens, or more: its files, and a table from old ids to new.

    encoder, new_ids = resize_tokenizer("llama/", "smaller/", keep=used_ids(load_encoder("llama/"), texts))
    embeddings = embeddings[np.flatnonzero(new_ids >= 0)]

Tokens keep their order. Special tokens stay, and so do those that spell single bytes, and all that is merged on the way
to a token that stays (`needed_tokens`). So a text whose old ids all stay has the same ids, by the table; of WordPiece
that holds for texts without an unknown word, which fewer tokens can make a known one. New tokens come after all others.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from corpus import tables
from corpus.encoding import adopt, byte_level, components, gate, sentencepiece_model, sources
from corpus.encoding.adopt import DESCRIPTION, Brought
from corpus.encoding.encoder import Encoder, implied, is_ours, load_encoder
from corpus.encoding.encoders import LIBRARY, MODEL
from corpus.encoding.needed_tokens import Needs, closed, of_merges, of_scores
from corpus.encoding.resized_files import pair, referred, resized_files
from corpus.encoding.sentencepiece_model import NORMAL, Model
from corpus.io import paths

TABLE = "old_to_new.npy"
"""The table of ids in the folder of a tokenizer that was resized: int32[old size], -1 for a token that is gone."""
_OF_A_FOLDER = ("format", "fingerprint", "encoder", "space_before_word")
"""What a description says that its files imply."""


def resize_tokenizer(
    where: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    keep: Iterable[int] | None = None,
    vocab_size: int | None = None,
    add: Sequence[str] = (),
    add_special: Sequence[str] = (),
    **options: Any,
) -> tuple[Encoder, np.ndarray]:
    """Writes a tokenizer of ours, or one that was made elsewhere, with other tokens into a local folder, made where it
    is missing; the tokenizer, loaded, and its table of ids, int32[old size], -1 for what is gone, which is `TABLE` in
    the folder.

    `keep` are the ids of tokens that stay, the most important first, or None for all; where `vocab_size` is given, as
    many of them as it has room for. `add` are tokens that are found in a text before it is divided into words,
    `add_special` special ones. `options` are those of `load_encoder` for tokenizers made elsewhere.

    Raises FileNotFoundError where there is no tokenizer, ValueError for one that cannot be read or resized, a token
    that is there already, an id that is not.

    >>> import corpus, tempfile
    >>> from tokenizer_training import train_tokenizer
    >>> _ = train_tokenizer(["to be or not to be"] * 2, folder := tempfile.mkdtemp(), vocab_size=260)
    >>> encoder, new_ids = corpus.resize_tokenizer(folder, tempfile.mkdtemp(), keep=[258], add=["<new>"])
    >>> encoder.vocab_size, new_ids[256:].tolist()
    (259, [256, -1, 257, -1])
    >>> [ids.tolist() for ids in encoder.encode_texts(["to be<new>"])]
    [[257, 221, 66, 69, 258]]
    """
    given = adopt.bringing(options)
    read = _ours(os.fspath(where), options) if is_ours(os.fspath(where)) else adopt.read(where, given)
    folder = pathlib.Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; give a folder for the new tokenizer")
    new = [*((token, False) for token in add), *((token, True) for token in add_special)]
    resized, table = _resized(read, os.fspath(where), keep, vocab_size, new)
    resized.write(folder)
    hard = gate.adversarial(resized.described["special_tokens"], every_code_point=resized.encoder in LIBRARY)
    proof = adopt.prove(folder, resized.encoder, resized.described, hard)
    (folder / DESCRIPTION).write_bytes(adopt.description(resized.described, folder, proof.encoder))
    np.save(folder / TABLE, table)
    return load_encoder(folder), table


def used_ids(encoder: Encoder, texts: Any) -> np.ndarray:
    """The ids that texts have, the most frequent first, of equally frequent ones the lowest: int64[]. `texts` are
    anything that `corpus.as_table` takes.

    >>> import corpus, tokenizer_training
    >>> encoder = tokenizer_training.train_tokenizer(["a b a b c"], "bytes", family="byte")
    >>> corpus.used_ids(encoder, ["banana"]).tolist() == [ord(letter) + 3 for letter in "anb"]
    True
    """
    counts = np.zeros(encoder.vocab_size, np.int64)
    for column in tables.text_columns(texts):
        counts += np.bincount(encoder.encode(column)[0], minlength=encoder.vocab_size)
    order = np.argsort(-counts, kind="stable")
    return order[counts[order] > 0]


def _ours(where: str, options: Mapping[str, Any]) -> Brought:
    """A tokenizer with a description, as one that was read."""
    if options:
        raise ValueError(f"{where} says of itself all that there is to say; {', '.join(options)} is for others")
    described = json.loads(paths.read_bytes(paths.join(where, DESCRIPTION)))
    said = {**implied(described["family"]), **described}
    files = {name: paths.read_bytes(paths.join(where, name)) for name in described["files"]}
    for name, digest in described["files"].items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise ValueError(f"{name} of {where} has been changed since {DESCRIPTION} was written")
    return Brought(files, {k: v for k, v in described.items() if k not in _OF_A_FOLDER}, said["encoder"], ())


def _resized(
    read: Brought, where: str, keep: Iterable[int] | None, vocab_size: int | None, new: list[tuple[str, bool]]
) -> tuple[Brought, np.ndarray]:
    model = sentencepiece_model.read_model(read.files[MODEL]) if MODEL in read.files else None
    stored = sources.parse(read.files["tokenizer.json"], where) if "tokenizer.json" in read.files else None
    if read.encoder == "byte" or (model is None and stored is None):
        raise ValueError(f"{where} has no vocabulary that could be another: its tokens are bytes")
    for token, special in new:
        if model and not special:
            raise ValueError(f"{where}: a model of sentencepiece takes special tokens only, not {token!r}")
    base, texts = _base(model, stored)
    added = {i: t for t, i in {**read.described["special_tokens"], **_added(stored)}.items() if i not in texts}
    every = [*sorted(texts), *sorted({*added, *read.described["sentinels"]} - texts.keys())]
    most = None if vocab_size is None else vocab_size - len(new)
    kept = every if keep is None else _kept(read, model, stored, base, keep, every, most)
    table = np.full(max(every) + 1, -1, np.int32)
    place = _places(kept, texts, compact=keep is not None, more=len(new) if model else 0)
    table[list(place)] = list(place.values())
    known = {*texts.values(), *added.values()}
    if twice := [token for n, (token, _) in enumerate(new) if token in known or token in [t for t, _ in new[:n]]]:
        raise ValueError(f"{where} has the token {twice[0]!r} already")
    first = 1 + max((place[i] for i in kept if not model or i in texts), default=-1)
    numbered = {token: first + n for n, (token, _) in enumerate(new)}
    roles = {token: numbered[token] for token, special in new if special}
    described = _described(read.described, place, roles, 1 + max([*place.values(), *numbered.values()]))
    files = resized_files(read.files, place, stored, model, new, numbered)
    encoder, reasons = _kernel(files, read)
    _check_library(files, where, described)
    described["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return Brought(files, described, encoder, tuple(reasons)), table


def _added(stored: Mapping[str, Any] | None) -> dict[str, int]:
    return {token["content"]: token["id"] for token in (stored or {}).get("added_tokens") or []}


def _places(kept: Iterable[int], texts: Mapping[int, str], compact: bool, more: int) -> dict[int, int]:
    """New ids by old, in the same order: without gaps where `compact`, else as they were. Ids that are not the model's
    own come after `more` new ones of it."""
    ordered = sorted(kept, key=lambda i: (i not in texts, i))
    return {i: (n if compact else i) + (0 if i in texts else more) for n, i in enumerate(ordered)}


def _base(model: Model | None, stored: Mapping[str, Any] | None) -> tuple[set[int], dict[int, str]]:
    """(ids of the tokens that spell single bytes, and of those whose score others are measured by; the texts of all
    tokens of the model by id)."""
    if model:
        scored = [(score, i) for i, (_, score, kind) in enumerate(model.pieces) if kind == NORMAL]
        base = {i for i, (_, _, kind) in enumerate(model.pieces) if kind not in (NORMAL, *_MAY_GO)}
        measures = {min(scored)[1], max(scored)[1]} if scored else set()
        return base | measures, {i: piece for i, (piece, _, _) in enumerate(model.pieces)}
    assert stored is not None
    kind, vocabulary = stored["model"].get("type"), stored["model"]["vocab"]
    if kind == "Unigram":
        scores = [score for _, score in vocabulary]
        ids = {token: i for i, (token, _) in enumerate(vocabulary)}
        base = {int(np.argmin(scores)), int(np.argmax(scores))} if scores else set()
    else:
        ids, base = vocabulary, set()
    suffix = stored["model"].get("end_of_word_suffix") or ""
    letters = byte_level.characters()
    names = {f"<0x{byte:02X}>" for byte in range(256)} if stored["model"].get("byte_fallback") else set()
    if kind == "BPE" and ids.keys() >= set(letters):
        names |= {*letters, *(letter + suffix for letter in letters)}
    return base | {ids[name] for name in names if name in ids}, {i: token for token, i in ids.items()}


_MAY_GO = (sentencepiece_model.USER_DEFINED, sentencepiece_model.UNUSED)
"""Types of pieces that no text needs, beside NORMAL."""


def _kept(
    read: Brought,
    model: Model | None,
    stored: Mapping[str, Any] | None,
    base: set[int],
    keep: Iterable[int],
    every: Sequence[int],
    most: int | None,
) -> list[int]:
    said, known = read.described, set(every)
    roles = {said["end_of_document"]["id"], said["pad_id"], said["unknown_id"], *said.get("before", ())} - {None}
    always = base | roles | {*said.get("after", ()), *said["sentinels"], *said["special_tokens"].values()}
    if stored:
        always |= {token["id"] for token in stored.get("added_tokens") or [] if token["special"]} | referred(stored)
    wanted = [int(i) for i in keep]
    if wrong := [i for i in wanted if i not in known]:
        raise ValueError(f"{wrong[0]} is no id of the tokenizer, whose ids are {min(known)} to {max(known)}")
    needs = _needs(model, stored)
    found = closed(wanted, needs, most, sorted(always & known))
    if most is not None and len(found) > most:
        raise ValueError(f"the vocabulary is too small for special tokens and bytes, which alone are {len(found)} ids")
    return sorted(found)


def _needs(model: Model | None, stored: Mapping[str, Any] | None) -> Needs:
    if model:
        return of_scores(model)
    assert stored is not None
    if stored["model"].get("type") == "BPE":
        return of_merges(stored["model"], [pair(merge) for merge in stored["model"]["merges"]])
    return lambda i: ()


def _described(
    described: Mapping[str, Any], place: Mapping[int, int], special: Mapping[str, int], size: int
) -> dict[str, Any]:
    """What a description says, with other ids."""

    def moved(i: int | None) -> int | None:
        return None if i is None else place[i]

    found = {
        **described,
        "vocab_size": size,
        "end_of_document": {**described["end_of_document"], "id": moved(described["end_of_document"]["id"])},
        "pad_id": moved(described["pad_id"]),
        "unknown_id": moved(described["unknown_id"]),
        "special_tokens": {**{token: moved(i) for token, i in described["special_tokens"].items()}, **special},
        "sentinels": [moved(i) for i in described["sentinels"]],
    }
    return found | {side: [moved(i) for i in described[side]] for side in ("before", "after") if side in described}


def _kernel(files: Mapping[str, bytes], read: Brought) -> tuple[str, list[str]]:
    """As `adopt.read` has it, of the new files."""
    if MODEL in files:
        return read.encoder, list(read.reasons)
    return components.kernel(json.loads(files["tokenizer.json"]))


def _check_library(files: Mapping[str, bytes], where: str, described: Mapping[str, Any]) -> None:
    """Raises ValueError where the library would number added tokens otherwise: it counts them on."""
    if "tokenizer.json" not in files:
        return
    stored = json.loads(files["tokenizer.json"])
    ids = components.load(stored, where).get_vocab(with_added_tokens=True)
    for token, i in {**_added(stored), **described["special_tokens"]}.items():
        if ids.get(token, i) != i:
            raise ValueError(f"{where}: the library gives {token!r} the id {ids[token]}, not {i}; its ids have gaps")
