"""Accuracy on all items of a set, on the clean ones and on the dirty ones: what a run says of items, joined with what a
model has answered.

Samples are those that lm-evaluation-harness logs (`--log_samples`): each has a `doc_hash`, by which it is joined, and
values of metrics. Intervals are Wilson's (1927), of 95 %: of counts, where values are 0 or 1, else of the normal
distribution of the mean.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

from corpus.contamination import evaluation_files
from corpus.contamination.items import is_sample, task
from corpus.io import paths
from pipelines import publishing
from pipelines.contamination.verdicts import CLEAN, DIRTY, STATES, UNCHECKED

Z = 1.959963984540054
"""Of an interval of 95 %."""
GROUPS = ("all", CLEAN, DIRTY, UNCHECKED, "unknown")
"""Of samples; `unknown` are those that no set of the run has."""
_LARGEST = 1e300
"""Absolute value of a metric, at most: sums of these are numbers."""
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
    samples: paths, folders, globs or URIs. rule: by which, the first that the run has measured by default. Raises
    ScoresRefused, for values that are no numbers and for two samples of an item by one filter, too."""
    states = _states(output, rule)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    owners: dict[tuple[str, str, str, str], str] = {}
    joined = 0
    files = dict.fromkeys(source.path for pattern in samples for source in evaluation_files.expand(pattern)[0])
    for path in files:
        for number, record in evaluation_files.records(path):
            where = f"{path}:{number}"
            if not is_sample(record):
                raise ScoresRefused(f"{where}: no sample of lm-evaluation-harness: doc and doc_hash are missing")
            name = str(record.get("filter", "none"))
            key = name, record["doc_hash"], str(record.get("doc_id")), task(path)
            if key in owners:
                raise ScoresRefused(f"{where} and {owners[key]} are samples of one item: give those of one evaluation")
            owners[key] = where
            state = states.get(record["doc_hash"], "unknown")
            joined += state != "unknown"
            for metric, value in _metrics(record, where).items():
                groups = found.setdefault(name, {}).setdefault(metric, {})
                for group in ("all", state):
                    groups.setdefault(group, []).append(value)
    if not owners:
        raise ScoresRefused("there are no samples")
    if not joined:
        raise ScoresRefused(
            f"none of {len(owners)} samples is of an item of {output}: its sets are to be read from the same records "
            "(decontaminate.against can be the files of samples themselves)"
        )
    if not found:
        raise ScoresRefused(f"{next(iter(files))}: its samples have no metric that is a number")
    return {
        name: {metric: {g: interval(groups.get(g, [])) for g in GROUPS} for metric, groups in metrics.items()}
        for name, metrics in found.items()
    }


def _metrics(record: dict[str, Any], where: str) -> dict[str, float]:
    """The values of a sample's metrics: those that it names, or all that are numbers. One that has a list, which is for
    all samples together as F1 is, is left out with a warning. Raises ScoresRefused for others that it names and that
    are none."""
    named = record.get("metrics")
    found = {}
    for name in named or [name for name in record if name not in NO_METRICS]:
        value = record.get(name)
        if isinstance(value, (int, float)) and abs(value) <= _LARGEST:  # also True and False, and not NaN
            found[name] = float(value)
        elif named and isinstance(value, list):
            warnings.warn(
                f"the metric {name} has lists for samples, and is left out: it is of all together", stacklevel=3
            )
        elif named or isinstance(value, (int, float)):
            raise ScoresRefused(f"{where}: the metric {name} is no number but {repr(value)[:80]}")
    return found


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
