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
from corpus.dedup.pieces import Pieces, Repeats
from corpus.text import arrow, hashing, spans


def line_keys(batch: pa.RecordBatch, addresses: np.ndarray) -> Pieces:
    """All lines of a batch (columns id, text, and url if there is one; addresses int64 by row), in order,
    without their newlines.

    Lines are what `text.split("\\n")` gives: n + 1 of them for n newlines, one for an empty text.
    """
    data, offsets = arrow.buffers(batch.column("text"))
    starts, ends, first = spans.lines(data, offsets, newline_only=True)
    rows = np.repeat(np.arange(batch.num_rows), np.diff(first))
    keys, begin = hashing.hash_lines(data, starts, ends), offsets[rows]
    return Pieces(keys, pieces.page_ranks(batch)[rows], addresses[rows], starts - begin, ends - begin)


def decisions(
    batch: pa.RecordBatch,
    addresses: np.ndarray,
    repeats: Repeats,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int = 3,
) -> pa.RecordBatch:
    """Decisions about a batch, step "lines"; see `pieces.decisions`.

    repeats: sorted, only those to cut; those of other documents are ignored. Each is cut with the newline
    that must go with it for the rest to be the kept lines joined by newlines; its reason is
    "local_duplicate" or "global_duplicate".
    """
    text = batch.column("text")
    rows, repeats = pieces.in_batch(repeats, addresses)
    starts, ends = _with_newlines(rows, repeats.starts, repeats.ends, np.diff(arrow.buffers(text)[1]))
    reasons = np.where(repeats.owners == repeats.addresses, "local_duplicate", "global_duplicate")
    cuts = pieces.Cuts(rows, starts, ends, repeats.owners)
    return pieces.decisions(text, addresses, cuts, reasons, "lines", count_sentences, min_sentences)


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
