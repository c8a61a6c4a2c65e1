"""Documents that a step leaves alone, by where they are from."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def exempt_rows(batch: pa.RecordBatch, sources: Sequence[str]) -> np.ndarray:
    """bool[rows]: the documents whose column `source` is one of these names, or of the form of one (`*`, `?`)."""
    if not sources or "source" not in batch.schema.names:
        return np.zeros(batch.num_rows, np.bool_)
    found = pc.dictionary_encode(pc.fill_null(batch["source"].cast(pa.string()), ""))
    names = found.dictionary.to_pylist()
    chosen = np.array([any(fnmatch.fnmatchcase(name, form) for form in sources) for name in names], np.bool_)
    return chosen[found.indices.to_numpy()]


def others(batch: pa.RecordBatch, rows: np.ndarray, sources: Sequence[str]) -> tuple[pa.RecordBatch, np.ndarray]:
    """(the documents that are not exempt, their rows)."""
    if not sources:
        return batch, rows
    stay = ~exempt_rows(batch, sources)
    return batch.filter(pa.array(stay)), rows[stay]
