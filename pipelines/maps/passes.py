"""A fused pass: read input files or a view, apply stages batch by batch, write new shards.

This is the only place where documents are rewritten. A pass is one durable map; a task reads a
few units of input (or some shards of a view) and writes shards of about `task_bytes` of text, what
its stages dropped, and what could not be read.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import filtering, views
from corpus.cleaning.kernels import shared_words
from corpus.documents import DROPPED_SCHEMA, dropped_rows, span, text_bytes
from corpus.io import metered, partitions, paths, shards
from corpus.reading import readers
from corpus.step import Filter
from corpus.views import ShardView
from pipelines.engine import Exclusion, Manifest, Outputs, Task, Unproven, key_order, task_key
from pipelines.maps import groups
from pipelines.maps.groups import Group
from pipelines.maps.sinks import Quarantine, Rows
from pipelines.maps.step_counts import LENGTH_BINS, StepCount, add, length_histogram

MAX_WRITERS = 100
"""Shards that are written at a time, of as many partitions; the one opened first is closed for a further one."""


@dataclasses.dataclass(frozen=True)
class Pass:
    """Argument of one task of a pass. Either `units` (input files, with `read` options and how
    many documents to take of each, None for all) or `group` is given. `names` are the stages' names in the run.
    `excluded` are records that it is not to look at, by unit."""

    stages: tuple[Filter, ...]
    names: tuple[str, ...]
    suffix: str  # ".arrow" between passes, ".parquet" for the documents a run leaves
    task_bytes: int
    units: tuple[readers.Unit, ...] = ()
    limits: tuple[int | None, ...] = ()
    read: readers.ReadOptions | None = None
    group: Group | None = None
    partition_by: str | None = None  # the column by which the documents go to different shards, and which they lose
    excluded: tuple[Exclusion, ...] = ()

    def without(self, excluded: tuple[Exclusion, ...]) -> Pass:
        """This task without some of its records."""
        if self.group is not None:
            return dataclasses.replace(self, group=self.group.without(excluded))
        return dataclasses.replace(self, excluded=excluded)


def run_pass(argument: Pass, outputs: Outputs) -> dict[str, Any]:
    """One task of a pass; see `Pass`. Its counters are {"steps": {name: StepCount}, "skipped",
    "shards": {output: [documents, bytes, folder of the partition]}, "languages", "lengths", "records": of each unit,
    "input_bytes", "lost": {"ranges", "bytes"} that could not be read, "set_aside": documents left out where no step
    could account for them}."""
    work = _Work(argument, outputs)
    metered.divide(1 + len(argument.stages))
    if argument.group is None:
        for number, (unit, limit) in enumerate(zip(argument.units, argument.limits)):
            work.read_unit(unit, limit, [each for each in argument.excluded if each.part == number])
    else:
        for shard in argument.group.shards:
            for reasons, batch in views.read_excluded(shard):
                work.set_aside(batch, reasons)
        for _, _, batch in views.read_all(argument.group.shards):
            work.through_stages(batch)
    return work.finish()


class _Shard:
    """An output that documents are written to."""

    def __init__(self, name: str, path: str, schema: pa.Schema):
        self.name = name
        self.schema = schema
        self._writer = shards.open_writer(path, schema)
        self.rows = shards.Gathered(self._writer.write)

    def close(self) -> None:
        self.rows.flush()
        self._writer.close()


class _Work:
    """The sinks and counts of one task."""

    def __init__(self, argument: Pass, outputs: Outputs):
        self.argument = argument
        self.outputs = outputs
        self.steps: dict[str, StepCount] = {} if argument.group else {"read": StepCount()}
        self.shared = shared_words.plan(argument.stages)
        self.steps.update({name: StepCount() for name in argument.names})
        self.skipped: dict[str, int] = {}
        self.shards: dict[str, list] = {}
        self.writers: dict[str, _Shard] = {}  # of each partition
        self.dropped = Rows(outputs, "dropped.parquet", DROPPED_SCHEMA)
        self.quarantine = Quarantine(outputs)
        self.languages: dict[str, int] = {}
        self.lengths = np.zeros(LENGTH_BINS, np.int64)
        self.records: list[int] = []  # of each unit
        self.input_bytes = self.set_aside_at_the_end = 0

    def read_unit(self, unit: readers.Unit, limit: int | None, excluded: list[Exclusion]) -> None:
        self.input_bytes += unit.bytes
        self.records.append(0)
        if any(each.end is None for each in excluded):  # not even opened
            row = {"source": unit.path, "position": unit.start or 0, "records": 0, "bytes": unit.bytes}
            self.quarantine.add([{**row, "error": excluded[0].reason, "raw": b""}], "read")
            return
        started = time.perf_counter()
        ranges = tuple((each.first, each.end, each.reason) for each in excluded if each.end is not None)
        assert self.argument.read is not None  # units come with it
        for reading in readers.read(unit, self.argument.read, excluded=ranges):
            self.records[-1] += reading.records
            documents = reading.documents
            if limit is not None:
                documents = documents.slice(0, limit)
                limit -= documents.num_rows
            self._count_reading(reading, documents)
            self.steps["read"].seconds += time.perf_counter() - started
            self.through_stages(documents)
            started = time.perf_counter()
            if limit == 0:
                break

    def _count_reading(self, reading: readers.Reading, documents: pa.RecordBatch) -> None:
        """Account for what was read, of which `documents` go on."""
        count = self.steps["read"]
        size = text_bytes(documents.column("text"))
        faulty = sum(row["records"] for row in reading.quarantined)
        count.documents_in += documents.num_rows + len(reading.dropped) + faulty
        count.kept += documents.num_rows
        count.quarantined += faulty
        count.bytes_in += size
        count.bytes_out += size
        for row in reading.dropped:
            add(count.dropped, row["rule"], 1)
        if reading.repaired:
            add(count.counters, "repaired_utf8", reading.repaired)
        for kind, number in reading.skipped.items():
            add(self.skipped, kind, number)
        self.quarantine.add(reading.quarantined, "read")
        self.dropped.write(
            pa.RecordBatch.from_pylist([{**row, "step": "read"} for row in reading.dropped], DROPPED_SCHEMA)
        )

    def set_aside(self, batch: pa.RecordBatch, reasons: list[str]) -> None:
        """Quarantine documents that this task is not to look at."""
        names = self.argument.names
        step = names[0] if names else "documents"
        self.quarantine.add_documents(batch, reasons, step)
        if names:
            self.steps[step].documents_in += batch.num_rows
            self.steps[step].quarantined += batch.num_rows
            self.steps[step].bytes_in += text_bytes(batch.column("text"))
        else:
            self.set_aside_at_the_end += batch.num_rows

    def through_stages(self, batch: pa.RecordBatch) -> None:
        for number, given, outcome, seconds in filtering.in_turn(batch, self.argument.stages, self.shared):
            name = self.argument.names[number]
            count = self.steps[name]
            count.seconds += seconds
            if not filtering.keeps_what_it_says(given, outcome):
                raise Unproven(
                    f"step {name}: the documents that it kept are not those that it was given, without the ones that "
                    f"it dropped, at {span(given)}"
                )
            count.documents_in += given.num_rows
            count.kept += outcome.kept.num_rows
            count.quarantined += len(outcome.faulty)
            count.bytes_in += text_bytes(given.column("text"))
            count.bytes_out += text_bytes(outcome.kept.column("text"))
            for rule in outcome.rules:
                add(count.dropped, rule, 1)
            for counter, number in outcome.counters.items():
                add(count.counters, counter, number)
            if len(outcome.rows):
                self.dropped.write(
                    dropped_rows(given, outcome.rows, name, outcome.rules, outcome.values, outcome.thresholds)
                )
            if outcome.faulty:
                self.quarantine.add_documents(
                    given.take(pa.array(list(outcome.faulty))), list(outcome.faulty.values()), name
                )
            batch = outcome.kept
            metered.part_done()
        if batch.num_rows:
            self._write(shared_words.offer(batch, None))

    def _write(self, batch: pa.RecordBatch) -> None:
        lengths = pc.binary_length(batch.column("text")).to_numpy(zero_copy_only=False).astype(np.int64)
        self.lengths += length_histogram(lengths)
        if "language" in batch.schema.names:
            for value, number in _value_counts(batch.column("language")):
                add(self.languages, value, number)
        column = self.argument.partition_by
        for folder, part in partitions.split(batch, column) if column else [("", batch)]:
            self._write_part(folder, part)

    def _write_part(self, folder: str, batch: pa.RecordBatch) -> None:
        if text_bytes(batch.column("text")) <= self.argument.task_bytes:
            self._write_rows(folder, batch)
            return
        before = pc.cumulative_sum(pc.binary_length(batch.column("text")).cast(pa.int64())).to_numpy()
        start = 0
        while start < batch.num_rows:  # as many rows as fill a shard
            filled = self.argument.task_bytes + (before[start - 1] if start else 0)
            end = min(int(np.searchsorted(before, filled)) + 1, batch.num_rows)
            self._write_rows(folder, batch.slice(start, end - start))
            start = end

    def _write_rows(self, folder: str, batch: pa.RecordBatch) -> None:
        if folder in self.writers and self.writers[folder].schema != batch.schema:
            self._close(folder)  # inputs with other columns
        if folder not in self.writers:
            if len(self.writers) == MAX_WRITERS:
                self._close(next(iter(self.writers)))
            name = f"documents-{len(self.shards):04d}{self.argument.suffix}"
            self.shards[name] = [0, 0, folder]
            self.writers[folder] = _Shard(name, self.outputs.path(name), batch.schema)
        name = self.writers[folder].name
        self.writers[folder].rows.add(batch)
        self.shards[name][0] += batch.num_rows
        self.shards[name][1] += text_bytes(batch.column("text"))
        if self.shards[name][1] >= self.argument.task_bytes:
            self._close(folder)

    def _close(self, folder: str) -> None:
        self.writers.pop(folder).close()

    def finish(self) -> dict[str, Any]:
        for folder in list(self.writers):
            self._close(folder)
        self.dropped.close()
        self.quarantine.close()
        for name, count in self.steps.items():
            count.check(name)
            count.seconds = round(count.seconds, 3)
        last = list(self.steps.values())[-1] if self.steps else None
        written = sum(documents for documents, _, _ in self.shards.values())
        if last is not None and last.kept != written:
            raise Unproven(f"{last.kept} documents kept, {written} written")
        text = sum(size for _, size, _ in self.shards.values())
        if last is not None and last.bytes_out != text:
            raise Unproven(f"{last.bytes_out} bytes of text kept, {text} written")
        dropped = sum(sum(count.dropped.values()) for count in self.steps.values())
        if dropped != self.dropped.rows:
            raise Unproven(f"{dropped} documents dropped, {self.dropped.rows} rows about them")
        return {
            "steps": {name: dataclasses.asdict(count) for name, count in self.steps.items()},
            "skipped": self.skipped,
            "shards": self.shards,
            "languages": self.languages,
            "lengths": self.lengths.tolist(),
            "records": self.records,
            "input_bytes": self.input_bytes,
            "lost": {"ranges": self.quarantine.ranges, "bytes": self.quarantine.bytes},
            "set_aside": self.set_aside_at_the_end,
            "documents": written,
        }


def _value_counts(column: pa.Array) -> Iterator[tuple[str, int]]:
    for item in pc.value_counts(column).to_pylist():
        if item["values"] is not None:
            yield item["values"], item["counts"]


def input_tasks(
    groups: list[list[readers.Unit]], sources: dict[str, paths.Source], argument: Pass, limit: int | None
) -> list[Task]:
    """One task per group of units; `sources` are the files by path, `argument` what all
    tasks share. With `limit`, about that many documents in all, spread evenly over the units."""
    total = sum(len(group) for group in groups)
    tasks, place = [], 0
    for number, group in enumerate(groups):
        limits = tuple(
            None if limit is None else limit // total + (place + i < limit % total) for i in range(len(group))
        )
        place += len(group)
        files = {unit.path: sources[unit.path] for unit in group}
        inputs = tuple((_unit_name(unit), _fingerprint(files[unit.path])) for unit in group)
        task_argument = dataclasses.replace(argument, units=tuple(group), limits=limits)
        weight = sum(unit.bytes for unit in group)
        parts = (None,) * len(group)
        tasks.append(Task(task_key(number), task_argument, inputs, weight, tuple(files.values()), parts))
    return tasks


def _fingerprint(source: paths.Source) -> str:
    return f"{source.size} bytes, mtime {source.mtime_ns}"


def _unit_name(unit: readers.Unit) -> str:
    return unit.path if unit.start is None else f"{unit.path}[{unit.start}:{unit.end}]"


def view_tasks(view: list[ShardView], argument: Pass, working_bytes: int) -> list[Task]:
    """One task for each group of a view's shards, by their size."""
    return [group.task(dataclasses.replace(argument, group=group)) for group in groups.of_view(view, working_bytes)]


def new_view(manifests: list[Manifest], counter: str = "shards") -> list[ShardView]:
    """The shards that a pass wrote, numbered in corpus order; they are counted under that name."""
    written: list[ShardView] = []
    for manifest in manifests:
        counted = manifest.counters[counter]
        for name in sorted(counted, key=key_order):
            documents, size, folder = counted[name]
            file = manifest.outputs[name]
            written.append(ShardView(len(written), file.path, file.hash, documents, size, folder=folder))
    return written


def group_units(units: list[readers.Unit], bytes_per_task: int) -> list[list[readers.Unit]]:
    """Consecutive units together until they reach `bytes_per_task` on disk."""
    groups: list[list[readers.Unit]] = []
    size = 0
    for unit in units:
        if not groups or size + unit.bytes > bytes_per_task:
            groups.append([])
            size = 0
        groups[-1].append(unit)
        size += unit.bytes
    return groups
