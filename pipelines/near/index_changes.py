"""Changing an index: what a run adds to it, and what is taken out. One at a time: who does it holds the lock of the
folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import options
from corpus.io import parallel, paths
from pipelines.engine import describe_file
from pipelines.lock import Lock
from pipelines.maps.sidecars import read_sidecar
from pipelines.near import index as indexes
from pipelines.near.index import KINDS, Index, IndexRefused, Part, Update
from pipelines.near.known import Chunk, without

Say = Callable[[str], None]


def add(update: Update, say: Say) -> None:
    """Add the documents that a run has kept as a part, in the place of the one that it has added before. Raises
    IndexRefused where the index is not what the run has been compared with any more, Locked where somebody else changes
    it."""
    base, chunks, index = update.base, update.chunks, update.base.index
    name, data = indexes.listed(base.output, chunks)
    documents, size = sum(chunk.documents for chunk in chunks), sum(chunk.bytes for chunk in chunks)
    part = Part(name, name, base.output, index.next, len(chunks), documents, size)
    with Lock(index.path, say):
        now = indexes.load(index.path) or Index(index.path, index.definition, index.options)
        files = [getattr(chunk, kind).path for chunk in chunks for kind in KINDS]
        there = now.definition == index.definition and -1 not in parallel.each(paths.size, files, index.path)
        own = now.own(base.output)
        if not there or own != base.own or now.before(own) != index.parts:
            raise IndexRefused(
                f"{index.path} has been changed by somebody else while this run was going on; the same command with "
                "--replace compares with what it holds now"
            )
        paths.write_atomic(indexes.part_path(index.path, name), data)
        behind = now.parts[len(index.parts) + (own is not None) :]
        end = part.first + max(indexes.ROOM, 2 * len(chunks))
        after = dataclasses.replace(now, next=max(now.next, end), parts=(*index.parts, part, *behind))
        _save(after)
        if own is not None:
            _say_replaced(index.path, own, part, say)
            _sweep(after, now.parts, say)


def _say_replaced(path: str, before: Part, after: Part, say: Say) -> None:
    if before.name != after.name:
        say(
            f"{path}: {after.documents:,} documents replace {before.documents:,} of the run into {before.output} before"
        )
    if before.name != before.origin:
        say(f"{path}: of these some had been deleted; those that the run still has are back, to be deleted again")


def _save(index: Index) -> None:
    record = {"format": indexes.FORMAT, **{name: getattr(index, name) for name in ("definition", "options", "next")}}
    parts = [dataclasses.asdict(part) for part in index.parts]
    data = json.dumps({**record, "parts": parts}, indent=1) + "\n"
    paths.write_atomic(paths.join(index.path, indexes.NAME), data.encode())


def remove(path: str, names: Collection[str], say: Say) -> int:
    """Take parts out, by their names; how many documents they had. Raises IndexRefused, Locked."""
    _existing(path)  # before there is a lock where no index is
    with Lock(path, say):
        index = _existing(path)
        try:
            options.check_known(names, [part.name for part in index.parts], "part", path)
        except options.OptionError as error:
            raise IndexRefused(str(error)) from None
        left = tuple(part for part in index.parts if part.name not in names)
        after = dataclasses.replace(index, parts=left)
        _save(after)
        _sweep(after, index.parts, say)
    return sum(part.documents for part in index.parts) - sum(part.documents for part in left)


def delete(path: str, ids: Collection[str], say: Say) -> int:
    """Delete the documents with these ids from whichever parts have them; how many those were. The chunks that have
    some are written anew. Raises IndexRefused, Locked."""
    _existing(path)
    with Lock(path, say), indexes.explained(path):
        index, wanted = _existing(path), pa.array(list(ids), pa.string())
        parts = tuple(_without(index, part, wanted) for part in index.parts)
        if parts != index.parts:
            after = dataclasses.replace(index, parts=parts)
            _save(after)
            _sweep(after, index.parts, say)
    return sum(part.documents for part in index.parts) - sum(part.documents for part in parts)


def _existing(path: str) -> Index:
    index = indexes.load(path)
    if index is None:
        raise IndexRefused(f"{path} holds no index of near-duplicates")
    return index


def _without(index: Index, part: Part, ids: pa.Array) -> Part:
    """The part that is left of one, whose list and chunks are written."""
    before = index.chunks([part])
    after = [_rest(index.path, chunk, ids) for chunk in before]
    if after == before:
        return part
    name, data = indexes.listed(part.output, after)
    paths.write_atomic(indexes.part_path(index.path, name), data)
    documents, size = sum(chunk.documents for chunk in after), sum(chunk.bytes for chunk in after)
    return dataclasses.replace(part, name=name, documents=documents, bytes=size)


def _rest(path: str, chunk: Chunk, ids: pa.Array) -> Chunk:
    """A chunk without the documents that have one of these ids; itself if it has none."""
    found = [batch.filter(pc.is_in(batch["id"], ids))["address"].to_numpy() for batch in read_sidecar(chunk.ids)]
    addresses = np.concatenate(found)
    if not len(addresses):
        return chunk
    beside = [paths.temporary(indexes.chunk_path(path, kind, "new")) for kind in KINDS]
    try:
        documents = without(chunk, addresses, beside)
        written = [describe_file(name) for name in beside]
        files = [dataclasses.replace(f, path=indexes.chunk_path(path, kind, f.hash)) for kind, f in zip(KINDS, written)]
        for name, file in zip(beside, files):
            paths.publish(name, file.path)
    finally:
        paths.remove(beside)
    return Chunk(chunk.shard, chunk.rows, documents, *files)


def _sweep(index: Index, before: Sequence[Part], say: Say) -> None:
    """Delete the files that an index has and none of its parts names. Where the list of a part is damaged nobody knows
    which are its: only those go of the parts that it had before."""
    named, damaged = _names_of(index, index.parts)
    if damaged:
        say(f"{damaged}; until then files that no part names stay")
        gone, _ = _names_of(index, [part for part in before if part not in index.parts])
    else:
        gone = {each.name for folder in _folders(index) for each in paths.entries(folder)}
    for folder in _folders(index):
        here = [each.name for each in paths.entries(folder)]
        paths.remove([paths.join(folder, name) for name in here if name in gone and name not in named])


def _folders(index: Index) -> list[str]:
    return [paths.join(index.path, folder) for folder in (indexes.PARTS, indexes.CHUNKS)]


def _names_of(index: Index, parts: Sequence[Part]) -> tuple[set[str], str]:
    """The names of the files of some parts; what is to be said of the last of them whose list is damaged."""
    names, damaged = {paths.basename(indexes.part_path(index.path, part.name)) for part in parts}, ""
    for part in parts:
        try:
            chunks = index.chunks([part])
        except IndexRefused as error:
            damaged = str(error)
        else:
            names |= {paths.basename(getattr(chunk, kind).path) for chunk in chunks for kind in KINDS}
    return names, damaged
