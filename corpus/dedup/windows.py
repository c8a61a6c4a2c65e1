"""Repeated windows without a suffix array: by what every window has of its own, the least hash of its parts.

Equal windows hold the same parts of `part` units, so that they have the same *key*, the least hash of these
(minimizers: Roberts et al. 2004; winnowing: Schleimer et al. 2003). Windows that follow each other mostly share a key:
a *chain* is all consecutive windows of a document that have one key, and in random text there are 2 / (w + 1) chains
for each unit, w = min_length - part + 1. So equal windows are looked for only where a key stands in two chains, or in
one that holds its part twice. There, windows of chains that hold their part once are equal only where they hold it at
the same place, and as far as the units about it are the same. Where chains are many, or hold it more often, every
window is hashed, and compared, unit by unit, with the first that has its hash. What a hash says is never believed, so
that the runs are right whatever the hashes are.

All of this takes time in proportion to the text, also where it is periodic: text of equal letters is one chain with
one distinct window. A window is compared with the last that was found equal to its first occurrence, and in full,
min_length units, only where the one before it was not equal to the one before that: the last, since that is one period
before it in text of any period, however often the first has come.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from corpus.dedup.runs import Columns
from corpus.text.distinct import distinct
from corpus.text.growing import doubled
from corpus.text.intrinsics import multiply_high
from corpus.text.leaf import leaf

MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)  # odd; R. Mudge's mixing constant, as good as any
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
SPREAD = np.uint64(0xBF58476D1CE4E5B9)  # odd; David Stafford's, as in splitmix64
"""Least hashes are small numbers: keys are these times this, of which as many begin with any bits."""
PRIME = np.uint64((1 << 61) - 1)
"""Windows are hashed by polynomials modulo this: modulo 2^64 too many of some texts are equal (Thue and Morse's)."""
BLOCK = 4096
"""Windows whose keys are found together, or as many as a window has parts: few enough for the nearest cache."""
STRIDE = 4096
"""Windows that are numbered together; room for distinct ones is made before."""
LEADERS = 8
"""Chains of a key with which others are compared; where more of them have windows of their own, windows are hashed: of
text with copies two thirds of the windows have keys of so few chains, and to compare with more takes longer."""
STEP = 16
"""Units that are compared together: of bytes, as many as a register of any processor has."""


class Chains(NamedTuple):
    """Consecutive windows with one key: in which document (index, int64), the first of them and how many (int64), their
    key (uint64, spread over all values), and whether the part of that key stands in them more than once (bool)."""

    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    key: np.ndarray
    several: np.ndarray


@numba.njit(cache=True, nogil=True)
def part_of(min_length):
    """Units of a part: long ones are rarely repeated by chance, short ones make fewer chains. A third of a window, and
    32 at most."""
    return max(1, min(32, min_length // 3))


def chains_of(units: np.ndarray, offsets: np.ndarray, min_length: int) -> Chains:
    """The chains of all windows, documents in order. units: uint8, uint32 or uint64[n]; offsets: int64[d + 1],
    document i is `units[offsets[i]:offsets[i + 1]]`."""
    return Chains(*_chains(units, offsets, min_length, part_of(min_length)))


def wanted(chains: Chains) -> np.ndarray:
    """bool: chains in which a window may stand that is equal to another of these chains."""
    keys = np.sort(chains.key)
    return chains.several | KeySet(keys[1:][keys[1:] == keys[:-1]]).has(chains.key)


class KeySet:
    """A set of keys (uint64), of which most that are asked for are not in it: in order, found by their highest bits,
    and a bit for each of at least 16 times as many values of these."""

    def __init__(self, keys: np.ndarray):
        self._keys = distinct(keys)
        bits = max(10, (16 * len(keys)).bit_length())
        self._bit, self._bucket = np.uint64(64 - bits), np.uint64(64 - bits + 5)
        self._filter = np.zeros(1 << (bits - 3), np.uint8)
        _set_bits(self._keys, self._bit, self._filter)
        highest = np.arange(1 << (bits - 5), dtype=np.uint64) << self._bucket
        self._begins = np.append(np.searchsorted(self._keys, highest), len(self._keys)).astype(np.uint32)

    def __len__(self) -> int:
        return len(self._keys)

    def has(self, keys: np.ndarray) -> np.ndarray:
        """bool: which of the keys are in it."""
        found: np.ndarray = _has(keys, self._keys, self._bit, self._filter, self._bucket, self._begins)
        return found


def placed(
    length: np.ndarray, offsets: np.ndarray, min_length: int, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(document, start, length) of the chosen chains (bool), int64, from the lengths of all, in order, and the offsets
    of the documents: each window is in one of them."""
    windows = np.maximum(np.diff(offsets) - min_length + 1, 0)
    before = np.concatenate([[0], np.cumsum(windows)])
    ends = np.cumsum(length, dtype=np.int64)[chosen]
    length = length[chosen].astype(np.int64)
    document = np.searchsorted(before, ends - length, side="right") - 1
    return document, ends - length - before[document], length


def find_runs(
    units: np.ndarray, offsets: np.ndarray, addresses: np.ndarray, min_length: int, min_count: int = 2
) -> Columns:
    """The pieces of runs (`corpus.dedup.runs`, to be made maximal) of documents in memory, whose addresses ascend."""
    chains = chains_of(units, offsets, min_length)
    chosen = wanted(chains)
    document, start, length, key = (column[chosen] for column in chains[:4])
    return classify(units, offsets[document] + start, length, addresses[document], start, key, min_length, min_count)


def classify(
    units: np.ndarray,
    begin: np.ndarray,
    length: np.ndarray,
    address: np.ndarray,
    start: np.ndarray,
    key: np.ndarray,
    min_length: int,
    min_count: int = 2,
) -> Columns:
    """The pieces of runs of chains, all that have some of the keys: chain i is windows `start[i]` to
    `start[i] + length[i] - 1` of document `address[i]`, the first of which is at `units[begin[i]]`."""
    order = np.lexsort((start, address, key))
    begin, length, address, start = (
        np.ascontiguousarray(column[order], np.int64) for column in (begin, length, address, start)
    )
    found: Columns = _classify(units, begin, length, address, start, key[order], min_length, max(min_count, 2))
    return found


def taken(units: np.ndarray, begin: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(`length[i]` units from `begin[i]` on for each i, one after the other; where each begins, and the end)."""
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    found = np.empty(offsets[-1], units.dtype)
    _take(units, begin, offsets, found)
    return found, offsets


@numba.njit(cache=True, nogil=True)
def _take(units, begin, offsets, found):
    for i in range(len(begin)):
        shift = begin[i] - offsets[i]
        for place in range(offsets[i], offsets[i + 1]):
            found[place] = units[place + shift]


@numba.njit(cache=True, nogil=True)
def _set_bits(keys, shift, bits):
    for key in keys:
        place = key >> shift
        bits[place >> np.uint64(3)] |= np.uint8(1) << np.uint8(place & np.uint64(7))


@numba.njit(cache=True, nogil=True)
def _has(keys, some, shift, bits, shift_of_bucket, begins):
    found = np.zeros(len(keys), np.bool_)
    for i in range(len(keys)):
        key = keys[i]
        place = key >> shift
        if bits[place >> np.uint64(3)] >> np.uint8(place & np.uint64(7)) & np.uint8(1):
            bucket = key >> shift_of_bucket
            for at in range(begins[bucket], begins[bucket + np.uint64(1)]):
                found[i] |= some[at] == key
    return found


@leaf
def _mixed(value):
    value = (value ^ value >> np.uint64(32)) * MIX
    return value ^ value >> np.uint64(29)


@numba.njit(cache=True, nogil=True)
def _power(size):
    """MULTIPLIER to that power."""
    result = np.uint64(1)
    for _ in range(size):
        result *= MULTIPLIER
    return result


@numba.njit(cache=True, nogil=True)
def _chains(units, offsets, min_length, part):
    width = min_length - part + 1  # parts of a window
    together = max(BLOCK, width)
    expected = 3 * (offsets[-1] - offsets[0]) // (width + 1) + len(offsets) + BLOCK
    document, start = np.empty(expected, np.int64), np.empty(expected, np.int64)
    key, several = np.empty(expected, np.uint64), np.empty(expected, np.bool_)
    length = np.empty(expected, np.int64)
    hashes, room = np.empty(together + width, np.uint64), np.empty((2, together + width), np.uint64)
    leaving = _power(part - 1)
    count = 0
    for i in range(len(offsets) - 1):
        first, last = offsets[i], offsets[i + 1]
        windows = last - first - min_length + 1
        if windows < 1:
            continue
        opened = count  # the first chain of this document
        state, held = _begin(units, first, part - 1), 0
        for block in range(0, windows, together):
            size = min(together, windows - block)
            state = _hash(units, first + block + held, part, size + width - 1 - held, leaving, state, hashes[held:])
            keys = _least(hashes, size, width, room)
            while count + size > len(key):
                document, start, length = doubled(document), doubled(start), doubled(length)
                key, several = doubled(key), doubled(several)
            count = _append(hashes, keys, size, width, block, opened, start, key, several, count)
            held = width - 1
            hashes[:held] = hashes[size : size + held].copy()
        for chain in range(opened, count):
            document[chain] = i
            length[chain] = (start[chain + 1] if chain + 1 < count else windows) - start[chain]
    return document[:count], start[:count], length[:count], key[:count], several[:count]


@leaf
def _begin(units, at, size):
    """The hash of some units, which go before the first part that is hashed."""
    state = np.uint64(0)
    for place in range(at, at + size):
        state = state * MULTIPLIER + np.uint64(units[place]) + np.uint64(1)
    return state


@numba.njit(cache=True, nogil=True)
def _hash(units, at, part, count, leaving, state, hashes):
    """The hashes of `count` parts from `at` on; returns the state of the next."""
    for i in range(count):
        state = state * MULTIPLIER + np.uint64(units[at + i + part - 1]) + np.uint64(1)
        hashes[i] = _mixed(state)
        state -= (np.uint64(units[at + i]) + np.uint64(1)) * leaving
    return state


@numba.njit(cache=True, nogil=True)
def _least(hashes, size, width, room):
    """The least of `width` hashes from each of the first `size` on: of 1, of 2, of 4, ..., and of two runs of a power
    of two that overlap. It is in one of the two rows of `room`."""
    keys, other = hashes, room[0]
    span = 1
    while 2 * span <= width:
        _lesser(keys, span, size + width - 2 * span, other)
        keys, other = other, room[1] if span == 1 else keys
        span *= 2
    _lesser(keys, width - span, size, other)
    return other


@leaf
def _lesser(keys, span, count, found):
    """Of each of the first `count` keys and the one `span` behind it the lesser. Of slices, so that it vectorises."""
    left, right, found = keys[:count], keys[span : span + count], found[:count]
    for i in range(count):
        found[i] = min(left[i], right[i])


@leaf
def _append(hashes, keys, size, width, block, opened, start, key, several, count):
    """Begins a chain wherever a key differs from the one before. One that goes on from the last block is said to have
    its part several times: it may."""
    at = 0
    while at < size:
        least, begun = keys[at], at
        while at < size and keys[at] == least:
            at += 1
        if begun == 0 and count > opened and key[count - 1] == least * SPREAD:
            several[count - 1] = True
            continue
        times = 0
        for hash in hashes[begun : at + width - 1]:
            times += hash == least
        start[count], key[count], several[count] = block + begun, least * SPREAD, times > 1
        count += 1
    return count


@leaf
def _reduced(value):
    """A number modulo PRIME."""
    value = (value & PRIME) + (value >> np.uint64(61))
    return value - PRIME if value >= PRIME else value


@leaf
def _times(one, other):
    """The product of two numbers below PRIME, modulo PRIME."""
    low = one * other
    return _reduced((low & PRIME) + (multiply_high(one, other) << np.uint64(3) | low >> np.uint64(61)))


@leaf
def _unit(unit):
    """A unit as a number below PRIME, not 0 where it is small."""
    return _reduced((np.uint64(unit) & PRIME) + (np.uint64(unit) >> np.uint64(61)) + np.uint64(1))


@leaf
def _with(state, unit):
    """The hash of some units and one more."""
    return _reduced(_times(state, MULTIPLIER & PRIME) + _unit(unit))


@leaf
def _same(units, one, other, size):
    """Whether `size` units from each are the same; without branches, so that it vectorises."""
    difference = units[one] ^ units[other]
    for i in range(1, size):
        difference |= units[one + i] ^ units[other + i]
    return difference == 0


@numba.njit(cache=True, nogil=True)
def _classify(units, begin, length, address, start, key, min_length, min_count):
    """Chains are sorted by key, address and start, so that of equal windows the first comes first."""
    runs = np.empty((len(key) + STRIDE, 6), np.int64)
    found = 0
    of_window = np.empty(STRIDE, np.int32)  # the distinct window that each is
    hashes = np.empty(STRIDE, np.uint64)
    distinct = np.empty((STRIDE, 4), np.int64)
    table = np.empty(4 * STRIDE, np.int32)
    part = part_of(min_length)
    leaving_part = _power(part - 1)
    leaving = np.uint64(1)
    for _ in range(min_length - 1):
        leaving = _times(leaving, MULTIPLIER & PRIME)
    i = 0
    while i < len(key):
        j, windows = i, 0
        while j < len(key) and key[j] == key[i]:
            windows += length[j]
            j += 1
        if len(of_window) < windows:
            of_window = np.empty(windows, np.int32)
        size = 64
        while size < 2 * min(windows, STRIDE):
            size *= 2
        table[:size] = -1
        aligned = windows <= len(distinct) and _number_aligned(
            units, begin, length, i, j, key[i], min_length, part, leaving_part, distinct, of_window
        )
        count = at = 0
        for chain in range(j if aligned else i, j):
            if chain > i:  # mostly the same text as the chain before, or the first
                twin, origin = chain - 1, at - length[chain - 1]
                if not _are_twins(units, begin, length, twin, chain, min_length):
                    twin, origin = i, 0
                if _are_twins(units, begin, length, twin, chain, min_length):
                    _number_as(begin[chain], length[chain], distinct, of_window, origin, at)
                    at += length[chain]
                    continue
            state, distance = np.uint64(0), 0
            for place in range(begin[chain], begin[chain] + min_length - 1):
                state = _with(state, units[place])
            for k in range(0, length[chain], STRIDE):
                some = min(STRIDE, length[chain] - k)
                if count + some > len(hashes):
                    hashes, distinct = doubled(hashes), doubled(distinct)
                if 2 * (count + some) > size:
                    size *= 2
                    table = _rehashed(hashes, count, size, table)
                state, distance, count = _number(
                    units, begin[chain] + k, some, min_length, leaving, state, distance,
                    chain, size - 1, table, hashes, distinct, count, of_window, at,
                )  # fmt: skip
                at += some
        at = 0
        for chain in range(i, j):
            for k in range(0, length[chain], STRIDE):
                some = min(STRIDE, length[chain] - k)
                if found + some > len(runs):
                    runs = doubled(runs)
                found = _append_runs(
                    begin, address, start, chain, k, some, distinct, of_window, at, min_count, runs, found
                )
                at += some
        i = j
    for i in range(found):
        if runs[i, 5] == 0:
            runs[i, 5] = runs[i, 2]
    return (
        runs[:found, 0].copy(), runs[:found, 1].copy(), runs[:found, 2].copy(),
        runs[:found, 3].copy(), runs[:found, 4].copy(), runs[:found, 5].copy(),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _number_aligned(units, begin, length, i, j, key, min_length, part, leaving, distinct, of_window):
    """Numbers the windows of chains `i` to `j` as `_number` does, without hashes, where the part of their key stands
    once in each: equal windows have it at the same place then, so that what two chains have in common is one range of
    windows, those that end before the units about their parts differ. Whether it could: not where more than LEADERS of
    them have windows that none before has."""
    leaders = np.empty((LEADERS, 3), np.int64)  # chain, where its part is in `units`, number of its first window
    led = count = at = 0
    for chain in range(i, j):
        if led:  # mostly the same text as another
            twin = led - 1
            if not _are_twins(units, begin, length, leaders[twin, 0], chain, min_length):
                twin = 0
            if _are_twins(units, begin, length, leaders[twin, 0], chain, min_length):
                _number_as(begin[chain], length[chain], distinct, of_window, leaders[twin, 2], at)
                at += length[chain]
                continue
        part_at = _only_part(units, begin[chain], length[chain], min_length, part, leaving, key)
        if part_at < 0:
            return False
        of_window[at : at + length[chain]] = -1
        left = length[chain]
        for leader in range(led - 1, -1, -1):
            other, other_at, numbers = leaders[leader]
            low, high = _in_common(
                units, part_at, part_at - begin[chain], length[chain],
                other_at, other_at - begin[other], length[other], min_length,
            )  # fmt: skip
            shift = numbers + other_at - begin[other] - part_at + begin[chain]
            for k in range(low, high):
                if of_window[at + k] < 0:
                    entry = of_window[shift + k]
                    of_window[at + k] = entry
                    distinct[entry, 2] += 1
                    left -= 1
            if left == 0:
                break
        if left:
            if led == LEADERS:
                return False
            leaders[led, 0], leaders[led, 1], leaders[led, 2] = chain, part_at, at
            led += 1
            for k in range(length[chain]):
                if of_window[at + k] < 0:
                    distinct[count, 0], distinct[count, 1], distinct[count, 2] = chain, begin[chain] + k, 1
                    of_window[at + k] = count
                    count += 1
        at += length[chain]
    return True


@leaf
def _only_part(units, begin, length, min_length, part, leaving, key):
    """Where the part stands whose hash is the key, in a chain of windows the first of which is at `begin`; -1 where it
    stands there more than once."""
    state, found = _begin(units, begin, part - 1), np.int64(-1)
    for place in range(begin, begin + length + min_length - part):
        state = state * MULTIPLIER + np.uint64(units[place + part - 1]) + np.uint64(1)
        if _mixed(state) * SPREAD == key:
            if found >= 0:
                return np.int64(-1)
            found = np.int64(place)
        state -= (np.uint64(units[place]) + np.uint64(1)) * leaving
    return found


@leaf
def _in_common(units, one, before, length, other, other_before, other_length, size):
    """(first, after the last) window of a chain of `length` windows that is equal to the window of another with the
    part at the same place. one, other: where their parts are in `units`; before: how far behind the first window."""
    most = min(before, other_before)
    same_before = np.int64(0)
    while same_before + STEP <= most and _same(units, one - same_before - STEP, other - same_before - STEP, STEP):
        same_before += STEP
    while same_before < most and units[one - same_before - 1] == units[other - same_before - 1]:
        same_before += 1
    least = max(before - length, other_before - other_length) + 1  # the part is at least as far in, in both
    most_after = size - least
    same_after = np.int64(0)
    while same_after + STEP <= most_after and _same(units, one + same_after, other + same_after, STEP):
        same_after += STEP
    while same_after < most_after and units[one + same_after] == units[other + same_after]:
        same_after += 1
    return before - same_before, before - max(size - same_after, least) + 1


@numba.njit(cache=True, nogil=True)
def _rehashed(hashes, count, size, table):
    if len(table) < size:
        table = np.empty(size, np.int32)
    table[:size] = -1
    for entry in range(count):
        slot = np.int64(hashes[entry] & np.uint64(size - 1))
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = entry
    return table


@leaf
def _number(
    units, begin, windows, min_length, leaving, state, distance, chain, mask, table, hashes, distinct, count, of_window,
    at,
):  # fmt: skip
    """Numbers the distinct windows of a chain in order, and says which one each is. table: places by hash; of each
    distinct window its hash, and its chain, where in `units` it is first, how often it is there, and where last.
    distance: how far before the window before stood the one that it was found equal to, or 0. Returns the state of the
    hash, the last distance, and how many are distinct now."""
    for place in range(begin, begin + windows):
        end = place + min_length - 1
        state = _with(state, units[end])
        value = _mixed(state)
        state = _reduced(state + PRIME - _times(_unit(units[place]), leaving))
        slot = np.int64(value) & mask
        entry = table[slot]
        while entry >= 0:
            if hashes[entry] == value:
                other = distinct[entry, 3]
                if place - other == distance:  # all but one unit have been compared
                    if units[end] == units[end - distance]:
                        break
                elif _same(units, place, other, min_length):
                    break
            slot = (slot + 1) & mask
            entry = table[slot]
        if entry < 0:
            entry, distance = np.int32(count), np.int64(0)
            table[slot], hashes[entry] = entry, value
            distinct[entry, 0], distinct[entry, 1], distinct[entry, 2] = chain, place, 0
            count += 1
        else:
            distance = place - distinct[entry, 3]
        distinct[entry, 2] += 1
        distinct[entry, 3] = place
        of_window[at] = entry
        at += 1
    return state, distance, count


@leaf
def _are_twins(units, begin, length, one, other, min_length):
    """Whether two chains are as long, and of the same units."""
    if length[one] != length[other]:
        return False
    return _same(units, begin[one], begin[other], length[one] + min_length - 1)


@leaf
def _number_as(begin, windows, distinct, of_window, origin, at):
    """Numbers the windows of a chain, from `begin` on, as those of another, whose numbers are at `origin`."""
    for k in range(windows):
        entry = of_window[origin + k]
        of_window[at + k] = entry
        distinct[entry, 2] += 1
        distinct[entry, 3] = begin + k


@leaf
def _append_runs(begin, address, start, chain, k, windows, distinct, of_window, at, min_count, runs, found):
    """Appends the runs of a chain's windows, of which those before `k` have been; a run is (address, start, length,
    first, first_start, period), period 0 as long as none is seen."""
    before = np.int64(-2)  # the distinct window that the one before is, where that is in a run without a period
    for window in range(k, k + windows):
        entry = np.int64(of_window[at + window - k])
        if distinct[entry, 2] < min_count:
            before = np.int64(-2)
            continue
        origin, place = distinct[entry, 0], start[chain] + window
        if entry == before + 1 and distinct[before, 0] == origin and distinct[before, 1] + 1 == distinct[entry, 1]:
            runs[found - 1, 2] += 1
            before = entry
            continue
        before = entry
        first, first_start = address[origin], start[origin] + distinct[entry, 1] - begin[origin]
        last = found - 1
        if found and runs[last, 0] == address[chain] and runs[last, 1] + runs[last, 2] == place:
            if runs[last, 3] == first:
                size, period = runs[last, 2], runs[last, 5]
                if period == 0 and first_start == runs[last, 4] and size:
                    runs[last, 5] = period = size
                if first_start == runs[last, 4] + (size % period if period else size):
                    runs[last, 2] += 1
                    if period:
                        before = np.int64(-2)
                    continue
        runs[found, 0], runs[found, 1], runs[found, 2] = address[chain], place, 1
        runs[found, 3], runs[found, 4], runs[found, 5] = first, first_start, 0
        found += 1
    return found
