"""Documents that are known: those of an index. What is near them goes; they stay, whatever they are like.

They come in *chunks*, three files for some thousand documents: the keys of their buckets, their shingle sets, their
ids. In addresses a chunk is a shard with a negative number, so that known documents are before all others, and the maps
of the step treat them like those of a group of shards. Of their keys go on those that some document of the run may have
(`key_filter`): so what an index costs a run is one reading of its keys, and of the rest what is wanted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.dedup import key_filter
from corpus.documents import ROW_BITS, address
from corpus.io import shards
from pipelines.context import Context
from pipelines.engine import File, Manifest, Outputs, Task, fingerprint_of_files, task_key
from pipelines.maps import exchange as exchanges
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group, group_of
from pipelines.maps.keyed import KEYS
from pipelines.maps.sidecars import END, read_sidecar
from pipelines.near.sidecars import SHINGLE_SCHEMA, SHINGLES

FIRST_SHARD = -(1 << 31)
"""The number of the first chunk that an index has ever had: there are two billion of them."""
IDS, FILTER = "ids.arrow", "filter.arrow"
KEY_SCHEMA = pa.schema([("key", pa.uint64()), ("address", pa.int64())])
ID_SCHEMA = pa.schema([("address", pa.int64()), ("id", pa.string())])
FILTER_SCHEMA = pa.schema([("bits", pa.uint64())])
ROWS_AT_A_TIME = 1 << 16
"""Keys that are written at a time."""


class Chunk(NamedTuple):
    """Known documents: the number of the shard that they have in addresses; how many rows that has, of which some may
    have been deleted; how many documents are there; their files."""

    shard: int
    rows: int
    documents: int
    keys: File
    shingles: File
    ids: File

    @property
    def bytes(self) -> int:
        """Of its files."""
        return self.keys.bytes + self.shingles.bytes + self.ids.bytes


def shards_of(known: Sequence[Chunk]) -> np.ndarray:
    """int64, ascending: the numbers of the chunks' shards."""
    return np.array([chunk.shard for chunk in known], np.int64)


def partition_of(firsts: np.ndarray, known: np.ndarray, shard_numbers: np.ndarray) -> np.ndarray:
    """For an exchange by group: the group (int64) of each shard number, behind all groups the chunks. `firsts`: the
    first shard of each group, `known`: those of the chunks."""
    groups = group_of(firsts, shard_numbers)
    return np.where(shard_numbers < 0, len(firsts) + np.searchsorted(known, shard_numbers), groups)


def chunk_tasks(known: Sequence[Chunk], groups: int, inputs: tuple[tuple[str, str], ...]) -> list[Task]:
    """As `sidecars.sidecar_tasks`, for the chunks, which come behind so many groups."""
    return [
        Task(task_key(number), (groups + number, chunk.shingles), (*inputs, ("shingles", chunk.shingles.hash)))
        for number, chunk in enumerate(known)
    ]


def with_others(keys: np.ndarray, addresses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of keys (uint64) and the documents that have them (int64) those of buckets that hold more than known ones."""
    new = addresses >= 0
    here = new | np.isin(keys, keys[new])
    return keys[here], addresses[here]


def ids_of(known: Sequence[Chunk], addresses: np.ndarray) -> pa.Array:
    """The ids of known documents at some addresses, which ascend. Every chunk's are read once at most."""
    found = []
    for chunk in known:
        low, high = np.searchsorted(addresses, [chunk.shard << ROW_BITS, (chunk.shard + 1) << ROW_BITS])
        if low < high:
            for batch in read_sidecar(chunk.ids):
                here = np.isin(batch["address"].to_numpy(), addresses[low:high])
                found.append(batch["id"].filter(pa.array(here)))
    return pa.concat_arrays([pa.array([], pa.string()), *found])


class Names:
    """Known documents, of those at some addresses (int64), by their ids."""

    def __init__(self, known: Sequence[Chunk], addresses: np.ndarray):
        self._addresses = np.unique(addresses[addresses < 0])
        self._ids = ids_of(known, self._addresses)

    def of(self, addresses: np.ndarray) -> pa.Array:
        """The ids of documents at some of these addresses."""
        return self._ids.take(pa.array(np.searchsorted(self._addresses, addresses)))

    def put(self, proposed: pa.Table, by: np.ndarray) -> pa.Table:
        """Proposals, which are because of the documents at `by` (int64), with these named `id:...` where they are
        known."""
        if not (by < 0).any():
            return proposed
        ids = self.of(by[by < 0])
        names = pc.replace_with_mask(
            proposed["by"].combine_chunks(), pa.array(by < 0), pc.binary_join_element_wise("id:", ids, "")
        )
        return proposed.set_column(proposed.schema.get_field_index("by"), "by", names)

    def add_to(self, examples: list[dict]) -> list[dict]:
        """Examples of clusters, with `id` where the kept document is known."""
        for example in examples:
            if example["kept"] < 0:
                example["id"] = self.of(np.array([example["kept"]]))[0].as_py()
        return examples


NONE_KNOWN = Names((), np.empty(0, np.int64))
"""Of a run without an index."""


# ------------------------------------------------------------------ their keys among those of a run


class Matching(NamedTuple):
    """What the tasks share that send keys of known documents into the exchange: the file of a filter, if there is one;
    how many partitions there are; bytes to hold."""

    filter: File | None
    partitions: int
    hold: int


def rows_expected(known: Sequence[Chunk], bands: int, new: int) -> int:
    """How many keys of known documents go into the exchange, about, where `new` documents are compared with them."""
    keys = bands * sum(chunk.documents for chunk in known)
    return round(keys * key_filter.share_let_through(bands * new))


def emit_known(
    context: Context, known: Sequence[Chunk], mapped: Sequence[Manifest], partitions: int, configuration: Any
) -> list[Manifest]:
    """The keys of known documents that documents of the run may have, into as many partitions as theirs."""
    if not known or not any(KEYS in manifest.outputs for manifest in mapped):
        return []
    hold, of_run = context.working_bytes, exchanges.of_map(mapped, KEYS, partitions)
    settings, inputs, file = (configuration, partitions, hold), of_run.inputs("keys"), None
    if bits := key_filter.bits_for(of_run.rows):
        task = Task(task_key(0), bits, inputs, of_run.bytes)
        (made,) = context.map("known-filter", make_filter, [task], configuration, of_run)
        file = made.outputs[FILTER]
        inputs = (("filter", file.hash),)
    tasks = [
        Task(task_key(number), chunks, (*inputs, ("keys", fingerprint_of_files(each.keys for each in chunks))), weight)
        for number, (chunks, weight) in enumerate(_bundles(known, hold))
    ]
    return context.map("known-keys", send_keys, tasks, settings, Matching(file, partitions, hold))


def _bundles(known: Sequence[Chunk], most: int) -> Iterator[tuple[tuple[Chunk, ...], int]]:
    """Consecutive chunks together until their keys are so many bytes, and how many those are."""
    waiting: list[Chunk] = []
    held = 0
    for chunk in known:
        if waiting and held + chunk.keys.bytes > most:
            yield tuple(waiting), held
            waiting, held = [], 0
        waiting.append(chunk)
        held += chunk.keys.bytes
    if waiting:
        yield tuple(waiting), held


def make_filter(bits: int, outputs: Outputs, exchange: Exchange) -> dict[str, Any]:
    """Map, one task: a filter of so many bits that holds all keys of an exchange."""
    held = key_filter.empty(bits)
    for path in exchange.ranges[0]:
        for batch in exchanges.rows_of(path):
            key_filter.add(held, batch["key"].to_numpy())
    rows = pa.RecordBatch.from_arrays([pa.array(held)], schema=FILTER_SCHEMA)
    _write(outputs.path(FILTER), FILTER_SCHEMA, iter([rows]))
    return {"bits": bits}


def send_keys(chunks: tuple[Chunk, ...], outputs: Outputs, common: Matching) -> dict[str, Any]:
    """Map: the keys of some chunks that a filter lets through, into the exchange."""
    held = None
    if common.filter is not None:
        held = np.concatenate([batch["bits"].to_numpy() for batch in read_sidecar(common.filter)])
    with exchanges.Writer(outputs.path(KEYS), KEY_SCHEMA, common.hold, common.partitions) as writer:
        for chunk in chunks:
            for batch in read_sidecar(chunk.keys):
                if held is not None:
                    batch = batch.filter(pa.array(key_filter.may_hold(held, batch["key"].to_numpy())))
                to = batch["key"].to_numpy() % np.uint64(common.partitions)
                writer.add(pa.Table.from_batches([batch]), to.astype(np.int64))
    return {KEYS: writer.counters()}


# ------------------------------------------------------------------ from a run's documents to chunks


class Making(NamedTuple):
    """Argument of a task that makes a chunk: a group of shards with all decisions, of which the remaining documents are
    taken; the number that the chunk has as a shard; what the signatures map has made of the group."""

    group: Group
    shard: int
    keys: File
    shingles: File


def make_chunks(
    context: Context, groups: Sequence[Group], mapped: Sequence[Manifest], first: int, configuration: Any
) -> list[Chunk]:
    """The documents of groups as chunks, the first of which has the shard number `first`."""
    tasks = []
    for number, (group, manifest) in enumerate(zip(groups, mapped)):
        files = manifest.outputs[KEYS], manifest.outputs[SHINGLES]
        inputs = (*group.inputs(), ("signatures", fingerprint_of_files(files)), ("shard", str(first + number)))
        argument = Making(group, first + number, *files)
        tasks.append(Task(task_key(group.shards[0].number), argument, inputs, group.text_bytes))
    made = context.map("index", make_chunk, tasks, configuration)
    return [
        Chunk(first + number, documents, documents, each.outputs[KEYS], each.outputs[SHINGLES], each.outputs[IDS])
        for number, each in enumerate(made)
        for documents in [each.counters["documents"]]
    ]


def make_chunk(argument: Making, outputs: Outputs) -> dict[str, Any]:
    """Map: the files of a chunk."""
    found = [np.empty(0, np.int64)]
    documents = 0
    with shards.ShardWriter(outputs.path(IDS), ID_SCHEMA, checked=True) as writer:
        for shard, rows, batch in views.read_all(argument.group.shards):
            found.append(address(shard.number, rows))
            own = address(argument.shard, np.arange(documents, documents + len(rows)))
            writer.write(pa.RecordBatch.from_arrays([pa.array(own), batch["id"].cast(pa.string())], schema=ID_SCHEMA))
            documents += len(rows)
        writer.write(pa.RecordBatch.from_pylist([], ID_SCHEMA), note=END)
    kept = np.concatenate(found)

    def renamed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that are about the documents that stay, with their addresses as known ones."""
        for batch in batches:
            before = batch["address"].to_numpy()
            places = np.minimum(np.searchsorted(kept, before), max(documents - 1, 0))
            here = kept[places] == before if documents else np.zeros(len(before), np.bool_)
            batch = batch.filter(pa.array(here))
            column = pa.array(address(argument.shard, places[here]))
            yield batch.set_column(batch.schema.get_field_index("address"), "address", column)

    _write(outputs.path(SHINGLES), SHINGLE_SCHEMA, renamed(read_sidecar(argument.shingles)))
    _write(outputs.path(KEYS), KEY_SCHEMA, _together(renamed(exchanges.rows_of(argument.keys.path))))
    return {"documents": documents}


def _together(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Small batches of keys, as larger ones."""
    waiting: list[pa.RecordBatch] = []
    for batch in itertools.chain(batches, [None]):
        if batch is not None:
            waiting.append(batch)
        if waiting and (batch is None or sum(each.num_rows for each in waiting) >= ROWS_AT_A_TIME):
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting = []


def _write(path: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """A file that `read_sidecar` reads."""
    with shards.ShardWriter(path, schema, checked=True) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write(batch)
        writer.write(pa.RecordBatch.from_pylist([], schema), note=END)


def without(chunk: Chunk, addresses: np.ndarray, write_to: Sequence[str]) -> int:
    """Write the files of a chunk anew (keys, shingle sets, ids) without the documents at some addresses; how many
    documents it has then."""
    left = 0

    def rest(file: File) -> Iterator[pa.RecordBatch]:
        for batch in read_sidecar(file):
            yield batch.filter(pa.array(~np.isin(batch["address"].to_numpy(), addresses)))

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nonlocal left
        for batch in batches:
            left += batch.num_rows
            yield batch

    keys, sets, ids = write_to
    _write(keys, KEY_SCHEMA, rest(chunk.keys))
    _write(sets, SHINGLE_SCHEMA, rest(chunk.shingles))
    _write(ids, ID_SCHEMA, counted(rest(chunk.ids)))
    return left
