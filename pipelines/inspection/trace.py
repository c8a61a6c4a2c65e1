"""What the filters of a recipe do to one document."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa
from rich.text import Text

from corpus.step import Filter, Place
from pipelines.context import TokenStep
from pipelines.inspection import places
from pipelines.inspection.explain import KEPT
from pipelines.recipe import Recipe

DROPPED, QUARANTINED = ("DROPPED", "bold red"), ("QUARANTINED", "bold red")
"""Verdicts that are given here and now, and how they look in a terminal."""


def trace(recipe: Recipe, batch: pa.RecordBatch, most: int) -> list[Text]:
    """Lines that say what every row-wise step of a recipe does to a batch of one document: its scores; where
    in the text it found what, `most` places (numbers of lines are those of the text that the step is given);
    and the rule, value and threshold by which it is dropped, where that is its fate. Steps after that still
    say theirs, on the text as it was."""
    lines: list[Text] = []
    for step in recipe.steps:
        if not isinstance(step, Filter):
            does = "drops nothing" if isinstance(step, TokenStep) else "decides over the whole corpus"
            lines.append(Text(f"{step.name}: {does}; see `winnow explain OUT ID` after a run"))
            continue
        said = [Text(f"{name} = {value}") for name, value in _scores(step, batch)]
        outcome = step.apply(batch)
        said += [Text(f"{counter}: {number}") for counter, number in sorted(outcome.counters.items())]
        said += _places(batch, step.where_in(batch, outcome), most)
        if len(outcome.rows):
            verdict = f" by rule {outcome.rules[0]}: {outcome.values[0]} (threshold {outcome.thresholds[0]})"
            said.append(Text.assemble(DROPPED, verdict))
        elif outcome.faulty:
            said.append(Text.assemble(QUARANTINED, f": {outcome.faulty[0]}"))
        else:
            before, after = batch["text"][0].as_py(), outcome.kept["text"][0].as_py()
            changed = f", text {len(before):,} -> {len(after):,} characters" if before != after else ""
            said.append(Text.assemble(KEPT, changed))
            batch = outcome.kept
        lines += [Text.assemble(f"{step.name}: ", line) for line in said]
    return lines


def _places(batch: pa.RecordBatch, found: list[Place], most: int) -> list[Text]:
    in_url = places.say(batch["url"][0].as_py() or "", [p for p in found if p.column == "url"], most)
    in_text = places.say(batch["text"][0].as_py(), [p for p in found if p.column == "text"], most)
    return [*(Text.assemble("URL, ", line) for line in in_url), *in_text]


def _scores(step: Any, batch: pa.RecordBatch) -> list[tuple[str, object]]:
    """The columns that the step adds when it tags, for one document."""
    fields = {field.name for field in dataclasses.fields(step)}
    if "mode" in fields:
        step = dataclasses.replace(step, mode="tag")
    elif "tag" in fields:  # language: it tags whatever it keeps
        step = dataclasses.replace(step, tag=True, keep=())
    else:
        return []
    tagged = step.apply(batch).kept
    names = [name for name in tagged.schema.names if not batch.schema.names.count(name) or tagged[name] != batch[name]]
    return [(name, tagged[name][0].as_py()) for name in names] if tagged.num_rows else []
