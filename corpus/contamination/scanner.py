"""Where documents hold grams of evaluation items."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.contamination import words
from corpus.contamination.index import Index, equal, filter_bits
from corpus.text import arrow
from corpus.text.leaf import leaf

SPAN_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # of the column scanned
        ("start", pa.int64()),  # bytes of the original text
        ("end", pa.int64()),
        ("words", pa.int64()),  # words in the span, all of which the item has too
        ("item", pa.int64()),  # number in `Index.items`
        ("grams", pa.int64()),  # distinct grams of the item found anywhere in the document
        ("covered", pa.float64()),  # those as a share of the item's distinct grams
    ]
)


class _Grams(NamedTuple):
    """What the kernel needs of an `Index`."""

    text: np.ndarray
    hash: np.ndarray
    start: np.ndarray
    end: np.ndarray
    size: np.ndarray
    filter: np.ndarray


def scan(text: pa.Array, index: Index) -> pa.Table:
    """Matches of the items of `index` in the documents of a string column, as `SPAN_SCHEMA`.

    A span is a maximal run of words of one document in which grams of one item follow one
    another without a gap (they overlap or touch). Spans are ordered by row, item and start. Every
    match has been compared word for word; none is decided by a hash.
    """
    data, offsets = arrow.buffers(text)
    grams = _Grams(index.text, index.hash, index.start, index.end, index.size, index.filter)
    hits = _hits(data, offsets, words.word_table(), grams, index.min_words)
    return _spans(hits, index)


@numba.njit(cache=True, nogil=True)
def _hits(data, offsets, table, grams, min_words):
    """Every occurrence of every gram: int64[hits, 5] of row, number of its first word, first
    byte, byte after it, gram; ordered by row and word."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    found = words.room(longest)
    hits = np.empty((64, 5), np.int64)
    count = np.int64(0)
    for row in range(len(offsets) - 1 if len(grams.hash) else 0):
        start, end = offsets[row], offsets[row + 1]
        total = words.split(data, start, end, table, found)
        before = count
        hits, count = _probe(found, total, grams, min_words, hits, count)
        for i in range(before, count):
            last = hits[i, 1] + grams.size[hits[i, 4]] - 1
            hits[i, 0] = row
            hits[i, 2] = found.source[hits[i, 1]]
            hits[i, 3] = words.word_end(data, start + found.source[last], end, table) - start
    return hits[:count]


@numba.njit(cache=True, nogil=True)
def _probe(found, total, grams, min_words, hits, count):
    """Appends the occurrences in the `total` words of `found`; returns (hits, their number)."""
    power = words.power(min_words)
    blocks = np.uint64(len(grams.filter) - 1)
    state = np.uint64(0)
    for i in range(total):
        first = i - min_words + 1
        if first <= 0:
            state = words.append(state, found.hash[i])
            if first < 0:
                continue
        else:
            state = words.roll(state, found.hash[first - 1], power, found.hash[i])
        hash = words.mix(state)
        bits = filter_bits(hash)
        if grams.filter[(hash >> np.uint64(12)) & blocks] & bits != bits:
            continue
        gram = np.searchsorted(grams.hash, hash)
        while gram < len(grams.hash) and grams.hash[gram] == hash:
            if _is_at(found, total, first, grams, gram):
                if count == len(hits):
                    hits = np.concatenate((hits, np.empty_like(hits)))
                hits[count, 1], hits[count, 4] = first, gram
                count += 1
            gram += 1
    return hits, count


@leaf
def _is_at(found, total, first, grams, gram):
    """Whether the words from `first` are those of `gram`."""
    after = first + grams.size[gram]
    size = grams.end[gram] - grams.start[gram]
    if after > total or found.at[after] - found.at[first] != size:
        return False
    return equal(found.text, found.at[first], grams.text, grams.start[gram], size)


def _spans(hits: np.ndarray, index: Index) -> pa.Table:
    """Hits of grams to spans of items."""
    row, word, start, end, gram = hits.T
    copies = np.diff(index.posting_offsets)[gram]
    which = np.repeat(np.arange(len(gram)), copies)
    within = np.arange(len(which)) - np.repeat(np.cumsum(copies) - copies, copies)
    item = index.postings[index.posting_offsets[gram[which]] + within]
    order = np.lexsort((word[which], item, row[which]))
    which, item = which[order], item[order]
    row, word, start, end, gram = row[which], word[which], start[which], end[which], gram[which]
    span, pair, word_after = _runs(row, item, word, index.size[gram])
    distinct = np.unique(np.stack([pair, gram], axis=1), axis=0)[:, 0]
    grams = np.bincount(distinct)[pair[span]]
    # The last gram need not end last: an item's texts may have grams of several lengths.
    ends = np.maximum.reduceat(end, span) if len(span) else end
    after = np.maximum.reduceat(word_after, span) if len(span) else word_after
    columns = [row[span], start[span], ends, after - word[span], item[span], grams]
    return pa.table([*columns, grams / index.grams[item[span]]], schema=SPAN_SCHEMA)


@numba.njit(cache=True, nogil=True)
def _runs(row, item, word, size):
    """(first hit of each span, for each hit the number of its (row, item) pair, word after each
    hit)."""
    span = np.empty(len(row), np.int64)
    pair = np.empty(len(row), np.int64)
    end = word + size
    spans = 0
    pairs = 0
    reach = 0  # word after the span being built
    for i in range(len(row)):
        fresh = i == 0 or row[i] != row[i - 1] or item[i] != item[i - 1]
        if fresh:
            pairs += 1
        if fresh or word[i] > reach:
            span[spans] = i
            spans += 1
            reach = end[i]
        reach = max(reach, end[i])
        pair[i] = pairs - 1
    return span[:spans], pair, end
