import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from corpus.loader import TokenStream
from corpus.loader.torch import TokenDataset, token_loader

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
