"""How much memory and time the clusters task takes: `python many_documents.py DOCUMENTS [--mode components]`.

Synthetic edges between documents of which a tenth are in clusters, as verify tasks leave them, in shards of 10,000
documents and groups of 10 shards. Prints the documents, the edges, what was dropped, the seconds and the peak of memory
of a process that does this alone, and how much of it was there before.
"""

import argparse
import pathlib
import resource
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from corpus.documents import ROW_BITS
from corpus.io import shards
from pipelines.engine import Outputs, describe_file
from pipelines.near.clustering import Cluster, cluster
from pipelines.near.verification import EDGE_SCHEMA

SHARD, GROUP = 10_000, 10  # documents of a shard, shards of a group
CLUSTERED = 0.1


def addresses(numbers: np.ndarray) -> np.ndarray:
    """Of documents by their number."""
    return numbers // SHARD << ROW_BITS | numbers % SHARD


def edges_of(group: int, documents: int, size: int) -> pa.Table:
    """Edges whose second document is in a group: clusters of `size` documents that lie far apart, each with an edge
    to all before it."""
    start, end = group * SHARD * GROUP, min((group + 1) * SHARD * GROUP, documents)
    step = documents // size
    numbers = np.arange(start, end)
    numbers = numbers[numbers % step < int(CLUSTERED * step)]
    first, second = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for back in range(1, size):
        earlier = numbers - back * step
        first.append(earlier[earlier >= 0])
        second.append(numbers[earlier >= 0])
    first, second = np.concatenate(first), np.concatenate(second)
    order = np.lexsort((first, second))
    columns = [addresses(first[order]), addresses(second[order]), np.full(len(order), 0.9)]
    return pa.table(columns, schema=EDGE_SCHEMA)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", type=int)
    parser.add_argument("--mode", default="leader")
    parser.add_argument("--cluster", type=int, default=4, help="documents of a cluster")
    given = parser.parse_args()
    count = -(-given.documents // SHARD)
    with tempfile.TemporaryDirectory() as folder:
        files, edges = [], 0
        for group in range(-(-count // GROUP)):
            table = edges_of(group, given.documents, given.cluster)
            edges += table.num_rows
            path = f"{folder}/{group}.arrow"
            shards.write_table(path, table)
            files.append(describe_file(path))
        documents = np.full(count, SHARD)
        firsts = np.arange(0, count, GROUP)
        argument = Cluster(given.mode, 0.8, tuple(files), (), (), documents, firsts, 64 << 20)
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        counters = cluster(argument, Outputs(folder, "00000", "deadbeef"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"{given.documents:,} documents, {edges:,} edges, {counters['figures']['dropped']:,} dropped, "
            f"{given.mode}: "
            f"{time.perf_counter() - started:.1f} s, peak {peak / 1024:,.0f} MiB, of which {before / 1024:,.0f} before"
        )


if __name__ == "__main__":
    main()
