"""Byte-pair merges from word counts, in numba.

Greedy (Sennrich et al. 2016, algorithm 1): the pair of neighbouring symbols with the highest
count merges next; of several, the one with the smallest (left id, right id). Merges and ids
equal those of Hugging Face's `BpeTrainer` (0.23.3) as long as its 32-bit pair counts do not
overflow; ours are 64-bit.

Every word is a run in one array of symbols, with -1 between words. A pair has a count and a
linked list of the places where it was seen. Lists are only added to: a place is checked when
its pair is merged. The heap is lazy as well: a pair is pushed when its count grows, and an
entry whose count is no longer true goes back in with the true one. Arrays whose size cannot
be known beforehand grow between two calls of the kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from corpus.encoding.pretoken_table import mixed

MAX_SYMBOLS = (1 << 31) - 2
"""Positions are int32."""
_DEAD = -2


class Words(NamedTuple):
    """Symbols of all words. All int32, but `counts`, int64, one a word."""

    symbols: np.ndarray  # token id; -1 before, between and after words; -2 merged away
    following: np.ndarray  # position of the next living symbol
    preceding: np.ndarray
    word: np.ndarray  # word of each position
    counts: np.ndarray


class Pairs(NamedTuple):
    """All pairs ever seen, numbered in order of first sight, and the heap of them."""

    slots: np.ndarray  # int32[2^k], number of a pair or -1
    keys: np.ndarray  # int64, left << 32 | right
    counts: np.ndarray  # int64
    heads: np.ndarray  # int32, first place in `Places`, or -1
    tails: np.ndarray  # int32
    lengths: np.ndarray  # int64, number of places
    pushed: np.ndarray  # int32, the last merge that pushed it
    heap_counts: np.ndarray  # int64
    heap_pairs: np.ndarray  # int32


class Places(NamedTuple):
    """Linked lists of positions, int32 each."""

    positions: np.ndarray
    following: np.ndarray


class Tokens(NamedTuple):
    """The strings of all tokens, so that a merge that spells a token which exists already
    gets the id of that token, as in Hugging Face's trainer. Word-internal tokens of WordPiece
    are told from others by a flag."""

    starts: np.ndarray  # int64[ids + 1]
    characters: np.ndarray  # uint8
    internal: np.ndarray  # bool
    slots: np.ndarray  # int32[2^k], id or -1


class Merges(NamedTuple):
    """What was learned, in order."""

    rows: np.ndarray  # int32[n, 3]: left id, right id, merged id
    applied: np.ndarray  # int64[n]: how often it was applied, weighted by counts


_PAIRS, _HEAP, _PLACES, _CHARACTERS, _TOKENS, _MERGES, _STATE = range(7)


def learn_merges(
    symbols: np.ndarray,
    word_offsets: np.ndarray,
    counts: np.ndarray,
    alphabet: list[tuple[bytes, bool]],
    first_id: int,
    vocab_size: int,
    min_frequency: int = 0,
) -> Merges:
    """Merges until there are `vocab_size` ids, or no pair has a count of at least
    max(1, `min_frequency`).

    Word `w` is `symbols[word_offsets[w] : word_offsets[w + 1]]` (ids, `counts[w]` times in
    the corpus). Ids from `first_id` on are the `alphabet`, (bytes, whether word-internal);
    lower ones are special tokens and occur in no word. Raises ValueError at 2^31 symbols.
    Memory: about 56 bytes a symbol, more where many different pairs occur.
    """
    if len(symbols) + len(counts) >= MAX_SYMBOLS:
        raise ValueError(
            f"{len(symbols)} symbols in distinct words are too many to train on (at most "
            f"{MAX_SYMBOLS}): train on a smaller sample, or leave out rare words"
        )
    words = _lay_out(symbols.astype(np.int32), word_offsets, counts.astype(np.int64))
    room = max(vocab_size - first_id - len(alphabet), 0)
    merges = Merges(np.empty((room, 3), np.int32), np.empty(room, np.int64))
    used = np.zeros(_STATE, np.int64)
    pairs, places = _empty_pairs(1 << 16), Places(*np.empty((2, 2 * len(symbols) + 64), np.int32))
    pairs = _grown_pairs(pairs, used, _count_pair_kinds(words))
    tokens = _first_tokens(alphabet, first_id, max(vocab_size, first_id + len(alphabet)), used)
    _see_all_pairs(words, pairs, places, used)
    need = np.zeros(_STATE, np.int64)
    while not _merge(words, pairs, places, tokens, merges, used, need, vocab_size, max(1, min_frequency)):
        pairs = _grown_pairs(pairs, used, need[_PAIRS])
        places = Places(*(_grown(array, need[_PLACES]) for array in places))
        tokens = tokens._replace(characters=_grown(tokens.characters, need[_CHARACTERS]))
        merges = _grown_merges(merges, need[_MERGES])
    return Merges(*(array[: used[_MERGES]].copy() for array in merges))


def _grown(array: np.ndarray, need: int) -> np.ndarray:
    if need <= len(array):
        return array
    larger = np.empty(max(int(need), 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger


def _grown_merges(merges: Merges, need: int) -> Merges:
    if need <= len(merges.rows):
        return merges
    return Merges(np.resize(merges.rows, (2 * need, 3)), np.resize(merges.applied, 2 * need))


def _empty_pairs(size: int) -> Pairs:
    types = (np.int64, np.int64, np.int32, np.int32, np.int64, np.int32, np.int64, np.int32)
    return Pairs(np.full(2 * size, -1, np.int32), *(np.empty(size, t) for t in types))


def _grown_pairs(pairs: Pairs, used: np.ndarray, need: int) -> Pairs:
    """Room for `need` pairs; the heap holds at most two entries a pair (see `_merge`)."""
    if need <= len(pairs.keys):
        return pairs
    arrays = [_grown(array, need) for array in pairs[1:7]]
    heap = [_grown(array, 2 * need) for array in pairs[7:]]
    slots = np.full(1 << int(2 * len(arrays[0]) - 1).bit_length(), -1, np.int32)
    _fill_slots(slots, arrays[0], used[_PAIRS])
    return Pairs(slots, *arrays, *heap)


def _first_tokens(alphabet: list[tuple[bytes, bool]], first_id: int, vocab_size: int, used: np.ndarray) -> Tokens:
    starts = np.zeros(vocab_size + 1, np.int64)
    lengths = [len(characters) for characters, _ in alphabet]
    last = first_id + len(alphabet)
    starts[first_id + 1 : last + 1] = np.cumsum(lengths)
    internal = np.zeros(vocab_size, np.bool_)
    internal[first_id:last] = [flag for _, flag in alphabet]
    characters = np.frombuffer(b"".join(c for c, _ in alphabet), np.uint8).copy()
    slots = np.full(1 << (2 * vocab_size).bit_length(), -1, np.int32)
    tokens = Tokens(starts, characters, internal, slots)
    for i in range(first_id, last):
        _find_token(tokens, i)
    used[_TOKENS] = last
    return tokens


@numba.njit(cache=True, nogil=True)
def _lay_out(symbols, word_offsets, counts):
    n = symbols.size + counts.size + 1
    words = Words(
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        counts,
    )
    words.symbols[0] = -1
    words.word[0] = -1
    at = 1
    for w in range(counts.size):
        for i in range(word_offsets[w], word_offsets[w + 1]):
            words.symbols[at] = symbols[i]
            words.word[at] = w
            at += 1
        words.symbols[at] = -1
        words.word[at] = -1
        at += 1
    for i in range(n):
        words.following[i] = i + 1
        words.preceding[i] = i - 1
    return words


@numba.njit(cache=True, nogil=True)
def _count_pair_kinds(words):
    """An upper bound of the number of different pairs."""
    highest = 0
    n = 0
    for i in range(words.symbols.size - 1):
        highest = max(highest, words.symbols[i])
        n += words.symbols[i] >= 0 and words.symbols[i + 1] >= 0
    return min(n, (highest + 1) ** 2) + 1


@numba.njit(cache=True, nogil=True, forceinline=True)
def _first_slot(low, high, mask):
    return np.int64(mixed(np.uint64(low), np.uint64(high)) & np.uint64(mask))


@numba.njit(cache=True, nogil=True)
def _fill_slots(slots, keys, n):
    for pair in range(n):
        slot = _first_slot(keys[pair], 0, slots.size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (slots.size - 1)
        slots[slot] = pair


@numba.njit(cache=True, nogil=True, forceinline=True)
def _pair(pairs, left, right, used):
    """Number of a pair; a new one where it was never seen."""
    pair_key = np.int64(left) << 32 | np.int64(right)
    slot = _first_slot(pair_key, 0, pairs.slots.size - 1)
    while pairs.slots[slot] >= 0:
        if pairs.keys[pairs.slots[slot]] == pair_key:
            return np.int64(pairs.slots[slot])
        slot = (slot + 1) & (pairs.slots.size - 1)
    pair = used[_PAIRS]
    used[_PAIRS] += 1
    pairs.slots[slot] = pair
    pairs.keys[pair] = pair_key
    pairs.counts[pair] = 0
    pairs.heads[pair] = -1
    pairs.lengths[pair] = 0
    pairs.pushed[pair] = -1
    return pair


@numba.njit(cache=True, nogil=True, forceinline=True)
def _add_place(pairs, places, pair, position, count, used):
    place = used[_PLACES]
    used[_PLACES] += 1
    places.positions[place] = position
    places.following[place] = -1
    if pairs.heads[pair] < 0:
        pairs.heads[pair] = place
    else:
        places.following[pairs.tails[pair]] = place
    pairs.tails[pair] = place
    pairs.lengths[pair] += 1
    pairs.counts[pair] += count


@numba.njit(cache=True, nogil=True, forceinline=True)
def _before(pairs, count, pair, other_count, other):
    """Whether (count, pair) merges before (other_count, other)."""
    return count > other_count or (count == other_count and pairs.keys[pair] < pairs.keys[other])


@numba.njit(cache=True, nogil=True)
def _push(pairs, pair, used):
    counts, heap = pairs.heap_counts, pairs.heap_pairs
    count = pairs.counts[pair]
    i = used[_HEAP]
    used[_HEAP] += 1
    while i > 0:
        parent = (i - 1) >> 1
        if not _before(pairs, count, pair, counts[parent], heap[parent]):
            break
        counts[i], heap[i] = counts[parent], heap[parent]
        i = parent
    counts[i], heap[i] = count, pair


@numba.njit(cache=True, nogil=True)
def _pop(pairs, used):
    """The first entry of the heap: (count when it was pushed, pair)."""
    counts, heap = pairs.heap_counts, pairs.heap_pairs
    top_count, top = counts[0], heap[0]
    used[_HEAP] -= 1
    size = used[_HEAP]
    count, pair = counts[size], heap[size]
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and _before(pairs, counts[child + 1], heap[child + 1], counts[child], heap[child]):
            child += 1
        if not _before(pairs, counts[child], heap[child], count, pair):
            break
        counts[i], heap[i] = counts[child], heap[child]
        i = child
    counts[i], heap[i] = count, pair
    return top_count, np.int64(top)


@numba.njit(cache=True, nogil=True)
def _see_all_pairs(words, pairs, places, used):
    for i in range(words.symbols.size - 1):
        if words.symbols[i] >= 0 and words.symbols[i + 1] >= 0:
            pair = _pair(pairs, words.symbols[i], words.symbols[i + 1], used)
            _add_place(pairs, places, pair, i, words.counts[words.word[i]], used)
    for pair in range(used[_PAIRS]):
        _push(pairs, pair, used)


@numba.njit(cache=True, nogil=True)
def _find_token(tokens, token):
    """The id that has the same characters as `token`, which is entered where there is none."""
    start = tokens.starts[token]
    length = tokens.starts[token + 1] - start
    value = np.uint64(tokens.internal[token])
    for i in range(start, start + length):
        value = (value ^ np.uint64(tokens.characters[i])) * np.uint64(0x100000001B3)  # FNV-1a
    slot = _first_slot(value, length, tokens.slots.size - 1)
    while tokens.slots[slot] >= 0:
        other = tokens.slots[slot]
        begin = tokens.starts[other]
        same = tokens.starts[other + 1] - begin == length
        same = same and tokens.internal[other] == tokens.internal[token]
        i = 0
        while same and i < length:
            same = tokens.characters[begin + i] == tokens.characters[start + i]
            i += 1
        if same:
            return np.int64(other)
        slot = (slot + 1) & (tokens.slots.size - 1)
    tokens.slots[slot] = token
    return np.int64(token)


@numba.njit(cache=True, nogil=True)
def _merged_token(tokens, left, right, used):
    """Id of the concatenation of two tokens, new unless a token spells the same."""
    token = used[_TOKENS]
    end = tokens.starts[token]
    for part in (left, right):
        for i in range(tokens.starts[part], tokens.starts[part + 1]):
            tokens.characters[end] = tokens.characters[i]
            end += 1
    tokens.starts[token + 1] = end
    tokens.internal[token] = tokens.internal[left]
    found = _find_token(tokens, token)
    if found == token:
        used[_TOKENS] += 1
    return found


@numba.njit(cache=True, nogil=True)
def _in_order(pairs, places, pair):
    """The positions of a pair, ascending, so that "aaa" merges from the left. Lists are in
    order already unless an id was used twice."""
    positions = np.empty(pairs.lengths[pair], np.int32)
    place = pairs.heads[pair]
    ordered = True
    for n in range(positions.size):
        positions[n] = places.positions[place]
        ordered = ordered and (n == 0 or positions[n - 1] < positions[n])
        place = places.following[place]
    if not ordered:
        positions.sort()
    return positions


@numba.njit(cache=True, nogil=True, forceinline=True)
def _apply(words, pairs, places, left, right, token, positions, used):
    """Merges `left` `right` into `token` wherever they still stand at `positions`. Returns how
    often that is, weighted. Pairs whose count grew are marked in `pairs.pushed`."""
    symbols = words.symbols
    applied = 0
    for n in range(positions.size):
        i = np.int64(positions[n])
        if symbols[i] != left:
            continue
        j = words.following[i]
        if symbols[j] != right:
            continue
        before, after = words.preceding[i], words.following[j]
        count = words.counts[words.word[i]]
        applied += count
        if symbols[before] >= 0:
            pairs.counts[_pair(pairs, symbols[before], left, used)] -= count
            pair = _pair(pairs, symbols[before], token, used)
            _add_place(pairs, places, pair, before, count, used)
        if symbols[after] >= 0:
            pairs.counts[_pair(pairs, right, symbols[after], used)] -= count
            pair = _pair(pairs, token, symbols[after], used)
            _add_place(pairs, places, pair, i, count, used)
        symbols[i] = token
        symbols[j] = _DEAD
        words.following[i] = after
        words.preceding[after] = i
    return applied


@numba.njit(cache=True, nogil=True)
def _push_grown(pairs, places, first_place, words, merge, used):
    """Pushes every pair that was given a place from `first_place` on, once."""
    for place in range(first_place, used[_PLACES]):
        i = places.positions[place]
        if words.symbols[i] < 0 or words.symbols[words.following[i]] < 0:
            continue
        pair = _pair(pairs, words.symbols[i], words.symbols[words.following[i]], used)
        if pairs.pushed[pair] != merge and pairs.counts[pair] > 0:
            pairs.pushed[pair] = merge
            _push(pairs, pair, used)


@numba.njit(cache=True, nogil=True)
def _merge(words, pairs, places, tokens, merges, used, need, vocab_size, min_frequency):
    """Merges until done (True) or until some array might be too small for the next merge
    (False; `need` says what sizes are enough)."""
    while used[_TOKENS] < vocab_size and used[_HEAP] > 0:
        pair = np.int64(pairs.heap_pairs[0])
        left, right = pairs.keys[pair] >> 32, pairs.keys[pair] & 0xFFFFFFFF
        if pairs.counts[pair] == pairs.heap_counts[0]:
            if pairs.counts[pair] < min_frequency:
                return True
            need[_PAIRS] = max(used[_PAIRS], used[_HEAP]) + 4 * pairs.lengths[pair]
            need[_PLACES] = used[_PLACES] + 2 * pairs.lengths[pair]
            length = tokens.starts[left + 1] - tokens.starts[left]
            length += tokens.starts[right + 1] - tokens.starts[right]
            need[_CHARACTERS] = tokens.starts[used[_TOKENS]] + length
            need[_MERGES] = used[_MERGES] + 1
            if (
                need[_PAIRS] > pairs.keys.size
                or need[_PLACES] > places.positions.size
                or need[_CHARACTERS] > tokens.characters.size
                or need[_MERGES] > merges.applied.size
            ):
                return False
        count, pair = _pop(pairs, used)
        if count != pairs.counts[pair]:
            if pairs.counts[pair] > 0:
                _push(pairs, pair, used)
            continue
        token = _merged_token(tokens, left, right, used)
        positions = _in_order(pairs, places, pair)
        pairs.heads[pair] = -1
        pairs.lengths[pair] = 0
        first_place = used[_PLACES]
        applied = _apply(words, pairs, places, left, right, token, positions, used)
        pairs.counts[pair] = 0
        _push_grown(pairs, places, first_place, words, used[_MERGES], used)
        merges.rows[used[_MERGES]] = (left, right, token)
        merges.applied[used[_MERGES]] = applied
        used[_MERGES] += 1
    return True
