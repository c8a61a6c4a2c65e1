"""Groups: consecutive shards of a view that one task reads, so that small shards share one.

How shards are grouped follows from their sizes alone. Groups begin and end where a corpus that grows by some shards has
the same ones still: they are the largest aligned runs of 1, 2, 4, ... shards that hold no more than the target.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from corpus.views import ShardView
from pipelines.engine import Exclusion, Manifest, Task, task_key

MOST_GROUPS = 4096
"""Tasks of a map over a view above which groups become larger: what such maps exchange costs a read for each."""
LARGEST = 4
"""Times `working_bytes` that a group has at most, however many there are: memory of a task grows with its group."""
SLACK = 8
"""A group may be larger than its target by an eighth: shards end with the document that fills them, so that four of
`task_bytes` are a little more than four times that."""
OTHERS = 1 << 31
"""Keys from which on groups have them that are of another corpus."""
MOST_SHARDS = 1024
"""Shards of a group at most, however small: each costs an open, and tasks are what runs in parallel."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Consecutive shards; `number` is the place of the group in its view."""

    number: int
    shards: tuple[ShardView, ...]

    @property
    def key(self) -> str:
        """The key of a task for it: the number of the first shard, which stays what it is where other groups grow; of
        shards of another corpus, whose numbers are negative, one that no shard of this has."""
        number = self.shards[0].number
        return task_key(number if number >= 0 else OTHERS - number)

    @property
    def text_bytes(self) -> int:
        """Of all its shards, before decisions."""
        return sum(shard.text_bytes for shard in self.shards)

    @property
    def documents(self) -> int:
        """Of all its shards, before decisions."""
        return sum(shard.documents for shard in self.shards)

    def inputs(self) -> tuple[tuple[str, str], ...]:
        """(name, fingerprint) of every file that reading this group depends on."""
        return tuple(each for shard in self.shards for each in shard.inputs())

    def without(self, excluded: Sequence[Exclusion]) -> Group:
        """This group without the rows that a task which reads it leaves out; parts of the task are shards."""
        shards = list(self.shards)
        for number, shard in enumerate(shards):
            rows = [
                (each.first, shard.documents if each.end is None else each.end, each.reason)
                for each in excluded
                if each.part == number
            ]
            shards[number] = shard.without(rows) if rows else shard
        return dataclasses.replace(self, shards=tuple(shards))

    def task(self, argument: Any, inputs: tuple[tuple[str, str], ...] = ()) -> Task:
        """A task that reads the documents of this group, and further inputs."""
        parts = tuple(shard.documents for shard in self.shards)
        return Task(self.key, argument, (*self.inputs(), *inputs), self.text_bytes, parts=parts)


def of_view(view: Sequence[ShardView], working_bytes: int) -> list[Group]:
    """The groups of a view, of a quarter of `working_bytes` of text at most, so that a small corpus has work for
    several processors; or of twice that, four times that, to LARGEST times `working_bytes`, where there would be more
    than MOST_GROUPS."""
    ranges = ranges_of(np.cumsum([0, *(shard.text_bytes for shard in view)]), working_bytes)
    return [Group(number, tuple(view[start:end])) for number, (start, end) in enumerate(ranges)]


def ranges_of(before: np.ndarray, working_bytes: int, times: float = 1) -> list[tuple[int, int]]:
    """(start, end) of the groups of shards, of which `before` are the bytes before each, and in all (int64); `times`:
    how many such corpora there are, one after the other, of which these are the groups of the first."""
    target = max(1, working_bytes // 4)
    most = max(MOST_GROUPS, -(-(len(before) - 1) * times // MOST_SHARDS))
    while True:
        ranges = _ranges(before, target)
        if len(ranges) * times <= most or 2 * target > LARGEST * working_bytes:
            return ranges
        target *= 2


def _ranges(before: np.ndarray, target: int) -> list[tuple[int, int]]:
    """(start, end) of the aligned runs; `before`: bytes before each shard, and in all."""
    shards, found = len(before) - 1, []
    waiting = [(start, MOST_SHARDS) for start in reversed(range(0, shards, MOST_SHARDS))]
    while waiting:
        start, length = waiting.pop()
        end = min(start + length, shards)
        if length == 1 or before[end] - before[start] <= target + target // SLACK:
            found.append((start, end))
        else:
            half = length // 2
            waiting += [(middle, half) for middle in (start + half, start) if middle < shards]
    return found


def group_of(firsts: np.ndarray, shards: np.ndarray) -> np.ndarray:
    """The group (int64) of each shard number; `firsts`: the first shard of each group."""
    return np.searchsorted(firsts, shards, side="right") - 1


def firsts_of(groups: Sequence[Group]) -> np.ndarray:
    """int64: the number of the first shard of each group."""
    return np.array([group.shards[0].number for group in groups], np.int64)


def left_out(groups: Sequence[Group], manifests: Sequence[Manifest]) -> list[Group]:
    """Groups without the documents that a map with a task for each of them has left out."""
    return [group.without(m.excluded) if m.excluded else group for group, m in zip(groups, manifests)]
