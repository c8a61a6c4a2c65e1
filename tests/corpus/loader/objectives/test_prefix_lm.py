"""Prefix LM: rows by plain Python in both layouts."""

import numpy as np
import pytest

from corpus.loader import TokenStream

from . import reference
from .conftest import END, PAD, filled


def prefix_of(tokens, key):
    return 1 + reference.Draws(key, reference.SPANS).below(len(tokens) - 1) if len(tokens) > 1 else 0


@pytest.mark.parametrize("length", [1, 2, 3, 30])
def test_of_a_decoder(samples_of, length):
    rows, samples = samples_of("prefix_lm", length)
    before = END
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        prefix = prefix_of(tokens, key)
        assert row["tokens"] == filled([before, *tokens[:-1]], length)
        assert row["labels"] == filled([-100] * prefix + tokens[prefix:], length, -100)
        assert row["prefix_mask"] == filled([1] * (prefix + 1) if prefix else [], length, 0)
        before = tokens[-1]


@pytest.mark.parametrize("length", [2, 3, 30])
def test_of_an_encoder_and_a_decoder(samples_of, length):
    rows, samples = samples_of("prefix_lm", length, layout="encoder_decoder", boundaries="attention_mask")
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        prefix = prefix_of(tokens, key)
        targets = [*tokens[prefix:], END]
        assert row["tokens"] == filled([*tokens[:prefix], END], length)
        assert row["attention_mask"] == filled([1] * (prefix + 1), length, 0)
        assert row["labels"] == filled(targets, length, -100)
        assert row["decoder_tokens"] == filled([PAD, *targets[:-1]], length)


def test_every_prefix_is_as_likely(make_tokens):
    folder = make_tokens([[[5] * 10] * 5000], pad_id=PAD, vocabulary=True)
    stream = TokenStream(folder, objective="prefix_lm", sequence_length=10, batch_size=100)
    prefixes = np.concatenate([(batch["labels"] == -100).sum(1) for batch in stream])
    counts = np.bincount(prefixes, minlength=10)[1:]
    assert len(counts) == 9 and ((counts - 5000 / 9) ** 2 / (5000 / 9)).sum() < 8 + 6 * 4


def test_refused(corpus):
    with pytest.raises(ValueError, match="did you mean 'decoder'"):
        TokenStream(corpus[0], objective="prefix_lm", sequence_length=8, batch_size=1, layout="decoders")
    with pytest.raises(ValueError, match="at least 2"):
        TokenStream(corpus[0], objective="prefix_lm", sequence_length=1, batch_size=1, layout="encoder_decoder")
