"""Hugging Face's Trainer on a token folder; from a checkpoint it goes on with the very next sample:

python -m corpus.loader.examples.train_transformers out/tokens checkpoints
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from corpus.loader.torch import TokenLoader, token_loader

LOADER = "loader.json"


class StreamTrainer(Trainer):
    """A Trainer whose batches come from a token_loader as they are: nothing is collated, sharded or skipped."""

    def __init__(self, *, loader: TokenLoader, **options: Any) -> None:
        super().__init__(**options)
        self.loader = loader
        self.add_callback(SaveLoader(loader))

    def get_train_dataloader(self) -> DataLoader:
        """The loader, which has a length and is an iterator, as Trainer wants."""
        return self.loader  # type: ignore[return-value]


class SaveLoader(TrainerCallback):
    """Writes the state of a loader into every checkpoint."""

    def __init__(self, loader: TokenLoader) -> None:
        self.loader = loader

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **more: Any) -> None:
        """After the checkpoint itself."""
        folder = os.path.join(str(args.output_dir), f"checkpoint-{state.global_step}")
        with open(os.path.join(folder, LOADER), "w", encoding="utf-8") as file:
            json.dump(self.loader.state_dict(), file)


def train(tokens: str, output: str, sequence_length: int = 64, batch_size: int = 8, **more: Any) -> Trainer:
    """Train for an epoch, from the last checkpoint in `output` if there is one."""
    arguments = TrainingArguments(
        output_dir=output,
        num_train_epochs=1,
        ignore_data_skip=True,  # the loader knows where it is
        accelerator_config={"dispatch_batches": False},
        report_to=[],
        **more,
    )
    loader = token_loader(
        tokens,
        sequence_length=sequence_length,
        batch_size=batch_size,
        labels="hf",
        inputs="input_ids",
        rank=arguments.process_index,
        world_size=arguments.world_size,
    )
    config = GPT2Config(
        vocab_size=loader.stream.shards.manifest["vocab_size"], n_positions=sequence_length, n_embd=32, n_layer=1,
        n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    last = get_last_checkpoint(output) if os.path.isdir(output) else None
    if last:
        with open(os.path.join(last, LOADER), encoding="utf-8") as file:
            loader.load_state_dict(json.load(file))
    trainer = StreamTrainer(model=GPT2LMHeadModel(config), args=arguments, loader=loader)
    trainer.train(resume_from_checkpoint=last)
    return trainer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", help="folder of tokens")
    parser.add_argument("output", help="folder of checkpoints")
    given = parser.parse_args()
    train(given.tokens, given.output)
