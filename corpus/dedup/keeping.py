"""Which repeated windows are cut: all but one that stands, in corpus order; or all.

Definition of *keep first*. The corpus is read once, from its beginning. A repeated window is cut if and only if an
equal one stands, whole, in text already kept: in what an earlier document keeps, or in what the same document keeps
before the window begins. A window stands if no window that is cut takes a unit from it, in a document that stays. A
document of which cuts leave fewer than `min_remaining` units goes whole, and keeps nothing.

So, whatever else is cut:
- of every window that is cut, an equal one stands in what is left, in the document that is named, which comes before
  or is the same. No passage is cut because of a copy that is itself cut for another reason.
- no two equal windows stand in what is left, but for such as overlap each other (text with a period of less than a
  window, of less than two windows' length) and windows made where a cut has joined two pieces.
Windows that a cut takes a part of are cut with it. They are not promised to stand elsewhere: where a passage that is
repeated begins after different words, it is these that its copies lose or keep.

Where cuts are made smaller afterwards, to words or lines, more text is left than is promised here: it owns nothing, so
that the first statement holds as it is, and the second for windows that take nothing from such text.

Runs (`corpus.dedup.runs`) come in corpus order, some documents after the others, from either method. What is
remembered is a byte for each distinct repeated window, and 40 bytes for each stretch of those: their number is known
from the runs (`classes_in`), so that the bytes can lie in a file that is mapped.

Documents with negative addresses are of another corpus. They come first, and stay as they are; where the documents of
the corpus itself own nothing (`own` is false), windows are cut that stand in the other, and no more.

Definition of *keep none* (Lee et al. 2021, arXiv 2107.06499, section 4.1): every repeated window is cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from corpus.dedup.runs import Columns
from corpus.text.growing import doubled
from corpus.text.leaf import leaf

NOBODY, FIRST, OTHER = 0, 1, 2
"""Who owns a window: nobody (yet), the document of its first occurrence, or another one."""
SPANS = 1 << 12
"""Room for what other documents own, at first."""


class Cuts(NamedTuple):
    """Ranges of units that go, ascending, none of a document touching another: document (address), start, end, and the
    document that keeps the first window of the range (address); and the documents that go whole because of too little
    that is left, with how many units that is, and the document that keeps the last of their cuts. All int64."""

    address: np.ndarray
    start: np.ndarray
    end: np.ndarray
    by: np.ndarray
    gone: np.ndarray
    left: np.ndarray
    gone_by: np.ndarray


def classes_in(runs: Columns) -> tuple[int, int]:
    """Of some runs: how many windows are first occurrences, and how many runs have some."""
    address, start, _, first, first_start, period = runs
    own = (address == first) & (start == first_start)
    return int(period[own].sum()), int(own.sum())


def keep_none(runs: Columns, sizes: np.ndarray, min_length: int, min_remaining: int, own: bool = True) -> Cuts:
    """All windows of runs, sorted, or, unless `own`, those that stand in another corpus; sizes: units (int64) of each
    document that has some, in order. What keeps a window is then its first occurrence, which is cut, too."""
    return Cuts(*_keep_none(*runs, sizes, min_length, min_remaining, own))


class Frequent(NamedTuple):
    """A passage that is in so many places, first in a document (address), from a unit on; how many windows it has, and
    the class of the first of these. Windows before and behind it are in fewer places."""

    places: int
    address: int
    start: int
    windows: int
    window: int


class KeepFirst:
    """Goes through the corpus, some documents after the others. `classes`, `stretches`: as `classes_in` counts for all
    runs; owned: uint8[classes] of zeros, which may be mapped; times: int32[classes + 1] of zeros, which may be, too, if
    places are to be counted."""

    def __init__(
        self,
        min_length: int,
        min_remaining: int,
        classes: int,
        stretches: int,
        owned: np.ndarray | None = None,
        own: bool = True,
        times: np.ndarray | None = None,
    ):
        self.min_length, self.min_remaining, self.own = min_length, min_remaining, own
        self._owned = np.zeros(classes, np.uint8) if owned is None else owned
        self._times = np.zeros(0, np.int32) if times is None else times
        self._stretches = np.empty((stretches, 5), np.int64)
        self._spans = np.empty((SPANS, 4), np.int64)
        self._counts = np.zeros(3, np.int64)  # stretches, spans, classes

    def part(self, runs: Columns, sizes: np.ndarray) -> Cuts:
        """The cuts of the documents that come next; all runs of each of them, sorted, and its units (int64)."""
        base, place = self.count(runs)
        found = _keep_first(
            *runs, base, place, sizes, self.min_length, self.min_remaining, self.own,
            self._owned, self._stretches, self._spans, self._counts,
        )  # fmt: skip
        self._spans = found[-1]
        return Cuts(*found[:-1])

    def count(self, runs: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Number the windows of the documents that come next, and count the places where each is; of each run the class
        of its first window, and the stretch that this is in. Where nothing is kept, that is all there is to do."""
        return _located(*runs, self._stretches, self._counts, self._times)

    def most_frequent(self, most: int) -> list[Frequent]:
        """Of the stretches of distinct windows those with the window that is in most places, most first."""
        found = _peaks(self._stretches[: self._counts[0]], self._times)
        order = np.lexsort((np.arange(len(found)), -found[:, 0]))[:most]
        return [Frequent(*row) for row in found[order].tolist()]


@leaf
def _phase(place, period):
    """The place in its period; a division takes longer than all else that is done for a window."""
    return place if place < period else place % period


@numba.njit(cache=True, nogil=True)
def _end_of_document(address, i):
    j = i
    while j < len(address) and address[j] == address[i]:
        j += 1
    return j


@numba.njit(cache=True, nogil=True)
def _most_cuts(length, min_length):
    """Cuts that runs can make: in a run they begin more than a window apart."""
    most = 1
    for size in length:
        most += size // (min_length + 1) + 1
    return most


@numba.njit(cache=True, nogil=True)
def _keep_none(address, start, length, first, first_start, period, sizes, min_length, min_remaining, own):
    cuts = np.empty((len(address) + 1, 4), np.int64)
    gone = np.empty((len(sizes) + 1, 3), np.int64)
    count = lost = document = i = 0
    while i < len(address):
        j, opened, left = _end_of_document(address, i), count, sizes[document]
        for run in range(i, j):
            if address[i] < 0 or not (own or first[run] < 0):
                continue
            end = start[run] + length[run] - 1 + min_length
            if count > opened and start[run] <= cuts[count - 1, 2]:
                left -= end - cuts[count - 1, 2]
                cuts[count - 1, 2] = end
                continue
            cuts[count, 0], cuts[count, 1], cuts[count, 2], cuts[count, 3] = address[i], start[run], end, first[run]
            left -= end - start[run]
            count += 1
        if count > opened and left < min_remaining:
            gone[lost, 0], gone[lost, 1], gone[lost, 2] = address[i], left, cuts[count - 1, 3]
            lost, count = lost + 1, opened
        document, i = document + 1, j
    return _columns(cuts, count, gone, lost)


@numba.njit(cache=True, nogil=True)
def _columns(cuts, count, gone, lost):
    return (
        cuts[:count, 0].copy(), cuts[:count, 1].copy(), cuts[:count, 2].copy(), cuts[:count, 3].copy(),
        gone[:lost, 0].copy(), gone[:lost, 1].copy(), gone[:lost, 2].copy(),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _keep_first(
    address, start, length, first, first_start, period, base, place, sizes, min_length, min_remaining, own_windows,
    owned, stretches, spans, counts,
):  # fmt: skip
    """A stretch is first occurrences that follow each other: (document, start, how many, class of the first, the last
    span or -1). A *class* is the number of a distinct repeated window, in the order of first occurrences. A span is
    classes that another document owns: (first, last, document, the span of this stretch before or -1)."""
    cuts = np.empty((_most_cuts(length, min_length), 4), np.int64)
    gone = np.empty((len(sizes) + 1, 3), np.int64)
    log = np.empty((64, 3), np.int64)  # what this document has come to own: first and last class, stretch
    count = lost = document = i = 0
    while i < len(address):
        j = _end_of_document(address, i)
        opened, logged, alive = count, 0, np.int64(0)
        stays = address[i] < 0
        own, k = i, np.int64(0)  # the window that is settled next, as its run and its place in that
        if not (own_windows or stays):
            own = j  # none is
        for run in range(i, j):
            for window in range(length[run]):
                at = start[run] + window
                while own < j and start[own] + k <= at - min_length:  # ends before this one begins
                    if start[own] + k >= alive:
                        if logged == len(log):
                            log = doubled(log)
                        logged = _own(
                            base[own] + _phase(k, period[own]), place[own], address[i], owned, stretches, log, logged
                        )
                    own, k = (own, k + 1) if k + 1 < length[own] else (own + 1, np.int64(0))
                if stays or owned[base[run] + _phase(window, period[run])] == NOBODY:
                    continue
                alive = at + min_length
                if count > opened and at <= cuts[count - 1, 2]:
                    cuts[count - 1, 2] = alive
                    continue
                cuts[count, 0], cuts[count, 1], cuts[count, 2] = address[i], at, alive
                cuts[count, 3] = _owner(
                    base[run] + _phase(window, period[run]), place[run], address[i], owned, stretches, spans
                )
                count += 1
        while own < j:
            if start[own] + k >= alive:
                if logged == len(log):
                    log = doubled(log)
                logged = _own(base[own] + _phase(k, period[own]), place[own], address[i], owned, stretches, log, logged)
            own, k = (own, k + 1) if k + 1 < length[own] else (own + 1, np.int64(0))
        left = sizes[document]
        for cut in range(opened, count):
            left -= cuts[cut, 2] - cuts[cut, 1]
        if count > opened and left < min_remaining:
            gone[lost, 0], gone[lost, 1], gone[lost, 2] = address[i], left, cuts[count - 1, 3]
            lost, count = lost + 1, opened
            for entry in range(logged):
                owned[log[entry, 0] : log[entry, 1] + 1] = NOBODY
        else:
            spans = _remember(log, logged, address[i], stretches, spans, counts)
        document, i = document + 1, j
    columns = _columns(cuts, count, gone, lost)
    return (*columns, spans)


@numba.njit(cache=True, nogil=True)
def _located(address, start, length, first, first_start, period, stretches, counts, times):
    """See `KeepFirst.count`. times: of each class how many places more it has than the one before."""
    _register(address, start, first, first_start, period, 0, len(address), stretches, counts)
    base, place = np.empty(len(address), np.int64), np.empty(len(address), np.int64)
    for run in range(len(address)):
        place[run] = _stretch_of(stretches, counts[0], first[run], first_start[run])
        base[run] = stretches[place[run], 3] + first_start[run] - stretches[place[run], 1]
        if len(times):
            rounds, rest = length[run] // period[run], length[run] % period[run]
            times[base[run]] += rounds + (rest > 0)
            times[base[run] + rest] -= rest > 0
            times[base[run] + period[run]] -= rounds
    return base, place


@numba.njit(cache=True, nogil=True)
def _peaks(stretches, times):
    """Of each stretch: see `Frequent`."""
    found = np.zeros((len(stretches), 5), np.int64)
    count = np.int64(0)
    for stretch in range(len(stretches)):
        window, last = stretches[stretch, 3], stretches[stretch, 3] + stretches[stretch, 2]
        while window < last:
            count += times[window]
            if count > found[stretch, 0]:
                found[stretch, 0], found[stretch, 1] = count, stretches[stretch, 0]
                found[stretch, 2] = stretches[stretch, 1] + window - stretches[stretch, 3]
                found[stretch, 3], found[stretch, 4] = 0, window
            if count == found[stretch, 0] and window == found[stretch, 4] + found[stretch, 3]:
                found[stretch, 3] += 1
            window += 1
    return found


@numba.njit(cache=True, nogil=True)
def _register(address, start, first, first_start, period, i, j, stretches, counts):
    """Numbers the first occurrences of a document."""
    for run in range(i, j):
        if first[run] != address[run] or first_start[run] != start[run]:
            continue
        last = counts[0] - 1
        if last >= 0 and stretches[last, 0] == address[run] and stretches[last, 1] + stretches[last, 2] == start[run]:
            stretches[last, 2] += period[run]
        else:
            stretches[counts[0], 0], stretches[counts[0], 1], stretches[counts[0], 2] = (
                address[run],
                start[run],
                period[run],
            )
            stretches[counts[0], 3], stretches[counts[0], 4] = counts[2], -1
            counts[0] += 1
        counts[2] += period[run]


@numba.njit(cache=True, nogil=True)
def _stretch_of(stretches, count, address, start):
    """The last stretch that does not begin behind this window."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if stretches[middle, 0] < address or (stretches[middle, 0] == address and stretches[middle, 1] <= start):
            low = middle + 1
        else:
            high = middle
    return low - 1


@leaf
def _own(window, stretch, address, owned, stretches, log, logged):
    """A window of this document stands: it owns the class, unless an equal one before does. Returns how much of the log
    is used, which must have room."""
    if owned[window] != NOBODY:
        return logged
    owned[window] = FIRST if stretches[stretch, 0] == address else OTHER
    if logged and log[logged - 1, 1] + 1 == window and log[logged - 1, 2] == stretch:
        log[logged - 1, 1] = window
        return logged
    log[logged, 0], log[logged, 1], log[logged, 2] = window, window, stretch
    return logged + 1


@numba.njit(cache=True, nogil=True)
def _remember(log, logged, address, stretches, spans, counts):
    """What a document owns that others have first."""
    for entry in range(logged):
        stretch = log[entry, 2]
        if stretches[stretch, 0] == address:
            continue
        if counts[1] == len(spans):
            spans = doubled(spans)
        span = counts[1]
        spans[span, 0], spans[span, 1], spans[span, 2] = log[entry, 0], log[entry, 1], address
        spans[span, 3], stretches[stretch, 4] = stretches[stretch, 4], span
        counts[1] += 1
    return spans


@numba.njit(cache=True, nogil=True)
def _owner(window, stretch, address, owned, stretches, spans):
    """The document that owns a class; this one, of whose windows nothing is remembered yet, where no other does."""
    if owned[window] == FIRST:
        return stretches[stretch, 0]
    span = stretches[stretch, 4]
    while span >= 0:
        if spans[span, 0] <= window <= spans[span, 1]:
            return spans[span, 2]
        span = spans[span, 3]
    return address
