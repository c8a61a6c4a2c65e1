"""The accounts of a run: the funnel, what was lost, and whether it all adds up.

Every record of the input is kept, dropped or quarantined; what cannot be counted in records is counted in bytes. A
run whose accounts do not add up, or that lost more than `max_quarantined`, is not proven: `run()` raises `NotProven`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from corpus.step import unique_names
from pipelines.context import TokenStep
from pipelines.engine import Manifest
from pipelines.recipe import Recipe


class NotProven(RuntimeError):
    """A run that is done and not proven. `result` is what it did; its report is written.

    >>> import pathlib, pipelines
    >>> _ = pathlib.Path("docs.jsonl").write_text('{"text": "Words."}\\nnot JSON\\n')
    >>> recipe = pipelines.Recipe(input="docs.jsonl", steps=[pipelines.ExactDedup()], max_quarantined=0.1)
    >>> pipelines.run_recipe(recipe, "OUT")
    Traceback (most recent call last):
        ...
    pipelines.accounts.NotProven: this run is not proven: 50.0% of the input was quarantined, more than ...
    """

    def __init__(self, problems: list[str], result: Any):
        super().__init__("this run is not proven: " + "; ".join(problems))
        self.problems, self.result = problems, result


@dataclasses.dataclass(frozen=True)
class Accounts:
    """`steps`: the funnel, see `funnel`; `expected`: the steps that it must have; `written`: documents in documents/;
    `encoded`: documents in tokens/, None where nothing was tokenized; `not_encoded`: those quarantined on the way
    there; `lost`: {"ranges", "bytes", "input_bytes"}, what could not be read, as bytes on disk; `others`: by step, of
    another corpus that it reads, the shares of records and of bytes that could not be read."""

    steps: list[dict[str, Any]]
    expected: list[str]
    written: int
    encoded: int | None
    not_encoded: int
    lost: dict[str, int]
    max_quarantined: float
    others: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Records in quarantine, of all steps that come before documents/."""
        return sum(step["quarantined"] for step in self.steps)

    @property
    def share_of_records(self) -> float:
        """Records in quarantine, of those that came in."""
        return (self.quarantined + self.not_encoded) / max(1, self.steps[0]["in"])

    @property
    def share_of_bytes(self) -> float:
        """Bytes of the input that could not be read, of all."""
        return self.lost["bytes"] / max(1, self.lost["input_bytes"])

    def problems(self) -> list[str]:
        """Sentences that say why the run is not proven; none for one that is."""
        found = [*self._missing_steps(), *self._sums()]
        if self.encoded is not None and self.encoded + self.not_encoded != self.written:
            found.append(f"{self.written} documents written, {self.encoded} tokenized, {self.not_encoded} quarantined")
        if not self.steps[0]["in"] and not self.lost["ranges"]:
            found.append("the input has no documents")
        limit = f"more than max_quarantined = {self.max_quarantined:.1%}"
        if self.share_of_records > self.max_quarantined:
            found.append(f"{self.share_of_records:.1%} of the input was quarantined, {limit}")
        if self.share_of_bytes > self.max_quarantined:
            found.append(f"{self.share_of_bytes:.1%} of the bytes of the input were quarantined, {limit}")
        for step, (records, size) in self.others.items():
            if max(records, size) > self.max_quarantined:
                what = f"{records:.1%} of the records and {size:.1%} of the bytes"
                found.append(f"{what} of the corpus that {step} compares with could not be read, {limit}")
        return found

    def _missing_steps(self) -> list[str]:
        counted = [step["name"] for step in self.steps]
        emptied = (
            self.steps[-1]["kept"] == 0 and counted == self.expected[: len(counted)]
        )  # nothing left for later steps
        if counted == self.expected or emptied:
            return []
        return [f"steps counted are {', '.join(counted)}, those of the recipe {', '.join(self.expected)}"]

    def _sums(self) -> list[str]:
        found = []
        for step in self.steps:
            out = step["kept"] + sum(step["dropped"].values()) + step["quarantined"]
            if step["in"] != out:
                found.append(f"step {step['name']}: {step['in']} documents in, {out} accounted for")
        for before, after in zip(self.steps, self.steps[1:]):
            if before["kept"] != after["in"]:
                found.append(f"{before['kept']} documents left {before['name']}, {after['in']} entered {after['name']}")
        if self.steps[-1]["kept"] != self.written:
            found.append(f"{self.steps[-1]['kept']} documents kept, {self.written} in documents/")
        return found


def of_run(recipe: Recipe, result: Any) -> Accounts:
    """The accounts of a finished run; `result`: a `run.Result`."""
    document_steps = [step for step in recipe.steps if not isinstance(step, TokenStep)]
    lost = {"ranges": 0, "bytes": 0, "input_bytes": 0}
    for counters in of_passes(result.manifests):
        for key, number in {**counters["lost"], "input_bytes": counters["input_bytes"]}.items():
            lost[key] += number
    tokens = result.figures.get("tokens")
    return Accounts(
        steps=funnel(result.manifests),
        expected=["read", *unique_names(document_steps)],
        written=sum(shard.documents for shard in result.documents),
        encoded=tokens["documents"] if tokens else None,
        not_encoded=sum(manifest.counters["quarantined"] for manifest in result.tokenized),
        lost=lost,
        max_quarantined=recipe.max_quarantined,
        others={
            name: found["against_unread"]
            for name, found in result.figures.items()
            if isinstance(found, dict) and "against_unread" in found
        },
    )


def of_passes(manifests: Iterable[Manifest]) -> Iterator[dict[str, Any]]:
    """Counters of the tasks of passes, one after the other: together they would take more room than a driver has."""
    for manifest in manifests:
        counters = manifest.counters
        if "lengths" in counters:
            yield counters


def funnel(manifests: Iterable[Manifest]) -> list[dict[str, Any]]:
    """One entry a step, in order, summed over its tasks; `seconds` are of work, over all workers."""
    steps: dict[str, dict[str, Any]] = {}
    for manifest in manifests:
        counters = manifest.counters
        for name, count in counters["steps"].items():
            step = steps.setdefault(
                name,
                {"name": name, "in": 0, "kept": 0, "quarantined": 0, "dropped": {},
                 "bytes_in": 0, "bytes_out": 0, "seconds": 0.0, "counters": {}},
            )  # fmt: skip
            step["in"] += count["documents_in"]
            for key in ("kept", "quarantined", "bytes_in", "bytes_out"):
                step[key] += count[key]
            step["seconds"] = round(step["seconds"] + count["seconds"], 3)
            for key in ("dropped", "counters"):
                for name_, number in count[key].items():
                    step[key][name_] = step[key].get(name_, 0) + number
        if set_aside := counters.get("set_aside"):  # by a pass that only writes: left by the step before
            last = list(steps.values())[-1]
            last["kept"] -= set_aside
            last["quarantined"] += set_aside
    for step in steps.values():
        step["dropped"] = dict(sorted(step["dropped"].items()))
        step["counters"] = dict(sorted(step["counters"].items()))
    return list(steps.values())
