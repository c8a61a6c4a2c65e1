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
from pipelines.near import index as indexes
from pipelines.near.index import KINDS, Index, IndexRefused, Part, Update
from pipelines.near.known import Chunk, without
from pipelines.near.sidecars import read_sidecar

Say = Callable[[str], None]


def add(update: Update, say: Say) -> None:
    """Add the documents that a run has kept as a part; nothing where that has been done before. Raises IndexRefused
    where the index is not what the run has been compared with any more, Locked where somebody else changes it."""
    index, origin, output, chunks = update.index, update.origin, update.output, update.chunks
    name, data = indexes.listed(chunks)
    documents, size = sum(chunk.documents for chunk in chunks), sum(chunk.bytes for chunk in chunks)
    part = Part(name, origin, output, index.next, len(chunks), documents, size)
    with Lock(index.path, say):
        now = indexes.load(index.path) or Index(index.path, index.definition, index.options)
        if now.own(origin):
            return
        gone = [file.path for chunk in chunks for kind in KINDS for file in [getattr(chunk, kind)]]
        sizes = parallel.each(paths.size, gone, index.path)
        if now.parts != index.parts or -1 in sizes:
            raise IndexRefused(
                f"{index.path} has been changed by somebody else while this run was going on; the same command with "
                "--replace compares with what it holds now"
            )
        paths.write_atomic(indexes.part_path(index.path, name), data)
        _save(dataclasses.replace(now, next=index.next + len(chunks), parts=(*now.parts, part)))


def _save(index: Index) -> None:
    record = {"format": indexes.FORMAT, **{name: getattr(index, name) for name in ("definition", "options", "next")}}
    parts = [dataclasses.asdict(part) for part in index.parts]
    data = json.dumps({**record, "parts": parts}, indent=1) + "\n"
    paths.write_atomic(paths.join(index.path, indexes.NAME), data.encode())


def remove(path: str, names: Collection[str], say: Say) -> int:
    """Take parts out, by their names; how many documents they had. Raises IndexRefused, Locked."""
    with Lock(path, say):
        index = _existing(path)
        try:
            options.check_known(names, [part.name for part in index.parts], "part", path)
        except options.OptionError as error:
            raise IndexRefused(str(error)) from None
        left = tuple(part for part in index.parts if part.name not in names)
        _save(dataclasses.replace(index, parts=left))
        _sweep(index, left)
    return sum(part.documents for part in index.parts) - sum(part.documents for part in left)


def delete(path: str, ids: Collection[str], say: Say) -> int:
    """Delete the documents with these ids from whichever parts have them; how many those were. The chunks that have
    some are written anew. Raises IndexRefused, Locked."""
    with Lock(path, say):
        index, wanted = _existing(path), pa.array(list(ids), pa.string())
        parts = tuple(_without(index, part, wanted) for part in index.parts)
        if parts != index.parts:
            _save(dataclasses.replace(index, parts=parts))
            _sweep(index, parts)
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
    name, data = indexes.listed(after)
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


def _sweep(index: Index, parts: Sequence[Part]) -> None:
    """Delete what an index has of files that its parts do not name."""
    chunks = index.chunks(parts)
    named = {paths.basename(getattr(chunk, kind).path) for chunk in chunks for kind in KINDS}
    named |= {paths.basename(indexes.part_path(index.path, part.name)) for part in parts}
    folders = [paths.join(index.path, folder) for folder in (indexes.PARTS, indexes.CHUNKS)]
    for folder in folders:
        paths.remove([paths.join(folder, each.name) for each in paths.entries(folder) if each.name not in named])
