"""Ray Train's TorchTrainer on a folder of tokens, which goes on from its last checkpoint with any number of workers (it
needs ray[train]); and the same batches as a dataset of Ray Data:

python -m corpus.loader.examples.train_ray out/tokens results --workers 2
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from typing import Any

import numpy as np
import ray.data
import ray.train
import torch
from ray.train.torch import TorchTrainer, prepare_model

from corpus.loader import TokenStream
from corpus.loader.examples.train_ddp import SmallModel, rows_of_a_rank, train_step
from corpus.loader.torch import token_loader


def train_worker(given: dict[str, Any]) -> None:
    """What each worker does: an epoch, or what of it is left. It reads the rows of its own rank; nothing is shared out
    by Ray."""
    context = ray.train.get_context()
    loader = token_loader(
        given["tokens"],
        sequence_length=given["sequence_length"],
        batch_size=rows_of_a_rank(given["global_batch"]),
        rank=context.get_world_rank(),
        world_size=context.get_world_size(),
        seed=1,
    )
    torch.manual_seed(0)
    model = SmallModel(loader.stream.shards.manifest["vocab_size"], given["sequence_length"])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            saved = torch.load(os.path.join(folder, "state.pt"))
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])
    parallel, begin = prepare_model(model), loader.stream.sample
    for batch in itertools.islice(loader, given["steps"]):
        metrics = {"loss": train_step(parallel, optimizer, batch), "begin": begin, "sample": loader.stream.sample}
        with tempfile.TemporaryDirectory() as folder:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"loader": loader.state_dict()}, os.path.join(folder, "state.pt"))
            mine = ray.train.Checkpoint.from_directory(folder) if context.get_world_rank() == 0 else None
            ray.train.report(metrics, checkpoint=mine)


def train(
    tokens: str, results: str, workers: int = 2, steps: int | None = None, cpus: float = 1, **shape: int
) -> ray.train.Result:
    """Train for an epoch, or some steps of it; the run in `results` goes on where it was. `shape`: sequence_length,
    global_batch."""
    given = {"tokens": os.path.abspath(tokens), "sequence_length": 64, "global_batch": 8, "steps": steps, **shape}
    trainer = TorchTrainer(
        train_worker,
        train_loop_config=given,
        scaling_config=ray.train.ScalingConfig(num_workers=workers, resources_per_worker={"CPU": cpus}),
        run_config=ray.train.RunConfig(name="train_ray", storage_path=os.path.abspath(results)),
    )
    return trainer.fit()


class Batches:
    """Batches by their numbers, which any worker makes: a batch is a function of its number, and of nothing before."""

    def __init__(self, tokens: str, options: dict[str, Any]) -> None:
        self.stream = TokenStream(tokens, **options)

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The batch of the one step in `rows`."""
        return self.stream.batch_at(int(rows["id"][0]) * self.stream.step)


def as_dataset(tokens: str, workers: int = 1, **options: Any) -> ray.data.Dataset:
    """The samples of TokenStream(tokens, **options), rows with "tokens" and "labels". They come in the order of the
    run with DataContext's `execution_options.preserve_order`; else as they are made."""
    steps = len(TokenStream(tokens, **options))
    return ray.data.range(steps, override_num_blocks=max(1, steps)).map_batches(
        Batches,
        fn_constructor_args=(os.path.abspath(tokens), options),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", help="folder of tokens")
    parser.add_argument("results", help="folder of checkpoints")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(train(given.tokens, given.results, given.workers).metrics)
