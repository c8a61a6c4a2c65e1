"""Functions that tests name as filters of a user's own."""

import asyncio

import pyarrow.compute as pc


def has_space(text):
    return " " in text


def have_space(column):
    return pc.match_substring(column, " ").to_numpy(zero_copy_only=False)


def count(text, letter):
    return text.count(letter)


def longer_than(text, characters=3):
    return len(text) > characters


def hostile(text):
    """Raises, leaves, or returns nonsense, as the text says."""
    if text == "raise":
        raise KeyError("no such\nkey")
    if text == "exit":
        raise SystemExit("bye")
    return {"none": None, "nan": float("nan"), "string": "x", "list": [1], "false": False, "number": 0.25}.get(
        text, True
    )


def hostile_column(column):
    if "raise" in column.to_pylist():
        raise ValueError("a column with raise in it")
    return pc.utf8_length(column).to_numpy()[: None if "short" not in column.to_pylist() else 0]


class Unsayable(Exception):
    def __str__(self):
        raise RuntimeError("no")


def stubborn(text):
    if text == "base":
        raise BaseException("as such")
    if text == "cancelled":
        raise asyncio.CancelledError
    if text == "unsayable":
        raise Unsayable
    if text == "surrogate":
        raise ValueError("\udcff")
    if text == "interrupt":
        raise KeyboardInterrupt
    return True


def of_another_kind(texts):
    return {"a": 1}
