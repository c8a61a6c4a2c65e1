"""Deduplication by key: by URL, by line, by content. Each is map -> exchange by key -> reduce ->
exchange by shard -> decide."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import exact, lines, pieces, sentence_spans, urls
from corpus.documents import address, shard_and_row
from corpus.options import option
from corpus.text import punkt, sentences
from corpus.views import ShardView
from pipelines import exchange
from pipelines.context import GlobalStep
from pipelines.engine import Exclusion, File, Outputs, Task
from pipelines.steps.decide import PROPOSAL_SCHEMA, decide_map, proposals
from pipelines.steps.passes import left_out, shard_task, without_rows

MAX_PARTITIONS = 256


@dataclasses.dataclass(frozen=True)
class Keys:
    """Argument of a map task: emit the keys of a shard's documents into `partitions`."""

    step: Any
    shard: ShardView
    partitions: int

    def without(self, excluded: tuple[Exclusion, ...]) -> Keys:
        """This task without some of its documents."""
        return dataclasses.replace(self, shard=without_rows(self.shard, excluded))


@dataclasses.dataclass(frozen=True)
class Reduce:
    """Argument of a reduce task: the exchange files, the partition to read, and how many shards
    the proposals go to."""

    step: Any
    files: tuple[str, ...]
    partition: int
    shards: int


def emit_keys(argument: Keys, outputs: Outputs) -> dict:
    """Map: the step's `keys(rows, batch, shard number) -> (table, keys uint64[n, 2])` of every batch."""
    tables, partitions = [], []
    for rows, batch in views.read(argument.shard):
        table, keys = argument.step.keys(rows, batch, argument.shard.number)
        tables.append(table)
        partitions.append(exact.partition_of(keys, argument.partitions))
    if tables:
        partition = np.concatenate(partitions)
        exchange.write(outputs.path("keys.arrow"), pa.concat_tables(tables), partition, argument.partitions)
    return {"documents": sum(len(table) for table in tables)}


def reduce_keys(argument: Reduce, outputs: Outputs) -> dict:
    """Reduce: the step's `duplicates(table) -> (proposals, shard of each)` of one partition."""
    found, shard = argument.step.duplicates(exchange.read(argument.files, argument.partition))
    exchange.write(outputs.path("proposals.arrow"), found, shard, argument.shards)
    return {"proposals": found.num_rows}


def by_key(run, place: str, name: str, step: Any, shard_views: list[ShardView], threshold: str, finish: Any = None):
    """The four maps of a dedup by key; see the module. Returns (view, manifests of the decide map)."""
    partitions = partitions_for(shard_views)
    tasks = [shard_task(s, Keys(step, s, partitions)) for s in shard_views]
    mapped = run.engine.map(f"{place}-keys", emit_keys, tasks, (step, partitions))
    shard_views = left_out(shard_views, mapped)
    proposed = reduce_map(run, place, reduce_keys, step, outputs_named(mapped, "keys.arrow"), partitions, shard_views)
    return decide_map(run.engine, place, name, shard_views, proposed, threshold, finish)


def reduce_map(run, place: str, function: Callable, step: Any, exchanged: list[File], partitions: int, shard_views) -> list[File]:
    """A reduce task for each partition; the files with its proposals."""
    if not exchanged:
        return []
    files = tuple(file.path for file in exchanged)
    prints = tuple((f"keys {i}", file.hash) for i, file in enumerate(exchanged))
    weight = sum(file.bytes for file in exchanged) // partitions
    tasks = [Task(f"{i:05d}", Reduce(step, files, i, len(shard_views)), prints, weight) for i in range(partitions)]
    reduced = run.engine.map(f"{place}-reduce", function, tasks, (step, partitions, len(shard_views)))
    return outputs_named(reduced, "proposals.arrow")


def partitions_for(shard_views: list[ShardView]) -> int:
    """How many partitions an exchange of these shards' keys gets."""
    return max(1, min(len(shard_views), MAX_PARTITIONS))


def outputs_named(manifests, name: str) -> list[File]:
    """The outputs called `name`, in task order."""
    return [m.outputs[name] for m in manifests if name in m.outputs]


@dataclasses.dataclass(frozen=True)
class ExactDedup(GlobalStep):
    """Keep the first of documents with equal text, in corpus order."""

    name: ClassVar[str] = "exact_dedup"
    rules: ClassVar[tuple[str, ...]] = ("duplicate",)
    normalize: Literal["none", "whitespace_case"] = option("none", "Compare texts as they are, or without regard to white space and case.")

    def keys(self, rows, batch, shard):
        """Content hash of every document."""
        hashes = exact.content_hashes(batch.column("text"), self.normalize)
        return _keyed(hashes, address(shard, rows)), hashes

    def duplicates(self, table):
        """Proposals of one partition."""
        return proposals(*exact.duplicates(_hashes(table), table["address"].to_numpy()), "duplicate")

    def decide(self, run, place, name, shard_views):
        """See `by_key`."""
        return by_key(run, place, name, self, shard_views, "equal text")


@dataclasses.dataclass(frozen=True)
class UrlDedup(GlobalStep):
    """C4's URL deduplication: of pages with one normalised URL keep the newest (C4 3.1.0,
    text/c4.py of tensorflow-datasets); the first in corpus order among equally new ones."""

    name: ClassVar[str] = "url_dedup"
    rules: ClassVar[tuple[str, ...]] = ("duplicate_url",)

    def keys(self, rows, batch, shard):
        """Hash of the normalised URL of every document that has one, and its date."""
        hashes, places = urls.url_hashes(batch.column("url"))
        dates = batch.column("date").take(pa.array(places))
        return _keyed(hashes, address(shard, rows[places])).append_column("date", dates), hashes

    def duplicates(self, table):
        """Proposals of one partition."""
        dates = table["date"].combine_chunks()
        return proposals(*urls.duplicate_urls(_hashes(table), dates, table["address"].to_numpy()), "duplicate_url")

    def decide(self, run, place, name, shard_views):
        """See `by_key`."""
        return by_key(run, place, name, self, shard_views, "one page a URL")


@dataclasses.dataclass(frozen=True)
class LineDedup(GlobalStep):
    """C4's line deduplication: of pages that share a piece of text the one with the smallest md5(url) keeps
    it, the others lose it; pages with fewer than `min_sentences` left are dropped.

    unit: "line", as C4's code does it (`lines`), or "three_sentences", any three in a row, as the paper
    says (`sentence_spans`). sentences: how those left are counted, "rules" or "punkt", as for the step c4."""

    name: ClassVar[str] = "line_dedup"
    rules: ClassVar[tuple[str, ...]] = pieces.RULES
    unit: Literal["line", "three_sentences"] = option("line", "Pieces that are compared: lines, as C4's code does, or any three sentences, as the paper says.")
    min_sentences: int = option(3, "Sentences that a page is left with at least.")
    sentences: Literal["rules", "punkt"] = option("rules", "How those are counted: as for the step c4.")

    def check(self):
        """Raises ImportError for "punkt" without NLTK."""
        if self.sentences == "punkt":
            punkt.tokenizer()

    def keys(self, rows, batch, shard):
        """Every line, or span of sentences, of every document."""
        find = lines.line_keys if self.unit == "line" else sentence_spans.span_keys
        found = find(batch, address(shard, rows))
        table = _keyed(found.keys, found.addresses)
        for name, column in (("rank_high", found.ranks[:, 0]), ("rank_low", found.ranks[:, 1]), ("start", found.starts), ("end", found.ends)):  # fmt: skip
            table = table.append_column(name, pa.array(column))
        return table, found.keys

    def duplicates(self, table):
        """Repeats of one partition of keys, to the shard of their document."""
        ranks = np.stack([table["rank_high"].to_numpy(), table["rank_low"].to_numpy()], axis=1)
        columns = (table[name].to_numpy() for name in ("address", "start", "end"))
        found = pieces.repeated(pieces.Pieces(_hashes(table), ranks, *columns), with_owned=self.unit != "line")
        shard, row = shard_and_row(found.addresses)
        columns = {"row": row, "address": found.addresses, "start": found.starts, "end": found.ends}
        return pa.table({**columns, "owner": found.owners, "owned": found.owned}), shard

    def finish(self, rows, batch, repeats):
        """Cuts, and drops for pages of which too little is left."""
        found = pieces.Repeats(*(repeats[name].to_numpy() for name in ("address", "start", "end", "owner", "owned")))
        decide = lines.decisions if self.unit == "line" else sentence_spans.decisions
        shard = shard_and_row(found.addresses)[0].max(initial=0)
        count = sentences.count_texts
        if self.sentences == "punkt":
            count = functools.partial(punkt.count_texts, most=self.min_sentences)
        decided = decide(batch, address(shard, rows), found, count, self.min_sentences)
        return pa.Table.from_batches([decided]).select(PROPOSAL_SCHEMA.names)

    def decide(self, run, place, name, shard_views):
        """See `by_key`."""
        threshold = f"{self.min_sentences} sentences"
        return by_key(run, place, name, self, shard_views, threshold, finish=self)


def _keyed(hashes: np.ndarray, addresses: np.ndarray) -> pa.Table:
    return pa.table({"high": hashes[:, 0], "low": hashes[:, 1], "address": addresses})


def _hashes(table: pa.Table) -> np.ndarray:
    return np.stack([table["high"].to_numpy(), table["low"].to_numpy()], axis=1)
