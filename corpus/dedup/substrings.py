"""Repeated passages: the ranges that a suffix array finds, at boundaries of characters, words or lines."""

from __future__ import annotations

import operator
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from corpus import tables
from corpus.dedup import suffix_array
from corpus.text import arrow, ranges

Boundary = Literal["character", "word", "line"]
FOUND_SCHEMA = pa.schema([("row", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("by", pa.int64())])


def repeated_substrings(data: Any, min_bytes: int = 100, snap: Boundary = "character") -> pa.Table:
    """The passages of at least `min_bytes` bytes that occur earlier in the texts: a row for each, in order, with `row`,
    `start`, `end` (bytes in the text) and `by`, the row in which the passage (its first window) occurs first.

    data: anything that `corpus.as_table` takes, up to 2 GiB of text. Passages shrink to the boundaries that `snap`
    names. A window that overlaps its first occurrence repeats nothing. Takes memory for about eight times the text.
    Raises ValueError for more text, or a `min_bytes` below 1.

    >>> import corpus
    >>> texts = ["He said: to be, or not to be. So it is.", "To write: to be, or not to be. And more."]
    >>> found = corpus.repeated_substrings(texts, min_bytes=15, snap="word")
    >>> found.to_pylist()
    [{'row': 1, 'start': 10, 'end': 31, 'by': 0}]
    >>> corpus.cut(texts, found)["text"].to_pylist()[1]
    'To write: And more.'
    """
    min_bytes = operator.index(min_bytes)
    text = tables.as_table(data)["text"].cast(pa.large_string()).combine_chunks()
    row, start, end, first = suffix_array.repeated_ranges(*arrow.buffers(text), min_bytes)
    place, start, end, origin = snapped(text, row, start, end, snap)
    return pa.table([place, start, end, first[origin]], schema=FOUND_SCHEMA)


def snapped(
    text: pa.Array, row: np.ndarray, start: np.ndarray, end: np.ndarray, to: Boundary
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`ranges.snap` of ranges that are in order, and apart within a row: (row, start, end, which range each was)."""
    place, new_start, new_end = ranges.snap(text, row, start, end, to)
    # Ranges only shrink, so a snapped one lies in the last that begins before it.
    origin = np.searchsorted((row << 32) + start, (place << 32) + new_start, side="right") - 1
    return place, new_start, new_end, origin
