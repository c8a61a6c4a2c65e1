"""What a step has removed of texts, for a report: by source and domain of the documents, and by length of the cuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.context import Context
from pipelines.engine import Manifest, Outputs
from pipelines.maps import names
from pipelines.maps.step_counts import LENGTH_BINS

LENGTHS = "cut_lengths"
"""The counter of a task: by bin, how many cuts there are, and their bytes."""


class Removed:
    """Counts in a decide task."""

    def __init__(self, outputs: Outputs, hold: int, partitions: int):
        self._names = names.Counter(outputs, ("bytes", "documents"), hold, partitions)
        self._lengths = np.zeros((LENGTH_BINS, 2), np.int64)

    def add(self, rows: np.ndarray, batch: pa.RecordBatch, decisions: pa.Table) -> None:
        """Count what decisions take of a batch with these rows, some of each."""
        is_cut = pc.equal(decisions["action"], "cut").to_numpy(zero_copy_only=False)
        place = np.searchsorted(rows, decisions["row"].to_numpy())
        removed = np.zeros(batch.num_rows, np.int64)
        ends = pc.subtract(decisions["end"], decisions["start"]).to_numpy(zero_copy_only=False)
        sizes = ends[is_cut].astype(np.int64)
        np.add.at(removed, place[is_cut], sizes)
        whole = place[~is_cut]
        removed[whole] = pc.fill_null(pc.binary_length(batch["text"]), 0).to_numpy()[whole]
        having = np.unique(place)
        figures = {"bytes": removed[having], "documents": np.ones(len(having), np.int64)}
        self._names.add(batch.take(pa.array(having)), figures)
        bins = np.minimum(np.frexp(sizes.astype(np.float64))[1], LENGTH_BINS - 1)
        np.add.at(self._lengths, bins, np.stack([np.ones_like(sizes), sizes], axis=1))

    def close(self) -> dict[str, Any]:
        """Complete the output; the counters of the task."""
        return {**self._names.close(), LENGTHS: self._lengths.tolist()}


def figures(context: Context, manifests: Sequence[Manifest], partitions: int) -> dict[str, list[dict[str, Any]]]:
    """What the decide tasks have counted: `removed_by_source` and `removed_by_domain`, bytes of cuts and of documents
    that went, and how many documents lost some; `cuts_by_length`, of those that stayed."""
    found = names.most(context, "removed", manifests, partitions, ("bytes", "documents"))
    lengths = np.sum([manifest.counters[LENGTHS] for manifest in manifests], axis=0)
    return {
        **{f"removed_by_{kind}": rows for kind, rows in found.items()},
        "cuts_by_length": [
            {"length": f"{1 << number >> 1} to {(1 << number) - 1} bytes", "cuts": cuts, "bytes": size}
            for number, (cuts, size) in enumerate(lengths.tolist())
            if cuts
        ],
    }
