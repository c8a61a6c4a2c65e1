"""The shards of a token folder, opened when first touched, and checked as they are read."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from corpus.io import paths
from corpus.loader import kernel
from corpus.loader.cache import fetch
from corpus.tokens import manifest as manifests
from corpus.tokens import packing
from corpus.tokens.checksum import check_block, xxh64
from corpus.tokens.megatron import IndexedDataset

OPEN_AT_ONCE = 16_000
"""Shards kept mapped: two maps each, three with a packing plan, and 65,530 is what Linux gives a process by default
(vm.max_map_count). A map keeps no file open."""


class Documents(NamedTuple):
    """Where the documents of a shard begin and end, as kernels want it: see `kernel.document_start`."""

    halves: np.ndarray
    sequences: int
    documents: int
    itemsize: int
    size: int


Parts = tuple[tuple[int, np.ndarray], ...]
"""Of a shard: (place of the first token in the shard, tokens) of each."""


class Shard:
    """A shard, mapped. What is read of it is compared with the manifest's checksums first, once each block; `checks`
    (bool[blocks], and of the index behind them) says which have been."""

    def __init__(self, prefix: str, manifest: dict[str, Any], shard: dict[str, Any], checks: np.ndarray) -> None:
        """Raises ValueError if the shard is not what its manifest describes."""
        self._dataset = IndexedDataset(prefix, validate=False)
        found = self._dataset.documents, len(self._dataset.tokens), self._dataset.dtype.name
        expected = shard["documents"], shard["tokens"], manifest["dtype"]
        if found != expected:
            raise ValueError(f"{prefix} has (documents, tokens, dtype) {found}; the manifest says {expected}")
        self.dtype = self._dataset.dtype
        self._prefix, self._entry, self._checks = prefix, shard, checks
        self._vocab_size: int = manifest["vocab_size"]
        self._block = max(1, shard["block_bytes"] // self.dtype.itemsize)
        self.checked: Parts | None = None
        """All of the shard, once all of it has been checked: nothing is to be read then."""
        self._settle()
        data = self._dataset
        self._documents = Documents(data.index, data.sequences, data.documents, data.dtype.itemsize, len(data.tokens))

    def read(self, starts: np.ndarray, ends: np.ndarray, begin: int) -> Parts:
        """Parts of the shard that together hold what it has of the ranges [starts, ends) (int64[rows]), the shard's
        first token being number `begin`. Raises ValueError for a block that is not what the manifest says."""
        if self.checked is None:
            for block in kernel.blocks_of(starts, ends, begin, len(self._dataset.tokens), self._block).tolist():
                if not self._checks[block]:
                    self._check(block)
            self._settle()
        return ((0, self._dataset.tokens),)

    def documents(self) -> Documents:
        """Its documents. Raises ValueError where the index is not what the manifest says."""
        if not self._checks[-1]:
            expected = self._entry.get("idx_xxh64")
            if expected is not None and xxh64(self._dataset.raw_index) != int(expected, 16):
                raise ValueError(f"{self._prefix}.idx does not have the checksum that the manifest says: it is damaged")
            self._checks[-1] = True
        return self._documents

    def _settle(self) -> None:
        if self._checks[:-1].all():
            self.checked = ((0, self._dataset.tokens),)

    def _check(self, block: int) -> None:
        first = block * self._block
        data = self._dataset.tokens[first : first + self._block]
        wrong = check_block(data, self._entry["blocks"][block], self._vocab_size)
        if wrong:
            raise ValueError(f"{self._prefix}.bin: block {block}, from token {first} on, {wrong}")
        self._checks[block] = True


class Shards:
    """Shards as one stream of tokens: shard s holds stream positions starts[s] to starts[s + 1].

    Costs one read of manifest.json at first, whatever the number of documents; the manifest's
    counts are checked against a shard when it is opened, its checksums when its blocks are first read.
    """

    def __init__(self, folder: str, cache: str | None = None, verify: bool = True) -> None:
        """`folder` is a local path, or a URI whose shards are copied to the local folder `cache`
        when touched. Without `verify` no checksums are compared. Raises ValueError for a URI without `cache`."""
        if not paths.is_local(folder) and cache is None:
            raise ValueError(f"{folder} is not local: name a local folder for copies as `cache`")
        self.folder = folder
        self.manifest = manifests.load(folder)
        counts = [shard["tokens"] for shard in self.manifest["shards"]]
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self.tokens = int(self.starts[-1])
        self.fingerprint = _fingerprint(self.manifest)
        self._copies = f"{cache}/{self.fingerprint}"  # of a folder that is not local
        self._verify = verify
        self._checked: dict[int, np.ndarray] = {}  # of every shard that was ever open
        self.open = functools.lru_cache(OPEN_AT_ONCE)(self._open)
        self.open_plan = functools.lru_cache(OPEN_AT_ONCE)(self._open_plan)

    def _open(self, number: int) -> Shard:
        """Shard `number`, mapped. Raises ValueError if it is not what the manifest describes."""
        shard = self.manifest["shards"][number]
        prefix = manifests.shard_prefix(self.folder, shard["name"])
        if not paths.is_local(prefix):
            local = manifests.shard_prefix(self._copies, shard["name"])
            fetch(paths.suffixed(prefix, ".idx"), local + ".idx", shard["idx_bytes"])
            blocks = shard["block_bytes"], shard["blocks"]
            fetch(paths.suffixed(prefix, ".bin"), local + ".bin", shard["bin_bytes"], *blocks)
            prefix = local
        if number not in self._checked:
            self._checked[number] = np.full(len(shard["blocks"]) + 1, not self._verify)
        return Shard(prefix, self.manifest, shard, self._checked[number])

    def _open_plan(self, name: str, number: int) -> packing.Plan:
        """Packing plan `name` of shard `number`. Raises ValueError if it is for other tokens."""
        shard = self.manifest["shards"][number]
        path = packing.plan_path(self.folder, name, shard["name"])
        plan = packing.load(path)
        found = plan.figures["documents"], plan.figures["tokens"]
        if found != (shard["documents"], shard["tokens"]):
            raise ValueError(
                f"{path} was made for (documents, tokens) {found}, the shard has "
                f"{(shard['documents'], shard['tokens'])}: pack again"
            )
        return plan


def _fingerprint(manifest: dict[str, Any]) -> str:
    """Hash of what the stream of tokens depends on."""
    content = [manifest["dtype"], manifest["vocab_size"], manifest["end_id"], manifest.get("pad_id")]
    content += [[shard["name"], shard["documents"], shard["tokens"], shard["blocks"]] for shard in manifest["shards"]]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
