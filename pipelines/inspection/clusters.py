"""What is in a table of clusters of near-duplicates: how many there are, and the largest."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from corpus.io import shards
from pipelines.inspection import places
from pipelines.near.tables import TABLE_SCHEMA

MEMBERS = 5
"""Documents of a cluster that are shown, beside the one that is kept."""
_COLUMNS = ("id", "kept", "similarity", "size", "address")


def is_one(names: Sequence[str]) -> bool:
    """Whether files are of a table of clusters, by the columns of the first."""
    return bool(names) and shards.columns_of(names[0]) == TABLE_SCHEMA.names


def describe(names: Sequence[str], most: int) -> list[str]:
    """Lines about the files of a table: how many clusters, and the `most` largest, of equals the first, with some of
    their documents. Raises DamagedFile."""
    documents = clusters = 0
    largest: list[tuple[int, int, str, str]] = []
    for batch in _batches(names):
        kept = batch.filter(batch["kept"])
        documents, clusters = documents + batch.num_rows, clusters + kept.num_rows
        for number, row in enumerate(kept.to_pylist(), clusters - kept.num_rows):
            heapq.heappush(largest, (row["size"], -number, row["address"], row["id"]))
            if len(largest) > most:
                heapq.heappop(largest)
    members: dict[str, list[str]] = {address: [] for _, _, address, _ in largest}
    for batch in _batches(names):
        chosen = pc.and_(pc.is_in(batch["address"], pa.array(list(members), pa.string())), pc.invert(batch["kept"]))
        for row in batch.filter(chosen).to_pylist():
            if len(members[row["address"]]) < MEMBERS:
                similarity = "not compared" if row["similarity"] is None else f"{row['similarity']:.4f}"
                members[row["address"]].append(f"    {similarity} {places.printable(row['id'])}")
    lines = [f"{clusters:,} clusters of {documents:,} near-duplicates"]
    for size, _, address, name in sorted(largest, reverse=True):
        lines += [f"  {size:,} documents, kept is {places.printable(name)}", *members[address]]
        if size - 1 > MEMBERS:
            lines.append(f"    and {size - 1 - MEMBERS:,} more")
    return lines


def _batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for name in names:
        yield from shards.read(name, columns=_COLUMNS)
