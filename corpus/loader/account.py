"""What a rank has handed out, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.loader import order
from corpus.loader.kernel import IGNORE


class Account:
    """Counts of what was handed out of a folder, by epoch: samples, a sum of their hashes, labels; and from which
    sample of the run to which the steps were. A sample that several ranks share is counted by the first of them, its
    labels by each."""

    def __init__(self, samples: int) -> None:
        """`samples` of an epoch."""
        self._samples = samples
        self._epochs: dict[int, list[int]] = {}
        self._steps: list[list[int]] = []

    def add_step(self, sample: int, taken: int) -> None:
        """Note the step of `taken` samples that begins with `sample`."""
        if self._steps and self._steps[-1][1] == sample:
            self._steps[-1][1] = sample + taken
        else:
            self._steps.append([sample, sample + taken])

    def add(self, places: np.ndarray, numbers: np.ndarray, labels: np.ndarray, share: int) -> None:
        """Count rows of a batch: samples `places` (int64[rows]: 0, 1, .. over the epochs), which are the windows
        `numbers` (int64[rows]), with so many `labels` (int64[rows]); of rows that ranks share, share `share`."""
        epochs = places // max(1, self._samples)
        for epoch in np.unique(epochs).tolist():
            here = np.flatnonzero(epochs == epoch)
            counts = self._epochs.setdefault(epoch, [0, 0, 0])
            if share == 0:
                counts[0] += len(here)
                counts[1] = (counts[1] + int(order.hash_sum(numbers[here]))) % (1 << 64)
            counts[2] += int(labels[here].sum())

    @property
    def steps(self) -> list[list[int]]:
        """[from, to] of steps without a gap between."""
        return [list(each) for each in self._steps]

    def counts(self) -> dict[str, dict[str, Any]]:
        """For JSON: {epoch: {"samples", "hash", "labels"}}."""
        return {
            str(epoch): {"samples": samples, "hash": f"{total:016x}", "labels": labels}
            for epoch, (samples, total, labels) in sorted(self._epochs.items())
        }


def labels_of(batch: dict[str, Any], rows: int) -> np.ndarray:
    """int64[rows]: labels of the first rows of a batch of arrays or tensors; 0 where it has none."""
    labels = batch.get("labels")
    if labels is None:
        return np.zeros(rows, np.int64)
    counts = (labels != IGNORE).reshape(len(labels), -1).sum(1)
    return np.asarray(counts.cpu() if hasattr(counts, "cpu") else counts)[:rows]
