"""Filters in turn over batches of documents: what a pass of a run does, and what people do with a table at hand."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import tables
from corpus.cleaning.kernels import shared_words
from corpus.documents import DROPPED_SCHEMA, at_hand, dropped_rows, span
from corpus.step import Filter, Outcome, unique_names

FAULTY_SCHEMA = pa.schema([("id", pa.string()), ("step", pa.string()), ("error", pa.string())])


@dataclasses.dataclass(frozen=True)
class Filtered:
    """What filters made of documents. `kept`: their table, in order, with the columns that filters add. `dropped`: a
    row for each that was dropped, with `id`, `url`, `step`, `rule`, `value`, `threshold` and the beginning of the
    `text` as the step saw it. `faulty`: those that a filter set aside, as `Custom` does where its function raises, with
    `id`, `step` and `error`.
    `counters`: what the steps counted besides, such as lines removed, by step.

    >>> import corpus
    >>> corpus.apply_filters(["a text", ""], corpus.Length(min_characters=1)).dropped["rule"].to_pylist()
    ['too_few_characters']
    """

    kept: pa.Table
    dropped: pa.Table
    faulty: pa.Table
    counters: dict[str, dict[str, int]]


class Applied(NamedTuple):
    """One filter applied to one batch: its place in the list, the batch, what became of it, how long that took."""

    number: int
    batch: pa.RecordBatch
    outcome: Outcome
    seconds: float


def apply_filters(data: Any, filters: Filter | Sequence[Filter]) -> Filtered:
    """Run a filter, or filters one after the other, over documents.

    data: anything that `corpus.as_table` takes. A filter that repeats is numbered in `step`: `length`, `length-2`.
    Raises what a filter raises, with the documents it was at in the exception's notes; TypeError for what is no filter,
    ValueError for a filter that keeps other documents than it says.

    >>> import corpus
    >>> found = corpus.apply_filters(["too short", "a text of six words, enough"], [corpus.Length(min_words=5)])
    >>> found.kept["text"].to_pylist()
    ['a text of six words, enough']
    >>> found.dropped.select(["id", "step", "rule", "value", "threshold"]).to_pylist()
    [{'id': '0', 'step': 'length', 'rule': 'too_few_words', 'value': '2', 'threshold': '5'}]
    """
    chain = [filters] if isinstance(filters, Filter) else list(filters) if isinstance(filters, Sequence) else [filters]
    for each in chain:
        if not isinstance(each, Filter):
            raise TypeError(f"a filter is an object such as Length(min_words=5), not {each!r}")
    names, shared = unique_names(chain), shared_words.plan(chain)
    kept: list[pa.Table] = []
    dropped, faulty = [DROPPED_SCHEMA.empty_table()], [FAULTY_SCHEMA.empty_table()]
    counters: dict[str, dict[str, int]] = {name: {} for name in names}
    for batch in tables.batches(data):
        if not kept:
            kept.append(_empty(batch, chain))
        for number, given, outcome, _ in in_turn(batch, chain, shared):
            name = names[number]
            if not keeps_what_it_says(given, outcome):
                raise ValueError(f"{name} kept other documents than it says, at {span(given)}")
            reasons = outcome.rules, outcome.values, outcome.thresholds
            dropped.append(pa.Table.from_batches([dropped_rows(given, outcome.rows, name, *reasons)]))
            errors = [(given["id"][row].as_py(), name, error) for row, error in outcome.faulty.items()]
            faulty.append(
                pa.Table.from_pylist([dict(zip(FAULTY_SCHEMA.names, each)) for each in errors], FAULTY_SCHEMA)
            )
            for counter, count in outcome.counters.items():
                counters[name][counter] = counters[name].get(counter, 0) + count
            batch = outcome.kept
        kept.append(pa.Table.from_batches([shared_words.offer(batch, None)]))
    together = pa.concat_tables(kept, promote_options="default")
    return Filtered(together, pa.concat_tables(dropped), pa.concat_tables(faulty), counters)


def in_turn(batch: pa.RecordBatch, filters: Sequence[Filter], shared: Sequence[str | None]) -> Iterator[Applied]:
    """Each filter's outcome over what the one before it kept, as long as anything is left. `shared` is
    `shared_words.plan` of the filters."""
    for number, (each, preset) in enumerate(zip(filters, shared)):
        if not batch.num_rows:
            return
        batch = shared_words.offer(batch, preset)
        started = time.perf_counter()
        with at_hand(batch):
            outcome = each.apply(batch)
        yield Applied(number, batch, outcome, time.perf_counter() - started)
        batch = outcome.kept


def keeps_what_it_says(batch: pa.RecordBatch, outcome: Outcome) -> bool:
    """Whether a filter kept the documents that it was given, in order, without those that it says it did not keep."""
    stays = np.ones(batch.num_rows, bool)
    stays[outcome.rows] = stays[list(outcome.faulty)] = False
    given = batch.column("id")
    return outcome.kept.column("id").equals(given if stays.all() else given.filter(pa.array(stays)))


def _empty(batch: pa.RecordBatch, filters: Sequence[Filter]) -> pa.Table:
    """No documents, with the columns that they have after all filters."""
    batch = batch.slice(0, 0)
    for each in filters:
        batch = each.apply(batch).kept
    return pa.Table.from_batches([batch])
