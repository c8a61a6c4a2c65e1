"""Scores and thresholds: one definition of a rule, used to tag documents or to drop them.

A filter computes *scores*, one number a document and name. A `Rule` says which score must lie on
which side of which threshold. Tagging writes every score as a column `step.score`; dropping applies
the rules in order and reports the first that fails.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from corpus.documents import replace_column
from corpus.step import Filter, Outcome

Mode = Literal["drop", "tag"]

_HOLDS = {
    ">=": np.greater_equal,
    ">": np.greater,
    "<=": np.less_equal,
    "<": np.less,
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A document passes `name` if `score sign threshold` holds; a NaN score passes (there was nothing
    to measure)."""

    name: str
    score: str
    sign: Literal[">=", ">", "<=", "<"]
    threshold: float

    def passes(self, scores: np.ndarray) -> np.ndarray:
        """bool[n] for scores float64[n]."""
        return _HOLDS[self.sign](scores, self.threshold) | np.isnan(scores)


def drop(batch: pa.RecordBatch, scores: Mapping[str, np.ndarray], rules: Sequence[Rule]) -> Outcome:
    """Drop the documents that fail a rule; the value reported is the score, the rule the first that fails."""
    failed = np.full(batch.num_rows, -1)
    for number, rule in enumerate(rules):
        failed[(failed < 0) & ~rule.passes(scores[rule.score])] = number
    rows = np.flatnonzero(failed >= 0)
    broken = [rules[number] for number in failed[rows]]
    return Outcome(
        batch.filter(pa.array(failed < 0)),
        rows,
        [rule.name for rule in broken],
        [f"{scores[rule.score][row]:.6g}" for rule, row in zip(broken, rows)],
        [f"{rule.sign} {rule.threshold:g}" for rule in broken],
    )


def tag(batch: pa.RecordBatch, step: str, scores: Mapping[str, np.ndarray]) -> Outcome:
    """Keep every document; each score becomes a column `step.score` (float64)."""
    for name, values in scores.items():
        batch = replace_column(batch, f"{step}.{name}", pa.array(values, pa.float64()))
    return Outcome(batch)


def configured(stage: Filter, table: Sequence[tuple], unused: Collection[str] = ()) -> list[Rule]:
    """The rules of `table`, rows (rule, score, sign, field, threshold), with the thresholds that the fields of
    `stage` set. A rule without a threshold, or in `unused` and not set, is left out."""
    rules = []
    for name, score, sign, field, threshold in table:
        value = getattr(stage, field)
        if value is None and name not in unused:
            value = threshold
        if value is not None:
            rules.append(Rule(name, score, sign, value))
    return rules
