"""Documents as sentences, each encoded by itself: a sequence per sentence, as BERT's objectives and Megatron's have
it."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from corpus.encoding.encoder import Encoder
from corpus.text import punkt, sentences, spans
from corpus.text.arrow import buffers, string_array

METHODS = ("rules", "punkt")


class Encoded(NamedTuple):
    """`tokens` int32[]; sentence i is `tokens[offsets[i]:offsets[i + 1]]` (int64[sentences + 1]); document d has the
    sentences firsts[d] to firsts[d + 1] (int64[documents + 1]), at least one."""

    tokens: np.ndarray
    offsets: np.ndarray
    firsts: np.ndarray


def encode(encoder: Encoder, text: pa.Array, method: str) -> Encoded:
    """The sentences of a string column, those without a token left out, the end-of-document token behind the last of
    each document; one without sentences is its end token. What a tokenizer puts about a text stands about none.
    `method`: "rules", each line by `corpus.text.sentences`; or "punkt", a whole text as NLTK's model splits it."""
    column, firsts = split(text, method)
    tokens, offsets = encoder.encode(column)
    lengths = np.diff(offsets)
    document = np.repeat(np.arange(len(text)), np.diff(firsts))[lengths > 0]
    lengths = lengths[lengths > 0]
    counts = np.bincount(document, minlength=len(text))
    firsts = np.concatenate([[0], np.cumsum(np.maximum(counts, 1))])
    whole = np.zeros(firsts[-1], np.int64)
    empty = np.flatnonzero(counts == 0)
    filled = np.ones(len(whole), np.bool_)
    filled[firsts[empty]] = False
    whole[filled] = lengths
    ends = np.cumsum(whole)[firsts[1:] - 1]
    whole[firsts[1:] - 1] += 1
    tokens = np.insert(tokens, ends, encoder.end_id).astype(np.int32, copy=False)
    return Encoded(tokens, np.concatenate([[0], np.cumsum(whole)]), firsts)


def split(text: pa.Array, method: str) -> tuple[pa.Array, np.ndarray]:
    """(large_string, int64[documents + 1]): the sentences of a string column, and which is the first of each text."""
    if method == "punkt":
        found = [punkt.split(each or "") for each in text.to_pylist()]
        firsts = np.concatenate([[0], np.cumsum([len(each) for each in found], dtype=np.int64)])
        return pa.array([sentence for each in found for sentence in each], pa.large_string()), firsts
    data, offsets = buffers(text)
    line_starts, line_ends, first_line = spans.lines(data, offsets)
    starts, ends, first_sentence = sentences.split(data, line_starts, line_ends)
    gathered, bounds = _gather(data, starts, ends)
    return string_array(gathered, bounds, pa.large_string()), first_sentence[first_line]


@numba.njit(cache=True, nogil=True)
def _gather(data, starts, ends):
    """(bytes, int64[n + 1] offsets) of the ranges of `data`, end to end."""
    offsets = np.zeros(len(starts) + 1, np.int64)
    for k in range(len(starts)):
        offsets[k + 1] = offsets[k] + ends[k] - starts[k]
    gathered = np.empty(offsets[-1], np.uint8)
    for k in range(len(starts)):
        gathered[offsets[k] : offsets[k + 1]] = data[starts[k] : ends[k]]
    return gathered, offsets
