"""MosaicML's shards (MDS, version 2), byte for byte as its MDSWriter writes {"tokens": "ndarray:uint16"} (or int32):

    shard.00000.mds    uint32 samples; uint32[samples + 1] where each begins and the last ends, from the file's
                       beginning; the configuration as JSON; the samples
    a sample           uint32 bytes of what follows; uint8 4 + k, the length of the array in 1, 2 or 4 bytes (k 0, 1,
                       2); the ids
    index.json         what each shard is

After mosaicml/streaming `streaming/base/format/mds/writer.py` and `encodings.py`. A sample is a document, or a sequence
of one length, as LLM Foundry's training wants it."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import numba
import numpy as np

from corpus.tokens.exports.format import Format, Written
from corpus.tokens.exports.samples import samples
from corpus.tokens.exports.source import Shard, Source

SIZE_LIMIT = 1 << 26
"""Bytes of a shard, about: MDSWriter's default."""
_MOST_BYTES = (1 << 32) - 1
"""Where a sample may lie: places are uint32."""


@dataclasses.dataclass(frozen=True)
class MosaicShards(Format):
    """Shards of 64 MiB and their index.

    sequence_length    tokens of a sample: documents end to end, cut wherever that is; None: a document a sample
    """

    reader: ClassVar[str] = 'streaming.StreamingDataset(local="{folder}", batch_size=1)'
    sequence_length: int | None = None

    def write(self, source: Source, folder: str) -> Written:
        """See Format."""
        written = Written()
        config = {
            "column_encodings": [f"ndarray:{source.dtype.name}"],
            "column_names": ["tokens"],
            "column_sizes": [None],
            "compression": None,
            "format": "mds",
            "hashes": [],
            "size_limit": SIZE_LIMIT,
            "version": 2,
        }
        header, shards = json.dumps(config, sort_keys=True).encode(), list[dict[str, Any]]()
        for parts in _grouped(samples(source, self.sequence_length, written), 8 + len(header)):
            name = f"shard.{len(shards):05}.mds"
            count, size = _write_shard(os.path.join(folder, name), header, parts)
            raw = {"basename": name, "bytes": size, "hashes": {}}
            shards.append({**config, "raw_data": raw, "samples": count, "zip_data": None})
        with open(os.path.join(folder, "index.json"), "w", encoding="utf-8") as file:
            json.dump({"shards": shards, "version": 2}, file, sort_keys=True)
        return written


def _sizes(shard: Shard) -> np.ndarray:
    """int64: the bytes of each sample, its own size in front included."""
    lengths = np.diff(shard.offsets)
    width = np.where(lengths < 1 << 8, 1, np.where(lengths < 1 << 16, 2, 4))
    return 4 + 1 + width + lengths * shard.tokens.dtype.itemsize


def _grouped(found: Iterator[Shard], overhead: int) -> Iterator[list[Shard]]:
    """The samples of each MDS shard: as many as fit SIZE_LIMIT with four bytes more for each, at least one."""
    group, room = list[Shard](), SIZE_LIMIT - overhead
    for shard in found:
        ends = np.cumsum(_sizes(shard) + 4)
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            last = int(np.searchsorted(ends, before + room, "right"))
            if last == first and not group:
                last = first + 1  # alone, and larger than a shard
            if last > first:
                group.append(Shard(shard.tokens, shard.offsets[first : last + 1]))
                room -= int(ends[last - 1]) - before
            if last < len(ends):
                yield group
                group, room = [], SIZE_LIMIT - overhead
            first = last
    if group:
        yield group


def _write_shard(name: str, header: bytes, parts: list[Shard]) -> tuple[int, int]:
    """Write a shard; (samples, bytes)."""
    sizes = np.concatenate([_sizes(part) for part in parts])
    begin = 4 + 4 * (len(sizes) + 1) + len(header)
    places = begin + np.concatenate([[0], np.cumsum(sizes)])
    if places[-1] > _MOST_BYTES:
        raise ValueError(f"a document of {int(sizes.max()):,} bytes does not fit an MDS shard, which has 4 GiB at most")
    out, first = np.empty(int(places[-1]) - begin, np.uint8), 0
    for part in parts:
        count = len(part.offsets) - 1
        itemsize = part.tokens.dtype.itemsize
        at = places[first : first + count] - begin
        data = part.tokens.view(np.uint8)
        data.setflags(write=False)  # one type for the compiler, as a map has it
        _frame(data, part.offsets * itemsize, np.diff(part.offsets), at, out)
        first += count
    with open(name, "wb") as file:
        for piece in (np.array([len(sizes)], "<u4").data, places.astype("<u4").data, header, out.data):
            file.write(piece)
    return len(sizes), int(places[-1])


@numba.njit(cache=True, nogil=True)
def _frame(data, offsets, lengths, places, out):
    """Write samples into `out` at `places`: of sample i the bytes are data[offsets[i]:offsets[i + 1]], and it has
    lengths[i] tokens."""
    for i in range(len(lengths)):
        width = 1 if lengths[i] < 1 << 8 else 2 if lengths[i] < 1 << 16 else 4
        size = 1 + width + offsets[i + 1] - offsets[i]
        at = places[i]
        for byte in range(4):
            out[at + byte] = (size >> (8 * byte)) & 255
        out[at + 4] = 4 + (width >> 1)  # one dimension; 0, 1, 2 for 1, 2, 4 bytes
        for byte in range(width):
            out[at + 5 + byte] = (lengths[i] >> (8 * byte)) & 255
        at += 5 + width
        for byte in range(offsets[i], offsets[i + 1]):
            out[at] = data[byte]
            at += 1
