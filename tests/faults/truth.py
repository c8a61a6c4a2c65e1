"""What damage leaves of a clean file's records, found by comparing bytes.

A record is *intact* if neither its own bytes nor a part it lies in were touched; it must come out, with
its exact text. Records that may be lost but are still, at least in part, in the file are *present*: if
one does not come out, the accounts must show it. Of records whose bytes were taken out of the file
nobody can know. Start at `intact`.
"""

from __future__ import annotations

import zlib

import zstandard
from clean_files import Clean, Record
from damage import Damaged

SLACK = 256 << 10
"""Bytes of content before the damage in a file of one part that a decoder may lose with it: two blocks of
zstd, of 128 KiB at most (RFC 8878, section 3.1.1.2.4)."""


def intact(clean: Clean, damaged: Damaged) -> list[Record]:
    if damaged.suffix:
        return []
    data = damaged.data
    if clean.format == "text":
        return clean.records if data == clean.data else []
    if clean.kind == "parquet":
        return _in_whole_groups(clean, data)
    if clean.kind == "plain":
        return _whole_lines(clean, data) if clean.format == "jsonl" else _whole_warc_records(clean, data)
    if len(clean.parts) > 1:
        return _in_whole_parts(clean, data)
    if clean.data in data:
        return clean.records
    sound = len(_decoded(clean, data[: _common(clean.data, data)])) - SLACK
    return [record for record in clean.records if record.end <= sound]


def present(clean: Clean, damaged: Damaged) -> list[Record]:
    if clean.kind == "parquet":  # the number of rows is known, or else the whole file is lost
        return clean.records
    if clean.kind != "plain" and len(clean.parts) == 1:
        if not any(end == len(clean.data) for _, end in damaged.removed):
            return clean.records
        decodable = len(_decoded(clean, damaged.data))
        return [record for record in clean.records if record.end <= decodable]
    behind = 1 if clean.kind == "plain" else 0  # a record right behind a cut may be one with what stands before it
    touched = [
        part for part in clean.parts if any(a < part.end and part.start < b + behind for a, b in damaged.removed)
    ]
    return [
        record for record in clean.records if not any(r.first < record.end and record.start < r.last for r in touched)
    ]


def _whole_lines(clean: Clean, data: bytes) -> list[Record]:
    lines = set(data.split(b"\n"))
    return [record for record in clean.records if clean.data[record.start : record.end - 1] in lines]


def _whole_warc_records(clean: Clean, data: bytes) -> list[Record]:
    """Those that stand, with the two line ends behind them, at the start or behind two line ends."""

    def stands(record: Record) -> bool:
        block = clean.data[record.start : record.end]
        return data.startswith(block) or b"\r\n\r\n" + block in data

    return [record for record in clean.records if stands(record)]


def _in_whole_groups(clean: Clean, data: bytes) -> list[Record]:
    footer = clean.data[clean.parts[-1].end :]
    if data[:4] != b"PAR1" or not data.endswith(footer):
        return []
    whole = {part.first for part in clean.parts if data[part.start : part.end] == clean.data[part.start : part.end]}
    return [record for record in clean.records if record.start in whole]


def _in_whole_parts(clean: Clean, data: bytes) -> list[Record]:
    """Those whose parts stand one behind the other, untouched, somewhere in `data`.

    A record that begins with its part is lost, too, where the part before it ends within another
    record, as if there were nothing between: then the two are one.
    """
    found = _occurrences(clean, data)
    whole: set[Record] = set()
    for place, (_, number) in enumerate(found):
        last = number
        for (start, this), (after, following) in zip(found[place:], found[place + 1 :]):
            if following != this + 1 or after != start + _size(clean, this):
                break
            last = following
        glued = _glued(clean, found, place)
        part, end = clean.parts[number], clean.parts[last].last
        for record in clean.records:
            if (
                part.first <= record.start < part.last
                and record.end <= end
                and not (glued and record.start == part.first)
            ):
                whole.add(record)
    return [record for record in clean.records if record in whole]


def _occurrences(clean: Clean, data: bytes) -> list[tuple[int, int]]:
    """(offset in `data`, number) of each untouched part."""
    found = []
    for number, part in enumerate(clean.parts):
        block, position = clean.data[part.start : part.end], -1
        while (position := data.find(block, position + 1)) >= 0:
            found.append((position, number))
    return sorted(found)


def _size(clean: Clean, number: int) -> int:
    return clean.parts[number].end - clean.parts[number].start


def _glued(clean: Clean, found: list[tuple[int, int]], place: int) -> bool:
    if not place:
        return False
    position, number = found[place - 1]
    return position + _size(clean, number) == found[place][0] and clean.parts[number].last not in clean.ends


def _common(one: bytes, other: bytes) -> int:
    """Length of the longest common prefix."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _decoded(clean: Clean, data: bytes) -> bytes:
    """What the beginning of a gzip member or zstd frame decodes to."""
    if clean.kind == "gzip":
        return zlib.decompressobj(31).decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)
