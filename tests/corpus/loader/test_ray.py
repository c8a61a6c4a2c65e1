"""The examples with Ray Train and Ray Data: what comes of them is what one process makes of the stream."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ray.train.torch", exc_type=ImportError)

import ray.data

from corpus.loader import TokenStream
from corpus.loader.examples import train_ray
from corpus.loader.examples.train_ddp import SmallModel

OPTIONS = {"sequence_length": 16, "seed": 1}


@pytest.fixture(scope="module")
def folder(make_tokens):
    """30 samples of 16 tokens, with something to be learnt, and one of three."""
    random = np.random.default_rng(0)
    tokens = (np.cumsum(random.integers(1, 3, 30 * 16 + 3)) % 50 + 1).tolist()
    return make_tokens([[tokens[:200], tokens[200:]]], vocab_size=60)


def losses_of_one(folder):
    """Of a plain loop without Ray, ranks, or checkpoints."""
    torch.manual_seed(0)
    model, found = SmallModel(60, 16), []
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for batch in TokenStream(folder, batch_size=4, **OPTIONS):
        logits = model(torch.from_numpy(batch["tokens"])).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch["labels"]).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.slow
def test_a_run_goes_on_with_fewer_workers(ray_workers, folder, tmp_path):
    expected = losses_of_one(folder)
    shape = {"sequence_length": 16, "global_batch": 4}
    first = train_ray.train(folder, str(tmp_path), 2, steps=5, cpus=0.5, **shape)
    assert first.metrics["sample"] == 20 and abs(first.metrics["loss"] - expected[4]) < 1e-4
    rest = train_ray.train(folder, str(tmp_path), 1, cpus=0.5, **shape)
    assert (first.metrics["begin"], rest.metrics["begin"], rest.metrics["sample"]) == (0, 20, 31)
    assert abs(rest.metrics["loss"] - expected[-1]) < 1e-4
    assert len(expected) == 8 and expected[-2] < expected[0] - 0.3


@pytest.mark.slow
def test_a_dataset_has_the_batches_of_the_run(ray_workers, folder):
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    dataset = train_ray.as_dataset(folder, batch_size=4, **OPTIONS)
    found = list(dataset.iter_batches(batch_size=4))
    expected = list(TokenStream(folder, batch_size=4, **OPTIONS))
    assert len(found) == len(expected) == 8
    assert all(np.array_equal(a[key], b[key]) for a, b in zip(found, expected) for key in ("tokens", "labels"))
