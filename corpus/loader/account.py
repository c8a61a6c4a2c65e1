"""What a rank has handed out, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.loader import order
from corpus.loader.kernel import IGNORE
from corpus.loader.run import Part


class Account:
    """Counts of what was handed out, by epoch: samples, a sum of their hashes, labels; and from which sample to which
    the steps were. A sample that several ranks share is counted by the first of them, its labels by each."""

    def __init__(self, samples: int) -> None:
        """`samples` of an epoch."""
        self._samples = samples
        self._epochs: dict[int, list[int]] = {}
        self._steps: list[list[int]] = []

    def add(self, sample: int, taken: int, part: Part, numbers: np.ndarray, labels: Any) -> None:
        """Count a batch, `part` of the step of `taken` samples that begins with `sample`: its samples are the windows
        `numbers` (int64), `labels` (array or tensor; None: there are none) what it has of labels."""
        if self._steps and self._steps[-1][1] == sample:
            self._steps[-1][1] = sample + taken
        else:
            self._steps.append([sample, sample + taken])
        epochs = np.arange(part.first, part.first + part.count) // max(1, self._samples)
        for epoch in np.unique(epochs).tolist():
            here = np.flatnonzero(epochs == epoch)
            counts = self._epochs.setdefault(epoch, [0, 0, 0])
            if part.share == 0:
                counts[0] += len(here)
                counts[1] = (counts[1] + int(order.hash_sum(numbers[here]))) % (1 << 64)
            if labels is not None:
                counts[2] += int((labels[here[0] : here[-1] + 1] != IGNORE).sum())

    def entries(self) -> dict[str, Any]:
        """For JSON: {"steps": [[from, to], ..], "counts": {epoch: {"samples", "hash", "labels"}}}."""
        counts = {
            str(epoch): {"samples": samples, "hash": f"{total:016x}", "labels": labels}
            for epoch, (samples, total, labels) in sorted(self._epochs.items())
        }
        return {"steps": [list(each) for each in self._steps], "counts": counts}
