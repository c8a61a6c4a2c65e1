"""Packing: which documents share a sequence. A document longer than the sequence length L is cut into pieces of L
tokens and a rest; what METHODS differ in is where the pieces go.

best_fit     longest first, each into the fullest sequence with room for it ("Fewer Truncations Improve Language
             Modeling", Ding et al. 2024, arXiv 2404.10830, section 3): least padding of what cuts no more than it must
contiguous   in their order, each into the sequence before if it fits there, else into a new one (next fit)
document     each into a sequence of its own
concat       documents are laid end to end and cut every L tokens, wherever that is: no padding but in the last sequence

A plan is arrays beside the shard; tokens are stored once for every L:

    packing/<name>/<shard>.arrow    the plan of a shard
    packing/<name>/figures.json     what `summarize` adds up over the shards

`sentence_packing` has methods for shards whose sequences are sentences.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import pyarrow as pa

from corpus.io import paths
from corpus.tokens.mixing import combine

FORMAT = "winnow-packing/1"
SUMMARY = "figures.json"
_COUNTS = ("bins", "pieces", "documents", "tokens", "padding", "documents_cut", "cuts")
_MAX = np.iinfo(np.int32).max
METHODS = ("best_fit", "contiguous", "document", "concat")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Where the tokens of one shard go. Bin b, one sequence, holds the pieces
    `offsets[b]:offsets[b + 1]` (int64[bins + 1]); piece p is the `length[p]` tokens of document
    `document[p]` that begin with its `start[p]`-th (int32[pieces] each). Pieces of a bin stand
    in document order; bins, too, but those of best_fit in an order hashed from `seed` and their first piece."""

    offsets: np.ndarray
    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    figures: dict[str, Any]


def best_fit(lengths: np.ndarray, sequence_length: int, seed: int = 0) -> Plan:
    """Plan by best fit for documents of `lengths` (integers >= 0 below 2^31; empty documents have no piece) in
    sequences of `sequence_length` tokens. Ties go to the earlier document and to the bin that
    reached its fill last. Time O(n log L) for n pieces; memory about 45 bytes a piece and 32 a
    token of L. Raises ValueError for lengths that are negative or too many for int32.

    >>> import numpy as np
    >>> from corpus.tokens.packing import best_fit
    >>> plan = best_fit(np.array([3, 6, 1]), sequence_length=4)
    >>> [plan.document[a:b].tolist() for a, b in zip(plan.offsets[:-1], plan.offsets[1:])]
    [[1], [0, 2], [1]]
    >>> plan.figures["documents_cut"], plan.figures["padding"]
    (1, 2)
    """
    lengths = _checked(lengths, sequence_length, seed)
    document, start, length = _cut(lengths, sequence_length)
    longest_first = _stable_order(sequence_length - length, sequence_length)
    bin_of, bins = _place(length, longest_first, sequence_length)
    del longest_first
    rank = _hashed_order(bin_of, bins, document, start, np.uint64(seed))
    rank_of = rank[bin_of]
    del rank, bin_of
    order = _stable_order(rank_of, bins)  # stable: document order within a bin
    offsets = _offsets(rank_of, bins)
    figures = _figures(lengths, document, bins, sequence_length, seed)
    return Plan(offsets, document[order], start[order], length[order], figures)


def pack(lengths: np.ndarray, sequence_length: int, method: str = "best_fit", seed: int = 0) -> Plan:
    """Plan for documents of `lengths` by one of METHODS; see `best_fit`. Figures of other methods say which it was.
    Raises ValueError for a method that is none, too.

    >>> import numpy as np
    >>> from corpus.tokens.packing import pack
    >>> plan = pack(np.array([3, 6, 1]), sequence_length=4, method="concat")
    >>> [plan.length[a:b].tolist() for a, b in zip(plan.offsets[:-1], plan.offsets[1:])]
    [[3, 1], [4], [1, 1]]
    """
    if method not in METHODS:
        raise ValueError(f"packing method {method!r} is unknown; valid: {', '.join(METHODS)}")
    if method == "best_fit":
        return best_fit(lengths, sequence_length, seed)
    lengths = _checked(lengths, sequence_length, seed)
    document, start, length = (_cut_end_to_end if method == "concat" else _cut)(lengths, sequence_length)
    if method == "document":
        bin_of = np.arange(len(length))
    else:
        bin_of = _next_fit(length, sequence_length)
    bins = int(bin_of[-1]) + 1 if len(bin_of) else 0
    figures = _figures(lengths, document, bins, sequence_length, seed) | {"method": method}
    return Plan(_offsets(bin_of, bins), document, start, length, figures)


def _checked(lengths: np.ndarray, sequence_length: int, seed: int) -> np.ndarray:
    """`lengths` as int64. Raises ValueError for arguments that will not do."""
    if not 1 <= sequence_length <= _MAX:
        raise ValueError(f"sequence_length must be 1 to 2^31 - 1, not {sequence_length}")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be 0 to 2^64 - 1, not {seed}")
    lengths = np.asarray(lengths, np.int64)
    if len(lengths) > _MAX or lengths.min(initial=0) < 0 or lengths.max(initial=0) > _MAX:
        raise ValueError("documents and their lengths must be between 0 and 2^31 - 1")
    return lengths


def _offsets(bin_of: np.ndarray, bins: int) -> np.ndarray:
    """int64[bins + 1]: where the pieces of each bin begin, once they stand by bins."""
    offsets = np.zeros(bins + 1, np.int64)
    np.cumsum(np.bincount(bin_of, minlength=bins), out=offsets[1:])
    return offsets


def _figures(lengths: np.ndarray, document: np.ndarray, bins: int, sequence_length: int, seed: int) -> dict[str, Any]:
    tokens, filled = int(lengths.sum()), int((lengths > 0).sum())
    figures = {
        "sequence_length": sequence_length,
        "seed": seed,
        "bins": bins,
        "pieces": len(document),
        "documents": len(lengths),
        "tokens": tokens,
        "padding": bins * sequence_length - tokens,
        "documents_cut": len(np.unique(document[1:][document[1:] == document[:-1]])),
        "cuts": len(document) - filled,
    }
    return with_share(figures)


def with_share(figures: dict[str, Any]) -> dict[str, Any]:
    """`figures` and the share of positions that are padding."""
    positions = figures["bins"] * figures["sequence_length"]
    return {**figures, "padding_share": figures["padding"] / positions if positions else 0.0}


@numba.njit(cache=True, nogil=True)
def _cut(lengths, sequence_length):
    """(document, start, length) int32[pieces], in document order."""
    pieces = 0
    for length in lengths:
        pieces += (length + sequence_length - 1) // sequence_length
    documents = np.empty(pieces, np.int32)
    starts = np.empty(pieces, np.int32)
    sizes = np.empty(pieces, np.int32)
    piece = 0
    for document in range(len(lengths)):
        for start in range(0, lengths[document], sequence_length):
            documents[piece] = document
            starts[piece] = start
            sizes[piece] = min(sequence_length, lengths[document] - start)
            piece += 1
    return documents, starts, sizes


@numba.njit(cache=True, nogil=True)
def _cut_end_to_end(lengths, sequence_length):
    """(document, start, length) int32[pieces], in document order, of documents laid end to end and cut where a multiple
    of the sequence length is."""
    pieces = 0
    position = 0
    for length in lengths:
        if length:
            pieces += (position + length - 1) // sequence_length - position // sequence_length + 1
        position += length
    documents = np.empty(pieces, np.int32)
    starts = np.empty(pieces, np.int32)
    sizes = np.empty(pieces, np.int32)
    piece = 0
    position = 0
    for document in range(len(lengths)):
        start = 0
        while start < lengths[document]:
            size = min(sequence_length - position % sequence_length, lengths[document] - start)
            documents[piece], starts[piece], sizes[piece] = document, start, size
            piece += 1
            start += size
            position += size
    return documents, starts, sizes


@numba.njit(cache=True, nogil=True)
def _next_fit(length, sequence_length):
    """int64[pieces]: the bin of each piece, the one before if it fits there."""
    bin_of = np.empty(len(length), np.int64)
    number, room = -1, 0
    for piece in range(len(length)):
        if length[piece] > room:
            number += 1
            room = sequence_length
        room -= length[piece]
        bin_of[piece] = number
    return bin_of


@numba.njit(cache=True, nogil=True)
def _stable_order(keys, size):
    """Counting sort: int64 positions that sort `keys` (0..size), equal keys in their order."""
    ends = np.zeros(size + 2, np.int64)
    for key in keys:
        ends[key + 1] += 1
    ends = np.cumsum(ends)
    order = np.empty(len(keys), np.int64)
    for position in range(len(keys)):
        key = keys[position]
        order[ends[key]] = position
        ends[key] += 1
    return order


@numba.njit(cache=True, nogil=True)
def _place(length, longest_first, sequence_length):
    """(bin of each piece int64, number of bins), by best fit in the order `longest_first`.

    Bins with `room` tokens free form a stack: `top[room]`, then `below[bin]`. `tree` is a binary
    tree over 0..L whose leaf `leaves + room` says whether that stack holds any, so that the
    least room that suffices is found in O(log L)."""
    leaves = 1
    while leaves <= sequence_length:
        leaves *= 2
    tree = np.zeros(2 * leaves, np.bool_)
    top = np.full(sequence_length + 1, -1, np.int64)
    below = np.empty(len(length), np.int64)
    bin_of = np.empty(len(length), np.int64)
    bins = 0
    for piece in longest_first:
        size = length[piece]
        room = _least_room(tree, leaves, size)
        if room < 0:
            chosen, room = bins, sequence_length
            bins += 1
        else:
            chosen = top[room]
            top[room] = below[chosen]
            if top[room] < 0:
                _mark(tree, leaves + room, False)
        bin_of[piece] = chosen
        room -= size
        if room > 0:
            below[chosen] = top[room]
            top[room] = chosen
            _mark(tree, leaves + room, True)
    return bin_of, bins


@numba.njit(cache=True, nogil=True)
def _mark(tree, node, value):
    """Set a leaf and the nodes above it, which say whether any leaf below is set."""
    while node > 0 and tree[node] != value:
        tree[node] = value
        if not value and tree[node ^ 1]:
            return
        node //= 2


@numba.njit(cache=True, nogil=True)
def _least_room(tree, leaves, size):
    """The least room >= `size` of an open bin, or -1."""
    node = leaves + size
    while not tree[node]:
        while node & 1:  # the right child: nothing more below its parent
            node //= 2
        if node == 0:
            return -1
        node += 1
    while node < leaves:
        node = 2 * node if tree[2 * node] else 2 * node + 1
    return node - leaves


@numba.njit(cache=True, nogil=True)
def _bin_keys(bin_of, bins, document, start, seed):
    """uint64[bins]: hash of (seed, document, start) of each bin's first piece."""
    keys = np.empty(bins, np.uint64)
    seen = np.zeros(bins, np.bool_)
    for piece in range(len(bin_of)):
        if not seen[bin_of[piece]]:
            seen[bin_of[piece]] = True
            key = combine(combine(seed, np.uint64(document[piece])), np.uint64(start[piece]))
            keys[bin_of[piece]] = key
    return keys


def _hashed_order(
    bin_of: np.ndarray, bins: int, document: np.ndarray, start: np.ndarray, seed: np.uint64
) -> np.ndarray:
    """int64[bins]: place of each bin in the order of its key."""
    rank = np.empty(bins, np.int64)
    keys = _bin_keys(bin_of, bins, document, start, seed)
    rank[np.argsort(keys, kind="stable")] = np.arange(bins)
    return rank


def plan_path(folder: str, name: str, shard: str) -> str:
    """Path of the plan `name` of one shard of the token folder."""
    return paths.join(folder, "packing", name, f"{shard}.arrow")


def save(plan: Plan, path: str) -> None:
    """Write a plan as an Arrow IPC file of one batch, a row a bin. Same plan, same bytes."""
    pieces = pa.StructArray.from_arrays(
        [pa.array(plan.document), pa.array(plan.start), pa.array(plan.length)],
        ["document", "start", "length"],
    )
    column = pa.LargeListArray.from_arrays(pa.array(plan.offsets), pieces)
    metadata = {"format": FORMAT, "figures": json.dumps(plan.figures)}
    schema = pa.schema([("pieces", column.type)], metadata=metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([column], schema=schema))
    paths.write_atomic(path, sink.getvalue())


def load(path: str) -> Plan:
    """A saved plan; its arrays are read-only views of the memory-mapped file (read whole where
    `path` is a URI). Raises ValueError if the file is no plan."""
    try:
        source = pa.memory_map(path) if paths.is_local(path) else paths.open_input(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"the packing plan {path} is missing: pack again") from None
    try:
        reader = pa.ipc.open_file(source)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a packing plan: {error}") from error
    metadata = reader.schema.metadata or {}
    if metadata.get(b"format") != FORMAT.encode():
        raise ValueError(f"{path} is not a packing plan of format {FORMAT!r}")
    column = reader.get_batch(0).column(0)
    pieces = column.values
    return Plan(
        _view(column.offsets),
        _view(pieces.field("document")),
        _view(pieces.field("start")),
        _view(pieces.field("length")),
        json.loads(metadata[b"figures"]),
    )


def _view(array: pa.Array) -> np.ndarray:
    """An array of integers without nulls. `to_numpy` would import pandas first, where it is installed."""
    values = np.frombuffer(array.buffers()[1], str(array.type))
    return values[array.offset : array.offset + len(array)]


def summarize(
    folder: str,
    name: str,
    figures: dict[str, dict[str, Any]],
    put: Callable[[str, bytes], None] = paths.write_atomic,
    sets: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    """Write `FOLDER/packing/NAME/figures.json` (by `put`) from the `Plan.figures` of every shard (keys are
    shard names) and return it: their sums, and under "shards" the number of bins of each shard; under "sets" the sums
    of each of
    the manifest's `sets`, if it has any.
    Raises ValueError if the plans differ in sequence length, seed or method."""
    settings = {(each["sequence_length"], each["seed"], each.get("method")) for each in figures.values()}
    if len(settings) != 1:
        raise ValueError(f"plans of {name!r} must share sequence length, seed and method, not {settings}")
    sequence_length, seed, method = settings.pop()
    summary: dict[str, Any] = {"format": FORMAT, "name": name, "sequence_length": sequence_length, "seed": seed}
    summary |= {"method": method} if method else {}
    summary |= {count: sum(each[count] for each in figures.values()) for count in _COUNTS}
    summary = with_share(summary)
    if sets:
        sums = {each: {count: sum(figures[shard][count] for shard in sets[each]) for count in _COUNTS} for each in sets}
        shape = {"sequence_length": sequence_length}
        summary["sets"] = {each: with_share(shape | found) for each, found in sums.items()}
    summary["shards"] = {shard: each["bins"] for shard, each in figures.items()}
    put(paths.join(folder, "packing", name, SUMMARY), (json.dumps(summary, indent=1) + "\n").encode())
    return summary


def load_summary(folder: str, name: str, shards: Sequence[str] = (), part: str | None = None) -> dict[str, Any]:
    """What `summarize` wrote, of the set `part`, which has these shards, or of all. Raises
    FileNotFoundError or ValueError."""
    path = paths.join(folder, "packing", name, SUMMARY)
    try:
        summary = json.loads(paths.read_bytes(path))
    except FileNotFoundError:
        there = sorted(entry.name for entry in paths.entries(paths.join(folder, "packing")))
        has = f"it has {', '.join(there)}" if there else "it has none: `winnow pack` makes them"
        raise FileNotFoundError(f"{folder} has no packing plan {name!r}; {has}") from None
    if summary.get("format") != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT!r}")
    sets = summary.pop("sets", {})
    if part is None:
        return summary
    if part not in sets:
        raise ValueError(f"{path} says nothing of the set {part!r}: pack again")
    bins = {shard: number for shard, number in summary["shards"].items() if shard in set(shards)}
    return summary | sets[part] | {"shards": bins}
