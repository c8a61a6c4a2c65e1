"""Rules of a filter with presets: a table of rules, of which a configuration may override thresholds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from corpus.cleaning.rules import Rule


def check_preset(stage, presets: Collection[str]) -> None:
    """Raises ValueError unless the preset and the mode of `stage` are known."""
    if stage.preset not in presets:
        raise ValueError(f"{stage.name}.preset is one of {', '.join(presets)}, not {stage.preset!r}")
    if stage.mode not in ("drop", "tag"):
        raise ValueError(f"{stage.name}.mode is 'drop' or 'tag', not {stage.mode!r}")


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
