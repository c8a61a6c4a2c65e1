"""An order in which rows of a batch go on where they were a step before, for models with a memory: sample n of the run
is of lane n modulo their number, and the samples of a lane follow each other in the stream."""

from __future__ import annotations

import numpy as np


def locate(samples: int, lanes: int, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(window int64[count], lane int64[count], whether the lane begins with it bool[count]) of the samples first, first
    + 1, .. of a run with epochs of `samples` windows. In epoch e, which begins with sample e S, lane k has those of its
    S samples that are k modulo `lanes`: the windows of lane 0 come first in the stream, then those of lane 1, .."""
    sample = np.arange(first, first + count)
    epoch, index = np.divmod(sample, max(1, samples))
    lane, shift = sample % lanes, epoch * samples % lanes  # `shift`: the lane of the epoch's first sample
    whole, rest = divmod(samples, lanes)
    # each lane before this one has `whole` windows, and those among the `rest` from `shift` on one more
    wrapped = np.maximum(0, shift + rest - lanes)
    longer = np.minimum(lane, wrapped) + np.clip(lane - shift, 0, np.minimum(rest, lanes - shift))
    return lane * whole + longer + index // lanes, lane, index < lanes
