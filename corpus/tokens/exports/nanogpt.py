"""nanoGPT's data folder: train.bin and val.bin, uint16 ids back to back with the end token behind each document, and
meta.pkl, a dict from which its train.py takes the size of the vocabulary. After karpathy/nanoGPT
`data/openwebtext/prepare.py` (test_size=0.0005) and `train.py`."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from corpus.tokens.exports.format import Format, Written, link_payload
from corpus.tokens.exports.source import Source


@dataclasses.dataclass(frozen=True)
class NanoGpt(Format):
    """Two files for all shards. Without validation, and of one shard, train.bin is that shard.

    validation    share of the documents that are val.bin, the last of the stream, which is shuffled
    """

    reader: ClassVar[str] = "python train.py --dataset=NAME, with {folder} as nanoGPT's data/NAME"
    validation: float = 0.0005

    def refuse(self, source: Source) -> None:
        """It reads uint16, whatever the vocabulary."""
        if source.dtype.itemsize != 2:
            raise ValueError(
                f"nanoGPT reads tokens of two bytes; a vocabulary of {source.manifest['vocab_size']:,} needs four"
            )

    def write(self, source: Source, folder: str) -> Written:
        """See Format."""
        written, tokens = Written(), source.manifest["tokens"]
        end, train = source.split(self.validation), os.path.join(folder, "train.bin")
        if end == tokens and len(source.entries) == 1:
            source.offsets(source.entries[0])
            link_payload(source, source.entries[0], train, written)
        else:
            write_arrays(source.ranges(0, end), train)
            written.tokens += tokens
        if end < tokens:
            write_arrays(source.ranges(end, tokens), os.path.join(folder, "val.bin"))
        with open(os.path.join(folder, "meta.pkl"), "wb") as file:
            pickle.dump({"vocab_size": source.manifest["vocab_size"]}, file, protocol=4)
        return written


def write_arrays(parts: Iterable[np.ndarray], name: str, header: bytes = b"") -> None:
    """A file of a header and the bytes of arrays."""
    with open(name, "wb") as file:
        file.write(header)
        for part in parts:
            file.write(part.data)
