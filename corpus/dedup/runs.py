"""Runs: where the windows of a corpus stand that occur several times, and where each stands first.

A document is a sequence of *units* (bytes, characters, words, tokens). A *window* is `min_length` consecutive units of
one document, called by the unit with which it begins; windows are equal if their units are. The *first occurrence* of a
window is the leftmost of its equals in corpus order: by shard, row and start. Occurrences that overlap count, each for
itself. A window that occurs at least `min_count` times (two unless told otherwise) is *repeated*.

A *run* is a row of RUN_SCHEMA: `length` repeated windows, one after the other, of a document (shard, row), from `start`
on, whose first occurrences stand one after the other, too: for 0 <= k < length, the first occurrence of the window
`start + k` is the window `first_start + k % period` of document (first_shard, first_row). In the usual run `period` is
`length`. Shorter ones are there for periodic text, which would otherwise have a run for every unit: the windows of a
text of n equal letters are all equal, and their first occurrence is the first of them, period 1.

The runs of a corpus hold each of its repeated windows exactly once, first occurrences too, which point to themselves;
they are sorted by shard, row and start. They are maximal where `period` is `length`: no two that follow each other
could be one. Of periodic ones that is not said, since text can be periodic in more than one way.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from corpus.documents import ROW_BITS

RUN_SCHEMA = pa.schema(
    [
        (name, pa.int64())
        for name in ("shard", "row", "start", "length", "first_shard", "first_row", "first_start", "period")
    ]
)

Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(address, start, length, first, first_start, period), int64 each: runs, with addresses for documents."""


def columns_of(runs: pa.Table | pa.RecordBatch) -> Columns:
    """The columns of a table of runs."""
    named = {name: runs[name].to_numpy() for name in RUN_SCHEMA.names}
    return (
        named["shard"] << ROW_BITS | named["row"],
        named["start"],
        named["length"],
        named["first_shard"] << ROW_BITS | named["first_row"],
        named["first_start"],
        named["period"],
    )


def table_of(address: np.ndarray, start: np.ndarray, length: np.ndarray, *first: np.ndarray) -> pa.Table:
    """A table of runs with these columns."""
    first_address, first_start, period = first
    low = (1 << ROW_BITS) - 1
    columns = (address >> ROW_BITS, address & low, start, length, first_address >> ROW_BITS, first_address & low)
    return pa.table([pa.array(column) for column in (*columns, first_start, period)], schema=RUN_SCHEMA)


def maximal(runs: Columns) -> Columns:
    """Runs, or pieces of runs, in any order: sorted, and those that are one joined."""
    order = np.lexsort((runs[1], runs[0]))
    return _joined(*(column[order] for column in runs))


@numba.njit(cache=True, nogil=True)
def _joined(address, start, length, first, first_start, period):
    """Joins sorted pieces in place."""
    count = 0
    for i in range(len(address)):
        last = count - 1
        if (
            count
            and address[last] == address[i]
            and start[last] + length[last] == start[i]
            and period[last] == length[last]
            and period[i] == length[i]
            and first[last] == first[i]
            and first_start[last] + length[last] == first_start[i]
        ):
            length[last] += length[i]
            period[last] = length[last]
            continue
        address[count], start[count], length[count] = address[i], start[i], length[i]
        first[count], first_start[count], period[count] = first[i], first_start[i], period[i]
        count += 1
    return address[:count], start[:count], length[:count], first[:count], first_start[:count], period[:count]
