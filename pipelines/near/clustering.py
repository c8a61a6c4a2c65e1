"""Which documents go, and because of which: the documents of crowded buckets by group, then all edges in one task."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import mmap
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa

from corpus.dedup import clusters, crowds
from corpus.documents import ROW_BITS, shard_and_row
from corpus.io import shards
from pipelines.engine import File, Outputs
from pipelines.maps import exchange as exchanges
from pipelines.maps.decide import ProposalWriter, proposals
from pipelines.maps.exchange import Exchange
from pipelines.maps.sidecars import END, read_sidecar
from pipelines.near.known import Chunk, Names, shards_of
from pipelines.near.sidecars import sets_of
from pipelines.near.tables import write_members
from pipelines.near.verification import EDGE_SCHEMA

ROWS_AT_A_TIME = 4096
"""Documents of a crowd that are moved at a time."""

CROWD = "crowd.arrow"
CROWD_SCHEMA = pa.schema([("address", pa.int64()), ("keys", pa.int64()), ("record", pa.large_list(pa.uint64()))])


def gather_crowd(argument: tuple[int, File], outputs: Outputs, common: Exchange) -> dict[str, Any]:
    """The documents of this group that are in crowded buckets: how many of these, and what `crowds.Crowd` stores."""
    group, sidecar = argument
    table = exchanges.read(common, group)
    documents, keys, begins = crowds.members(table["key"].to_numpy(), table["address"].to_numpy())
    with shards.ShardWriter(outputs.path(CROWD), CROWD_SCHEMA, checked=True) as writer:
        for batch in read_sidecar(sidecar) if len(documents) else ():
            sets = sets_of([batch])
            here = slice(*np.searchsorted(documents, [sets.addresses.min(), sets.addresses.max() + 1]).tolist())
            first, last = begins[here.start], begins[here.stop]
            places = np.searchsorted(sets.addresses, documents[here])
            flat, lengths = crowds.records(
                keys[first:last], begins[here.start : here.stop + 1] - first, sets.values, sets.offsets, places
            )
            rows = pa.LargeListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]), flat)
            columns = [pa.array(documents[here]), pa.array(np.diff(begins)[here]), rows]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=CROWD_SCHEMA))
        writer.write(pa.RecordBatch.from_pylist([], CROWD_SCHEMA), note=END)
    return {"documents": len(documents)}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Argument of the clusters task: the files of edges, and of documents in crowded buckets, of one group after the
    other, none where nobody has any; the files of priorities, none where the first document stays; how many
    documents each shard has; the first shard of each group; bytes to hold; chunks of known documents, which stay and
    are before all others; whether the others are compared with those only."""

    mode: clusters.Mode
    threshold: float
    files: tuple[File, ...]
    crowd: tuple[File, ...]
    priorities: tuple[File, ...]
    documents: np.ndarray
    firsts: np.ndarray
    hold: int
    known: tuple[Chunk, ...] = ()
    alone: bool = False


def cluster(argument: Cluster, outputs: Outputs) -> dict[str, Any]:
    """Choose what is dropped and for which document, and say who is in clusters (`tables`); figures and the largest
    clusters for the report."""
    chunks = len(argument.known)
    places = np.concatenate([shards_of(argument.known), np.arange(len(argument.documents))])  # shards in their order
    rows = [*(chunk.rows for chunk in argument.known), *argument.documents]
    begins = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)  # each shard's first document
    known = int(begins[chunks])
    order = rank = None
    if argument.priorities:
        order, rank = _order(argument, begins, known)

    def numbers(addresses: np.ndarray) -> np.ndarray:
        shard, row = shard_and_row(addresses)
        if chunks:
            shard = np.where(shard < 0, np.searchsorted(places, shard), shard + chunks)
        found = begins[shard] + row
        return found if rank is None else rank[found]

    def addresses(numbers: np.ndarray) -> np.ndarray:
        numbers = numbers if order is None else order[numbers]
        shard = np.searchsorted(begins, numbers, side="right") - 1
        return places[shard] << ROW_BITS | numbers - begins[shard]

    ends = begins[[*(chunks + argument.firsts[1:]).tolist(), len(rows)]].tolist()
    if rank is not None:
        ends = ends[-1:]
    parts = functools.partial(_edges, argument, numbers, len(ends), rank is not None)
    writer = ProposalWriter(outputs, argument.firsts, argument.hold)
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    with _crowd_of(argument.crowd, numbers) as crowd:
        greedy = crowds.Greedy(crowd, int(begins[-1]), argument.threshold, known, argument.alone)
        for dropped, by, score in clusters.leaders_in_parts(parts, ends, argument.mode, greedy):
            new = dropped >= known  # of a component more than the first may be known
            found.append((addresses(dropped[new]), addresses(by[new]), score[new]))
        names = Names(argument.known, np.concatenate([by for _, by, _ in found]))
        for dropped, by, score in found[1:]:
            proposed, of_shard = proposals(dropped, by, "near_duplicate", score)
            writer.add(names.put(proposed, by), of_shard)
        figures = {"crowded": len(crowd), "compared_in_crowds": greedy.compared, "cut_short": greedy.cut_short}
    counters = writer.close()
    dropped, by, score = (np.concatenate(columns) for columns in zip(*found))
    del found
    figures |= clusters.cluster_figures(by, score)
    if chunks:
        figures["dropped_by_known"] = int((by < 0).sum())
    if argument.mode == "components" and figures["largest"] >= clusters.GIANT:
        figures |= _giant(parts, numbers(dropped), by)
    counters |= write_members(outputs, argument.firsts, argument.hold, dropped, by, score, names)
    return {"figures": figures, "examples": names.add_to(_largest(dropped, by, score)), **counters}


def _giant(parts: Callable[[], Iterator[clusters.Edges]], dropped: np.ndarray, by: np.ndarray) -> dict[str, Any]:
    """Figures of the largest component: of documents that are chained together, the ends may have nothing in common."""
    kept, sizes = np.unique(by, return_counts=True)
    members = np.sort(dropped[by == kept[np.argmax(sizes)]])
    diameter = clusters.diameter_at_least(*clusters.component_of(parts, members))
    size = len(members) + 1
    warning = (
        f"the largest component has {size:,} documents, some of them {diameter} steps of similarity from each other; "
        "one of them stays (mode: leader drops only what is similar to what stays)"
    )
    return {"diameter": diameter} | ({"warning": warning} if diameter > 2 else {})


def _order(argument: Cluster, begins: np.ndarray, known: int) -> tuple[np.ndarray, np.ndarray]:
    """(the documents by their priority, behind the first so many, which are known; the place of each in that order)."""
    priority = np.full(begins[-1], -np.inf)
    priority[:known] = np.inf
    for file in argument.priorities:
        table = shards.read_table(file.path, file.hash)
        shard, row = shard_and_row(table["address"].to_numpy())
        priority[begins[len(argument.known) + shard] + row] = table["priority"].to_numpy()
    order = clusters.order_of(priority)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return order, rank


def _edges(
    argument: Cluster, numbers: Callable[[np.ndarray], np.ndarray], groups: int, together: bool
) -> Iterator[clusters.Edges]:
    """The edges of each group; those of all `together` where their order is not that of the groups."""
    nothing = clusters.Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    found = [nothing]
    for file in argument.files:
        table = shards.read_table(file.path, file.hash)
        first, second, similarity = (table[name].to_numpy() for name in EDGE_SCHEMA.names)
        edges = clusters.Edges(numbers(first), numbers(second), similarity)
        if together:
            found.append(edges)
        else:
            yield edges
    if together:
        one, other, similarity = (np.concatenate(columns) for columns in zip(*found))
        yield clusters.directed(one, other, similarity)
    elif not argument.files:
        yield from [nothing] * groups


@contextlib.contextmanager
def _crowd_of(files: Sequence[File], numbers: Callable[[np.ndarray], np.ndarray]) -> Iterator[crowds.Crowd]:
    """The documents of crowded buckets in the order of their numbers; the store is a file of this machine."""
    if not files:
        yield crowds.NOBODY
        return
    documents, keys, lengths = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.zeros(1, np.int64)]
    with (
        tempfile.TemporaryFile(prefix="winnow-crowd-") as store,
        tempfile.TemporaryFile(prefix="winnow-crowd-") as other,
    ):
        for file in files:
            for batch in read_sidecar(file):
                documents.append(numbers(batch.column(0).to_numpy()))
                keys.append(batch.column(1).to_numpy())
                lengths.append(np.diff(batch.column(2).offsets.to_numpy()))
                store.write(batch.column(2).flatten().to_numpy().data)
        crowd = _mapped(store, np.concatenate(documents), np.concatenate(lengths), np.concatenate(keys))
        places = np.argsort(crowd.numbers)
        if (np.diff(places) != 1).any():
            for start in range(0, len(places), ROWS_AT_A_TIME):
                other.write(crowds.gather(crowd, places[start : start + ROWS_AT_A_TIME]).data)
            sizes = np.concatenate([[0], np.diff(crowd.begins)[places]])
            crowd = _mapped(other, crowd.numbers[places], sizes, (crowd.sets - crowd.begins[:-1])[places])
        yield crowd


def _mapped(store: IO[bytes], numbers: np.ndarray, sizes: np.ndarray, keys: np.ndarray) -> crowds.Crowd:
    """A crowd whose store is a file; `sizes` of the records, behind a 0, and how many keys each has."""
    store.flush()
    begins = np.cumsum(sizes).astype(np.int64)
    mapped = mmap.mmap(store.fileno(), 0)
    return crowds.Crowd(numbers, begins, begins[:-1] + keys, np.frombuffer(mapped, np.uint64), mapped)


def _largest(dropped: np.ndarray, by: np.ndarray, score: np.ndarray, count: int = 10, members: int = 3) -> list[dict]:
    """The largest clusters: the kept document, how many it stands for, some of those, as addresses."""
    kept, sizes = np.unique(by, return_counts=True)
    order = np.lexsort((kept, -sizes))[:count]
    return [
        {
            "kept": int(kept[i]),
            "size": int(sizes[i]) + 1,
            "dropped": [
                [int(a), None if np.isnan(s) else round(float(s), 4)]
                for a, s in zip(dropped[by == kept[i]][:members], score[by == kept[i]])
            ],
        }
        for i in order
    ]
