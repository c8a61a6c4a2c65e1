"""Lines that another page owns, or the page has said already: C4's line deduplication.

The C4 paper speaks of three-sentence spans (`sentence_spans`); its code (tensorflow-datasets, `c4_utils.
remove_duplicate_text`), which is the reference here, works on lines. A page keeps the first occurrence of
each line it owns (`pieces`), and is dropped when nothing or too few sentences are left.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import pieces
from corpus.dedup.pieces import Definition, Pieces, Repeats
from corpus.text import arrow

LINES = Definition("line")
"""C4's: blank ones are lines, too."""
REASONS = ("global_duplicate", "local_duplicate", "duplicate_span")
"""Why a line goes: another page owns it; this one has it before; a span with it is owned elsewhere."""


def line_keys(batch: pa.RecordBatch, addresses: np.ndarray) -> Pieces:
    """All lines of a batch (columns id, text, and url if there is one; addresses int64 by row), in order,
    without their newlines.

    Lines are what `text.split("\\n")` gives: n + 1 of them for n newlines, one for an empty text.
    """
    return pieces.find(LINES, batch, addresses, pieces.page_ranks(batch))


def decisions(
    batch: pa.RecordBatch,
    addresses: np.ndarray,
    repeats: Repeats,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int = 3,
    definition: Definition = LINES,
) -> pa.RecordBatch:
    """Decisions about a batch, step "lines"; see `pieces.decisions`.

    repeats: sorted; those that are owned only matter where pieces have several lines, and those of other documents are
    ignored. Each line that goes is cut with the newline that must go with it for the rest to be the kept lines joined
    by newlines; its reason is "local_duplicate" or "global_duplicate", and of a span "duplicate_span".
    """
    text = batch.column("text")
    _, offsets = arrow.buffers(text)
    rows, repeats = pieces.in_batch(repeats, addresses)
    starts, ends, owners = repeats.starts, repeats.ends, repeats.owners
    which = owners == repeats.addresses
    if definition.span > 1:
        rows, starts, ends, owners = _lines_of_spans(definition, text, rows, repeats)
        which = np.full(len(rows), REASONS.index("duplicate_span"))
    starts, ends = _with_newlines(rows, starts, ends, np.diff(offsets))
    cuts = pieces.Cuts(rows, starts, ends, owners)
    return pieces.decisions(text, addresses, cuts, REASONS, which, "lines", count_sentences, min_sentences)


def _lines_of_spans(
    definition: Definition, text: pa.Array, rows: np.ndarray, repeats: Repeats
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(rows, starts, ends, owners), int64: the lines of a column that go because a span with them does, in order."""
    _, offsets = arrow.buffers(text)
    found = definition.layout(text)
    owners = pieces.unit_owners(found.starts, found.ends, offsets, rows, repeats)
    gone = np.flatnonzero(owners >= 0)
    rows = np.repeat(np.arange(len(text)), np.diff(found.first))[gone]
    return rows, found.starts[gone] - offsets[rows], found.ends[gone] - offsets[rows], owners[gone]


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
