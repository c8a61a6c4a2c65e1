"""Near-duplicates by MinHash: signatures -> candidates -> send -> verify -> crowd -> clusters -> decide.

Candidates come from locality-sensitive hashing, every candidate pair is verified by the exact
Jaccard similarity of its shingle sets, and in the default mode a document is dropped only for a
verified similarity to a document that is kept. Documents of crowded buckets have too many pairs: they come to the
clusters with their shingles (`corpus.dedup.crowds`).

A pair is verified where its second document is: with the group of shards that holds it. The shingles of first
documents of other groups are sent there, once for each group that wants them. So what is read grows with the documents
that have candidates, and not with the number of shards.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import clusters, crowds, lsh, shingles
from corpus.dedup.near import Near
from corpus.documents import ROW_BITS, address, at_hand, shard_and_row
from corpus.io import shards
from corpus.io.paths import DamagedFile
from corpus.text.arrow import buffers
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import (
    File,
    Limits,
    Manifest,
    Outputs,
    Task,
    Unproven,
    fingerprint_of_files,
    outputs_named,
    task_key,
)
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSALS, ProposalWriter, decide_map, proposals
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group, group_of
from pipelines.maps.keyed import KEYS, Keys, Reduction, reduce_map

KEY_BYTES = 16
"""Of a band of a document in the exchange: its key and the document's address."""
TEXT_AT_A_TIME = 8 << 20
"""Bytes of text that are signed at a time: their shingles, and room to sort these, take some 60 bytes for each word."""
ROWS_AT_A_TIME = 4096
"""Documents that are sent at a time: one may be wanted by thousands of groups."""
MEMORY_A_DOCUMENT, MEMORY_AN_EDGE = 8, 100
"""Bytes that the clusters task takes at most, with room."""
MEMORY_OF_A_CROWD, MEMORY_IN_A_CROWD = 1 << 29, 64
"""The same where there are crowded buckets, and for each of their documents."""
MEMORY_IN_AN_ORDER = 32
"""The same for each document where `keep` is not first."""
CURVE = range(40, 101, 5)
"""Similarities, in percent, for which the report says how many pairs are found."""
MOST_PARTS = 1024
"""Into how many parts the pairs of a group are divided, at most."""
END = b"end"
"""Note of the last batch of a sidecar."""

PAIRS, WANTED, VISITORS, SHINGLES, EDGES, CROWDED, CROWD, PRIORITY = (
    f"{name}.arrow" for name in ("pairs", "wanted", "visitors", "shingles", "edges", "crowded", "crowd", "priority")
)
PAIR_SCHEMA = pa.schema([("first", pa.int64()), ("second", pa.int64())])
WANTED_SCHEMA = pa.schema([("address", pa.int64()), ("group", pa.int64())])
EDGE_SCHEMA = pa.schema([("first", pa.int64()), ("second", pa.int64()), ("similarity", pa.float64())])
CROWDED_SCHEMA = pa.schema([("address", pa.int64()), ("key", pa.uint64())])
CROWD_SCHEMA = pa.schema([("address", pa.int64()), ("keys", pa.int64()), ("record", pa.large_list(pa.uint64()))])
PRIORITY_SCHEMA = pa.schema([("address", pa.int64()), ("priority", pa.float64())])
SHINGLE_SCHEMA = pa.schema([("address", pa.int64()), ("shingles", pa.large_list(pa.uint64()))])


@dataclasses.dataclass(frozen=True)
class NearDedup(Near, GlobalStep):
    """`corpus.dedup.near.Near` as a step of a recipe: drop documents that are near-duplicates of an earlier kept one.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> text = " ".join(f"word{number}" for number in range(30))
    >>> pq.write_table(corpus.as_table([text, "something else", text + " more"]), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.NearDedup(threshold=0.9)])
    >>> result = pipelines.run_recipe(recipe, "OUT")
    >>> pq.read_table("OUT/dropped").select(["id", "rule", "value"]).to_pylist()
    [{'id': '2', 'rule': 'near_duplicate', 'value': '0.9630 0:0'}]
    """

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The seven maps: signatures, reduce, send, verify, crowd, clusters, decide."""
        hold = context.working_bytes
        groups = grouping.of_view(view, hold)
        expected = sum(shard.documents for shard in view) * self.banding()[0] * KEY_BYTES
        partitions = exchanges.partitions_for(expected, hold)
        tasks = [group.task(Keys(self, group, partitions, hold)) for group in groups]
        mapped = context.map("signatures", emit_signatures, tasks, (self, partitions, hold))
        groups = grouping.left_out(groups, mapped)
        sidecars = outputs_named(mapped, SHINGLES)
        reduced = reduce_map(context, find_candidates, self, mapped, partitions, groups)
        pairs = exchanges.gather(context, "pairs", reduced, PAIRS, len(groups)) if reduced else None
        edges = self._verify(context, groups, reduced, pairs, sidecars) if pairs and pairs.rows else []
        crowd = self._crowd(context, groups, reduced, sidecars) if reduced else []
        clustered = self._cluster(context, groups, edges, crowd, outputs_named(mapped, PRIORITY))
        bands, rows = self.banding()
        context.found.figures[context.name] = {
            "bands": bands,
            "rows": rows,
            "threshold": self.threshold,
            "definition": self.definition,
            "found": [[each, round(100 * lsh.candidate_probability(each / 100, bands, rows), 2)] for each in CURVE],
            **clustered.counters["figures"],
        }
        context.found.examples[context.name] = clustered.counters["examples"]
        context.found.before[context.name] = [shard for group in groups for shard in group.shards]
        proposed = exchanges.of_map([clustered], PROPOSALS, len(groups))
        return decide_map(context, groups, proposed, f"Jaccard >= {self.threshold}")

    def _verify(
        self, context: Context, groups: list[Group], reduced: list[Manifest], pairs: Exchange, sidecars: list[File]
    ) -> list[Manifest]:
        """Send shingles to the groups that want them; a task for each group verifies the pairs whose second document is
        in it."""
        hold, firsts = context.working_bytes, grouping.firsts_of(groups)
        wanted = exchanges.gather(context, "wanted", reduced, WANTED, len(groups))
        visitors = None
        if wanted.rows:
            tasks = _sidecar_tasks(groups, sidecars, wanted.inputs("wanted"))
            sent = context.map("send", send, tasks, (hold,), Sending(wanted, hold))
            visitors = exchanges.gather(context, "send", sent, VISITORS, len(groups))
        inputs = (*pairs.inputs("pairs"), *(visitors.inputs("visitors") if visitors else ()))
        tasks = _sidecar_tasks(groups, sidecars, inputs)
        return context.map(
            "verify", verify, tasks, (self, hold), Verification(self.threshold, firsts, pairs, visitors, hold)
        )

    def _crowd(
        self, context: Context, groups: list[Group], reduced: list[Manifest], sidecars: list[File]
    ) -> list[Manifest]:
        """A task for each group gathers the shingles of its documents in crowded buckets."""
        if not exchanges.of_map(reduced, CROWDED, len(groups)).rows:
            return []
        crowded = exchanges.gather(context, "crowded", reduced, CROWDED, len(groups))
        tasks = _sidecar_tasks(groups, sidecars, crowded.inputs("crowded"))
        return context.map("crowd", gather_crowd, tasks, (), crowded)

    def _cluster(
        self,
        context: Context,
        groups: list[Group],
        verified: list[Manifest],
        crowd: list[Manifest],
        priorities: list[File],
    ) -> Manifest:
        edges, crowded = outputs_named(verified, EDGES), outputs_named(crowd, CROWD)
        documents = [shard.documents for group in groups for shard in group.shards]
        memory = MEMORY_A_DOCUMENT * sum(documents) + MEMORY_AN_EDGE * sum(m.counters["verified"] for m in verified)
        if crowd:
            memory += MEMORY_OF_A_CROWD + MEMORY_IN_A_CROWD * sum(m.counters["documents"] for m in crowd)
        if priorities:
            memory += MEMORY_IN_AN_ORDER * sum(documents)
        argument = Cluster(
            self.mode,
            self.threshold,
            tuple(edges),
            tuple(crowded),
            tuple(priorities),
            np.array(documents),
            grouping.firsts_of(groups),
            context.working_bytes,
        )
        inputs = (
            ("edges", fingerprint_of_files(edges)),
            ("crowd", fingerprint_of_files(crowded)),
            ("priorities", fingerprint_of_files(priorities)),
            *(each for group in groups for each in group.inputs()),
        )
        weight = sum(file.bytes for file in (*edges, *crowded))
        task = Task("00000", argument, inputs, weight, extra=Limits(0.0, memory))
        return context.map("clusters", cluster, [task], (self, context.working_bytes))[0]


def _sidecar_tasks(groups: list[Group], sidecars: list[File], inputs: tuple[tuple[str, str], ...]) -> list[Task]:
    """A task for each group, whose argument is its number and the sidecar with its shingles."""
    return [
        Task(task_key(group.shards[0].number), (group.number, file), (*inputs, ("shingles", file.hash)), file.bytes)
        for group, file in zip(groups, sidecars)
    ]


class Sending(NamedTuple):
    """What all sending tasks share: the exchange of what is wanted, a partition for each group; bytes to hold. The
    argument of a task is the number of a group, and the sidecar with its shingles."""

    wanted: Exchange
    hold: int


class Verification(NamedTuple):
    """What all verify tasks share: the first shard of each group; the exchanges of the pairs, and of the shingles of
    first documents in other groups, a partition for each group; bytes of pairs to hold. The argument of a task is as
    for `Sending`."""

    threshold: float
    firsts: np.ndarray
    pairs: Exchange
    visitors: Exchange | None
    hold: int


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Argument of the clusters task: the files of edges, and of documents in crowded buckets, of one group after the
    other, none where nobody has any; the files of priorities, none where the first document stays; how many
    documents each shard has; the first shard of each group; bytes to hold."""

    mode: clusters.Mode
    threshold: float
    files: tuple[File, ...]
    crowd: tuple[File, ...]
    priorities: tuple[File, ...]
    documents: np.ndarray
    firsts: np.ndarray
    hold: int


class Sets(NamedTuple):
    """The shingle sets of documents: that at `addresses[i]`, which ascend, is `values[offsets[i]:offsets[i + 1]]`."""

    addresses: np.ndarray
    offsets: np.ndarray
    values: np.ndarray


def emit_signatures(argument: Keys[NearDedup], outputs: Outputs) -> dict[str, Any]:
    """Map: band keys into the exchange, sorted shingle hashes into a sidecar."""
    documents, partitions, step = 0, np.uint64(argument.partitions), argument.step
    priorities = [pa.RecordBatch.from_pylist([], PRIORITY_SCHEMA)]
    schema = pa.schema([("key", pa.uint64()), ("address", pa.int64())])
    with (
        shards.ShardWriter(outputs.path(SHINGLES), SHINGLE_SCHEMA, checked=True) as sidecar,
        exchanges.Writer(outputs.path(KEYS), schema, argument.hold, argument.partitions) as writer,
    ):
        for addresses, part in _parts(argument.group.shards, step.score):
            with at_hand(part):
                signed = step.sign(part.column("text"))
                if step.keep != "first":
                    columns = [pa.array(addresses), pa.array(step.priority(part))]
                    priorities.append(pa.RecordBatch.from_arrays(columns, schema=PRIORITY_SCHEMA))
            sets = pa.LargeListArray.from_arrays(signed.offsets, signed.values)
            sidecar.write(pa.RecordBatch.from_arrays([pa.array(addresses), sets], schema=SHINGLE_SCHEMA))
            keys = signed.keys.ravel()
            owners = np.repeat(addresses[signed.filled], signed.keys.shape[1])
            writer.add(pa.table([keys, owners], schema=schema), (keys % partitions).astype(np.int64))
            documents += part.num_rows
        sidecar.write(pa.RecordBatch.from_pylist([], SHINGLE_SCHEMA), note=END)
    if step.keep != "first":
        shards.write_table(outputs.path(PRIORITY), pa.Table.from_batches(priorities))
    return {"documents": documents, KEYS: writer.counters()}


def _parts(view: Iterable[ShardView], score: str | None) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """The documents of shards with their addresses, in parts of TEXT_AT_A_TIME at most; a longer document is a part of
    its own."""
    wanted = ("id", "text", "date", "source", score)
    waiting: list[tuple[np.ndarray, pa.RecordBatch]] = []
    held = 0
    for shard, rows, batch in views.read_all(view):
        batch = batch.select([name for name in wanted if name in batch.schema.names])
        before = buffers(batch.column("text"))[1]
        start = 0
        while start < len(rows):
            end = int(np.searchsorted(before, before[start] + TEXT_AT_A_TIME - held, side="right")) - 1
            if waiting and (end <= start or waiting[0][1].schema != batch.schema):
                yield _joined(waiting)
                waiting, held = [], 0
                continue
            end = max(end, start + 1)
            waiting.append((address(shard.number, rows[start:end]), batch.slice(start, end - start)))
            held += int(before[end] - before[start])
            start = end
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[tuple[np.ndarray, pa.RecordBatch]]) -> tuple[np.ndarray, pa.RecordBatch]:
    addresses, batches = zip(*parts)
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return np.concatenate(addresses), batch


def find_candidates(partition: int, outputs: Outputs, common: Reduction) -> dict[str, Any]:
    """Reduce: pairs of documents that share a band key, to the group of the second; what this wants, to the group of
    the first; who is in a crowded bucket, to its own group."""
    partitions, firsts = common.exchange.partitions, common.firsts
    found = 0
    with (
        exchanges.Writer(outputs.path(CROWDED), CROWDED_SCHEMA, common.hold, len(firsts)) as crowd,
        exchanges.Writer(outputs.path(PAIRS), PAIR_SCHEMA, common.hold, len(firsts)) as pairs,
        exchanges.Writer(outputs.path(WANTED), WANTED_SCHEMA, common.hold, len(firsts)) as wanted,
    ):
        for split in range(common.splits):

            def chosen(piece: pa.RecordBatch, finer: int = partition + split * partitions) -> np.ndarray:
                return piece["key"].to_numpy() % np.uint64(partitions * common.splits) == np.uint64(finer)

            table = exchanges.read(common.exchange, partition, chosen if common.splits > 1 else None)
            keys, addresses = table["key"].to_numpy(), table["address"].to_numpy()
            del table
            if common.step.mode == "leader":
                crowded = lsh.crowded(keys, addresses)
                rows = pa.table([addresses[crowded], keys[crowded]], schema=CROWDED_SCHEMA)
                crowd.add(rows, group_of(firsts, shard_and_row(addresses[crowded])[0]))
                keys, addresses = keys[~crowded], addresses[~crowded]
            for first, second in lsh.pair_chunks(keys, addresses):
                home, target = (group_of(firsts, shard_and_row(each)[0]) for each in (first, second))
                pairs.add(pa.table([first, second], schema=PAIR_SCHEMA), target)
                away = home != target
                visits = lsh.unique_pairs(first[away], target[away])
                wanted.add(pa.table(visits, schema=WANTED_SCHEMA), group_of(firsts, shard_and_row(visits[0])[0]))
                found += len(first)
    return {"pairs": found, PAIRS: pairs.counters(), WANTED: wanted.counters(), CROWDED: crowd.counters()}


def send(argument: tuple[int, File], outputs: Outputs, common: Sending) -> dict[str, Any]:
    """The shingles of this group's documents that others want, to each of these."""
    group, sidecar = argument
    table = exchanges.read(common.wanted, group)
    wanted, to = lsh.unique_pairs(table["address"].to_numpy(), table["group"].to_numpy())
    with exchanges.Writer(outputs.path(VISITORS), SHINGLE_SCHEMA, common.hold, common.wanted.partitions) as writer:
        for batch in _sidecar(sidecar) if len(wanted) else ():
            addresses = batch.column(0).to_numpy()
            if len(addresses):
                low, high = np.searchsorted(wanted, [addresses[0], addresses[-1] + 1])
                places = np.searchsorted(addresses, wanted[low:high])
                for part in range(0, high - low, ROWS_AT_A_TIME):
                    here = slice(part, part + ROWS_AT_A_TIME)
                    rows = batch.take(pa.array(places[here]))
                    writer.add(pa.Table.from_batches([rows]), to[low:high][here])
    return {"documents": writer.rows, VISITORS: writer.counters()}


def _sidecar(file: File) -> Iterator[pa.RecordBatch]:
    """The batches of a sidecar. Raises DamagedFile."""
    with shards.open_checked(file.path) as reader:
        last = reader.num_record_batches - 1
        if shards.noted_batch(file.path, reader, last)[1] != END:  # a damaged footer lists fewer
            raise DamagedFile(file.path, "its end is missing")
        for index in range(last):
            yield shards.checked_batch(file.path, reader, index)


def gather_crowd(argument: tuple[int, File], outputs: Outputs, common: Exchange) -> dict[str, Any]:
    """The documents of this group that are in crowded buckets: how many of these, and what `crowds.Crowd` stores."""
    group, sidecar = argument
    table = exchanges.read(common, group)
    documents, keys, begins = crowds.members(table["key"].to_numpy(), table["address"].to_numpy())
    with shards.ShardWriter(outputs.path(CROWD), CROWD_SCHEMA, checked=True) as writer:
        for batch in _sidecar(sidecar) if len(documents) else ():
            sets = _sets([batch])
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


def verify(argument: tuple[int, File], outputs: Outputs, common: Verification) -> dict[str, Any]:
    """Exact Jaccard of every pair; those at the threshold or above become edges, ascending by (second, first)."""
    group, sidecar = argument
    compared = verified = 0
    with shards.ShardWriter(outputs.path(EDGES), EDGE_SCHEMA) as writer:
        writer.write(pa.RecordBatch.from_pylist([], EDGE_SCHEMA))
        for first, second in _by_second(group, sidecar, common):
            similarity = _similarity(group, sidecar, common, first, second)
            found = np.flatnonzero(similarity >= common.threshold)
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
    addresses = np.concatenate([batch.column(0).to_numpy() for batch in _sidecar(sidecar)])
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
    if not len(first):
        return similarity
    own = _sets([_among((first, second), batch) for batch in _sidecar(sidecar)])

    def compare(sets: Sets) -> None:
        """Pairs whose first documents these sets are of."""
        low, high = np.searchsorted(first, sets.addresses[0]), np.searchsorted(first, sets.addresses[-1], side="right")
        places = np.searchsorted(sets.addresses, first[low:high])
        here = np.flatnonzero(sets.addresses[places] == first[low:high])
        others = np.searchsorted(own.addresses, second[low:high][here])
        similarity[low + here] = shingles.jaccard(
            sets.values, sets.offsets, places[here], own.values, own.offsets, others
        )

    compare(own)
    for piece in exchanges.pieces(common.visitors, group) if common.visitors else ():
        compare(_sets([piece]))
    if np.isnan(similarity).any():
        raise Unproven(f"{np.isnan(similarity).sum()} of {len(first)} pairs of documents could not be compared")
    return similarity


def _among(wanted: tuple[np.ndarray, ...], batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a batch of a sidecar at some of these addresses."""
    addresses = batch.column(0).to_numpy()
    chosen = np.zeros(len(addresses), np.bool_)
    for each in wanted:
        chosen |= np.isin(addresses, each)
    return batch.filter(pa.array(chosen))


def _sets(batches: list[pa.RecordBatch]) -> Sets:
    """The sets in batches of a sidecar."""
    lengths = [np.diff(batch.column(1).offsets.to_numpy()) for batch in batches]
    return Sets(
        np.concatenate([np.empty(0, np.int64), *(batch.column(0).to_numpy() for batch in batches)]),
        np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))]).astype(np.int64),
        np.concatenate([np.empty(0, np.uint64), *(batch.column(1).flatten().to_numpy() for batch in batches)]),
    )


def cluster(argument: Cluster, outputs: Outputs) -> dict[str, Any]:
    """Choose what is dropped and for which document; figures and the largest clusters for the report."""
    begins = np.concatenate([[0], np.cumsum(argument.documents)]).astype(np.int64)  # each shard's first document
    order = rank = None
    if argument.priorities:
        order, rank = _order(argument, begins)

    def numbers(addresses: np.ndarray) -> np.ndarray:
        shard, row = shard_and_row(addresses)
        found = begins[shard] + row
        return found if rank is None else rank[found]

    def addresses(numbers: np.ndarray) -> np.ndarray:
        numbers = numbers if order is None else order[numbers]
        shard = np.searchsorted(begins, numbers, side="right") - 1
        return shard << ROW_BITS | numbers - begins[shard]

    ends = begins[[*argument.firsts[1:].tolist(), len(argument.documents)]].tolist()
    if rank is not None:
        ends = ends[-1:]
    parts = functools.partial(_edges, argument, numbers, len(ends), rank is not None)
    writer = ProposalWriter(outputs, argument.firsts, argument.hold)
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    with _crowd_of(argument.crowd, numbers) as crowd:
        greedy = crowds.Greedy(crowd, int(begins[-1]), argument.threshold)
        for dropped, by, score in clusters.leaders_in_parts(parts, ends, argument.mode, greedy):
            found.append((addresses(dropped), addresses(by), score))
            writer.add(*proposals(*found[-1][:2], "near_duplicate", score))
        figures = {"crowded": len(crowd), "compared_in_crowds": greedy.compared}
    counters = writer.close()
    dropped, by, score = (np.concatenate(columns) for columns in zip(*found))
    del found
    figures |= clusters.cluster_figures(by, score)
    return {"figures": figures, "examples": _largest(dropped, by, score), **counters}


def _order(argument: Cluster, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the documents by their priority, the place of each in that order)."""
    priority = np.full(begins[-1], -np.inf)
    for file in argument.priorities:
        table = shards.read_table(file.path, file.hash)
        shard, row = shard_and_row(table["address"].to_numpy())
        priority[begins[shard] + row] = table["priority"].to_numpy()
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
            for batch in _sidecar(file):
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
