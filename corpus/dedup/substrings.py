"""Repeated passages of texts in memory, at boundaries of characters, words or lines."""

from __future__ import annotations

import operator
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from corpus import tables
from corpus.dedup import keeping, runs, windows
from corpus.dedup.units import Unit, bytes_of, units_of
from corpus.text import ranges
from corpus.text.ranges import Boundary

MIN_LENGTH, MAX_LENGTH = 2, 1 << 20
"""Units that a repeated passage may have at least."""
FOUND_SCHEMA = pa.schema([("row", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("by", pa.int64())])


def repeated_substrings(
    data: Any,
    min_length: int = 100,
    unit: Unit = "bytes",
    snap: Boundary = "word",
    keep: Literal["first", "none"] = "first",
    min_count: int = 2,
    tokenizer: str = "",
) -> pa.Table:
    """The passages of at least `min_length` units that stand in the texts already: a row for each, in order, with
    `row`, `start`, `end` (bytes in the text) and `by`, the row in which an equal one (of its first window) stands that
    is kept.

    data: anything that `corpus.as_table` takes. unit: as `corpus.dedup.units` says, with the folder of the `tokenizer`
    for tokens. Passages shrink to the boundaries
    that `snap` names. keep: "first" is what `corpus.dedup.keeping` defines: of what is cut a copy stands, whole, in
    what is left; with "none" all copies are found, and `by` is the first of them. min_count: how often a passage must
    stand in the texts, whether copies overlap or not. Takes memory for about twice the text. Raises ValueError for
    what the step refuses: a `min_length` outside MIN_LENGTH to MAX_LENGTH, a `min_count` below 2, a unit that is none,
    tokens without a tokenizer or the reverse.

    >>> import corpus
    >>> texts = ["He said: to be, or not to be. So it is.", "To write: to be, or not to be. And more."]
    >>> found = corpus.repeated_substrings(texts, min_length=15)
    >>> found.to_pylist()
    [{'row': 1, 'start': 10, 'end': 31, 'by': 0}]
    >>> corpus.cut(texts, found)["text"].to_pylist()[1]
    'To write: And more.'
    """
    min_length, min_count = operator.index(min_length), operator.index(min_count)
    if not MIN_LENGTH <= min_length <= MAX_LENGTH:
        raise ValueError(f"min_length must be {MIN_LENGTH} to {MAX_LENGTH:,}, not {min_length:,}")
    if min_count < 2:
        raise ValueError(f"min_count must be at least 2, not {min_count}")
    if keep not in ("first", "none"):
        raise ValueError(f'keep must be "first" or "none", not {keep!r}')
    check_tokenizer(unit, tokenizer)
    text = tables.as_table(data)["text"].cast(pa.large_string()).combine_chunks()
    values, offsets = units_of(text, unit, tokenizer)
    found = windows.find_runs(values, offsets, np.arange(len(text)), min_length, min_count)
    columns = runs.maximal(found)
    sizes = np.diff(offsets)[np.unique(columns[0])]
    if keep == "first":
        cuts = keeping.KeepFirst(min_length, 0, *keeping.classes_in(columns)).part(columns, sizes)
    else:
        cuts = keeping.keep_none(columns, sizes, min_length, 0)
    start, end = bytes_of(text, unit, cuts.address, cuts.start, cuts.end, tokenizer)
    place, start, end, origin = snapped(text, cuts.address, start, end, snap)
    return pa.table([place, start, end, cuts.by[origin]], schema=FOUND_SCHEMA)


def check_tokenizer(unit: str, tokenizer: str) -> None:
    """Raises ValueError for tokens without a tokenizer, or the reverse."""
    if (unit == "tokens") != bool(tokenizer):
        raise ValueError("unit: tokens and tokenizer are given together")


def snapped(
    text: pa.Array, row: np.ndarray, start: np.ndarray, end: np.ndarray, to: Boundary
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`ranges.snap` of ranges that are in order, and apart within a row: (row, start, end, which range each was)."""
    place, new_start, new_end = ranges.snap(text, row, start, end, to)
    # Ranges only shrink, so a snapped one lies in the last that begins before it.
    origin = np.searchsorted((row << 32) + start, (place << 32) + new_start, side="right") - 1
    return place, new_start, new_end, origin
