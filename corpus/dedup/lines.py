"""Lines that another page owns, or the page has said already: C4's line deduplication.

The C4 paper speaks of three-sentence spans; its code (tensorflow-datasets, `c4_utils.
remove_duplicate_text`), which is the reference here, works on lines. Of all pages with a line, the one
whose URL has the smallest MD5 owns it (hashed, so that no site is favoured). A page keeps the first
occurrence of each line it owns, and is dropped when nothing or too few sentences are left.

Map: `line_keys` of each batch. Exchange: by `exact.partition_of` its keys. Reduce: `lines_to_cut`.
Map, over the cuts by shard: `decisions`.
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
from corpus.documents import DECISION_SCHEMA, ROW_BITS, shard_and_row
from corpus.text import arrow, hashing, spans

RULES = ("empty", "too_few_sentences")
"""Why a page is dropped, in the order of the tests."""


class Lines(NamedTuple):
    """Lines of documents.

    keys: uint64[n, 2], 128-bit hash of the line stripped and in lower case. C4's is MD5; any will do, as
        only equality counts (`hashing` states the chance of a collision)
    ranks: uint64[n, 2], MD5 of the document's URL (of its id, if it has none), big-endian
    addresses: int64[n], the document's
    starts, ends: int64[n], the line's bytes in the document's text, without the newline
    """

    keys: np.ndarray
    ranks: np.ndarray
    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class Cuts(NamedTuple):
    """Lines to cut out, sorted by address and start: addresses, starts and ends as in `Lines`, and
    the addresses of the documents that keep the line; all int64[n]."""

    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    owners: np.ndarray


def line_keys(batch: pa.RecordBatch, addresses: np.ndarray) -> Lines:
    """All lines of a batch (columns id, text, and url if there is one; addresses int64 by row), in order.

    Lines are what `text.split("\\n")` gives: n + 1 of them for n newlines, one for an empty text.
    """
    data, offsets = arrow.buffers(batch.column("text"))
    starts, ends, first = spans.lines(data, offsets, newline_only=True)
    keys = hashing.hash_lines(data, starts, ends)
    counts = np.diff(first)
    begin = np.repeat(offsets[:-1], counts)
    names = (hashlib.md5(name.encode(), usedforsecurity=False) for name in _page_names(batch))
    ranks = as_pairs(name.digest() for name in names)
    return Lines(
        keys, np.repeat(ranks, counts, axis=0), np.repeat(addresses, counts), starts - begin, ends - begin
    )


def _page_names(batch: pa.RecordBatch) -> list[str]:
    """URL of each document, or its id."""
    ids = batch.column("id").to_pylist()
    if "url" not in batch.schema.names:
        return ids
    return [url or id_ for url, id_ in zip(batch.column("url").to_pylist(), ids)]


def lines_to_cut(lines: Lines) -> Cuts:
    """Which lines go, of all lines of the keys given, in any order: all but the first occurrence in
    the page that owns the line. Two pages of equal rank (one URL twice) are taken in corpus order.
    """
    losers, winners = rivals(lines.keys, lines.ranks[:, 0], lines.ranks[:, 1], lines.addresses, lines.starts)
    cuts = Cuts(lines.addresses[losers], lines.starts[losers], lines.ends[losers], lines.addresses[winners])
    return sort_cuts(cuts)


def sort_cuts(cuts: Cuts) -> Cuts:
    """The cuts by address and start: for joining those of several partitions."""
    order = np.lexsort((cuts.starts, cuts.addresses))
    return Cuts(*[column[order] for column in cuts])


def decisions(
    batch: pa.RecordBatch,
    addresses: np.ndarray,
    cuts: Cuts,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int = 3,
) -> pa.RecordBatch:
    """Decisions (DECISION_SCHEMA, sorted by row and start, step "lines") about the documents of a batch.

    addresses: int64, ascending, of the batch's rows. cuts: sorted; those of other documents are ignored.
    count_sentences: number of sentences of each text of a string column. min_sentences: 3 in C4
    (`_MIN_NUM_SENTENCES`); 0 asks for none, as mC4 does.

    A document is dropped as "empty" or "too_few_sentences" (score: how many) by what would be left of
    it, whether or not it lost a line. Otherwise each line that goes is a cut, with the newline that
    must go with it for the rest to be the kept lines joined by newlines; its reason is
    "local_duplicate" or "global_duplicate", its `by` the "shard:row" of the page that keeps the line.
    """
    text = batch.column("text")
    mine = np.isin(cuts.addresses, addresses)
    cuts = Cuts(*[column[mine] for column in cuts])
    places = np.searchsorted(addresses, cuts.addresses)
    sizes = np.array([len(value.as_buffer() or b"") for value in text], np.int64)
    starts, ends = _with_newlines(places, cuts.starts, cuts.ends, sizes)
    left = ranges.cut(text, places, starts, ends)

    empty = np.array([not value.as_buffer() for value in left], bool)
    sentences = np.asarray(count_sentences(left), np.int64)
    too_few = ~empty & (sentences < min_sentences)
    dropped = np.flatnonzero(empty | too_few)
    kept = np.flatnonzero(~np.isin(places, dropped))
    owners = cuts.owners[kept]
    local = owners == cuts.addresses[kept]
    table = {
        "row": np.concatenate([addresses[dropped], cuts.addresses[kept]]) & ((1 << ROW_BITS) - 1),
        "action": ["drop"] * len(dropped) + ["cut"] * len(kept),
        "start": [None] * len(dropped) + starts[kept].tolist(),
        "end": [None] * len(dropped) + ends[kept].tolist(),
        "step": ["lines"] * (len(dropped) + len(kept)),
        "reason": [RULES[int(too_few[i])] for i in dropped]
        + ["local_duplicate" if same else "global_duplicate" for same in local],
        "by": [None] * len(dropped) + [f"{shard}:{row}" for shard, row in zip(*shard_and_row(owners))],
        "score": sentences[dropped].astype(float).tolist() + [None] * len(kept),
    }
    order = np.argsort(table["row"], kind="stable")
    return pa.RecordBatch.from_pydict(table, schema=DECISION_SCHEMA).take(pa.array(order))


@numba.njit(cache=True, nogil=True)
def _with_newlines(places, starts, ends, sizes):
    """Bounds of the cuts with one newline each: the one before where a line before is kept, otherwise
    the one after. places int64[n], ascending, indices into `sizes`, the bytes of each document."""
    new_starts, new_ends = starts.copy(), ends.copy()
    reached = 0  # end of the lines cut from the start of the document on, with their newlines
    for i in range(len(places)):
        if i == 0 or places[i] != places[i - 1]:
            reached = 0
        if starts[i] == reached:
            new_ends[i] = min(ends[i] + 1, sizes[places[i]])
            reached = ends[i] + 1
        else:
            new_starts[i] = starts[i] - 1
            reached = -1
    return new_starts, new_ends
