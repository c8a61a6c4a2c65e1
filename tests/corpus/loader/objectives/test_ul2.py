"""UL2's mixtures: which row is of which denoiser, rows by plain Python, lengths of the paper."""

import collections

import pytest

from corpus.loader import TokenStream, spans
from corpus.loader.objectives.ul2 import MIXTURES

from . import reference
from .conftest import END, PAD, SENTINELS, filled

MODES = {"nlu": 996, "nlg": 997, "s2s": 998}


@pytest.mark.parametrize("mixture", list(MIXTURES))
@pytest.mark.parametrize("length", [12, 40])
@pytest.mark.parametrize("mode_tokens", [True, False])
def test_rows_are_those_of_plain_python(samples_of, mixture, length, mode_tokens):
    rows, samples = samples_of("ul2", length, mixture=mixture, mode_tokens=mode_tokens)
    for number, (row, (tokens, _, key)) in enumerate(zip(rows, samples, strict=True)):
        which = number % len(MIXTURES[mixture])
        mode, mean, density = MIXTURES[mixture][which]
        assert row["denoisers"] == which
        first = [MODES[mode]] if mode_tokens else []
        noise, count = spans.noise_of(density, mean or 1000).count(len(tokens))
        mask = [False] * len(tokens)
        if count:
            roll = mixture == "ul2r" and mean > 0
            mask = reference.noise_mask(reference.Draws(key, reference.SPANS), len(tokens), noise, count, roll)
        if mean == 0 and count:
            assert mask == [False] * (len(tokens) - noise) + [True] * noise  # a prefix, and the rest
        inputs, targets = reference.span_corruption(tokens, mask, SENTINELS, END, first)
        width = len(row["labels"])
        assert row["tokens"] == filled(inputs, length)
        assert row["labels"] == filled(targets, width, -100)
        assert row["decoder_tokens"] == filled([PAD, *targets[:-1]], width)


def test_mixtures_are_the_papers():
    """Table 1 of UL2; section 3 of UL2R: S a half, R a quarter, X an eighth each."""
    assert sorted((m, d) for _, m, d in MIXTURES["ul2"]) == [
        (0, 0.25), (3, 0.15), (3, 0.5), (8, 0.15), (8, 0.5), (64, 0.15), (64, 0.5)
    ]  # fmt: skip
    assert collections.Counter(mode for mode, _, _ in MIXTURES["ul2r"]) == {"s2s": 4, "nlu": 2, "nlg": 2}


def test_full_rows_are_full(make_tokens):
    """A mode token more: each denoiser's window is what fills 511."""
    folder = make_tokens([[list(range(1, 800)) * 40]], pad_id=PAD, vocabulary=True, sentinels=200)
    stream = TokenStream(folder, objective="ul2", sequence_length=512, batch_size=7, shuffle=False)
    batch = next(stream)
    assert (batch["tokens"] != PAD).sum(1).min() >= 511 and batch["labels"].shape == (7, 511)
    assert stream._source.lengths.tolist()[:3] == [567, 587, 765]


def test_refused(corpus):
    folder = corpus[0]
    shape = {"objective": "ul2", "sequence_length": 40, "batch_size": 1}
    with pytest.raises(ValueError, match="did you mean 'ul2r'"):
        TokenStream(folder, **shape, mixture="ul2rr")
    with pytest.raises(ValueError, match="is by best_fit, and ul2 reads windows alone: it goes without a packing plan"):
        TokenStream(folder, **shape, packing="plan")
    with pytest.raises(ValueError, match=r"ul2 makes up to 128 spans"):
        TokenStream(folder, **shape | {"sequence_length": 513})
