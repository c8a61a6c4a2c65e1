"""Documents of another corpus, read as the input of a run is; they are none of the run's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corpus.io.paths import Source
from corpus.reading import readers
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import Outputs
from pipelines.maps import passes

READING = ("in", "quarantined", "input_bytes", "lost_bytes")
"""Counters of the map: records, those in quarantine, bytes, and those not readable."""


def sources(patterns: Iterable[str], options: readers.ReadOptions = readers.ReadOptions()) -> list[Source]:
    """The files of another corpus, each once. Raises ValueError or OSError."""
    found = {each.path: each for pattern in patterns for each in readers.expand(pattern, options)[0]}
    return list(found.values())


def read(context: Context, files: list[Source]) -> tuple[list[ShardView], dict[str, Any]]:
    """The documents of some files; figures about what could not be read of these, if there is such:
    `against_not_readable` records, and `against_unread`, the share of records and of bytes."""
    shared = passes.Pass((), (), ".arrow", context.task_bytes, read=context.read)
    units = passes.group_units(readers.split(files, context.read), max(1, context.task_bytes // 4))
    tasks = passes.input_tasks(units, {source.path: source for source in files}, shared, None)
    done = context.map("known-read", read_known, tasks, (shared, context.read))
    total = {name: sum(manifest.counters[name] for manifest in done) for name in READING}
    view = passes.new_view(done, "known_shards")
    if not (total["quarantined"] or total["lost_bytes"]):
        return view, {}
    shares = [total["quarantined"] / max(1, total["in"]), total["lost_bytes"] / max(1, total["input_bytes"])]
    return view, {"against_not_readable": total["quarantined"], "against_unread": shares}


def read_known(argument: passes.Pass, outputs: Outputs) -> dict[str, Any]:
    """Map: documents from files into shards, as the first pass of a run reads them."""
    found = passes.run_pass(argument, outputs)
    quarantined = found["steps"]["read"]["quarantined"]
    return {
        "known_shards": found["shards"],
        "records": found["records"],
        "in": found["steps"]["read"]["documents_in"],
        "quarantined": quarantined,
        "input_bytes": found["input_bytes"],
        "lost_bytes": found["lost"]["bytes"],
    }
