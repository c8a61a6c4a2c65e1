"""Near-duplicates by MinHash: signatures -> candidates -> verified edges -> clusters -> decide.

Candidates come from locality-sensitive hashing, every candidate pair is verified by the exact
Jaccard similarity of its shingle sets, and in the default mode a document is dropped only for a
verified similarity to a document that is kept.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import clusters, lsh, shingles
from corpus.dedup.near import Near
from corpus.documents import address, at_hand, shard_and_row
from corpus.io import shards
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import File, Limits, Manifest, Outputs, Task, outputs_named
from pipelines.maps import exchange
from pipelines.maps.decide import decide_map, proposals
from pipelines.maps.keyed import Keys, Reduce, partitions_for, reduce_map
from pipelines.maps.shard_tasks import left_out, shard_task

BYTES_A_BYTE = 64
"""Memory of the clusters task for each byte of its files of edges, which are compressed, with room."""


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
        """The five maps: signatures, reduce, verify, clusters, decide."""
        partitions = partitions_for(view)
        tasks = [shard_task(s, Keys(self, s, partitions)) for s in view]
        mapped = context.map("signatures", emit_signatures, tasks, (self, partitions))
        view = left_out(view, mapped)
        pairs = reduce_map(context, find_candidates, self, outputs_named(mapped, "keys.arrow"), partitions, view)
        sidecars = {s.number: m.outputs["shingles.arrow"] for s, m in zip(view, mapped)}
        clustered = self._cluster_map(context, len(view), self._verify_map(context, view, pairs, sidecars))
        bands, rows = self.bands()
        context.found.figures[context.name] = {
            "bands": bands,
            "rows": rows,
            "threshold": self.threshold,
            **clustered.counters["figures"],
        }
        context.found.examples[context.name] = clustered.counters["examples"]
        context.found.before[context.name] = view
        return decide_map(context, view, [clustered.outputs["proposals.arrow"]], f"Jaccard >= {self.threshold}")

    def _verify_map(
        self, context: Context, view: list[ShardView], pairs: list[File], sidecars: dict[int, File]
    ) -> list[Manifest]:
        """A task for each shard verifies the pairs whose second document is in it."""
        files = tuple(file.path for file in pairs)
        prints = tuple((f"pairs {i}", file.hash) for i, file in enumerate(pairs))
        prints += tuple((f"shingles {number}", file.hash) for number, file in sidecars.items())
        tasks = [Task(f"{s.number:05d}", Verify(self, files, s.number, sidecars), prints, s.text_bytes) for s in view]
        return context.map("verify", verify, tasks, (self,)) if files else []

    def _cluster_map(self, context: Context, shards: int, verified: list[Manifest]) -> Manifest:
        edges = outputs_named(verified, "edges.arrow")
        weight = sum(file.bytes for file in edges)
        prints = tuple((f"edges {i}", file.hash) for i, file in enumerate(edges))
        task = Task(
            "00000", Cluster(self, tuple(edges), shards), prints, weight, extra=Limits(0.0, BYTES_A_BYTE * weight)
        )
        return context.map("clusters", cluster, [task], (self, shards))[0]


@dataclasses.dataclass(frozen=True)
class Verify:
    """Argument of a verify task: the exchange with the pairs, the shard of their second documents,
    the sidecar with the shingles of each shard."""

    step: NearDedup
    files: tuple[str, ...]
    shard: int
    sidecars: dict[int, File]


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Argument of the clusters task."""

    step: NearDedup
    files: tuple[File, ...]
    shards: int


EDGE_SCHEMA = pa.schema([("first", pa.int64()), ("second", pa.int64()), ("similarity", pa.float64())])
SHINGLE_SCHEMA = pa.schema([("row", pa.int64()), ("shingles", pa.large_list(pa.uint64()))])
Shingles = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(rows, offsets, values) of a shard: row number *i* has the shingles `values[offsets[i]:offsets[i + 1]]`."""


def emit_signatures(argument: Keys[NearDedup], outputs: Outputs) -> dict:
    """Map: band keys into the exchange, sorted shingle hashes into a sidecar."""
    keys, addresses = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    documents = 0
    with shards.ShardWriter(outputs.path("shingles.arrow"), SHINGLE_SCHEMA) as sidecar:
        for rows, batch in views.read(argument.shard):
            with at_hand(batch):
                signed = argument.step.sign(batch.column("text"))
            sets = pa.LargeListArray.from_arrays(signed.offsets, signed.values)
            sidecar.write(pa.RecordBatch.from_arrays([pa.array(rows), sets], schema=SHINGLE_SCHEMA))
            keys.append(signed.keys.ravel())
            filled = address(argument.shard.number, rows[signed.filled])
            addresses.append(np.repeat(filled, signed.keys.shape[1]))
            documents += len(rows)
    table = pa.table({"key": np.concatenate(keys), "address": np.concatenate(addresses)})
    del keys, addresses  # the exchange takes the room
    partition = (table["key"].to_numpy() % np.uint64(argument.partitions)).astype(np.int64)
    exchange.write(outputs.path("keys.arrow"), table, partition, argument.partitions)
    return {"documents": documents}


def find_candidates(argument: Reduce[NearDedup], outputs: Outputs) -> dict:
    """Reduce: pairs of documents that share a band key, to the shard of the second."""
    table = exchange.read(argument.files, argument.partition)
    first, second = lsh.candidate_pairs(table["key"].to_numpy(), table["address"].to_numpy())
    shard, _ = shard_and_row(second)
    pairs = pa.table({"first": first, "second": second})
    exchange.write(outputs.path("proposals.arrow"), pairs, shard, argument.shards)
    return {"pairs": len(first)}


def verify(argument: Verify, outputs: Outputs) -> dict:
    """Exact Jaccard of every pair; those at the threshold or above become edges."""
    table = exchange.read(argument.files, argument.shard)
    pairs = np.unique(np.stack([table["first"].to_numpy(), table["second"].to_numpy()], axis=1), axis=0)
    found = []
    if len(pairs):
        first_shards, _ = shard_and_row(pairs[:, 0])
        second = _shingles(argument.sidecars[argument.shard])
        for number in np.unique(first_shards).tolist():
            part = pairs[first_shards == number]
            first = second if number == argument.shard else _shingles(argument.sidecars[number])
            found.append((part, _jaccard(first, second, part)))
    edges = np.concatenate([p for p, _ in found]) if found else np.empty((0, 2), np.int64)
    similarity = np.concatenate([s for _, s in found]) if found else np.empty(0)
    keep = similarity >= argument.step.threshold
    table = pa.table([edges[keep, 0], edges[keep, 1], similarity[keep]], schema=EDGE_SCHEMA)
    shards.write_table(outputs.path("edges.arrow"), table)
    return {"pairs": len(edges), "verified": int(keep.sum())}


def _shingles(file: File) -> Shingles:
    """What is in a sidecar."""
    batches = list(shards.read(file.path, file.hash))
    rows = np.concatenate([b.column(0).to_numpy() for b in batches] or [np.empty(0, np.int64)])
    lengths = [np.diff(b.column(1).offsets.to_numpy()) for b in batches]
    values = np.concatenate([b.column(1).flatten().to_numpy() for b in batches] or [np.empty(0, np.uint64)])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths or [np.empty(0, np.int64)]))]).astype(np.int64)
    return rows, offsets, values


def _jaccard(first: Shingles, second: Shingles, pairs: np.ndarray) -> np.ndarray:
    (rows_a, offsets_a, values_a), (rows_b, offsets_b, values_b) = first, second
    place_a = np.searchsorted(rows_a, shard_and_row(pairs[:, 0])[1])
    place_b = np.searchsorted(rows_b, shard_and_row(pairs[:, 1])[1])
    return shingles.jaccard(values_a, offsets_a, place_a, values_b, offsets_b, place_b)


def cluster(argument: Cluster, outputs: Outputs) -> dict:
    """Choose what is dropped and for which document; figures and the largest clusters for the report."""
    table = pa.concat_tables(
        [EDGE_SCHEMA.empty_table(), *(shards.read_table(file.path, file.hash) for file in argument.files)]
    )
    first, second, similarity = (table[name].to_numpy() for name in EDGE_SCHEMA.names)
    dropped, by, score = clusters.leaders(first, second, similarity, argument.step.mode)
    found, shard = proposals(dropped, by, "near_duplicate", score)
    exchange.write(outputs.path("proposals.arrow"), found, shard, argument.shards)
    figures = clusters.cluster_figures(by, score)
    return {"figures": figures, "examples": _largest(dropped, by, score)}


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
