"""Hashes in order, in linear time: where a hash goes is nearly said by its highest bits, since hashes are spread over
all their values. They are put there, and then past those of their neighbours that are greater."""

from __future__ import annotations

import numba
import numpy as np

MOST_MOVES = 16
"""For each hash, before `argsort_uniform` takes values for no hashes: np.argsort has been done by then."""


@numba.njit(cache=True, nogil=True)
def _places(values):
    """(shift, places): about as many buckets as values, by what their highest bits are, `value >> shift`; where each
    bucket begins, int64[buckets + 1]."""
    bits = 1
    while (1 << bits) < len(values):
        bits += 1
    shift = np.uint64(64 - bits)
    places = np.zeros((1 << bits) + 1, np.int64)
    for value in values:
        places[(value >> shift) + np.uint64(1)] += 1
    for bucket in range(1 << bits):
        places[bucket + 1] += places[bucket]
    return shift, places


@numba.njit(cache=True, nogil=True)
def sort_uniform(values, out):
    """Writes hashes (uint64) in order to `out[:len(values)]`."""
    shift, places = _places(values)
    for value in values:
        bucket = value >> shift
        out[places[bucket]] = value
        places[bucket] += 1
    for i in range(1, len(values)):
        value = out[i]
        at = i
        while at > 0 and out[at - 1] > value:
            out[at] = out[at - 1]
            at -= 1
        out[at] = value


def argsort_uniform(hashes: np.ndarray) -> np.ndarray:
    """As np.argsort, of hashes (uint64[n]), in a quarter of the time; as that does, where they are none."""
    order, is_done = _argsort(hashes)
    return order if is_done else np.argsort(hashes)


@numba.njit(cache=True, nogil=True)
def _argsort(hashes):
    """(indices, whether they are in order)."""
    shift, places = _places(hashes)
    order = np.empty(len(hashes), np.int64)
    for i in range(len(hashes)):
        bucket = hashes[i] >> shift
        order[places[bucket]] = i
        places[bucket] += 1
    left = MOST_MOVES * len(hashes)
    for i in range(1, len(order)):
        each, at = order[i], i
        while at > 0 and hashes[order[at - 1]] > hashes[each] and left:
            order[at] = order[at - 1]
            at, left = at - 1, left - 1
        order[at] = each
    return order, left > 0 or len(order) == 0
