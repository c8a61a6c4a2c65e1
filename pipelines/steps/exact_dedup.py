"""Documents with equal text: the first stays."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.dedup import exact
from corpus.documents import address
from corpus.options import option
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps.decide import proposals
from pipelines.maps.keyed import by_key, hashes_of, keyed

KEY_BYTES = 24
"""Of a document in the exchange: the hash of its text, and its address."""


@dataclasses.dataclass(frozen=True)
class ExactDedup(GlobalStep):
    """Keep the first of documents with equal text, in corpus order.

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

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """Content hash of every document."""
        hashes = exact.content_hashes(batch.column("text"), self.normalize)
        return keyed(hashes, address(shard, rows)), hashes

    def duplicates(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Proposals of one partition."""
        return proposals(*exact.duplicates(hashes_of(table), table["address"].to_numpy()), "duplicate")

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """See `by_key`."""
        return by_key(context, self, view, "equal text", document_bytes=KEY_BYTES)
