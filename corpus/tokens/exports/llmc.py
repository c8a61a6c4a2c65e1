"""Files of llm.c and modded-nanogpt: 256 int32, of which the first three are a magic number, a version and the number
of tokens (below 2^31), then the ids. uint16 with GPT-2's numbers, uint32 with those of Llama 3, which its
`train_llama3` reads and the programs for GPT-2 refuse. After karpathy/llm.c `dev/data/data_common.py` and
`llmc/dataloader.h`."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar

import numpy as np

from corpus.tokens.exports.format import Format, Written
from corpus.tokens.exports.nanogpt import write_arrays
from corpus.tokens.exports.source import Source

_NUMBERS = {2: (20240520, 1), 4: (20240801, 7)}
"""Magic number and version by the bytes of a token."""
MOST_TOKENS = (1 << 31) - 1
"""Of a file."""


@dataclasses.dataclass(frozen=True)
class LlmC(Format):
    """winnow_train_000001.bin, ..., one for each shard, and winnow_val_000000.bin.

    validation    share of the documents that are for validation, the last of the stream, which is shuffled
    """

    reader: ClassVar[str] = "train_gpt2cu -i '{folder}/winnow_train_*.bin' -j '{folder}/winnow_val_*.bin'"
    validation: float = 0.0005

    def write(self, source: Source, folder: str) -> Written:
        """See Format."""
        tokens = source.manifest["tokens"]
        end = source.split(self.validation)
        shards = np.cumsum([0] + [entry["tokens"] for entry in source.entries])
        _write(source, np.unique(np.minimum(shards, end)), folder, "train", 1)
        _write(source, np.unique([end, tokens]), folder, "val", 0)
        return Written(tokens)


def _write(source: Source, bounds: np.ndarray, folder: str, kind: str, number: int) -> None:
    """Files of the tokens from each of `bounds` to the next, numbered from `number` on."""
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        for first in range(begin, end, MOST_TOKENS):
            last = min(first + MOST_TOKENS, end)
            header = np.zeros(256, "<i4")
            header[:3] = *_NUMBERS[source.dtype.itemsize], last - first
            name = os.path.join(folder, f"winnow_{kind}_{number:06d}.bin")
            write_arrays(source.ranges(first, last), name, header.tobytes())
            number += 1
