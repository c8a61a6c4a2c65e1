"""Which tokens a sample has, and how they are read: windows of the token stream, or bins of a packing plan.

Windows cut the stream of all shards, t_0 .. t_(N-1), every T tokens: window i is t_(iT) .. t_((i+1)T-1), and the last
is shorter, not dropped. So every token is in one sample of an epoch. The token before each can be read with it: before
t_0, and before the pieces of a bin that begin their document (kernel.copy_pieces), it is the end-of-document token.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from corpus.loader import kernel
from corpus.loader.token_shards import Documents, Ranges, Shards
from corpus.tokens import packing


@dataclasses.dataclass(frozen=True)
class Rows:
    """Samples, read, T being the tokens of the longest that there is.

    tokens        [B, T] of the batch's dtype
    previous      [B, T] the token before each; [B, 1]: before the first alone; [B, 0]: not wanted
    lengths       int64[B] tokens of each sample; what is behind them is padding
    document_ids  int32[B, T] documents as 1, 2, .. within a row and 0 for padding; None: not wanted
    """

    tokens: np.ndarray
    previous: np.ndarray
    lengths: np.ndarray
    document_ids: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of the stream of `shards`, of `lengths` (int64[C]) tokens in turn, the longest of `longest`. `figures`
    say how many."""

    shards: Shards
    lengths: np.ndarray
    longest: int
    figures: dict[str, Any]

    def read(
        self, numbers: np.ndarray, tokens: np.ndarray, previous: np.ndarray, documents: bool, mask_starts: bool
    ) -> Rows:
        """Fill row r of `tokens` and `previous` with window `numbers[r]` (int64; -1: none), but for the padding.
        `documents`: with document_ids; `mask_starts`, which wants them: IGNORE in place of a document's first token."""
        starts, ends = kernel.window_bounds(numbers, self.lengths, self.shards.tokens)
        document_ids = np.zeros(tokens.shape, np.int32) if documents else None
        first = np.maximum(starts - 1, 0) if previous.shape[1] else starts
        for number in kernel.shards_of(self.shards.starts, first, ends).tolist():
            shard, begin = self.shards.open(number), int(self.shards.starts[number])
            for at, data in shard.checked or shard.read(first, ends, begin):
                kernel.copy_windows(data, begin + at, starts, ends, tokens, previous)
            if document_ids is not None:
                kernel.mark_documents(
                    *shard.documents(), begin, starts, ends, document_ids, tokens, mask_starts,
                )  # fmt: skip
        previous[numbers == 0, :1] = self.shards.manifest["end_id"]
        return Rows(tokens, previous, ends - starts, document_ids)

    def windows_of(self, shard: int, document: int) -> list[int]:
        """The windows that hold tokens of a document of a shard."""
        begin, documents = int(self.shards.starts[shard]), self.shards.open(shard).documents()
        start, end = (begin + int(kernel.document_start(*place_in(documents, document + k))) for k in (0, 1))
        if start == end:
            return []
        ends = np.cumsum(self.lengths)
        first, last = (
            position // int(ends[-1]) * len(ends) + int(np.searchsorted(ends, position % int(ends[-1]), "right"))
            for position in (start, end - 1)
        )
        return list(range(first, last + 1))

    def samples_of_a_block(self) -> int:
        """Windows of a block of the first shard."""
        tokens = self.shards.block_tokens * len(self.lengths) // int(self.lengths.sum())
        return max(1, tokens)

    def ranges(self, numbers: np.ndarray) -> Ranges:
        """Where the windows `numbers` are, and the token before each."""
        starts, ends = kernel.window_bounds(numbers, self.lengths, self.shards.tokens)
        first = np.maximum(starts - 1, 0)
        for number in kernel.shards_of(self.shards.starts, first, ends).tolist():
            yield number, first, ends, int(self.shards.starts[number])

    def count_tokens(self, numbers: np.ndarray) -> np.ndarray:
        """int64[B]: tokens of the windows `numbers`, of which nothing is read."""
        starts, ends = kernel.window_bounds(numbers, self.lengths, self.shards.tokens)
        return ends - starts


@dataclasses.dataclass(frozen=True)
class Bins:
    """Packed sequences of the plan `plan`, none longer than `longest`: shard s has those from starts[s] (int64) to
    starts[s + 1]. `figures` are the plan's own."""

    shards: Shards
    plan: str
    starts: np.ndarray
    longest: int
    figures: dict[str, Any]

    def read(
        self, numbers: np.ndarray, tokens: np.ndarray, previous: np.ndarray, documents: bool, mask_starts: bool
    ) -> Rows:
        """As `Windows.read`, with packed sequence `numbers[r]`."""
        document_ids = np.zeros(tokens.shape if documents else (len(numbers), 0), np.int32)
        lengths, end_id = np.zeros(len(numbers), np.int64), self.shards.manifest["end_id"]
        for number, here, bins in self._by_shard(numbers):
            shard, plan = self.shards.open(number), self.shards.open_plan(self.plan, number)
            places = kernel.place_pieces(
                *shard.documents(), plan.offsets, plan.document, plan.start, plan.length,
                bins, here, tokens.shape[1], document_ids, lengths,
            )  # fmt: skip
            for at, data in shard.checked or shard.read(places[2] - (places[4] == 0), places[3], 0):
                kernel.copy_pieces(data, at, places, end_id, mask_starts, tokens, previous)
        return Rows(tokens, previous, lengths, document_ids if documents else None)

    def _by_shard(self, numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each shard with some of the packed sequences `numbers`: (the shard, which of them, their numbers in it)."""
        shard_of = self.starts.searchsorted(numbers, "right") - 1  # -1 for none
        rows = shard_of.argsort(kind="stable")
        places, begin = numbers - self.starts[shard_of], 0
        for shard, same in itertools.groupby(shard_of[rows].tolist()):
            end = begin + sum(1 for _ in same)
            if shard >= 0:
                yield shard, rows[begin:end], places[rows[begin:end]]
            begin = end

    def windows_of(self, shard: int, document: int) -> list[int]:
        """The packed sequences that hold tokens of a document of a shard."""
        plan = self.shards.open_plan(self.plan, shard)
        bins = np.searchsorted(plan.offsets, np.flatnonzero(plan.document == document), "right") - 1
        return (int(self.starts[shard]) + np.unique(bins)).tolist()

    def samples_of_a_block(self) -> int:
        """Those of a shard on average: the documents of a packed sequence lie anywhere in its shard."""
        return max(1, int(self.starts[-1]) // max(1, len(self.starts) - 1))

    def ranges(self, numbers: np.ndarray) -> Ranges:
        """Where the pieces of the packed sequences `numbers` are, and the token before each."""
        for number, here, bins in self._by_shard(numbers):
            plan = self.shards.open_plan(self.plan, number)
            places = kernel.place_pieces(
                *self.shards.open(number).documents(), plan.offsets, plan.document, plan.start, plan.length,
                bins, here, self.longest, np.zeros((len(numbers), 0), np.int32),
                np.zeros(len(numbers), np.int64),
            )  # fmt: skip
            yield number, places[2] - (places[4] == 0), places[3], 0

    def turned(self, numbers: np.ndarray) -> np.ndarray:
        """bool[B]: whether the second piece of a packed sequence is of another document than the first, or before it in
        the same; False where there is one piece."""
        found = np.zeros(len(numbers), np.bool_)
        for number, here, bins in self._by_shard(numbers):
            plan = self.shards.open_plan(self.plan, number)
            first, last = plan.offsets[bins], plan.offsets[bins + 1] - 1
            other = plan.document[last] != plan.document[first]
            found[here] = other | (plan.start[last] < plan.start[first])
        return found

    def count_tokens(self, numbers: np.ndarray) -> np.ndarray:
        """int64[B]: tokens of the packed sequences `numbers`, by the plan."""
        lengths = np.zeros(len(numbers), np.int64)
        for row in np.flatnonzero(numbers >= 0).tolist():
            shard = int(np.searchsorted(self.starts, numbers[row], "right")) - 1
            pieces, place = self.shards.open_plan(self.plan, shard), numbers[row] - self.starts[shard]
            lengths[row] = pieces.length[pieces.offsets[place] : pieces.offsets[place + 1]].sum()
        return lengths


def place_in(documents: Documents, document: int) -> tuple[np.ndarray, int, int, int, int]:
    """The arguments of `kernel.document_start` for a document of a shard."""
    return documents.halves, documents.sequences, documents.itemsize, documents.size, document


def cut_windows(shards: Shards, lengths: tuple[int, ...]) -> Windows:
    """Windows of `lengths` tokens in turn, over and over, until all tokens are in one."""
    ends = np.cumsum(lengths, dtype=np.int64)
    cycles, rest = divmod(shards.tokens, int(ends[-1]))
    more = int(np.searchsorted(ends, rest)) + 1 if rest else 0
    room = cycles * int(ends[-1]) + (int(ends[more - 1]) if more else 0)
    samples, padding = cycles * len(lengths) + more, room - shards.tokens
    figures: dict[str, Any] = {"samples": samples, "tokens": shards.tokens, "padding": padding}
    figures["padding_share"] = padding / room if samples else 0.0
    return Windows(shards, np.array(lengths, np.int64), max(lengths), figures)


_ANCHORS, _POSITIONS = 8, 1 << 17
"""Where in the stream documents are counted: so many places, so many positions at each."""


def count_pieces(shards: Shards, plan: str | None, tokens: int) -> np.ndarray:
    """int64[k]: pieces of documents in windows of so many tokens, some from each of a few places all over the stream;
    or in the packed sequences of a few shards. Reads indices alone."""
    if plan is not None:
        numbers = np.unique(np.linspace(0, len(shards.starts) - 2, _ANCHORS).astype(np.int64)).tolist()
        return np.concatenate([np.diff(shards.open_plan(plan, number).offsets) for number in numbers])
    each = max(1, min(_POSITIONS, shards.tokens) // tokens)
    anchors = np.unique(np.linspace(0, max(0, shards.tokens - each * tokens), _ANCHORS).astype(np.int64))
    starts = np.minimum((anchors[:, None] + tokens * np.arange(each)).ravel(), shards.tokens)
    ends = np.minimum(starts + tokens, shards.tokens)
    ids, unused = np.zeros((len(starts), tokens), np.int32), np.empty((0, 0), np.int64)
    for number in kernel.shards_of(shards.starts, starts, ends).tolist():
        documents = shards.open(number).documents()
        kernel.mark_documents(*documents, int(shards.starts[number]), starts, ends, ids, unused, False)
    return ids.max(1).astype(np.int64)


def load_plan(shards: Shards, plan: str) -> dict[str, Any]:
    """What is said of a packing plan of all shards. Raises ValueError or FileNotFoundError."""
    return packing.load_summary(shards.folder, plan, [each["name"] for each in shards.manifest["shards"]], shards.part)


def open_bins(shards: Shards, plan: str, said: Mapping[str, Any], lengths: tuple[int, ...]) -> Bins:
    """The packed sequences of `plan`, of which `said` is said. Raises ValueError for a plan of other sequences or
    shards."""
    names, summary = [shard["name"] for shard in shards.manifest["shards"]], dict(said)
    if (summary["sequence_length"],) != lengths:
        wanted = ", ".join(map(str, lengths))
        raise ValueError(
            f"plan {plan!r} is for sequence_length {summary['sequence_length']}; samples here have {wanted} tokens: "
            "name another plan, or packing=None for windows"
        )
    bins = summary.pop("shards")
    if list(bins) != names:
        raise ValueError(f"plan {plan!r} is for other shards than the manifest's")
    starts = np.concatenate([[0], np.cumsum(list(bins.values()))]).astype(np.int64)
    return Bins(shards, plan, starts, summary["sequence_length"], {"samples": summary["bins"]} | summary)
