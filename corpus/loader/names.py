"""Names of options: one that is none is refused with the nearest that is."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """What is said of the name of a `what` that is not one of the `valid` ones."""
    near = difflib.get_close_matches(name, valid, 1, 0)[0]
    return f"{what} {name!r} is unknown; did you mean {near!r}? Valid: {', '.join(valid)}"


def check(what: str, name: str, valid: Collection[str]) -> None:
    """Raises ValueError for the name of a `what` that is not one of the `valid` ones."""
    if name not in valid:
        raise ValueError(unknown(what, name, valid))
