"""Packing plans by sentences, for shards of which a sequence is a sentence (`tokenize: {unit: sentence}`): which
sentences share a row, and which are its first segment and its second.

sentences            as many as fit, of one document after another (RoBERTa's FULL-SENTENCES; fairseq's "complete")
document_sentences   the same of one document (RoBERTa's DOC-SENTENCES; fairseq's "complete_doc")
next_sentence        pairs of segments, the second what follows or of another document (BERT, Devlin et al. 2019;
                     google-research/bert, create_pretraining_data.py)
sentence_order       pairs that follow each other, or the other way round (ALBERT, Lan et al. 2020; google-research/
                     albert): of a lone sentence the second segment is of another document
sentence_pairs       pairs of two sentences, the second the next one or of another document (RoBERTa's SENTENCE-PAIR)
segments             what fills a row, in two segments, one of ten times in one (ELECTRA, Clark et al. 2020;
                     google-research/electra, build_pretraining_dataset.py)

A packed sequence of a pair is of two pieces (see packing.Plan), the first segment and the second; which it is, follows
from where they are. Pairs leave out the end-of-document token. Their sentences are gone through `variants` times, each
time cut otherwise (BERT's dupe_factor), and share the plan's order. A segment that is too long loses tokens at its
beginning or its end, each by a toss (BERT's truncate_seq_pair), in ELECTRA's those at the end.

ELECTRA's rows of two segments have a token less than those of one, for the second [SEP]. Here a segment is of sentences
that follow each other; in its code a short sentence may go into the first behind one that is in the second.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from corpus.tokens import philox
from corpus.tokens.mixing import combine
from corpus.tokens.packing import Plan, with_share

RUNS = ("sentences", "document_sentences")
PAIRS = ("next_sentence", "sentence_order", "sentence_pairs", "segments")
METHODS = (*RUNS, *PAIRS)
_NEXT, _ORDER, _TWO, _SEGMENTS = range(len(PAIRS))
_RETRIES = 10
"""Draws of another document at most, as BERT's code has it."""
_ONE_SEGMENT = 0.1
"""ELECTRA: how often a row has one segment."""
_LEAST_SHORT = (2, 2, 2, 5)
"""By pair: the least number of tokens of a row that is shorter by chance."""


def pack(
    lengths: np.ndarray,
    firsts: np.ndarray,
    sequence_length: int,
    method: str,
    seed: int = 0,
    variants: int = 1,
    short_share: float = 0.1,
) -> Plan:
    """The plan of a shard with sentences of `lengths` (integers) tokens, document d having those from firsts[d] to
    firsts[d + 1] (int64[documents + 1]), the last of each with the end token. Of pairs, `short_share` of the documents
    (of ELECTRA's, rows) aim at a length drawn at random; `sequence_length` are tokens of both segments together,
    of ELECTRA's those of a row of one. Raises ValueError for arguments that will not do.

    >>> import numpy as np
    >>> from corpus.tokens.sentence_packing import pack
    >>> plan = pack(np.array([3, 4, 2, 3]), np.array([0, 3, 4]), 8, "document_sentences")
    >>> plan.start.tolist(), plan.length.tolist()
    ([0, 7, 0], [7, 2, 3])
    """
    if method not in METHODS:
        raise ValueError(f"packing method {method!r} is unknown; valid: {', '.join(METHODS)}")
    if sequence_length < 1 or variants < 1 or not 0 <= short_share <= 1:
        raise ValueError("sequence_length and variants must be at least 1, short_share from 0 to 1")
    lengths, firsts = np.asarray(lengths, np.int64), np.asarray(firsts, np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if method in RUNS:
        pieces, rows = _packed_runs(offsets, firsts, sequence_length, method == "document_sentences")
    else:
        arguments = offsets, firsts, sequence_length, PAIRS.index(method), np.uint64(seed), variants, short_share
        pieces, rows = np.empty((3, 0), np.int32), np.empty(0, np.int64)
        count, filled = _pack_pairs(*arguments, pieces, rows)
        pieces, rows = np.empty((3, count), np.int32), np.empty(filled, np.int64)
        _pack_pairs(*arguments, pieces, rows)
    figures = _figures(offsets, firsts, pieces, len(rows), sequence_length, seed)
    figures |= {"method": method if method in RUNS else f"{method} x{variants} short {short_share:g}"}
    return Plan(np.concatenate([[0], rows]).astype(np.int64), pieces[0], pieces[1], pieces[2], figures)


def _figures(
    offsets: np.ndarray, firsts: np.ndarray, pieces: np.ndarray, rows: int, sequence_length: int, seed: int
) -> dict[str, Any]:
    """As of packing.Plan; `tokens` are those of the rows, `shard_tokens` those of the shard."""
    placed = int(pieces[2].sum(dtype=np.int64))
    document, start = pieces[0], pieces[1]
    figures = {
        "sequence_length": sequence_length,
        "seed": seed,
        "bins": rows,
        "pieces": len(document),
        "documents": len(firsts) - 1,
        "tokens": placed,
        "shard_tokens": int(offsets[-1]),
        "padding": rows * sequence_length - placed,
        "documents_cut": len(np.unique(document[start > 0])),
        "cuts": int((start > 0).sum()),
    }
    return with_share(figures)


def _packed_runs(
    offsets: np.ndarray, firsts: np.ndarray, sequence_length: int, by_document: bool
) -> tuple[np.ndarray, np.ndarray]:
    count, filled = _pack_runs(
        offsets, firsts, sequence_length, by_document, np.empty((3, 0), np.int32), np.empty(0, np.int64)
    )
    pieces, rows = np.empty((3, count), np.int32), np.empty(filled, np.int64)
    _pack_runs(offsets, firsts, sequence_length, by_document, pieces, rows)
    return pieces, rows


@numba.njit(cache=True, nogil=True)
def _pack_runs(offsets, firsts, sequence_length, by_document, pieces, rows):
    """(pieces, rows) of consecutive sentences, next fit; a sentence longer than a row is cut. They are written into
    `pieces` (int32[3, n]: document, start, length) and `rows` (int64[m]: pieces up to the end of each), unless these
    are empty."""
    write = pieces.shape[1] > 0
    count, filled, room = 0, 0, 0
    for document in range(len(firsts) - 1):
        begin = offsets[firsts[document]]
        first = begin  # where the open piece begins
        if by_document:
            room = 0
        for sentence in range(firsts[document], firsts[document + 1]):
            at, end = offsets[sentence], offsets[sentence + 1]
            if end - at <= room:
                room -= end - at
                continue
            count = _add(pieces, write, count, document, first - begin, at - first)
            while at < end:
                if filled and write:
                    rows[filled - 1] = count
                filled += 1
                size = min(sequence_length, end - at)
                room = sequence_length - size
                first = at
                at += size
                if at < end:
                    count = _add(pieces, write, count, document, first - begin, size)
        count = _add(pieces, write, count, document, first - begin, offsets[firsts[document + 1]] - first)
    if filled and write:
        rows[filled - 1] = count
    return count, filled


@numba.njit(cache=True, nogil=True)
def _add(pieces, write, count, document, start, length):
    """The number of pieces, with one of `length` tokens, unless that is 0."""
    if length == 0:
        return count
    if write:
        pieces[0, count], pieces[1, count], pieces[2, count] = document, start, length
    return count + 1


@numba.njit(cache=True, nogil=True)
def _pack_pairs(offsets, firsts, longest, kind, seed, variants, short_share, pieces, rows):
    """As `_pack_runs`, of pairs. What is drawn of a document follows from the seed, the shard's sizes, the variant and
    its number."""
    key = combine(combine(combine(seed, np.uint64(len(offsets))), np.uint64(offsets[-1])), np.uint64(longest))
    write = pieces.shape[1] > 0
    state = philox.state()
    count, filled = 0, 0
    ends = np.empty(len(firsts) - 1, np.int64)  # of each document, without its end token
    for document in range(len(ends)):
        last = firsts[document + 1]
        ends[document] = offsets[last] - 1 if last > firsts[document] else offsets[last]
    for variant in range(variants):
        for document in range(len(ends)):
            philox.seat(state, combine(combine(key, np.uint64(variant)), np.uint64(document)), philox.SEGMENTS)
            target = _target(state, kind, longest, short_share)
            sentence, last = firsts[document], firsts[document + 1]
            if last > sentence and offsets[last - 1] == ends[document]:
                last -= 1  # the last is an end token alone
            while sentence < last:
                first = sentence
                sentence += 1
                while sentence < last and (
                    sentence - first < 2 if kind == _TWO else offsets[sentence] - offsets[first] < target
                ):
                    sentence += 1
                if kind == _SEGMENTS:
                    count = _two_segments(
                        state, offsets, firsts, ends, document, first, sentence, longest, target, pieces, write, count
                    )
                    target = _target(state, kind, longest, short_share)
                else:
                    count, sentence = _pair(
                        state, offsets, firsts, ends, document, first, sentence, longest, target, kind, pieces, write,
                        count,
                    )  # fmt: skip
                if write:
                    rows[filled] = count
                filled += 1
    return count, filled


@numba.njit(cache=True, nogil=True)
def _target(state, kind, longest, short_share):
    """Tokens that a row aims at; of ELECTRA's together with the two about one segment."""
    least = _LEAST_SHORT[kind]
    longest += 2 if kind == _SEGMENTS else 0
    if philox.uniform(state) < short_share and longest > least:
        return least + philox.below(state, longest - least + 1)
    return longest


@numba.njit(cache=True, nogil=True)
def _end(offsets, ends, document, sentence):
    """Where the sentence before `sentence` ends, without an end token."""
    return min(offsets[sentence], ends[document])


@numba.njit(cache=True, nogil=True)
def _another(state, firsts, ends, offsets, document):
    """A document with a sentence, drawn at random, that is not this one; -1: none was found."""
    for _ in range(_RETRIES):
        other = philox.below(state, len(ends))
        if other != document and ends[other] > offsets[firsts[other]]:
            return other
    return -1


@numba.njit(cache=True, nogil=True)
def _pair(state, offsets, firsts, ends, document, first, behind, longest, target, kind, pieces, write, count):
    """(pieces, the next sentence) after a pair of the sentences `first` to `behind`, or of the first of them and a
    segment of another document; then the others come again."""
    own = behind - first
    cut = first + 1 if own < 2 else first + 1 + philox.below(state, own - 1)
    tossed = philox.uniform(state) < 0.5
    a, a_end = offsets[first], _end(offsets, ends, document, cut)
    other = -1
    if own == 1 or (tossed and kind != _ORDER):
        other = _another(state, firsts, ends, offsets, document)
    if other >= 0:
        last = firsts[other + 1]
        if offsets[last - 1] == ends[other]:
            last -= 1
        start = firsts[other] + philox.below(state, last - firsts[other])
        stop = start + 1
        while kind != _TWO and stop < last and offsets[stop] - offsets[start] < target - (a_end - a):
            stop += 1
        b, b_end, of = offsets[start], _end(offsets, ends, other, stop), other
        behind = cut
    else:
        b, b_end, of = offsets[cut], _end(offsets, ends, document, behind), document
        if own == 1:
            b = b_end = a_end
    a, a_end, b, b_end = _shortened(state, a, a_end, b, b_end, longest)
    begin, begin_of = offsets[firsts[document]], offsets[firsts[of]]
    if kind == _ORDER and other < 0 and tossed and own > 1:
        count = _add(pieces, write, count, of, b - begin_of, b_end - b)
        return _add(pieces, write, count, document, a - begin, a_end - a), behind
    count = _add(pieces, write, count, document, a - begin, a_end - a)
    return _add(pieces, write, count, of, b - begin_of, b_end - b), behind


@numba.njit(cache=True, nogil=True)
def _shortened(state, a, a_end, b, b_end, longest):
    """Both segments until they fit: the longer one, the second of equal ones, loses its first token or its last."""
    while a_end - a + b_end - b > longest:
        front = philox.word(state) >> np.uint64(63) == 0
        if a_end - a > b_end - b:
            if front:
                a += 1
            else:
                a_end -= 1
        elif front:
            b += 1
        else:
            b_end -= 1
    return a, a_end, b, b_end


@numba.njit(cache=True, nogil=True)
def _two_segments(state, offsets, firsts, ends, document, first, behind, longest, target, pieces, write, count):
    """Pieces after a row of the sentences `first` to `behind`: they fill the first segment up to half, the one that
    goes beyond it is in the first as often as in the second."""
    one = philox.uniform(state) < _ONE_SEGMENT
    half = offsets[behind] - offsets[first] + 1 if one else (target - 3) // 2
    cut = first + 1
    while cut < behind and offsets[cut + 1] - offsets[first] < half:
        cut += 1
    if cut < behind and offsets[cut] - offsets[first] < half and philox.uniform(state) < 0.5:
        cut += 1
    begin = offsets[firsts[document]]
    a, a_end, b_end = offsets[first], _end(offsets, ends, document, cut), _end(offsets, ends, document, behind)
    size = min(a_end - a, longest)
    count = _add(pieces, write, count, document, a - begin, size)
    return _add(pieces, write, count, document, a_end - begin, min(b_end - a_end, max(0, longest - 1 - size)))
