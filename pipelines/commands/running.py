"""Commands that run: a recipe, filters, the quickstart, one task again."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.shared import (
    EXIT_FAILED,
    EXIT_USAGE,
    Address,
    DryRun,
    Limit,
    Overrides,
    Replace,
    Workers,
    app,
    fail,
    with_field_flags,
)

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.run import Result


@app.command(context_settings={"allow_extra_args": True})
@with_field_flags
def run(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of one of `winnow recipes`.")],
    input: Annotated[list[str] | None, typer.Option("--input", help="Path, folder, glob or URI. Repeatable.")] = None,
    output: Annotated[str | None, typer.Option("--output", help="Run directory.")] = None,
    set: Overrides = None,
    workers: Workers = None,
    address: Address = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    replace: Replace = False,
) -> None:
    """Run a recipe. What is done already is not done again.

    Example: winnow run c4 --input 'crawl/*.warc.wet.gz' --output out --workers 2
    """
    from pipelines import quickstart as quick
    from pipelines import recipe as recipes

    if recipe == "quickstart" and not input and not quick.has_archive():
        fail(
            EXIT_USAGE, "the archive of the quickstart is not there: `winnow quickstart` makes it, and runs this recipe"
        )
    if context.args:
        fail(EXIT_USAGE, f"`winnow run` takes one recipe, and files by option: --input {context.args[0]} --output DIR")
    try:
        loaded = recipes.load(recipe, set or [], input or [], output)
    except recipes.RecipeError as error:
        fail(EXIT_USAGE, str(error))
    if not loaded.output:
        fail(EXIT_USAGE, "no output: give --output DIR, or `output:` in the recipe")
    execute(loaded, loaded.output, workers, address, limit, dry_run, replace)


def execute(
    recipe: Recipe,
    output: str,
    workers: int | None = None,
    address: str | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    replace: bool = False,
) -> dict[str, Any] | None:
    """Run a recipe, print the funnel. Exits 2 for what can be refused before work,
    1 for a run that failed or cannot be proven. Returns the report (None for a dry run)."""
    from corpus.io import paths
    from corpus.io.paths import DamagedFile
    from pipelines import run as runs
    from pipelines.accounts import NotProven
    from pipelines.engine import TaskFailed
    from pipelines.inspection import quarantine
    from pipelines.lock import Locked
    from pipelines.progress import MapProgress
    from pipelines.publishing import OutputError
    from pipelines.recipe import RecipeError

    if workers == 0 and address:
        fail(EXIT_USAGE, f"--workers 0 is this process alone, and --address {address} a cluster: give one of the two")
    workers = (os.cpu_count() or 1) if workers is None else workers
    try:
        with contextlib.closing(MapProgress()) as progress:
            result = runs.run(recipe, output, workers, address, limit, dry_run, progress, replace)
    except (RecipeError, OutputError) as error:
        fail(EXIT_USAGE, str(error))
    except NotADirectoryError:
        fail(EXIT_USAGE, f"{output} cannot be a run directory: a part of its path is a file")
    except (Locked, DamagedFile, OSError) as error:
        fail(EXIT_FAILED, str(error))
    except NotProven as error:
        print_result(output, error.result)
        for problem in error.problems:
            print(f"winnow: this run is not proven: {problem}", file=sys.stderr)
        if any("quarantined" in problem for problem in error.problems):
            folder = paths.join(output, "quarantine")
            why = "; ".join(quarantine.reasons([source.path for source in paths.list_files(folder)]))
            if why:  # else it is another corpus that lost too much
                print(f"winnow: in quarantine are {why}; more: winnow inspect {folder}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None
    except TaskFailed as error:
        print(error.trace, end="", file=sys.stderr)
        again = f"\nto run that task alone: winnow task {output} {error.name}" if error.trace else ""
        fail(EXIT_FAILED, f"{error}{again}")
    if dry_run:
        print_plan(recipe, output, result)
        return None
    print_result(output, result)
    return result.report


def print_result(output: str, result: Result) -> None:
    """What became of the documents of a run, how long it took, and where its report is."""
    from corpus.io import paths
    from pipelines import estimate
    from pipelines.report import report

    if not result.worked:
        tasks = sum(summary.tasks for summary in result.summaries)
        print(f"nothing to do: all {tasks} tasks of {len(result.summaries)} maps were done before")
    print(report.funnel(result.report))
    read = f" from {estimate.shown(result.input_bytes)}, {result.input_bytes / 1e6 / result.seconds:.1f} MB/s"
    took = estimate.duration(result.seconds)
    took = "1 second" if took == "1 seconds" else took
    print(f"done in {took}{read if result.worked else ''}; in {output}: {result.published}")
    print(f"report: {paths.join(output, 'report.html')}")


def print_plan(recipe: Recipe, output: str, result: Result) -> None:
    """What a run would do, and what it would need."""
    from corpus.io import paths

    print("steps: read, " + ", ".join(step.name for step in recipe.steps))
    for summary in result.summaries:
        why = "".join(f"; {number} {reason}" for reason, number in sorted(summary.reasons.items()))
        print(f"  {summary.step}: {summary.tasks} tasks, {summary.done} done already{why}")
    if not result.waiting:
        print("nothing to do: every task is done")
        return
    print(f"  what comes after {result.waiting} has a task for each shard that it writes")
    if result.estimate:
        print(*result.estimate.lines(store=not paths.is_local(output)), sep="\n")


@app.command("filter")
@with_field_flags
def filter_(
    input: Annotated[str, typer.Argument(help="Path, folder, glob or URI.")],
    output: Annotated[str, typer.Argument(help="Run directory.")],
    step: Annotated[
        list[str] | None,
        typer.Option("--step", help="A filter: c4, language, bad_words, length ... Repeatable, in order."),
    ] = None,  # fmt: skip
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            help="Keep what this holds for, after the filters: an expression over scores, such as "
            "gopher_quality.words > 50 or language.zh-cn > 0.5.",
        ),
    ] = None,  # fmt: skip
    set: Overrides = None,
    workers: Workers = None,
    address: Address = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    replace: Replace = False,
) -> None:
    """Run filters alone, or apply thresholds to documents that are tagged already.

    Example: winnow filter docs.jsonl OUT --step c4 --step language --set language.keep=[en]

    Example: winnow filter OUT/documents OUT2 --where 'language.en > 0.65'
    """
    from pipelines import recipe as recipes

    if not step and not where and not any(each.startswith("steps=") for each in set or []):
        fail(EXIT_USAGE, "there is nothing to do: give --step NAME (`winnow steps` lists them), or --where EXPRESSION")
    steps = [*(step or []), *([{"where": {"expression": where}}] if where else [])]
    document = {"name": "filter", "input": [input], "steps": steps}
    try:
        for setting in set or []:
            recipes.override(document, setting)
        recipe = recipes.parse(document)
    except recipes.RecipeError as error:
        fail(EXIT_USAGE, str(error))
    execute(recipe, output, workers, address, limit, dry_run, replace)


@app.command()
def quickstart(
    output: Annotated[str, typer.Option("--output", help="Run directory.")] = "winnow-quickstart",
    train: Annotated[
        str | None, typer.Option("--train", help="Also train a small model, in a minute: gpt, bert or t5. Needs torch.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", help="Steps of the training.", min=1)] = 200,
    workers: Workers = None,
    replace: Replace = False,
) -> None:
    """Make a web archive of this Python's documentation, run the full recipe on it, show a training batch.

    Example: winnow quickstart --output try-winnow --train bert
    """
    from pipelines import quickstart as quick

    try:
        if train is not None:
            quick.check_model(train)
        quick.main(output, workers, replace, execute)
        if train is not None:
            quick.train(output, train, steps, workers, replace, execute)
    except (FileExistsError, ValueError) as error:
        fail(EXIT_USAGE, str(error))


@app.command()
def task(
    output: Annotated[str, typer.Argument(help="Run directory.")],
    name: Annotated[str, typer.Argument(help="STEP/KEY, as in OUT/work and in messages of a failed run.")],
    limit: Limit = None,
    functions: Annotated[str, typer.Option("--functions", help="Folder of functions and steps of one's own.")] = ".",
    pdb: Annotated[bool, typer.Option("--pdb", help="Where the task raises, look at it in Python's debugger.")] = False,
) -> None:
    """Run one task of a run again, in this process, without its limits, and leave nothing: a debugger's way in.

    Example: winnow task OUT 00-read+c4/00000 --pdb
    """
    from pipelines import recipe as recipes
    from pipelines import run as runs
    from pipelines.engine import NothingRuns
    from pipelines.publishing import OutputError

    try:
        counters = runs.run_task(output, name, limit, functions)
    except (recipes.RecipeError, OutputError) as error:
        fail(EXIT_USAGE, str(error))
    except (KeyError, NothingRuns) as error:
        fail(EXIT_USAGE, str(error.args[0]))
    except Exception:
        traceback.print_exc()
        if pdb:
            import pdb as debugger

            debugger.post_mortem()
        raise typer.Exit(EXIT_FAILED) from None
    print(json.dumps(counters))


@app.command()
def warm() -> None:
    """Compile all kernels ahead, when an image is built or a node is set up. What is compiled already is not again.

    Example: NUMBA_CACHE_DIR=/opt/kernels winnow warm
    """
    from corpus import kernel_cache
    from pipelines import warm as warming

    count, compiled = warming.warm(lambda line: print(line, file=sys.stderr, flush=True))
    print(f"{count} kernels are ready in {kernel_cache.home()}, {compiled} times one was compiled for it")
