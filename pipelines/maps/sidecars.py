"""Files that a task writes beside a group of shards, and that later tasks read: to their end, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from corpus.io import shards
from corpus.io.paths import DamagedFile
from pipelines.engine import File

END = b"end"
"""Note of the last batch of a sidecar, which has no rows."""


def read_sidecar(file: File) -> Iterator[pa.RecordBatch]:
    """The batches of a sidecar. Raises DamagedFile."""
    with shards.open_checked(file.path) as reader:
        last = reader.num_record_batches - 1
        if shards.noted_batch(file.path, reader, last)[1] != END:  # a damaged footer lists fewer
            raise DamagedFile(file.path, "its end is missing")
        for index in range(last):
            yield shards.checked_batch(file.path, reader, index)
