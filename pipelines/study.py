"""How much of a corpus is duplicated, and how much of a test set is in it: the tables of Lee et al. (2021, arXiv
2107.06499, tables 2 and 3) for a corpus of one's own, from four runs of one step each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corpus.io import paths
from pipelines import recipe as recipes
from pipelines import standard_input
from pipelines.recipe import Recipe, RecipeError

RUNS = ("near", "repeated", "test_near", "test_repeated")
"""Folders of the runs, in the order in which they are done; the last two with a test set."""
STEPS = {"near_dedup": ("near_dedup", "near_overlap"), "substring_dedup": ("substring_dedup",)}
"""Steps that have the settings of each."""
NEAR = {"mode": "components", "index": None, "clusters": False}
"""A document is one of a component if and only if it has a near-duplicate; of a cluster of mode leader it may be none,
because the document that is like it went because of another."""
PASSAGES = {"min_length": 200, "keep": "none", "snap": "character", "separator": "", "min_remaining": 0}
"""50 tokens of English are about 200 bytes; with a tokenizer they can be said."""
FIXED = ("mode", "index", "keep", "min_remaining", "across", "against")
"""Options without which it would not be every copy that is counted."""


def refuse(patterns: Sequence[str], output: str) -> None:
    """Raises RecipeError for a corpus or test set that not all of the runs would read as it is now."""
    for pattern in patterns:
        if pattern == standard_input.NAME:
            raise RecipeError("a study reads its input several times, standard input only once: give a file")
        folder = pattern.partition("**")[0].rpartition("/")[0] or "." if "**" in pattern else pattern
        if paths.is_inside(paths.join(output, RUNS[0]), folder):
            raise RecipeError(f"the runs of {output} would be read as files of {pattern}; choose another OUTPUT")


def recipes_of(source: str, tests: Sequence[str], settings: Sequence[str] = ()) -> dict[str, Recipe]:
    """The recipes of the runs, by their folders. settings: `near_dedup.NAME=VALUE` and `substring_dedup.NAME=VALUE`,
    for corpus and test set alike, `seed=1` and the like. Raises RecipeError."""
    near, passages = "near_dedup", "substring_dedup"
    documents: dict[str, dict[str, Any]] = {
        "near": {"input": [source], "steps": [{near: NEAR}]},
        "repeated": {"input": [source], "steps": [{passages: PASSAGES}]},
    }
    if tests:
        within = {**PASSAGES, "across": "other", "against": [source]}
        documents["test_near"] = {"input": list(tests), "steps": [{"near_overlap": {"against": [source]}}]}
        documents["test_repeated"] = {"input": list(tests), "steps": [{passages: within}]}
    found = {}
    for name, document in documents.items():
        document |= {"name": f"study {name}", "keep_work": False}
        (((step, options),),) = (entry.items() for entry in document["steps"])
        fixed = {"input": document["input"], **{option: options[option] for option in FIXED if option in options}}
        for setting in settings:
            asked, _, rest = setting.partition(".")
            if asked not in STEPS:
                recipes.override(document, setting)
            elif step in STEPS[asked]:
                recipes.override(document, f"{step}.{rest}")
        found[name] = recipes.parse(document)
        _check_fixed(found[name], step, fixed)
    return found


def _check_fixed(recipe: Recipe, step: str, fixed: dict[str, Any]) -> None:
    """Raises RecipeError for a recipe in which something is set that makes the study what it is."""
    if [each.name for each in recipe.steps] != [step]:
        raise RecipeError("--set steps: a study has steps of its own; set the options of these")
    for option, value in fixed.items():
        found = getattr(recipe if option == "input" else recipe.steps[0], option)
        if (list(found) if isinstance(found, tuple) else found) != value:
            where = option if option == "input" else f"{step}.{option}"
            raise RecipeError(
                f"--set {where}: a study counts every copy, and so says itself what this is; leave it out"
            )


def shares(reports: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """What the reports of the runs come to, by folder: how many documents or units there are (`all`), how many of them
    have a near-duplicate or stand in a repeated passage (`found`)."""
    found = {}
    for name, report in reports.items():
        (step,) = report["steps"][1:]
        figures = report["figures"].get(step["name"], {})
        if name == "near":
            kept = figures.get("clusters", 0)  # one of each
            found[name] = {"all": step["in"], "found": sum(step["dropped"].values()) + kept}
        elif name == "test_near":
            found[name] = {"all": figures["documents"], "found": figures["found"]}
        else:
            found[name] = {"all": figures["units"], "found": figures.get("units_asked", 0)}
    return found


def lines(found: dict[str, dict[str, int]], unit: str = "bytes") -> list[str]:
    """For people."""
    said = {
        "near": "documents that are near-duplicates of others",
        "repeated": f"{unit} in passages that stand several times",
        "test_near": "test documents that have a near-duplicate in the corpus",
        "test_repeated": f"{unit} of test documents in passages that stand in the corpus",
    }
    return [
        f"{each['found'] / max(1, each['all']):8.3%}  {said[name]} ({each['found']:,} of {each['all']:,})"
        for name, each in found.items()
    ]
