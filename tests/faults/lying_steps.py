"""Steps that say what they have not done, importable by name as a run wants them."""

import dataclasses
from typing import ClassVar

import numpy as np
import pyarrow as pa

from corpus.documents import replace_column
from pipelines.steps import STEPS


@dataclasses.dataclass(frozen=True)
class Liar(STEPS["length"]):
    """The filter `length`, whose outcome is then changed by the function called `lie`."""

    name: ClassVar[str] = "liar"
    lie: str = ""

    def apply(self, batch):
        outcome = super().apply(batch)
        return dataclasses.replace(outcome, **LIES[self.lie](outcome))


def rename(kept, *names):
    return replace_column(kept, "id", pa.array([*names, *kept["id"].to_pylist()[len(names) :]]))


def twice_then_never(outcome):
    """Counts that are wrong in two shards and add up over both."""
    if "0" in outcome.kept["id"].to_pylist():
        return says_twice(outcome)
    return {"rules": []}


def says_twice(outcome):
    return {name: getattr(outcome, name) * 2 for name in ("rules", "values", "thresholds")} | {
        "rows": np.repeat(outcome.rows, 2)
    }


LIES = {
    "": lambda outcome: {},
    "loses a row": lambda outcome: {"kept": outcome.kept.slice(1)},
    "makes a row up": lambda outcome: {"kept": pa.concat_batches([outcome.kept, outcome.kept.slice(0, 1)])},
    "says twice that it dropped a row": says_twice,
    "drops a row in silence": lambda outcome: {"rows": outcome.rows[:0], "rules": [], "values": [], "thresholds": []},
    "says twice and then never that it dropped a row": twice_then_never,
    "changes an id": lambda outcome: {"kept": rename(outcome.kept, "another")},
    "has one row twice and another not at all": lambda outcome: {
        "kept": outcome.kept.take(pa.array([1, *range(1, outcome.kept.num_rows)]))
    },
    "keeps another row than it says": lambda outcome: {"rows": np.zeros(len(outcome.rows), np.int64)},
    "sets a row aside that it keeps": lambda outcome: {"faulty": {0: "so it says"}},
}


@dataclasses.dataclass(frozen=True)
class DecidesTwice(STEPS["exact_dedup"]):
    """Drops every document that it drops twice."""

    name: ClassVar[str] = "decides_twice"

    def finish(self, rows, batch, proposals):
        found = super().finish(rows, batch, proposals)
        return pa.concat_tables([found, found]).sort_by("row")


@dataclasses.dataclass(frozen=True)
class FailsTogether(STEPS["length"]):
    """Raises for a batch of more than one document, for none of them alone."""

    name: ClassVar[str] = "fails_together"

    def apply(self, batch):
        if batch.num_rows > 1:
            raise ArithmeticError("together")
        return super().apply(batch)
