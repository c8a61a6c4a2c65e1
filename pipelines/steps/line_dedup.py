"""Lines, or spans of sentences, that pages share: one page keeps them."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.dedup import pieces, repeated_lines, sentence_spans
from corpus.documents import address, shard_and_row
from corpus.options import option
from corpus.text import punkt, sentences
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps.decide import PROPOSAL_SCHEMA
from pipelines.maps.keyed import by_key, hashes_of, keyed


@dataclasses.dataclass(frozen=True)
class LineDedup(GlobalStep):
    """C4's line deduplication: of pages that share a piece of text the one with the smallest md5(url) keeps
    it, the others lose it; pages with fewer than `min_sentences` left are dropped.

    unit: "line", as C4's code does it (`lines`), or "three_sentences", any three in a row, as the paper
    says (`sentence_spans`). sentences: how those left are counted, "rules" or "punkt", as for the step c4.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pages = ["Menu. Home.\\nOne. Two. Three.", "Menu. Home.\\nFour. Five. Six.", "Menu. Home.\\nOne. Two. Three."]
    >>> pq.write_table(corpus.as_table(pages), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.LineDedup()])
    >>> pipelines.run_recipe(recipe, "OUT").report["steps"][-1]["dropped"]
    {'empty': 1}
    """

    name: ClassVar[str] = "line_dedup"
    rules: ClassVar[tuple[str, ...]] = pieces.RULES
    unit: Literal["line", "three_sentences"] = option(
        "line", "Pieces that are compared: lines, as C4's code does, or any three sentences, as the paper says."
    )
    min_sentences: int = option(3, "Sentences that a page is left with at least.", ge=0)
    sentences: Literal["rules", "punkt"] = option("rules", "How those are counted: as for the step c4.")

    def check(self) -> None:
        """Raises ImportError for "punkt" without NLTK."""
        if self.sentences == "punkt":
            punkt.tokenizer()

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """Every line, or span of sentences, of every document."""
        find = repeated_lines.line_keys if self.unit == "line" else sentence_spans.span_keys
        found = find(batch, address(shard, rows))
        table = keyed(found.keys, found.addresses)
        columns = {
            "rank_high": found.ranks[:, 0],
            "rank_low": found.ranks[:, 1],
            "start": found.starts,
            "end": found.ends,
        }
        for name, column in columns.items():
            table = table.append_column(name, pa.array(column))
        return table, found.keys

    def duplicates(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Repeats of one partition of keys, to the shard of their document."""
        ranks = np.stack([table["rank_high"].to_numpy(), table["rank_low"].to_numpy()], axis=1)
        columns = (table[name].to_numpy() for name in ("address", "start", "end"))
        found = pieces.repeated(pieces.Pieces(hashes_of(table), ranks, *columns), with_owned=self.unit != "line")
        shard, row = shard_and_row(found.addresses)
        places = {"row": row, "address": found.addresses, "start": found.starts, "end": found.ends}
        return pa.table({**places, "owner": found.owners, "owned": found.owned}), shard

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """Cuts, and drops for pages of which too little is left."""
        found = pieces.Repeats(*(proposals[name].to_numpy() for name in ("address", "start", "end", "owner", "owned")))
        decide = repeated_lines.decisions if self.unit == "line" else sentence_spans.decisions
        shard = shard_and_row(found.addresses)[0].max(initial=0)
        count = sentences.count_texts
        if self.sentences == "punkt":
            count = functools.partial(punkt.count_texts, most=self.min_sentences)
        decided = decide(batch, address(shard, rows), found, count, self.min_sentences)
        return pa.Table.from_batches([decided]).select(PROPOSAL_SCHEMA.names)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """See `by_key`."""
        threshold = f"{self.min_sentences} sentences"
        return by_key(context, self, view, threshold, finish=self)  # a line's row is as long as a line
