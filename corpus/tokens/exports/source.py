"""The tokens that are exported: shards with their documents, checked against the manifest before others are to trust
them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from corpus.io import paths
from corpus.tokens import manifest as manifests
from corpus.tokens.checksum import check_block, xxh64
from corpus.tokens.megatron import Index, IndexedDataset, map_file


class Shard(NamedTuple):
    """A shard, of which all is checked: document d is `tokens[offsets[d]:offsets[d + 1]]`."""

    tokens: np.ndarray
    offsets: np.ndarray


class Source:
    """The token shards of a folder.

    folder      where they lie
    set         the name of the set, if they are one
    manifest    what they are: see corpus.tokens.manifest
    """

    def __init__(self, path: str) -> None:
        """Of OUT, OUT/tokens, or a set OUT/tokens/NAME. Raises FileNotFoundError or ValueError where there is no
        manifest, or one of several sets."""
        tokens, self.manifest = manifests.of_run(path)
        self.folder, _, self.set = manifests.open_set(tokens)

    @property
    def dtype(self) -> np.dtype:
        """Of the tokens: uint16 or int32."""
        return np.dtype(self.manifest["dtype"]).newbyteorder("<")

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What the manifest says of each shard, in stream order."""
        return self.manifest["shards"]

    @property
    def tokenizer(self) -> str:
        """Where the tokenizer is."""
        return manifests.tokenizer_path(self.folder, self.manifest)

    def _prefix(self, entry: dict[str, Any]) -> str:
        return manifests.shard_prefix(self.folder, entry["name"])

    def local_payload(self, entry: dict[str, Any]) -> str | None:
        """The path of a shard's .bin on this machine, None where it is elsewhere."""
        return paths.local_path(paths.suffixed(self._prefix(entry), ".bin"))

    def offsets(self, entry: dict[str, Any]) -> np.ndarray:
        """int64[documents + 1]: where the documents of a shard begin and end, by its index, which is checked; of .bin
        the size is. Raises ValueError where they are not what the manifest says."""
        prefix = self._prefix(entry)
        raw = map_file(paths.suffixed(prefix, ".idx"))
        if "idx_xxh64" in entry and xxh64(raw) != int(entry["idx_xxh64"], 16):
            raise ValueError(f"{prefix}.idx does not have the checksum that the manifest says: see `winnow verify`")
        index = Index(raw, prefix)
        index.validate()
        size = paths.size(paths.suffixed(prefix, ".bin"))
        if not size == index.bin_bytes == entry["bin_bytes"] or index.dtype != self.dtype:
            raise ValueError(
                f"{prefix}.bin has {size} bytes; the manifest says {entry['bin_bytes']} of {self.dtype.name}, "
                f"the index {index.bin_bytes} of {index.dtype.name}"
            )
        return index.document_offsets

    def read(self, entry: dict[str, Any]) -> Shard:
        """A shard of which every block is what the manifest says; mapped where it is local. Raises ValueError."""
        offsets, prefix = self.offsets(entry), self._prefix(entry)
        tokens = IndexedDataset(prefix, validate=False).tokens
        step = max(1, entry["block_bytes"] // self.dtype.itemsize)
        for number, expected in enumerate(entry["blocks"]):
            problem = check_block(tokens[number * step : (number + 1) * step], expected, self.manifest["vocab_size"])
            if problem:
                raise ValueError(f"{prefix}.bin: block {number} {problem}")
        return Shard(tokens, offsets)

    def split(self, share: float) -> int:
        """The token of the stream with which the validation begins: the last `share` of the documents, at least one of
        them and not all; all tokens where the share is 0. Raises ValueError for fewer than two documents."""
        documents, rest = self.manifest["documents"], self.manifest["tokens"]
        if not share:
            return rest
        if documents < 2:
            raise ValueError(f"{self.folder} has {documents} documents: none can be kept for validation; say 0")
        wanted = min(documents - 1, max(1, round(share * documents)))
        for entry in reversed(self.entries):
            offsets = self.offsets(entry)
            if wanted <= entry["documents"]:
                return rest - int(offsets[-1] - offsets[entry["documents"] - wanted])
            wanted, rest = wanted - entry["documents"], rest - entry["tokens"]
        return rest

    def ranges(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Tokens [first, last) of the stream, shard by shard."""
        begin = 0
        for entry in self.entries:
            end = begin + entry["tokens"]
            if begin < last and end > first:
                yield self.read(entry).tokens[max(first - begin, 0) : last - begin]
            begin = end
