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
import itertools
from typing import NamedTuple

import numpy as np

from corpus.dedup import lsh
from corpus.dedup.near import Near
from corpus.options import option
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import (
    File,
    Limits,
    Manifest,
    Task,
    TaskFailed,
    describe_file,
    fingerprint,
    fingerprint_of_files,
    outputs_named,
)
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSALS, decide_map
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.maps.keyed import Keys, reduce_map
from pipelines.near import index as indexes
from pipelines.near import tables
from pipelines.near.candidates import CROWDED, PAIRS, PRIORITY, WANTED, emit_signatures, find_candidates
from pipelines.near.clustering import CROWD, Cluster, cluster, gather_crowd
from pipelines.near.index import Base, IndexRefused
from pipelines.near.known import Chunk, chunk_tasks, emit_known, make_chunks, rows_expected
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


class Compared(NamedTuple):
    """What the maps before the last have found: the groups of the view, without documents that a map fails at; what
    that of signatures has made of each; the task that formed clusters; an exchange of its proposals by group;
    how many pairs of large buckets were not looked at."""

    groups: list[Group]
    mapped: list[Manifest]
    clustered: Manifest
    proposed: Exchange
    left_out: int


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
    index: str | None = option(None, "Folder of an index (`winnow index`): what is near its documents is dropped.")
    update: bool = option(
        False, "Add what stays to the index, made where there is none, for what a run into this OUT added before."
    )

    def refuse(self) -> None:
        """As `Near.refuse`, and where an index is to be updated that is not named."""
        super().refuse()
        if self.update and not self.index:
            raise ValueError("update needs the option index")

    def check(self) -> None:
        """As `Near.check`; raises ValueError for an index that has documents which are not comparable, too."""
        super().check()
        if self.index:
            indexes.check(self.index, self, self.update)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The view with what is dropped. Whether there is a table, and where an index lies, makes no difference to a
        task of another map."""
        step = dataclasses.replace(self, clusters=True, index=None, update=False)
        if not self.index:
            return step._decided(context, view, self.clusters, [])[0]
        try:
            base = indexes.base_of(self.index, step, context.output, self.update)
            with indexes.explained(self.index):
                known = base.index.chunks(base.index.parts)
                decided, compared = step._decided(context, view, self.clusters, known)
            if compared.left_out:
                context.note(
                    f"{context.name}: {compared.left_out:,} pairs of crowded buckets were not compared, so that this "
                    "may differ from one run over all the documents of the index and these"
                )
            if self.update:
                self._update(context, base, decided, compared, step)
        except IndexRefused as error:
            raise TaskFailed(str(error)) from None
        return decided

    def _update(
        self, context: Context, base: Base, decided: list[ShardView], compared: Compared, step: NearDedup
    ) -> None:
        """Have the index get what stays, when the run is proven."""
        after = iter(decided)
        groups = [
            dataclasses.replace(group, shards=tuple(itertools.islice(after, len(group.shards))))
            for group in compared.groups
        ]
        chunks = make_chunks(context, groups, compared.mapped, base.index.next, step)
        if not context.dry_run and (update := indexes.update_of(base, chunks, context.published.check)):
            context.found.updates.append(update)

    def _decided(
        self, context: Context, view: list[ShardView], table: bool, known: list[Chunk]
    ) -> tuple[list[ShardView], Compared]:
        """The maps: those of `compare`; decide; rows, table, sources for the table. (The view with decisions, what
        these are made of.)"""
        compared = self.compare(context, view, known)
        groups, clustered = compared.groups, compared.clustered
        bands, rows = self.banding()
        context.found.figures[context.name] = {
            "bands": bands,
            "rows": rows,
            "threshold": self.threshold,
            "verification": self.verification,
            "definition": self.definition,
            "pairs_left_out": compared.left_out,
            "found": [[each, round(100 * lsh.candidate_probability(each / 100, bands, rows), 2)] for each in CURVE],
            **({"known": sum(chunk.documents for chunk in known)} if known else {}),
            **clustered.counters["figures"],
        }
        context.found.examples[context.name] = clustered.counters["examples"]
        context.found.before[context.name] = [shard for group in groups for shard in group.shards]
        decided = decide_map(context, groups, compared.proposed, self.asked)
        context.found.figures[context.name] |= tables.publish(context, groups, clustered, table)
        return decided, compared

    def compare(self, context: Context, view: list[ShardView], known: list[Chunk], alone: bool = False) -> Compared:
        """The maps: signatures, reduce, send, verify, crowd, clusters, and those of `known`: documents before all
        others, which stay; `alone`: the others are compared with those only."""
        hold = context.working_bytes
        groups = grouping.of_view(view, hold)
        bands, _ = self.banding()
        documents = sum(shard.documents for shard in view)
        expected = documents * bands + rows_expected(known, bands, documents)
        partitions = exchanges.partitions_for(expected * KEY_BYTES, hold)
        prints = tuple((path, describe_file(path).hash) for path in self.inputs())
        tasks = [group.task(Keys(self, group, partitions, hold), prints) for group in groups]
        mapped = context.map("signatures", emit_signatures, tasks, (self, partitions, hold))
        groups = grouping.left_out(groups, mapped)
        sidecars = outputs_named(mapped, SHINGLES)
        keyed = [*emit_known(context, known, mapped, partitions, self), *mapped]
        of_known = [chunk.shard for chunk in known]
        reduced = reduce_map(context, find_candidates, self, keyed, partitions, groups, of_known)
        pairs = exchanges.gather(context, "pairs", reduced, PAIRS, len(groups)) if reduced else None
        edges = self._verify(context, groups, known, reduced, pairs, sidecars) if pairs and pairs.rows else []
        crowd = self._crowd(context, groups, known, reduced, sidecars) if reduced else []
        clustered = self._cluster(context, groups, known, alone, edges, crowd, outputs_named(mapped, PRIORITY))
        left_out = sum(manifest.counters["left_out"] for manifest in reduced)
        return Compared(groups, mapped, clustered, exchanges.of_map([clustered], PROPOSALS, len(groups)), left_out)

    def _verify(
        self,
        context: Context,
        groups: list[Group],
        known: list[Chunk],
        reduced: list[Manifest],
        pairs: Exchange,
        sidecars: list[File],
    ) -> list[Manifest]:
        """Send shingles to the groups that want them; a task for each group verifies the pairs whose second document is
        in it."""
        hold, firsts = context.working_bytes, grouping.firsts_of(groups)
        wanted = exchanges.gather(context, "wanted", reduced, WANTED, len(groups) + len(known))
        visitors = None
        if wanted.rows:
            tasks = sidecar_tasks(groups, sidecars, wanted.inputs("wanted"))
            sent = context.map("send", send, tasks, (hold,), Sending(wanted, hold))
            if known:
                tasks = chunk_tasks(known, len(groups), wanted.inputs("wanted"))
                sent = [*context.map("known-send", send, tasks, (hold,), Sending(wanted, hold)), *sent]
            visitors = exchanges.gather(context, "send", sent, VISITORS, len(groups))
        inputs = (*pairs.inputs("pairs"), *(visitors.inputs("visitors") if visitors else ()))
        tasks = sidecar_tasks(groups, sidecars, inputs)
        return context.map("verify", verify, tasks, (self, hold), Verification(self, firsts, pairs, visitors, hold))

    def _crowd(
        self,
        context: Context,
        groups: list[Group],
        known: list[Chunk],
        reduced: list[Manifest],
        sidecars: list[File],
    ) -> list[Manifest]:
        """A task for each group gathers the shingles of its documents in crowded buckets."""
        partitions = len(groups) + len(known)
        if not exchanges.of_map(reduced, CROWDED, partitions).rows:
            return []
        crowded = exchanges.gather(context, "crowded", reduced, CROWDED, partitions)
        tasks = sidecar_tasks(groups, sidecars, crowded.inputs("crowded"))
        gathered = context.map("crowd", gather_crowd, tasks, (), crowded)
        if not known:
            return gathered
        tasks = chunk_tasks(known, len(groups), crowded.inputs("crowded"))
        return [*context.map("known-crowd", gather_crowd, tasks, (), crowded), *gathered]

    def _cluster(
        self,
        context: Context,
        groups: list[Group],
        known: list[Chunk],
        alone: bool,
        verified: list[Manifest],
        crowd: list[Manifest],
        priorities: list[File],
    ) -> Manifest:
        edges, crowded = outputs_named(verified, EDGES), outputs_named(crowd, CROWD)
        documents = [shard.documents for group in groups for shard in group.shards]
        everybody = sum(documents) + sum(chunk.rows for chunk in known)
        memory = MEMORY_A_DOCUMENT * everybody + MEMORY_AN_EDGE * sum(m.counters["verified"] for m in verified)
        if crowd:
            memory += MEMORY_OF_A_CROWD + MEMORY_IN_A_CROWD * sum(m.counters["documents"] for m in crowd)
        if priorities:
            memory += MEMORY_IN_AN_ORDER * everybody
        argument = Cluster(
            "leader" if alone else self.mode,
            self.threshold,
            tuple(edges),
            tuple(crowded),
            tuple(priorities),
            np.array(documents),
            grouping.firsts_of(groups),
            context.working_bytes,
            tuple(known),
            alone,
        )
        inputs = (
            ("edges", fingerprint_of_files(edges)),
            ("crowd", fingerprint_of_files(crowded)),
            ("priorities", fingerprint_of_files(priorities)),
            *(each for group in groups for each in group.inputs()),
            *([("known", fingerprint([(each.shard, each.rows, each.ids.hash) for each in known]))] if known else []),
        )
        weight = sum(file.bytes for file in (*edges, *crowded))
        task = Task("00000", argument, inputs, weight, extra=Limits(0.0, memory))
        settings = (self, context.working_bytes, *([alone] if alone else []))
        return context.map("clusters", cluster, [task], settings)[0]
