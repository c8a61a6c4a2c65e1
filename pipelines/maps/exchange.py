"""The exchange: the only shuffle. A map task writes one Arrow IPC file whose record batch *i*
holds partition *i*; a reduce task opens those files and reads batch *i* of each. No other
format, no open sockets: a partition is read by whoever needs it, whenever. Each batch carries its
checksum, so that who reads one partition need not read the others to know that it is whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from corpus.io import shards


def write(path: str, table: pa.Table, partition: np.ndarray, partitions: int) -> None:
    """Write `table` split by `partition` (int, one a row, 0 <= p < partitions); rows keep their
    order within a partition. Empty partitions are empty batches."""
    order = np.argsort(partition, kind="stable")
    bounds = np.searchsorted(partition[order], np.arange(partitions + 1))
    sorted_table = table.take(pa.array(order)).combine_chunks()
    with shards.ShardWriter(path, table.schema, checked=True) as writer:
        for start, end in zip(bounds[:-1], bounds[1:]):
            batches = sorted_table.slice(start, end - start).to_batches()
            writer.write(batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema))


def read(files: Sequence[str], partition: int) -> pa.Table:
    """Partition number `partition` of every file, in the order of the files. Raises DamagedFile."""
    tables = []
    for path in files:
        with shards.open_checked(path) as reader:
            tables.append(pa.Table.from_batches([shards.checked_batch(path, reader, partition)]))
    return pa.concat_tables(tables)
