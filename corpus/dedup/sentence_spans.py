"""Repeated spans of sentences: C4's line deduplication as the paper words it.

"We discarded all but one of any three-sentence span occurring more than once in the data set" (Raffel et
al. 2020, section 2.2). The code that made C4 works on lines instead (`lines`). Here a span is
`SPAN_SENTENCES` consecutive sentences of one document, across its lines; two are equal if their
sentences, stripped and in lower case, are. Of all places of a span, the page whose URL has the smallest
MD5 owns it, there the first place; equal ranks (one URL twice) go in corpus order.

Spans overlap, so "all but one" needs saying what becomes of a sentence in several. A sentence goes if a
span with it is owned elsewhere, unless it also stands in a repeated span that is owned here. So every
repeated span stays whole in one place, and what is beside it in other places goes.

Map: `span_keys` of each batch. Exchange: by `exact.partition_of` its keys. Reduce: `repeated_spans`.
Map, over the repeated spans by shard: `decisions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import ranges
from corpus.dedup.exact import as_pairs, rivals
from corpus.dedup.lines import RULES, Lines, _page_names
from corpus.documents import DECISION_SCHEMA, ROW_BITS, shard_and_row
from corpus.text import arrow, hashing, sentences, spans

SPAN_SENTENCES = 3
"""Sentences in a span (Raffel et al. 2020, section 2.2)."""


class Repeats(NamedTuple):
    """Places of spans that occur more than once, their owner's too, sorted by address and start:
    addresses, starts and ends as in `Lines`; owners, owner_starts: the place that keeps the span;
    all int64[n]."""

    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    owners: np.ndarray
    owner_starts: np.ndarray


class Layout(NamedTuple):
    """Lines and sentences of a batch, int64 byte positions in the buffer of its texts.

    Document *i* has the lines `first_line[i]:first_line[i + 1]` (as `text.split("\\n")`), line *j* the
    sentences `first_sentence[j]:first_sentence[j + 1]`."""

    line_starts: np.ndarray
    line_ends: np.ndarray
    first_line: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    first_sentence: np.ndarray


def layout(data: np.ndarray, offsets: np.ndarray) -> Layout:
    """Lines and sentences of a string column. A line ends its last sentence."""
    line_starts, line_ends, first_line = spans.lines(data, offsets, newline_only=True)
    starts, ends, first_sentence = sentences.split(data, line_starts, line_ends)
    return Layout(line_starts, line_ends, first_line, starts, ends, first_sentence)


def span_keys(batch: pa.RecordBatch, addresses: np.ndarray, length: int = SPAN_SENTENCES) -> Lines:
    """All spans of a batch (columns id, text, and url if there is one; addresses int64 by row), in order.

    keys are 128-bit hashes of the sentences' hashes, starts and ends the bytes from the first sentence's
    start to the last one's end; the rest is as for lines. A document of s sentences has
    max(0, s - length + 1) spans. Raises ValueError for a length below 1.
    """
    if length < 1:
        raise ValueError(f"a span has at least 1 sentence, not {length}")
    data, offsets = arrow.buffers(batch.column("text"))
    found = layout(data, offsets)
    bounds = found.first_sentence[found.first_line]  # of each document, its first sentence
    document = np.repeat(np.arange(batch.num_rows), np.diff(bounds))
    first = np.arange(max(0, len(document) - length + 1))
    first = first[document[first] == document[first + length - 1]]
    rows = document[first]
    hashes = hashing.hash_lines(data, found.starts, found.ends)
    ranks = as_pairs(hashlib.md5(name.encode(), usedforsecurity=False).digest() for name in _page_names(batch))
    return Lines(
        _span_hashes(hashes, first, length),
        ranks[rows],
        addresses[rows],
        found.starts[first] - offsets[rows],
        found.ends[first + length - 1] - offsets[rows],
    )


def _span_hashes(hashes: np.ndarray, first: np.ndarray, length: int) -> np.ndarray:
    """128-bit hashes (uint64[n, 2]) of the runs of `length` sentences from each of `first`, by the
    hashes uint64[sentences, 2]."""
    data = hashes.view(np.uint8).ravel()
    starts, ends = first * 16, (first + length) * 16
    return np.stack([hashing.hash_spans(data, starts, ends, seed) for seed in (0, 1)], axis=1)


def repeated_spans(found: Lines) -> Repeats:
    """The spans that occur more than once, of all spans of the keys given, in any order."""
    losers, winners = rivals(found.keys, found.ranks[:, 0], found.ranks[:, 1], found.addresses, found.starts)
    owned = np.unique(winners)
    places, owners = np.concatenate([losers, owned]), np.concatenate([winners, owned])
    columns = found.addresses[places], found.starts[places], found.ends[places]
    return sort_repeats(Repeats(*columns, found.addresses[owners], found.starts[owners]))


def sort_repeats(repeats: Repeats) -> Repeats:
    """The repeated spans by address and start: for joining those of several partitions."""
    order = np.lexsort((repeats.starts, repeats.addresses))
    return Repeats(*[column[order] for column in repeats])


def decisions(
    batch: pa.RecordBatch,
    addresses: np.ndarray,
    repeats: Repeats,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int = 3,
) -> pa.RecordBatch:
    """Decisions (DECISION_SCHEMA, sorted by row and start, step "sentence_spans") about a batch.

    addresses: int64, ascending, of the batch's rows. repeats: sorted; those of other documents are ignored.
    count_sentences, min_sentences: as for `lines.decisions`.

    A document is dropped as "empty" or "too_few_sentences" (score: how many) by what would be left of
    it. Otherwise each run of sentences that goes is a cut, by reason "duplicate_span", with the white
    space before it (after it, at the start of a line), or with its lines' newlines; its `by` is the
    "shard:row" of the page that keeps the first span in it.
    """
    text = batch.column("text")
    data, offsets = arrow.buffers(text)
    mine = np.isin(repeats.addresses, addresses)
    repeats = Repeats(*[column[mine] for column in repeats])
    places = np.searchsorted(addresses, repeats.addresses)
    found = layout(data, offsets)
    owners = _owners(found, offsets, places, repeats)
    rows, starts, ends, by = _cuts(found, offsets, owners)

    left = ranges.cut(text, rows, starts, ends)
    empty = np.diff(arrow.buffers(left)[1]) == 0
    counts = np.asarray(count_sentences(left), np.int64)
    too_few = ~empty & (counts < min_sentences)
    dropped = np.flatnonzero(empty | too_few)
    kept = ~np.isin(rows, dropped)
    shard, row = shard_and_row(by[kept])
    table = {
        "row": np.concatenate([addresses[dropped], addresses[rows[kept]]]) & ((1 << ROW_BITS) - 1),
        "action": ["drop"] * len(dropped) + ["cut"] * len(row),
        "start": [None] * len(dropped) + starts[kept].tolist(),
        "end": [None] * len(dropped) + ends[kept].tolist(),
        "step": ["sentence_spans"] * (len(dropped) + len(row)),
        "reason": [RULES[int(too_few[i])] for i in dropped] + ["duplicate_span"] * len(row),
        "by": [None] * len(dropped) + [f"{s}:{r}" for s, r in zip(shard, row)],
        "score": counts[dropped].astype(float).tolist() + [None] * len(row),
    }
    order = np.argsort(table["row"], kind="stable")
    return pa.RecordBatch.from_pydict(table, schema=DECISION_SCHEMA).take(pa.array(order))


def _owners(found: Layout, offsets: np.ndarray, places: np.ndarray, repeats: Repeats) -> np.ndarray:
    """For each sentence the address of the page that keeps it elsewhere, -1 if it stays: int64[sentences].

    places: the row of each of `repeats`."""
    first = np.searchsorted(found.starts, offsets[places] + repeats.starts)
    after = np.searchsorted(found.ends, offsets[places] + repeats.ends) + 1
    owned = (repeats.owners == repeats.addresses) & (repeats.owner_starts == repeats.starts)
    return _mark(first, after, repeats.owners, owned, len(found.starts))


@numba.njit(cache=True, nogil=True)
def _mark(first, after, span_owners, owned, count):
    """See `_owners`; span *i* has the sentences `first[i]:after[i]`."""
    owners = np.full(count, -1, np.int64)
    for i in range(len(first) - 1, -1, -1):  # backwards, so that a sentence's first span counts
        if not owned[i]:
            owners[first[i] : after[i]] = span_owners[i]
    for i in range(len(first)):
        if owned[i]:
            owners[first[i] : after[i]] = -1
    return owners


@numba.njit(cache=True, nogil=True)
def _cuts(found, offsets, owners):
    """(rows, starts, ends, owners), int64: what to cut out of each document, in order.

    Cuts do not overlap; those within a line may touch."""
    rows, starts, ends, by = np.empty((4, len(owners)), np.int64)
    count = 0
    for row in range(len(offsets) - 1):
        line_kept = False  # whether a line before is
        for line in range(found.first_line[row], found.first_line[row + 1]):
            low, high = found.first_sentence[line], found.first_sentence[line + 1]
            gone = (owners[low:high] >= 0).sum()
            if low < high and gone == high - low:
                # With the newline before it, or after it where no line stands before.
                start = found.line_starts[line] - line_kept
                end = found.line_ends[line] + (not line_kept)
                rows[count], starts[count], by[count] = row, start - offsets[row], owners[low]
                ends[count] = min(end, offsets[row + 1]) - offsets[row]
                count += 1
                continue
            line_kept = True
            sentence_kept = False  # whether a sentence before is, in this line
            for i in range(low, high):
                if owners[i] < 0:
                    sentence_kept = True
                    continue
                start = found.ends[i - 1] if sentence_kept else found.starts[i]
                end = found.ends[i] if sentence_kept else found.starts[i + 1]
                rows[count], starts[count], by[count] = row, start - offsets[row], owners[i]
                ends[count] = end - offsets[row]
                count += 1
    return rows[:count], starts[:count], ends[:count], by[:count]
