"""The passages that are in most places, for a report: counted where it is decided what is kept, shown from the document
that has each first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup.units import Unit, bytes_of
from corpus.documents import ROW_BITS
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Outputs, Task, describe_file
from pipelines.maps.frequent import Piece, shown


class Passage(NamedTuple):
    """In so many places and documents; first in the document at an address, from one unit to before another."""

    places: int
    documents: int
    address: int
    start: int
    end: int


def figures(
    context: Context, listed: Sequence[Sequence[int]], shards: Sequence[ShardView], unit: Unit, tokenizer: Sequence[str]
) -> dict[str, Any]:
    """The rows of a report about some passages, of documents in these shards. tokenizer: the folder, where units are
    tokens, and the files in it."""
    passages = [Passage(*each) for each in listed]
    if not passages:
        return {}
    numbers = {passage.address >> ROW_BITS for passage in passages}
    some = tuple(shard for shard in shards if shard.number in numbers)
    inputs = tuple(pair for shard in some for pair in shard.inputs())
    inputs += tuple((path, describe_file(path).hash) for path in tokenizer[1:])
    task = Task("00000", (some, passages), inputs, sum(shard.text_bytes for shard in some))
    asked = (unit, tokenizer[0] if tokenizer else "")
    (made,) = context.map("frequent", show, [task], ([list(passage) for passage in passages], *asked), asked)
    return {"most_frequent": made.counters["most"]}


def show(
    argument: tuple[Sequence[ShardView], Sequence[Passage]], outputs: Outputs, common: tuple[Unit, str]
) -> dict[str, Any]:
    """The passages with their text and the domain of the page that has them first, a row each."""
    shards, listed = argument
    rows: dict[Passage, dict[str, Any]] = {}
    for shard, at, batch in views.read_all(shards):
        for passage in listed:
            row = passage.address & ((1 << ROW_BITS) - 1)
            place = int(np.searchsorted(at, row))
            if passage.address >> ROW_BITS == shard.number and place < len(at) and at[place] == row:
                rows[passage] = _shown(passage, batch.slice(place, 1), *common)
    return {"most": [rows[passage] for passage in listed if passage in rows]}


def _shown(passage: Passage, document: pa.RecordBatch, unit: Unit, tokenizer: str) -> dict[str, Any]:
    row, start, end = (np.array([place], np.int64) for place in (0, passage.start, passage.end))
    start, end = bytes_of(document["text"], unit, row, start, end, tokenizer)
    return shown(Piece(*passage[:3], int(start[0]), int(end[0])), document)
