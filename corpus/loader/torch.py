"""TokenStream behind torch's DataLoader.

Batch k comes from worker k % num_workers, each worker computing its own, so that the order is the
same for any number of them. Workers read ahead; what counts for `state_dict` is what the training
loop has received.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from corpus.loader.mixture import Mixture
from corpus.loader.stream import TokenStream


class TokenDataset(IterableDataset[dict[str, Any]]):
    """Batches of `TokenStream(path, **options)`, or of a Mixture where `path` is a list, as dicts of tensors
    (`max_seqlen` stays an int), for a DataLoader, or torchdata's StatefulDataLoader, with batch_size=None. Every
    iteration begins with global sample `sample`, or with the epoch that `set_epoch` named. Pickles as its arguments;
    each worker opens the shards itself, once."""

    def __init__(self, path: Any, sample: int = 0, **options: Any) -> None:
        self.path = path
        self.sample = sample
        self.options = options
        self.epoch = 0
        self._state: dict[str, Any] | None = None
        self._stream: TokenStream | Mixture | None = None
        self._process = 0
        self._batches: _Batches | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        self._batches = _Batches(self._opened(), self.epoch, self.sample, worker, workers)
        if self._state is not None:
            self._batches.load_state_dict(self._state)
            self._state = None
        return self._batches

    def __len__(self) -> int:
        """Batches of a pass. Raises TypeError if it is endless."""
        return len(self._opened())

    def set_epoch(self, epoch: int) -> None:
        """Begin the following passes, of as many epochs as ever, with this epoch: as trainers say that count epochs."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """Where the latest iteration over this copy of the dataset is, as a few numbers: the state of the stream, the
        number of batches that all workers together have made up to there, and the epoch that was set."""
        if self._batches is not None:
            return self._batches.state_dict()
        if self._state is not None:
            return self._state
        return _Batches(self._opened(), self.epoch, self.sample, 0, 1).state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on from there, here or with the same number of workers in each of them; from the
        state of a TokenStream or TokenLoader, or `stream_state`, with any number. Raises ValueError if the state is of
        another order of samples."""
        _Batches(self._opened(), 0, 0, 0, 1).load_state_dict(state)
        self._state = dict(state)
        self._batches = None

    def _opened(self) -> TokenStream | Mixture:
        if self._stream is None or self._process != os.getpid():  # a fork has neither its threads nor free locks
            self._stream, self._process = open_stream(self.path, self.options), os.getpid()
        return self._stream

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_stream": None, "_batches": None}


class _Batches(Iterator[dict[str, Any]]):
    """A pass over the samples: of its batches 0, 1, .. those that fall to a worker."""

    def __init__(self, stream: TokenStream | Mixture, epoch: int, sample: int, worker: int, workers: int) -> None:
        self._stream = copy.copy(stream)  # with a place of its own, and the same open files
        self._worker, self._workers = worker, workers
        self._run, self._epoch, self._number = stream.total, 0, 0
        self._begin(epoch, epoch * (stream.samples or 0) + sample)

    def _begin(self, epoch: int, sample: int) -> None:
        if epoch and isinstance(self._stream, Mixture):
            raise ValueError("a mixture has no epochs of its own")
        self._epoch, self._stream.sample = epoch, sample
        if self._run is not None:
            self._stream.total = self._run + epoch * (self._stream.samples or 0)

    def __next__(self) -> dict[str, Any]:
        stream = self._stream
        while stream.batches_left != 0:
            first, mine = stream.sample, self._number % self._workers == self._worker
            batch = _tensors(stream.batch_at(first)) if mine else {}
            stream.skip()
            self._number += 1
            if mine:
                return batch
        raise StopIteration

    def state_dict(self) -> dict[str, Any]:
        return self._stream.state_dict() | {"batch": self._number, "epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._stream.load_state_dict(state)
        self._begin(state.get("epoch", 0), int(state["sample"]))
        self._number = int(state.get("batch", 0))


def stream_state(loader_state: dict[str, Any]) -> dict[str, Any]:
    """The state of the TokenStream in what `state_dict` of torchdata's StatefulDataLoader over a TokenDataset has
    returned: what TokenDataset, TokenLoader and TokenStream resume from with another number of workers or ranks.
    Raises ValueError where there is none, or that of an earlier batch."""
    states = list(_dataset_states(loader_state))
    if not states:
        raise ValueError("there is no state of a TokenDataset in this state")
    if loader_state.get("_steps_since_snapshot", 0):
        raise ValueError("the state is of an earlier batch: use snapshot_every_n_steps=1")
    furthest = max(states, key=lambda state: state["batch"])
    return {name: value for name, value in furthest.items() if name != "batch"}


def _dataset_states(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if {"fingerprint", "sample", "batch"} <= value.keys():
            yield value
        else:
            for each in value.values():
                yield from _dataset_states(each)


def open_stream(path: Any, options: dict[str, Any]) -> TokenStream | Mixture:
    """The stream of a path, or the mixture of what is none: a list of sources or phases."""
    if isinstance(path, (list, tuple)):
        return Mixture(path, **options)
    return TokenStream(str(path), **options)


def _tensors(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()}


def _on_device(batches: Iterator[dict[str, Any]], device: str) -> Iterator[dict[str, Any]]:
    """Batches of tensors on a device: the copy of the next is begun before one is handed out, in the order of the
    device's work; from pinned memory the caller does not wait for it."""
    ahead: dict[str, Any] | None = None
    for batch in batches:
        before, ahead = (
            ahead,
            {
                name: value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value
                for name, value in batch.items()
            },
        )
        if before is not None:
            yield before
    if ahead is not None:
        yield ahead


class TokenLoader:
    """An iterator over batches of tensors with `state_dict` and `load_state_dict`, which mean what
    they mean for TokenStream and are interchangeable with its own. Leaving a loop and entering
    another goes on where the first stopped, with the same workers; after the end of the run there
    is nothing more; `rewind` starts over."""

    def __init__(
        self, path: Any, options: dict[str, Any], loader_options: dict[str, Any], device: str | None = None
    ) -> None:
        self.stream = open_stream(path, options)
        """Counts; in this process it reads nothing."""
        self._dataset = TokenDataset(path, **options)
        self._loader_options, self._device = loader_options, device
        self._batches: Iterator[dict[str, Any]] | None = None

    def __iter__(self) -> TokenLoader:
        return self

    def __next__(self) -> dict[str, Any]:
        if self.stream.batches_left == 0:
            self._batches = None  # and no workers
            raise StopIteration
        if self._batches is None:
            self._dataset.sample = self.stream.sample
            batches = iter(DataLoader(self._dataset, batch_size=None, **self._loader_options))
            self._batches = batches if self._device is None else _on_device(batches, self._device)
        try:
            batch = next(self._batches)
        except BaseException:
            self._batches = None  # workers are beyond the batch that failed: it is the next one all the same
            raise
        self.stream.note(batch)
        self.stream.skip()
        return batch

    def account(self) -> dict[str, Any]:
        """As TokenStream's, of what this loader has handed out."""
        return self.stream.account()

    @property
    def figures(self) -> dict[str, Any]:
        return self.stream.figures

    @property
    def samples(self) -> int | None:
        return self.stream.samples

    @property
    def tokens(self) -> int | None:
        return self.stream.tokens

    @property
    def steps(self) -> int | None:
        return self.stream.steps

    def __len__(self) -> int:
        """Batches of the run. Raises TypeError if it is endless."""
        return len(self.stream)

    @property
    def batches_left(self) -> int | None:
        return self.stream.batches_left

    def state_dict(self) -> dict[str, Any]:
        return self.stream.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume; what workers had read ahead is thrown away."""
        self.stream.load_state_dict(state)
        self._batches = None

    def rewind(self, epoch: int = 0) -> None:
        """Go to the first sample of an epoch of the run."""
        self.stream.rewind(epoch)
        self._batches = None


def token_loader(
    path: Any,
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
    prefetch_factor: int | None = None,
    multiprocessing_context: str | None = None,
    device: str | None = None,
    **options: Any,
) -> TokenLoader:
    """A TokenLoader over `TokenStream(path, **options)`, or `Mixture(path, **options)` where `path` is a list. The
    other arguments are DataLoader's: `multiprocessing_context` is "fork", "spawn" or "forkserver"; `prefetch_factor`
    batches are read ahead by each worker (torch's default is 2). With a `device`, such as "cuda", batches are handed
    out there; the copy of the next is begun before, and with `pin_memory=True` nothing waits for it.

    >>> import tempfile
    >>> import numpy as np
    >>> from corpus.tokens import manifest, megatron
    >>> folder = tempfile.TemporaryDirectory()
    >>> with megatron.ShardWriter(folder.name + "/00000", vocab_size=100) as shard:
    ...     shard.add(np.array([11, 12, 13, 0, 21, 22, 23, 0]), np.array([0, 4, 8]))
    >>> shards = [manifest.describe_shard(folder.name + "/00000")]
    >>> tokenizer = {"fingerprint": "", "family": "byte", "path": ""}
    >>> _ = manifest.write(folder.name, shards, vocab_size=100, tokenizer=tokenizer, end_id=0)

    >>> from corpus.loader.torch import token_loader
    >>> loader = token_loader(folder.name, sequence_length=4, batch_size=1, shuffle=False)
    >>> for batch in loader:
    ...     print(batch["tokens"], batch["labels"])
    tensor([[ 0, 11, 12, 13]]) tensor([[11, 12, 13,  0]])
    tensor([[ 0, 21, 22, 23]]) tensor([[21, 22, 23,  0]])
    """
    loader_options = {
        "num_workers": num_workers,
        "pin_memory": pin_memory,
        "prefetch_factor": prefetch_factor,
        "multiprocessing_context": multiprocessing_context if num_workers else None,
    }
    return TokenLoader(path, options, loader_options, device)
