"""Tasks that each read one shard of a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corpus.views import ShardView
from pipelines.engine import Exclusion, Manifest, Task


def without_rows(shard: ShardView, excluded: Sequence[Exclusion]) -> ShardView:
    """A shard without the rows that a task which reads it leaves out."""
    return shard.without(
        (each.first, shard.documents if each.end is None else each.end, each.reason) for each in excluded
    )


def shard_task(shard: ShardView, argument: Any, inputs: tuple[tuple[str, str], ...] = ()) -> Task:
    """A task that reads the documents of one shard, and further inputs."""
    return Task(f"{shard.number:05d}", argument, (*shard.inputs(), *inputs), shard.text_bytes, parts=(shard.documents,))


def left_out(shard_views: list[ShardView], manifests: list[Manifest]) -> list[ShardView]:
    """Shards without the documents that a map with a task for each of them has left out."""
    return [without_rows(s, m.excluded) if m.excluded else s for s, m in zip(shard_views, manifests)]
