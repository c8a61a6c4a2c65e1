import itertools
import json
import pickle
import shutil
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from corpus.loader import TokenStream
from corpus.loader.torch import TokenDataset, stream_state, token_loader

OPTIONS = {"sequence_length": 5, "batch_size": 3, "boundaries": "cu_seqlens", "epochs": 2}


@pytest.fixture(scope="module")
def folder(make_tokens):
    tokens = np.arange(1, 200) % 900
    return make_tokens([[[*tokens[:40], 0], [7, 0]], [[*tokens[40:], 0], []]], pack=5)


def same(ours, theirs):
    """Equal batches, tensors against arrays."""
    assert ours.keys() == theirs.keys()
    return all(np.array_equal(np.asarray(ours[key]), np.asarray(theirs[key])) for key in ours)


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("rank, world", [(0, 1), (1, 2)])
def test_order_is_the_stream_s(folder, workers, rank, world):
    options = OPTIONS | {"rank": rank, "world_size": world}
    expected = list(TokenStream(folder, **options))
    loader = token_loader(folder, num_workers=workers, **options)
    found = list(loader)
    assert len(found) == len(expected) > 5
    assert all(map(same, found, expected))
    assert found[0]["tokens"].dtype == torch.int64 and isinstance(found[0]["max_seqlen"], int)
    assert loader.batches_left == 0 and list(loader) == []


@pytest.mark.parametrize("workers, then", [(0, 2), (2, 0), (2, 3)])
def test_resume_despite_reading_ahead(folder, workers, then):
    options = OPTIONS | {"packing": "plan"}
    expected = list(TokenStream(folder, **options))
    loader = token_loader(folder, num_workers=workers, **options)
    assert loader.state_dict()["sample"] == 0
    for step in (0, 1, 4, len(expected)):
        head = list(itertools.islice(loader, step))
        state = loader.state_dict()
        assert len(head) == step
        assert state["sample"] == min(3 * step, loader.stream.total)
        resumed = token_loader(folder, num_workers=then, **options)
        resumed.load_state_dict(state)
        rest = list(resumed)
        assert len(rest) == len(expected) - step
        assert all(map(same, rest, expected[step:]))
        loader.rewind()


def test_leaving_a_loop_loses_nothing(folder):
    loader = token_loader(folder, num_workers=2, **OPTIONS)
    expected = list(TokenStream(folder, **OPTIONS))
    found = list(itertools.islice(loader, 3)) + list(loader)
    assert len(found) == len(expected) and all(map(same, found, expected))


@pytest.mark.parametrize("workers, device", [(0, None), (2, None), (0, "cpu"), (2, "cpu")])
def test_after_an_error_no_batch_is_missing_or_moved(folder, tmp_path, workers, device):
    """What workers had read beyond a block that could not be read is read again behind it."""
    copied = shutil.copytree(folder, tmp_path / "tokens")
    expected = list(TokenStream(folder, shuffle=False, **OPTIONS))
    shard, found, errors = copied / "00001.bin", [], 0
    data = shard.read_bytes()
    shard.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    loader = token_loader(str(copied), shuffle=False, num_workers=workers, device=device, **OPTIONS)
    while loader.batches_left:
        try:
            found.append(next(loader))
        except ValueError as error:
            assert "00001.bin: block 0" in str(error) and loader.state_dict()["sample"] == 3 * len(found)
            errors += 1
            with open(shard, "r+b") as file:  # in place: it is mapped
                file.write(data[:1])
    assert errors == 1 and len(found) == len(expected) and all(map(same, found, expected))
    with pytest.raises(StopIteration):
        next(loader)


@pytest.mark.slow
def test_spawn(folder):
    loader = token_loader(folder, num_workers=2, multiprocessing_context="spawn", **OPTIONS)
    expected = list(TokenStream(folder, **OPTIONS))
    found = list(loader)
    assert len(found) == len(expected) and all(map(same, found, expected))


def test_dataset_alone(folder):
    loader = torch.utils.data.DataLoader(TokenDataset(folder, **OPTIONS), batch_size=None)
    expected = list(TokenStream(folder, **OPTIONS))
    for _ in range(2):
        assert all(map(same, list(loader), expected))


def test_lengths(folder):
    stream, loader = TokenStream(folder, **OPTIONS), token_loader(folder, num_workers=2, **OPTIONS)
    assert len(loader) == loader.steps == len(stream) == len(TokenDataset(folder, **OPTIONS)) == len(list(loader))
    assert (loader.samples, loader.tokens) == (stream.samples, stream.tokens)


class Workers:
    """What torchdata's StatefulDataLoader does with a dataset, in one process: workers in turn, each with a copy of its
    own and the state of it; only batches that have been handed out count."""

    def __init__(self, dataset, workers, monkeypatch, snapshot=None):
        self.patch, self.workers, self.turn = monkeypatch, workers, 0
        self.copies = [pickle.loads(pickle.dumps(dataset)) for _ in range(workers)]
        self.batches = []
        for number, each in enumerate(self.copies):
            if snapshot:
                each.load_state_dict(json.loads(json.dumps(snapshot["states"][number])))
                self.turn = snapshot["turn"]
            self.batches.append(self.within(number, lambda each=each: iter(each)))

    def within(self, number, call):
        info = types.SimpleNamespace(id=number, num_workers=self.workers)
        self.patch.setattr("corpus.loader.torch.get_worker_info", lambda: info if self.workers > 1 else None)
        return call()

    def __iter__(self):
        ended = set()
        while len(ended) < self.workers:
            number = self.turn % self.workers
            try:
                if number not in ended:
                    yield self.within(number, lambda number=number: next(self.batches[number]))
            except StopIteration:
                ended.add(number)
            self.turn += 1

    def snapshot(self):
        return {"turn": self.turn + 1, "states": [each.state_dict() for each in self.copies]}


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("options", [OPTIONS, OPTIONS | {"epochs": 1, "world_size": 3, "rank": 2}])
def test_the_dataset_has_a_state_for_stateful_loaders(folder, monkeypatch, workers, options):
    """Resumed after every batch: with as many workers from their states, with others, and ranks, from the stream's."""
    expected = list(TokenStream(folder, **options))
    for step in range(1, len(expected) + 1):
        loader = Workers(TokenDataset(folder, **options), workers, monkeypatch)
        head = list(itertools.islice(loader, step))
        assert all(map(same, head, expected))
        snapshot = loader.snapshot()
        rest = list(Workers(TokenDataset(folder, **options), workers, monkeypatch, snapshot))
        assert len(rest) == len(expected) - step and all(map(same, rest, expected[step:]))
        state = stream_state({"_snapshot": {f"worker_{n}": s for n, s in enumerate(snapshot["states"])}})
        stream = TokenStream(folder, **options)
        stream.load_state_dict(state)
        dataset = TokenDataset(folder, **options)
        dataset.load_state_dict(state)
        again = list(Workers(dataset, 4 - workers, monkeypatch))
        assert len(again) == len(list(stream)) == len(expected) - step and all(map(same, again, expected[step:]))


def test_a_forked_worker_opens_its_own(folder, monkeypatch):
    dataset = TokenDataset(folder, **OPTIONS)
    len(dataset)
    opened = dataset._stream
    assert opened is not None and dataset._opened() is opened
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert dataset._opened() is not opened and same(next(iter(dataset)), next(TokenStream(folder, **OPTIONS)))


def test_a_state_counts_for_one_pass(folder):
    dataset = TokenDataset(folder, **OPTIONS)
    whole = list(dataset)
    batches = iter(dataset)
    next(batches)
    state = dataset.state_dict()
    resumed = TokenDataset(folder, **OPTIONS)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert all(map(same, list(resumed), whole[1:])) and all(map(same, list(resumed), whole))
    with pytest.raises(ValueError, match="another order"):
        TokenDataset(folder, **OPTIONS | {"shuffle": False}).load_state_dict(state)
    with pytest.raises(ValueError, match="no state of a TokenDataset"):
        stream_state({"a": {"b": 1}})
    with pytest.raises(ValueError, match="snapshot_every_n_steps=1"):
        stream_state({"a": state, "_steps_since_snapshot": 2})


def test_epochs_that_the_trainer_counts(folder):
    """A dataset of one epoch, told which: passes are the epochs of one longer run, each with its own end."""
    options = OPTIONS | {"epochs": 1, "world_size": 2, "rank": 1}
    dataset, passes = TokenDataset(folder, **options), []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        passes.append(list(dataset))
        assert len(passes[-1]) == len(dataset)
    assert all(map(same, passes[0], list(TokenStream(folder, **options))))
    longer = TokenStream(folder, **options | {"epochs": 3, "last": "drop"})
    longer.rewind(1)
    second = list(itertools.islice(longer, len(passes[1]) - 1))
    assert len(second) > 2 and all(map(same, passes[1], second))
    batches = iter(dataset)
    next(batches)
    resumed = TokenDataset(folder, **options)
    resumed.load_state_dict(dataset.state_dict())
    assert all(map(same, list(resumed), passes[2][1:]))


def test_the_torchdata_loader_itself(folder):
    """Where it is installed; the project does not depend on it."""
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    expected = list(TokenStream(folder, **OPTIONS))
    for workers, step in itertools.product((0, 2), (0, 1, 4, len(expected))):
        loader = stateful.StatefulDataLoader(TokenDataset(folder, **OPTIONS), batch_size=None, num_workers=workers)
        head = list(itertools.islice(loader, step))
        state = loader.state_dict()
        resumed = stateful.StatefulDataLoader(TokenDataset(folder, **OPTIONS), batch_size=None, num_workers=workers)
        resumed.load_state_dict(state)
        assert all(map(same, head + list(resumed), expected)) and all(map(same, list(resumed), expected))
        dataset = TokenDataset(folder, **OPTIONS)
        dataset.load_state_dict(stream_state(state))
        other = stateful.StatefulDataLoader(dataset, batch_size=None, num_workers=1)
        rest = list(other)
        assert len(rest) == len(expected) - step and all(map(same, rest, expected[step:]))


def test_the_loss_of_hugging_face_s_models(folder):
    """Where transformers is installed: of rows with labels="hf" a model makes the loss of the shifted ones."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=1000, n_positions=16, n_embd=8, n_layer=1, n_head=2)
    model = transformers.GPT2LMHeadModel(config).eval()
    hf = token_loader(folder, sequence_length=9, batch_size=4, labels="hf", inputs="input_ids")
    shifted = token_loader(folder, sequence_length=8, batch_size=4)
    for ours, theirs in zip(shifted, hf, strict=True):
        logits = model(input_ids=ours["tokens"]).logits
        expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ours["labels"].flatten())
        assert torch.isclose(model(**theirs).loss, expected, atol=1e-5)


@pytest.mark.parametrize("workers", [0, 2])
def test_on_a_device(folder, workers):
    """The next batch is on its way there, and no part of the state or the account."""
    plain, moved = (
        token_loader(folder, sequence_length=8, batch_size=2, num_workers=workers, audit=True, device=device)
        for device in (None, "cpu")
    )
    states = [
        [(batch["labels"].tolist(), loader.state_dict(), loader.account()) for batch in loader]
        for loader in (plain, moved)
    ]
    assert states[0] == states[1] and len(states[0]) > 2
    meta = next(token_loader(folder, sequence_length=8, batch_size=2, device="meta", boundaries="cu_seqlens"))
    assert meta["tokens"].device.type == "meta" and isinstance(meta["max_seqlen"], int)
