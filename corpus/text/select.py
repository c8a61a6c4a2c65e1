"""New string columns made of some of the lines of old ones."""

from __future__ import annotations

import numba
import numpy as np

from corpus.text import utf8


@numba.njit(cache=True, nogil=True)
def keep_lines(data, starts, ends, first, keep):
    """The column whose entry *i* is the kept lines of entry *i*, joined by "\\n".

    Lines are as `spans.lines` returns them; `keep` is bool[number of lines]. Returns
    (data, offsets), uint8 and int64[len(first)], for `arrow.string_array`.
    """
    size = 0
    for line in range(len(starts)):
        size += ends[line] - starts[line] + 1 if keep[line] else 0
    out = np.empty(size, np.uint8)
    offsets = np.zeros(len(first), np.int64)
    written = np.int64(0)
    for entry in range(len(first) - 1):
        begin = True
        for line in range(first[entry], first[entry + 1]):
            if keep[line]:
                if not begin:
                    out[written] = 0x0A
                    written += 1
                begin = False
                written = utf8.copy(data, starts[line], ends[line], out, written)
        offsets[entry + 1] = written
    return out[:written], offsets
