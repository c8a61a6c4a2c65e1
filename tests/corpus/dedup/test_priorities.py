"""Dates against Python's own, scores of columns and of what else records had."""

import datetime
import decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_step import decide, document

from corpus.dedup import priorities
from corpus.dedup.near import near_duplicates
from corpus.options import OptionError
from pipelines.recipe import RecipeError

UTC = datetime.timezone.utc
INF = float("inf")


def of_dates(*dates):
    return priorities.of_dates(pa.record_batch({"date": pa.array(dates, pa.string())})).tolist()


offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
moments = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30), timezones=offsets | st.just(UTC))


@given(st.lists(moments, max_size=5))
def test_dates_are_those_of_python(dates):
    dates = [date.replace(microsecond=0) for date in dates]
    seconds = [
        float((date - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(seconds=1)) for date in dates
    ]
    assert of_dates(*(date.isoformat() for date in dates)) == seconds
    assert of_dates(*(f"{date.astimezone(UTC):%Y%m%d%H%M%S}".zfill(14) for date in dates)) == seconds


@pytest.mark.parametrize("earlier, later", [
    ("2023-01-01T00:30:00+05:00", "2022-12-31T22:00:00-05:00"), ("2023-9-1", "2023-10-1"), ("2023", "2023-01-02"),
    ("2024-01-31", "2024-02"), ("20240131", "2024-01-31T00:00:01Z"), ("2024-01-31 10:20", "2024/01/31T10:21"),
    ("99999999999999999999", "1999"), ("2023-13-01", "1066"), ("2023-02-30", "1066"), ("0000-01-01", "0001"),
    ("Mon, 2 Jan 2023", "1066"), ("", "1066"), (None, "1066"), ("2023-01-01T25:00", "1066"),
])  # fmt: skip
def test_which_is_later(earlier, later):
    assert of_dates(earlier)[0] < of_dates(later)[0]


def test_without_dates():
    assert priorities.of_dates(pa.record_batch({"text": ["a"]})).tolist() == [-INF]
    assert near_duplicates(["a b c d e f"] * 2, keep="newest").num_rows == 1


@pytest.mark.parametrize("column, expected", [
    (pa.array([1, None, 3]), [1, -INF, 3]), (pa.array([0.5, float("nan"), INF]), [0.5, -INF, INF]),
    (pa.array([True, False, None]), [1, 0, -INF]), (pa.array([2**60 + 1, -5, 0]), [2.0**60, -5, 0]),
    (pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("-2")]), [1.5, -INF, -2]), (pa.nulls(3), [-INF] * 3),
])  # fmt: skip
def test_scores_of_columns(column, expected):
    batch = pa.record_batch({"q": column})
    assert priorities.of_scores(batch, "q", False).tolist() == expected
    lowest = [-INF if value == -INF else -value for value in expected]
    assert priorities.of_scores(batch, "q", True).tolist() == lowest
    with pytest.raises(OptionError, match="score 'q' is a column of string, not of numbers"):
        priorities.of_scores(pa.record_batch({"q": ["high"]}), "q", False)


def test_scores_of_metadata():
    texts = ['{"q":1,"a":{"b":2},"a.c":5}', None, '{"q":"7"}', '{"q":"high","a":3}', '{"q":[1]}', '{"q":true}']
    batch = pa.record_batch({"metadata": pa.array(texts)})
    assert priorities.of_scores(batch, "metadata.q", False).tolist() == [1, -INF, 7, -INF, -INF, 1]
    assert priorities.of_scores(batch, "metadata.a.b", True).tolist() == [-2, *[-INF] * 5]
    assert priorities.of_scores(batch, "metadata.a.c", False).tolist() == [5, *[-INF] * 5]


def test_a_run_keeps_the_highest_of_what_records_had():
    text = " ".join(f"w{i}" for i in range(30))
    rows = [document(name, text + end) | {"q": q} for name, end, q in (("a", "", 1), ("b", " x", 3), ("c", " y", 2))]
    found = decide({"near_dedup": {"keep": "highest", "score": "metadata.q"}}, [rows])
    assert [(each.id, each.by) for each in found] == [("a", "b"), ("c", "b")]
    with pytest.raises(RecipeError, match="q.* A field that the records had is metadata.q"):
        decide({"near_dedup": {"keep": "highest", "score": "q"}}, [rows])
    with pytest.raises(OptionError, match="have no column 'qualty'"):
        near_duplicates([text, text], keep="highest", score="qualty")
