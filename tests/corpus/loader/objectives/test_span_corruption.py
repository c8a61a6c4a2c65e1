"""T5's and ByT5's span corruption: each row against plain Python after T5's code, and the original from both sides."""

import numpy as np
import pytest

from corpus.loader import TokenStream, spans

from . import reference
from .conftest import END, PAD, SENTINELS, filled

NOISES = [(0.15, 3.0), (0.15, 8), (0.5, 3), (0.5, 20), (0.9, 2), (0.01, 1)]


@pytest.mark.parametrize("density, mean", NOISES)
@pytest.mark.parametrize("length", [4, 7, 32, 64])
@pytest.mark.parametrize("roll", [False, True])
def test_rows_are_those_of_plain_python(samples_of, length, density, mean, roll):
    rows, samples = samples_of("span_corruption", length, density=density, mean_span=mean, roll=roll)
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        noise, count = spans.noise_of(density, mean).count(len(tokens))
        mask = [False] * len(tokens)
        if count:
            mask = reference.noise_mask(reference.Draws(key, reference.SPANS), len(tokens), noise, count, roll)
            assert sum(mask) == noise
        inputs, targets = reference.span_corruption(tokens, mask, SENTINELS, END)
        width = len(row["labels"])
        assert row["tokens"] == filled(inputs, length)
        assert row["labels"] == filled(targets, width, -100)
        assert row["decoder_tokens"] == filled([PAD, *targets[:-1]], width)


@pytest.mark.parametrize("roll", [False, True])
def test_the_sample_can_be_read_from_inputs_and_targets(samples_of, roll):
    rows, samples = samples_of("span_corruption", 40, roll=roll)
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        targets, found = [t for t in row["labels"] if t != -100], []
        assert targets.pop() == END
        for token in [t for t in row["tokens"] if t != PAD][:-1]:
            if token not in SENTINELS:
                found.append(token)
                continue
            at = targets.index(token) + 1
            while at < len(targets) and targets[at] not in SENTINELS:
                found.append(targets[at])
                at += 1
        assert found == tokens
        used = [t for t in row["tokens"] if t in SENTINELS]
        assert used == SENTINELS[: len(used)]
        if not roll and len(tokens) > 1:
            assert row["tokens"][len([t for t in row["tokens"] if t != PAD]) - 2] in SENTINELS  # ends with noise


@pytest.mark.parametrize("boundaries", ["document_ids", "attention_mask"])
def test_boundaries_follow_the_tokens(corpus, boundaries):
    folder, _, _ = corpus
    for roll in (False, True):
        stream = TokenStream(
            folder, objective="span_corruption", sequence_length=40, batch_size=4, boundaries=boundaries, roll=roll
        )
        for batch in stream:
            assert ((batch[boundaries] > 0) == (batch["tokens"] != PAD)).all()
            if boundaries == "document_ids":
                assert (np.diff(np.where(batch[boundaries], batch[boundaries], 10**6), axis=1) >= 0).all()


def test_t5s_own_lengths(make_tokens):
    """512 inputs of 568 tokens, 114 targets, 28 spans (Raffel et al. 2020); all rows but the last are full."""
    folder = make_tokens([[list(range(1, 800)) * 3]], pad_id=PAD, vocabulary=True)
    first, *_ = TokenStream(folder, objective="span_corruption", sequence_length=512, batch_size=1, shuffle=False)
    assert first["tokens"].shape == (1, 512) and first["labels"].shape == (1, 114)
    assert PAD not in first["tokens"] and -100 not in first["labels"]
    assert np.isin(first["tokens"], SENTINELS).sum() == 28


@pytest.mark.parametrize("tokens", [[7], [7, END], [7, 7], [END, END, END]])
def test_degenerate(make_tokens, tokens):
    folder = make_tokens([[tokens]], pad_id=PAD, vocabulary=True)
    (batch,) = TokenStream(folder, objective="span_corruption", sequence_length=8, batch_size=1)
    inputs, targets = batch["tokens"][0].tolist(), batch["labels"][0].tolist()
    if len(tokens) == 1:
        assert inputs == filled([7, END], 8) and targets[:2] == [SENTINELS[0], END]
    else:
        assert inputs == filled([*tokens[:-1], SENTINELS[0], END], 8)
        assert targets[:3] == [SENTINELS[0], tokens[-1], END]


def test_bytes_without_sentinels_use_those_that_utf8_has_not(make_tokens):
    """ByT5: 0xFF is the first, id 258; there are 11."""
    folder = make_tokens([[list(range(3, 120)) * 30]], end_id=1, pad_id=0, vocab_size=259, family="byte")
    shape = {"objective": "span_corruption", "batch_size": 1, "mean_span": 20}
    batch = next(TokenStream(folder, sequence_length=1024, **shape, shuffle=False))
    found = batch["tokens"][batch["tokens"] > 247]
    assert found.tolist() == list(range(258, 249, -1)) and len(found) == 9
    with pytest.raises(ValueError, match="makes up to 12 spans of a sample, and the tokenizer has 11 bytes that UTF-8"):
        TokenStream(folder, sequence_length=1400, **shape)


def test_refused(make_tokens, corpus):
    bare = make_tokens([[[1, 2, 0]]])
    shape = {"objective": "span_corruption", "sequence_length": 64, "batch_size": 1}
    with pytest.raises(ValueError, match="spans of a sample, and the tokenizer has 0 sentinels"):
        TokenStream(bare, **shape)
    folder, _, _ = corpus
    with pytest.raises(ValueError, match=r"makes up to 128 spans .* has 100 sentinels"):
        TokenStream(folder, objective="span_corruption", sequence_length=512, batch_size=1, density=0.5)
    for options, said in (
        ({"density": 0}, "density must be"),
        ({"mean_span": 0.5}, "mean_span must be"),
        ({"sequence_length": 1}, "no room for a span"),
        ({"targets_length": 1}, "no room for a span"),
        ({"roll": "yes"}, "roll must be true or false"),
    ):
        with pytest.raises(ValueError, match=said):
            TokenStream(folder, **shape | options)


def test_targets_of_a_given_length(corpus):
    folder, _, _ = corpus
    stream = TokenStream(folder, objective="span_corruption", sequence_length=64, batch_size=1, targets_length=10)
    for batch in stream:
        assert batch["labels"].shape == (1, 10) and batch["tokens"].shape == (1, 64)
