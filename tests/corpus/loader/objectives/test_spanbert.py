"""SpanBERT: rows by plain Python after its code, lengths of spans, boundaries."""

import numpy as np
import pytest

from corpus.loader import TokenStream
from corpus.tokens.mixing import combine

from . import reference
from .conftest import CLS, END, MASK, PAD, SEP, eligible, filled, starts

ORDINARY = [i for i in range(1000) if eligible(i)]
ODDS = [0.2 * 0.8**k for k in range(10)]


@pytest.mark.parametrize("length", [3, 5, 40, 128])
@pytest.mark.parametrize("share", [0.15, 0.6])
def test_rows_are_those_of_plain_python(samples_of, length, share):
    rows, samples = samples_of("spanbert", length, share=share)
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        other = samples[int(combine(np.uint64(key), np.uint64(0))) % len(samples)][0]
        made, labels, left, right = reference.spanbert(
            [CLS, *tokens, SEP], key, eligible, starts, ODDS, other, ORDINARY, MASK, share
        )
        assert row["tokens"] == filled(made, length) and row["labels"] == filled(labels, length, -100)
        assert row["left"] == filled(left, length, -1) and row["right"] == filled(right, length, -1)


def test_spans_are_whole_and_have_their_boundaries(samples_of):
    rows, samples = samples_of("spanbert", 64)
    spans = 0
    for row, (tokens, _, _) in zip(rows, samples, strict=True):
        whole = [CLS, *tokens, SEP]
        for k, (label, left, right) in enumerate(zip(row["labels"], row["left"], row["right"])):
            if left < 0:
                continue
            assert label == whole[k] and left < k < right
            assert row["labels"][left] == row["labels"][right] == -100
            assert all(row["labels"][place] != -100 for place in range(left + 1, right))
            kinds = {row["tokens"][place] == MASK for place in range(left + 1, right)}
            assert len(kinds) == 1
            spans += left + 1 == k
    assert spans > 100


def test_lengths_of_spans(make_tokens):
    """Truncated and made to add up to 1: 3.80 words on average (the paper, section 3.1). Of rows with one span each."""
    folder = make_tokens([[[5] * 98] * 4000], pad_id=PAD, vocabulary=True)
    stream = TokenStream(folder, objective="spanbert", sequence_length=100, batch_size=100, share=0.001)
    assert all(((batch["labels"] != -100).sum(1) == 1).all() for batch in stream)
    drawn = [reference.Draws(key, reference.MASKING) for key in range(4000)]
    lengths = [draws.length(ODDS) for draws in drawn]
    odds = np.array(ODDS) / sum(ODDS)
    assert abs(odds @ np.arange(1, 11) - 3.80) < 0.005
    counts = np.bincount(lengths, minlength=11)[1:]
    assert ((counts - 4000 * odds) ** 2 / (4000 * odds)).sum() < 9 + 6 * 18**0.5


def test_degenerate(make_tokens):
    for tokens in ([END], [7], [7, END], [7] * 30):
        folder = make_tokens([[tokens]], pad_id=PAD, vocabulary=True)
        (batch,) = TokenStream(folder, objective="spanbert", sequence_length=32, batch_size=1)
        labels = [t for t in batch["labels"][0].tolist() if t != -100]
        assert labels == ([CLS] if tokens == [END] else [7] * (5 if len(tokens) == 30 else 1))
