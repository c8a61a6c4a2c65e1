"""The shards of a token folder, opened when first touched."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

import numpy as np

from corpus.io import paths
from corpus.loader.cache import fetch
from corpus.tokens import manifest as manifests
from corpus.tokens import packing
from corpus.tokens.megatron import IndexedDataset

OPEN_AT_ONCE = 256
"""Shards kept mapped: each takes two file descriptors, three with a packing plan, and 1,024 is a
common limit for a process."""


class Shards:
    """Shards as one stream of tokens: shard s holds stream positions starts[s] to starts[s + 1].

    Costs one read of manifest.json at first, whatever the number of documents; the manifest's
    counts are checked against a shard when it is opened.
    """

    def __init__(self, folder: str, cache: str | None = None) -> None:
        """`folder` is a local path, or a URI whose shards are copied to the local folder `cache`
        when touched. Raises ValueError for a URI without `cache`."""
        if not paths.is_local(folder) and cache is None:
            raise ValueError(f"{folder} is not local: name a local folder for copies as `cache`")
        self.folder = folder
        self.manifest = manifests.load(folder)
        counts = [shard["tokens"] for shard in self.manifest["shards"]]
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self.tokens = int(self.starts[-1])
        self.fingerprint = _fingerprint(self.manifest)
        self._copies = f"{cache}/{self.fingerprint}"  # of a folder that is not local
        self.open = functools.lru_cache(OPEN_AT_ONCE)(self._open)
        self.open_plan = functools.lru_cache(OPEN_AT_ONCE)(self._open_plan)

    def _open(self, number: int) -> IndexedDataset:
        """Shard `number`, mapped. Raises ValueError if it is not what the manifest describes."""
        shard = self.manifest["shards"][number]
        prefix = manifests.shard_prefix(self.folder, shard["name"])
        if not paths.is_local(prefix):
            local = manifests.shard_prefix(self._copies, shard["name"])
            fetch(paths.suffixed(prefix, ".idx"), local + ".idx", shard["idx_bytes"])
            blocks = shard["block_bytes"], shard["blocks"]
            fetch(paths.suffixed(prefix, ".bin"), local + ".bin", shard["bin_bytes"], *blocks)
            prefix = local
        dataset = IndexedDataset(prefix, validate=False)
        found = dataset.documents, len(dataset.tokens), dataset.dtype.name
        expected = shard["documents"], shard["tokens"], self.manifest["dtype"]
        if found != expected:
            raise ValueError(f"{prefix} has (documents, tokens, dtype) {found}; the manifest says {expected}")
        return dataset

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
