"""Names and values of options: a name that is none is refused with the nearest that is, a value with its bounds."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Collection
from typing import Any


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """What is said of the name of a `what` that is not one of the `valid` ones."""
    near = difflib.get_close_matches(str(name), valid, 1, 0)[0]
    return f"{what} {name!r} is unknown; did you mean {near!r}? Valid: {', '.join(valid)}"


def check(what: str, name: str, valid: Collection[str]) -> None:
    """Raises ValueError for the name of a `what` that is not one of the `valid` ones."""
    if not isinstance(name, str) or name not in valid:
        raise ValueError(unknown(what, name, valid))


def within(what: str, value: float, low: float, high: float) -> None:
    """Raises ValueError for a `what` that is no number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{what} must be a number from {low:g} to {high:g}, not {value!r}")


def count(what: str, value: Any, least: int = 0) -> int:
    """`value`, one of Python's or numpy's numbers. Raises ValueError for a `what` that is no whole number of at least
    `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{what} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def flag(what: str, value: bool) -> None:
    """Raises ValueError for a `what` that is neither true nor false."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} must be true or false, not {value!r}")


def shares(**values: float) -> None:
    """Raises ValueError for a value that is no number from 0 to 1; for `mask_share` and `random_share`, of one thing,
    that are more than all of it."""
    for what, value in values.items():
        within(what, value, 0, 1)
    if "random_share" in values:
        within("mask_share + random_share", values["mask_share"] + values["random_share"], 0, 1 + 1e-9)


def segments(value: int) -> None:
    """Raises ValueError for another number of segments than one or two."""
    if isinstance(value, bool) or value not in (1, 2):
        raise ValueError(f"segments must be 1 or 2, not {value!r}")
