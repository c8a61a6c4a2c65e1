"""ELECTRA's candidates: draws with replacement, by plain Python."""

import pytest

from corpus.loader import TokenStream

from . import reference
from .conftest import CLS, MASK, SEP, eligible, filled


@pytest.mark.parametrize("length", [3, 5, 40, 128])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_rows_are_those_of_plain_python(samples_of, length, share):
    rows, samples = samples_of("electra", length, share=share)
    for row, (tokens, _, key) in zip(rows, samples, strict=True):
        whole = [CLS, *tokens, SEP]
        made, labels, draws = list(whole), [-100] * len(whole), reference.Draws(key, reference.MASKING)
        places = [k for k, token in enumerate(whole) if eligible(token)]
        most = int((share + 0.005) * length)
        count = max(1, round(len(whole) * share))
        for _ in range(min(count, most) if most else count) if places else ():
            word = draws.word()
            place = places[(word >> 32) * len(places) >> 32]
            labels[place] = whole[place]
            if word % 2**32 < round(0.85 * 2**32):
                made[place] = MASK
        if not places:
            labels[0] = CLS
        assert row == {"tokens": filled(made, length), "labels": filled(labels, length, -100)}


def test_85_percent_are_masked_and_none_is_random(samples_of):
    rows, samples = samples_of("electra", 64)
    masked = kept = 0
    for row in rows:
        for token, label in zip(row["tokens"], row["labels"]):
            assert label == -100 or token in (MASK, label)
            masked += label != -100 and token == MASK
            kept += label != -100 and token != MASK
    assert abs(masked / (masked + kept) - 0.85) < 0.06 and masked > 400


def test_refused(corpus):
    with pytest.raises(ValueError, match="segments must be 1 or 2"):
        TokenStream(corpus[0], objective="electra", sequence_length=8, batch_size=1, segments=0)
