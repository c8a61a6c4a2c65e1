"""Runs of repeated windows without a suffix array (`corpus.dedup.windows`), by exchange.

chains: every group's, into a file beside it; their keys go into an exchange, once for each group, twelve bytes each.
repeated: keys of two groups, or twice in one, go back to the groups that have them. gather: the units of chains
with such keys, `min_length` - 1 more than they have windows, go into an exchange by key. equal: pieces of runs, to the
group in which they are. So what is exchanged of a text without repeats is its keys, and of repeated text a few times
what it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import windows
from corpus.dedup.runs import RUN_SCHEMA, table_of
from corpus.dedup.units import WIDTH, Unit, Units, units_of
from corpus.documents import address, at_hand
from corpus.io import shards
from corpus.text import arrow
from pipelines.context import Context
from pipelines.engine import Exclusion, File, Manifest, Outputs, Task, describe_file, fingerprint, task_key
from pipelines.maps import exchange as exchanges
from pipelines.maps import groups as grouping
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group
from pipelines.maps.sidecars import END, read_sidecar

KEY_BYTES = 13
"""Of a key in the exchange: itself, its group, whether it stands there twice."""
GATHERED = 1 << 23
"""Bytes of units that are gathered at a time."""

KEYS, CHAINS, SIZES, WANTED, UNITS, PIECES = (
    f"{name}.arrow" for name in ("keys", "chains", "sizes", "wanted", "units", "pieces")
)
KEY_SCHEMA = pa.schema([("key", pa.uint64()), ("group", pa.int32()), ("twice", pa.bool_())])
CHAIN_SCHEMA = pa.schema([("length", pa.uint32()), ("key", pa.uint64())])
"""Of a batch of documents its chains, which are all of its windows, one after the other."""
SIZE_SCHEMA = pa.schema([("address", pa.int64()), ("units", pa.int64())])
"""Of documents that have a window."""
WANTED_SCHEMA = pa.schema([("key", pa.uint64())])
UNITS_SCHEMA = pa.schema(
    [("key", pa.uint64()), ("address", pa.int64()), ("start", pa.int64()), ("units", pa.large_binary())]
)


class Windows(Protocol):
    """The options that matter here."""

    @property
    def min_length(self) -> int:
        """Units of a window."""

    @property
    def unit(self) -> Unit:
        """What is compared."""

    @property
    def tokenizer(self) -> str:
        """The folder of it, where tokens are."""

    def inputs(self) -> Sequence[str]:
        """Files that are read beside documents."""

    @property
    def min_count(self) -> int:
        """How often a repeated window occurs at least."""


@dataclasses.dataclass(frozen=True)
class Scan:
    """Argument of a task that reads a group."""

    group: Group
    chains: File | None = None

    def without(self, excluded: tuple[Exclusion, ...]) -> Scan:
        """This task without some of its documents."""
        return dataclasses.replace(self, group=self.group.without(excluded))


class Scanning(NamedTuple):
    """What tasks that read a group share; `wanted`: an exchange of keys, a partition for each group."""

    step: Windows
    partitions: int
    hold: int
    wanted: Exchange | None = None


class Reducing(NamedTuple):
    """What tasks that read a partition share: the exchange, in how many splits each is read; to which groups, by their
    first shards, what they find goes."""

    step: Windows
    exchange: Exchange
    splits: int
    firsts: np.ndarray
    hold: int


class Found(NamedTuple):
    """What either method finds: the groups, without documents that a map fails at; of each how many units it has, and
    the units of its documents that have a window (SIZE_SCHEMA); pieces of runs, a partition for each group, or None
    where there are none."""

    groups: list[Group]
    units: list[int]
    sizes: list[File]
    pieces: Exchange | None


def find(context: Context, step: Windows, groups: list[Group]) -> Found:
    """The maps, in order."""
    hold = context.working_bytes
    text = sum(group.text_bytes for group in groups)
    width = step.min_length - windows.part_of(step.min_length) + 1
    partitions = exchanges.partitions_for(2 * KEY_BYTES * text // (width + 1), hold)
    settings = (_settings(step), hold)
    prints = tuple((path, describe_file(path).hash) for path in step.inputs())
    tasks = [group.task(Scan(group), prints) for group in groups]
    mapped = context.map("chains", emit_keys, tasks, (*settings, partitions), Scanning(step, partitions, hold))
    nothing = found_of(groups, mapped)
    groups = nothing.groups
    firsts = grouping.firsts_of(groups)
    reduced = _reduce(context, "repeated", find_repeated, mapped, KEYS, partitions, step, firsts)
    wanted = exchanges.gather(context, "repeated", reduced, WANTED, len(groups)) if reduced else None
    if wanted is None or not wanted.rows:
        return nothing
    partitions = exchanges.partitions_for(text, hold)
    tasks = [
        Task(
            group.key,
            Scan(group, m.outputs[CHAINS]),
            (*group.inputs(), *prints, *wanted.inputs("wanted"), ("chains", m.outputs[CHAINS].hash)),
            group.text_bytes,
        )
        for group, m in zip(groups, mapped)
    ]
    scanning = Scanning(step, partitions, hold, wanted)
    gathered = context.map("gather", gather_units, tasks, (*settings, partitions), scanning)
    found = _reduce(context, "equal", find_equal, gathered, UNITS, partitions, step, firsts)
    return nothing._replace(pieces=exchanges.gather(context, "equal", found, PIECES, len(groups))) if found else nothing


def found_of(groups: list[Group], mapped: list[Manifest]) -> Found:
    """What the first map of a method says of the groups, without pieces."""
    units, sizes = [m.counters["units"] for m in mapped], [m.outputs[SIZES] for m in mapped]
    return Found(grouping.left_out(groups, mapped), units, sizes, None)


class _Settings(NamedTuple):
    min_length: int
    unit: Unit
    tokenizer: str
    min_count: int


def _reduce(
    context: Context,
    what: str,
    function: Any,
    mapped: list[Manifest],
    output: str,
    partitions: int,
    step: Windows,
    firsts: np.ndarray,
) -> list[Manifest]:
    """A task for each partition of what a map has exchanged."""
    if not any(output in manifest.outputs for manifest in mapped):
        return []
    exchange = exchanges.gather(context, what + "-in", mapped, output, partitions)
    splits = exchange.splits(context.working_bytes)
    inputs = (*exchange.inputs(output), ("groups", fingerprint(firsts.tolist())))
    tasks = [Task(task_key(i), i, inputs, exchange.weight()) for i in range(partitions)]
    common = Reducing(step, exchange, splits, firsts, context.working_bytes)
    return context.map(what, function, tasks, (_settings(step), partitions, splits, context.working_bytes), common)


def _settings(step: Windows) -> _Settings:
    return _Settings(step.min_length, step.unit, step.tokenizer, step.min_count)


def _partition(keys: np.ndarray, partitions: int) -> np.ndarray:
    """uint16 or int64: by the highest bits, so that keys in order are partitions in order."""
    bits = partitions.bit_length() - 1
    found = keys >> np.uint64(64 - bits) if bits else np.zeros(len(keys), np.uint64)
    return found.astype(np.uint16 if partitions <= 1 << 16 else np.int64)


def _documents(group: Group, step: Windows) -> Iterator[tuple[np.ndarray, Units]]:
    """The documents of a group, batch by batch: their addresses, and their units."""
    for shard, rows, batch in views.read_all(group.shards):
        with at_hand(batch):
            units = units_of(batch.column("text"), step.unit, step.tokenizer)
        yield address(shard.number, rows), units


def emit_keys(argument: Scan, outputs: Outputs, common: Scanning) -> dict[str, Any]:
    """Map: the chains of every document, and the keys of all, each once."""
    step, documents, units = common.step, 0, 0
    keys, several = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    sizes = [SIZE_SCHEMA.empty_table()]
    with shards.ShardWriter(outputs.path(CHAINS), CHAIN_SCHEMA, checked=True) as sidecar:
        for addresses, found in _documents(argument.group, step):
            chains = windows.chains_of(*found, step.min_length)
            columns = (chains.length.astype(np.uint32), chains.key)
            sidecar.write(pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=CHAIN_SCHEMA))
            keys.append(chains.key)
            several.append(chains.key[chains.several])
            lengths = np.diff(found.offsets)
            long = lengths >= step.min_length
            sizes.append(pa.table([addresses[long], lengths[long]], schema=SIZE_SCHEMA))
            documents, units = documents + len(addresses), units + int(found.offsets[-1])
        sidecar.write(pa.RecordBatch.from_pylist([], CHAIN_SCHEMA), note=END)
    shards.write_table(outputs.path(SIZES), pa.concat_tables(sizes).combine_chunks())
    ordered = np.sort(np.concatenate(keys))
    del keys
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, bool)
    distinct = ordered[first]
    twice = np.diff(np.append(np.flatnonzero(first), len(ordered))) > 1
    twice |= windows.KeySet(np.concatenate(several)).has(distinct)
    of_group = np.full(len(distinct), argument.group.number, np.int32)
    with exchanges.Writer(outputs.path(KEYS), KEY_SCHEMA, common.hold, common.partitions) as writer:
        writer.add(pa.table([distinct, of_group, twice], schema=KEY_SCHEMA), _partition(distinct, common.partitions))
    return {"documents": documents, "units": units, KEYS: writer.counters()}


def _splits(common: Reducing, partition: int) -> Iterator[pa.Table]:
    """What is in a partition, split by split, by key."""
    for split in range(common.splits):
        finer = partition * common.splits + split

        def chosen(piece: pa.RecordBatch, finer: int = finer) -> np.ndarray:
            found = _partition(piece["key"].to_numpy(), common.exchange.partitions * common.splits)
            return found.astype(np.int64) == finer

        yield exchanges.read(common.exchange, partition, chosen if common.splits > 1 else None)


def find_repeated(partition: int, outputs: Outputs, common: Reducing) -> dict[str, Any]:
    """Reduce: the keys of one partition that stand in two chains, to the groups that have them."""
    with exchanges.Writer(outputs.path(WANTED), WANTED_SCHEMA, common.hold, len(common.firsts)) as writer:
        for table in _splits(common, partition):
            keys = table["key"].to_numpy()
            order = np.argsort(keys, kind="stable")
            keys, group = keys[order], table["group"].to_numpy()[order]
            repeated = table["twice"].to_numpy()[order]
            equal = keys[1:] == keys[:-1]
            repeated[1:] |= equal
            repeated[:-1] |= equal
            writer.add(pa.table([keys[repeated]], schema=WANTED_SCHEMA), group[repeated].astype(np.int64))
    return {WANTED: writer.counters()}


def gather_units(argument: Scan, outputs: Outputs, common: Scanning) -> dict[str, Any]:
    """Map: the units of this group's chains that have one of the wanted keys."""
    assert common.wanted is not None and argument.chains is not None
    step, gathered = common.step, 0
    wanted = windows.KeySet(exchanges.read(common.wanted, argument.group.number)["key"].to_numpy())
    with exchanges.Writer(outputs.path(UNITS), UNITS_SCHEMA, common.hold, common.partitions) as writer:
        if not len(wanted):
            return {"windows": 0, UNITS: writer.counters()}
        for batch, (addresses, units) in zip(read_sidecar(argument.chains), _documents(argument.group, step)):
            chosen = wanted.has(batch["key"].to_numpy())
            document, start, length = windows.placed(batch["length"].to_numpy(), units.offsets, step.min_length, chosen)
            key = batch["key"].to_numpy()[chosen]
            ends = np.cumsum((length + step.min_length - 1) * units.values.itemsize)
            first = 0
            while first < len(key):
                before = ends[first - 1] if first else 0
                last = max(first + 1, int(np.searchsorted(ends, before + GATHERED, side="right")))
                some = slice(first, last)
                begin = units.offsets[document[some]] + start[some]
                column = _binary(units.values, begin, length[some] + step.min_length - 1)
                columns = [key[some], addresses[document[some]], start[some], column]
                writer.add(pa.table(columns, schema=UNITS_SCHEMA), _partition(key[some], common.partitions))
                first = last
            gathered += int(length.sum())
    return {"windows": gathered, UNITS: writer.counters()}


def _binary(values: np.ndarray, begin: np.ndarray, length: np.ndarray) -> pa.Array:
    """large_binary: `length[i]` of the values from `begin[i]` on, each."""
    found, offsets = windows.taken(values, begin, length)
    buffers = [None, pa.py_buffer(offsets * values.itemsize), pa.py_buffer(found)]
    return pa.Array.from_buffers(pa.large_binary(), len(begin), buffers, null_count=0)


def find_equal(partition: int, outputs: Outputs, common: Reducing) -> dict[str, Any]:
    """Reduce: the windows of one partition that are equal to others, to the groups in which they are."""
    step = common.step
    with exchanges.Writer(outputs.path(PIECES), RUN_SCHEMA, common.hold, len(common.firsts)) as writer:
        for table in _splits(common, partition):
            if not table.num_rows:
                continue
            data, bounds = arrow.buffers(table["units"].combine_chunks())
            units = data[: bounds[-1]].view(WIDTH[step.unit])
            bounds //= units.itemsize
            found = windows.classify(
                units,
                bounds[:-1],
                np.diff(bounds) - step.min_length + 1,
                table["address"].to_numpy(),
                table["start"].to_numpy(),
                table["key"].to_numpy(),
                step.min_length,
                step.min_count,
            )
            runs = table_of(*found)
            writer.add(runs, grouping.group_of(common.firsts, runs["shard"].to_numpy()))
    return {PIECES: writer.counters()}
