"""A plain training loop with torch's DistributedDataParallel; it goes on where it was killed, with any number of ranks:

torchrun --nproc-per-node 2 -m corpus.loader.examples.train_ddp out/tokens checkpoint.pt
"""

from __future__ import annotations

import argparse
import json
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from corpus.loader.torch import token_loader


class SmallModel(nn.Module):
    """A language model of one layer of attention."""

    def __init__(self, vocab_size: int, sequence_length: int, width: int = 32) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocab_size, width), nn.Embedding(sequence_length, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, vocab_size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits [B, L, vocabulary] of tokens [B, L]."""
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.tokens(tokens) + self.places(torch.arange(length))
        return self.head(self.layer(hidden, src_mask=mask, is_causal=True))


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor]) -> float:
    """One step of all ranks on a batch of each: the mean loss of all labels, of which not all ranks have as many."""
    logits = model(batch["tokens"])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum")
    labels = (batch["labels"] != -100).sum()
    dist.all_reduce(labels)
    optimizer.zero_grad()
    (loss * dist.get_world_size() / labels).backward()  # the gradients of ranks are averaged
    optimizer.step()
    total = loss.detach()
    dist.all_reduce(total)
    return float(total / labels)


def rows_of_a_rank(global_batch: int) -> int:
    """Rows of this rank's batch. Raises ValueError where ranks would not have as many, and a step others."""
    if global_batch % dist.get_world_size():
        raise ValueError(f"{dist.get_world_size()} ranks cannot share {global_batch} rows evenly")
    return global_batch // dist.get_world_size()


def main() -> None:
    """Train for an epoch; a line of JSON a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", help="folder of tokens")
    parser.add_argument("checkpoint", help="file: where to begin, if it is there, and what to write after every step")
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--global-batch", type=int, default=8, help="rows of a step, of all ranks")
    given = parser.parse_args()
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    loader = token_loader(
        given.tokens,
        sequence_length=given.sequence_length,
        batch_size=rows_of_a_rank(given.global_batch),
        rank=rank,
        world_size=world,
        seed=1,
    )
    torch.manual_seed(0)
    model = DistributedDataParallel(SmallModel(loader.stream.shards.manifest["vocab_size"], given.sequence_length))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    if os.path.exists(given.checkpoint):
        saved = torch.load(given.checkpoint)
        model.module.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])
    for batch in loader:
        loss = train_step(model, optimizer, batch)
        if rank == 0:
            state = {"model": model.module.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"loader": loader.state_dict()}, given.checkpoint + ".tmp")
            os.replace(given.checkpoint + ".tmp", given.checkpoint)
            print(json.dumps({"sample": loader.stream.sample, "loss": loss}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
