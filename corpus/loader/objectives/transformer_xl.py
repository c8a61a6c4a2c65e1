"""Segments that follow each other, for models with a memory (Dai et al. 2019; kimiyoung/transformer-xl,
data_utils.py)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corpus.loader import lanes, names
from corpus.loader.kernel import IGNORE
from corpus.loader.objective import Objective, Samples, Setting


@dataclasses.dataclass(frozen=True)
class TransformerXl(Objective):
    """Next tokens, the stream cut into `lanes` of windows that follow each other: sample n of the run is of lane n
    modulo lanes, so that with as many lanes as a global step has rows, each row goes on where it was a step before.
    With other ranks or batches the order is the same, and `lanes` of a batch say whose memory a row wants.

    tokens, labels  [B, L] as of "causal"
    lanes           int32[B] the lane of each row; -1: an empty row
    starts          int32[B] 1 where a lane begins, and its memory is to be cleared: once an epoch, else 0

    All windows are read in each epoch; where they cannot be shared out evenly, some lanes have one more. `shuffle` has
    nothing to say. The paper's code drops what is left over.
    """

    lanes: int = 0
    """Rows of a global step, batch_size x world_size; to be given."""

    plans: ClassVar[tuple[str, ...]] = ("", "concat")  # rows go on where those before ended

    def __post_init__(self) -> None:
        names.count("lanes", self.lanes)

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """sequence_length."""
        if self.lanes < 1:
            raise ValueError("transformer_xl needs `lanes`: how many rows a global step has, batch_size x world_size")
        return (setting.sequence_length,)

    def numbers(self, setting: Setting, samples: int, first: int, count: int) -> np.ndarray:
        """See Objective."""
        return lanes.locate(samples, self.lanes, first, count)[0]

    def batch(self, samples: Samples) -> dict[str, Any]:
        """tokens, labels, lanes, starts."""
        rows = samples.read(previous=True, padding=IGNORE)
        marks = marks_of(samples, self.lanes)
        return {"tokens": rows.previous, "labels": rows.tokens} | marks | samples.describe(rows.document_ids)

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """All tokens."""
        return samples.count_tokens()


def marks_of(samples: Samples, count: int) -> dict[str, np.ndarray]:
    """`lanes` and `starts` of the rows of a batch, of so many lanes."""
    there, size = samples.numbers >= 0, samples.source.figures["samples"]
    _, lane, starts = lanes.locate(size, count, samples.first, len(there))
    return {"lanes": np.where(there, lane, -1).astype(np.int32), "starts": (starts & there).astype(np.int32)}
