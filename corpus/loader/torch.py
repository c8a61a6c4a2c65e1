"""TokenStream behind torch's DataLoader.

Batch k comes from worker k % num_workers, each worker computing its own, so that the order is the
same for any number of them. Workers read ahead; what counts for `state_dict` is what the training
loop has received.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from corpus.loader.stream import TokenStream


class TokenDataset(IterableDataset):
    """Batches of `TokenStream(path, **options)` as dicts of tensors (`max_seqlen` stays an int), for
    a DataLoader with batch_size=None. Every iteration begins with global sample `sample`.
    Pickles as its arguments; each worker opens the shards itself."""

    def __init__(self, path: str, sample: int = 0, **options) -> None:
        self.path = path
        self.sample = sample
        self.options = options

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        stream = TokenStream(self.path, **self.options)
        stream.sample = self.sample
        number = 0
        while stream.batches_left != 0:
            if number % workers == worker:
                yield _tensors(stream.batch_at(stream.sample))
            stream.skip()
            number += 1


def _tensors(batch: dict) -> dict:
    return {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()}


class TokenLoader:
    """An iterator over batches of tensors with `state_dict` and `load_state_dict`, which mean what
    they mean for TokenStream and are interchangeable with its own. Leaving a loop and entering
    another goes on where the first stopped, with the same workers; after the end of the run there
    is nothing more; `rewind` starts over."""

    def __init__(self, path: str, options: dict, loader_options: dict) -> None:
        self.stream = TokenStream(path, **options)
        """Counts; in this process it reads nothing."""
        self._dataset = TokenDataset(path, **options)
        self._loader_options = loader_options
        self._batches = None

    def __iter__(self) -> TokenLoader:
        return self

    def __next__(self) -> dict:
        if self._batches is None:
            self._dataset.sample = self.stream.sample
            self._batches = iter(DataLoader(self._dataset, batch_size=None, **self._loader_options))
        batch = next(self._batches)
        self.stream.skip()
        return batch

    @property
    def figures(self) -> dict:
        return self.stream.figures

    @property
    def batches_left(self) -> int | None:
        return self.stream.batches_left

    def state_dict(self) -> dict:
        return self.stream.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Resume; what workers had read ahead is thrown away."""
        self.stream.load_state_dict(state)
        self._batches = None

    def rewind(self, epoch: int = 0) -> None:
        """Go to the first sample of an epoch of the run."""
        self.stream.rewind(epoch)
        self._batches = None


def token_loader(
    path: str,
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
    prefetch_factor: int | None = None,
    multiprocessing_context: str | None = None,
    **options,
) -> TokenLoader:
    """A TokenLoader over `TokenStream(path, **options)`. The other arguments are DataLoader's:
    `multiprocessing_context` is "fork", "spawn" or "forkserver"; `prefetch_factor` batches are
    read ahead by each worker (torch's default is 2)."""
    loader_options = {
        "num_workers": num_workers,
        "pin_memory": pin_memory,
        "prefetch_factor": prefetch_factor,
        "multiprocessing_context": multiprocessing_context if num_workers else None,
    }
    return TokenLoader(str(path), options, loader_options)
