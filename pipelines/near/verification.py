"""Which candidates are alike: shingles travel to where the second document is, and every pair is compared there."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.dedup import lsh
from corpus.dedup.near import Near
from corpus.io import shards
from pipelines.engine import File, Outputs, Unproven
from pipelines.maps import exchange as exchanges
from pipelines.maps.exchange import Exchange
from pipelines.maps.sidecars import read_sidecar
from pipelines.near.candidates import PAIR_SCHEMA, PAIRS
from pipelines.near.sidecars import SHINGLE_SCHEMA, Sets, among, sets_of

ROWS_AT_A_TIME = 4096
"""Documents that are sent at a time: one may be wanted by thousands of groups."""
MOST_PARTS = 1024
"""Into how many parts the pairs of a group are divided, at most."""

VISITORS, EDGES = "visitors.arrow", "edges.arrow"
EDGE_SCHEMA = pa.schema([("first", pa.int64()), ("second", pa.int64()), ("similarity", pa.float64())])


class Sending(NamedTuple):
    """What all sending tasks share: the exchange of what is wanted, a partition for each group; bytes to hold. The
    argument of a task is the number of a group, and the sidecar with its shingles."""

    wanted: Exchange
    hold: int


class Verification(NamedTuple):
    """What all verify tasks share: the first shard of each group; the exchanges of the pairs, and of the shingles of
    first documents in other groups, a partition for each group; bytes of pairs to hold. The argument of a task is as
    for `Sending`."""

    step: Near
    firsts: np.ndarray
    pairs: Exchange
    visitors: Exchange | None
    hold: int


def send(argument: tuple[int, File], outputs: Outputs, common: Sending) -> dict[str, Any]:
    """The shingles of this group's documents that others want, to each of these."""
    group, sidecar = argument
    table = exchanges.read(common.wanted, group)
    wanted, to = lsh.unique_pairs(table["address"].to_numpy(), table["group"].to_numpy())
    with exchanges.Writer(outputs.path(VISITORS), SHINGLE_SCHEMA, common.hold, common.wanted.partitions) as writer:
        for batch in read_sidecar(sidecar) if len(wanted) else ():
            addresses = batch.column(0).to_numpy()
            if len(addresses):
                low, high = np.searchsorted(wanted, [addresses[0], addresses[-1] + 1])
                places = np.searchsorted(addresses, wanted[low:high])
                for part in range(0, high - low, ROWS_AT_A_TIME):
                    here = slice(part, part + ROWS_AT_A_TIME)
                    rows = batch.take(pa.array(places[here]))
                    writer.add(pa.Table.from_batches([rows]), to[low:high][here])
    return {"documents": writer.rows, VISITORS: writer.counters()}


def verify(argument: tuple[int, File], outputs: Outputs, common: Verification) -> dict[str, Any]:
    """The similarity of every pair; those that are similar become edges, ascending by (second, first)."""
    group, sidecar = argument
    compared = verified = 0
    with shards.ShardWriter(outputs.path(EDGES), EDGE_SCHEMA) as writer:
        writer.write(pa.RecordBatch.from_pylist([], EDGE_SCHEMA))
        for first, second in _by_second(group, sidecar, common):
            similarity = _similarity(group, sidecar, common, first, second)
            found = np.flatnonzero(common.step.is_similar(similarity))
            found = found[np.lexsort((first[found], second[found]))]
            columns = [pa.array(column[found]) for column in (first, second, similarity)]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=EDGE_SCHEMA))
            compared, verified = compared + len(first), verified + len(found)
    return {"pairs": compared, "verified": verified}


def _by_second(group: int, sidecar: File, common: Verification) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of a group, each once, ascending: all at once, or, where they take more than `hold` bytes, those of
    some of its second documents after those of the documents before. Such pairs go through a file."""
    pieces, head, held = exchanges.pieces(common.pairs, group), [], 0
    for piece in pieces:
        head.append(piece)
        held += piece.nbytes
        if held > common.hold:
            break
    else:
        yield _distinct(head)
        return
    parts = min(exchanges.power_of_two(4 * common.pairs.bytes / common.hold), MOST_PARTS)
    addresses = np.concatenate([batch.column(0).to_numpy() for batch in read_sidecar(sidecar)])
    bounds = addresses[np.arange(1, parts) * len(addresses) // parts]
    with tempfile.TemporaryDirectory(prefix="winnow-pairs-") as folder:
        path = os.path.join(folder, PAIRS)
        with exchanges.Writer(path, PAIR_SCHEMA, common.hold // 4, parts) as writer:
            for piece in itertools.chain(head, pieces):
                writer.add(pa.Table.from_batches([piece]), np.searchsorted(bounds, piece["second"], side="right"))
            del head
        divided = Exchange(((path,),), parts, "", writer.rows, writer.bytes)
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        for part in range(parts):
            waiting.append(_distinct(exchanges.pieces(divided, part)))
            if part + 1 == parts or sum(first.nbytes for first, _ in waiting) > common.hold // 4:
                yield lsh.unique_pairs(*map(np.concatenate, zip(*waiting)))
                waiting = []


def _distinct(pieces: Iterable[pa.RecordBatch]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that several buckets may have, each once, ascending by (first, second)."""
    table = pa.Table.from_batches(pieces, PAIR_SCHEMA)
    return lsh.unique_pairs(table["first"].to_numpy(), table["second"].to_numpy())


def _similarity(group: int, sidecar: File, common: Verification, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of pairs, ascending, whose second documents are in this group."""
    similarity = np.full(len(first), np.nan)
    if not len(first) or common.step.verification == "none":
        return similarity
    own = sets_of([among((first, second), batch) for batch in read_sidecar(sidecar)])

    def compare(sets: Sets) -> None:
        """Pairs whose first documents these sets are of."""
        low, high = np.searchsorted(first, sets.addresses[0]), np.searchsorted(first, sets.addresses[-1], side="right")
        places = np.searchsorted(sets.addresses, first[low:high])
        here = np.flatnonzero(sets.addresses[places] == first[low:high])
        others = np.searchsorted(own.addresses, second[low:high][here])
        similarity[low + here] = common.step.similarity(sets, places[here], own, others)

    compare(own)
    for piece in exchanges.pieces(common.visitors, group) if common.visitors else ():
        compare(sets_of([piece]))
    if np.isnan(similarity).any():
        raise Unproven(f"{np.isnan(similarity).sum()} of {len(first)} pairs of documents could not be compared")
    return similarity
