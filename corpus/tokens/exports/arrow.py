"""A dataset of Hugging Face's `datasets`, as its `save_to_disk` leaves one: data-00000-of-00002.arrow, ... (Arrow IPC
streams), state.json and dataset_info.json, with a column `input_ids`. After huggingface/datasets
`src/datasets/arrow_dataset.py`, save_to_disk and load_from_disk, which takes the features from the Arrow schema where
dataset_info.json has none."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from corpus.tokens.checksum import xxh64
from corpus.tokens.exports.format import Format, Written
from corpus.tokens.exports.samples import samples
from corpus.tokens.exports.source import Shard, Source

_TOKENS = 1 << 22
"""Of a record batch, unless one sample has more."""


@dataclasses.dataclass(frozen=True)
class Arrow(Format):
    """An Arrow file for each shard.

    sequence_length    tokens of a row: documents end to end, cut wherever that is; None: a document a row
    """

    reader: ClassVar[str] = 'datasets.load_from_disk("{folder}")'
    sequence_length: int | None = None

    def write(self, source: Source, folder: str) -> Written:
        """See Format."""
        written, count = Written(), len(source.entries)
        names = [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]
        schema = pa.schema([("input_ids", pa.list_(pa.from_numpy_dtype(source.dtype)))])
        for name, shard in zip(names, samples(source, self.sequence_length, written)):
            with pa.OSFile(os.path.join(folder, name), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
                _write_batches(shard, writer, schema)
        what = json.dumps([source.manifest, self.sequence_length], sort_keys=True).encode()
        state: dict[str, Any] = {
            "_data_files": [{"filename": name} for name in names],
            "_fingerprint": f"{xxh64(np.frombuffer(what, np.uint8)):016x}",
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": "train",
        }
        for name, content in (("state.json", state), ("dataset_info.json", {})):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as text:
                json.dump(content, text, indent=2, sort_keys=True)
        return written


def _write_batches(shard: Shard, writer: pa.RecordBatchStreamWriter, schema: pa.Schema) -> None:
    """The samples of a shard, in batches of about _TOKENS tokens, which are views of it."""
    ends, first = shard.offsets[1:], 0
    while first < len(ends):
        begin = int(shard.offsets[first])
        last = max(first + 1, int(np.searchsorted(ends, begin + _TOKENS, "right")))
        offsets = pa.array((shard.offsets[first : last + 1] - begin).astype(np.int32))
        tokens = pa.array(shard.tokens[begin : int(shard.offsets[last])])
        writer.write_batch(pa.record_batch([pa.ListArray.from_arrays(offsets, tokens)], schema=schema))
        first = last
