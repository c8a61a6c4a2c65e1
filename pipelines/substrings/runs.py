"""The runs of each group in order (`corpus.dedup.runs`), whichever method has found them, and the documents that have
some."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.dedup import keeping
from corpus.dedup.runs import Columns, columns_of, maximal, table_of
from corpus.io import shards
from pipelines.context import Context
from pipelines.engine import File, Manifest, Outputs, Task
from pipelines.maps import exchange as exchanges
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group

RUNS, SIZES = "runs.arrow", "sizes.arrow"
SIZE_SCHEMA = pa.schema([("address", pa.int64()), ("units", pa.int64())])


class Ordered(NamedTuple):
    """Of a group: its runs (RUN_SCHEMA, in order), and the units of each document that has some (SIZE_SCHEMA); of
    these runs how many distinct windows are first there, and in how many stretches."""

    runs: File
    sizes: File
    classes: int
    stretches: int


def order_map(context: Context, groups: list[Group], sizes: list[File], pieces: Exchange) -> list[Ordered]:
    """A task for each group. sizes: of each group the units of its documents, or of more than have runs."""
    tasks = [
        Task(group.key, (group.number, file), (*pieces.inputs("pieces"), ("sizes", file.hash)))
        for group, file in zip(groups, sizes)
    ]
    return [_ordered(manifest) for manifest in context.map("runs", order, tasks, (), pieces)]


def _ordered(manifest: Manifest) -> Ordered:
    counters = manifest.counters
    return Ordered(manifest.outputs[RUNS], manifest.outputs[SIZES], counters["classes"], counters["stretches"])


def order(argument: tuple[int, File], outputs: Outputs, common: Exchange) -> dict[str, Any]:
    """Pieces of runs of one group, made maximal and put in order."""
    group, file = argument
    runs = maximal(columns_of(exchanges.read(common, group)))
    shards.write_table(outputs.path(RUNS), table_of(*runs))
    sizes = shards.read_table(file.path, file.hash)
    having = np.isin(sizes["address"].to_numpy(), runs[0])
    shards.write_table(outputs.path(SIZES), sizes.filter(pa.array(having)))
    classes, stretches = keeping.classes_in(runs)
    return {"runs": len(runs[0]), "windows": int(runs[2].sum()), "classes": classes, "stretches": stretches}


def read(ordered: Ordered) -> tuple[Columns, np.ndarray]:
    """(The runs of a group, the units of its documents that have some)."""
    runs = columns_of(shards.read_table(ordered.runs.path, ordered.runs.hash))
    return runs, shards.read_table(ordered.sizes.path, ordered.sizes.hash)["units"].to_numpy()
