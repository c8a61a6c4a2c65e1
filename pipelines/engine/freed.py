"""Outputs that a run has deleted while it went on: those of a map that nobody reads any more.

The folder of the step holds `winnow-freed.json` from before the first of them is deleted:

    {"until": the map that was the last to read them, "keep": how names end of outputs that stay, "notes": {...}}

Manifests stay, so that the map counts as done as long as all maps up to that one do. As soon as one of them has a task
to run, that is deleted, and with it the map's outputs count as missing: its tasks are done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from corpus.io import paths

NAME = "winnow-freed.json"


class Freed(NamedTuple):
    """What `winnow-freed.json` says. `notes` are the caller's, of what it can no longer read."""

    until: str
    keep: str
    notes: dict[str, Any]

    def covers(self, name: str) -> bool:
        """Whether an output of this name may be missing."""
        return not name.endswith(self.keep)


class NeededAgain(RuntimeError):
    """Raised by a map that has tasks to run, for which outputs of others may be needed that were freed; these are no
    longer counted as done."""

    def __init__(self, step: str, freed: list[str]):
        super().__init__(f"{step} has tasks to run; what {', '.join(freed)} wrote was freed, and is done again for it")


def load(folder: str, there: Mapping[str, int] | None = None) -> Freed | None:
    """What the folder of a step says of outputs that were freed; None where none were. `there` are its files, where
    they are known."""
    if there is not None and NAME not in there:
        return None
    try:
        record = json.loads(paths.read_bytes(paths.join(folder, NAME)))
        until, keep, notes = record["until"], record["keep"], record["notes"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None  # one that is damaged says nothing: what is missing is done again
    return Freed(until, keep, notes) if isinstance(keep, str) and isinstance(notes, dict) else None


def save(folder: str, freed: Freed) -> None:
    """Say so, before the first output is deleted."""
    paths.write_atomic(paths.join(folder, NAME), json.dumps(freed._asdict(), indent=1).encode())


def forget(folder: str) -> None:
    """Count the outputs as missing."""
    paths.remove([paths.join(folder, NAME)])
