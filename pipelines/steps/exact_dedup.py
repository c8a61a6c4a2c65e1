"""Documents with equal text: the first stays, or the one that ought to."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.dedup import exact, exemptions, priorities
from corpus.dedup.pieces import ranks_of
from corpus.documents import address
from corpus.options import option
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps import compared
from pipelines.maps.decide import proposals as drops
from pipelines.maps.keyed import by_compared_key, hashes_of, keyed

KEY_BYTES = 24
"""Of a document in the exchange: the hash of its text, and its address."""


@dataclasses.dataclass(frozen=True)
class ExactDedup(GlobalStep):
    """Keep the first of documents with equal text, in corpus order, or the one that `keep` names. Texts are compared,
    byte for byte: a hash decides nothing.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["one", "one", "two"]), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.ExactDedup()])
    >>> result = pipelines.run_recipe(recipe, "OUT")
    >>> pq.read_table("OUT/documents")["id"].to_pylist()
    ['0', '2']
    """

    name: ClassVar[str] = "exact_dedup"
    rules: ClassVar[tuple[str, ...]] = ("duplicate",)
    normalize: Literal["none", "whitespace_case"] = option(
        "none", "Compare texts as they are, or without regard to white space and case."
    )
    keep: priorities.Keep = option(
        "first",
        "Which stays, of equals the first: the first, the longest text, the newest date, the highest or lowest score.",
    )
    score: str | None = option(
        None, "The score that `keep` means: `step.score`, or metadata.NAME for a field that the records had."
    )
    exempt_sources: tuple[str, ...] = option((), "Sources, * and ? allowed, whose documents stay.")

    def refuse(self) -> None:
        """Raises ValueError for a score without a `keep` that means it, and the other way round."""
        priorities.check(self.keep, self.score)

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """Content hash of every document, and its rank where not simply the first stays."""
        batch, rows = exemptions.others(batch, rows, self.exempt_sources)
        hashes = exact.content_hashes(batch.column("text"), self.normalize)
        table = keyed(hashes, address(shard, rows))
        if self.keep != "first":
            ranks = ranks_of(priorities.of(batch, self.keep, self.score))
            table = table.append_column("rank", pa.array(ranks[:, 0]))
        return table, hashes

    def matches(self, table: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
        """Which documents repeat which, of one partition."""
        addresses = table["address"].to_numpy()
        ranks = (table["rank"].to_numpy(),) if self.keep != "first" else ()
        losers, winners = exact.rivals(hashes_of(table), *ranks, addresses)
        return compared.matches(addresses[losers], addresses[winners]), {}

    def texts(self, batch: pa.RecordBatch, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
        """The texts of documents, in the form in which they are compared."""
        return exact.content(batch.column("text").take(pa.array(rows)), self.normalize)

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """Drops."""
        found = compared.equal(self, rows, batch, proposals)
        return drops(found["address"].to_numpy(), found["owner"].to_numpy(), "duplicate")[0]

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """See `by_compared_key`."""
        return by_compared_key(context, self, view, "equal text", document_bytes=KEY_BYTES)[0]
