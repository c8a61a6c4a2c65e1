"""Pages of one URL: the newest stays."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus.dedup import same_url
from corpus.documents import address
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps.decide import proposals
from pipelines.maps.keyed import by_key, hashes_of, keyed

KEY_BYTES = 48
"""Of a document in the exchange: the hash of its URL, its address, its date."""


@dataclasses.dataclass(frozen=True)
class UrlDedup(GlobalStep):
    """C4's URL deduplication: of pages with one normalised URL keep the newest (C4 3.1.0,
    text/c4.py of tensorflow-datasets); the first in corpus order among equally new ones.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pages = [{"text": "a", "url": "http://example.org/x"}, {"text": "b", "url": "https://www.example.org/x/"}]
    >>> pq.write_table(corpus.as_table(pages), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.UrlDedup()])
    >>> pipelines.run_recipe(recipe, "OUT").report["documents"]
    {'in': 2, 'kept': 1, 'dropped': 1, 'quarantined': 0}
    """

    name: ClassVar[str] = "url_dedup"
    rules: ClassVar[tuple[str, ...]] = ("duplicate_url",)

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """Hash of the normalised URL of every document that has one, and its date."""
        hashes, places = same_url.url_hashes(batch.column("url"))
        dates = batch.column("date").take(pa.array(places))
        return keyed(hashes, address(shard, rows[places])).append_column("date", dates), hashes

    def duplicates(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Proposals of one partition."""
        dates = table["date"].combine_chunks()
        return proposals(
            *same_url.duplicate_urls(hashes_of(table), dates, table["address"].to_numpy()), "duplicate_url"
        )

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """See `by_key`."""
        return by_key(context, self, view, "one page a URL", document_bytes=KEY_BYTES)
