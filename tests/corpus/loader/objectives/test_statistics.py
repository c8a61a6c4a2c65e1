"""What batches have of a million tokens, against the papers' numbers."""

import numpy as np
import pytest

from corpus.loader import TokenStream

from .conftest import MASK, SENTINELS, eligible

MODES = {"nlu": 996, "nlg": 997, "s2s": 998}
LENGTH, ORDINARY = 512, np.array([i for i in range(1000) if eligible(i)])


@pytest.fixture(scope="module")
def batch_of(make_tokens):
    """batch_of(objective, **options) -> all rows of an epoch that are full, as one batch. One document of 1,000,000
    tokens, 1 to 888, all as likely."""
    folder = make_tokens([[np.random.default_rng(1).integers(1, 889, 1_000_000).tolist()]], pad_id=999, vocabulary=True)

    def read(objective, **options):
        options = {"sequence_length": LENGTH, **options}
        stream = TokenStream(folder, objective=objective, batch_size=64, seed=2, **options)
        batches = list(stream)
        whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        full = (whole["tokens"] != 999).sum(1) >= whole["tokens"].shape[1] - 1  # one less where spans are rolled
        assert full.sum() > 1_000_000 / 1100 - 8
        return {name: array[full] for name, array in whole.items()}

    return read


def chi_square(counts, shares):
    """Within six standard deviations of what is expected of it."""
    expected = np.sum(counts) * np.asarray(shares) / np.sum(shares)
    square, free = ((counts - expected) ** 2 / expected).sum(), len(expected) - 1
    return abs(square - free) <= 6 * (2 * free) ** 0.5


def became(batch):
    """How many labels are of a token that is masked, another, the same."""
    tokens, labels = batch["tokens"], batch["labels"]
    there = labels != -100
    same = (tokens == labels)[there].sum()
    masked = (tokens == MASK)[there].sum()
    assert (tokens[~there] != MASK).all()
    return np.array([masked, there.sum() - masked - same, same])


@pytest.mark.parametrize("rule", ["bert", "roberta"])
def test_masks(batch_of, rule):
    """15 %; of these 80 % masked, 10 % random, of the whole vocabulary or of what is not special, 10 % as they were."""
    batch = batch_of("mlm", rule=rule)
    there = batch["labels"] != -100
    if rule == "bert":
        assert (there.sum(1) == round(0.15 * LENGTH)).all() and not there[:, [0, -1]].any()
    else:
        assert abs(there.mean() - 0.15) < 6 * 0.5 / LENGTH / len(there) ** 0.5
        assert abs(there[:, 0].mean() - 0.15) < 6 * (0.15 * 0.85 / len(there)) ** 0.5  # <s>, too
    pool = np.arange(1000) if rule == "bert" else ORDINARY
    chance = 0.1 / len(pool)
    hidden = chance if rule == "bert" else 0  # the mask is drawn as a random token
    assert chi_square(became(batch), [0.8 + hidden, 0.1 - hidden - chance, 0.1 + chance])
    drawn = batch["tokens"][there & (batch["tokens"] != batch["labels"]) & (batch["tokens"] != MASK)]
    assert chi_square(np.bincount(drawn, minlength=1000)[pool[pool != MASK]], np.ones(len(pool[pool != MASK])))
    inner = there[:, 1:-1].sum(0)
    assert abs(((inner - inner.mean()) ** 2 / inner.mean()).sum() - 510 * 0.85) < 6 * (2 * 510) ** 0.5  # every place


def test_electra(batch_of):
    """Of 510 tokens 77 are drawn with replacement, and 85 % of the draws mask."""
    batch = batch_of("electra")
    there, rows = batch["labels"] != -100, len(batch["labels"])
    drawn, hidden = (510 * (1 - (1 - share / 510) ** 77) for share in (1, 0.85))
    masked, random, same = became(batch)
    assert random == 0 and abs((masked + same) / rows - drawn) < 6 * 3 / rows**0.5
    assert abs(masked / rows - hidden) < 6 * 4 / rows**0.5 and not there[:, [0, -1]].any()


def test_spanbert(batch_of):
    """15 %, and what becomes of a span becomes of all of it: 80 % of the spans, 10 %, 10 %."""
    batch = batch_of("spanbert")
    there = batch["labels"] != -100
    assert (there.sum(1) == 77).all()  # ceil(0.15 510)
    begins = there & ~np.pad(there, ((0, 0), (1, 0)))[:, :-1]
    number = np.cumsum(begins) * there.ravel()
    kinds = np.where(batch["tokens"] == MASK, 0, np.where(batch["tokens"] == batch["labels"], 2, 1)).ravel()
    counts = np.zeros((number.max() + 1, 3), np.int64)
    np.add.at(counts, (number[number > 0], kinds[number > 0]), 1)
    counts = counts[1:]
    assert ((counts[:, 0] > 0) + (counts[:, 1:].sum(1) > 0) == 1).all()
    assert chi_square([(counts[:, 0] > 0).sum(), (counts[:, 0] == 0).sum()], [0.8, 0.2])
    kept = (counts[:, 2] == counts.sum(1)).sum() / len(counts)  # a random token may be the same by chance
    assert abs(kept - 0.1) < 0.1 / 300 + 6 * (0.09 / len(counts)) ** 0.5


@pytest.mark.parametrize("mixture, shares", [("ul2", [1 / 7] * 7), ("ul2r", [1 / 8] * 8)])
def test_ul2(batch_of, mixture, shares):
    """Each denoiser as often as the paper has it, under its own mode token, with its share of noise."""
    batch = batch_of("ul2", mixture=mixture, sequence_length=384)  # as many spans as there are sentinels
    counts = np.bincount(batch["denoisers"])
    assert (np.abs(counts - counts.sum() * np.array(shares)) <= 2).all()
    densities = {"ul2": [0.15, 0.15, 0.5, 0.5, 0.15, 0.5, 0.25], "ul2r": [*4 * [0.25], 0.15, 0.15, 0.15, 0.5]}[mixture]
    modes = {"ul2": "nlu nlu nlg nlg nlg nlg s2s", "ul2r": "s2s s2s s2s s2s nlu nlu nlg nlg"}[mixture].split()
    for kind, (density, mode) in enumerate(zip(densities, modes)):
        rows = batch["denoisers"] == kind
        assert (batch["tokens"][rows, 0] == MODES[mode]).all()
        noise, rest = (
            (batch[name][rows] < 889).sum(1) - (batch[name][rows] < 1).sum(1) for name in ("labels", "tokens")
        )
        assert np.abs(noise / (noise + rest) - density).max() < 1 / 384


def test_t5(batch_of):
    """85 of 568 tokens in 28 spans: every row the same sentinels; every division as likely, so that the first stretch
    of what is kept has 483 / 28 tokens on average, and a span 85 / 28."""
    batch = batch_of("span_corruption")
    assert (np.isin(batch["tokens"], SENTINELS).sum(1) == 28).all() and (batch["labels"] != -100).all()
    places = np.argmax(batch["tokens"] == SENTINELS[0], 1)
    assert abs(places.mean() - 483 / 28) < 6 * 17 / len(places) ** 0.5
    sizes = np.diff(np.argwhere(np.isin(batch["labels"], SENTINELS))[:, 1].reshape(-1, 28), axis=1) - 1
    assert abs(sizes.mean() - 85 / 28) < 6 * 2.5 / sizes.size**0.5
