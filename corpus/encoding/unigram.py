"""The most probable division of a word into the pieces of a unigram model (Kudo 2018), by Viterbi's algorithm.

Of several divisions with one probability the one is taken whose last piece was found first, at every character: pieces
are tried in the order of their beginnings, and one that is no better than the best so far does not replace it. That is
what `sentencepiece` 0.2.3 (`unigram_model.cc`, EncodeOptimized) and `tokenizers` 0.23 (`encode_optimized`) do. A
character that is no piece is unknown, at the score of the worst piece less 10.

`sentencepiece` adds up scores in 32 bits from the beginning of a text, so that what it does to a word can depend on
what stands before it. So a word is divided here in 64 bits, once, and with that goes how large the sum before it may be
for rounding to change nothing; beyond that it is divided as `sentencepiece` does it, on the spot.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from corpus.encoding.tries import Trie, child
from corpus.text import utf8
from corpus.text.intrinsics import prefetch
from corpus.text.leaf import leaf

UNKNOWN_PENALTY = 10.0
"""kUnkPenalty of `unigram_model.cc`, K_UNK_PENALTY of `unigram/model.rs`."""
RESET = np.float32(100_000.0)
"""kScoreResetThreshold of `unigram_model.cc`: a sum beyond it begins at 0 again."""
SPACE = 0x20
_AHEAD = 16
"""Words whose ids are fetched from memory at a time."""
_SPACE_BYTES = (0xE2, 0x96, 0x81)


class Unigram(NamedTuple):
    """A unigram model: the trie of its pieces with their ids, `scores` by id (float32 or float64), the id of what is
    unknown and its score, and `byte_ids` (int32[256]) that spell what is unknown, empty where nothing does."""

    trie: Trie
    scores: np.ndarray
    unknown_id: int
    unknown_score: float
    byte_ids: np.ndarray
    spaces: bool


class Room(NamedTuple):
    """Room for the Viterbi algorithm on words of up to its length less one: of every end of a piece the best score and
    the second best (float64), the best in 32 bits, where the best last piece begins, and its id."""

    best: np.ndarray
    second: np.ndarray
    carried: np.ndarray
    begins: np.ndarray
    ids: np.ndarray


def make_room(longest: int) -> Room:
    """Room for words of up to `longest` bytes."""
    sizes = (np.float64, np.float64, np.float32, np.int64, np.int32)
    return Room(*(np.empty(longest + 1, dtype) for dtype in sizes))


@leaf
def _divide(data, start, end, model, room):
    """The best division of `data[start:end]`, in 64 bits, in `room`."""
    edges, values = model.trie
    n = end - start
    for i in range(n + 1):
        room.begins[i] = -1
        room.second[i] = -np.inf
    room.best[0] = 0.0
    i = 0
    while i < n:
        width = utf8.width(data[start + i])
        alone = False
        node = np.int64(0)
        for j in range(i, n):
            node = child(edges, node, data[start + j])
            if node < 0:
                break
            if values[node] >= 0:
                _offer(room, j + 1, np.float64(model.scores[values[node]]) + room.best[i], i, values[node])
                alone = alone or j + 1 - i == width
        if not alone:
            _offer(room, i + width, model.unknown_score + room.best[i], i, model.unknown_id)
        i += width


@numba.njit(cache=True, nogil=True, inline="always")
def _offer(room, end, score, begin, piece):
    if room.begins[end] < 0 or score > room.best[end]:
        room.second[end] = room.best[end] if room.begins[end] >= 0 else -np.inf
        room.best[end], room.begins[end], room.ids[end] = score, begin, piece
    elif score > room.second[end]:
        room.second[end] = score


@leaf
def _divide_carried(data, start, end, model, before, room):
    """The division of `data[start:end]` as `sentencepiece` has it, with the sum `before` of what stands before it, in
    `room`; returns the sum with it."""
    edges, values = model.trie
    n = end - start
    for i in range(n + 1):
        room.begins[i] = -1
    room.carried[0] = before
    frontier = 0
    i = 0
    while i < n:
        if abs(room.carried[i]) > RESET:
            offset = room.carried[i]
            for k in range(i, frontier + 1):
                if k == i or room.begins[k] >= 0:
                    room.carried[k] -= offset
        width = utf8.width(data[start + i])
        alone = False
        node = np.int64(0)
        for j in range(i, n):
            node = child(edges, node, data[start + j])
            if node < 0:
                break
            if values[node] >= 0:
                frontier = max(frontier, j + 1)
                score = np.float32(model.scores[values[node]]) + room.carried[i]
                if room.begins[j + 1] < 0 or score > room.carried[j + 1]:
                    room.carried[j + 1], room.begins[j + 1], room.ids[j + 1] = score, i, values[node]
                alone = alone or j + 1 - i == width
        if not alone:
            frontier = max(frontier, i + width)
            score = np.float32(model.unknown_score) + room.carried[i]
            if room.begins[i + width] < 0 or score > room.carried[i + width]:
                room.carried[i + width], room.begins[i + width] = score, i
                room.ids[i + width] = model.unknown_id
        i += width
    return room.carried[n]


@leaf
def _write(data, start, end, model, fuse, room, out, place):
    """Writes the ids of the division in `room` to `out` from `place`, unknown pieces beside each other as one where
    `fuse`; returns the place after."""
    at = end - start
    pieces = 0
    while at > 0:  # links that lead forward from here on: where the piece that begins somewhere ends
        begin = room.begins[at]
        room.begins[at] = pieces
        pieces = at
        at = begin
    begin, first = 0, place
    while begin < end - start:
        stop = pieces
        pieces = room.begins[stop]
        if room.ids[stop] != model.unknown_id:
            out[place] = room.ids[stop]
            place += 1
        elif model.byte_ids.size:
            for i in range(start + begin, start + stop):
                if data[i] == SPACE and model.spaces:
                    for byte in _SPACE_BYTES:
                        out[place] = model.byte_ids[byte]
                        place += 1
                else:
                    out[place] = model.byte_ids[data[i]]
                    place += 1
        elif not fuse or place == first or out[place - 1] != model.unknown_id:
            out[place] = model.unknown_id
            place += 1
        begin = stop
    return place


@numba.njit(cache=True, nogil=True)
def encode(data, offsets, model, fuse, room, out, ends):
    """Encodes the words `data[offsets[w] : offsets[w + 1]]`, each by itself, in 64 bits. `out` (int32) has room for one
    id a byte, and three for a space; `ends` (int64, one more than words) receives where each word's ids end; `room` is
    for the longest word. Returns the number of ids."""
    place = 0
    ends[0] = 0
    for w in range(offsets.size - 1):
        start, end = offsets[w], offsets[w + 1]
        if start < end:
            _divide(data, start, end, model, room)
            place = _write(data, start, end, model, fuse, room, out, place)
        ends[w + 1] = place
    return place


@numba.njit(cache=True, nogil=True)
def encode_with_limits(data, offsets, model, room, out, ends, scores, score_ends, limits):
    """`encode`, and of each word: its pieces' scores, to `scores` (float32, one a character at most) up to
    `score_ends` (int64, one more than words), and the sum before it, in magnitude, up to which it is divided so
    (`limits`, float64).

    A sum of m scores of at most s each, after one of b, is off by at most m (b + m s) 2^-24 in 32 bits, since each
    addition is off by half of what its last bit means. Where the best division of every beginning beats the second by
    more than twice that, rounding changes nothing; twice as much again is asked for here."""
    place = at = 0
    ends[0] = score_ends[0] = 0
    largest = np.float64(abs(model.unknown_score))
    for i in range(model.scores.size):
        largest = max(largest, np.float64(abs(model.scores[i])))
    for w in range(offsets.size - 1):
        start, end = offsets[w], offsets[w + 1]
        if start < end:
            _divide(data, start, end, model, room)
            lead = np.inf
            stop, pieces = end - start, 0
            while stop > 0:
                lead = min(lead, room.best[stop] - room.second[stop])
                pieces += 1
                stop = room.begins[stop]
            stop, last = end - start, at + pieces
            while stop > 0:
                last -= 1
                known = room.ids[stop] != model.unknown_id
                scores[last] = model.scores[room.ids[stop]] if known else model.unknown_score
                stop = room.begins[stop]
            at += pieces
            additions = utf8.characters(data, start, end)
            reach = additions * largest
            limits[w] = min(lead / additions * (1 << 22) - reach, np.float64(RESET) - reach)
            place = _write(data, start, end, model, True, room, out, place)
        ends[w + 1] = place
        score_ends[w + 1] = at
    return place


@numba.njit(cache=True, nogil=True)
def encode_carried(words, occurrences, texts, known, model, room, out, ends):
    """The ids of texts that are made of words: text d of the words with the numbers `occurrences[texts[d] :
    texts[d + 1]]`, of which `words` are (data, offsets) and `known` what `encode_with_limits` gave: (ids, ends, scores,
    score_ends, limits). `out` has room as for `encode`; returns the number of ids."""
    data, offsets = words
    ids, id_ends, scores, score_ends, limits = known
    place = 0
    ends[0] = 0
    for d in range(texts.size - 1):
        total = np.float32(0)
        beginning = place
        for o in range(texts[d], texts[d + 1]):
            w = np.int64(occurrences[o])
            ahead = np.uint64(occurrences[min(o + _AHEAD, texts[d + 1] - 1)])
            prefetch(id_ends, ahead)
            prefetch(score_ends, ahead)
            prefetch(limits, ahead)
            first = place
            if abs(total) > RESET:
                total = np.float32(0)
            if abs(total) < limits[w]:
                for i in range(id_ends[w], id_ends[w + 1]):
                    out[place] = ids[i]
                    place += 1
                for i in range(score_ends[w], score_ends[w + 1]):
                    total += scores[i]
            else:
                total = _divide_carried(data, offsets[w], offsets[w + 1], model, total, room)
                place = _write(data, offsets[w], offsets[w + 1], model, True, room, out, place)
            if not model.byte_ids.size and first > beginning and first < place:
                if out[first] == model.unknown_id and out[first - 1] == model.unknown_id:
                    for i in range(first + 1, place):  # one unknown piece, across words
                        out[i - 1] = out[i]
                    place -= 1
        ends[d + 1] = place
    return place
