"""Pieces of text that stand in several places: which place keeps them, and what becomes of the others.

A piece is a line (`lines`) or a span of sentences (`sentence_spans`). Of all pages with a piece, the one
whose URL has the smallest MD5 owns it (hashed, so that no site is favoured), there the first place; equal
ranks (one URL twice) go in corpus order.

Map: the pieces of each batch. Exchange: by `exact.partition_of` their keys. Reduce: `repeated`. Map, over
the repeats by shard: what to cut, which `lines` and `sentence_spans` say, and `decisions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from corpus.dedup.exact import as_pairs, rivals
from corpus.documents import DECISION_SCHEMA, ROW_BITS, shard_and_row
from corpus.text import arrow, ranges

RULES = ("empty", "too_few_sentences")
"""Why a page is dropped, in the order of the tests."""


class Pieces(NamedTuple):
    """Pieces of documents.

    keys: uint64[n, 2], 128-bit hash of the piece stripped and in lower case. C4's is MD5; any will do, as
        only equality counts (`hashing` states the chance of a collision)
    ranks: uint64[n, 2], MD5 of the document's URL (of its id, if it has none), big-endian
    addresses: int64[n], the document's
    starts, ends: int64[n], the piece's bytes in the document's text
    """

    keys: np.ndarray
    ranks: np.ndarray
    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class Repeats(NamedTuple):
    """Places of pieces that occur more than once, sorted by address and start: addresses, starts and ends
    as in `Pieces`; owners: int64[n], the document that keeps the piece; owned: bool[n], whether in this place."""

    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    owners: np.ndarray
    owned: np.ndarray


class Cuts(NamedTuple):
    """What goes of the documents of a batch, sorted by row and start, int64[n]: rows of the batch, bytes
    of their texts, and the address of the document that keeps the piece."""

    rows: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    owners: np.ndarray


def page_ranks(batch: pa.RecordBatch) -> np.ndarray:
    """uint64[rows, 2]: MD5 of each document's URL, or of its id where there is none; the smallest owns."""
    names = batch.column("id").to_pylist()
    if "url" in batch.schema.names:
        names = [url or id_ for url, id_ in zip(batch.column("url").to_pylist(), names)]
    return as_pairs(hashlib.md5(name.encode(), usedforsecurity=False).digest() for name in names)


def repeated(found: Pieces, with_owned: bool) -> Repeats:
    """The places of repeated pieces but those that keep them, of all pieces of the keys given, in any order;
    `with_owned` those that keep them, too."""
    losers, winners = rivals(found.keys, found.ranks[:, 0], found.ranks[:, 1], found.addresses, found.starts)
    places, owners = losers, winners
    if with_owned:
        owned = np.unique(winners)
        places, owners = np.concatenate([losers, owned]), np.concatenate([winners, owned])
    columns = found.addresses[places], found.starts[places], found.ends[places]
    return sort(Repeats(*columns, found.addresses[owners], places == owners))


def sort(repeats: Repeats) -> Repeats:
    """The repeats by address and start: for joining those of several partitions."""
    order = np.lexsort((repeats.starts, repeats.addresses))
    return Repeats(*[column[order] for column in repeats])


def in_batch(repeats: Repeats, addresses: np.ndarray) -> tuple[np.ndarray, Repeats]:
    """(rows, repeats): those in the documents at `addresses` (int64, ascending), and the index of each one's."""
    mine = np.isin(repeats.addresses, addresses)
    repeats = Repeats(*[column[mine] for column in repeats])
    return np.searchsorted(addresses, repeats.addresses), repeats


def decisions(
    text: pa.Array,
    addresses: np.ndarray,
    cuts: Cuts,
    reasons: np.ndarray,
    step: str,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int,
) -> pa.RecordBatch:
    """Decisions (DECISION_SCHEMA, sorted by row and start) about the documents of a batch.

    addresses: int64, ascending, of the texts. reasons: str[n], of each cut. count_sentences: number of
    sentences of each text of a string column. min_sentences: 3 in C4 (`_MIN_NUM_SENTENCES`); 0 asks for
    none, as mC4 does.

    A document is dropped as "empty" or "too_few_sentences" (score: how many) by what would be left of it,
    whether or not it lost anything. The cuts of the others stay. `by` is the "shard:row" of the owner, for a
    drop that of the first piece that went.
    """
    left = ranges.cut(text, cuts.rows, cuts.starts, cuts.ends)
    empty = np.diff(arrow.buffers(left)[1]) == 0
    counts = np.asarray(count_sentences(left), np.int64)
    too_few = ~empty & (counts < min_sentences)
    dropped = np.flatnonzero(empty | too_few)
    losers = dropped[np.isin(dropped, cuts.rows)]
    causes = dict(zip(losers, _names(cuts.owners[np.searchsorted(cuts.rows, losers)])))
    kept = ~np.isin(cuts.rows, dropped)
    cuts, reasons = Cuts(*[column[kept] for column in cuts]), reasons[kept]
    drops, total = len(dropped), len(dropped) + len(reasons)
    table = {
        "row": addresses[np.concatenate([dropped, cuts.rows])] & ((1 << ROW_BITS) - 1),
        "action": ["drop"] * drops + ["cut"] * (total - drops),
        "start": [None] * drops + cuts.starts.tolist(),
        "end": [None] * drops + cuts.ends.tolist(),
        "step": [step] * total,
        "reason": [RULES[int(too_few[i])] for i in dropped] + reasons.tolist(),
        "by": [causes.get(row) for row in dropped] + _names(cuts.owners),
        "score": counts[dropped].astype(float).tolist() + [None] * (total - drops),
    }
    order = np.argsort(table["row"], kind="stable")
    return pa.RecordBatch.from_pydict(table, schema=DECISION_SCHEMA).take(pa.array(order))


def _names(addresses: np.ndarray) -> list[str]:
    """The "shard:row" of each address."""
    return [f"{shard}:{row}" for shard, row in zip(*(part.tolist() for part in shard_and_row(addresses)))]
