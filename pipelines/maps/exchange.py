"""The exchange: the only shuffle. A map task writes one file of partitions, a reduce task reads one partition of every
file. No open sockets: a partition is read by whoever needs it, whenever.

A file is Arrow IPC. Its record batches are pieces of partitions, in the order in which memory ran out and there by
partition; the last batch is empty, and its note says of which partition each piece is. So a file takes what its rows
take, however many partitions there are, and rows of a partition keep their order. Each batch carries its checksum, so
that who reads one partition need not read the others to know that it is whole. With more partitions than MOST_PIECES a
piece holds some neighbours, and a column of it says whose each row is.

Where many files and many partitions would make too many reads, a *combining* map stands between: each of its tasks
reads a range of partitions from some of the files and writes them as one file.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.io import metered, parallel, paths, shards
from corpus.io.paths import DamagedFile
from pipelines.context import Context
from pipelines.engine import Manifest, Outputs, Task, fingerprint_of_files, outputs_named, task_key

MOST_PARTITIONS = 1 << 16
FEW_PARTITIONS = 256
"""Up to so many they are a quarter as large as they may be, so that there is work for several processors."""
MOST_READS = 1 << 18
"""Files times partitions above which a combining map pays: reading costs a request for each, 30 ms and a 2,500,000th of
a dollar on an object store."""
MOST_PIECES = 1 << 10
"""Into how many pieces what is held at a time is divided: smaller ones cost more than the rows in them."""
PARTITION = "partition"
"""The column that says whose a row is, where a piece holds more than one partition."""

FILES_AT_A_TIME = 32
"""Files of a store that a task reads at a time."""
LEAST_HELD = 1 << 16
"""Bytes below which a task does not divide what it reads: each part is a reading of all."""
LEAST_PARTITION = 1 << 10
"""Bytes below which no partition is aimed at."""
LEAST_FILES = 8
"""Files below which there is nothing to be won."""


@dataclasses.dataclass(frozen=True)
class Exchange:
    """What map tasks have written. `ranges`: the files that hold each range of partitions, all of the same length;
    `fingerprint`: of all that it holds; `rows` and `bytes` of those, in memory."""

    ranges: tuple[tuple[str, ...], ...]
    partitions: int
    fingerprint: str
    rows: int
    bytes: int

    def files(self, partition: int) -> tuple[str, ...]:
        """Those that may hold a partition: range r begins with partition floor(partitions * r / ranges)."""
        return self.ranges[((partition + 1) * len(self.ranges) - 1) // self.partitions]

    def inputs(self, name: str) -> tuple[tuple[str, str], ...]:
        """What a task says that reads it."""
        return ((name, self.fingerprint),)

    def weight(self) -> int:
        """Bytes that a partition has, about."""
        return self.bytes // self.partitions

    def splits(self, working_bytes: int) -> int:
        """Into how many parts, a power of two, a task has to divide what it reads, by key, to hold no more than
        `working_bytes` of it at a time: where there is more than was expected."""
        return power_of_two(self.weight() / max(working_bytes, LEAST_HELD))


def power_of_two(least: float) -> int:
    """The smallest power of two that is no less, and 1 at least."""
    result = 1
    while result < least:
        result *= 2
    return result


def partitions_for(expected: int, working_bytes: int) -> int:
    """Into how many partitions, a power of two, so many bytes go: so that one fits a task. From the data alone, and
    the same for a little more of them."""
    working_bytes = max(working_bytes, LEAST_PARTITION)
    few = power_of_two(4 * expected / working_bytes)
    return min(few, max(FEW_PARTITIONS, power_of_two(expected / working_bytes)), MOST_PARTITIONS)


class Writer:
    """Writes a file of an exchange that has so many partitions; holds at most `hold` bytes of rows, beside those that
    it is given. A context manager. `rows` and `bytes` of what it was given."""

    def __init__(self, path: str, schema: pa.Schema, hold: int, partitions: int):
        self.hold = hold
        self.rows = self.bytes = 0
        self._width = power_of_two(partitions / MOST_PIECES)
        self._schema = schema.append(pa.field(PARTITION, pa.int32())) if self._width > 1 else schema
        self._file = shards.ShardWriter(path, self._schema, checked=True)
        self._waiting: list[pa.Table] = []
        self._of: list[np.ndarray] = []
        self._held = 0
        self._pieces: list[int] = []

    def add(self, table: pa.Table, partition: np.ndarray) -> None:
        """Add rows, each to its partition (int, one a row)."""
        if not table.num_rows:
            return
        self.rows += table.num_rows
        self.bytes += table.nbytes
        self._waiting.append(table)
        self._of.append(partition)
        self._held += table.nbytes
        if self._held >= self.hold:
            self._spill()

    def _spill(self) -> None:
        if not self._waiting:
            return
        table, partition = pa.concat_tables(self._waiting), np.concatenate(self._of)
        self._waiting, self._of, self._held = [], [], 0
        if self._width > 1:
            table = table.append_column(PARTITION, pa.array(partition, pa.int32()))
        table = table.cast(self._schema).combine_chunks()
        order = np.argsort(partition, kind="stable")
        present, first = np.unique(partition[order] // self._width, return_index=True)
        for number, start, end in zip(present.tolist(), first.tolist(), [*first[1:].tolist(), len(order)]):
            (piece,) = table.take(pa.array(order[start:end])).combine_chunks().to_batches()
            self._file.write(piece)
            self._pieces.append(number)

    def counters(self) -> dict[str, int]:
        """For the counters of the task."""
        return {"rows": self.rows, "bytes": self.bytes}

    def close(self) -> None:
        """Complete the file."""
        self._spill()
        index = np.array([self._width, *self._pieces], "<i4").tobytes()
        self._file.write(pa.RecordBatch.from_pylist([], self._schema), note=index)
        self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.__exit__(kind)


class _File:
    """An open file of an exchange: piece i holds partitions `numbers[i] * width` to that of the next number."""

    def __init__(self, path: str, reader: pa.ipc.RecordBatchFileReader):
        self.path, self.reader = path, reader
        _, note = shards.noted_batch(path, reader, reader.num_record_batches - 1)
        index = np.frombuffer(note, "<i4")
        if len(index) != reader.num_record_batches:  # a damaged footer lists others
            raise DamagedFile(path, "its index is not at its end")
        self.schema = pa.schema([field for field in reader.schema if field.name != PARTITION])
        self.width, self.numbers = int(index[0]), index[1:]

    def pieces(self, start: int, end: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """The rows of partitions from `start` to before `end`, in the order in which they came, and whose each is."""
        for index in np.flatnonzero((self.numbers >= start // self.width) & (self.numbers * self.width < end)).tolist():
            piece = shards.checked_batch(self.path, self.reader, index)
            metered.add(piece.nbytes)
            if self.width == 1:
                yield piece, np.full(piece.num_rows, self.numbers[index])
            else:
                partition = piece[PARTITION].to_numpy()
                here = (partition >= start) & (partition < end)
                if here.any():
                    yield piece.select(self.schema.names).filter(pa.array(here)), partition[here]


@contextlib.contextmanager
def _opened(path: str) -> Iterator[_File]:
    with shards.open_checked(path) as reader:
        yield _File(path, reader)


def pieces(exchange: Exchange, partition: int) -> Iterator[pa.RecordBatch]:
    """A partition, piece by piece, in the order of the tasks that wrote it. Raises DamagedFile."""
    for _, piece in _pieces(exchange, partition):
        yield from piece


def read(exchange: Exchange, partition: int, chosen: Callable[[pa.RecordBatch], np.ndarray] | None = None) -> pa.Table:
    """The rows of a partition, or those of each piece that `chosen` (bool[rows]) names, in the order of the tasks that
    wrote them. Raises DamagedFile."""
    found, schema = [], None
    for each, some in _pieces(exchange, partition):
        schema = each
        found += [piece if chosen is None else piece.filter(pa.array(chosen(piece))) for piece in some]
    return pa.Table.from_batches(found, schema)


def rows_of(path: str) -> Iterator[pa.RecordBatch]:
    """All that a file of an exchange holds, piece by piece. Raises DamagedFile."""
    with _opened(path) as file:
        for piece, _ in file.pieces(0, MOST_PARTITIONS * file.width):
            yield piece


def _pieces(exchange: Exchange, partition: int) -> Iterator[tuple[pa.Schema, Iterable[pa.RecordBatch]]]:
    """Of each file in turn the schema, and what it has of a partition; of files in a store some at a time, for what
    these cost is waiting."""
    names = exchange.files(partition)
    if names and paths.is_local(names[0]):
        for name in names:
            with _opened(name) as file:
                yield file.schema, (piece for piece, _ in file.pieces(partition, partition + 1))
        return

    def fetched(name: str) -> tuple[pa.Schema, Iterable[pa.RecordBatch]]:
        with _opened(name) as file:
            return file.schema, [piece for piece, _ in file.pieces(partition, partition + 1)]

    for start in range(0, len(names), FILES_AT_A_TIME):
        yield from parallel.each(fetched, names[start : start + FILES_AT_A_TIME], names[0])


class Combining(NamedTuple):
    """A combining map: each of its tasks reads one of `ranges` ranges of partitions from `together` files, which are
    one of `groups` groups."""

    together: int
    groups: int
    ranges: int


def combining(files: int, partitions: int) -> Combining | None:
    """The one for so many files, or None where it is not worth it."""
    if files * partitions <= MOST_READS or files < LEAST_FILES:
        return None
    together = power_of_two(files**0.5)
    return Combining(together, -(-files // together), min(partitions, power_of_two(partitions**0.5)))


def openings(files: int, partitions: int) -> int:
    """How often files are opened until all partitions have been read."""
    way = combining(files, partitions)
    return files * partitions if way is None else files * way.ranges + way.groups * partitions


def gather(context: Context, what: str, mapped: Sequence[Manifest], output: str, partitions: int) -> Exchange:
    """What a map has exchanged: its outputs called `output`, whose counters stand under that name in its manifests.
    With so many of them, and of partitions, that reading all would cost too much, combined."""
    made = of_map(mapped, output, partitions)
    if (way := combining(len(made.ranges[0]), partitions)) is None:
        return made
    together, groups, ranges = way
    inputs, weight = made.inputs("exchange"), made.bytes // (groups * ranges)
    arguments = [Combine(number, group, together, ranges) for number in range(ranges) for group in range(groups)]
    tasks = [Task(task_key(number), argument, inputs, weight) for number, argument in enumerate(arguments)]
    settings = (partitions, context.working_bytes)
    combined = context.map(f"{what}-combine", combine, tasks, settings, (made, context.working_bytes))
    named = outputs_named(combined, "combined.arrow")
    by_range = tuple(tuple(file.path for file in named[i * groups : (i + 1) * groups]) for i in range(ranges))
    return dataclasses.replace(made, ranges=by_range)


def of_map(mapped: Sequence[Manifest], output: str, partitions: int) -> Exchange:
    """What a map has exchanged, as its tasks wrote it."""
    files = outputs_named(mapped, output)
    counters = [manifest.counters[output] for manifest in mapped if output in manifest.outputs]
    return Exchange(
        (tuple(file.path for file in files),),
        partitions,
        fingerprint_of_files(files),
        sum(each["rows"] for each in counters),
        sum(each["bytes"] for each in counters),
    )


@dataclasses.dataclass(frozen=True)
class Combine:
    """Argument of a combining task: range number `range` of `ranges`, from the `files` files with which its group
    begins."""

    range: int
    group: int
    files: int
    ranges: int


def combine(argument: Combine, outputs: Outputs, common: tuple[Exchange, int]) -> dict[str, Any]:
    """Some files' rows of a range of partitions, as one file."""
    exchange, hold = common
    start, end = (exchange.partitions * number // argument.ranges for number in (argument.range, argument.range + 1))
    first = argument.group * argument.files
    writer: Writer | None = None
    for path in exchange.ranges[0][first : first + argument.files]:
        with _opened(path) as file:
            writer = writer or Writer(outputs.path("combined.arrow"), file.schema, hold, end - start)
            for piece, partition in file.pieces(start, end):
                writer.add(pa.Table.from_batches([piece]), partition)
    assert writer is not None  # a group has files
    writer.close()
    return {"combined.arrow": writer.counters()}
