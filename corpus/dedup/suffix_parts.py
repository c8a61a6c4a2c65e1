"""Repeated windows by suffix arrays of parts of a corpus, which need not fit memory together.

A *part* is some documents in a row; none is divided between parts. Its *order* is what its suffix array (libdivsufsort)
says of its windows: where they begin, by their bytes; windows that run over the end of a document are left out. Parts
are merged by *ranges* of windows, from one splitter to the next, and two windows are compared in no more than their own
bytes: what stands behind them does not matter, so that no text is too repetitive. Equal windows meet in one range,
however many ranges and parts there are. The first of them in corpus order is their first occurrence (`runs`).

Windows are some `size` bytes. Units of several bytes (`width`) are laid out as they lie in memory, and windows begin
with a unit: what is found is equal, in whatever order.

Building takes 6 bytes of memory for each byte of a part: its text, 4 for the suffix array, 1 that says where windows
begin; what is left, text and order, 5 bytes for each byte, may lie in files that are mapped. Merging takes a buffer.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numba
import numpy as np
import pydivsufsort

from corpus.dedup.runs import Columns
from corpus.text.intrinsics import big_endian64_at, int32_at
from corpus.text.leaf import leaf

MAX_BYTES = 2**31 - 1
"""Of a part: positions are int32, as libdivsufsort's are."""
PADDING = 8
"""Bytes of anything behind a part's text: it is read in words."""
BYTES_A_BYTE = 6
"""Memory that building takes for each byte of a part."""

PART_BITS = 40
"""A place in all parts is `part << PART_BITS | position`, so that places sort as the corpus does."""
HELD = 1 << 20
"""Windows that a merge holds at a time."""
AHEAD, WORDS = 64, 8
"""Windows of each part that are read ahead, together, so that the processor waits for all of them at once; words of
each that are read: a line of its cache. Few windows have more than these in common, unless they are equal."""


class Part(NamedTuple):
    """text: uint8[n + PADDING], n at most MAX_BYTES; order: int32[windows], where they begin, by their bytes."""

    text: np.ndarray
    order: np.ndarray


def ordered(text: np.ndarray, ends: np.ndarray, size: int, width: int = 1) -> np.ndarray:
    """The order (int32[windows]) of a part.

    text: uint8[n], documents one after the other. ends: int64[d], where each ends, ascending, the last n. size, width:
    bytes of a window and of a unit. Raises ValueError for more than MAX_BYTES, ends that are no such ends, or a size
    that has no whole units.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"{len(text):,} bytes are too many for one suffix array: at most {MAX_BYTES:,}")
    if size < 1 or size % width:
        raise ValueError(f"a window of {size} bytes has no whole units of {width}")
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(text):
        raise ValueError("ends must not descend, and the last must be that of the text")
    inside = _inside(ends, size, width, len(text))
    if not inside.any():  # libdivsufsort is never asked about an empty text
        return np.empty(0, np.int32)
    order = suffix_array_of(text)
    return order[: _windows_only(order, inside)]


def suffix_array_of(data: np.ndarray) -> np.ndarray:
    """int32[n]: where the suffixes of `data` (uint8[n]) begin, in order. pydivsufsort, which reads it only, insists on
    an array that could be written to, as Arrow's buffers cannot."""
    writable = (ctypes.c_uint8 * len(data)).from_address(data.ctypes.data)
    return pydivsufsort.divsufsort(np.ctypeslib.as_array(writable))


@numba.njit(cache=True, nogil=True)
def _inside(ends, size, width, length):
    """bool[n]: where a window begins that ends in its document."""
    inside = np.zeros(length, np.bool_)
    begin = 0
    for end in ends:
        for position in range(begin, end - size + 1, width):
            inside[position] = True
        begin = end
    return inside


@numba.njit(cache=True, nogil=True)
def _windows_only(order, inside):
    """Leaves in `order` the positions at which a window begins; how many these are."""
    kept = 0
    for position in order:
        order[kept] = position
        kept += inside[position]
    return kept


def sample(part: Part, size: int, every: int) -> list[bytes]:
    """Windows of a part, about one of `every`, in order: the same share of each part."""
    places = np.arange(every // 2, len(part.order), every)
    return [part.text[position : position + size].tobytes() for position in part.order[places].tolist()]


def splitters(samples: Sequence[bytes], ranges: int) -> list[bytes]:
    """The windows with which all but the first of so many ranges begin, ascending: of the samples of all parts, so that
    ranges have about as many windows each; fewer where these are few."""
    found = sorted(samples)
    places = {len(found) * number // ranges for number in range(1, ranges)} if found else set()
    return sorted({found[place] for place in places})


def place_of(part: Part, window: bytes, after: bool = False) -> int:
    """The first place in a part's order whose window is not less than this one, or, `after`, that is greater."""
    size = len(window)
    padded = np.frombuffer(window + bytes(PADDING), np.uint8)
    return int(_search(_address(part.order), _address(part.text), len(part.order), _address(padded), size, after))


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@numba.njit(cache=True, nogil=True)
def _search(order, text, count, window, size, after):
    low, high = np.int64(0), np.int64(count)
    while low < high:
        middle = (low + high) >> 1
        found = _compare(text + int32_at(order + 4 * middle), window, np.int64(0), size)
        if found < 0 or (found == 0 and after):
            low = middle + 1
        else:
            high = middle
    return low


@leaf
def _word(at, begin, size):
    """Eight bytes, from `begin` on, of the window of `size` bytes at an address; zeros for those behind its end."""
    word = big_endian64_at(at + begin)
    missing = begin + 8 - size
    return word if missing <= 0 else word >> np.uint64(8 * missing) << np.uint64(8 * missing)


@leaf
def _compare(one, other, begin, size):
    """-1, 0 or 1: how two windows of `size` bytes at these addresses compare from `begin` on."""
    while begin < size:
        left, right = _word(one, begin, size), _word(other, begin, size)
        if left != right:
            return -1 if left < right else 1
        begin += 8
    return 0


def merged(
    parts: Sequence[Part],
    starts: Sequence[int],
    stops: Sequence[int],
    size: int,
    min_count: int = 2,
    held: int = HELD,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(places, first): the windows of a range that occur `min_count` times or more (twice at least), and the first
    occurrence of each, int64, some at a time.

    starts, stops: of the range, in the order of each part. size: bytes of a window. held: at most so many windows are
    held; where more are equal, is looked for where they begin and end.
    """
    merge = _Merge(parts, starts, stops, size, max(min_count, 2), held)
    while not merge.done():
        merge.go_on()
        yield from merge.taken()


class _Merge:
    """The state of a merge: heads of the parts, a tree of them, the group of equal windows at hand."""

    def __init__(
        self,
        parts: Sequence[Part],
        starts: Sequence[int],
        stops: Sequence[int],
        size: int,
        min_count: int,
        held: int,
    ):
        self.parts, self.size, self.min_count = parts, size, min_count
        self.heads = np.array(starts, np.int64)
        self.stops = np.array(stops, np.int64)
        self.addresses = np.array([[_address(part.text), _address(part.order)] for part in parts], np.int64)
        self.words = min(WORDS, -(-size // 8))
        self.ahead = np.empty((len(parts), AHEAD, self.words), np.uint64)
        self.positions = np.empty((len(parts), AHEAD), np.int64)
        self.places, self.first = np.empty((2, max(held, 2)), np.int64)
        self.last = np.zeros(self.words, np.uint64)
        self.group = np.zeros(
            4, np.int64
        )  # where it begins in places, how many there are, its least, a window's address
        self.finished = 0  # of places

    def done(self) -> bool:
        return bool((self.heads >= self.stops).all()) and not self.group[1]

    def go_on(self) -> None:
        """Merge until the buffer is full, or all is done."""
        self.finished = _merge(
            self.addresses,
            self.heads,
            self.stops,
            self.ahead,
            self.positions,
            self.size,
            self.min_count,
            self.places,
            self.first,
            self.last,
            self.group,
        )

    def taken(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What was found; makes room for more."""
        begin, count = int(self.group[0]), int(self.group[1])
        if count == len(self.places):
            yield from self._crowd()
        elif self.finished:
            yield self.places[: self.finished].copy(), self.first[: self.finished].copy()
            self.places[:count] = self.places[begin : begin + count]
        self.group[0] = 0

    def _crowd(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Equal windows for which there is no room: where they begin and end, is looked for."""
        part, position = divmod(int(self.places[0]), 1 << PART_BITS)
        window = self.parts[part].text[position : position + self.size].tobytes()
        members = []
        for number, each in enumerate(self.parts):
            start, stop = place_of(each, window), place_of(each, window, after=True)
            self.heads[number] = max(self.heads[number], min(stop, self.stops[number]))
            members += [(number, each.order[start:stop])] if start < stop else []
        self.group[:] = 0
        if sum(len(order) for _, order in members) < self.min_count:
            return
        number, order = members[0]
        first = number << PART_BITS | int(order.min())
        for number, order in members:
            for start in range(0, len(order), len(self.places)):
                some = order[start : start + len(self.places)].astype(np.int64)
                yield some | number << PART_BITS, np.full(len(some), first)


@numba.njit(cache=True, nogil=True)
def _merge(addresses, heads, stops, ahead, positions, size, min_count, places, first, last, group):
    """See `_Merge`; how many of `places` are done."""
    leaves = 1
    while leaves < len(heads):
        leaves *= 2
    tree = np.full(2 * leaves, -1, np.int64)  # the part with the least window below each node, -1 for none
    begins = heads.copy()  # of what is read ahead
    for part in range(len(heads)):
        if heads[part] < stops[part]:
            _read_ahead(addresses, part, begins[part], stops[part], size, ahead, positions)
            tree[leaves + part] = part
    for node in range(leaves - 1, 0, -1):
        tree[node] = _least(tree[2 * node], tree[2 * node + 1], heads, begins, ahead, positions, addresses, size)
    begin, count, least, at = group
    while tree[1] >= 0:
        part = tree[1]
        row = heads[part] - begins[part]
        position = positions[part, row]
        here = addresses[part, 0] + position
        same = count > 0
        for word in range(len(last)):
            same &= ahead[part, row, word] == last[word]
        if same and size > 8 * len(last):
            same = _compare(here, at, np.int64(8 * len(last)), size) == 0
        if not same:
            begin = _closed(begin, count, least, min_count, first)
            count, at = 0, here
            for word in range(len(last)):
                last[word] = ahead[part, row, word]
        if begin + count == len(places):
            group[0], group[1], group[2], group[3] = begin, count, least, at
            return begin
        place = part << PART_BITS | position
        least = min(least, place) if count else place
        places[begin + count] = place
        count += 1
        heads[part] += 1
        if heads[part] == stops[part]:
            tree[leaves + part] = -1
        elif heads[part] - begins[part] == AHEAD:
            begins[part] = heads[part]
            _read_ahead(addresses, part, begins[part], stops[part], size, ahead, positions)
        node = (leaves + part) >> 1
        while node:
            tree[node] = _least(tree[2 * node], tree[2 * node + 1], heads, begins, ahead, positions, addresses, size)
            node >>= 1
    begin = _closed(begin, count, least, min_count, first)
    group[:] = 0
    return begin


@leaf
def _closed(begin, count, least, min_count, first):
    """Where the next group begins when one is complete."""
    if count < min_count:
        return begin
    for i in range(begin, begin + count):
        first[i] = least
    return begin + count


@numba.njit(cache=True, nogil=True)
def _read_ahead(addresses, part, begin, stop, size, ahead, positions):
    for row in range(min(stop - begin, AHEAD)):
        positions[part, row] = int32_at(addresses[part, 1] + 4 * (begin + row))
    for row in range(min(stop - begin, AHEAD)):
        at = addresses[part, 0] + positions[part, row]
        for word in range(ahead.shape[2]):
            ahead[part, row, word] = _word(at, np.int64(8 * word), size)


@leaf
def _least(one, other, heads, begins, ahead, positions, addresses, size):
    """The part with the lesser window at its head, of equal ones the first; -1 is none."""
    if one < 0 or other < 0:
        return max(one, other)
    left, right = heads[one] - begins[one], heads[other] - begins[other]
    words = ahead.shape[2]
    for word in range(words):
        if ahead[one, left, word] != ahead[other, right, word]:
            return one if ahead[one, left, word] < ahead[other, right, word] else other
    at = addresses[one, 0] + positions[one, left]
    found = _compare(at, addresses[other, 0] + positions[other, right], np.int64(8 * words), size)
    return one if found <= 0 else other


def runs_of(
    positions: np.ndarray,
    first: np.ndarray,
    first_start: np.ndarray,
    documents: tuple[np.ndarray, np.ndarray],
    min_length: int,
    width: int = 1,
) -> Columns:
    """Runs (`corpus.dedup.runs`), in order, of some repeated windows of a part, given in any order.

    positions: int64[n], where they begin, bytes. first, first_start: int64[n], the document (address) of their first
    occurrence and where it begins there, units. documents: (addresses, ends), int64[d], of the part; ends in bytes.
    min_length: units of a window. width: bytes of a unit.
    """
    order = np.argsort(positions)
    addresses, ends = documents
    return _runs(positions[order], first[order], first_start[order], addresses, ends, min_length, width)


@numba.njit(cache=True, nogil=True)
def _runs(positions, first, first_start, addresses, ends, min_length, width):
    count = len(positions)
    columns = np.empty((6, count), np.int64)
    runs = i = document = 0
    while i < count:
        while ends[document] <= positions[i]:
            document += 1
        period = length = 1
        while i + length < count:
            after = i + length
            if positions[after] != positions[i] + length * width or positions[after] >= ends[document]:
                break
            if first[after] != first[i]:
                break
            ahead = first_start[after] - first_start[i]
            if period == length and ahead == length:
                period += 1
            elif period >= min_length and period == length or ahead != length % period:
                break
            length += 1
        begin = ends[document - 1] if document else 0
        columns[0, runs], columns[1, runs] = addresses[document], (positions[i] - begin) // width
        columns[2, runs], columns[3, runs], columns[4, runs] = length, first[i], first_start[i]
        columns[5, runs] = period
        runs += 1
        i += length
    found = columns[:, :runs].copy()
    return found[0], found[1], found[2], found[3], found[4], found[5]


def located(places: np.ndarray, documents: Sequence[tuple[np.ndarray, np.ndarray]], width: int = 1) -> np.ndarray:
    """int64[2, n]: the document (address) at each of some places in all parts, and where in it, in units. documents: of
    each part, as `runs_of` takes them."""
    distinct, which = np.unique(places, return_inverse=True)
    parts, positions = distinct >> PART_BITS, distinct & ((1 << PART_BITS) - 1)
    found = np.empty((2, len(distinct)), np.int64)
    for part in np.unique(parts).tolist():
        here = parts == part
        addresses, ends = documents[part]
        document = np.searchsorted(ends, positions[here], side="right")
        begins = np.concatenate([[0], ends])[document]
        found[0, here], found[1, here] = addresses[document], (positions[here] - begins) // width
    return found[:, which]
