"""The most frequent of the pieces of text that repeat, for a report: counted where they meet, shown from where they
stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup.pieces import Repeats
from corpus.documents import ROW_BITS, shard_and_row
from corpus.text.urls import domains_of
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Manifest, Outputs, Task

MOST = 20
"""Pieces that are shown, and that each part of the work remembers."""
SHOWN = 200
"""Characters of a piece that are shown."""


class Piece(NamedTuple):
    """A piece that repeats: in how many places and documents, and where it stays, or would (bytes of the document at an
    address)."""

    places: int
    documents: int
    address: int
    start: int
    end: int


def most(found: Repeats) -> dict[str, Any]:
    """Counters of a part of the repeats that has all places of its pieces, as `pieces.repeated` gives them: how many
    pieces there are (`repeated`), how many places lose theirs (`places`), `most`: the pieces with the most places."""
    others = (found.addresses != found.owners) | (found.starts != found.owner_starts)
    owners, starts = found.owners[others], found.owner_starts[others]
    new = np.ones(len(owners), np.bool_)  # all other places of a piece are together
    new[1:] = (np.diff(owners) != 0) | (np.diff(starts) != 0)
    first = np.flatnonzero(new)
    counts = np.diff(np.append(first, len(owners)))
    enough = (
        np.flatnonzero(counts >= np.partition(counts, -MOST)[-MOST]) if len(first) > MOST else np.arange(len(first))
    )
    listed = []
    for piece in enough[np.lexsort((starts[first[enough]], owners[first[enough]], -counts[enough]))][:MOST].tolist():
        place, count = int(first[piece]), int(counts[piece])
        documents = np.append(found.addresses[others][place : place + count], owners[place])
        end = int(found.owner_ends[others][place])
        listed.append(list(Piece(count + 1, len(np.unique(documents)), int(owners[place]), int(starts[place]), end)))
    return {"repeated": len(first), "places": int((~found.owned).sum()), "most": listed}


def figures(context: Context, view: Sequence[ShardView], reduced: Sequence[Manifest]) -> dict[str, Any]:
    """What the counters of `most` come to, for a report: a map of one task reads the pieces that it shows. view: before
    the step's own decisions."""
    found = [part for manifest in reduced for part in manifest.counters["found"]]
    total = {name: sum(part[name] for part in found) for name in ("pieces", "repeated", "places")}
    listed = [Piece(*each) for part in found for each in part["most"]]
    listed.sort(key=lambda piece: (-piece.places, piece.address, piece.start))
    listed = listed[:MOST]
    if not listed:
        return total
    numbers = {piece.address >> ROW_BITS for piece in listed}
    shards = tuple(shard for shard in view if shard.number in numbers)
    inputs = tuple(pair for shard in shards for pair in shard.inputs())
    task = Task("00000", (shards, listed), inputs, sum(shard.text_bytes for shard in shards))
    (shown,) = context.map("frequent", show, [task], [list(piece) for piece in listed])
    return {**total, "most_frequent": shown.counters["most"]}


def show(argument: tuple[Sequence[ShardView], Sequence[Piece]], outputs: Outputs) -> dict[str, Any]:
    """The pieces with their text and the domain of the page that has them, a row each."""
    shards, listed = argument
    rows: dict[Piece, dict[str, Any]] = {}
    for shard, at, batch in views.read_all(shards):
        for piece in listed:
            number, row = (int(part) for part in shard_and_row(np.int64(piece.address)))
            place = int(np.searchsorted(at, row))
            if number == shard.number and place < len(at) and at[place] == row:
                rows[piece] = shown(piece, batch.slice(place, 1))
    return {"most": [rows[piece] for piece in listed if piece in rows]}


def shown(piece: Piece, document: pa.RecordBatch) -> dict[str, Any]:
    """The row of a piece, with its text from the document that has it."""
    text = document["text"][0].as_py().encode()[piece.start : piece.end].decode(errors="replace")
    url = document["url"] if "url" in document.schema.names else pa.nulls(1, pa.string())
    (domain,) = domains_of(url.cast(pa.string())).to_pylist()
    found = {
        "places": piece.places,
        "documents": piece.documents,
        "text": text[:SHOWN],
        "bytes": piece.end - piece.start,
    }
    return {**found, "domain": domain or ""}
