"""Units of texts, and where they stand: the bytes of their ranges are those that Python slices."""

import numpy as np
import pyarrow as pa
import runs_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import units
from corpus.dedup.substrings import repeated_substrings
from corpus.encoding.encoder import load_encoder

TEXTS = st.lists(st.text("ab é漢😀\n\u2003\t", max_size=20), max_size=6)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["bytes", "characters", "words"]), st.data())
def test_units_are_equal_where_the_texts_are(texts, unit, data):
    text = pa.array(["left out", *texts], pa.large_string())[1:]
    values, offsets = units.units_of(text, unit)
    expected = [runs_oracle.units(each, unit) for each in texts]
    assert np.diff(offsets).tolist() == [len(each) for each in expected]
    assert values.dtype == units.WIDTH[unit]
    flat = [unit for each in expected for unit in each]
    assert len(set(values.tolist())) == len(set(flat)) == len(set(zip(values.tolist(), flat)))
    ranges = []
    for row, each in enumerate(expected):
        bounds = sorted(data.draw(st.sets(st.integers(0, len(each)), max_size=4)))
        ranges += [(row, low, high) for low, high in zip(bounds[::2], bounds[1::2])]
    row, start, end = (np.array(column, np.int64) for column in (zip(*ranges) if ranges else ([], [], [])))
    low, high = units.bytes_of(text, unit, row, start, end)
    assert list(zip(low.tolist(), high.tolist())) == [
        runs_oracle.in_bytes(texts[row], unit, start, end) for row, start, end in ranges
    ]


@settings(deadline=None)
@given(TEXTS)
def test_tokens_are_the_bytes_of_their_texts(tokenizer, texts):
    text = pa.array(texts, pa.large_string())
    values, offsets = units.units_of(text, "tokens", tokenizer)
    ids = load_encoder(tokenizer).encode_texts(texts)
    assert [part.tolist() for part in np.split(values, offsets[1:-1])] == [each.tolist() for each in ids] or not texts
    for row, (value, each) in enumerate(zip(texts, ids)):
        steps = np.arange(len(each))
        low, high = units.bytes_of(text, "tokens", np.full(len(each), row), steps, steps + 1, tokenizer)
        pieces = [value.encode()[start:end] for start, end in zip(low, high)]
        assert b"".join(pieces) == value.encode() and all(pieces)
        for piece, token in zip(pieces, each):
            assert load_encoder(tokenizer).decode([token]) == piece.decode(errors="replace")


def test_passages_of_tokens(tokenizer):
    texts = ["to be or not to be", "x to be or not to be, that", "漢字 to be or"]
    found = repeated_substrings(texts, 4, "tokens", tokenizer=tokenizer, snap="character")
    documents = [ids.tolist() for ids in load_encoder(tokenizer).encode_texts(texts)]
    expected = runs_oracle.cuts(documents, 4)
    assert [(row["row"], row["by"]) for row in found.to_pylist()] == [(each[0], each[3]) for each in expected] != []
