"""Which documents are near-duplicates of which, for people: a table of all clusters, and whose documents go because of
whose.

The clusters task says which documents are in clusters, to the group of each, and which groups want to know of which
kept ones. `gather_rows` reads the columns of these that the table has, and of no others; what others want to know of a
kept document travels to them. `write_table` writes the rows of a group, and counts pairs of sources and of domains,
which `matrices.tally` adds up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup import lsh
from corpus.documents import address, shard_and_row
from corpus.io import shards
from corpus.text import urls
from corpus.views import ShardView
from pipelines.context import Context
from pipelines.engine import (
    File,
    Manifest,
    Outputs,
    Task,
    Unproven,
    fingerprint_of_files,
    numbered,
    outputs_named,
    task_key,
)
from pipelines.maps import exchange as exchanges
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group, group_of
from pipelines.maps.sinks import Rows
from pipelines.near import matrices
from pipelines.near.known import NONE_KNOWN, Names

MEMBERS, WANTED, ROWS, KEPT, PAIRS = (f"{n}.arrow" for n in ("members", "wanted", "rows", "kept", "pairs"))
TABLE = "clusters.parquet"
FOLDER = "clusters"
"""Of the table, in the folder of the step in OUT."""

MEMBERS_AT_A_TIME = 1 << 20
"""Of clusters, in the task that finds all of these."""
COLUMNS = ("id", "url", "source")

MEMBER_SCHEMA = pa.schema([("address", pa.int64()), ("by", pa.int64()), ("similarity", pa.float64())])
WANTED_SCHEMA = pa.schema([("address", pa.int64()), ("size", pa.int64()), ("group", pa.int64())])
ROW_SCHEMA = pa.schema([("address", pa.int64()), *((n, pa.string()) for n in ("id", "url", "source", "domain"))])
KEPT_SCHEMA = pa.schema(
    [("address", pa.int64()), ("size", pa.int64()), *((n, pa.string()) for n in ("id", "source", "domain"))]
)
TABLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("cluster", pa.string()),  # the id of the document that is kept
        ("kept", pa.bool_()),
        ("similarity", pa.float64()),  # to the document that is kept; null of that, and where nobody has compared them
        ("size", pa.int64()),  # documents in the cluster
        ("url", pa.string()),
        ("source", pa.string()),
        ("address", pa.string()),  # of the document that is kept, shard:row (id:... of an index) as in dropped/
    ]
)


def write_members(
    outputs: Outputs,
    firsts: np.ndarray,
    hold: int,
    dropped: np.ndarray,
    by: np.ndarray,
    score: np.ndarray,
    names: Names = NONE_KNOWN,
) -> dict[str, Any]:
    """Write which documents are in clusters, each to its own group, and, of each kept one, how large its cluster is and
    which groups want to know of it, to its own; of those that are of an index, the same to the groups that want it; the
    counters of the task.

    dropped, by: addresses (int64) of documents that are dropped, and of those that these are dropped because of; score:
    their similarity (float64, NaN: unknown). firsts: the first shard of each group. hold: bytes to hold. names: of
    kept documents that are of an index.
    """
    kept, sizes = np.unique(by, return_counts=True)
    stays = kept[kept >= 0]
    groups: set[int] = set()
    with (
        exchanges.Writer(outputs.path(MEMBERS), MEMBER_SCHEMA, hold // 2, len(firsts)) as members,
        exchanges.Writer(outputs.path(WANTED), WANTED_SCHEMA, hold // 2, len(firsts)) as wanted,
        contextlib.ExitStack() as stack,
    ):
        known = None
        if len(stays) < len(kept):
            writer = exchanges.Writer(outputs.path(KEPT), KEPT_SCHEMA, hold // 2, len(firsts))
            known = stack.enter_context(writer)
        for addresses, causes, similarity in _parts(dropped, by, score, stays):
            of = group_of(firsts, shard_and_row(addresses)[0])
            columns = [addresses, causes, pa.array(similarity, from_pandas=True)]
            members.add(pa.table(columns, schema=MEMBER_SCHEMA), of)
            groups.update(np.unique(of).tolist())
            wants, who = lsh.unique_pairs(causes, of)
            size = 1 + sizes[np.searchsorted(kept, wants)]
            if known is not None:
                far = wants < 0
                nothing = pa.nulls(int(far.sum()), pa.string())
                rows = [wants[far], size[far], names.of(wants[far]), nothing, nothing]
                known.add(pa.table(rows, schema=KEPT_SCHEMA), who[far])
                wants, size, who = wants[~far], size[~far], who[~far]
            columns = [wants, size, who]
            wanted.add(pa.table(columns, schema=WANTED_SCHEMA), group_of(firsts, shard_and_row(wants)[0]))
    counters = {MEMBERS: members.counters(), WANTED: wanted.counters()} | ({KEPT: known.counters()} if known else {})
    return {**counters, "groups": sorted(groups), "stay": len(stays)}


def _parts(
    dropped: np.ndarray, by: np.ndarray, score: np.ndarray, kept: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Members of clusters, some at a time, with the kept document and their similarity: first those that go."""
    for start in range(0, len(dropped), MEMBERS_AT_A_TIME):
        here = slice(start, start + MEMBERS_AT_A_TIME)
        yield dropped[here], by[here], score[here]
    for start in range(0, len(kept), MEMBERS_AT_A_TIME):
        stays = kept[start : start + MEMBERS_AT_A_TIME]
        yield stays, stays, np.full(len(stays), np.nan)


class Gathering(NamedTuple):
    """What all gathering tasks share: the exchanges of the members and of what is wanted of them, a partition for each
    group; bytes to hold. The argument of a task is its group."""

    members: Exchange
    wanted: Exchange
    hold: int


def gather_rows(group: Group, outputs: Outputs, common: Gathering) -> dict[str, Any]:
    """What the table has of the documents of a group that are in clusters, ascending by address; of those that are
    kept, to the groups that want it."""
    members = np.sort(exchanges.read(common.members, group.number)["address"].to_numpy())
    wanted = exchanges.read(common.wanted, group.number).sort_by([("address", "ascending"), ("group", "ascending")])
    wants, documents = wanted["address"].to_numpy(), 0
    with (
        shards.ShardWriter(outputs.path(ROWS), ROW_SCHEMA) as rows,
        exchanges.Writer(outputs.path(KEPT), KEPT_SCHEMA, common.hold, common.wanted.partitions) as kept,
    ):
        for batch in _members_in(group.shards, members):
            rows.write(batch)
            documents += batch.num_rows
            addresses = batch.column("address").to_numpy()
            here = slice(*np.searchsorted(wants, [addresses[0], addresses[-1] + 1]).tolist())
            found = pa.Table.from_batches([batch]).take(pa.array(np.searchsorted(addresses, wants[here])))
            found = found.append_column("size", wanted["size"][here]).select(KEPT_SCHEMA.names)
            kept.add(found, wanted["group"][here].to_numpy())
    if documents != len(members):
        raise Unproven(f"{len(members)} documents of group {group.number} are in clusters, {documents} were found")
    return {"documents": documents, KEPT: kept.counters()}


def _members_in(group: Sequence[ShardView], members: np.ndarray) -> Iterator[pa.RecordBatch]:
    """The rows at these addresses, ascending; shards without any are not opened."""
    for shard in group:
        first, end = address(shard.number, np.array([0, shard.documents])).tolist()
        low, high = np.searchsorted(members, [first, end])
        if low == high:
            continue
        for batch in shards.read(shard.path, shard.hash, COLUMNS):
            middle = low + int(np.searchsorted(members[low:high], first + batch.num_rows))
            if middle > low:
                yield _rows(batch.take(pa.array(members[low:middle] - first)), members[low:middle])
            low, first = middle, first + batch.num_rows


def _rows(batch: pa.RecordBatch, addresses: np.ndarray) -> pa.RecordBatch:
    none = pa.nulls(batch.num_rows, pa.string())
    url, source = (batch.column(n).cast(pa.string()) if n in batch.schema.names else none for n in ("url", "source"))
    domains = urls.domains_of(url)
    domains = pc.if_else(pc.equal(domains, ""), None, domains)
    columns = [pa.array(addresses), batch.column("id"), url, source, domains]
    return pa.RecordBatch.from_arrays(columns, schema=ROW_SCHEMA)


class Tabulating(NamedTuple):
    """What all tasks share that write the table: the exchanges of the members, and of what there is to know of kept
    documents, a partition for each group. The argument of a task is the number of its group, and the file of its
    rows."""

    members: Exchange
    kept: Exchange


def write_table(argument: tuple[int, File], outputs: Outputs, common: Tabulating) -> dict[str, Any]:
    """The rows of a group, in the order of the corpus, and how many of them go because of documents of which source and
    domain."""
    group, file = argument
    members = exchanges.read(common.members, group).sort_by("address")
    kept = exchanges.read(common.kept, group).sort_by("address")
    places, leaders = members["address"].to_numpy(), kept["address"].to_numpy()
    table, pairs = Rows(outputs, TABLE, TABLE_SCHEMA), matrices.Pairs()
    dropped = 0
    for batch in shards.read(file.path, file.hash):
        found = members.take(pa.array(np.searchsorted(places, batch.column("address").to_numpy())))
        by = found["by"].to_numpy()
        if not np.isin(by, leaders).all():
            raise Unproven(f"group {group} knows nothing of documents that some of its own are near-duplicates of")
        leader = kept.take(pa.array(np.searchsorted(leaders, by)))
        goes = by != batch.column("address").to_numpy()
        table.write(_table_rows(batch, found["similarity"], leader, goes))
        pairs.add(batch.filter(pa.array(goes)), leader.filter(pa.array(goes)))
        dropped += int(goes.sum())
    table.close()
    pairs.write(outputs.path(PAIRS))
    return {"dropped": dropped, "kept": table.rows - dropped}


def _table_rows(
    batch: pa.RecordBatch, similarity: pa.ChunkedArray, leader: pa.Table, goes: np.ndarray
) -> pa.RecordBatch:
    numbers, rows = shard_and_row(leader["address"].to_numpy())
    shard, row = (pa.array(each).cast(pa.string()) for each in (numbers, rows))
    columns = {
        "id": batch.column("id"),
        "cluster": leader["id"],
        "kept": pa.array(~goes),
        "similarity": similarity,
        "size": leader["size"],
        "url": batch.column("url"),
        "source": batch.column("source"),
        "address": pc.if_else(
            pa.array(numbers >= 0),
            pc.binary_join_element_wise(shard, row, ":"),
            pc.binary_join_element_wise("id", leader["id"].combine_chunks(), ":"),
        ),
    }
    (rows,) = pa.table(columns, schema=TABLE_SCHEMA).combine_chunks().to_batches()
    return rows


def publish(context: Context, groups: list[Group], clustered: Manifest, wants: bool) -> dict[str, Any]:
    """The maps that make the table, which is published in the folder of the step; figures for the report. `clustered`:
    of the clusters task; `wants`: whether there is to be a table, for one that an earlier run has published goes
    otherwise. Raises Unproven where the table has not what the task has found."""
    hold, found, partitions = context.working_bytes, clustered.counters, len(groups)
    members, wanted = (exchanges.of_map([clustered], name, partitions) for name in (MEMBERS, WANTED))
    groups = [groups[number] for number in found["groups"]] if wants else []
    if not groups:
        context.publish(f"{context.name}/{FOLDER}", {})
        return {}
    inputs = (*members.inputs("members"), *wanted.inputs("wanted"))
    tasks = [_task(group, group, (*_files(group), *inputs), members.weight()) for group in groups]
    gathered = context.map("rows", gather_rows, tasks, (partitions, hold), Gathering(members, wanted, hold))
    known = [clustered] if KEPT in clustered.outputs else []
    kept = exchanges.gather(context, "kept", [*known, *gathered], KEPT, partitions)
    inputs = (*members.inputs("members"), *kept.inputs("kept"))
    rows = outputs_named(gathered, ROWS)
    tasks = [
        _task(group, (group.number, file), (("rows", file.hash), *inputs), file.bytes)
        for group, file in zip(groups, rows)
    ]
    written = context.map("table", write_table, tasks, (partitions,), Tabulating(members, kept))
    for what, expected in (("dropped", found["figures"]["dropped"]), ("kept", found["stay"])):
        if (rows_ := sum(manifest.counters[what] for manifest in written)) != expected:
            raise Unproven(f"{context.name}: {expected} documents of clusters are {what}, the table has {rows_}")
    pairs = outputs_named(written, PAIRS)
    task = Task("00000", tuple(pairs), (("pairs", fingerprint_of_files(pairs)),), sum(file.bytes for file in pairs))
    (counted,) = context.map("sources", matrices.tally, [task], ())
    files = outputs_named(written, TABLE)
    names = {f"{numbered(number, len(files))}.parquet": file for number, file in enumerate(files)}
    context.publish(f"{context.name}/{FOLDER}", names)
    return {name: matrix for name, matrix in counted.counters["matrices"].items() if matrix}


def _files(group: Group) -> tuple[tuple[str, str], ...]:
    """Of the shards of a group: what was decided about them before is not read."""
    return tuple((f"shard {shard.number}", shard.hash) for shard in group.shards)


def _task(group: Group, argument: Any, inputs: tuple[tuple[str, str], ...], weight: int) -> Task:
    """A task for a group; no record is at fault here that was read and written before."""
    return Task(task_key(group.shards[0].number), argument, inputs, weight)
