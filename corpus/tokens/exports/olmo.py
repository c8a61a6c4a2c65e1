"""OLMo-core's and Dolma's arrays: NAME.npy is the payload (no header: it is not NumPy's format), NAME.csv.gz a line
`start,end` for each document, in tokens. After allenai/OLMo-core `src/olmo_core/data/utils.py`, iter_document_indices,
which finds documents by their end token where it is told that, and reads the lines otherwise."""

from __future__ import annotations

import dataclasses
import gzip
import os
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from corpus.tokens.exports.format import Format, Written, filled_ends, link_payload
from corpus.tokens.exports.source import Source

_LINES = 1 << 20
"""That are made at a time."""


@dataclasses.dataclass(frozen=True)
class Olmo(Format):
    """An .npy and a .csv.gz for each shard."""

    reader: ClassVar[str] = (
        'olmo_core.data.NumpyFSLDatasetConfig.glob("{folder}/*.npy", dtype=NumpyDatasetDType.uint{token_bits}, ...)'
    )

    def write(self, source: Source, folder: str) -> Written:
        """See Format."""
        written = Written()
        for entry in source.entries:
            name = os.path.join(folder, entry["name"])
            _write_lines(filled_ends(source.offsets(entry), written), name + ".csv.gz")
            link_payload(source, entry, name + ".npy", written)
        return written


def _write_lines(ends: np.ndarray, name: str) -> None:
    """Where documents that end there (int64) begin and end: the same bytes whenever they are written."""
    starts = np.concatenate([[0], ends[:-1]])
    options = csv.WriteOptions(include_header=False)
    with open(name, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for first in range(0, len(ends), _LINES):
            part = slice(first, first + _LINES)
            csv.write_csv(pa.table({"start": starts[part], "end": ends[part]}), file, options)
