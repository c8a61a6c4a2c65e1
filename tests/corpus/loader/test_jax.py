"""The example in JAX, as it stands."""

import numpy as np
import pytest

from corpus.loader import TokenStream

pytest.importorskip("jax")
LENGTH = 16


def test_the_loop(make_tokens):
    """It learns what follows what, its loss is that of the definition, and it resumes with the next batch."""
    from corpus.loader.examples import train_jax

    tokens = (np.arange(600) % 7 + 1).tolist()
    folder = make_tokens([[tokens]], vocab_size=10, end_id=0)
    options = {"sequence_length": LENGTH, "batch_size": 4, "seed": 2}
    losses = train_jax.train(folder, **options)
    stream = TokenStream(folder, **options)
    assert len(losses) == len(stream) and losses[-1] < losses[0]
    batches = list(stream)
    parameters = {name: np.asarray(value, np.float64) for name, value in train_jax.begin(10).items()}
    for batch, loss in zip(batches[:1], losses):
        logits = parameters["tokens"][batch["tokens"]] @ parameters["head"]
        of_each = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, batch["labels"][..., None], -1)[..., 0]
        assert abs(of_each.mean() - loss) < 1e-4
    stream = TokenStream(folder, **options)
    next(stream)
    resumed = train_jax.train(folder, stream.state_dict(), steps=1, **options)
    first = train_jax.loss_of(train_jax.begin(10), batches[1]["tokens"], batches[1]["labels"])
    assert abs(resumed[0] - float(first)) < 1e-5
