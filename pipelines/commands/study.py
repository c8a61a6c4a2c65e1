"""The command that says how much of a corpus is duplicated."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.running import execute
from pipelines.commands.shared import (
    EXIT_FAILED,
    EXIT_USAGE,
    Address,
    Overrides,
    Replace,
    Workers,
    dedup_app,
    fail,
    with_field_flags,
)


@dedup_app.command("study")
@with_field_flags
def study(
    input: Annotated[str, typer.Argument(help="Path, folder, glob or URI.")],
    output: Annotated[str, typer.Argument(help="Folder of the runs.")],
    test: Annotated[
        list[str] | None, typer.Option("--test", help="A test set, read as the input is. Repeatable.")
    ] = None,
    set: Overrides = None,
    workers: Workers = None,
    address: Address = None,
    replace: Replace = False,
) -> None:
    """Say how much of a corpus is duplicated, and how much of a test set stands in it, as Lee et al. (2021) did:
    documents with near-duplicates, text in repeated passages. Four runs of one step each, in folders of OUTPUT.

    Example: winnow dedup study docs.jsonl.zst OUT --test 'eval/*.jsonl' --set substring_dedup.min_length=100
    """
    import json

    from corpus.io import paths
    from pipelines import recipe as recipes
    from pipelines import run as runs
    from pipelines import study as studies
    from pipelines.publishing import OutputError

    try:
        studies.refuse([input, *(test or [])], output)
        asked = studies.recipes_of(input, test or [], set or [])
        for name, recipe in asked.items():  # all that can be refused, before the first
            runs.check(recipe, paths.join(output, name))
    except (recipes.RecipeError, OutputError) as error:
        fail(EXIT_USAGE, str(error))
    except OSError as error:
        fail(EXIT_FAILED, str(error))
    reports = {}
    for name, recipe in asked.items():
        report = execute(recipe, paths.join(output, name), workers, address, replace=replace)
        assert report is not None  # it is no dry run
        reports[name] = report
    found = studies.shares(reports)
    paths.write_atomic(paths.join(output, "study.json"), json.dumps(found, indent=1).encode())
    (step,) = asked["repeated"].steps
    print(*studies.lines(found, getattr(step, "unit", "bytes")), sep="\n")
