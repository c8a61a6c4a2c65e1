"""The table of passages that documents and evaluation items have in common, and what is done to the documents.

`scan` reads the documents of a group of shards, once for each scan that rules ask for. `count` adds up in how many
documents each gram was. `write_table` says that of each passage, applies the rule, and writes the table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.contamination import rules, scanner, words
from corpus.contamination.decontaminate import Decontaminate, decided
from corpus.contamination.index import Index
from corpus.contamination.rules import Scan
from corpus.documents import address, at_hand, shard_and_row
from corpus.io import shards
from corpus.io.shards import ShardWriter
from pipelines.engine import Exclusion, File, Outputs
from pipelines.maps.decide import PROPOSAL_SCHEMA, ProposalWriter
from pipelines.maps.groups import Group
from pipelines.maps.sinks import Rows

TABLE = "spans.parquet"
PASSAGE = 400
"""Characters of a passage that the table has."""
FEW, AT_ONCE = 256, 1 << 16
"""Documents that are scanned at first, and spans that there are about of those that are scanned together."""
NAMES = [("id", pa.string()), ("url", pa.string()), ("source", pa.string())]
SPAN_SCHEMA = pa.schema(
    [
        ("address", pa.int64()),
        *NAMES,
        *list(scanner.SPAN_SCHEMA)[1:],
        ("passage", pa.string()),
        ("around", pa.large_string()),  # see scanner.Scanner; null where no rule leaves grams out
    ]
)
COUNT_SCHEMA = pa.schema([("gram", pa.int64()), ("documents", pa.int64())])
TABLE_SCHEMA = pa.schema(
    [
        *NAMES,  # of the document
        ("set", pa.string()),
        ("item", pa.string()),  # its name, FILE:ID
        ("field", pa.string()),  # of the item
        ("scan", pa.string()),  # what texts were compared by, and the units of a gram
        ("start", pa.int64()),  # bytes of the document's text as the step saw it
        ("end", pa.int64()),
        ("item_start", pa.int64()),  # bytes of the item's text
        ("item_end", pa.int64()),
        ("words", pa.int64()),  # units of the passage
        ("skipped", pa.int64()),  # of these, how many differ
        ("grams", pa.int64()),  # distinct grams of the item in the document, anywhere
        ("covered", pa.float64()),  # those as a share of the item's
        ("longest", pa.int64()),  # units of the longest passage of the item in the document
        ("share_of_item", pa.float64()),  # the passage's, of the units of the item
        ("share_of_document", pa.float64()),
        ("documents", pa.int64()),  # that have its rarest gram
        ("passage", pa.string()),  # its beginning
        ("address", pa.int64()),  # of the document
        ("item_number", pa.int64()),  # among all items
        ("text_number", pa.int64()),  # among the texts of all items
        ("first", pa.int64()),  # unit of that text
    ]
)


def of_scan(number: int, what: str) -> str:
    """The name of an output of a scan."""
    return f"{what}-{number}.arrow"


@dataclasses.dataclass(frozen=True)
class Scanning:
    """Argument of the scan of a group."""

    step: Decontaminate
    group: Group

    def without(self, excluded: tuple[Exclusion, ...]) -> Scanning:
        """This task without some of its documents."""
        return dataclasses.replace(self, group=self.group.without(excluded))


def scan(argument: Scanning, outputs: Outputs) -> dict[str, Any]:
    """A scan task: for each scan of the step, the spans of the group's documents, and how many have each gram."""
    step = argument.step
    scanners = [step.scanner(each) for each in step.scans()]
    writers = [
        shards.ShardWriter(outputs.path(of_scan(number, "spans")), SPAN_SCHEMA, checked=True)
        for number in range(len(scanners))
    ]
    documents = 0
    for shard, rows, batch in views.read_all(argument.group.shards):
        documents += len(rows)
        addresses = address(shard.number, rows)
        for each, writer in zip(scanners, writers):
            _scan_batch(each, batch, addresses, writer)
    for number, (each, writer) in enumerate(zip(scanners, writers)):
        writer.close()
        grams = np.flatnonzero(each.documents)
        counts = pa.table([grams, each.documents[grams].astype(np.int64)], schema=COUNT_SCHEMA)
        shards.write_table(outputs.path(of_scan(number, "grams")), counts)
    return {"documents": documents}


def _scan_batch(scanner_: scanner.Scanner, batch: pa.RecordBatch, addresses: np.ndarray, writer: ShardWriter) -> None:
    """Write the spans of a batch, so many documents at a time that there are about `AT_ONCE` of them: a template that
    thousands of documents and thousands of items share makes a span for every pair."""
    first, size = 0, FEW
    while first < batch.num_rows:
        part = batch.slice(first, size)
        with at_hand(part):
            found = scanner_.scan(part.column("text"))
        if found.num_rows:
            (ready,) = _named(found, addresses[first : first + size], part).combine_chunks().to_batches()
            writer.write(ready)
        first += size
        size = min(max(size * AT_ONCE // max(found.num_rows, 1), 1), 2 * size)


def _named(spans: pa.Table, addresses: np.ndarray, batch: pa.RecordBatch) -> pa.Table:
    """Spans with the names of their documents, and the beginnings of the passages."""
    rows = spans["row"].to_numpy()
    columns: dict[str, Any] = {"address": addresses[rows]}
    for name, kind in NAMES:
        has = name in batch.schema.names
        columns[name] = batch.column(name).take(pa.array(rows)) if has else pa.nulls(len(rows), kind)
    texts = batch.column("text")
    passages = []
    for row, start, end in zip(rows.tolist(), spans["start"].to_pylist(), spans["end"].to_pylist()):
        piece = texts[row].as_buffer()[start : min(end, start + 4 * PASSAGE)].to_pybytes()
        passages.append(piece.decode(errors="ignore")[:PASSAGE])
    columns |= {field.name: spans[field.name] for field in scanner.SPAN_SCHEMA if field.name != "row"}
    has_around = "around" in spans.column_names
    columns["around"] = spans["around"] if has_around else pa.nulls(len(rows), pa.large_string())
    return pa.table({**columns, "passage": passages}, schema=SPAN_SCHEMA)


def count(argument: tuple[tuple[int, tuple[File, ...]], ...], outputs: Outputs) -> dict[str, Any]:
    """Add up the counts of all groups, for each scan."""
    found = {}
    for number, files in argument:
        total = np.zeros(0, np.int64)
        for file in files:
            table = _read(file, COUNT_SCHEMA)
            grams, documents = table["gram"].to_numpy(), table["documents"].to_numpy()
            if len(grams) and grams[-1] >= len(total):
                total = np.concatenate([total, np.zeros(grams[-1] + 1 - len(total), np.int64)])
            np.add.at(total, grams, documents)
        grams = np.flatnonzero(total)
        shards.write_table(
            outputs.path(of_scan(number, "counts")), pa.table([grams, total[grams]], schema=COUNT_SCHEMA)
        )
        found[number] = len(grams)
    return {"grams": found}


def _read(file: File, schema: pa.Schema) -> pa.Table:
    """What a task has written, which may be nothing."""
    return pa.Table.from_batches(shards.read(file.path, file.hash), schema)


class Tabulating(NamedTuple):
    """What all tasks of the table share: the step, the counts of each scan, the first shard of each group, bytes to
    hold."""

    step: Decontaminate
    counts: tuple[File, ...]
    firsts: np.ndarray
    hold: int


def write_table(argument: tuple[File, ...], outputs: Outputs, common: Tabulating) -> dict[str, Any]:
    """The passages of a group, all scans together, and the proposals about its documents; how many of each source
    go."""
    step = common.step
    proposals = ProposalWriter(outputs, common.firsts, common.hold)
    written = 0
    touched: dict[str, dict[str, int]] = {"dropped": {}, "cut": {}}
    rows = Rows(outputs, TABLE, TABLE_SCHEMA)
    for number, (each, file, counts) in enumerate(zip(step.scans(), argument, common.counts)):
        index = step.index(each)
        documents = counts_of(counts, index)
        for spans in counted_spans(file, documents, index):
            if number == 0:
                cuts = step.cuts(spans, index, documents)
                shard, row = shard_and_row(cuts.row)
                proposed = decided(cuts._replace(row=row), index, step.rule).select(PROPOSAL_SCHEMA.names)
                proposals.add(proposed, shard)
                _count_sources(touched, cuts, spans)
            table = for_people(spans, index, each)
            written += table.num_rows
            for batch in table.to_batches():
                rows.write(batch)
    if not written:
        rows.write_nothing()
    rows.close()
    return {"spans": written, "sources": touched, **proposals.close()}


def counts_of(counts: File, index: Index) -> np.ndarray:
    """In how many documents each gram of the index is: int64[grams]."""
    documents = np.zeros(len(index.hash), np.int64)
    found = _read(counts, COUNT_SCHEMA)
    documents[found["gram"].to_numpy()] = found["documents"].to_numpy()
    return documents


def counted_spans(file: File | None, documents: np.ndarray, index: Index) -> Iterator[pa.Table]:
    """The spans of a scan of a group, none without a file, in which `row` is the document's address, with the column
    `documents`: tables of some documents each, at least one, with all that the scan has found in these."""
    found = shards.read(file.path, file.hash) if file else ()
    for batch in chain(found, [pa.RecordBatch.from_pylist([], SPAN_SCHEMA)]):
        table = pa.Table.from_batches([batch], SPAN_SCHEMA)
        yield rules.with_documents(table.append_column("row", table["address"]), index, documents)


def _count_sources(touched: dict[str, dict[str, int]], cuts: rules.Cuts, spans: pa.Table) -> None:
    """Add how many documents of which source are dropped, and cut."""
    rows, first = np.unique(spans["row"].to_numpy(), return_index=True)
    sources = spans["source"].take(pa.array(first))
    for what, mask in (("dropped", cuts.dropped), ("cut", ~cuts.dropped)):
        places = np.searchsorted(rows, np.unique(cuts.row[mask]))
        for pair in pc.value_counts(sources.take(pa.array(places)).combine_chunks()).to_pylist():
            name = pair["values"] or ""
            touched[what][name] = touched[what].get(name, 0) + pair["counts"]


def scan_name(scan: Scan) -> str:
    """A scan in a word: simple-13."""
    skips = f"-skips-{scan.skips}" if scan.skips else ""
    return f"{scan.normalisation}-{scan.ngram}{skips}{'-by-set' if scan.by_set else ''}{'-drawn' if scan.drawn else ''}"


def for_people(spans: pa.Table, index: Index, scan: Scan) -> pa.Table:
    """Spans as TABLE_SCHEMA has them."""
    item, text, first, size, row = (spans[n].to_numpy() for n in ("item", "text", "first", "words", "row"))
    start, end = places_in_items(index, text, first, size)
    columns: dict[str, Any] = {name: spans[name] for name in TABLE_SCHEMA.names if name in spans.column_names}
    columns |= {
        "set": pa.array([index.items[i].set for i in item.tolist()], pa.string()),
        "item": pa.array([index.items[i].name for i in item.tolist()], pa.string()),
        "field": pa.array([index.texts[i][0] for i in text.tolist()], pa.string()),
        "scan": pa.array([scan_name(scan)] * len(item), pa.string()),
        "item_start": start,
        "item_end": end,
        "longest": _longest(row, item, size),
        "share_of_item": size / index.units[item],
        "share_of_document": size / spans["of_words"].to_numpy(),
        "item_number": item,
        "text_number": text,
    }
    return pa.table({name: columns[name] for name in TABLE_SCHEMA.names}, schema=TABLE_SCHEMA)


def _longest(row: np.ndarray, item: np.ndarray, size: np.ndarray) -> np.ndarray:
    _, pair = np.unique(np.stack([row, item]), axis=1, return_inverse=True)
    pair = pair.reshape(-1)
    most = np.zeros(pair.max(initial=-1) + 1, np.int64)
    np.maximum.at(most, pair, size)
    return most[pair]


def places_in_items(
    index: Index, text: np.ndarray, first: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of items' texts that units `first` to `first + size` are of: (starts, ends), both int64."""
    start, end = np.zeros(len(text), np.int64), np.zeros(len(text), np.int64)
    for number in np.unique(text).tolist():
        starts, ends = words.places(index.texts[number][1], index.normalisation, index.tokenizer)
        here = text == number
        start[here], end[here] = starts[first[here]], ends[first[here] + size[here] - 1]
    return start, end
