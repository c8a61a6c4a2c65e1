"""Repeated spans of sentences: C4's line deduplication as the paper words it.

"We discarded all but one of any three-sentence span occurring more than once in the data set" (Raffel et
al. 2020, section 2.2). The code that made C4 works on lines instead (`lines`). Here a span is
`SPAN_SENTENCES` consecutive sentences of one document, across its lines; two are equal if their
sentences, stripped and in lower case, are. Which place keeps a span: `pieces`.

Spans overlap, so "all but one" needs saying what becomes of a sentence in several. A sentence goes if a
span with it is owned elsewhere, unless it also stands in a repeated span that is owned here. So every
repeated span stays whole in one place, and what is beside it in other places goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.dedup import pieces
from corpus.dedup.pieces import Definition, Pieces, Repeats
from corpus.text import arrow, sentences, spans

SPAN_SENTENCES = 3
"""Sentences in a span (Raffel et al. 2020, section 2.2)."""


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


def span_keys(batch: pa.RecordBatch, addresses: np.ndarray, length: int = SPAN_SENTENCES) -> Pieces:
    """All spans of a batch (columns id, text, and url if there is one; addresses int64 by row), in order.

    keys are 128-bit hashes of the sentences' hashes, starts and ends the bytes from the first sentence's
    start to the last one's end. A document of s sentences has max(0, s - length + 1) spans. Raises
    ValueError for a length below 1.
    """
    if length < 1:
        raise ValueError(f"a span has at least 1 sentence, not {length}")
    return pieces.find(Definition("sentence", length), batch, addresses, pieces.page_ranks(batch))


def decisions(
    batch: pa.RecordBatch,
    addresses: np.ndarray,
    repeats: Repeats,
    count_sentences: Callable[[pa.Array], np.ndarray],
    min_sentences: int = 3,
) -> pa.RecordBatch:
    """Decisions about a batch, step "sentence_spans"; see `pieces.decisions`.

    repeats: sorted, with those that are owned; those of other documents are ignored. Each run of sentences
    that goes is a cut, by reason "duplicate_span", with the white space before it (after it, at the start of
    a line), or with its lines' newlines; it is cut because of the page that keeps the first span in it.
    """
    text = batch.column("text")
    data, offsets = arrow.buffers(text)
    rows, repeats = pieces.in_batch(repeats, addresses)
    found = layout(data, offsets)
    owners = pieces.unit_owners(found.starts, found.ends, offsets, rows, repeats)
    cuts = pieces.Cuts(*_cuts(found, offsets, owners))
    which = np.zeros(len(cuts.rows), np.int64)
    return pieces.decisions(
        text, addresses, cuts, ("duplicate_span",), which, "sentence_spans", count_sentences, min_sentences
    )


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
