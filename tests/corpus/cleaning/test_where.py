"""Expressions over scores: same answers as Python, missing values never hold, nothing else is allowed."""

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.where import Where

ROWS = st.lists(
    st.fixed_dictionaries(
        {"a.x": st.none() | st.floats(-5, 5), "b": st.none() | st.integers(-5, 5), "s": st.sampled_from(["u", "v"])}
    ),
    max_size=8,
)


def batch_of(rows):
    schema = pa.schema([("a.x", pa.float64()), ("b", pa.int64()), ("s", pa.string())])
    return pa.RecordBatch.from_pylist(rows, schema)


@settings(deadline=None)
@given(ROWS, st.integers(-5, 5))
def test_expressions_mean_what_python_means(rows, limit):
    outcome = Where(f"(a.x < {limit} and not b >= 2) or s == 'u' and -1 <= b < 3").apply(batch_of(rows))

    def known(*values):
        return all(v is not None and not (isinstance(v, float) and math.isnan(v)) for v in values)

    expected = []
    for row in rows:
        x, b, s = row["a.x"], row["b"], row["s"]
        first = known(x) and x < limit and not (known(b) and b >= 2)
        second = s == "u" and known(b) and -1 <= b < 3
        expected.append(first or second)
    assert outcome.kept.to_pylist() == [row for row, keep in zip(batch_of(rows).to_pylist(), expected) if keep]
    assert outcome.rows.tolist() == [i for i, keep in enumerate(expected) if not keep]
    assert len(outcome.values) == len(outcome.rules) == len(outcome.rows)


def test_probability_of_a_language():
    batch = pa.record_batch({"language": ["en", "de", None], "language.probability": [0.9, 0.99, None]})
    outcome = Where("language.en > 0.5").apply(batch)
    assert outcome.kept["language"].to_pylist() == ["en"]
    assert outcome.values == ["language.probability=0.99", "language.probability=None"]
    assert Where("not language.en > 0.5").apply(batch).kept.num_rows == 2


def test_names_with_hyphens_and_reserved_words():
    batch = pa.record_batch(
        {"language": ["zh-cn", "zh-tw", "is"], "language.probability": [0.9, 0.8, 0.7], "a-b": [1, 2, 3]}
    )
    for expression, kept in (
        ("language.zh-cn > 0.5", ["zh-cn"]),
        ("language.zh-cn>.5 or language.is>.5", ["zh-cn", "is"]),
        ("language == 'zh-tw'", ["zh-tw"]),
        ('language == "language.zh-cn"', []),
        ("a-b > 1e-5 and -1e-0<language.zh-tw", ["zh-cn", "zh-tw", "is"]),
        ("not a-b<3", ["is"]),
    ):
        assert Where(expression).apply(batch).kept["language"].to_pylist() == kept, expression
    both = Where("language.zh-cn > a-b or language.is < a-b")
    assert both.names() == ["language.probability", "a-b"]
    assert both.languages() == ["zh-cn", "is"]


NAMES = st.from_regex(r"[^\W\d]\w*([.-]\w+)+", fullmatch=True)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4), st.sampled_from(["<", "<=", "!="]))
def test_any_name_with_dots_and_hyphens_is_one_name(names, sign):
    expression = " and ".join(f"{name}{sign}1.e-5" for name in names)
    assert Where(expression)._names() == list(dict.fromkeys(names))


@pytest.mark.parametrize(
    "wrong",
    [
        "a - b > 1",
        "a -b > 1",
        "a.b - 1 > 2",
        "",
        "a",
        "a <",
        "f(a) > 1",
        "a + 1 > 2",
        "a in b",
        "a['x'] > 1",
        "import os",
        "a > [1]",
    ],
)
def test_anything_else_is_refused(wrong):
    with pytest.raises(ValueError):
        Where(wrong)


def test_names_are_the_columns_needed():
    assert Where("a.b < 1 and language.en > 0.5 or s == 'x'").names() == ["a.b", "language.probability", "s"]
