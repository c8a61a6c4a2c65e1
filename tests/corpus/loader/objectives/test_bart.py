"""BART's corruptions: each row against plain Python after fairseq's DenoisingDataset; what each alone does."""

import collections

import numpy as np
import pytest

from corpus.loader import TokenStream, denoising

from . import reference
from .conftest import CLS, END, MASK, PAD, SEP, eligible, filled, starts

ORDINARY = [i for i in range(1000) if eligible(i)]
NONE = {"mask_share": 0.0, "permute_share": 0.0, "rotate_share": 0.0, "insert_share": 0.0, "random_share": 0.0}
CASES = [
    {},
    {"mean_span": 0.0, "whole_word": False},
    {"mean_span": 0.0, "whole_word": False, "replace": "nothing"},
    {"replace": "token", "random_share": 0.3},
    {"mask_share": 0.9, "mean_span": 0.7, "random_share": 0.1},
    {"permute_share": 0.4, "mask_share": 0.0},
    {"rotate_share": 0.6, "permute_share": 0.0},
    {"insert_share": 0.2, "random_share": 0.5},
]


@pytest.mark.parametrize("options", CASES, ids=[str(sorted(case)) for case in CASES])
@pytest.mark.parametrize("length", [4, 6, 33, 100])
def test_rows_are_those_of_plain_python(samples_of, options, length):
    rows, samples = samples_of("bart", length, **options)
    given = NONE | {"mask_share": 0.3, "permute_share": 1.0, "mean_span": 3.0, "replace": "span", "whole_word": True}
    given |= options
    odds = reference.poisson_table(given.pop("mean_span"))
    odds = odds if options.get("mean_span") != 0 else []
    begins = starts if given.pop("whole_word") else lambda token: True
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        whole = [CLS, *tokens, SEP]
        made = reference.bart(whole, key, 1, begins, lambda token: token == 13, ORDINARY, MASK, odds, length, **given)
        assert row["tokens"] == filled(made, length)
        assert row["labels"] == filled(whole, length, -100)
        assert row["decoder_tokens"] == filled([SEP, *whole[:-1]], length)


def test_poissons_table_is_fairseqs():
    for mean in (1.0, 3.0, 3.5, 10.0):
        assert np.allclose(denoising.poisson(mean), reference.poisson_table(mean), rtol=1e-12)
    assert len(denoising.poisson(3.0)) == 18 and abs(denoising.poisson(3.0)[0] - 0.0498) < 1e-4


def test_permuted_sentences_are_the_same_sentences(samples_of):
    rows, samples = samples_of("bart", 60, mask_share=0.0)
    moved = 0
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        made = [t for t in row["tokens"] if t != PAD][1:-1]
        assert sorted(made) == sorted(tokens)
        moved += made != tokens
    assert moved > 20


def test_deletion_leaves_a_subsequence(samples_of):
    rows, samples = samples_of("bart", 60, mean_span=0.0, whole_word=False, replace="nothing", permute_share=0.0)
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        made, rest = [t for t in row["tokens"] if t != PAD][1:-1], iter(tokens)
        assert all(token in rest for token in made)
        assert len(made) == len(tokens) - int(np.ceil(len(tokens) * 0.3))


def test_infilling_masks_30_percent_of_the_words(make_tokens):
    """Tokens that are words: what is left are n - ceil(0.3 n), but for spans that overlap; masks
    are a third of these, or fewer, since a span may begin in another."""
    folder = make_tokens([[[5, 7] * 200] * 200], pad_id=PAD, vocabulary=True)
    stream = TokenStream(folder, objective="bart", sequence_length=402, batch_size=10, permute_share=0)
    made = np.concatenate([batch["tokens"] for batch in stream])
    left = ((made == 5) | (made == 7)).sum(1)
    assert (left >= 400 - 120).all() and 285 < left.mean() < 300  # spans that overlap mask less
    masks = (made == MASK).sum(1)
    assert 30 < masks.mean() < 40


def test_rotations(make_tokens):
    """fairseq's offset is 1 to n - 1 of a row of n: of the tokens, each as likely to be first, the first one twice."""
    folder = make_tokens([[[1, 2, 3, 4]] * 5000], pad_id=PAD, vocabulary=True)
    stream = TokenStream(
        folder, objective="bart", sequence_length=6, batch_size=100, mask_share=0, permute_share=0, rotate_share=1
    )
    firsts = collections.Counter(np.concatenate([batch["tokens"][:, 1] for batch in stream]).tolist())
    expected = {1: 2000, 2: 1000, 3: 1000, 4: 1000}
    assert sum((firsts[k] - n) ** 2 / n for k, n in expected.items()) < 3 + 6 * 6**0.5


@pytest.mark.parametrize("tokens", [[END], [7], [13], [13, 13, 13], [7, END], [7] * 6])
def test_degenerate(make_tokens, tokens):
    folder = make_tokens([[tokens]], pad_id=PAD, vocabulary=True)
    for options in CASES:
        (batch,) = TokenStream(folder, objective="bart", sequence_length=12, batch_size=1, **options)
        assert batch["labels"][0].tolist() == filled([CLS, *tokens, SEP], 12, -100)
        row = [t for t in batch["tokens"][0].tolist() if t != PAD]
        assert row[0] == CLS and row[-1] == SEP


def test_refused(make_tokens, corpus):
    folder = corpus[0]
    shape = {"objective": "bart", "sequence_length": 64, "batch_size": 1}
    for options, said in (
        ({"replace": "spam"}, "did you mean 'span'"),
        ({"mean_span": -1}, "mean_span must be"),
        ({"sequence_length": 2}, "sequence_length must be more than 2"),
    ):
        with pytest.raises(ValueError, match=said):
            TokenStream(folder, **shape | options)
