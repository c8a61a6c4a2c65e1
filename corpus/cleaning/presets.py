"""Rules of a filter with presets: a table of rules, of which a configuration may override thresholds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from corpus.cleaning.rules import Rule


def configured(stage, table: Sequence[tuple], unused: Collection[str] = ()) -> list[Rule]:
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
