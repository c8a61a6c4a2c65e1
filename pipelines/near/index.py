"""An index of near-duplicates on disk: documents that runs have kept, for later runs to be compared with.

    INDEX/index.json            what it is an index of, and its parts, one for each run that has added to it
    INDEX/parts/NAME.json       the chunks of a part (`known.Chunk`)
    INDEX/chunks/*.arrow        their files: keys of buckets, shingle sets, ids

A file never changes: the name of a part, and those of the files of a chunk, are made of what they hold. Only index.json
is replaced, in one atomic step, so that an update that is killed leaves the index as it was, and whoever reads it sees
all of an update or nothing (`index_changes`).

A run is known by its output. Done again it is compared with the parts before its own, as it was the first time, and
what it adds takes the place of that; into another output it is another corpus. So parts are in the order in which runs
have first come, and the numbers of chunks ascend in it, with room for a part to grow. A document takes some 8
bytes for each band (265 in all with the 32 of threshold 0.8) and for each of its shingles, and its id: about as much as
its text, of which all but 300 bytes are shingles, which `verification: none` leaves out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import xxhash

from corpus.dedup.near import Near
from corpus.io import parallel, paths
from pipelines.engine import File, describe_file
from pipelines.near.known import FIRST_SHARD, Chunk

FORMAT = "winnow-near-index/1"
NAME, PARTS, CHUNKS = "index.json", "parts", "chunks"
KINDS = ("keys", "shingles", "ids")
DEFINING = (
    *("normalisation", "unit", "tokenizer", "ngram", "scheme", "hash", "permutations", "seed", "bands", "rows"),
    "verification",
)
"""The options that decide what an index holds of a document."""
ROOM = 1 << 14
"""Numbers that a part has at least, for its chunks and those that it may have one day: 1 TiB of text with the default
`working_bytes`; there are enough for 131,072 such parts."""


class IndexRefused(ValueError):
    """An index that cannot be used, or not so; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What one run has added: its name, made of its content; the name that it had when the run added it, of which
    documents may have been deleted since; the run's output, by which that knows its own part again; the number of its
    first chunk as a shard; how many chunks, documents and bytes it has."""

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

    def own(self, output: str) -> Part | None:
        """The part of the run into an output (`place_of`)."""
        return next((part for part in self.parts if part.output == output), None)

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
            raise IndexRefused(f"{path} is damaged ({error}): {_remedy(self.path, part)}") from None

    def is_whole(self, part: Part, check: bool) -> bool:
        """Whether all files of a part are there, with their sizes, and their checksums where those are asked for."""
        try:
            files = [getattr(chunk, kind) for chunk in self.chunks([part]) for kind in KINDS]
        except IndexRefused:
            return False
        there = {each.name: each.size for each in paths.entries(paths.join(self.path, CHUNKS))}
        whole = all(there.get(paths.basename(file.path)) == file.bytes for file in files)
        return whole and not (check and any(describe_file(file.path).hash != file.hash for file in files))


@dataclasses.dataclass(frozen=True)
class Base:
    """What a run is compared with: an index without the part of the run itself and those behind it, which were
    compared with it; whose `next` is the number of its first chunk. Beside that the run's output, as the index calls
    it; its own part, if it has one; the number that its chunks have to stay below."""

    index: Index
    output: str
    own: Part | None
    end: int


@dataclasses.dataclass(frozen=True)
class Update:
    """What a run has to add to an index as soon as it is proven: behind what it has been compared with, or in the
    place of its own part, the chunks, whose files are in the index already."""

    base: Base
    chunks: list[Chunk]


def base_of(path: str, near: Near, output: str, update: bool) -> Base:
    """What a run into an output is compared with, `update`: before it adds to an index. Raises IndexRefused."""
    index = check(path, near, update)
    place = place_of(output)
    own = index.own(place)
    if own is None:
        return Base(index, place, None, 0)
    behind = index.parts[index.parts.index(own) + 1 :]
    before = dataclasses.replace(index, parts=index.before(own), next=own.first)
    return Base(before, place, own, behind[0].first if behind else 0)


def update_of(base: Base, chunks: list[Chunk], check: bool) -> Update | None:
    """What there is to add of a run that keeps these chunks, whose files are put into the index; None where that has
    what the run decides, but for documents that were deleted. `check`: by checksums. Raises IndexRefused, DamagedFile
    where a file of a chunk is gone."""
    index, own = base.index, base.own
    if own and own.origin == listed(base.output, chunks)[0] and index.is_whole(own, check):
        return None
    if index.next + len(chunks) > base.end:
        what = f"part {own.name} of an earlier run into {own.output}" if own else "a further part"
        raise IndexRefused(
            f"{index.path} has numbers for {base.end - index.next:,} chunks of {what}, and this run has "
            f"{len(chunks):,}: "
            + (f"take it out with `winnow index {index.path} --remove {own.name}`" if own else "make another index")
        )
    return Update(base, _placed(index.path, chunks, check))


@contextlib.contextmanager
def explained(path: str | None) -> Iterator[None]:
    """Raises IndexRefused for a damaged file of the index in a folder, with what there is to do."""
    try:
        yield
    except paths.DamagedFile as damage:
        if path and (index := load(path)):
            for part in index.parts:
                if any(damage.path == getattr(chunk, kind).path for chunk in index.chunks([part]) for kind in KINDS):
                    raise IndexRefused(f"{damage}: {_remedy(index.path, part)}") from None
        raise


def _remedy(path: str, part: Part) -> str:
    return (
        f"run into {part.output} again with --replace, which puts it there, or take the part out with "
        f"`winnow index {path} --remove {part.name}`"
    )


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


def place_of(folder: str) -> str:
    """A folder by its absolute path or URI: what an index calls a run directory."""
    local = paths.local_path(folder)
    return paths.identity(folder).rstrip("/") if local is None else os.path.abspath(local)


def check_places(used: Sequence[tuple[str, bool]], output: str, folders: Sequence[str]) -> None:
    """Raises IndexRefused where an index lies in one of the folders of a run's output, or around that, and where an
    index that a step updates is of another step, too, which a rerun would compare with what that has added. `used`:
    the index of each step that has one, and whether it updates it."""
    for path, _ in used:
        inside = paths.join(path, NAME)
        if paths.is_inside(paths.join(output, NAME), path):
            raise IndexRefused(f"index {path} is, or has in it, {output}, where this run writes; choose another folder")
        for folder in folders:
            if paths.is_inside(inside, paths.join(output, folder)):
                raise IndexRefused(
                    f"index {path} lies in {paths.join(output, folder)}, which is the run's own; choose another folder"
                )
    places = [place_of(path) for path, _ in used]
    for path, update in used:
        if update and places.count(place_of(path)) > 1:
            raise IndexRefused(
                f"index {path} is updated by a step, and another step of the recipe has it, too: run them apart, or "
                "give each an index of its own"
            )


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


def listed(output: str, chunks: Iterable[Chunk]) -> tuple[str, bytes]:
    """The name of the part of the run into an output, and what lists its chunks."""
    data = (json.dumps({"output": output, "chunks": [_entry(chunk) for chunk in chunks]}) + "\n").encode()
    return _name_of(data), data


def _placed(path: str, chunks: Sequence[Chunk], check: bool) -> list[Chunk]:
    """The chunks with their files put into an index, which does not list them yet; `check`: where one lies there
    already it is compared by its checksum. Raises DamagedFile where one is gone."""

    def place(file: File, kind: str) -> File:
        target = chunk_path(path, kind, file.hash)
        if paths.size(target) != file.bytes or (check and describe_file(target).hash != file.hash):
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
