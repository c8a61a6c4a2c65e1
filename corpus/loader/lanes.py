"""An order in which rows of a batch go on where they were a step before, for models with a memory: sample n of the run
is of lane n modulo their number, and the samples of a lane follow each other in the stream."""

from __future__ import annotations

import numpy as np


def locate(
    samples: int, lanes: int, first: int, count: int, both_ways: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(window int64[count], lane int64[count], whether the lane begins with it bool[count]) of the samples first, first
    + 1, .. of a run with epochs of `samples` windows. In epoch e, which begins with sample e S, lane k has those of its
    S samples that are k modulo `lanes`: the windows of lane 0 come first in the stream, then those of lane 1, .. With
    `both_ways` lanes go from their last window to their first where `backward` says so."""
    sample = np.arange(first, first + count)
    epoch, index = np.divmod(sample, max(1, samples))
    lane, shift = sample % lanes, epoch * samples % lanes  # `shift`: the lane of the epoch's first sample
    whole, rest = divmod(samples, lanes)
    # each lane before this one has `whole` windows, and those among the `rest` from `shift` on one more
    wrapped = np.maximum(0, shift + rest - lanes)
    longer = np.minimum(lane, wrapped) + np.clip(lane - shift, 0, np.minimum(rest, lanes - shift))
    place = index // lanes
    if both_ways:
        count_of = whole + ((lane - shift) % lanes < rest)
        place = np.where(backward(samples, lanes, first, count), count_of - 1 - place, place)
    return lane * whole + longer + place, lane, index < lanes


def backward(samples: int, lanes: int, first: int, count: int) -> np.ndarray:
    """bool[count]: whether samples are of a lane that goes backwards: every other, in the next epoch the others."""
    sample = np.arange(first, first + count)
    return (sample % lanes + sample // max(1, samples)) % 2 == 1
