"""The shards of a token folder, opened when first touched, and checked as they are read."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from corpus.io import paths
from corpus.loader import kernel
from corpus.loader.cache import Cache
from corpus.loader.open_files import OpenFiles
from corpus.loader.read_ahead import Call
from corpus.tokens import manifest as manifests
from corpus.tokens import packing
from corpus.tokens.checksum import check_block, xxh64
from corpus.tokens.megatron import Index, IndexedDataset

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
Ranges = Iterable[tuple[int, np.ndarray, np.ndarray, int]]
"""Of tokens, shard by shard: (number of the shard, starts, ends, begin), the last three as `Shard.read` has them."""


class Maps:
    """What is open, of at most `most` things that were used last. For several threads."""

    def __init__(self, most: int) -> None:
        self.most, self._found, self._lock = most, dict[Any, np.ndarray](), threading.Lock()

    def __len__(self) -> int:
        return len(self._found)

    def find(self, key: Any) -> np.ndarray | None:
        """What was kept under this key."""
        with self._lock:
            found = self._found.pop(key, None)
            if found is not None:
                self._found[key] = found  # behind all others
            return found

    def keep(self, key: Any, value: np.ndarray) -> None:
        """Keep something in place of what was not asked for the longest."""
        with self._lock:
            self._found[key] = value
            while len(self._found) > self.most:
                del self._found[next(iter(self._found))]


class Shard(Protocol):
    """A shard. What is read of it is compared with the manifest's checksums first, once each block."""

    checked: Parts | None
    """All of the shard, where it is at hand and all of it has been checked: nothing is to be read then."""

    def read(self, starts: np.ndarray, ends: np.ndarray, begin: int) -> Parts:
        """Parts of the shard that together hold what it has of the ranges [starts, ends) (int64[rows]), the shard's
        first token being number `begin`. Raises ValueError for a block that is not what the manifest says."""

    def documents(self) -> Documents:
        """Its documents. Raises ValueError where the index is not what the manifest says."""


class LocalShard:
    """A Shard that is mapped as a whole; `checks` (bool[blocks], and of the index behind them) says what has been
    checked."""

    def __init__(self, prefix: str, manifest: dict[str, Any], entry: dict[str, Any], checks: np.ndarray) -> None:
        """Raises ValueError if the shard is not what its manifest describes."""
        self._data = IndexedDataset(prefix, validate=False)
        found = self._data.documents, len(self._data.tokens), self._data.dtype.name
        _compare(prefix, found, manifest, entry)
        self._prefix, self._entry, self._checks = prefix, entry, checks
        self._vocab_size: int = manifest["vocab_size"]
        self._block = max(1, entry["block_bytes"] // self._data.dtype.itemsize)
        self.checked: Parts | None = None
        self._settle()
        self._documents = Documents(
            self._data.index, self._data.sequences, self._data.documents, self._data.dtype.itemsize,
            len(self._data.tokens),
        )  # fmt: skip

    def read(self, starts: np.ndarray, ends: np.ndarray, begin: int) -> Parts:
        """See Shard: always all of it."""
        if self.checked is None:
            for block in kernel.blocks_of(starts, ends, begin, len(self._data.tokens), self._block).tolist():
                if not self._checks[block]:
                    self._check(block)
            self._settle()
        return ((0, self._data.tokens),)

    def documents(self) -> Documents:
        """See Shard."""
        if not self._checks[-1]:
            problem = _index_problem(self._data.raw_index, self._entry)
            if problem:
                raise ValueError(f"{self._prefix}.idx {problem}")
            self._checks[-1] = True
        return self._documents

    def _settle(self) -> None:
        if self._checks[:-1].all():
            self.checked = ((0, self._data.tokens),)

    def _check(self, block: int) -> None:
        first = block * self._block
        wrong = check_block(
            self._data.tokens[first : first + self._block], self._entry["blocks"][block], self._vocab_size
        )
        if wrong:
            raise ValueError(f"{self._prefix}.bin: block {block}, from token {first} on, {wrong}")
        self._checks[block] = True


class RemoteShard:
    """A Shard on an object store, of which blocks are fetched into a cache when they are wanted; copies are checked
    whenever they are opened. Those that are open are in `maps`."""

    def __init__(
        self, prefix: str, manifest: dict[str, Any], entry: dict[str, Any], cache: Cache, maps: Maps, files: OpenFiles
    ) -> None:
        """Raises ValueError for blocks that begin within a token."""
        self.checked: Parts | None = None
        self._prefix, self._manifest, self._entry, self._cache, self._maps = prefix, manifest, entry, cache, maps
        self._dtype = np.dtype(manifest["dtype"]).newbyteorder("<")
        if entry["block_bytes"] % self._dtype.itemsize:
            raise ValueError(f"{prefix}: blocks of {entry['block_bytes']} bytes do not hold whole tokens")
        self._block = entry["block_bytes"] // self._dtype.itemsize
        self._documents: Documents | None = None
        self._files, self._bin = files, paths.suffixed(prefix, ".bin")

    def read(self, starts: np.ndarray, ends: np.ndarray, begin: int) -> Parts:
        """See Shard: the blocks."""
        return tuple((block * self._block, self.block(block)) for block in self.blocks(starts, ends, begin))

    def blocks(self, starts: np.ndarray, ends: np.ndarray, begin: int) -> list[int]:
        """Numbers of the blocks that hold what the shard has of these ranges."""
        return kernel.blocks_of(starts, ends, begin, self._entry["tokens"], self._block).tolist()

    def block(self, number: int) -> np.ndarray:
        """The tokens of a block."""
        found = self._maps.find((self._prefix, number))
        if found is None:
            found = self._open(number)
            self._maps.keep((self._prefix, number), found)
        return found

    def has(self, number: int) -> bool:
        """Whether a block is open."""
        return self._maps.find((self._prefix, number)) is not None

    def _open(self, number: int) -> np.ndarray:
        first = number * self._entry["block_bytes"]
        size = min(self._entry["block_bytes"], self._entry["bin_bytes"] - first)
        expected = self._entry["blocks"][number]
        what = f"{self._bin}: block {number}, from token {number * self._block} on,"
        data = self._cache.open(
            f"{expected}-{size}",
            size,
            lambda: self._files.read(self._bin, first, size),
            lambda found: self._wrong(found, expected),
            what,
        )
        return data.view(self._dtype)

    def _wrong(self, found: np.ndarray, expected: str) -> str | None:
        problem = check_block(found.view(self._dtype), expected, self._manifest["vocab_size"])
        if problem is not None:
            self._files.forget(self._bin)  # which may hold what it has read
        return problem

    def documents(self) -> Documents:
        """See Shard: of the index, fetched as a whole."""
        if self._documents is None:
            name, size = paths.suffixed(self._prefix, ".idx"), self._entry["idx_bytes"]
            key = self._entry.get("idx_xxh64") or hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
            raw = self._cache.open(
                f"{key}-{size}.idx",
                size,
                lambda: OpenFiles().read(name, 0, size),
                lambda found: _index_problem(found, self._entry),
                name,
            )
            index = Index(raw, self._prefix)
            tokens = index.bin_bytes // self._dtype.itemsize
            _compare(self._prefix, (index.documents, tokens, index.dtype.name), self._manifest, self._entry)
            self._documents = Documents(index.halves, index.sequences, index.documents, self._dtype.itemsize, tokens)
        return self._documents


class Shards:
    """Shards as one stream of tokens: shard s holds stream positions starts[s] to starts[s + 1].

    Costs one read of manifest.json at first, whatever the number of documents; the manifest's
    counts are checked against a shard when it is opened, its checksums when its blocks are first read.
    """

    def __init__(
        self, folder: str, cache: str | None = None, cache_bytes: int | None = None, verify: bool = True
    ) -> None:
        """`folder` is a local path, or that of a set in a folder of tokens, FOLDER/SET; or a URI of which blocks are
        copied to the local folder `cache`, of about
        `cache_bytes` at most, when they are touched. Without `verify` no checksums of local files are compared. Raises
        ValueError for a URI without `cache`."""
        if not paths.is_local(folder) and cache is None:
            raise ValueError(f"{folder} is not local: name a local folder for copies as `cache`")
        self.folder, self.manifest, self.part = manifests.open_set(folder)
        counts = [shard["tokens"] for shard in self.manifest["shards"]]
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self.tokens = int(self.starts[-1])
        self.fingerprint = _fingerprint(self.manifest)
        self.cache = None if cache is None or paths.is_local(folder) else Cache(cache, cache_bytes)
        self._files = OpenFiles()
        self._verify, self._cache_bytes = verify, cache_bytes
        self._checks: dict[int, np.ndarray] = {}  # of every shard that was ever open
        self._blocks = sum(len(entry["blocks"]) for entry in self.manifest["shards"])
        self.keep_open(1.0)

    @property
    def size(self) -> int:
        """How much there is to keep open: shards, or where they are remote, blocks."""
        return len(self.manifest["shards"]) if self.cache is None else self._blocks

    def keep_open(self, share: float) -> None:
        """Keep so much open, of what a process can: a share of 0 to 1."""
        most = max(16, int(OPEN_AT_ONCE * share))
        self.open = functools.lru_cache(most)(self._open)
        self.open_plan = functools.lru_cache(most)(self._open_plan)
        if self._cache_bytes is not None:  # blocks that are mapped take room on the disk, deleted or not
            largest = max((entry["block_bytes"] for entry in self.manifest["shards"]), default=1)
            most = max(16, min(most, int(self._cache_bytes * share) // largest))
        self._maps = Maps(most)

    @property
    def block_tokens(self) -> int:
        """Tokens of a block."""
        entries = self.manifest["shards"]
        return max(1, entries[0]["block_bytes"] // np.dtype(self.manifest["dtype"]).itemsize) if entries else 1

    @property
    def most_blocks(self) -> int:
        """How many remote blocks may be open."""
        return self._maps.most

    def find_document(self, document: int) -> tuple[int, int]:
        """(shard, document in it) of a document counted over all shards. Raises IndexError."""
        ends = np.cumsum([entry["documents"] for entry in self.manifest["shards"]], dtype=np.int64)
        shard = int(np.searchsorted(ends, document, "right"))
        if document < 0 or shard == len(ends):
            raise IndexError(f"document {document} is not one of {self.manifest['documents']}")
        return shard, document - int(ends[shard] - self.manifest["shards"][shard]["documents"])

    def _open(self, number: int) -> Shard:
        """Shard `number`. Raises ValueError if it is not what the manifest describes."""
        entry = self.manifest["shards"][number]
        prefix = manifests.shard_prefix(self.folder, entry["name"])
        if self.cache is not None:
            return RemoteShard(prefix, self.manifest, entry, self.cache, self._maps, self._files)
        if number not in self._checks:
            self._checks[number] = np.full(len(entry["blocks"]) + 1, not self._verify)
        return LocalShard(prefix, self.manifest, entry, self._checks[number])

    @property
    def at_hand(self) -> bool:
        """Whether there is nothing to fetch: all blocks of all shards are open, or none is remote."""
        return self.cache is None or len(self._maps) >= self._blocks

    def missing(self, ranges: Ranges) -> Iterator[Call]:
        """The calls that fetch what these ranges of remote shards touch and is not open. What fails there is said where
        it is read."""
        for number, starts, ends, begin in ranges:
            shard = self.open(number)
            if isinstance(shard, RemoteShard):
                for block in shard.blocks(starts, ends, begin):
                    if not shard.has(block):
                        yield shard.block, block

    def _open_plan(self, name: str, number: int) -> packing.Plan:
        """Packing plan `name` of shard `number`. Raises ValueError if it is for other tokens."""
        shard = self.manifest["shards"][number]
        path = packing.plan_path(self.folder, name, shard["name"])
        plan = packing.load(path)
        found = plan.figures["documents"], plan.figures.get("shard_tokens", plan.figures["tokens"])
        if found != (shard["documents"], shard["tokens"]):
            raise ValueError(
                f"{path} was made for (documents, tokens) {found}, the shard has "
                f"{(shard['documents'], shard['tokens'])}: pack again"
            )
        return plan


def share_out(folders: Sequence[Shards]) -> None:
    """Let folders that one run reads keep as much open as one alone would, each by its size."""
    total = max(1, sum(each.size for each in folders))
    for each in folders:
        each.keep_open(each.size / total)


def _compare(prefix: str, found: tuple[int, int, str], manifest: dict[str, Any], entry: dict[str, Any]) -> None:
    expected = entry["documents"], entry["tokens"], manifest["dtype"]
    if found != expected:
        raise ValueError(f"{prefix} has (documents, tokens, dtype) {found}; the manifest says {expected}")


def _index_problem(raw: np.ndarray, entry: dict[str, Any]) -> str | None:
    expected = entry.get("idx_xxh64")
    if expected is not None and xxh64(raw) != int(expected, 16):
        return "does not have the checksum that the manifest says: it is damaged, or of another file"
    return None


def _fingerprint(manifest: dict[str, Any]) -> str:
    """Hash of what the stream of tokens depends on."""
    content = [manifest["dtype"], manifest["vocab_size"], manifest["end_id"], manifest.get("pad_id")]
    content += [[shard["name"], shard["documents"], shard["tokens"], shard["blocks"]] for shard in manifest["shards"]]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
