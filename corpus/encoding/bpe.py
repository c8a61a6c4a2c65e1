"""Byte-pair merging of one pre-token, and of a column of texts through a cache.

Merging is Sennrich et al. 2016 (algorithm 1) as Hugging Face `tokenizers` does it: of all
adjacent pairs that have a rule, the one with the lowest rank merges first, the leftmost of
several. Two functions give that answer: a scan for short pre-tokens, O(n^2) with a small
constant, and a heap for long ones, O(n log n), about 24 bytes of memory a byte. The heap works
piece by piece: where no token of the vocabulary holds two neighbouring bytes side by side, no
merge can cross, so that each side can be merged alone.

The table of rules is uint64[2^k, 2]: `left << 32 | right` plus one (0: empty slot), and
`rank << 32 | id of the merged token`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numba
import numpy as np

from corpus.encoding.patterns import MOST_PATTERNS
from corpus.encoding.pretoken_table import BLOCK, SHORT, find, key, mixed, next_pretokens
from corpus.encoding.tries import Trie, child, make_trie
from corpus.text.leaf import leaf

SCAN_LIMIT = 48
"""Longest pre-token, in bytes, that is merged by scanning."""
_CACHE_LIMIT = 255
"""Longest pre-token, in bytes, that is cached."""
_NO_RULE = np.uint64(0xFFFFFFFFFFFFFFFF)
_INLINE_IDS = 3
ENCODE_SLACK = 2
"""Ids that `encode` may write past the last one."""


class Rules(NamedTuple):
    """A vocabulary as the kernels use it."""

    byte_ids: np.ndarray  # int32[256], id of each byte
    last_ids: np.ndarray  # int32[256], id of each byte that ends a pre-token
    pairs: np.ndarray  # uint64[2^k, 2], the table of merge rules
    neighbours: np.ndarray  # bool[65536], first << 8 | second: side by side in some token
    whole: Trie  # tokens that a pre-token becomes at once if it is one, whatever the rules say


class Cache(NamedTuple):
    """Pre-tokens seen before and their ids: a `pretoken_table`. Word 2 of a slot is
    `first id or place in ids << 32 | number of ids`; up to three ids stand in the slot where
    the key leaves word 3 free, more stand in `ids`. When anything is full, all is emptied."""

    slots: np.ndarray  # uint64[4 * 2^k]
    keys: np.ndarray  # uint8[...], bytes of pre-tokens longer than 15
    ids: np.ndarray  # int32[...]
    used: np.ndarray  # int64[3]: slots, keys, ids


def make_rules(
    byte_ids: list[int],
    merges: list[tuple[int, int, int]],
    tokens: Iterable[bytes],
    whole: Mapping[bytes, int] | None = None,
    last_ids: list[int] | None = None,
) -> Rules:
    """`merges`: (left id, right id, merged id) in order of rank, where a pair that is listed
    twice counts with its later rank; `tokens`: the bytes of every ordinary token; `whole`: tokens with their ids for
    which a pre-token that is one is not merged (`ignore_merges` of `tokenizers`, and what tiktoken does); `last_ids`:
    of bytes that end a pre-token, where they are not those of bytes elsewhere."""
    pairs = make_pairs(np.array(merges, np.int64).reshape(-1, 3), np.arange(len(merges)))
    neighbours = np.zeros(1 << 16, np.bool_)
    for token in tokens:
        values = np.frombuffer(token, np.uint8).astype(np.int64)
        neighbours[values[:-1] << 8 | values[1:]] = True
    known = whole or {}
    first, last = (np.array(ids, np.int32) for ids in (byte_ids, last_ids or byte_ids))
    return Rules(first, last, pairs, neighbours, make_trie(list(known), list(known.values())))


def make_pairs(merges: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The table of `merges`, int64[n, 3]: left id, right id, merged id, with their `ranks` (int64[n]); a pair that is
    listed twice counts as it is listed last."""
    pairs = np.zeros((1 << max(4, (2 * len(merges)).bit_length()), 2), np.uint64)
    _fill_pairs(pairs, merges, np.asarray(ranks, np.int64))
    return pairs


def make_cache(slots: int = 1 << 21) -> Cache:
    """A cache for up to `slots` / 2 pre-tokens (a power of two): 32 bytes a slot, 16 more that are
    touched only as far as they are used. A million is what 50 MB in some 400 languages need
    without being emptied (694,000)."""
    return Cache(
        np.zeros(4 * slots, np.uint64),
        np.empty(8 * slots + _CACHE_LIMIT, np.uint8),
        np.empty(2 * slots + _CACHE_LIMIT, np.int32),
        np.zeros(3, np.int64),
    )


@numba.njit(cache=True, nogil=True)
def _fill_pairs(pairs, merges, ranks):
    mask = np.uint64(pairs.shape[0] - 1)
    for i in range(merges.shape[0]):
        pair = (np.uint64(merges[i, 0]) << np.uint64(32) | np.uint64(merges[i, 1])) + np.uint64(1)
        slot = mixed(pair, np.uint64(0)) & mask
        while pairs[slot, 0] != 0 and pairs[slot, 0] != pair:
            slot = slot + np.uint64(1) & mask
        pairs[slot, 0] = pair
        pairs[slot, 1] = np.uint64(ranks[i]) << np.uint64(32) | np.uint64(merges[i, 2])


@numba.njit(cache=True, nogil=True, forceinline=True)
def _rule(pairs, left, right):
    """`rank << 32 | merged id` of a pair, or _NO_RULE."""
    pair = (np.uint64(left) << np.uint64(32) | np.uint64(right)) + np.uint64(1)
    mask = np.uint64(pairs.shape[0] - 1)
    slot = mixed(pair, np.uint64(0)) & mask
    while pairs[slot, 0] != pair:
        if pairs[slot, 0] == 0:
            return _NO_RULE
        slot = slot + np.uint64(1) & mask
    return pairs[slot, 1]


@leaf
def merge_by_scan(pairs, ranks, out, place, n):
    """Merges the `n` symbols at `out[place]`, at most SCAN_LIMIT, where the ids they become are written; returns the
    place after them. `ranks` (uint64[SCAN_LIMIT]) is room for the rule of the pair that starts at each symbol."""
    for i in range(n - 1):
        ranks[i] = _rule(pairs, out[place + i], out[place + i + 1])
    while n > 1:
        best = 0
        for i in range(1, n - 1):
            if ranks[i] < ranks[best]:
                best = i
        if ranks[best] == _NO_RULE:
            break
        out[place + best] = np.int32(ranks[best] & np.uint64(0xFFFFFFFF))
        n -= 1
        for i in range(best + 1, n):
            out[place + i] = out[place + i + 1]
            ranks[i - 1] = ranks[i]
        if best > 0:
            ranks[best - 1] = _rule(pairs, out[place + best - 1], out[place + best])
        if best < n - 1:
            ranks[best] = _rule(pairs, out[place + best], out[place + best + 1])
    return place + n


@leaf
def _push(heap, size, entry):
    i = size
    while i > 0 and heap[(i - 1) >> 1] > entry:
        heap[i] = heap[(i - 1) >> 1]
        i = (i - 1) >> 1
    heap[i] = entry
    return size + 1


@leaf
def _pop(heap, size):
    """Removes the least entry, heap[0]; returns the new size."""
    size -= 1
    entry = heap[size]
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= entry:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = entry
    return size


@numba.njit(cache=True, nogil=True)
def merge_by_heap(pairs, out, place, n):
    """As `merge_by_scan`, for any number of symbols. Heap entries are `rank << 32 | position`; one is stale when the
    symbols at its position no longer form a pair of that rank."""
    symbols = np.empty(n, np.int32)  # -1: merged into the symbol before
    following = np.empty(n, np.int32)
    preceding = np.empty(n, np.int32)
    heap = np.empty(n, np.uint64)
    size = 0
    high = np.uint64(0xFFFFFFFF) << np.uint64(32)
    for i in range(n):
        symbols[i] = out[place + i]
        following[i] = i + 1
        preceding[i] = i - 1
    for i in range(n - 1):
        rule = _rule(pairs, symbols[i], symbols[i + 1])
        if rule != _NO_RULE:
            size = _push(heap, size, rule & high | np.uint64(i))
    while size > 0:
        entry = heap[0]
        size = _pop(heap, size)
        i = np.int64(entry & np.uint64(0xFFFFFFFF))
        j = following[i]
        if symbols[i] < 0 or j >= n:
            continue
        rule = _rule(pairs, symbols[i], symbols[j])
        if rule == _NO_RULE or rule & high != entry & high:
            continue
        symbols[i] = np.int32(rule & np.uint64(0xFFFFFFFF))
        symbols[j] = -1
        following[i] = following[j]
        if following[i] < n:
            preceding[following[i]] = i
            rule = _rule(pairs, symbols[i], symbols[following[i]])
            if rule != _NO_RULE:
                heap, size = _push_growing(heap, size, rule & high | np.uint64(i))
        if preceding[i] >= 0:
            rule = _rule(pairs, symbols[preceding[i]], symbols[i])
            if rule != _NO_RULE:
                heap, size = _push_growing(heap, size, rule & high | np.uint64(preceding[i]))
    for i in range(n):
        if symbols[i] >= 0:
            out[place] = symbols[i]
            place += 1
    return place


@numba.njit(cache=True, nogil=True)
def _push_growing(heap, size, entry):
    if size == heap.size:
        larger = np.empty(2 * size, np.uint64)
        for i in range(size):
            larger[i] = heap[i]
        heap = larger
    return heap, _push(heap, size, entry)


@leaf
def _merge_short(data, start, end, last_ids, rules, ranks, out, place):
    """Writes the ids of `data[start:end]`, at most SCAN_LIMIT bytes of which the last has its id in `last_ids`, to
    `out` from `place`, where there must be room for one id a byte; returns the place after."""
    for i in range(start, end - 1):
        out[place + i - start] = rules.byte_ids[data[i]]
    out[place + end - 1 - start] = last_ids[data[end - 1]]
    return merge_by_scan(rules.pairs, ranks, out, place, end - start)


@numba.njit(cache=True, nogil=True)
def _merge_by_pieces(data, start, end, rules, ranks, out, place):
    """As `_merge_short`, for any length."""
    first = start
    for i in range(start + 1, end + 1):
        if i == end or not rules.neighbours[np.int64(data[i - 1]) << 8 | data[i]]:
            last_ids = rules.last_ids if i == end else rules.byte_ids
            if i - first <= SCAN_LIMIT:
                place = _merge_short(data, first, i, last_ids, rules, ranks, out, place)
            else:
                for j in range(first, i - 1):
                    out[place + j - first] = rules.byte_ids[data[j]]
                out[place + i - 1 - first] = last_ids[data[i - 1]]
                place = merge_by_heap(rules.pairs, out, place, i - first)
            first = i
    return place


@leaf
def _remember(cache, slot, low, high, data, start, length, ids, first, last):
    """Writes a pre-token into the empty `slot` with `ids[first:last]`. Empties the cache first
    when it is full, and then leaves it empty: the slot would be another."""
    slots, keys, arena, used = cache
    count = last - first
    full = 8 * used[0] >= slots.size or used[1] + length > keys.size
    if full or used[2] + count > arena.size:
        slots[:] = 0
        used[:] = 0
        return
    used[0] += 1
    slots[slot] = low
    slots[slot + np.uint64(1)] = high
    if length > SHORT:
        slots[slot + np.uint64(3)] = used[1]
        for i in range(length):
            keys[used[1] + i] = data[start + i]
        used[1] += length
    if length > SHORT or count > _INLINE_IDS:
        value = used[2]
        for i in range(count):
            arena[used[2] + i] = ids[first + i]
        used[2] += count
    else:
        value = np.int64(ids[first])
        second = np.uint64(ids[first + 1]) if count > 1 else np.uint64(0)
        third = np.uint64(ids[first + 2]) if count > 2 else np.uint64(0)
        slots[slot + np.uint64(3)] = third << np.uint64(32) | second
    slots[slot + np.uint64(2)] = np.uint64(value) << np.uint64(32) | np.uint64(count)


@numba.njit(cache=True, nogil=True)
def warm(cache, data, offsets, ids, id_offsets):
    """Enters pre-tokens `data[offsets[w] : offsets[w + 1]]`, each once, with the ids that are
    known to be theirs; those that are too long or find no room are left out."""
    for w in range(offsets.size - 1):
        start, length = offsets[w], offsets[w + 1] - offsets[w]
        if 0 < length <= _CACHE_LIMIT and 8 * (cache.used[0] + 1) < cache.slots.size:
            low, high = key(data, start, length)
            slot = find(cache.slots, cache.keys, data, start, length, low, high)
            first, last = id_offsets[w], id_offsets[w + 1]
            _remember(cache, slot, low, high, data, start, length, ids, first, last)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _recall(slots, slot, length, ids, out, place):
    """Copies the ids of the pre-token of `length` bytes at `slot` to `out`; returns the place
    after. Writes up to three ids whatever their number, since a branch would cost more."""
    value = slots[slot + np.uint64(2)]
    count = value & np.uint64(0xFFFFFFFF)
    if count <= _INLINE_IDS and length <= SHORT:
        more = slots[slot + np.uint64(3)]
        out[place] = np.int32(value >> np.uint64(32))
        out[place + np.uint64(1)] = np.int32(more & np.uint64(0xFFFFFFFF))
        out[place + np.uint64(2)] = np.int32(more >> np.uint64(32))
    else:
        first = value >> np.uint64(32)
        for i in range(count):
            out[place + np.uint64(i)] = ids[first + np.uint64(i)]
    return place + count


@leaf
def _write_whole(data, start, end, rules, out, place):
    """Writes the id of a pre-token that is a token and not to be merged to `out`; returns the place after, which is
    `place` for any other."""
    node = np.int64(0)
    for i in range(start, end):
        node = child(rules.whole.edges, node, data[i])
        if node < 0:
            return place
    if rules.whole.values[node] < 0:
        return place
    out[place] = rules.whole.values[node]
    return place + 1


@numba.njit(cache=True, nogil=True, forceinline=True)
def _encode_unseen(data, start, end, rules, has_whole, ranks, out, place):
    """Writes the ids of a pre-token to `out` from `place`; returns the place after."""
    if has_whole:
        last = _write_whole(data, start, end, rules, out, place)
        if last > place:
            return last
    if end - start <= SCAN_LIMIT:
        return _merge_short(data, start, end, rules.last_ids, rules, ranks, out, place)
    return _merge_by_pieces(data, start, end, rules, ranks, out, place)


@numba.njit(cache=True, nogil=True)
def _look_up(data, n, block, rules, cache, ranks, out, place):
    """Writes the ids of the `n` pre-tokens in `block` to `out` from `place`. Returns the place after the last."""
    slots, keys, ids, _ = cache
    has_whole = rules.whole.values.size > 1
    for b in range(n):
        i, j, low, high = np.int64(block[0, b]), np.int64(block[1, b]), block[2, b], block[3, b]
        if j - i > _CACHE_LIMIT:
            place = np.uint64(_encode_unseen(data, i, j, rules, has_whole, ranks, out, np.int64(place)))
        else:
            slot = find(slots, keys, data, i, j - i, low, high)
            if slots[slot + np.uint64(1)] != 0:
                place = _recall(slots, slot, j - i, ids, out, place)
            else:
                first = np.int64(place)
                last = _encode_unseen(data, i, j, rules, has_whole, ranks, out, first)
                _remember(cache, slot, low, high, data, i, j - i, out, first, last)
                place = np.uint64(last)
    return place


@numba.njit(cache=True, nogil=True)
def encode(data, offsets, table, rules, cache, out, ends):
    """Encodes the texts `data[offsets[d] : offsets[d + 1]]`, divided as `table` says (`patterns.Table`), a block of
    pre-tokens at a time: a slot is on its way from memory while the pre-tokens after it are cut.

    `out` (int32) has room for one id a byte and ENCODE_SLACK more; `ends` (int64, one more
    than texts) receives where each text's ids end. Returns the number of ids."""
    block = np.empty((4, BLOCK), np.uint64)
    limits = np.zeros(MOST_PATTERNS, np.int64)
    ranks = np.empty(SCAN_LIMIT, np.uint64)
    place = np.uint64(0)
    ends[0] = 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        while i < offsets[d + 1]:
            n, i = next_pretokens(data, i, offsets[d + 1], table, limits, cache.slots, block)
            place = _look_up(data, n, block, rules, cache, ranks, out, place)
        ends[d + 1] = place
    return place
