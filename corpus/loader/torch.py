"""TokenStream behind torch's DataLoader.

Batch k comes from worker k % num_workers, each worker computing its own, so that the order is the
same for any number of them. Workers read ahead; what counts for `state_dict` is what the training
loop has received.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from corpus.loader.stream import TokenStream


class TokenDataset(IterableDataset[dict[str, Any]]):
    """Batches of `TokenStream(path, **options)` as dicts of tensors (`max_seqlen` stays an int), for
    a DataLoader with batch_size=None. Every iteration begins with global sample `sample`.
    Pickles as its arguments; each worker opens the shards itself."""

    def __init__(self, path: str, sample: int = 0, **options: Any) -> None:
        self.path = path
        self.sample = sample
        self.options = options

    def __iter__(self) -> Iterator[dict[str, Any]]:
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


def _tensors(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()}


class TokenLoader:
    """An iterator over batches of tensors with `state_dict` and `load_state_dict`, which mean what
    they mean for TokenStream and are interchangeable with its own. Leaving a loop and entering
    another goes on where the first stopped, with the same workers; after the end of the run there
    is nothing more; `rewind` starts over."""

    def __init__(self, path: str, options: dict[str, Any], loader_options: dict[str, Any]) -> None:
        self.stream = TokenStream(path, **options)
        """Counts; in this process it reads nothing."""
        self._dataset = TokenDataset(path, **options)
        self._loader_options = loader_options
        self._batches: Iterator[dict[str, Any]] | None = None

    def __iter__(self) -> TokenLoader:
        return self

    def __next__(self) -> dict[str, Any]:
        if self._batches is None:
            self._dataset.sample = self.stream.sample
            self._batches = iter(DataLoader(self._dataset, batch_size=None, **self._loader_options))
        batch = next(self._batches)
        self.stream.skip()
        return batch

    @property
    def figures(self) -> dict[str, Any]:
        return self.stream.figures

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
    path: str,
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
    prefetch_factor: int | None = None,
    multiprocessing_context: str | None = None,
    **options: Any,
) -> TokenLoader:
    """A TokenLoader over `TokenStream(path, **options)`. The other arguments are DataLoader's:
    `multiprocessing_context` is "fork", "spawn" or "forkserver"; `prefetch_factor` batches are
    read ahead by each worker (torch's default is 2).

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
    return TokenLoader(str(path), options, loader_options)
