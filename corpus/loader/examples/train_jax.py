"""A training loop in JAX: a stream's arrays go to the device as they are, and its state is a few integers:

python -m corpus.loader.examples.train_jax out/tokens
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from corpus.loader import TokenStream

Parameters = dict[str, jax.Array]


def begin(vocab_size: int, width: int = 32) -> Parameters:
    """A model of pairs of tokens: what follows each, through `width` numbers."""
    first, second = jax.random.split(jax.random.key(0))
    shape = vocab_size, width
    return {"tokens": jax.random.normal(first, shape) * 0.1, "head": jax.random.normal(second, shape[::-1]) * 0.1}


def loss_of(parameters: Parameters, tokens: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy over the labels that are not -100, of tokens and labels [B, L]."""
    logits = parameters["tokens"][tokens] @ parameters["head"]
    there = labels != -100
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.where(there, labels, 0)[..., None], -1)[..., 0]
    return -jnp.where(there, chosen, 0).sum() / there.sum()


@partial(jax.jit, donate_argnums=0)
def step(parameters: Parameters, tokens: jax.Array, labels: jax.Array, rate: float) -> tuple[Parameters, jax.Array]:
    """One step of gradient descent, and the loss before it."""
    loss, gradients = jax.value_and_grad(loss_of)(parameters, tokens, labels)
    return jax.tree.map(lambda value, gradient: value - rate * gradient, parameters, gradients), loss


def train(tokens: str, state: dict[str, Any] | None = None, steps: int | None = None, **options: Any) -> list[float]:
    """Losses of an epoch, or of its first steps; from a stream's `state` on it goes on there (with new parameters:
    keep yours beside it). A process of several reads the rows of its own: `rank=jax.process_index()`."""
    stream = TokenStream(
        tokens, dtype="int32", rank=jax.process_index(), world_size=jax.process_count(),
        **{"sequence_length": 64, "batch_size": 8, **options},
    )  # fmt: skip
    if state is not None:
        stream.load_state_dict(state)
    parameters = begin(stream.shards.manifest["vocab_size"])
    losses = []
    for batch in stream:
        parameters, loss = step(parameters, jax.device_put(batch["tokens"]), jax.device_put(batch["labels"]), 1.0)
        losses.append(loss)  # not float(loss): the next batch is read while the device computes
        if len(losses) == steps:
            break
    return [float(loss) for loss in losses]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", help="folder of tokens")
    print(train(parser.parse_args().tokens))
