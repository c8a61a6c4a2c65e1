"""Small models on a run that has a section `stream`, on a processor, in a minute: a GPT, a BERT, a T5. One that is
killed goes on where it was, with the losses that it would have had:

python -m corpus.loader.examples.train_small bert out checkpoint.pt
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpus.loader import open_stream

WIDTH, LAYERS, HEADS = 128, 2, 4
EVERY = 10
"""Steps from one checkpoint, and line, to the next."""


class Embedded(nn.Module):
    """Tokens with their places."""

    def __init__(self, vocab_size: int, length: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocab_size, WIDTH), nn.Embedding(length, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, L, WIDTH] of [B, L]."""
        return self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))

    def logits(self, hidden: Tensor) -> Tensor:
        """Of the vocabulary, with the same weights."""
        return hidden @ self.tokens.weight.T / WIDTH**0.5


def layer(kind: type) -> nn.Module:
    """One of a transformer, with normalization first and without dropout."""
    return kind(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)


def encoder() -> nn.Module:
    """LAYERS of them."""
    return nn.TransformerEncoder(layer(nn.TransformerEncoderLayer), LAYERS, nn.LayerNorm(WIDTH), False)


def causal(length: int) -> Tensor:
    """[L, L]: whom a token does not see."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


class Gpt(nn.Module):
    """Of batches of "causal"."""

    def __init__(self, vocab_size: int, length: int, pad_id: int) -> None:
        super().__init__()
        self.embedded, self.encoder = Embedded(vocab_size, length), encoder()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses by name."""
        hidden = self.encoder(self.embedded(batch["tokens"]), causal(batch["tokens"].shape[1]), is_causal=True)
        return {"next token": cross_entropy(self.embedded.logits(hidden), batch["labels"])}


class Bert(nn.Module):
    """Of batches of "mlm" with two segments."""

    def __init__(self, vocab_size: int, length: int, pad_id: int) -> None:
        super().__init__()
        self.embedded, self.encoder, self.pad_id = Embedded(vocab_size, length), encoder(), pad_id
        self.segments, self.pair = nn.Embedding(2, WIDTH), nn.Linear(WIDTH, 2)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses by name."""
        tokens = batch["tokens"]
        embedded = self.embedded(tokens) + self.segments(batch["segments"].long())
        hidden = self.encoder(embedded, src_key_padding_mask=tokens == self.pad_id)
        masked = batch["labels"] != -100
        logits = self.embedded.logits(hidden[masked])
        next_sentence = functional.cross_entropy(self.pair(hidden[:, 0]), batch["sentence_labels"].long())
        return {"masked": cross_entropy(logits, batch["labels"][masked]), "next sentence": next_sentence}


class T5(nn.Module):
    """Of batches of "span_corruption"."""

    def __init__(self, vocab_size: int, length: int, pad_id: int) -> None:
        super().__init__()
        self.embedded, self.encoder, self.pad_id = Embedded(vocab_size, length), encoder(), pad_id
        self.decoder = nn.TransformerDecoder(layer(nn.TransformerDecoderLayer), LAYERS, nn.LayerNorm(WIDTH))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses by name."""
        padding = batch["tokens"] == self.pad_id
        memory = self.encoder(self.embedded(batch["tokens"]), src_key_padding_mask=padding)
        targets = self.embedded(batch["decoder_tokens"])
        hidden = self.decoder(targets, memory, causal(targets.shape[1]), memory_key_padding_mask=padding)
        return {"spans": cross_entropy(self.embedded.logits(hidden), batch["labels"])}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over labels that there are."""
    return functional.cross_entropy(logits.flatten(0, -2), labels.flatten())


MODELS: dict[str, type[nn.Module]] = {"gpt": Gpt, "bert": Bert, "t5": T5}


def train(
    kind: str, run: str, checkpoint: str, steps: int = 200, say: Callable[[str], None] = print, **changes: Any
) -> list[float]:
    """Train a model of MODELS on a run for `steps` steps, from `checkpoint` if it is there, which is written every
    EVERY steps; the loss of each step. `changes` are those of `open_stream`."""
    stream = open_stream(run, epochs=None, **changes)
    manifest = stream.shards.manifest
    pad_id = manifest["end_id"] if manifest["pad_id"] is None else manifest["pad_id"]
    torch.manual_seed(0)
    torch.set_num_threads(1)  # models this small gain nothing from more, and sums are the same on every machine
    model = MODELS[kind](manifest["vocab_size"], stream.sequence_length, pad_id)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    losses: list[float] = []
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        stream.load_state_dict(saved["stream"])
        losses = saved["losses"]
        say(f"going on behind step {len(losses)}")
    while len(losses) < steps:
        batch = {name: torch.from_numpy(array) for name, array in next(stream).items()}
        parts = model(batch)
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) % EVERY == 0 or len(losses) == steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
            torch.save(state | {"stream": stream.state_dict()}, checkpoint + ".tmp")
            os.replace(checkpoint + ".tmp", checkpoint)
            shown = ", ".join(f"{name} {value.item():.4f}" for name, value in parts.items())
            say(f"step {len(losses)} of {steps}: loss {losses[-1]:.4f} ({shown})")
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=list(MODELS))
    parser.add_argument("run", help="folder of a run whose recipe has a section `stream`")
    parser.add_argument("checkpoint", help="file: where to begin, if it is there, and what to write every few steps")
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    train(given.model, given.run, given.checkpoint, given.steps)
