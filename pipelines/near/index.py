"""An index of near-duplicates on disk: documents that runs have kept, for later runs to be compared with.

    INDEX/index.json            what it is an index of, and its parts, one for each run that has added to it
    INDEX/parts/NAME.json       the chunks of a part (`known.Chunk`)
    INDEX/chunks/*.arrow        their files: keys of buckets, shingle sets, ids

A file never changes: the name of a part, and those of the files of a chunk, are made of what they hold. Only index.json
is replaced, in one atomic step, so that an update that is killed leaves the index as it was, and whoever reads it sees
all of an update or nothing (`index_changes`). A document takes some 8
bytes for each band (265 in all with the 32 of threshold 0.8) and for each of its shingles, and its id: about as much as
its text, of which all but 300 bytes are shingles, which `verification: none` leaves out.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import xxhash

from corpus.dedup.near import Near
from corpus.io import parallel, paths
from corpus.views import ShardView
from pipelines.engine import File, fingerprint
from pipelines.near.known import FIRST_SHARD, Chunk

FORMAT = "winnow-near-index/1"
NAME, PARTS, CHUNKS = "index.json", "parts", "chunks"
KINDS = ("keys", "shingles", "ids")
DEFINING = (
    *("normalisation", "unit", "tokenizer", "ngram", "scheme", "hash", "permutations", "seed", "bands", "rows"),
    "verification",
)
"""The options that decide what an index holds of a document."""


class IndexRefused(ValueError):
    """An index that cannot be used, or not so; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What one run has added: its name, made of its content; the fingerprint of what that run was made of, and its
    output, by which it knows its own part again; the number of its first chunk as a shard; how many chunks, documents
    and bytes it has."""

    name: str
    origin: str
    output: str
    first: int
    chunks: int
    documents: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Index:
    """An index as it is: `definition` and `options` say what its documents are compared by; `next` is the number that
    the next chunk has as a shard; the oldest part comes first."""

    path: str
    definition: str
    options: dict[str, Any]
    next: int = FIRST_SHARD
    parts: tuple[Part, ...] = ()

    def own(self, origin: str) -> Part | None:
        """The part that a run made of the same has added."""
        return next((part for part in self.parts if part.origin == origin), None)

    def before(self, part: Part | None) -> tuple[Part, ...]:
        """The parts before one; all where there is none."""
        return self.parts if part is None else self.parts[: self.parts.index(part)]

    def chunks(self, parts: Sequence[Part]) -> list[Chunk]:
        """Of some parts, in their order. Raises IndexRefused for a list of chunks that is damaged."""
        return [chunk for found in parallel.each(self._chunks, parts, self.path) for chunk in found]

    def _chunks(self, part: Part) -> list[Chunk]:
        path = part_path(self.path, part.name)
        try:
            data = paths.read_bytes(path)
            if _name_of(data) != part.name:
                raise ValueError("its checksum is wrong")
            return [_chunk(self.path, entry) for entry in json.loads(data)["chunks"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise IndexRefused(
                f"{path} is damaged ({error}): take the part out with `winnow index {self.path} --remove {part.name}`"
            ) from None


@dataclasses.dataclass(frozen=True)
class Update:
    """What a run has to add to an index as soon as it is proven: behind what it has been compared with, the chunks,
    whose files are in the index already; whether it has done so before."""

    index: Index
    origin: str
    output: str
    chunks: list[Chunk]
    done: bool


def base_of(path: str, near: Near, view: Sequence[ShardView], output: str) -> Update:
    """What a run over these shards has been compared with before it adds to an index, itself not in it yet: `chunks` of
    all parts. What comes behind its own part is none of it, for a run that has updated the index says the same when it
    is done again. Raises IndexRefused."""
    index = check(path, near, True)
    origin = fingerprint([near, [shard.inputs() for shard in view]])
    own, place = index.own(origin), _place_of(output)
    for part in index.parts:
        if part.output == place and part.origin != origin:
            raise IndexRefused(
                f"{path} has {part.documents:,} documents (part {part.name}) of an earlier run into {output}, of other "
                f"input or options: take them out with `winnow index {path} --remove {part.name}`, or choose another "
                "output"
            )
    if own:
        index = dataclasses.replace(index, parts=index.before(own), next=own.first)
    return Update(index, origin, place, index.chunks(index.parts), own is not None)


def definition_of(near: Near) -> str:
    """What an index is of: `Near.definition`, and whether it has what pairs are verified by."""
    return f"{near.definition} | verification={near.verification}"


def options_of(near: Near) -> dict[str, Any]:
    """What decides what an index holds, with bands and rows as they are."""
    bands, rows = near.banding()
    return {**{name: getattr(near, name) for name in DEFINING}, "hash": near.shingle_hash, "bands": bands, "rows": rows}


# ------------------------------------------------------------------ reading


def load(path: str) -> Index | None:
    """The index in a folder; None where there is nothing. Raises IndexRefused for one that is damaged, or a folder that
    holds something else."""
    name = paths.join(path, NAME)
    try:
        if not paths.exists(name):
            _refuse_others(path)
            return None
        record = json.loads(paths.read_bytes(name))
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}, and this version knows {FORMAT!r}")
        parts = tuple(Part(**part) for part in record["parts"])
        return Index(path, record["definition"], dict(record["options"]), int(record["next"]), parts)
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, IndexRefused):
            raise
        raise IndexRefused(f"{name} is no index of near-duplicates: {error}") from None


def _refuse_others(path: str) -> None:
    """Raises IndexRefused where a folder without an index holds more than an update leaves that was killed."""
    local = paths.local_path(path)
    if local is not None and os.path.exists(local) and not os.path.isdir(local):
        raise IndexRefused(f"{path} is a file, and an index is a folder")
    others = [entry.name for entry in paths.entries(path) if entry.name not in (PARTS, CHUNKS, "lock.json")]
    if others := [name for name in others if not paths.is_temporary(name)]:
        raise IndexRefused(f"{path} is not empty and holds no index ({others[0]}); choose another folder")


def check(path: str, near: Near, update: bool) -> Index:
    """The index in a folder, a new one where there is nothing and it is to be updated. Raises IndexRefused where its
    documents are not comparable with those of `near`."""
    found = load(path)
    if found is None and not update:
        raise IndexRefused(f"{path} holds no index: a run with `update: true` makes one")
    mine = options_of(near)
    if found is None:
        return Index(path, definition_of(near), mine)
    if found.definition != definition_of(near):
        other = [f"{name}: {value}" for name, value in found.options.items() if mine.get(name) != value]
        raise IndexRefused(
            f"the documents of {path} are compared by {found.definition!r}, those of this step by "
            f"{definition_of(near)!r}; set {', '.join(other) or 'the same options'}, or make another index"
        )
    return found


def _place_of(output: str) -> str:
    """What an index calls a run directory."""
    local = paths.local_path(output)
    return paths.identity(output) if local is None else os.path.abspath(local)


def _chunk(path: str, entry: dict[str, Any]) -> Chunk:
    files = [File(chunk_path(path, kind, entry[kind][1]), *entry[kind]) for kind in KINDS]
    return Chunk(entry["shard"], entry["rows"], entry["documents"], *files)


def _entry(chunk: Chunk) -> dict[str, Any]:
    files = {kind: [getattr(chunk, kind).bytes, getattr(chunk, kind).hash] for kind in KINDS}
    return {"shard": chunk.shard, "rows": chunk.rows, "documents": chunk.documents, **files}


def chunk_path(path: str, kind: str, digest: str) -> str:
    """Where a file of a chunk lies."""
    return paths.join(path, CHUNKS, f"{kind}-{digest}.arrow")


def part_path(path: str, name: str) -> str:
    """Where the list of a part's chunks lies."""
    return paths.join(path, PARTS, f"{name}.json")


def _name_of(data: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(data)


def listed(chunks: Iterable[Chunk]) -> tuple[str, bytes]:
    """The name of a part, and what lists its chunks."""
    data = (json.dumps({"chunks": [_entry(chunk) for chunk in chunks]}) + "\n").encode()
    return _name_of(data), data


def placed(path: str, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks with their files put into an index, which does not list them yet. Raises DamagedFile where one is
    gone."""

    def place(file: File, kind: str) -> File:
        target = chunk_path(path, kind, file.hash)
        if paths.size(target) != file.bytes:
            if not paths.exists(file.path):
                raise paths.DamagedFile(file.path, "it is gone")
            paths.publish(file.path, target)
        return File(target, file.bytes, file.hash)

    def place_all(chunk: Chunk) -> Chunk:
        keys, sets, ids = (place(getattr(chunk, kind), kind) for kind in KINDS)
        return chunk._replace(keys=keys, shingles=sets, ids=ids)

    return parallel.each(place_all, chunks, path)


def describe(path: str) -> str:
    """Lines about an index. Raises IndexRefused, FileNotFoundError where there is none."""
    index = load(path)
    if index is None:
        raise FileNotFoundError(f"{path} holds no index of near-duplicates")
    documents, size = (sum(getattr(part, name) for part in index.parts) for name in ("documents", "bytes"))
    each = f", {size / documents:,.0f} a document" if documents else ""
    lines = [
        f"index of near-duplicates: {documents:,} documents in {len(index.parts)} parts, {size:,} bytes{each}",
        f"compared by {index.definition}",
        "set " + ", ".join(f"{name}: {value}" for name, value in index.options.items() if value != ""),
    ]
    lines += [f"part {p.name}: {p.documents:,} documents, {p.bytes:,} bytes, of {p.output}" for p in index.parts]
    return "\n".join(lines)
