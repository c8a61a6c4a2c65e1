"""datatrove's tokenized files, which nanotron reads, too: NAME.ds is the payload, NAME.ds.index where documents end, in
tokens (uint64, little-endian, no header), NAME.ds.metadata three lines: tokenizer and bytes of a token, tokens, and the
same for people. After huggingface/datatrove `src/datatrove/pipeline/tokens/tokenizer.py`, class TokenizedFile.

Its reader takes the places of documents from the index and cannot do with two that end at one place: empty documents
are left out of it."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar

from corpus.tokens.exports.format import Format, Written, filled_ends, link_payload
from corpus.tokens.exports.source import Source


@dataclasses.dataclass(frozen=True)
class Datatrove(Format):
    """A .ds with index and metadata for each shard."""

    reader: ClassVar[str] = (
        'datatrove.utils.dataset.DatatroveFolderDataset("{folder}", seq_len=2048, filename_pattern="*.ds", '
        "token_size={token_bytes})"
    )

    def write(self, source: Source, folder: str) -> Written:
        """See Format."""
        written = Written()
        for entry in source.entries:
            name = os.path.join(folder, entry["name"] + ".ds")
            filled_ends(source.offsets(entry), written).astype("<u8").tofile(name + ".index")
            link_payload(source, entry, name, written)
            lines = [f"{source.tokenizer}|{source.dtype.itemsize}", str(entry["tokens"]), _metric(entry["tokens"])]
            with open(name + ".metadata", "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
        return written


def _metric(tokens: int) -> str:
    """Tokens as `humanize.metric(tokens, unit="T")` has them: three digits and a prefix, 1.50 kT."""
    exponent = len(str(tokens)) - 1
    shown = f"{tokens / 1000 ** (exponent // 3):.{2 - exponent % 3}f}"
    if len(shown.replace(".", "")) > 3:  # rounded up: 9.996 is 10.0
        exponent += 1
        shown = f"{tokens / 1000 ** (exponent // 3):.{2 - exponent % 3}f}"
    return f"{shown} {('', 'k', 'M', 'G', 'T', 'P', 'E')[exponent // 3]}T"
