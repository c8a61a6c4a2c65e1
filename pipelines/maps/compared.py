"""What is dropped or cut because it is equal to something is compared with that, byte for byte: a hash decides what is
looked at, and no more.

The reduce task of a step says which places repeat which; it sends these *matches* to the group of shards that has the
place which stays. A task for each group adds the text of that place, and sends them on to the group of the place that
goes, whose decide task compares. So a match travels with the text of one of the two, which is no more, in all, than the
text that goes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import views
from corpus.documents import address, at_hand, shard_and_row
from pipelines.context import Context
from pipelines.engine import Exclusion, Manifest, Outputs
from pipelines.maps import exchange as exchanges
from pipelines.maps.decide import PROPOSALS, ProposalWriter
from pipelines.maps.exchange import Exchange
from pipelines.maps.groups import Group, firsts_of, group_of, left_out

MATCHES = "matches.arrow"
MATCH_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # of the place that goes, in its shard
        ("address", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("owner", pa.int64()),  # address of the document with the place that stays
        ("owner_start", pa.int64()),
        ("owner_end", pa.int64()),
        ("owned", pa.bool_()),  # whether the two are one
    ]
)
TEXT = "text"
"""The column with the text of the place that stays; null where the two are one."""
SENT_SCHEMA = MATCH_SCHEMA.append(pa.field(TEXT, pa.large_binary()))


class Compares(Protocol):
    """A step whose matches are compared."""

    def texts(self, batch: pa.RecordBatch, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
        """What places are compared by (large_binary): bytes `starts` to `ends` of rows of a batch, int64."""


def matches(
    addresses: np.ndarray,
    owners: np.ndarray,
    places: tuple[np.ndarray, np.ndarray] | None = None,
    owner_places: tuple[np.ndarray, np.ndarray] | None = None,
    owned: np.ndarray | None = None,
) -> pa.Table:
    """Matches (MATCH_SCHEMA) of documents by their addresses, or of bytes of these, from starts to ends."""
    nothing = np.zeros(len(addresses), np.int64)
    starts, ends = places or (nothing, nothing)
    owner_starts, owner_ends = owner_places or (nothing, nothing)
    owned = nothing.astype(np.bool_) if owned is None else owned
    row = shard_and_row(addresses)[1]
    columns = [row, addresses, starts, ends, owners, owner_starts, owner_ends, owned]
    return pa.table([pa.array(column) for column in columns], schema=MATCH_SCHEMA)


class MatchWriter:
    """Writes matches into an exchange that has a partition for each group of shards, that of the owner."""

    def __init__(self, outputs: Outputs, firsts: np.ndarray, hold: int):
        self._writer = exchanges.Writer(outputs.path(MATCHES), MATCH_SCHEMA, hold, len(firsts))
        self._firsts = firsts

    def add(self, table: pa.Table) -> None:
        """Add matches."""
        shards = shard_and_row(table["owner"].to_numpy())[0]
        self._writer.add(table, group_of(self._firsts, shards))

    def close(self) -> dict[str, Any]:
        """Complete the file; the counters of the task."""
        self._writer.close()
        return {MATCHES: self._writer.counters()}


@dataclasses.dataclass(frozen=True)
class Owners:
    """Argument of a sending task: the group with the places that stay."""

    group: Group

    def without(self, excluded: tuple[Exclusion, ...]) -> Owners:
        """This task without some of its documents."""
        return Owners(self.group.without(excluded))


class Sending(NamedTuple):
    """What all sending tasks share: the step, the exchange of matches, the first shard of each group, bytes to hold."""

    step: Compares
    exchange: Exchange
    firsts: np.ndarray
    hold: int


def send(argument: Owners, outputs: Outputs, common: Sending) -> dict[str, Any]:
    """Send matches whose owner is in a group on to the group of the place that goes, with the owner's text."""
    writer = ProposalWriter(outputs, common.firsts, common.hold)
    writer.add(SENT_SCHEMA.empty_table(), np.empty(0, np.int64))  # all files have the columns of matches
    group = argument.group
    found = exchanges.read(common.exchange, group.number) if common.exchange.files(group.number) else None
    if found is not None and found.num_rows:
        found = found.sort_by([("owner", "ascending"), ("owner_start", "ascending"), ("owner_end", "ascending")])
        wanted = found["owner"].to_numpy()
        owning = np.unique(shard_and_row(wanted)[0])
        for shard, rows, batch in views.read_all(shard for shard in group.shards if shard.number in owning):
            if len(rows):
                low, high = np.searchsorted(wanted, address(shard.number, np.array([rows[0], rows[-1] + 1])))
                with at_hand(batch):
                    _send(common.step, found.slice(low, high - low), address(shard.number, rows), batch, writer)
    return writer.close()


def _send(
    step: Compares, found: pa.Table, addresses: np.ndarray, batch: pa.RecordBatch, writer: ProposalWriter
) -> None:
    """Matches whose owners are in a batch, in the order of these."""
    found = found.filter(pa.array(np.isin(found["owner"].to_numpy(), addresses)))
    if not found.num_rows:
        return
    owner, start, end = (found[name].to_numpy() for name in ("owner", "owner_start", "owner_end"))
    new = np.ones(len(owner), np.bool_)
    new[1:] = (owner[1:] != owner[:-1]) | (start[1:] != start[:-1]) | (end[1:] != end[:-1])
    first = np.flatnonzero(new)
    place = np.searchsorted(addresses, owner[first])
    texts = step.texts(batch, place, start[first], end[first])
    which = pa.array(np.cumsum(new) - 1)
    which = pc.if_else(found["owned"].combine_chunks(), None, which)
    found = found.append_column(TEXT, texts.take(which))
    writer.add(found, shard_and_row(found["address"].to_numpy())[0])


def equal(step: Compares, rows: np.ndarray, batch: pa.RecordBatch, found: pa.Table) -> pa.Table:
    """Of the matches for a batch (rows int64 of its shard) those whose texts are equal, and those that are owned."""
    if not found.num_rows:
        return SENT_SCHEMA.empty_table()
    place = np.searchsorted(rows, found["row"].to_numpy())
    texts = step.texts(batch, place, found["start"].to_numpy(), found["end"].to_numpy())
    same = pc.fill_null(pc.equal(texts, found[TEXT].combine_chunks()), True)
    return found if pc.all(same, min_count=0).as_py() else found.filter(same)


def send_map(
    context: Context, step: Compares, reduced: Sequence[Manifest], groups: list[Group]
) -> tuple[Exchange | None, list[Group]]:
    """Run the sending map: (matches with the texts of their owners, by the group of what goes; the groups without
    documents that it fails at)."""
    if not reduced:
        return None, groups
    exchange = exchanges.gather(context, "reduce", reduced, MATCHES, len(groups))
    firsts = firsts_of(groups)
    tasks = [group.task(Owners(group), exchange.inputs("matches")) for group in groups]
    common = Sending(step, exchange, firsts, context.working_bytes)
    sent = context.map("send", send, tasks, (step, len(groups), context.working_bytes), common)
    groups = left_out(groups, sent)
    return exchanges.gather(context, "send", sent, PROPOSALS, len(groups)), groups
