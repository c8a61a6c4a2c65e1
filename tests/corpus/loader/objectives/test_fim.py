"""Fill in the middle: each row against plain Python, the original from what was turned, rates."""

import numpy as np
import pytest

from corpus.loader import TokenStream

from . import reference
from .conftest import END, MID, PAD, PRE, SUF, filled


@pytest.mark.parametrize("rate, spm_rate", [(0.5, 0.5), (1, 0), (1, 1), (0, 0.5), (0.9, 0.3)])
@pytest.mark.parametrize("length, reserve", [(4, 0), (12, 3), (40, 9), (64, 30), (64, 4)])
def test_rows_are_those_of_plain_python(samples_of, corpus, length, reserve, rate, spm_rate):
    rows, samples = samples_of("fim", length, reserve=reserve, rate=rate, spm_rate=spm_rate)
    before = END
    for row, (tokens, documents, key) in zip(rows, samples, strict=True):
        room = (reserve or 3) // 3
        labels = reference.fim(tokens, documents, key, END, (PRE, MID, SUF), rate, spm_rate, room)
        assert row["labels"] == filled(labels, length, -100)
        assert row["tokens"] == filled([before, *labels[:-1]], length)
        before = tokens[-1]


def unturned(piece):
    """The piece of a document as it was."""
    if PRE not in piece:
        return piece
    assert [piece.count(t) for t in (PRE, MID, SUF)] == [1, 1, 1]
    end = [END] if piece[-1] == END else []
    body = piece[: len(piece) - len(end)]
    suffix = body[body.index(SUF) + 1 : body.index(MID)]
    return [*body[1 : body.index(SUF)], *body[body.index(MID) + 1 :], *suffix, *end]


def test_the_sample_can_be_read_from_its_labels(samples_of):
    rows, samples = samples_of("fim", 64, reserve=12, rate=0.9, boundaries="document_ids")
    turned = 0
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        assert [d > 0 for d in row["document_ids"]] == [label != -100 for label in row["labels"]]
        pieces = [
            [t for t, d in zip(row["labels"], row["document_ids"]) if d == each]
            for each in range(1, max(row["document_ids"]) + 1)
        ]
        turned += sum(PRE in piece for piece in pieces)
        assert [t for piece in pieces for t in unturned(piece)] == tokens
    assert turned > 100


@pytest.mark.parametrize("tokens", [[END], [END] * 5, [7], [7, END], [7] * 5])
def test_degenerate(make_tokens, tokens):
    folder = make_tokens([[tokens]], pad_id=PAD, vocabulary=True)
    (batch,) = TokenStream(folder, objective="fim", sequence_length=12, batch_size=1, rate=1)
    labels = [t for t in batch["labels"][0].tolist() if t != -100]
    assert unturned(labels) == tokens and (PRE in labels) == (tokens != [END])


def test_rates(make_tokens):
    """Of 4,000 documents of 20 tokens, one a row: turned, suffix first, and both cuts even over 21 places."""
    folder = make_tokens([[list(range(1, 21))] * 4000], pad_id=PAD, vocabulary=True)
    labels = np.concatenate(
        [b["labels"] for b in TokenStream(folder, objective="fim", sequence_length=23, batch_size=100, reserve=3)]
    )
    turned = labels[:, 0] == PRE
    assert abs(turned.sum() - 2000) < 6 * 1000**0.5
    suffix_first = labels[turned][:, 1] == SUF
    assert abs(suffix_first.sum() - turned.sum() / 2) < 3 * turned.sum() ** 0.5
    suffixes = (labels[turned] == MID).argmax(1) - (labels[turned] == SUF).argmax(1) - 1
    odds = np.array([2 * k + 1 for k in range(21)])[::-1] / 441  # of the later of two cuts
    expected = odds * turned.sum()
    counts = np.bincount(suffixes, minlength=21)
    assert ((counts - expected) ** 2 / expected).sum() < 20 + 6 * 40**0.5


def test_refused(make_tokens, corpus):
    bare, (folder, _, _) = make_tokens([[[1, 2, 0]]]), corpus
    shape = {"objective": "fim", "sequence_length": 64, "batch_size": 1}
    with pytest.raises(ValueError, match="fim needs a token with the role 'fim_prefix'"):
        TokenStream(bare, **shape)
    for options in ({"sequence_length": 3}, {"reserve": 64}, {"reserve": 2}):
        with pytest.raises(ValueError, match="reserve of at least 3"):
            TokenStream(folder, **shape | options)
    with pytest.raises(ValueError, match="rate must be a number from 0 to 1"):
        TokenStream(folder, **shape, rate=-1)
