"""ByT5's noises against plain Python with the same hash; how often what happens."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.byt5_noise import NOISES, ByT5Noise

MASK = 2**64 - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
TEXT = st.text(max_size=30)


def draw(key, number):
    state = (key + number * P1) & MASK
    state = ((state ^ state >> 33) * P2) & MASK
    state = ((state ^ state >> 29) * P3) & MASK
    return state ^ state >> 32


def cased(character, change):
    return change(character) if len(change(character)) == 1 else character


def noisy(text, name, noise, seed):
    key = xxhash.xxh64_intdigest(name.encode(), seed)
    made = []
    for k, character in enumerate(text):
        changed = (draw(key, 3 * k) >> 11) / 2**53 < {"repetitions": 0.2}.get(noise, 0.1)
        one = (draw(key, 3 * k + 1) >> 32) * 3 >> 32
        other = text[(draw(key, 3 * k + 2) >> 32) * len(text) >> 32]
        if noise == "drop":
            made.append("" if changed else character)
        elif noise == "add_drop_mutate":
            made.append((other + character, "", other)[one] if changed else character)
        elif noise == "repetitions":
            made.append(character * (2 + one if changed else 1))
        elif noise == "random_case":
            made.append(cased(character, str.lower if draw(key, 3 * k) >> 63 else str.upper))
        else:
            made.append(cased(character, str.upper))
    if noise == "antspeak":
        return " " + " ".join(made) + " " if made else ""
    return "".join(made)


def applied(texts, noise, seed=0, type=pa.string()):
    ids = pa.array([f"d{i}" for i in range(len(texts))], pa.string())
    batch = pa.record_batch({"id": ids, "text": pa.array(texts, type)})
    return ByT5Noise(noise=noise, seed=seed).apply(batch).kept["text"]


@settings(deadline=None)
@given(texts=st.lists(TEXT, max_size=5), noise=st.sampled_from(NOISES), seed=st.integers(0, 2**32))
def test_texts_are_those_of_plain_python(texts, noise, seed):
    found = applied(texts, noise, seed)
    found.validate(full=True)
    assert found.to_pylist() == [noisy(text, f"d{i}", noise, seed) for i, text in enumerate(texts)]


@pytest.mark.parametrize("noise, mean, low, high", [("drop", 0.9, 0, 1), ("repetitions", 1.4, 1, 4)])
def test_rates(noise, mean, low, high):
    (found,) = applied(["ab" * 50_000], noise).to_pylist()
    runs = len(found) / 100_000
    assert abs(runs - mean) < 0.02 and low <= runs <= high


def test_add_drop_and_mutate_are_as_likely():
    """Of 1e5 characters a tenth is touched: length stays, on average, and a fifteenth is foreign (of "a" and "b")."""
    (found,) = applied(["a" * 99_999 + "b"], "add_drop_mutate").to_pylist()
    assert abs(len(found) - 100_000) < 6 * (2 / 30 * 100_000) ** 0.5
    (found,) = applied(["ab" * 50_000], "add_drop_mutate").to_pylist()
    assert 0.05 < np.mean([a == b for a, b in zip(found, found[1:])]) < 0.11


def test_nulls_and_kinds_of_text_stay():
    found = applied(["\u00e9t\u00e9", None, "", "stra\u00dfe \U0001f600"], "uppercase", type=pa.large_string())
    assert (
        found.to_pylist() == ["\u00c9T\u00c9", None, "", "STRA\u00dfE \U0001f600"] and found.type == pa.large_string()
    )
