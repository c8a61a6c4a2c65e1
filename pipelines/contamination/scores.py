"""Accuracy on all items of a set, on the clean ones and on the dirty ones: what a run says of items, joined with what a
model has answered.

Samples are those that lm-evaluation-harness logs (`--log_samples`): each has a `doc_hash`, by which it is joined, and
values of metrics. Intervals are Wilson's (1927), of 95 %: of counts, where values are 0 or 1, else of the normal
distribution of the mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from corpus.contamination import evaluation_files
from corpus.contamination.items import is_sample
from corpus.io import paths
from pipelines import publishing
from pipelines.contamination.verdicts import CLEAN, DIRTY, STATES, UNCHECKED

Z = 1.959963984540054
"""Of an interval of 95 %."""
GROUPS = ("all", CLEAN, DIRTY, UNCHECKED, "unknown")
"""Of samples; `unknown` are those that no set of the run has."""
NO_METRICS = ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash")


class Score(NamedTuple):
    """Of a group of samples by a metric: how many, their mean, and the ends of its interval."""

    samples: int
    mean: float
    low: float
    high: float


class ScoresRefused(ValueError):
    """Samples or a run that cannot be joined; the message is one sentence."""


def interval(values: list[float]) -> Score:
    """The mean of values and its interval; NaN of none."""
    count = len(values)
    if not count:
        return Score(0, math.nan, math.nan, math.nan)
    mean = sum(values) / count
    if all(value in (0, 1) for value in values):
        middle = (mean + Z * Z / (2 * count)) / (1 + Z * Z / count)
        half = Z / (1 + Z * Z / count) * math.sqrt(mean * (1 - mean) / count + Z * Z / (4 * count * count))
        return Score(count, mean, max(0.0, middle - half), min(1.0, middle + half))
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / max(count - 1, 1))
    half = Z * deviation / math.sqrt(count)
    return Score(count, mean, mean - half, mean + half)


def score(output: str, samples: Iterable[str], rule: str | None = None) -> dict[str, dict[str, dict[str, Score]]]:
    """{filter: {metric: {group: score}}} of the samples in files, by what the run in `output` says of their items;
    `rule`: by which, the first that the run has measured by default. Raises ScoresRefused."""
    states = _states(output, rule)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    joined = seen = 0
    for path in samples:
        for number, record in evaluation_files.records(path):
            if not is_sample(record):
                raise ScoresRefused(
                    f"{path}:{number}: no sample of lm-evaluation-harness: doc and doc_hash are missing"
                )
            seen += 1
            state = states.get(record["doc_hash"], "unknown")
            joined += state != "unknown"
            for metric, value in _metrics(record).items():
                groups = found.setdefault(str(record.get("filter", "none")), {}).setdefault(metric, {})
                for group in ("all", state):
                    groups.setdefault(group, []).append(value)
    if not seen:
        raise ScoresRefused("there are no samples")
    if not joined:
        raise ScoresRefused(
            f"none of {seen} samples is of an item of {output}: its sets are to be read from the same records "
            "(decontaminate.against can be the files of samples themselves)"
        )
    return {
        name: {metric: {g: interval(groups.get(g, [])) for g in GROUPS} for metric, groups in metrics.items()}
        for name, metrics in found.items()
    }


def _metrics(record: dict[str, Any]) -> dict[str, float]:
    """The values of a sample's metrics: those that it names, or all that are numbers."""
    names = record.get("metrics") or [name for name in record if name not in NO_METRICS]
    return {
        name: float(record[name])
        for name in names
        if isinstance(record.get(name), (int, float)) and math.isfinite(record[name])
    }


def _states(output: str, rule: str | None) -> dict[str, str]:
    """Of the doc_hash of each item in a run's folders of contamination its state; dirty, where sets disagree."""
    published = publishing.load(output)
    if published is None:
        raise ScoresRefused(f"{output} holds no run")
    names = [name for name in published.files if name.startswith("contamination") and name.endswith("_ids.jsonl")]
    if not names:
        raise ScoresRefused(f"{output} has no contamination/: the recipe of the run has no decontaminate")
    order = [DIRTY, UNCHECKED, CLEAN]
    states: dict[str, str] = {}
    for name in sorted(names):
        for line in paths.read_bytes(published.path(name)).decode().splitlines():
            item = json.loads(line)
            state = _state(item, rule, name.rpartition("/")[2].partition("_")[0])
            key = item["doc_hash"]
            if key and (key not in states or order.index(state) < order.index(states[key])):
                states[key] = state
    return states


def _state(item: dict[str, Any], rule: str | None, first: str) -> str:
    if rule is None:
        return first if first in STATES else UNCHECKED
    if rule not in item["rules"]:
        raise ScoresRefused(f"the run has not measured by {rule}, but by {', '.join(item['rules'])}")
    said = item["rules"][rule]
    return UNCHECKED if not said["checked"] else DIRTY if said["dirty"] else CLEAN


def lines(found: dict[str, dict[str, dict[str, Score]]]) -> list[str]:
    """What `score` found, for the terminal."""
    said = []
    for name, metrics in found.items():
        for metric, groups in metrics.items():
            said.append(f"{metric}" + (f" (filter {name})" if name != "none" else ""))
            for group, each in groups.items():
                if each.samples or group in ("all", CLEAN, DIRTY):
                    value = f"{each.mean:.4f} [{each.low:.4f}, {each.high:.4f}]" if each.samples else "–"
                    said.append(f"  {group:<10} {each.samples:>8,} samples  {value}")
    return said
