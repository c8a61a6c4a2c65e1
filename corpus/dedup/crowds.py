"""Documents of crowded buckets, compared with those that are kept, however many share a bucket.

Locality-sensitive hashing puts the pages of one template, or the versions of one text, into the same buckets by the
million, and all their pairs are too many to look at. What the greedy rule asks of a document is less: whether one that
is *kept* is similar enough. Kept ones stand in an index by the rare shingles of each, which a similar document must
share (prefix filtering: S. Chaudhuri et al. 2006; R. Bayardo et al. 2007; C. Xiao et al. 2008, PPJoin): in any one
order of all shingles, two sets whose Jaccard similarity is t or more have a shingle in common among the first
`size - ceil(t * size) + 1` of each, and from the first that they have in common on, both have at least
`t / (1 + t) * (sizes)`. With the commonest last in the order, pages of a template that are not similar have nothing in
common there. So no pair is missed, and few are compared.

Where the index would grow beyond its memory the documents behind are compared with what it holds, and it begins anew.
A document that is nearly, and not quite, as like to thousands of kept ones as `threshold` says may have no rare
shingle: it is compared with MOST of them and no more, which is counted.
"""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Iterator
from typing import Any, NamedTuple

import numba
import numpy as np

LIMIT = 32
"""Documents of a bucket above which it is crowded; those of others are compared pair by pair."""
ENTRIES = 1 << 22
"""Shingles in the index at a time: 100 MB, and as much for its table."""
SAMPLE = 1 << 22
"""Shingles that are looked at to know which are common."""
BITS = 1 << 30
"""Bits, at most, of a filter that tells shingles which only one document has: 16 for each where there is room."""
MIXES = np.uint64(0x9E3779B97F4A7C15)
"""Of a shingle a second place in the filter: 2**64 divided by the golden ratio (D. Knuth, TAOCP 3, 6.4)."""
MOST = 1 << 13
"""Kept documents that one is compared with, at most: some 20 ms. It looks at ENTRIES_A_PAIR times as many entries."""
ENTRIES_A_PAIR = 128
AT_A_TIME = 1 << 20
"""Words of the store that are gone through before they are given back to the system."""


@dataclasses.dataclass
class Crowd:
    """Documents of crowded buckets by their places 0, 1, ... in the order in which they are decided: their `numbers`
    (int64, ascending). In `store` (uint64) each has keys of buckets, which begin at `begins` (int64[n + 1]), and then
    its shingle set, which begins at `sets` (int64[n]), both ascending. `mapped`: the file that the store is, if it is
    one."""

    numbers: np.ndarray
    begins: np.ndarray
    sets: np.ndarray
    store: np.ndarray
    mapped: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def parts(self, at: int = 0) -> Iterator[tuple[int, int]]:
        """(first place, place behind the last) of the documents from place `at`, AT_A_TIME words at a time; the pages
        of each part are given back to the system, for the file has the content."""
        while at < len(self):
            end = min(len(self), max(at + 1, int(np.searchsorted(self.begins, self.begins[at] + AT_A_TIME))))
            try:
                yield at, end
            finally:
                if self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                    self.mapped.madvise(mmap.MADV_DONTNEED)
            at = end


class Index(NamedTuple):
    """Which kept documents have a shingle in their prefix, by their sizes. `tokens` and `heads` are a table with open
    addressing, which leads to the groups of a shingle; a group is of documents of about one size, `grades`, and leads
    to the next group and to its entries; an entry has the place of a document and the position of the shingle in its
    prefix, and leads to the next. `used` is how many entries and groups there are."""

    tokens: np.ndarray
    heads: np.ndarray
    groups: np.ndarray
    grades: np.ndarray
    firsts: np.ndarray
    nexts: np.ndarray
    places: np.ndarray
    positions: np.ndarray
    used: np.ndarray


class Common(NamedTuple):
    """Shingles that are common, a table with open addressing: `counts` are above 0 where there is one."""

    tokens: np.ndarray
    counts: np.ndarray


def records(
    keys: np.ndarray, key_offsets: np.ndarray, values: np.ndarray, offsets: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What a store has of several documents one after the other, and how long each is (int64): document i has
    `keys[key_offsets[i]:key_offsets[i + 1]]` and the shingle set `values[offsets[rows[i]]:offsets[rows[i] + 1]]`."""
    lengths = np.diff(key_offsets) + offsets[rows + 1] - offsets[rows]
    flat = np.empty(int(lengths.sum()), np.uint64)
    _fill(keys, key_offsets, values, offsets, rows, flat)
    return flat, lengths


@numba.njit(cache=True, nogil=True)
def _fill(keys, key_offsets, values, offsets, rows, flat):
    at = 0
    for i in range(len(rows)):
        for k in range(key_offsets[i], key_offsets[i + 1]):
            flat[at] = keys[k]
            at += 1
        for k in range(offsets[rows[i]], offsets[rows[i] + 1]):
            flat[at] = values[k]
            at += 1


def gather(crowd: Crowd, places: np.ndarray) -> np.ndarray:
    """What the store has of the documents at some places, one after the other."""
    flat = np.empty(int((crowd.begins[places + 1] - crowd.begins[places]).sum()), np.uint64)
    _gather(crowd.store, crowd.begins, places, flat)
    return flat


@numba.njit(cache=True, nogil=True)
def _gather(store, begins, places, flat):
    at = 0
    for place in places:
        for k in range(begins[place], begins[place + 1]):
            flat[at] = store[k]
            at += 1


NOBODY = Crowd(np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
"""A corpus without crowded buckets."""


def members(keys: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is in crowded buckets: (documents, ascending (int64); their keys, ascending, and where each one's begin
    (int64[n + 1])), of a row for each key that a document has, which may come twice."""
    order = np.lexsort((keys, documents))
    keys, documents = keys[order], documents[order]
    new = np.ones(len(keys), np.bool_)
    new[1:] = (keys[1:] != keys[:-1]) | (documents[1:] != documents[:-1])
    keys, documents = keys[new], documents[new]
    found, begins = np.unique(documents, return_index=True)
    return found, keys, np.append(begins, len(keys)).astype(np.int64)


class Greedy:
    """The greedy rule over the documents of a corpus, in the order of their numbers: a document is dropped if a kept
    one before it is at least `threshold` similar; it names the most similar of them, of equals the first.

    crowd: the documents of crowded buckets. documents: how many there are in all. known: the first so many are kept
    whatever they are like. alone: the others are compared with those only. entries: room in the index, at most. most:
    kept documents that one is compared with (of an index), at most.
    """

    def __init__(
        self,
        crowd: Crowd,
        documents: int,
        threshold: float,
        known: int = 0,
        alone: bool = False,
        entries: int = ENTRIES,
        most: int = MOST,
    ):
        self.crowd, self.threshold, self.known, self.alone, self.most = crowd, threshold, known, alone, most
        self.dropped = np.zeros(documents // 8 + 1, np.uint8)
        """A bit for each document."""
        self.compared = 0
        """Pairs of crowded buckets whose similarity has been computed."""
        self.cut_short = 0
        """Times that a document was not compared with all that it might be like."""
        self._at = 0  # the place of the next document of the crowd
        if len(crowd):
            self._common = _common(crowd)
            self._seen = _seen_twice(crowd, self._common, threshold)
            entries = min(entries, max(int((crowd.begins[-1] - crowd.begins[0]) // 2), 1 << 10))
            entries = max(entries, int(np.diff(crowd.begins).max()))
            self._index = _empty_index(entries)
            self._stamps = np.full(len(crowd), -1, np.int32)
            self._by, self._score = np.empty(0, np.int64), np.empty(0)  # what was found when the index was full

    def part(
        self, first: np.ndarray, second: np.ndarray, similarity: np.ndarray, end: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is dropped of the next documents, to before number `end`: (dropped, by, score). Their edges to earlier
        ones, from buckets that are not crowded, come ascending by (second, first), and are at least `threshold`
        similar."""
        stop = int(np.searchsorted(self.crowd.numbers, end))
        found: list[tuple[np.ndarray, ...]] = []
        edge = 0
        for _, upto in self.crowd.parts(self._at):
            while self._at < min(upto, stop):
                *columns, edge, self._at, compared, cut = self._decide(first, second, similarity, edge, min(upto, stop))
                found.append(tuple(columns))
                self.compared += compared
                self.cut_short += cut
                if self._at < min(upto, stop):
                    self._sweep()
            if self._at == stop:
                break
        rest = (first[edge:], second[edge:], similarity[edge:])
        found.append(_by_edges(*rest, self.dropped, self.known, self.alone))
        dropped, by, score = (np.concatenate(column) for column in zip(*found))
        return dropped, by, score

    def _decide(self, first: Any, second: Any, similarity: Any, edge: int, upto: int) -> tuple[Any, ...]:
        crowd = self.crowd
        return _decide(
            first, second, similarity, edge, crowd.numbers, crowd.begins, crowd.sets, crowd.store, self._at, upto,
            self.dropped, self._index, self._common, self._seen, self._stamps, self._by, self._score, self.threshold,
            self.known, self.alone, self.most,
        )  # fmt: skip

    def _sweep(self) -> None:
        """The index is full: what is behind is compared with it, and it is emptied."""
        crowd = self.crowd
        if not len(self._by):
            self._by, self._score = np.full(len(crowd), -1, np.int64), np.zeros(len(crowd))
        for at, upto in crowd.parts(self._at):
            compared, cut = _look(
                crowd.numbers, crowd.begins, crowd.sets, crowd.store, at, upto, self._index, self._common, self._seen,
                self._stamps, self._by, self._score, self.threshold, self.known, self.most,
            )  # fmt: skip
            self.compared += compared
            self.cut_short += cut
        self._stamps[:] = -1
        self._index.heads[:] = -1
        self._index.used[:] = 0


# ------------------------------------------------------------------ the order of shingles


def _common(crowd: Crowd) -> Common:
    """The shingles that several documents of a sample have, which are every k-th: how many."""
    every = max(1, -(-int(crowd.begins[-1] - crowd.begins[0]) // SAMPLE))
    sets = [_set(crowd, place) for at, end in crowd.parts() for place in range(-(-at // every) * every, end, every)]
    values = np.sort(np.concatenate(sets))
    new = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.empty(0, np.int64)
    counts = np.diff(np.append(new, len(values)))
    several = counts > 1
    size = 16
    while size < 2 * np.count_nonzero(several):
        size *= 2
    common = Common(np.zeros(size, np.uint64), np.zeros(size, np.int32))
    _enter(common, values[new[several]], counts[several])
    return common


def _set(crowd: Crowd, place: int) -> np.ndarray:
    return np.array(crowd.store[crowd.sets[place] : crowd.begins[place + 1]])


@numba.njit(cache=True, nogil=True)
def _enter(common, tokens, counts):
    mask = np.uint64(len(common.tokens) - 1)
    for i in range(len(tokens)):
        slot = tokens[i] & mask
        while common.counts[slot]:
            slot = (slot + np.uint64(1)) & mask
        common.tokens[slot], common.counts[slot] = tokens[i], counts[i]


@numba.njit(inline="always")
def _count(common, token):
    """In how many documents of the sample a shingle is; 0 for one."""
    mask = np.uint64(len(common.tokens) - 1)
    slot = token & mask
    while common.counts[slot] and common.tokens[slot] != token:
        slot = (slot + np.uint64(1)) & mask
    return common.counts[slot]


@numba.njit(cache=True, nogil=True)
def _prefix(store, begin, end, common, threshold, out, others, counts):
    """Write the prefix of the set `store[begin:end]` to `out`, in the order of (count, shingle); its length. `others`
    and `counts` are room for as many as the set has."""
    size = end - begin
    if not size:
        return 0
    need = min(size, size - np.int64(np.ceil(threshold * size - 1e-9)) + 1)
    found = more = 0
    for i in range(begin, end):
        token = store[i]
        count = _count(common, token)
        if count:
            others[more], counts[more] = token, count
            more += 1
        else:
            out[found] = token
            found += 1
            if found == need:
                return need
    order = np.argsort(counts[:more], kind="mergesort")
    for i in range(need - found):
        out[found + i] = others[order[i]]
    return need


def _seen_twice(crowd: Crowd, common: Common, threshold: float) -> np.ndarray:
    """A filter, uint64 of 64 bits each, of shingles that are in the prefixes of two documents, or seem to be."""
    shingles = int(crowd.begins[-1] - crowd.begins[0])
    bits = 1 << 10
    while bits < min(BITS, 16 * shingles * (1.02 - threshold)):
        bits *= 2
    once, twice = np.zeros(bits // 64, np.uint64), np.zeros(bits // 64, np.uint64)
    for at, upto in crowd.parts():
        _see(crowd.begins, crowd.sets, crowd.store, at, upto, common, threshold, once, twice)
    return twice


@numba.njit(cache=True, nogil=True)
def _see(begins, sets, store, at, upto, common, threshold, once, twice):
    longest = 0
    for place in range(at, upto):
        longest = max(longest, begins[place + 1] - begins[place])
    out, others, counts = np.empty(longest, np.uint64), np.empty(longest, np.uint64), np.empty(longest, np.int32)
    for place in range(at, upto):
        length = _prefix(store, sets[place], begins[place + 1], common, threshold, out, others, counts)
        for i in range(length):
            word, bit = _bit(once, out[i])
            other, other_bit = _bit(once, out[i] * MIXES)
            if once[word] & bit and once[other] & other_bit:
                twice[word] |= bit
            else:
                once[word] |= bit
                once[other] |= other_bit


@numba.njit(inline="always")
def _bit(filter, token):
    """Where the bit of a shingle is."""
    place = (token >> np.uint64(20)) & np.uint64(64 * len(filter) - 1)
    return place >> np.uint64(6), np.uint64(1) << (place & np.uint64(63))


# ------------------------------------------------------------------ the greedy rule


def _empty_index(entries: int) -> Index:
    size = 16
    while size < 2 * entries:
        size *= 2
    groups, grades, firsts, nexts, places, positions = (np.empty(entries, np.int32) for _ in range(6))
    tokens, heads, used = np.zeros(size, np.uint64), np.full(size, -1, np.int32), np.zeros(2, np.int64)
    return Index(tokens, heads, groups, grades, firsts, nexts, places, positions, used)


@numba.njit(cache=True, nogil=True)
def _by_edges(first, second, similarity, dropped, known, alone):
    """The documents that are dropped because of edges alone: (dropped, by, score)."""
    documents = np.empty(len(first), np.int64)
    by = np.empty(len(first), np.int64)
    score = np.empty(len(first), np.float64)
    found = 0
    for edge in range(len(first)):
        i, j = first[edge], second[edge]
        if j < known or (alone and i >= known) or dropped[i >> 3] >> (i & 7) & 1:
            continue
        if found == 0 or documents[found - 1] != j:
            documents[found], by[found], score[found] = j, i, similarity[edge]
            dropped[j >> 3] |= np.uint8(1 << (j & 7))
            found += 1
        elif similarity[edge] > score[found - 1]:
            by[found - 1], score[found - 1] = i, similarity[edge]
    return documents[:found].copy(), by[:found].copy(), score[:found].copy()


@numba.njit(cache=True, nogil=True)
def _decide(
    first, second, similarity, edge, numbers, begins, sets, store, at, upto, dropped,
    index, common, seen, stamps, swept_by, swept_score, threshold, known, alone, most,
):  # fmt: skip
    """Decide documents of the crowd from place `at` to before `upto`, and those with edges before the last of these:
    (dropped, by, score, next edge, next place, pairs compared, documents cut short). It ends early where the index has
    no room."""
    room = len(first) - edge + upto - at
    documents, by, score = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float64)
    longest = 0
    for place in range(at, upto):
        longest = max(longest, begins[place + 1] - begins[place])
    out, others, counts = np.empty(longest, np.uint64), np.empty(longest, np.uint64), np.empty(longest, np.int32)
    found = compared = cut = 0
    for place in range(at, upto):
        number = numbers[place]
        best, best_by, edge_before = 0.0, np.int64(-1), edge
        while edge < len(first) and second[edge] <= number:
            i, j = first[edge], second[edge]
            edge += 1
            if j < known or (alone and i >= known) or dropped[i >> 3] >> (i & 7) & 1:
                continue
            if j == number:
                if similarity[edge - 1] > best:
                    best, best_by = similarity[edge - 1], i
                continue
            if found == 0 or documents[found - 1] != j:
                documents[found], by[found], score[found] = j, i, similarity[edge - 1]
                dropped[j >> 3] |= np.uint8(1 << (j & 7))
                found += 1
            elif similarity[edge - 1] > score[found - 1]:
                by[found - 1], score[found - 1] = i, similarity[edge - 1]
        length = _prefix(store, sets[place], begins[place + 1], common, threshold, out, others, counts)
        if number >= known:
            near, near_by, looked, short = _nearest(
                place, begins, sets, store, out[:length], index, seen, stamps, numbers, threshold, most
            )
            compared, cut = compared + looked, cut + short
            if near > best or (near == best and near_by < best_by):
                best, best_by = near, near_by
            if len(swept_by) and swept_by[place] >= 0:
                if swept_score[place] > best or (swept_score[place] == best and swept_by[place] < best_by):
                    best, best_by = swept_score[place], swept_by[place]
        if best_by >= 0:
            documents[found], by[found], score[found] = number, best_by, best
            dropped[number >> 3] |= np.uint8(1 << (number & 7))
            found += 1
        elif number < known or not alone:
            if index.used[0] + length > len(index.nexts):
                # decided again with an empty index: what it has of edges is settled the same way again
                edge = _own(second, edge_before, edge, number)
                return documents[:found], by[:found], score[:found], edge, place, compared, cut
            _insert(place, _grade(begins[place + 1] - sets[place]), out[:length], index, seen)
    return documents[:found], by[:found], score[:found], edge, upto, compared, cut


@numba.njit(inline="always")
def _own(second, start, end, number):
    """The first edge of a document, of those from `start` to `end`."""
    while start < end and second[start] < number:
        start += 1
    return start


@numba.njit(cache=True, nogil=True)
def _look(
    numbers, begins, sets, store, at, upto, index, common, seen, stamps, swept_by, swept_score, threshold, known, most
):  # fmt: skip
    """For documents from place `at` to before `upto` the most similar in the index, where it is more similar than what
    was found before; (pairs compared, documents cut short)."""
    longest = 0
    for place in range(at, upto):
        longest = max(longest, begins[place + 1] - begins[place])
    out, others, counts = np.empty(longest, np.uint64), np.empty(longest, np.uint64), np.empty(longest, np.int32)
    compared = cut = 0
    for place in range(at, upto):
        if numbers[place] < known:
            continue
        length = _prefix(store, sets[place], begins[place + 1], common, threshold, out, others, counts)
        near, near_by, looked, short = _nearest(
            place, begins, sets, store, out[:length], index, seen, stamps, numbers, threshold, most
        )
        compared, cut = compared + looked, cut + short
        if near_by >= 0 and near > swept_score[place]:
            swept_score[place], swept_by[place] = near, near_by
    return compared, cut


@numba.njit(cache=True, nogil=True)
def _nearest(place, begins, sets, store, prefix, index, seen, stamps, numbers, threshold, most):
    """(similarity, number) of the most similar document in the index that shares a bucket, of equals the first, -1 if
    none is similar enough; how many were compared, and whether that was cut short."""
    begin = sets[place]
    size = begins[place + 1] - begin
    best, best_by, compared, looked = 0.0, np.int64(-1), 0, 0
    mask = np.uint64(len(index.heads) - 1)
    share = threshold / (1.0 + threshold)
    for position in range(len(prefix)):
        token = prefix[position]
        word, bit = _bit(seen, token)
        if not seen[word] & bit:
            continue
        slot = token & mask
        while index.heads[slot] >= 0 and index.tokens[slot] != token:
            slot = (slot + np.uint64(1)) & mask
        group = index.heads[slot]
        larger = (
            min((size - position) / share - size, size / threshold) + 1e-6
        )  # shingles of a document that is similar
        low, high = _grade(np.int64(threshold * size - 1e-6)), _grade(np.int64(larger))
        while group >= 0:
            entry = index.firsts[group] if low <= index.grades[group] <= high else -1
            group = index.groups[group]
            while entry >= 0:
                other, there = index.places[entry], index.positions[entry]
                entry = index.nexts[entry]
                looked += 1
                if compared >= most or looked > ENTRIES_A_PAIR * most:
                    return best, best_by, compared, True
                if stamps[other] == place:
                    continue
                stamps[other] = place  # this is the first shingle that they have in common
                other_begin = sets[other]
                other_size = begins[other + 1] - other_begin
                if min(size - position, other_size - there) < share * (size + other_size) - 1e-9:
                    continue
                if not _share(store, begins[place], begin, begins[other], other_begin):
                    continue
                compared += 1
                near = _jaccard(store, begin, begins[place + 1], other_begin, begins[other + 1])
                if near >= threshold and (near > best or (near == best and numbers[other] < best_by)):
                    best, best_by = near, numbers[other]
    return best, best_by, compared, False


@numba.njit(inline="always")
def _grade(size):
    """Sizes in steps of about a percent; it grows with the size."""
    if size < 64:
        return np.int32(max(size, 0))
    return np.int32(64 + np.int64(64 * np.log2(size / 64.0)))


@numba.njit(inline="always")
def _share(store, i, i_end, j, j_end):
    """Whether two ascending runs have a value in common."""
    while i < i_end and j < j_end:
        if store[i] == store[j]:
            return True
        if store[i] < store[j]:
            i += 1
        else:
            j += 1
    return False


@numba.njit(inline="always")
def _jaccard(store, i, i_end, j, j_end):
    together, same = (i_end - i) + (j_end - j), 0
    while i < i_end and j < j_end:
        x, y = store[i], store[j]
        same += x == y
        i += x <= y
        j += y <= x
    return same / (together - same)


@numba.njit(cache=True, nogil=True)
def _insert(place, grade, prefix, index, seen):
    mask = np.uint64(len(index.heads) - 1)
    for position in range(len(prefix)):
        token = prefix[position]
        word, bit = _bit(seen, token)
        if not seen[word] & bit:
            continue
        slot = token & mask
        while index.heads[slot] >= 0 and index.tokens[slot] != token:
            slot = (slot + np.uint64(1)) & mask
        group = index.heads[slot]
        while group >= 0 and index.grades[group] != grade:
            group = index.groups[group]
        if group < 0:
            group = index.used[1]
            index.used[1] += 1
            index.groups[group], index.grades[group], index.firsts[group] = index.heads[slot], grade, -1
            index.tokens[slot], index.heads[slot] = token, group
        entry = index.used[0]
        index.used[0] += 1
        index.nexts[entry], index.places[entry], index.positions[entry] = index.firsts[group], place, position
        index.firsts[group] = entry
