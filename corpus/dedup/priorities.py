"""Which of several duplicates ought to stay, as numbers: the greater, the rather.

Dates are ISO 8601, in part (`2024-02`) or whole, with an offset from UTC or none, or digits alone (`20240131102030`).
What is none, such as month 13, is as no date. Scores are columns of numbers; `metadata.NAME` is the field NAME of what
else the records had, which documents carry as JSON.
"""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.options import OptionError

METADATA = "metadata."
_EXTENDED = (
    r"^(?P<year>\d{4})(?:[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2})(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,]\d+)?)? ?(?P<offset>Z|[+-]\d{2}:?\d{2})?)?)?)?$"
)
_BASIC = (
    r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})(?P<offset>Z|[+-]\d{2}:?\d{2})?)?$"
)
_PARTS = ("year", "month", "day", "hour", "minute", "second")


Keep = Literal["first", "longest", "newest", "highest", "lowest"]
"""Which stays, of equals the first: the first, the longest text, the newest date, the highest or lowest score."""


def check(keep: str, score: str | None) -> None:
    """Raises ValueError where one of `score` and a `keep` that means it is given without the other."""
    if (score is not None) != (keep in ("highest", "lowest")):
        raise ValueError("score and keep: highest or lowest are given together")


def of(batch: pa.RecordBatch, keep: str, score: str | None) -> np.ndarray:
    """How much each document ought to stay, float64: those with the most come first, of equals in their order; the
    least, -inf, has one without a date or score. Raises OptionError for a score that is no number."""
    if keep == "longest":
        return np.asarray(pc.binary_length(batch["text"]), np.float64)
    if keep == "newest":
        return of_dates(batch)
    if score is None:
        return np.full(batch.num_rows, -np.inf)
    return of_scores(batch, score, keep == "lowest")


def of_dates(batch: pa.RecordBatch) -> np.ndarray:
    """Seconds since 1970 of the column `date`, float64; -inf without one."""
    found = np.full(batch.num_rows, -np.inf)
    if "date" not in batch.schema.names:
        return found
    dates = pc.utf8_trim_whitespace(batch["date"].cast(pa.string()))
    for pattern in (_EXTENDED, _BASIC):
        fields = pc.extract_regex(dates, pattern)
        rows = np.flatnonzero(fields.is_valid().to_numpy(zero_copy_only=False))
        found[rows] = _seconds(fields.take(pa.array(rows)))
    return found


def _seconds(fields: pa.StructArray) -> np.ndarray:
    year, *rest = (_number(pc.struct_field(fields, [name]), int(name in ("month", "day"))) for name in _PARTS)
    month, day, hour, minute, second = rest
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    valid = (year > 0) & (1 <= month) & (month <= 12) & (days.astype("datetime64[M]") == months) & (day > 0)
    valid &= (hour <= 24) & (minute < 60) & (second <= 60)
    seconds = days.astype(np.int64) * 86400 + hour * 3600 + minute * 60 + second
    return np.where(valid, seconds - _offsets(pc.struct_field(fields, ["offset"])), -np.inf)


def _number(column: pa.Array, otherwise: int) -> np.ndarray:
    """Digits as int64; `otherwise` where there are none."""
    text = pc.if_else(pc.equal(column, ""), None, column)
    return pc.fill_null(text.cast(pa.int64()), otherwise).to_numpy()


def _offsets(column: pa.Array) -> np.ndarray:
    """Seconds east of UTC of `Z`, `+05:30`, `-0800` or nothing."""
    digits = pc.replace_substring_regex(column, "[^0-9]", "")
    hours, minutes = (_number(pc.utf8_slice_codeunits(digits, start, start + 2), 0) for start in (0, 2))
    sign = np.where(pc.starts_with(column, "-").to_numpy(zero_copy_only=False), -1, 1)
    return sign * (hours * 3600 + minutes * 60)


def of_scores(batch: pa.RecordBatch, score: str, lowest: bool) -> np.ndarray:
    """The score, float64, less than nothing if the `lowest` is to stay; -inf without one. Raises OptionError for a
    column that is not of numbers."""
    found = np.full(batch.num_rows, np.nan)
    if score in batch.schema.names:
        found = _floats(batch[score], score)
    elif score.startswith(METADATA) and "metadata" in batch.schema.names:
        name = score.removeprefix(METADATA)
        texts = batch["metadata"].cast(pa.string()).to_pylist()
        found = np.array([_field(text, name) for text in texts], np.float64)
    return np.nan_to_num(-found if lowest else found, nan=-np.inf, posinf=np.inf, neginf=-np.inf)


def _floats(column: pa.Array, name: str) -> np.ndarray:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        if not (pa.types.is_boolean(kind) or pa.types.is_null(kind)):
            raise OptionError(f"score {name!r} is a column of {kind}, not of numbers")
    found: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found


def _field(text: str | None, name: str) -> float:
    """A number in a JSON object, `a.b` of an object within it too; NaN where there is none."""
    value: Any = json.loads(text) if text else None
    if isinstance(value, dict) and name in value:
        value = value[name]
    else:
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else math.nan
