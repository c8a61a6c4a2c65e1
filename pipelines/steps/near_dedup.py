"""Near-duplicates by MinHash: signatures -> candidates -> send -> verify -> crowd -> clusters -> decide -> table.

Candidates come from locality-sensitive hashing, every candidate pair is verified by the exact
Jaccard similarity of its shingle sets (unless told otherwise), and in the default mode a document is dropped only for a
verified similarity to a document that is kept. Documents of crowded buckets have too many pairs: they come to the
clusters with their shingles (`corpus.dedup.crowds`).

A pair is verified where its second document is: with the group of shards that holds it. The shingles of first
documents of other groups are sent there, once for each group that wants them. So what is read grows with the documents
that have candidates, and not with the number of shards.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from corpus.dedup import lsh
from corpus.dedup.near import Near
from corpus.options import option
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import File, Limits, Manifest, Task, describe_file, fingerprint_of_files, outputs_named
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSALS, decide_map
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.maps.keyed import Keys, reduce_map
from pipelines.near import tables
from pipelines.near.candidates import CROWDED, PAIRS, PRIORITY, WANTED, emit_signatures, find_candidates
from pipelines.near.clustering import CROWD, Cluster, cluster, gather_crowd
from pipelines.near.sidecars import SHINGLES, sidecar_tasks
from pipelines.near.verification import EDGES, VISITORS, Sending, Verification, send, verify

KEY_BYTES = 16
"""Of a band of a document in the exchange: its key and the document's address."""
MEMORY_A_DOCUMENT, MEMORY_AN_EDGE = 8, 100
"""Bytes that the clusters task takes at most, with room."""
MEMORY_OF_A_CROWD, MEMORY_IN_A_CROWD = 1 << 29, 64
"""The same where there are crowded buckets, and for each of their documents."""
MEMORY_IN_AN_ORDER = 32
"""The same for each document where `keep` is not first."""
CURVE = range(40, 101, 5)
"""Similarities, in percent, for which the report says how many pairs are found."""


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

    clusters: bool = option(True, "Publish a table of all clusters, in OUT/near_dedup/clusters.")

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The view with what is dropped. Without the table all other tasks are the same ones as with it."""
        return dataclasses.replace(self, clusters=True)._decided(context, view, self.clusters)

    def _decided(self, context: Context, view: list[ShardView], table: bool) -> list[ShardView]:
        """The maps: signatures, reduce, send, verify, crowd, clusters, decide; rows, table, sources for the table."""
        hold = context.working_bytes
        groups = grouping.of_view(view, hold)
        expected = sum(shard.documents for shard in view) * self.banding()[0] * KEY_BYTES
        partitions = exchanges.partitions_for(expected, hold)
        prints = tuple((path, describe_file(path).hash) for path in self.inputs())
        tasks = [group.task(Keys(self, group, partitions, hold), prints) for group in groups]
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
            "verification": self.verification,
            "definition": self.definition,
            "pairs_left_out": sum(manifest.counters["left_out"] for manifest in reduced),
            "found": [[each, round(100 * lsh.candidate_probability(each / 100, bands, rows), 2)] for each in CURVE],
            **clustered.counters["figures"],
        }
        context.found.examples[context.name] = clustered.counters["examples"]
        context.found.before[context.name] = [shard for group in groups for shard in group.shards]
        proposed = exchanges.of_map([clustered], PROPOSALS, len(groups))
        decided = decide_map(context, groups, proposed, self.asked)
        context.found.figures[context.name] |= tables.publish(context, groups, clustered, table)
        return decided

    def _verify(
        self, context: Context, groups: list[Group], reduced: list[Manifest], pairs: Exchange, sidecars: list[File]
    ) -> list[Manifest]:
        """Send shingles to the groups that want them; a task for each group verifies the pairs whose second document is
        in it."""
        hold, firsts = context.working_bytes, grouping.firsts_of(groups)
        wanted = exchanges.gather(context, "wanted", reduced, WANTED, len(groups))
        visitors = None
        if wanted.rows:
            tasks = sidecar_tasks(groups, sidecars, wanted.inputs("wanted"))
            sent = context.map("send", send, tasks, (hold,), Sending(wanted, hold))
            visitors = exchanges.gather(context, "send", sent, VISITORS, len(groups))
        inputs = (*pairs.inputs("pairs"), *(visitors.inputs("visitors") if visitors else ()))
        tasks = sidecar_tasks(groups, sidecars, inputs)
        return context.map("verify", verify, tasks, (self, hold), Verification(self, firsts, pairs, visitors, hold))

    def _crowd(
        self, context: Context, groups: list[Group], reduced: list[Manifest], sidecars: list[File]
    ) -> list[Manifest]:
        """A task for each group gathers the shingles of its documents in crowded buckets."""
        if not exchanges.of_map(reduced, CROWDED, len(groups)).rows:
            return []
        crowded = exchanges.gather(context, "crowded", reduced, CROWDED, len(groups))
        tasks = sidecar_tasks(groups, sidecars, crowded.inputs("crowded"))
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
