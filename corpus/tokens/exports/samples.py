"""Documents, or sequences of one length, for formats that hold samples one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from corpus.tokens.exports.format import EMPTY, Written
from corpus.tokens.exports.source import Shard, Source

REST = "tokens at the end that make no whole sequence"


def samples(source: Source, sequence_length: int | None, written: Written) -> Iterator[Shard]:
    """For each shard its samples, `tokens[offsets[i]:offsets[i + 1]]`: its documents, or documents laid end to end, cut
    every `sequence_length` tokens, where what a shard has left goes before the next. None is empty; `written` is told
    what is left out."""
    if sequence_length is not None and sequence_length < 1:
        raise ValueError(f"sequence_length must be 1 or more, not {sequence_length}")
    rest = np.empty(0, source.dtype)
    for entry in source.entries:
        shard = source.read(entry)
        if sequence_length is None:
            filled = np.diff(shard.offsets) > 0
            written.leave_out(EMPTY, int((~filled).sum()))
            found = Shard(shard.tokens, np.concatenate([shard.offsets[:1], shard.offsets[1:][filled]]))
        else:
            tokens = np.concatenate([rest, shard.tokens]) if len(rest) else shard.tokens
            found = Shard(tokens, np.arange(0, len(tokens) + 1, sequence_length))
            rest = tokens[found.offsets[-1] :].copy()
        written.tokens += int(found.offsets[-1])
        yield found
    written.leave_out(REST, len(rest))
