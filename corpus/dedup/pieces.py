"""Pieces of text that stand in several places: which place keeps them, and what becomes of the others.

A piece is a line or a paragraph, a sentence, or so many of these in a row (`Definition`, `piece_units`). In C4 the page
whose URL has the smallest MD5 owns it (hashed, so that no site is favoured), there the first place; equal
ranks (one URL twice) go in corpus order. Others rank pages by a priority (`ranks_of`).

Map: `find` the pieces of each batch. Exchange: by `exact.partition_of` their keys. Reduce: `repeated`. Map, over the
shards of the owners: `texts` of the places that keep a piece, for those that lose it. Map, over these: `same` pieces;
what to cut, which `repeated_lines` and `sentence_spans` say, and `decisions`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup import piece_units
from corpus.dedup.exact import as_pairs, rivals
from corpus.dedup.exact import hashes as hashes_of
from corpus.dedup.piece_units import Form, Unit
from corpus.documents import DECISION_SCHEMA, ROW_BITS
from corpus.text import arrow, hashing, ranges, spans
from corpus.text.distinct import distinct
from corpus.text.leaf import leaf
from corpus.text.urls import domains_of

RULES = ("empty", "too_few_sentences")
"""Why a page is dropped, in the order of the tests."""


Within = Literal["corpus", "domain"]


@dataclasses.dataclass(frozen=True)
class Definition:
    """What pieces are: `span` units in a row, of which lines may be `blank` if there is one; equal if their forms
    (`piece_units`) are, `within` the corpus or a registered domain. Documents without a URL are of no domain."""

    unit: Unit = "line"
    span: int = 1
    form: Form = "case"
    blank: bool = True
    within: Within = "corpus"

    def layout(self, text: pa.Array) -> piece_units.Units:
        """The units of a string column."""
        return piece_units.layout(text, self.unit, self.form, self.blank and self.span == 1)


class Pieces(NamedTuple):
    """Pieces of documents.

    keys: uint64[n, 2], 128-bit hash of the forms of its units (and of the domain). C4's is MD5; any will do, as
        only equality counts, and what goes is compared with what stays (`same`)
    ranks: uint64[n, 2], by which places are better, the smallest first: in C4 MD5 of the document's URL (of its id, if
        it has none), big-endian
    addresses: int64[n], the document's
    starts, ends: int64[n], the piece's bytes in the document's text
    """

    keys: np.ndarray
    ranks: np.ndarray
    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class Repeats(NamedTuple):
    """Places of pieces that occur more than once: addresses, starts and ends
    as in `Pieces`; owners: int64[n], the document that keeps the piece; owned: bool[n], whether in this place;
    owner_starts, owner_ends: int64[n], where that document has it."""

    addresses: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    owners: np.ndarray
    owned: np.ndarray
    owner_starts: np.ndarray
    owner_ends: np.ndarray


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


def ranks_of(priority: np.ndarray) -> np.ndarray:
    """uint64[n, 2]: the smallest for the greatest priority (float64, no NaN), so that places in documents with more of
    it are better."""
    bits = (priority + 0.0).view(np.uint64)  # -0.0 is 0.0
    sign = np.uint64(1 << 63)
    ascending = np.where(bits & sign, ~bits, bits | sign)
    return np.stack([~ascending, np.zeros_like(bits)], axis=1)


def find(definition: Definition, batch: pa.RecordBatch, addresses: np.ndarray, ranks: np.ndarray) -> Pieces:
    """All pieces of a batch (columns text, and url within domains), in order. addresses: int64, ranks: uint64[rows, 2],
    by row. A document of u units has max(0, u - span + 1) pieces."""
    text = batch.column("text")
    _, offsets = arrow.buffers(text)
    found = definition.layout(text)
    rows, first = _runs(found, definition.span)
    keys = found.hashes if definition.span == 1 else _run_hashes(found.hashes, first, definition.span)
    starts, ends = found.starts[first] - offsets[rows], found.ends[first + definition.span - 1] - offsets[rows]
    if definition.within == "domain":
        domains = _domains(batch)
        of_domains = hashes_of(name.encode() for name in domains.tolist())
        stay = (domains != "")[rows]
        keys = (keys ^ of_domains[rows])[stay]
        rows, starts, ends = rows[stay], starts[stay], ends[stay]
    return Pieces(keys, ranks[rows], addresses[rows], starts, ends)


def _runs(found: piece_units.Units, span: int) -> tuple[np.ndarray, np.ndarray]:
    """(entry, first unit) of each run of `span` units of one entry, int64, in order."""
    entries = np.repeat(np.arange(len(found.first) - 1), np.diff(found.first))
    first = np.arange(max(0, len(entries) - span + 1))
    first = first[entries[first] == entries[first + span - 1]]
    return entries[first], first


def _run_hashes(hashes: np.ndarray, first: np.ndarray, span: int) -> np.ndarray:
    """128-bit hashes (uint64[n, 2]) of the runs of `span` units from each of `first`, by those of the units."""
    data = np.ascontiguousarray(hashes).view(np.uint8).ravel()
    starts, ends = first * 16, (first + span) * 16
    return np.stack([hashing.hash_spans(data, starts, ends, seed) for seed in (0, 1)], axis=1)


def _domains(batch: pa.RecordBatch) -> np.ndarray:
    """str[rows]: the registered domain of each document, "" where it has no URL."""
    if "url" not in batch.schema.names:
        return np.full(batch.num_rows, "")
    urls = pc.fill_null(batch["url"].cast(pa.string()), "")
    return np.asarray(domains_of(urls).to_numpy(zero_copy_only=False), str)


def texts(
    definition: Definition, batch: pa.RecordBatch, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> pa.LargeBinaryArray:
    """What pieces of a batch are compared by: the forms of their units, each with a newline behind it, and before
    them that of the domain, within domains. rows (of the batch), starts, ends: int64, of pieces that `find` found."""
    text = batch.column("text")
    data, offsets = arrow.buffers(text)
    starts, ends = starts + offsets[rows], ends + offsets[rows]
    if definition.span == 1:
        one = np.arange(len(rows))
        found = piece_units.forms(data, (starts, ends), one, one + 1, definition.form)
    else:
        layout = definition.layout(text)  # no unit is empty here, so that each begins and ends elsewhere
        first = np.searchsorted(layout.starts, starts)
        found = piece_units.forms(data, (layout.starts, layout.ends), first, first + definition.span, definition.form)
    if definition.within == "corpus":
        return found
    domains = pa.array(_domains(batch)[rows].tolist(), pa.string()).cast(pa.large_binary())
    return pc.binary_join_element_wise(domains, found, pa.scalar(b"\n", pa.large_binary()))


def exempt(batch: pa.RecordBatch, found: Pieces, addresses: np.ndarray, patterns: Sequence[str]) -> np.ndarray:
    """bool[n]: the pieces of a batch, whose rows have these addresses (int64, ascending), in which one of some regular
    expressions (RE2's) is found; carriage returns at the ends of lines are no part of them. Raises ValueError for what
    is none."""
    data, offsets = arrow.buffers(batch.column("text"))
    begin = offsets[np.searchsorted(addresses, found.addresses)]
    starts, ends = found.starts + begin, found.ends + begin
    one = np.arange(len(starts))
    text = pc.binary_slice(piece_units.forms(data, (starts, ends), one, one + 1, "none"), 0, -1).cast(pa.large_string())
    text = pc.utf8_rtrim(pc.replace_substring(text, "\r\n", "\n"), "\r")
    chosen = np.zeros(len(starts), np.bool_)
    for pattern in patterns:
        chosen |= pc.match_substring_regex(text, pattern).to_numpy(zero_copy_only=False)
    return chosen


def repeated(found: Pieces, with_owned: bool, min_count: int = 2, none_stays: bool = False) -> Repeats:
    """The places of pieces that occur `min_count` times or more but those that keep them, of all pieces of the keys
    given, in any order; those of a piece together. `with_owned` those that keep them, too, behind the others. Where
    `none_stays`, all places lose theirs, also the one that would be the owner."""
    losers, winners = rivals(found.keys, found.ranks[:, 0], found.ranks[:, 1], found.addresses, found.starts)
    if min_count > 2:
        _, which, others = np.unique(winners, return_inverse=True, return_counts=True)
        often = others[which] + 1 >= min_count
        losers, winners = losers[often], winners[often]
    places, owners = losers, winners
    if with_owned or none_stays:
        owned = distinct(winners)
        places, owners = np.concatenate([losers, owned]), np.concatenate([winners, owned])
    return Repeats(
        found.addresses[places],
        found.starts[places],
        found.ends[places],
        found.addresses[owners],
        (places == owners) & (not none_stays),
        found.starts[owners],
        found.ends[owners],
    )


def sort(repeats: Repeats) -> Repeats:
    """The repeats by address and start: for joining those of several partitions."""
    order = np.lexsort((repeats.starts, repeats.addresses))
    return Repeats(*[column[order] for column in repeats])


def in_batch(repeats: Repeats, addresses: np.ndarray) -> tuple[np.ndarray, Repeats]:
    """(rows, repeats): those in the documents at `addresses` (int64, ascending), and the index of each one's."""
    mine = np.isin(repeats.addresses, addresses)
    repeats = Repeats(*[column[mine] for column in repeats])
    return np.searchsorted(addresses, repeats.addresses), repeats


def unit_owners(
    starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray, rows: np.ndarray, repeats: Repeats
) -> np.ndarray:
    """For each unit of a string column, none of which is empty, the address of the page that keeps it elsewhere, -1 if
    it stays: int64[units]. A unit goes if a piece with it is owned elsewhere, unless it also stands in one that is
    owned here; of several owners the first piece's counts.

    starts, ends: of the units in the column's data; offsets: of the column; rows: int64, of each of `repeats`."""
    first = np.searchsorted(starts, offsets[rows] + repeats.starts)
    after = np.searchsorted(ends, offsets[rows] + repeats.ends) + 1
    return _mark(first, after, repeats.owners, repeats.owned, len(starts))


@numba.njit(cache=True, nogil=True)
def _mark(first, after, piece_owners, owned, count):
    """See `unit_owners`; piece *i* has the units `first[i]:after[i]`."""
    owners = np.full(count, -1, np.int64)
    for i in range(len(first) - 1, -1, -1):  # backwards, so that a unit's first piece counts
        if not owned[i]:
            owners[first[i] : after[i]] = piece_owners[i]
    for i in range(len(first)):
        if owned[i]:
            owners[first[i] : after[i]] = -1
    return owners


def decisions(
    text: pa.Array,
    addresses: np.ndarray,
    cuts: Cuts,
    reasons: Sequence[str],
    which: np.ndarray,
    step: str,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int,
) -> pa.RecordBatch:
    """Decisions (DECISION_SCHEMA, sorted by row and start) about the documents of a batch.

    addresses: int64, ascending, of the texts. which: integers[n], of each cut the one of `reasons`. count_sentences:
    number of sentences of each text of a string column. min_sentences: 3 in C4 (`_MIN_NUM_SENTENCES`); 0 asks for
    none, as mC4 does.

    A document is dropped as "empty" or "too_few_sentences" (score: how many) by what would be left of it,
    whether or not it lost anything. White space alone has too few sentences where some are asked for, as in C4, and is
    empty otherwise. The cuts of the others stay. `by` is the "shard:row" of the owner, for a
    drop that of the first piece that went.
    """
    left = ranges.cut(text, cuts.rows, cuts.starts, cuts.ends)
    data, offsets = arrow.buffers(left)
    counts = np.asarray(count_sentences(left), np.int64)
    too_few = (np.diff(offsets) > 0) & (counts < min_sentences)
    dropped = np.flatnonzero(spans.blank(data, offsets) | too_few)
    losers = dropped[np.isin(dropped, cuts.rows)]
    gone = np.zeros(len(text), np.bool_)
    gone[dropped] = True
    causes = np.full(len(dropped), -1)
    causes[np.searchsorted(dropped, losers)] = cuts.owners[np.searchsorted(cuts.rows, losers)]
    kept = ~gone[cuts.rows]
    cuts, which = Cuts(*[column[kept] for column in cuts]), which[kept]
    rows = np.concatenate([dropped, cuts.rows])
    order = np.argsort(rows, kind="stable")
    is_drop = order < len(dropped)

    def in_order(of_drops: np.ndarray, of_cuts: np.ndarray) -> np.ndarray:
        return np.concatenate([of_drops, of_cuts])[order]

    columns = {
        "row": addresses[rows[order]] & ((1 << ROW_BITS) - 1),
        "action": _named(("cut", "drop"), is_drop),
        "start": pa.array(in_order(dropped, cuts.starts), mask=is_drop),
        "end": pa.array(in_order(dropped, cuts.ends), mask=is_drop),
        "step": _named((step,), np.zeros(len(rows), np.int64)),
        "reason": _named((*RULES, *reasons), in_order(too_few[dropped], which + len(RULES))),
        "by": _names(in_order(causes, cuts.owners)),
        "score": pa.array(in_order(counts[dropped], np.zeros(len(which))).astype(float), mask=~is_drop),
        "separator": pa.nulls(len(rows), pa.string()),
    }
    return pa.RecordBatch.from_pydict(columns, schema=DECISION_SCHEMA)


def _named(names: Sequence[str], which: np.ndarray) -> pa.Array:
    """The name of each number."""
    return pa.array(names, pa.string()).take(pa.array(which.astype(np.int8)))


def _names(addresses: np.ndarray) -> pa.Array:
    """The "shard:row" of each address, null of a negative one."""
    return pc.if_else(pa.array(addresses >= 0), arrow.string_array(*_written(addresses)), None)


@numba.njit(cache=True, nogil=True)
def _written(addresses):
    """(data, offsets) of "shard:row" of each address, "" of a negative one."""
    out = np.empty(21 * len(addresses), np.uint8)
    offsets = np.zeros(len(addresses) + 1, np.int64)
    written = 0
    for i, address in enumerate(addresses):
        if address >= 0:
            written = _digits(address >> ROW_BITS, out, written)
            out[written] = 0x3A
            written = _digits(address & ((1 << ROW_BITS) - 1), out, written + 1)
        offsets[i + 1] = written
    return out[:written].copy(), offsets


@leaf
def _digits(number, out, written):
    """Writes a number that is not negative; where it ends."""
    end = written + 1
    rest = number // 10
    while rest:
        rest //= 10
        end += 1
    for place in range(end - 1, written - 1, -1):
        out[place] = 0x30 + number % 10
        number //= 10
    return end
