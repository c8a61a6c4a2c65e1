"""What is in a quarantine: its reasons, the most frequent first, and its first records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pyarrow.parquet as pq

from corpus.documents import QUARANTINE_SCHEMA
from corpus.io import paths, shards

MOST_REASONS, MOST_SAID = 10, 3
MOST_KEPT = 10_000
"""Reasons that are counted apart; what comes after them is counted together."""
SHOWN = 200
"""Characters of a record that are shown."""
_NUMBER = re.compile(r"\d+")
_COLUMNS = ["source", "position", "error", "records", "bytes", "step"]


def is_one(names: list[str]) -> bool:
    """Whether files are of a quarantine, by the columns of the first."""
    return bool(names) and set(QUARANTINE_SCHEMA.names) <= set(shards.columns_of(names[0]))


def describe(names: list[str], records: int) -> list[str]:
    """Lines about the files of a quarantine: why, how often, and the first `records`."""
    lines = list(_reasons(names))
    for row in _first(names, records):
        raw = row["raw"].decode("utf-8", "replace")
        shown = raw[:SHOWN] + ("..." if len(raw) > SHOWN else "")
        name = f", id {row['id']}" if row["id"] else ""
        lines.append(f"{row['source']}, at {row['position']}{name}: {row['step']}: {row['error']}\n{shown}\n")
    return lines


def _first(names: list[str], count: int) -> Iterator[dict]:
    for row in _rows(names, None):
        if count <= 0:
            return
        count -= 1
        yield row


def reasons(names: list[str], most: int = MOST_SAID) -> list[str]:
    """The most frequent reasons in the files of a quarantine, each with what it cost."""
    return [f"{count}: {row['step']}: {row['error']}" for count, row in _counted(names)[:most]]


def _reasons(names: list[str]) -> Iterator[str]:
    """Lines: each reason, the most frequent first, with the first record that it cost."""
    order = _counted(names)
    for count, row in order[:MOST_REASONS]:
        yield f"  {count}: {row['step']}: {row['error']} (the first: {row['source']}, at {row['position']})"
    if len(order) > MOST_REASONS:
        yield f"  and {len(order) - MOST_REASONS:,} further reasons"


def _counted(names: list[str]) -> list[tuple[str, dict]]:
    """Each reason, but for the numbers in it, the most frequent first: what it cost, and the first of these."""
    found: dict[tuple[str, str], list] = {}
    for row in _rows(names, _COLUMNS):
        key = (row["step"], _NUMBER.sub("0", row["error"]))
        if key not in found and len(found) >= MOST_KEPT:
            key = ("", "others")
        counted = found.setdefault(key, [0, 0, row])
        counted[0] += row["records"]
        counted[1] += not row["records"]
    order = sorted(found.values(), key=lambda counted: -(counted[0] + counted[1]))
    return [(_cost(records, ranges), row) for records, ranges, row in order]


def _cost(records: int, ranges: int) -> str:
    return " and ".join(f"{n:,} {what}{'s' * (n > 1)}" for n, what in ((records, "record"), (ranges, "range")) if n)


def _rows(names: Iterable[str], columns: list[str] | None) -> Iterator[dict]:
    for name in names:
        with paths.open_input(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(4096, columns=columns):
                yield from batch.to_pylist()
