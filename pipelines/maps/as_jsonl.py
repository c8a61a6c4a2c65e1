"""Documents as JSON lines, for tools that read those: a file beside every shard of documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import zstandard

from corpus import views
from corpus.io import paths
from corpus.reading import records
from corpus.views import ShardView
from pipelines.engine import Engine, File, Outputs, Task
from pipelines.maps import groups
from pipelines.maps.groups import Group

SUFFIX = ".jsonl.zst"


def write(engine: Engine, step: str, view: list[ShardView], working_bytes: int) -> dict[str, File]:
    """One map: the file of each shard of a view, by the path of the shard."""
    together = groups.of_view(view, working_bytes)
    # no record is at fault here that was read and written before: none is set aside
    whole = (group.task(group) for group in together)
    tasks = [Task(task.key, task.argument, task.inputs, task.weight) for task in whole]
    manifests = engine.map(step, write_group, tasks, (SUFFIX,))
    shards = [shard for group in together for shard in group.shards]
    files = [manifest.outputs[name] for manifest in manifests for name in sorted(manifest.outputs)]
    return {shard.path: file for shard, file in zip(shards, files)}


def write_group(group: Group, outputs: Outputs) -> dict[str, Any]:
    """One task: a file for each shard of a group."""
    documents = 0
    for number, shard in enumerate(group.shards):
        with (
            paths.open_output(outputs.path(f"documents-{number:04d}{SUFFIX}")) as sink,
            zstandard.ZstdCompressor(write_checksum=True).stream_writer(sink, closefd=False) as file,
        ):
            for line in _lines(shard):
                file.write(line)
                documents += 1
    return {"documents": documents}


def _lines(shard: ShardView) -> Iterator[bytes]:
    """Its documents, without columns that are null, and `metadata` as the object that it is."""
    for _, batch in views.read(shard):
        for start in range(0, batch.num_rows, records.BATCH_ROWS):
            for row in batch.slice(start, records.BATCH_ROWS).to_pylist():
                found = {name: value for name, value in row.items() if value is not None}
                if "metadata" in found:
                    found["metadata"] = _parsed(found["metadata"])
                yield records.canonical(found).encode() + b"\n"


def _parsed(metadata: Any) -> Any:
    """The object that a string stands for, where reading it makes that string again."""
    try:
        found = json.loads(metadata)
    except (ValueError, TypeError, RecursionError):
        return metadata
    return found if isinstance(found, dict) and records.canonical(found) == metadata else metadata
