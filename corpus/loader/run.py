"""A run of samples, cut into global steps and shared out among ranks: arithmetic, whatever a sample is.

Global step s begins with some sample and takes the W B that follow, W ranks times B rows; rank r reads the r-th B of
them. At the end of a run fewer are left, and what becomes of these is `last`:

pad     They are shared out evenly. Where they are fewer than the ranks, several ranks get the same row, each with other
        labels of it: all labels of the row together once. Rows that are left over are empty. Where even the labels are
        fewer than the ranks, the samples join the step before, whose batches then have one row more. So no rank is
        without a label in any step, which would make a mean over its labels 0 / 0, and each label is there once.
drop    They are left out.
wrap    The step is filled up with the samples that would follow in the next epoch, which come twice in the run.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from corpus.loader import names
from corpus.loader.kernel import IGNORE
from corpus.loader.read_ahead import FAR, STEPS, Call, ReadAhead

LAST = ("pad", "drop", "wrap")


@dataclasses.dataclass(frozen=True)
class Part:
    """What a rank reads in a global step: samples `first` to `first + count - 1` of the run, in a batch of `rows` rows
    of which the others are empty. Of the labels of the only sample those of share `share` of `shares`."""

    first: int
    count: int
    rows: int
    share: int = 0
    shares: int = 1


class Run(abc.ABC):
    """An iterator over this rank's batches of a run. Leaving a loop and entering another goes on where the first
    stopped; after the end of the run there is nothing more."""

    def __init__(self, rank: int, world_size: int, batch_size: int, last: str, shuffle: bool | str) -> None:
        """Raises ValueError for arguments that are none."""
        names.check("last", last, LAST)
        self.batch_size = names.count("batch_size", batch_size, 1)
        self.world_size = names.count("world_size", world_size, 1)
        self.rank, self.last = names.count("rank", rank), last
        if self.rank >= self.world_size:
            raise ValueError(f"rank {rank} is not one of {world_size} ranks")
        self.total: int | None = None
        """Samples of the run; None if it is endless."""
        self.sample = 0
        """The sample that the next global step begins with."""
        self._counted: tuple[int, np.ndarray | None] = (-1, None)
        self.read_ahead = ReadAhead()
        self._ahead = -1  # the sample up to which blocks are fetched or being fetched
        self._looks_ahead = STEPS if shuffle is True else FAR
        self._stride = 1  # steps from one that is looked at to the next

    @abc.abstractmethod
    def _read(self, first: int, count: int, rows: int) -> dict[str, Any]:
        """A batch of `rows` rows: samples first to first + count - 1 of the run, and empty ones."""

    @property
    @abc.abstractmethod
    def at_hand(self) -> bool:
        """Whether there is nothing to fetch: all that is remote is open."""

    @abc.abstractmethod
    def missing(self, first: int, count: int) -> Iterator[Call]:
        """The calls that fetch what some samples are read from and is not open."""

    @abc.abstractmethod
    def _count_labels(self, first: int, count: int) -> np.ndarray | None:
        """int64[count]: the labels of each of some samples; None where batches have no labels."""

    @property
    def step(self) -> int:
        """Samples of a global step."""
        return self.world_size * self.batch_size

    @property
    def steps(self) -> int | None:
        """Global steps of the run, which are batches of each rank; None if it is endless."""
        return self._steps_from(0)

    @property
    def batches_left(self) -> int | None:
        """Batches from here to the end of the run, the same on every rank; None if it is endless."""
        return self._steps_from(self.sample)

    def __len__(self) -> int:
        """Batches of the run, wherever in it the stream is. Raises TypeError if it is endless."""
        steps = self.steps
        if steps is None:
            raise TypeError("an endless run has no length: give `epochs`")
        return steps

    def __iter__(self) -> Run:
        return self

    def __next__(self) -> dict[str, Any]:
        taken = self._taken(self.sample)
        if taken == 0:
            raise StopIteration
        batch = self._batch(self.sample, taken)
        self.note(batch)
        self.sample += taken
        return batch

    def note(self, batch: dict[str, Any]) -> None:
        """Called for every batch (of arrays or tensors) that is handed out, before the stream moves on."""
        return

    def skip(self) -> None:
        """Move on by one global step, not beyond the end of the run."""
        self.sample += self._taken(self.sample)

    def batch_at(self, sample: int) -> dict[str, Any]:
        """This rank's batch of the global step that begins with `sample` (0, 1, .. over the run); does not move the
        stream. Raises IndexError where no step can begin."""
        taken = self._taken(sample) if sample >= 0 else 0
        if taken == 0:
            raise IndexError(f"no step begins with sample {sample} in a run of {self.total}, last={self.last!r}")
        return self._batch(sample, taken)

    def _batch(self, sample: int, taken: int) -> dict[str, Any]:
        """This rank's batch of the global step of `taken` samples that begins with `sample`."""
        part = self.part(sample, taken, self.rank)
        if not self.at_hand:
            self._fetch(part.first, part.count)
        batch = self._read(part.first, part.count, part.rows)
        if part.shares > 1:
            _keep_share(batch["labels"][0], part.share, part.shares)
        return batch

    def look_ahead(self, samples: int) -> None:
        """Fetch what is so many samples ahead, or of the next step; FAR of their steps are looked at, or all."""
        self._stride = max(1, -(-samples // (FAR * self.step)))
        self._looks_ahead = max(1, min(FAR, samples // (self._stride * self.step)))

    def _fetch(self, first: int, count: int) -> None:
        """Fetch what a batch reads, and begin to fetch what the next steps of this rank will, or those of them that are
        looked at."""
        stride = self._stride * self.step
        until = first + self._looks_ahead * stride
        anew = not first <= self._ahead < until
        if self.total is not None:
            until = min(until, self.total)
        ahead = range((first if anew else self._ahead) + stride, until, stride)[: STEPS - 1]
        self._ahead = ahead[-1] if ahead else first if anew else self._ahead
        later = [call for each in ahead for call in self.missing(each, min(self.batch_size, until - each))]
        self.read_ahead.fetch(list(self.missing(first, count)), later, anew)

    def _steps_from(self, sample: int) -> int | None:
        if self.total is None:
            return None
        full, rest = divmod(max(0, self.total - sample), self.step)
        if rest == 0 or self.last == "drop" or (self.last == "pad" and self._joins(rest, full > 0)):
            return full
        return full + 1

    def _taken(self, sample: int) -> int:
        """Samples of the global step that begins with `sample`: 0 behind the end of the run."""
        if self.total is None:
            return self.step
        left = self.total - sample
        if left <= self.step:
            return max(0, left) if self.last != "drop" or left == self.step else 0
        return left if self.last == "pad" and self._joins(left - self.step, True) else self.step

    def _joins(self, rest: int, step_before: bool) -> bool:
        """Whether the last `rest` samples join the step before. Raises ValueError where they should and there is none:
        in a run that is shorter than that, or resumed at its very end."""
        if rest >= self.world_size:
            return False
        labels = self._labels_of_last(rest)
        if labels is None or labels.sum() >= self.world_size:
            return False
        if not step_before:
            raise ValueError(
                f"{labels.sum()} labels are left for {self.world_size} ranks, and some would have none: last='wrap' "
                "gives them labels of the next epoch, last='drop' ends the run here"
            )
        return True

    def _labels_of_last(self, rest: int) -> np.ndarray | None:
        assert self.total is not None
        first = self.total - rest
        if self._counted[0] != first:
            self._counted = first, self._count_labels(first, rest)
        return self._counted[1]

    def taken(self, sample: int) -> int:
        """Samples of the global step that begins with `sample`."""
        return self._taken(sample)

    def part(self, sample: int, taken: int, rank: int) -> Part:
        """What a rank reads of the step of `taken` samples that begins with `sample`."""
        ranks = self.world_size
        if self.last == "wrap" or taken == self.step:
            return Part(sample + rank * self.batch_size, self.batch_size, self.batch_size)
        rows = max(self.batch_size, -(-taken // ranks))
        labels = None
        if taken < ranks and not self._joins(taken, False):
            labels = self._labels_of_last(taken)
        if labels is None:
            first, end = rank * taken // ranks, (rank + 1) * taken // ranks
            return Part(sample + first, end - first, rows)
        shares = share_out(labels, ranks)
        ends = np.cumsum(shares)
        row = int(np.searchsorted(ends, rank, "right"))
        return Part(sample + row, 1, rows, rank - int(ends[row] - shares[row]), int(shares[row]))


def share_out(labels: np.ndarray, ranks: int) -> np.ndarray:
    """int64[rows]: how many of `ranks` share each row, at least one, at most as many as the row has `labels` (int64
    [rows], at least 1 each, at least `ranks` together): the next rank goes where most labels are for each, and to the
    earlier row of equal ones."""
    shares = np.ones(len(labels), np.int64)
    for _ in range(ranks - len(labels)):
        shares[np.argmax(labels / shares)] += 1
    return shares


def _keep_share(labels: np.ndarray, share: int, shares: int) -> None:
    """Of the labels of a row, [L], let those of one share stand: with all shares each stands in one."""
    where = np.flatnonzero(labels != IGNORE)
    low, high = share * len(where) // shares, (share + 1) * len(where) // shares
    labels[where[:low]] = IGNORE
    labels[where[high:]] = IGNORE
