"""Lines, paragraphs, sentences, or several of these in a row, that pages share: one page keeps them, or none."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup import exemptions, pieces, priorities, repeated_lines, sentence_spans
from corpus.dedup.piece_units import Form
from corpus.dedup.pieces import Definition, Pieces, Repeats, Within
from corpus.documents import address, shard_and_row
from corpus.options import option
from corpus.text import punkt, sentences
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.maps import compared, frequent
from pipelines.maps.decide import PROPOSAL_SCHEMA
from pipelines.maps.keyed import by_compared_key, hashes_of, keyed

_NAMES = ("address", "start", "end", "owner", "owned", "owner_start", "owner_end")
"""The columns of matches in the order of `pieces.Repeats`."""


@dataclasses.dataclass(frozen=True)
class LineDedup(GlobalStep):
    """C4's line deduplication: of pages that share a piece of text the one with the smallest md5(url) keeps
    it, the others lose it; pages with fewer than `min_sentences` left are dropped.

    unit: "line", as C4's code does it (`corpus.dedup.repeated_lines`), or "three_sentences", any three in a row, as the
    paper says (`sentence_spans`). CCNet's paragraphs are `{unit: paragraph, keep: first, min_sentences: 0}`: lines that
    are compared in lower case, digits as 0, without punctuation and accents. Llama 3 cut lines that it had seen more
    than six times, all of them: `{min_count: 7, keep: none}`. Blank lines are lines to C4, and so where nothing but
    `min_sentences` is given; else they stay, and are no part of spans. What goes is compared with what stays, byte for
    byte: a hash decides nothing.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pages = ["Menu. Home.\\nOne. Two. Three.", "Menu. Home.\\nFour. Five. Six.", "Menu. Home.\\nOne. Two. Three."]
    >>> pq.write_table(corpus.as_table(pages), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.LineDedup()])
    >>> pipelines.run_recipe(recipe, "OUT").report["steps"][-1]["dropped"]
    {'empty': 1}
    """

    name: ClassVar[str] = "line_dedup"
    rules: ClassVar[tuple[str, ...]] = pieces.RULES
    unit: Literal["line", "paragraph", "sentence", "three_sentences"] = option(
        "line",
        "Pieces that are compared: lines, as C4's code does; paragraphs, as CCNet; sentences, or any three, as C4's "
        "paper says.",
    )
    min_sentences: int = option(3, "Sentences that a page is left with at least.", ge=0)
    sentences: Literal["rules", "punkt"] = option("rules", "How those are counted: as for the step c4.")
    span: int = option(1, "Units in a row that are one piece.", ge=1, le=1 << 20)
    form: Literal["auto"] | Form = option(
        "auto",
        "How they are compared: case: stripped, in lower case; ccnet: digits as 0, no punctuation and accents, too; "
        "none: as they are; auto: ccnet for paragraphs, else case.",
    )
    keep: Literal["md5", "none"] | priorities.Keep = option(
        "md5",
        "Which page keeps a piece: that with the smallest md5(url), the first, the longest, that with the newest date, "
        "the highest or lowest score; or none.",
    )
    score: str | None = option(
        None, "The score that `keep` means: `step.score`, or metadata.NAME for a field that the records had."
    )
    min_count: int = option(2, "Places from which on a piece is repeated.", ge=2)
    within: Within = option("corpus", "Where places are counted: in all of the corpus, or in each registered domain.")
    exempt: tuple[str, ...] = option((), "Regular expressions: pieces in which one is found stay whole.")
    exempt_sources: tuple[str, ...] = option((), "Sources, * and ? allowed, whose documents stay as they are.")

    def refuse(self) -> None:
        """Raises ValueError for options that contradict each other, or what is no regular expression."""
        priorities.check(self.keep, self.score)
        if self.unit == "three_sentences" and self.span != 1:
            raise ValueError("unit: three_sentences is a span of three; for others say unit: sentence")
        for pattern in self.exempt:
            try:
                pc.match_substring_regex(pa.array([""]), pattern)
            except pa.ArrowInvalid as error:
                raise ValueError(f"exempt: {pattern!r} is no regular expression (RE2): {error}") from None

    def check(self) -> None:
        """Raises ImportError for "punkt" without NLTK."""
        if self.sentences == "punkt":
            punkt.tokenizer()

    @property
    def definition(self) -> Definition:
        """What pieces are."""
        form: Form = self.form if self.form != "auto" else "ccnet" if self.unit == "paragraph" else "case"
        if self.unit == "three_sentences":
            return Definition("sentence", sentence_spans.SPAN_SENTENCES, form, within=self.within)
        as_c4 = self.keep == "md5" and self.min_count == 2 and form == "case" and self.within == "corpus"
        return Definition(self.unit, self.span, form, as_c4 and not self.exempt, self.within)

    @property
    def _shields(self) -> bool:
        """Whether a unit may be in a piece that goes and in another that stays, so that it stays."""
        return self.definition.span > 1 or self.definition.unit == "sentence"

    def keys(self, rows: np.ndarray, batch: pa.RecordBatch, shard: int) -> tuple[pa.Table, np.ndarray]:
        """Every piece of every document."""
        batch, rows = exemptions.others(batch, rows, self.exempt_sources)
        addresses = address(shard, rows)
        if self.keep == "md5":
            ranks = pieces.page_ranks(batch)
        else:
            ranks = pieces.ranks_of(priorities.of(batch, self.keep, self.score))
        found = pieces.find(self.definition, batch, addresses, ranks)
        if self.exempt:
            stay = ~pieces.exempt(batch, found, addresses, self.exempt)
            found = Pieces(*(column[stay] for column in found))
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

    def matches(self, table: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
        """Repeats of one partition of keys."""
        ranks = np.stack([table["rank_high"].to_numpy(), table["rank_low"].to_numpy()], axis=1)
        columns = (table[name].to_numpy() for name in ("address", "start", "end"))
        found = pieces.repeated(
            Pieces(hashes_of(table), ranks, *columns), self._shields, self.min_count, self.keep == "none"
        )
        matches = compared.matches(
            found.addresses,
            found.owners,
            (found.starts, found.ends),
            (found.owner_starts, found.owner_ends),
            found.owned,
        )
        return matches, {"pieces": table.num_rows, **frequent.most(found)}

    def texts(self, batch: pa.RecordBatch, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
        """What pieces are compared by."""
        return pieces.texts(self.definition, batch, rows, starts, ends)

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """Cuts, and drops for pages of which too little is left."""
        equal = compared.equal(self, rows, batch, proposals)
        found = Repeats(*(equal[name].to_numpy() for name in _NAMES))
        batch, rows = exemptions.others(batch, rows, self.exempt_sources)
        shard = shard_and_row(found.addresses)[0].max(initial=0)
        count = sentences.count_texts
        if self.sentences == "punkt":
            count = functools.partial(punkt.count_texts, most=self.min_sentences)
        addresses = address(shard, rows)
        if self.exempt and self._shields:
            found = self._with_exempt(found, batch, addresses)
        if self.definition.unit == "sentence":
            decided = sentence_spans.decisions(batch, addresses, found, count, self.min_sentences)
        else:
            decided = repeated_lines.decisions(batch, addresses, found, count, self.min_sentences, self.definition)
        return pa.Table.from_batches([decided]).select(PROPOSAL_SCHEMA.names)

    def _with_exempt(self, found: Repeats, batch: pa.RecordBatch, addresses: np.ndarray) -> Repeats:
        """Repeats in a batch, and the exempt pieces of the documents that have some, each its own owner."""
        having = np.isin(addresses, found.addresses)
        batch, addresses = batch.filter(pa.array(having)), addresses[having]
        every = pieces.find(self.definition, batch, addresses, np.zeros((len(addresses), 2), np.uint64))
        stay = pieces.exempt(batch, every, addresses, self.exempt)
        here, starts, ends = every.addresses[stay], every.starts[stay], every.ends[stay]
        stays = (here, starts, ends, here, np.ones(len(here), np.bool_), starts, ends)
        return pieces.sort(Repeats(*(np.concatenate(both) for both in zip(found, stays))))

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """See `by_compared_key`."""
        threshold = f"{self.min_sentences} sentences"
        decided, reduced = by_compared_key(context, self, view, threshold, counted=True)
        figures = context.found.figures.setdefault(context.name, {})
        figures |= frequent.figures(context, view, reduced)
        return decided
