"""Runs of repeated windows by suffix arrays of parts (`corpus.dedup.suffix_parts`), the check of `windows`, and the
choice for short windows.

units: of every group the units of its documents, into a file beside it. order: a task for each part, some groups in a
row: its text and its order, into files that are mapped by who reads them. merge: a task for each range of windows reads
that range of all parts; where windows stand twice, into an exchange by *block*, some text of one part. pieces: a task
for each block makes runs of these, to the group in which they are. On disk that takes 6 bytes for each byte of text and
24 for each repeated window, in memory 6 bytes for each byte of a part, and 24 for each window of a block.
"""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import suffix_parts
from corpus.dedup.runs import RUN_SCHEMA, table_of
from corpus.dedup.suffix_parts import BYTES_A_BYTE, MAX_BYTES, PADDING, PART_BITS, Part
from corpus.dedup.units import WIDTH, Unit, units_of
from corpus.documents import address, at_hand
from corpus.io import paths, shards
from pipelines.context import Context
from pipelines.engine import Exclusion, File, Limits, Manifest, Outputs, Task, TaskFailed, fingerprint, task_key
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.substrings.windows import PIECES, SIZE_SCHEMA, SIZES, Found, Windows, found_of

UNITS, TEXT, ORDER, SAMPLES, FOUND = "units.bin", "text.bin", "order.bin", "samples.arrow", "found.arrow"
SAMPLE_SCHEMA = pa.schema([("window", pa.binary())])
FOUND_SCHEMA = pa.schema([("position", pa.int64()), ("first", pa.int64()), ("first_start", pa.int64())])
"""Where a window begins in its part, bytes; the document (address) of its first occurrence, and where in it, units."""

PART = 4
"""Times `working_bytes` that a part has at most, but where one group has more."""
MOST_PARTS = 1 << 10
"""Parts that a merge reads together."""
MOST_RANGES = 1 << 10
SAMPLES_A_RANGE = 64
"""Of windows, by which ranges are made about as large as each other."""
FOUND_BYTES = 24
"""Of a window in the exchange."""
ADVICE = "take method: windows"
MOST_BYTES = {"bytes": 1, "characters": 4, "words": 4}
"""Bytes of units for each byte of text, at most: a word of eight has a byte at least, and white space after it."""


class Settings(NamedTuple):
    """What matters of a step."""

    min_length: int
    unit: Unit
    min_count: int

    @property
    def width(self) -> int:
        """Bytes of a unit."""
        return np.dtype(WIDTH[self.unit]).itemsize

    @property
    def size(self) -> int:
        """Bytes of a window."""
        return self.min_length * self.width


@dataclasses.dataclass(frozen=True)
class Read:
    """Argument of a task that reads a group."""

    group: Group

    def without(self, excluded: tuple[Exclusion, ...]) -> Read:
        """This task without some of its documents."""
        return Read(self.group.without(excluded))


class Made(NamedTuple):
    """A part: its text (with padding) and order, and of each of its groups which documents (SIZE_SCHEMA) the text has;
    `blocks`: the number of its first block."""

    text: File
    order: File
    sizes: tuple[File, ...]
    blocks: int


class Range(NamedTuple):
    """Argument of a merging task: the windows from `start` to before `stop`; None: from the first on, to the last."""

    start: bytes | None
    stop: bytes | None

    def input(self) -> tuple[str, str]:
        """What a task says that merges it."""
        return "range", fingerprint([window and window.hex() for window in self])


class Merging(NamedTuple):
    """What the tasks after parts are made share: bytes of text in a block, and how many blocks there are; `exchange`,
    `firsts`: of windows by block, and the first shard of each group, for those that make runs."""

    settings: Settings
    parts: tuple[Made, ...]
    block: int
    blocks: int
    hold: int
    exchange: Exchange | None = None
    firsts: np.ndarray | None = None


def parts_of(sizes: Sequence[int], unit: Unit, working_bytes: int) -> list[tuple[int, int]]:
    """(start, end) of the groups of each part, by the bytes of text of each group. Raises ValueError, with the sizes,
    for what this method cannot do: before any of its maps."""
    _check_largest(max(sizes, default=0), unit, "working_bytes")
    found, start, held = [], 0, 0
    for number, size in enumerate(MOST_BYTES[unit] * size for size in sizes):
        if number > start and held + size > _most(working_bytes):
            found.append((start, number))
            start, held = number, 0
        held += size
    found += [(start, len(sizes))] if sizes else []
    _check_number(len(found), sum(sizes), unit, working_bytes)
    return found


def check_run(output: str, text: int, unit: Unit, task_bytes: int, working_bytes: int) -> None:
    """Raises ValueError, with the sizes, for a run that this method cannot do: as `parts_of`, by how much text there is
    about, before any work; and into a directory that is on no filesystem, for its files cannot be mapped."""
    if paths.local_path(output) is None:
        raise ValueError(f"method suffix_array maps files, and {output} is in a store; {ADVICE}")
    _check_largest(min(text, task_bytes), unit, "task_bytes")
    _check_number(-(-MOST_BYTES[unit] * text // _most(working_bytes)), text, unit, working_bytes)


def _most(working_bytes: int) -> int:
    """Bytes of units of a part."""
    return min(PART * working_bytes, MAX_BYTES)


def _check_largest(text: int, unit: Unit, option: str) -> None:
    if (size := MOST_BYTES[unit] * text) > MAX_BYTES:
        raise ValueError(
            f"method suffix_array: {text:,} bytes of text that one task reads are up to {size:,} bytes of {unit}, and "
            f"a suffix array has {MAX_BYTES:,} at most; {ADVICE}, or smaller {option}"
        )


def _check_number(parts: int, text: int, unit: Unit, working_bytes: int) -> None:
    if parts > MOST_PARTS:
        raise ValueError(
            f"method suffix_array: {text:,} bytes of text are {parts:,} parts of {_most(working_bytes):,} bytes of "
            f"{unit}, of which {MOST_PARTS:,} can be merged; {ADVICE}, or larger working_bytes (a task takes "
            f"{PART * BYTES_A_BYTE} times as much memory)"
        )


def find(context: Context, step: Windows, groups: list[Group]) -> Found:
    """As `windows.find`. Raises TaskFailed for what this method cannot do."""
    settings, hold = Settings(step.min_length, step.unit, step.min_count), context.working_bytes
    try:
        parts = parts_of([group.text_bytes for group in groups], step.unit, hold)
    except ValueError as error:
        raise TaskFailed(str(error)) from None
    tasks = [group.task(Read(group)) for group in groups]
    mapped = context.map("units", write_units, tasks, settings, settings)
    nothing = found_of(groups, mapped)
    groups = nothing.groups
    total = sum(manifest.outputs[UNITS].bytes for manifest in mapped)
    if not total:
        return nothing
    merging, ranges = _order(context, settings, parts, mapped, total)
    inputs = tuple((f"part {i}", file.hash) for i, made in enumerate(merging.parts) for file in (made.text, made.order))
    weight = 5 * total // len(ranges)
    tasks = [Task(task_key(i), each, (*inputs, each.input()), weight) for i, each in enumerate(ranges)]
    merged = context.map("merge", merge, tasks, (settings, merging.block, hold), merging)
    found = exchanges.gather(context, "merge", merged, FOUND, merging.blocks)
    if not found.rows:
        return nothing
    firsts = grouping.firsts_of(groups)
    merging = merging._replace(exchange=found, firsts=firsts)
    shared = (*found.inputs("found"), ("groups", fingerprint(firsts.tolist())), *inputs)
    tasks = [Task(task_key(block), block, shared, found.weight()) for block in range(merging.blocks)]
    made = context.map("pieces", make_pieces, tasks, (settings, merging.block, hold), merging)
    return nothing._replace(pieces=exchanges.gather(context, "pieces", made, PIECES, len(groups)))


def _order(
    context: Context, settings: Settings, parts: list[tuple[int, int]], mapped: list[Manifest], total: int
) -> tuple[Merging, list[Range]]:
    """Run the map of orders: (the parts, the ranges)."""
    hold = context.working_bytes
    wanted = min(exchanges.power_of_two(total / settings.width / hold), MOST_RANGES)
    every = max(1, total // settings.width // wanted // SAMPLES_A_RANGE)
    tasks = []
    for number, (start, end) in enumerate(parts):
        files = tuple((m.outputs[UNITS], m.outputs[SIZES]) for m in mapped[start:end])
        inputs = tuple((f"units {i}", file.hash) for i, pair in enumerate(files) for file in pair)
        size = sum(units.bytes for units, _ in files)
        tasks.append(Task(task_key(number), files, inputs, size, extra=Limits(0.0, BYTES_A_BYTE * size)))
    ordered = context.map("order", order, tasks, (settings, every), (settings, every))
    block = _block(total, hold, settings.width)
    made, blocks = [], 0
    for (start, end), manifest in zip(parts, ordered):
        text, sizes = manifest.outputs[TEXT], tuple(m.outputs[SIZES] for m in mapped[start:end])
        made.append(Made(text, manifest.outputs[ORDER], sizes, blocks))
        blocks += -(-(text.bytes - PADDING) // block)
    samples = [window for manifest in ordered for window in _samples(manifest.outputs[SAMPLES])]
    bounds = [None, *suffix_parts.splitters(samples, wanted), None]
    return Merging(settings, tuple(made), block, blocks, hold), [Range(*pair) for pair in zip(bounds, bounds[1:])]


def _samples(file: File) -> list[bytes]:
    windows: list[bytes] = shards.read_table(file.path, file.hash)["window"].to_pylist()
    return windows


def _block(total: int, hold: int, width: int) -> int:
    """Bytes of text in a block: whole units, whose windows are no more than `hold` in an exchange, if all are repeated;
    more where that would be more partitions than there can be."""
    fitting = exchanges.power_of_two(hold / FOUND_BYTES) * width
    return max(fitting, exchanges.power_of_two(2 * total / exchanges.MOST_PARTITIONS), 8)


def write_units(argument: Read, outputs: Outputs, common: Settings) -> dict[str, Any]:
    """Map: the units of the documents of a group that have a window, one after the other."""
    sizes, count = [SIZE_SCHEMA.empty_table()], 0
    with paths.open_output(outputs.path(UNITS)) as file:
        for shard, rows, batch in views.read_all(argument.group.shards):
            with at_hand(batch):
                units = units_of(batch.column("text"), common.unit)
            lengths, count = np.diff(units.offsets), count + int(units.offsets[-1])
            long = lengths >= common.min_length
            for start, end in _stretches(long):
                file.write(np.ascontiguousarray(units.values[units.offsets[start] : units.offsets[end]]).data)
            sizes.append(pa.table([address(shard.number, rows)[long], lengths[long]], schema=SIZE_SCHEMA))
    table = pa.concat_tables(sizes)
    shards.write_table(outputs.path(SIZES), table)
    return {"documents": table.num_rows, "units": count}


def _stretches(chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    """(start, end) of those that are chosen, one after the other."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist())


def order(argument: tuple[tuple[File, File], ...], outputs: Outputs, common: tuple[Settings, int]) -> dict[str, Any]:
    """Map: the text and the order of a part, and of about one of so many windows a sample."""
    settings, every = common
    text = np.concatenate([_mapped(units, np.uint8) for units, _ in argument])
    _, ends = _documents([sizes for _, sizes in argument], settings.width)
    if (ends[-1] if len(ends) else 0) != len(text):
        raise paths.DamagedFile(argument[0][0].path, "it has not the units that it should have")
    part = Part(text, suffix_parts.ordered(text, ends, settings.size, settings.width))
    windows = suffix_parts.sample(part, settings.size, every)
    shards.write_table(outputs.path(SAMPLES), pa.table([pa.array(windows, pa.binary())], schema=SAMPLE_SCHEMA))
    for name, arrays in ((TEXT, (text, np.zeros(PADDING, np.uint8))), (ORDER, (part.order,))):
        with paths.open_output(outputs.path(name)) as file:
            for array in arrays:
                file.write(array.data)
    return {"windows": len(part.order)}


def _mapped(file: File, dtype: type[np.generic]) -> np.ndarray:
    """A file as an array that is mapped. Raises DamagedFile."""
    path = paths.local_path(file.path)
    if path is None or paths.size(path) != file.bytes:
        raise paths.DamagedFile(file.path, f"it has not its {file.bytes:,} bytes")
    if not file.bytes:
        return np.empty(0, dtype)
    with open(path, "rb") as opened:
        return np.frombuffer(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ), dtype)


def _documents(sizes: Sequence[File], width: int) -> tuple[np.ndarray, np.ndarray]:
    """(addresses, ends in bytes), int64, of the documents of a part."""
    tables = [shards.read_table(file.path, file.hash) for file in sizes]
    addresses, units = (np.concatenate([table[name].to_numpy() for table in tables]) for name in SIZE_SCHEMA.names)
    return addresses, np.cumsum(units, dtype=np.int64) * width


def merge(argument: Range, outputs: Outputs, common: Merging) -> dict[str, Any]:
    """Map: where the repeated windows of a range stand, and where each stands first, by block."""
    size, width = common.settings.size, common.settings.width
    parts = [Part(_mapped(made.text, np.uint8), _mapped(made.order, np.int32)) for made in common.parts]
    starts = [0 if argument.start is None else suffix_parts.place_of(part, argument.start) for part in parts]
    stops = [len(p.order) if argument.stop is None else suffix_parts.place_of(p, argument.stop) for p in parts]
    documents = [_documents(made.sizes, width) for made in common.parts]
    first_blocks = np.array([made.blocks for made in common.parts])
    windows = 0
    with exchanges.Writer(outputs.path(FOUND), FOUND_SCHEMA, common.hold, common.blocks) as writer:
        for places, first in suffix_parts.merged(parts, starts, stops, size, common.settings.min_count):
            positions = places & ((1 << PART_BITS) - 1)
            table = pa.table([positions, *suffix_parts.located(first, documents, width)], schema=FOUND_SCHEMA)
            writer.add(table, first_blocks[places >> PART_BITS] + positions // common.block)
            windows += len(places)
    return {"windows": windows, FOUND: writer.counters()}


def make_pieces(block: int, outputs: Outputs, common: Merging) -> dict[str, Any]:
    """Reduce: the repeated windows of a block, as pieces of runs, to the groups in which they are."""
    assert common.exchange is not None and common.firsts is not None
    found = exchanges.read(common.exchange, block)
    with exchanges.Writer(outputs.path(PIECES), RUN_SCHEMA, common.hold, len(common.firsts)) as writer:
        if found.num_rows:
            width = common.settings.width
            part = [made.blocks <= block for made in common.parts].count(True) - 1
            documents = _documents(common.parts[part].sizes, width)
            positions, first, first_start = (found[name].to_numpy() for name in FOUND_SCHEMA.names)
            settings = common.settings
            runs = suffix_parts.runs_of(positions, first, first_start, documents, settings.min_length, width)
            table = table_of(*runs)
            writer.add(table, grouping.group_of(common.firsts, table["shard"].to_numpy()))
    return {PIECES: writer.counters()}
