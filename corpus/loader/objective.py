"""What every objective is: it says how many tokens a sample has, and makes batches of samples. The rest all objectives
share: the order of samples, which rank reads which, reading them, padding, boundaries, the state."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from corpus.loader import kernel, order, vocabulary
from corpus.loader.filling import Bins, Rows, Windows
from corpus.loader.vocabulary import Vocabulary
from corpus.tokens import packing
from corpus.tokens.sentence_packing import RUNS


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a stream was opened with, as far as it concerns an objective: arguments of TokenStream, and the manifest of
    its shards, in which special tokens are looked up."""

    sequence_length: int
    boundaries: tuple[str, ...]
    seed: int
    shuffle: bool
    dtype: np.dtype
    manifest: dict[str, Any]
    block: int | None = None
    """Samples of a block in the order by blocks; None: in another order."""
    folder: str = ""
    """Where the shards are."""
    plan: Mapping[str, Any] | None = None
    """What `packing.load_summary` says of the packing plan whose sequences samples are; None: they are windows."""
    count_pieces: Callable[[int], np.ndarray] | None = None
    """int64[k] of a number of tokens: how many pieces of documents samples of so many have, of k from all over the
    stream (`filling.count_pieces`)."""

    @property
    def method(self) -> str:
        """By which the packing plan was made; "": samples are windows."""
        return "" if self.plan is None else self.plan.get("method", packing.METHODS[0]).partition(" ")[0]

    @property
    def end_id(self) -> int:
        """The end-of-document token."""
        return self.manifest["end_id"]

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """Tokens by their roles."""
        return vocabulary.of_manifest(self.manifest)

    @property
    def pad_id(self) -> int:
        """The padding token, or the end-of-document token where the tokenizer has none."""
        pad_id = self.manifest.get("pad_id")
        return self.end_id if pad_id is None else pad_id


@dataclasses.dataclass(frozen=True)
class Samples:
    """The samples of one batch: int64[B] `numbers` of windows or packed sequences of `source`, -1 for a row that stays
    empty. The first of them is sample `first` of the run."""

    setting: Setting
    source: Windows | Bins
    numbers: np.ndarray
    first: int

    @property
    def keys(self) -> np.ndarray:
        """uint64[B], a hash of (seed, epoch, sample) each: see order.keys."""
        return order.keys(self.first, len(self.numbers), self.source.figures["samples"], self.setting.seed)

    def repeating_keys(self, variants: int) -> np.ndarray:
        """uint64[B]: of each sample's window, the same again every `variants` epochs; `keys` where that is 0."""
        if not variants:
            return self.keys
        size = self.source.figures["samples"]
        return order.keys_of_windows(self.first, self.numbers, size, self.setting.seed, variants)

    def read(
        self,
        *,
        padding: int | None = None,
        previous: bool | int = False,
        documents: bool = False,
        mask_starts: bool = False,
        numbers: np.ndarray | None = None,
    ) -> Rows:
        """The samples' tokens, in new arrays that are the caller's.

        padding      what fills `tokens` behind a sample's end; None: the padding token
        previous     also the token before each token; padding is the padding token; 1: before the first of a row alone
        documents    also document_ids; they are there whenever boundaries are asked for
        mask_starts  kernel.IGNORE stands in place of the first token of each document
        numbers      int64[rows] of samples to read instead of this batch's
        """
        numbers = self.numbers if numbers is None else numbers
        shape, pad_id = (len(numbers), self.source.longest), self.setting.pad_id
        tokens = np.empty(shape, self.setting.dtype)
        before = np.empty(shape if previous is True else (len(numbers), int(previous)), self.setting.dtype)
        documents = documents or mask_starts or bool(self.setting.boundaries)
        rows = self.source.read(numbers, tokens, before, documents, mask_starts)
        kernel.pad(rows.lengths, tokens, pad_id if padding is None else padding, before, pad_id)
        return rows

    def count_tokens(self) -> np.ndarray:
        """int64[B]: tokens of each sample."""
        return self.source.count_tokens(self.numbers)

    def turned(self) -> np.ndarray:
        """bool[B]: whether the second segment of a packed sequence is not what follows the first: of another document,
        or what stands before the first in its own. Raises ValueError for windows."""
        if not isinstance(self.source, Bins):
            raise ValueError("windows have no segments")
        return self.source.turned(self.numbers)

    def describe(self, document_ids: np.ndarray | None) -> dict[str, Any]:
        """What a batch owes where boundaries are asked for: the document_ids of its rows (int32[B, L]: 1, 2, .., and 0
        for padding), of which the stream makes what was asked for."""
        return {"document_ids": document_ids} if self.setting.boundaries else {}


@dataclasses.dataclass(frozen=True)
class Objective(abc.ABC):
    """An objective with its options: a frozen dataclass whose fields are the options, with defaults. Its batches are
    pure functions of the samples' tokens and keys; it has no generator and remembers nothing."""

    batch_options: ClassVar[tuple[str, ...]] = ()
    """Options that only change what a batch holds: a stream resumes from the state of one in which they differed."""

    plans: ClassVar[tuple[str, ...]] = ("", *packing.METHODS, *RUNS)
    """Methods of the packing plans whose sequences it reads, "" being windows of the stream. With an option `segments`
    that is 2 it reads `pair_plans` instead."""
    pair_plans: ClassVar[tuple[str, ...]] = ()

    def check_plan(self, name: str, plan: str | None, method: str) -> None:
        """Raises ValueError where the objective, which is called `name`, does not read sequences of a packing plan that
        was made by this method; None and "": windows."""
        two = bool(self.pair_plans) and getattr(self, "segments", 1) == 2
        valid = self.pair_plans if two else self.plans
        if method in valid:
            return
        called = f"{name} with segments: 2" if two else name
        listed = ", ".join(each for each in valid if each)
        if plan is None:
            raise ValueError(f"{called} reads pairs, and no windows: name a packing plan by {listed}")
        instead = f"plans by {listed}" if listed else "windows alone: it goes without a packing plan"
        hint = "; segments: 2 reads pairs" if method in self.pair_plans else ""
        raise ValueError(f"plan {plan!r} is by {method}, and {called} reads {instead}{hint}")

    def windows(self, setting: Setting) -> tuple[int, ...]:
        """Tokens that windows of the stream have, in turn; a packing plan must be for as many. Called when a stream is
        opened: raises ValueError for a setting or special tokens that will not do."""
        return (setting.sequence_length,)

    def numbers(self, setting: Setting, samples: int, first: int, count: int) -> np.ndarray:
        """int64[count], a new array: which of the `samples` windows (or packed sequences) the samples first, first + 1,
        .. of the run are. Each epoch has each of them once."""
        if setting.block is not None:
            return order.windows_by_blocks(first, count, samples, setting.block, setting.seed)
        return order.windows(first, count, samples, setting.seed, setting.shuffle)

    @abc.abstractmethod
    def batch(self, samples: Samples) -> dict[str, Any]:
        """Arrays by name, each with a row a sample, and what `samples.describe` makes of them. A row depends on its own
        sample alone; that of no sample is padding."""

    def count_labels(self, samples: Samples) -> np.ndarray | None:
        """int64[B]: how many labels each sample has, by which the last ones of a run are shared out: at least one,
        where batches have labels at all (an array "labels" [B, ..], kernel.IGNORE where there is none), else None."""
        labels = self.batch(samples).get("labels")
        return None if labels is None else (labels != kernel.IGNORE).reshape(len(labels), -1).sum(1)

    def decisive(self) -> dict[str, Any]:
        """Options that belong to a stream's fingerprint: all but `batch_options`, where they are not the default."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in self.batch_options and getattr(self, field.name) != field.default
        }
