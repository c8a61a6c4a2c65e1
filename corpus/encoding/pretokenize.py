"""Where pre-tokens begin and end: one kernel that follows a table of patterns, as numba functions.

`patterns.table` makes the tables, `pretokenizers` names those of the known tokenizers. Every function here takes UTF-8
bytes and cuts at character boundaries only.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.encoding import patterns
from corpus.text import utf8
from corpus.text.intrinsics import load64, trailing_zeros
from corpus.text.leaf import leaf

_MATCH, _LETTERS, _LOWER = np.uint64(patterns.MATCH), np.uint64(patterns.LETTERS), np.uint64(patterns.LOWER)
_MATCHES, _GAPS = np.uint8(patterns.MATCHES), np.uint8(patterns.GAPS)
_STATE, _END = np.uint64(patterns.STATE), np.uint64(patterns.END)
_ALL_CASES = np.uint64(0x2020202020202020)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _class_at(data, i, classes):
    """Class of the character at byte `i`, and the byte after it."""
    b = np.int64(data[i])
    if b < 0x80:
        return classes[b], i + 1
    if b < 0xE0:
        return classes[(b & 0x1F) << 6 | data[i + 1] & 0x3F], i + 2
    if b < 0xF0:
        code = (b & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6 | data[i + 2] & 0x3F
        return classes[code], i + 3
    code = (b & 0x07) << 18 | (np.int64(data[i + 1]) & 0x3F) << 12
    code |= (np.int64(data[i + 2]) & 0x3F) << 6 | data[i + 3] & 0x3F
    return classes[code], i + 4


@numba.njit(cache=True, nogil=True, forceinline=True)
def _letters(word, fold):
    """How many of eight bytes (a little-endian uint64) before the first that is no ASCII letter (`fold` 0x20 in every
    byte) or no lower-case one (0), by arithmetic on all eight at once: lengths of words are hard to predict, so a
    loop over bytes spends its time on mispredicted branches."""
    high = np.uint64(0x8080808080808080)
    low_bits = (word | fold) & ~high
    from_a = low_bits + np.uint64(0x1F1F1F1F1F1F1F1F)  # high bit: byte >= "a"
    after_z = low_bits + np.uint64(0x0505050505050505)  # high bit: byte > "z"
    others = ~(from_a & ~after_z & ~word) & high
    return trailing_zeros(others) >> 3


@numba.njit(cache=True, nogil=True, forceinline=True)
def _match_end(data, i, end, classes, transitions, start):
    """End of the match that begins at byte `i` of a text that ends at `end`, of the pattern whose first state is
    `start`; `i` where there is none."""
    state = np.uint64(start)
    last = j = i
    while j < end:
        kind, after = _class_at(data, j, classes)
        transition = np.uint64(transitions[state | np.uint64(kind)])
        last = j if transition & _MATCH else last
        state = transition & _STATE
        if state == 0:
            return last
        j = after
        if transition & (_LETTERS | _LOWER):
            fold = _ALL_CASES if transition & _LETTERS else np.uint64(0)
            while j < end and j + 8 <= data.size:
                letters = _letters(load64(data, j), fold)
                j += letters
                if letters < 8:
                    break
            j = min(j, end)
    return end if transitions[state | _END] & _MATCH else last


@leaf
def _gap_end(data, i, end, table, stage):
    """Where the next match after byte `i`, at which none begins, begins; `end` where there is none."""
    while i < end:
        i += utf8.width(data[i])
        if i < end and _match_end(data, i, end, table.classes, table.transitions, table.starts[stage]) > i:
            return i
    return end


@leaf
def _one_span(data, i, end, table, stage):
    """(start, end) of the next piece of pattern `stage` from byte `i` on; (end, end) where there is none."""
    stop = _match_end(data, i, end, table.classes, table.transitions, table.starts[stage])
    keeps = table.keeps[stage]
    while i < end:
        if stop > i and keeps & _MATCHES:
            return i, stop
        if stop > i:
            i = stop
            stop = _match_end(data, i, end, table.classes, table.transitions, table.starts[stage])
            continue
        gap_end = _gap_end(data, i, end, table, stage)
        if keeps & _GAPS:
            return i, gap_end
        i = gap_end
        stop = _match_end(data, i, end, table.classes, table.transitions, table.starts[stage])
    return end, end


@leaf
def _any_span(data, i, end, table, limits):
    """`next_span` for any table. Where a pattern divides what another left, `limits` are the ends of the pieces in
    which `i` is, one a pattern."""
    last = table.starts.size - 1
    while i < end:
        stage = 0
        while stage < last and i < limits[stage]:
            stage += 1
        bound = end if stage == 0 else limits[stage - 1]
        start, stop = _one_span(data, i, bound, table, stage)
        while stage < last and start < bound:
            limits[stage] = bound = stop
            stage += 1
            start, stop = _one_span(data, start, bound, table, stage)
        if start < bound:
            return start, stop
        i = bound
    return end, end


@leaf
def first_state(table):
    """The first state for `next_span`: that of the one pattern of a table, and the dead one where there are more, or
    it drops its matches."""
    return table.starts[0] if table.starts.size == 1 and table.keeps[0] & _MATCHES else 0


@numba.njit(cache=True, nogil=True, forceinline=True)
def next_span(data, i, end, classes, transitions, start, table, limits):
    """(start, end) of the next pre-token of a text from byte `i` on; (`end`, `end`) where there is none. `classes` and
    `transitions` are those of `table`, `start` its `first_state`: parts that are taken out of a tuple for every
    pre-token cost more than the match. `limits` is the caller's room, int64[MOST_PATTERNS], zeros before the first text
    of `data`; texts come one after the other."""
    stop = _match_end(data, i, end, classes, transitions, start)
    if stop > i:
        return i, stop
    return _any_span(data, i, end, table, limits)


@numba.njit(cache=True, nogil=True)
def count_spans(data, offsets, table):
    """How many pre-tokens the texts `data[offsets[d] : offsets[d + 1]]` have."""
    limits = np.zeros(patterns.MOST_PATTERNS, np.int64)
    classes, transitions, first = table.classes, table.transitions, first_state(table)
    count = 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        while i < offsets[d + 1]:
            start, i = next_span(data, i, offsets[d + 1], classes, transitions, first, table, limits)
            count += start < i
    return count


@numba.njit(cache=True, nogil=True)
def write_spans(data, offsets, table, spans, ends):
    """Writes the start and end of every pre-token of the texts to `spans` (int64[n, 2]), and to `ends` (int64, one
    more than texts) how many those before each text have."""
    limits = np.zeros(patterns.MOST_PATTERNS, np.int64)
    classes, transitions, first = table.classes, table.transitions, first_state(table)
    n = 0
    ends[0] = 0
    for d in range(offsets.size - 1):
        i = offsets[d]
        while i < offsets[d + 1]:
            start, i = next_span(data, i, offsets[d + 1], classes, transitions, first, table, limits)
            if start < i:
                spans[n, 0], spans[n, 1] = start, i
                n += 1
        ends[d + 1] = n
