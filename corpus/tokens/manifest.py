"""`tokens/manifest.json`: what the token shards of a folder are, and how to prove it.

    {"format": "winnow-tokens/1", "dtype": "uint16" | "int32", "vocab_size",
     "tokenizer": {"fingerprint", "family", "path"}, "end_id", "pad_id" (or null),
     "documents", "tokens", "seed",
     "unit": "sentence" (only where sequences are sentences, and not documents),
     "vocabulary" (only where it is known): {"roles": {"mask": 103, ...}, "special": [ids], "sentinels": [ids, in the
         order of their use], "full_stops": [ids], "word_starts": a bit an id, as numpy.packbits has them, in base64},
     "stream": {"objective", "sequence_length", ...} (only where the recipe has such a section),
     "sets" (only where documents were divided): {"train": [names of shards], ..}: each shard is of one,
     "shards": [{"name": "00000", "documents", "tokens", "bin_bytes", "idx_bytes", "idx_xxh64",
                 "block_bytes": 16777216, "blocks": [xxh3_64 of each block of .bin, as hex]}]}

Shard `name` is the pair of files `NAME.bin`, `NAME.idx` beside the manifest. The order of
`shards` is the order of the token stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from corpus.io import paths
from corpus.tokens.megatron import HEADER_BYTES, IndexedDataset, read_header, token_dtype

FORMAT = "winnow-tokens/1"
NAME = "manifest.json"
BLOCK_BYTES = 16 << 20
"""Bytes of .bin under one checksum."""

_SHARD_COUNTS = ("documents", "tokens", "bin_bytes", "idx_bytes")
_DOCUMENTS_AT_ONCE = 1 << 20


def shard_prefix(folder: str, name: str) -> str:
    """Path of a shard without its suffix."""
    return paths.join(folder, name)


def _blocks(name: str, block_bytes: int) -> Iterator[bytes]:
    """The bytes of a file, `block_bytes` at a time."""
    with paths.open_input(name) as file:
        while block := file.read(block_bytes):
            yield block


def _file_hash(name: str) -> str:
    import xxhash

    state = xxhash.xxh64()
    for block in _blocks(name, BLOCK_BYTES):
        state.update(block)
    return state.hexdigest()


def describe_shard(prefix: str, block_bytes: int = BLOCK_BYTES) -> dict[str, Any]:
    """The manifest's entry of the shard `PREFIX.bin`, `PREFIX.idx`: reads both once."""
    import xxhash

    with paths.open_input(paths.suffixed(prefix, ".idx")) as file:
        dtype, _, documents = read_header(paths.suffixed(prefix, ".idx"), file.read(HEADER_BYTES))
    blocks, bin_bytes = [], 0
    for block in _blocks(paths.suffixed(prefix, ".bin"), block_bytes):
        blocks.append(xxhash.xxh3_64_hexdigest(block))
        bin_bytes += len(block)
    return {
        "name": paths.basename(prefix),
        "documents": documents,
        "tokens": bin_bytes // dtype.itemsize,
        "bin_bytes": bin_bytes,
        "idx_bytes": paths.size(paths.suffixed(prefix, ".idx")),
        "idx_xxh64": _file_hash(paths.suffixed(prefix, ".idx")),
        "block_bytes": block_bytes,
        "blocks": blocks,
    }


def write(
    folder: str,
    shards: list[dict[str, Any]],
    *,
    vocab_size: int,
    tokenizer: dict[str, Any],
    end_id: int,
    pad_id: int | None = None,
    seed: int = 0,
    unit: str = "document",
    vocabulary: dict[str, Any] | None = None,
    stream: dict[str, Any] | None = None,
    sets: dict[str, list[str]] | None = None,
    put: Callable[[str, bytes], None] = paths.write_atomic,
) -> dict[str, Any]:
    """Write `FOLDER/manifest.json`, atomically (by `put`), and return it. `shards` are `describe_shard`'s
    entries in stream order; `tokenizer` has "fingerprint", "family" and "path"; `seed` is the
    one the documents were shuffled with; `unit` says what a sequence is, "document" or "sentence"; `vocabulary` is as
    above, as are `sets`, `stream` how the recipe wants them read (`corpus.loader.configured`). Raises ValueError for
    ids outside the vocabulary."""
    named = {f"vocabulary: {role}": token for role, token in (vocabulary or {}).get("roles", {}).items()}
    _check_ids(folder, vocab_size, {"end_id": end_id, "pad_id": pad_id, **named})
    manifest = {
        "format": FORMAT,
        "dtype": token_dtype(vocab_size).name,
        "vocab_size": vocab_size,
        "tokenizer": tokenizer,
        "end_id": end_id,
        "pad_id": pad_id,
        "documents": sum(shard["documents"] for shard in shards),
        "tokens": sum(shard["tokens"] for shard in shards),
        "seed": seed,
        **({} if unit == "document" else {"unit": unit}),
        **({} if vocabulary is None else {"vocabulary": vocabulary}),
        **({} if stream is None else {"stream": stream}),
        **({"sets": sets} if sets else {}),
        "shards": shards,
    }
    put(paths.join(folder, NAME), (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def load(folder: str) -> dict[str, Any]:
    """The manifest of `folder`. Raises FileNotFoundError, or ValueError if it is not one."""
    name = paths.join(folder, NAME)
    try:
        manifest = json.loads(paths.read_bytes(name))
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ValueError(f"{name} has format {found!r}; this version reads {FORMAT!r}")
    lacking = [key for key in ("dtype", "vocab_size", "end_id", "documents", "tokens", "shards") if key not in manifest]
    if lacking:
        raise ValueError(f"{name} lacks {lacking[0]!r}")
    for shard in manifest["shards"]:
        lacking = [key for key in ("name", *_SHARD_COUNTS, "block_bytes", "blocks") if key not in shard]
        if lacking:
            raise ValueError(f"{name}: shard {shard.get('name')!r} lacks {lacking[0]!r}")
        if shard["block_bytes"] < 1 or len(shard["blocks"]) != -(-shard["bin_bytes"] // shard["block_bytes"]):
            raise ValueError(
                f"{name}: shard {shard['name']!r} has {len(shard['blocks'])} blocks of {shard['block_bytes']} bytes, "
                f"and {shard['bin_bytes']} bytes"
            )
    _check_ids(name, manifest["vocab_size"], {key: manifest.get(key) for key in ("end_id", "pad_id")})
    for key in ("documents", "tokens"):
        total = sum(shard[key] for shard in manifest["shards"])
        if manifest[key] != total:
            raise ValueError(f"{name} claims {manifest[key]} {key}; its shards have {total}")
    return manifest


def _check_ids(where: str, vocab_size: int, ids: dict[str, int | None]) -> None:
    """Raises ValueError for an id that the vocabulary does not have."""
    for key, token in ids.items():
        if token is not None and not 0 <= token < vocab_size:
            raise ValueError(f"{where}: {key} {token} is outside the vocabulary of {vocab_size}")


def open_set(path: str) -> tuple[str, dict[str, Any], str | None]:
    """(folder, manifest, name of the set) of what a path names: a folder without sets, or FOLDER/SET, of which the
    manifest is that of FOLDER with the shards of the set alone. Raises as `load`, and ValueError for a set that there
    is not, or a folder of sets as a whole."""
    folder, name = path.rstrip("/"), None
    if not paths.exists(paths.join(folder, NAME)):
        above = paths.parent(folder) or "."
        if paths.exists(paths.join(above, NAME)):
            folder, name = above, paths.basename(folder)
    manifest = load(folder)
    sets = manifest.get("sets", {})
    if name is None and not sets:
        return path, manifest, None
    if name not in sets:
        problem = "is divided into sets" if name is None else f"has no set {name!r}"
        known = ", ".join(paths.join(folder, each) for each in sets)
        raise ValueError(f"{folder} {problem}; open one of: {known}" if sets else f"{folder} {problem}, nor any other")
    chosen = [shard for shard in manifest["shards"] if shard["name"] in set(sets[name])]
    counts = {key: sum(shard[key] for shard in chosen) for key in ("documents", "tokens")}
    return folder, {**manifest, **counts, "shards": chosen}, name


def of_run(path: str) -> tuple[str, dict[str, Any]]:
    """(path of the tokens, their manifest as `open_set` has it) of OUT, OUT/tokens, or one of its sets OUT/tokens/SET.
    Raises FileNotFoundError where there are none, ValueError as `open_set`."""
    plain = path.rstrip("/")
    for tokens, holder in ((paths.join(path, "tokens"),) * 2, (plain, plain), (plain, paths.parent(plain) or ".")):
        if paths.exists(paths.join(holder, NAME)):
            return tokens, open_set(tokens)[1]
    raise FileNotFoundError(f"{path} holds no tokens: there is no {paths.join(path, 'tokens', NAME)}")


def tokenizer_path(folder: str, manifest: dict[str, Any]) -> str:
    """Where the tokenizer of the tokens in `folder` is, as their manifest says: beside the folder, or in it."""
    path: str = manifest["tokenizer"]["path"]
    if path.startswith("../"):
        return paths.join(paths.parent(folder) or ".", path.removeprefix("../"))
    return paths.join(folder, path)


def verify(folder: str) -> list[str]:
    """Every problem found in the token shards of `folder`, as sentences; none if all is well.

    Compares counts, sizes and checksums with the manifest, .idx with .bin, every id with the
    vocabulary, and the last token of every document that is not empty with the end token.
    Reads every byte; a shard at a time, .bin a block at a time.

    >>> import tempfile
    >>> import numpy as np
    >>> from corpus.tokens import manifest, megatron
    >>> folder = tempfile.TemporaryDirectory()
    >>> with megatron.ShardWriter(folder.name + "/00000", vocab_size=100) as shard:
    ...     shard.add(np.array([11, 12, 0, 21, 22]), np.array([0, 3, 5]))
    >>> shards = [manifest.describe_shard(folder.name + "/00000")]
    >>> tokenizer = {"fingerprint": "", "family": "byte", "path": ""}
    >>> manifest.write(folder.name, shards, vocab_size=100, tokenizer=tokenizer, end_id=0)["tokens"]
    5
    >>> [problem.rpartition(": ")[2] for problem in manifest.verify(folder.name)]
    ['document 1 does not end with token 0']
    """
    try:
        manifest = load(folder)
    except (OSError, ValueError) as error:
        return [str(error)]
    problems = []
    for shard in manifest["shards"]:
        try:
            problems += _verify_shard(folder, manifest, shard)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return problems


def _verify_shard(folder: str, manifest: dict[str, Any], shard: dict[str, Any]) -> list[str]:
    prefix = shard_prefix(folder, shard["name"])
    found = describe_shard(prefix, shard["block_bytes"])
    problems = [
        f"{prefix}: {key} is {found[key]}, the manifest says {shard[key]}"
        for key in _SHARD_COUNTS
        if found[key] != shard[key]
    ]
    if shard.get("idx_xxh64", found["idx_xxh64"]) != found["idx_xxh64"]:
        problems.append(f"{prefix}.idx: checksum differs from the manifest's")
    for number, (ours, theirs) in enumerate(zip(found["blocks"], shard["blocks"])):
        if ours != theirs:
            problems.append(f"{prefix}.bin: checksum of block {number} differs from the manifest's")
    dataset = IndexedDataset(prefix)
    if dataset.dtype.name != manifest["dtype"]:
        problems.append(f"{prefix}: tokens are {dataset.dtype.name}, not {manifest['dtype']}")
    return problems + _verify_tokens(dataset, manifest["vocab_size"], manifest["end_id"])


def _verify_tokens(dataset: IndexedDataset, vocab_size: int, end_id: int) -> list[str]:
    problems = []
    step = BLOCK_BYTES // dataset.dtype.itemsize
    for first in range(0, len(dataset.tokens), step):
        block = dataset.tokens[first : first + step]
        wrong = np.flatnonzero((block < 0) | (block >= vocab_size))
        if len(wrong):
            problems.append(
                f"{dataset.prefix}.bin: token {first + wrong[0]} is {block[wrong[0]]}, "
                f"outside the vocabulary of {vocab_size}"
            )
            break
    offsets = dataset.document_offsets
    for first in range(0, dataset.documents, _DOCUMENTS_AT_ONCE):
        bounds = offsets[first : first + _DOCUMENTS_AT_ONCE + 1]
        filled = np.flatnonzero(np.diff(bounds) > 0)
        wrong = filled[dataset.tokens[bounds[1:][filled] - 1] != end_id]
        if len(wrong):
            problems.append(f"{dataset.prefix}: document {first + wrong[0]} does not end with token {end_id}")
            break
    return problems
