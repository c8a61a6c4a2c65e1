"""Samples of objectives as lists, for plain Python to work on."""

import numpy as np
import pytest

from corpus.loader import TokenStream
from corpus.loader.order import keys

PAD, END, CLS, SEP, MASK = 999, 0, 990, 991, 992
PRE, MID, SUF = 993, 994, 995
SPECIAL = {END, PAD, *range(990, 1000)}
SENTINELS = list(range(989, 889, -1))


@pytest.fixture(scope="session")
def corpus(make_tokens):
    """(folder, stream of tokens, which document each is of): two shards of documents of 0 to 60 tokens with their ends,
    in which one of twelve tokens is a full stop (13)."""
    random = np.random.default_rng(7)
    shards = []
    for _ in range(2):
        texts = [random.integers(1, 889, random.integers(0, 60)) for _ in range(60)]
        shards.append([[*np.where(random.random(len(t)) < 1 / 12, 13, t).tolist(), END] for t in texts])
    documents = [document for shard in shards for document in shard]
    stream = [token for document in documents for token in document]
    numbers = [number for number, document in enumerate(documents) for _ in document]
    return make_tokens(shards, pad_id=PAD, vocabulary=True, pack=30), stream, numbers


@pytest.fixture
def samples_of(corpus):
    """samples_of(objective, length, **options) -> (rows, samples): the rows of an epoch in the stream's order, as dicts
    of lists, and (tokens, documents, key) of the sample of each."""
    folder, stream, numbers = corpus

    def read(objective, length, batch_size=5, seed=3, **options):
        opened = TokenStream(
            folder,
            objective=objective,
            sequence_length=length,
            batch_size=batch_size,
            seed=seed,
            shuffle=False,
            **options,
        )
        rows = []
        for batch in opened:
            arrays = {name: array for name, array in batch.items() if isinstance(array, np.ndarray)}
            rows += [{name: array[k].tolist() for name, array in arrays.items()} for k in range(len(batch["tokens"]))]
        sizes = opened._objective.windows(opened._setting)
        samples, at, number = [], 0, 0
        while at < len(stream):
            size = sizes[number % len(sizes)]
            samples.append([stream[at : at + size], numbers[at : at + size]])
            at, number = at + size, number + 1
        drawn = keys(0, len(samples), len(samples), seed)
        assert opened.samples == len(samples)
        return rows[: len(samples)], [(*sample, int(key)) for sample, key in zip(samples, drawn)]

    return read


def filled(row, length, padding=PAD):
    """A list made as long as a row."""
    return [*row, *[padding] * (length - len(row))]


def eligible(token):
    return token not in SPECIAL and token not in SENTINELS


def starts(token):
    return token % 3 != 0 or not eligible(token)
