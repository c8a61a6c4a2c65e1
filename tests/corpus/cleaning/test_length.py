import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.length import Length

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

BOUND = st.none() | st.integers(0, 12)


def batch_of(texts, type=pa.string()):
    return pa.record_batch({"id": list("abcdefgh")[: len(texts)], "text": pa.array(texts, type)})


def expected(text, bounds):
    """(rule, value, threshold) of the first bound that `text` breaks, or None."""
    text = text or ""
    for measure, value in (
        ("characters", len(text)),
        ("words", len(text.split())),
        ("bytes", len(text.encode())),
    ):
        least, most = bounds[f"min_{measure}"], bounds[f"max_{measure}"]
        if least is not None and value < least:
            return f"too_few_{measure}", str(value), str(least)
        if most is not None and value > most:
            return f"too_many_{measure}", str(value), str(most)
    return None


@given(
    st.lists(st.none() | st.text(ASSIGNED, max_size=12) | st.text("a 中😀\u3000", max_size=12), max_size=8),
    st.fixed_dictionaries({f"{end}_{m}": BOUND for m in ("characters", "words", "bytes") for end in ("min", "max")}),
)
@settings(deadline=None)
def test_equals_python(texts, bounds):
    for unit in ("characters", "words", "bytes"):
        least, most = bounds[f"min_{unit}"], bounds[f"max_{unit}"]
        if least is not None and most is not None:
            bounds[f"min_{unit}"], bounds[f"max_{unit}"] = sorted((least, most))
    outcome = Length(**bounds).apply(batch_of(texts))
    decisions = [expected(text, bounds) for text in texts]
    assert outcome.rows.tolist() == [i for i, decision in enumerate(decisions) if decision]
    assert list(zip(outcome.rules, outcome.values, outcome.thresholds)) == list(filter(None, decisions))
    assert outcome.kept["text"].to_pylist() == [t for t, d in zip(texts, decisions) if not d]
    assert set(outcome.rules) <= set(Length.rules)


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()], ids=str)
def test_types_slices_and_no_bounds(type):
    batch = batch_of(["long enough", "é", None, "also long"], type)[1:]
    assert Length().apply(batch).kept.equals(batch)
    outcome = Length(min_characters=2).apply(batch)
    assert outcome.kept.to_pylist() == [{"id": "d", "text": "also long"}]
    assert outcome.rows.tolist() == [0, 1] and outcome.values == ["1", "0"]
    assert len(Length(max_bytes=1).apply(batch[:0]).kept) == 0
