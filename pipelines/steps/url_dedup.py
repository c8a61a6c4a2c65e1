"""Pages of one URL: the newest stays, or the one that ought to."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus.dedup import exemptions, priorities, same_url
from corpus.dedup.pieces import ranks_of
from corpus.documents import address
from corpus.options import option
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps.decide import proposals
from pipelines.maps.keyed import by_key, hashes_of, keyed

KEY_BYTES = 128
"""Of a document in the exchange, about: the hash of its URL, its address, its date or rank, its URL."""


@dataclasses.dataclass(frozen=True)
class UrlDedup(GlobalStep):
    """C4's URL deduplication: of pages with one normalised URL keep the newest (C4 3.1.0,
    text/c4.py of tensorflow-datasets); the first in corpus order among equally new ones. Dates are compared as
    strings, as there; with another `keep` as near_dedup does. URLs are compared: a hash decides nothing.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pages = [{"text": "a", "url": "http://example.org/x"}, {"text": "b", "url": "https://www.example.org/x/"}]
    >>> pq.write_table(corpus.as_table(pages), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.UrlDedup()])
    >>> pipelines.run_recipe(recipe, "OUT").report["documents"]
    {'in': 2, 'kept': 1, 'dropped': 1, 'quarantined': 0}
    """

    name: ClassVar[str] = "url_dedup"
    rules: ClassVar[tuple[str, ...]] = ("duplicate_url",)
    keep: priorities.Keep = option(
        "newest",
        "Which stays, of equals the first: the newest date, the first, the longest text, the highest or lowest score.",
    )
    score: str | None = option(
        None, "The score that `keep` means: `step.score`, or metadata.NAME for a field that the records had."
    )
    exempt_sources: tuple[str, ...] = option((), "Sources, * and ? allowed, whose documents stay.")

    def refuse(self) -> None:
        """Raises ValueError for a score without a `keep` that means it, and the other way round."""
        priorities.check(self.keep, self.score)

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """The normalised URL of every document that has one, its hash, and the document's date or rank."""
        batch, rows = exemptions.others(batch, rows, self.exempt_sources)
        urls, places = same_url.normalized(batch.column("url"))
        hashes = same_url.hashes_of(urls)
        table = keyed(hashes, address(shard, rows[places])).append_column("url", urls)
        if self.keep == "newest":
            return table.append_column("date", batch.column("date").take(pa.array(places))), hashes
        ranks = ranks_of(priorities.of(batch, self.keep, self.score)[places])
        return table.append_column("rank", pa.array(ranks[:, 0])), hashes

    def duplicates(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Proposals of one partition."""
        ranks = same_url.ranks_of_dates(table["date"].combine_chunks()) if self.keep == "newest" else table["rank"]
        urls = table["url"].combine_chunks()
        found = same_url.best_of_urls(hashes_of(table), urls, np.asarray(ranks), table["address"].to_numpy())
        return proposals(*found, "duplicate_url")

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """See `by_key`."""
        return by_key(context, self, view, "one page a URL", document_bytes=KEY_BYTES)
