"""Which documents may be near-duplicates: their signatures by group, then, by key, those that share a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import views
from corpus.dedup import lsh
from corpus.dedup.near import Near
from corpus.dedup.priorities import METADATA
from corpus.documents import address, at_hand, shard_and_row
from corpus.io import shards
from corpus.text.arrow import buffers
from corpus.views import ShardView
from pipelines.engine import Outputs
from pipelines.maps import exchange as exchanges
from pipelines.maps.keyed import KEYS, Keys, Reduction
from pipelines.maps.sidecars import END
from pipelines.near.known import KEY_SCHEMA, partition_of, with_others
from pipelines.near.sidecars import SHINGLE_SCHEMA, SHINGLES

TEXT_AT_A_TIME = 8 << 20
"""Bytes of text that are signed at a time: their shingles, and room to sort these, take some 60 bytes for each word."""

PAIRS, WANTED, CROWDED, PRIORITY = (f"{name}.arrow" for name in ("pairs", "wanted", "crowded", "priority"))
PAIR_SCHEMA = pa.schema([("first", pa.int64()), ("second", pa.int64())])
WANTED_SCHEMA = pa.schema([("address", pa.int64()), ("group", pa.int64())])
CROWDED_SCHEMA = pa.schema([("address", pa.int64()), ("key", pa.uint64())])
PRIORITY_SCHEMA = pa.schema([("address", pa.int64()), ("priority", pa.float64())])


def emit_signatures(argument: Keys[Near], outputs: Outputs) -> dict[str, Any]:
    """Map: band keys into the exchange, what documents are compared by into a sidecar."""
    documents, partitions, step = 0, np.uint64(argument.partitions), argument.step
    priorities = [pa.RecordBatch.from_pylist([], PRIORITY_SCHEMA)]
    with (
        shards.ShardWriter(outputs.path(SHINGLES), SHINGLE_SCHEMA, checked=True) as sidecar,
        exchanges.Writer(outputs.path(KEYS), KEY_SCHEMA, argument.hold, argument.partitions) as writer,
    ):
        for addresses, part in _parts(argument.group.shards, step.score):
            with at_hand(part):
                signed = step.sign(part.column("text"))
                if step.keep != "first":
                    columns = [pa.array(addresses), pa.array(step.priority(part))]
                    priorities.append(pa.RecordBatch.from_arrays(columns, schema=PRIORITY_SCHEMA))
            compared = pa.LargeListArray.from_arrays(np.zeros(len(addresses) + 1, np.int64), pa.array([], pa.uint64()))
            if step.verification != "none":
                compared = pa.LargeListArray.from_arrays(signed.offsets, signed.values)
            units = pa.LargeListArray.from_arrays(signed.unit_offsets, signed.units)
            sidecar.write(pa.RecordBatch.from_arrays([pa.array(addresses), compared, units], schema=SHINGLE_SCHEMA))
            keys = signed.keys.ravel()
            owners = np.repeat(addresses[signed.filled], signed.keys.shape[1])
            writer.add(pa.table([keys, owners], schema=KEY_SCHEMA), (keys % partitions).astype(np.int64))
            documents += part.num_rows
        sidecar.write(pa.RecordBatch.from_pylist([], SHINGLE_SCHEMA), note=END)
    if step.keep != "first":
        shards.write_table(outputs.path(PRIORITY), pa.Table.from_batches(priorities))
    return {"documents": documents, KEYS: writer.counters()}


def _parts(view: Iterable[ShardView], score: str | None) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """The documents of shards with their addresses, in parts of TEXT_AT_A_TIME at most; a longer document is a part of
    its own."""
    wanted = {"id", "text", "date", "source", "metadata" if score and score.startswith(METADATA) else score}
    waiting: list[tuple[np.ndarray, pa.RecordBatch]] = []
    held = 0
    for shard, rows, batch in views.read_all(view):
        batch = batch.select([name for name in wanted if name in batch.schema.names])
        before = buffers(batch.column("text"))[1]
        start = 0
        while start < len(rows):
            end = int(np.searchsorted(before, before[start] + TEXT_AT_A_TIME - held, side="right")) - 1
            if waiting and (end <= start or waiting[0][1].schema != batch.schema):
                yield _joined(waiting)
                waiting, held = [], 0
                continue
            end = max(end, start + 1)
            waiting.append((address(shard.number, rows[start:end]), batch.slice(start, end - start)))
            held += int(before[end] - before[start])
            start = end
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[tuple[np.ndarray, pa.RecordBatch]]) -> tuple[np.ndarray, pa.RecordBatch]:
    addresses, batches = zip(*parts)
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return np.concatenate(addresses), batch


def find_candidates(partition: int, outputs: Outputs, common: Reduction) -> dict[str, Any]:
    """Reduce: pairs of documents that share a band key, to the group of the second; what this wants, to the group of
    the first; who is in a crowded bucket, to its own group. Known documents are not paired with each other."""
    partitions, groups = common.exchange.partitions, len(common.firsts)
    found = left_out = 0

    def group_of(addresses: np.ndarray) -> np.ndarray:
        return partition_of(common.firsts, common.known, shard_and_row(addresses)[0])

    with (
        exchanges.Writer(outputs.path(CROWDED), CROWDED_SCHEMA, common.hold, groups + len(common.known)) as crowd,
        exchanges.Writer(outputs.path(PAIRS), PAIR_SCHEMA, common.hold, groups) as pairs,
        exchanges.Writer(outputs.path(WANTED), WANTED_SCHEMA, common.hold, groups + len(common.known)) as wanted,
    ):
        for split in range(common.splits):

            def chosen(piece: pa.RecordBatch, finer: int = partition + split * partitions) -> np.ndarray:
                return piece["key"].to_numpy() % np.uint64(partitions * common.splits) == np.uint64(finer)

            table = exchanges.read(common.exchange, partition, chosen if common.splits > 1 else None)
            keys, addresses = table["key"].to_numpy(), table["address"].to_numpy()
            del table
            if len(common.known):
                keys, addresses = with_others(keys, addresses)
            if not common.step.compares_crowds:
                left_out += lsh.pairs_left_out(keys, addresses) if common.step.verification != "none" else 0
            else:
                crowded = lsh.crowded(keys, addresses)
                rows = pa.table([addresses[crowded], keys[crowded]], schema=CROWDED_SCHEMA)
                crowd.add(rows, group_of(addresses[crowded]))
                keys, addresses = keys[~crowded], addresses[~crowded]
            for first, second in lsh.pair_chunks(keys, addresses, common.step.bucket_limit):
                first, second = first[second >= 0], second[second >= 0]
                home, target = group_of(first), group_of(second)
                pairs.add(pa.table([first, second], schema=PAIR_SCHEMA), target)
                found += len(first)
                if common.step.verification == "none":
                    continue
                away = home != target
                visits = lsh.unique_pairs(first[away], target[away])
                wanted.add(pa.table(visits, schema=WANTED_SCHEMA), group_of(visits[0]))
    return {
        "pairs": found,
        "left_out": left_out,
        PAIRS: pairs.counters(),
        WANTED: wanted.counters(),
        CROWDED: crowd.counters(),
    }
