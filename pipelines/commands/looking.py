"""Commands that show what there is, and what runs wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.shared import EXIT_FAILED, EXIT_USAGE, Overrides, app, fail, with_field_flags

if TYPE_CHECKING:
    from rich.text import Text


@app.command("recipes")
def recipes_(
    name: Annotated[str | None, typer.Argument(help="One of them, to see what is in it.")] = None,
) -> None:
    """List the recipes that come with Winnow, or show one.

    Example: winnow recipes c4 > mine.yaml
    """
    from pipelines import recipe as recipes
    from pipelines.inspection import catalogue

    try:
        print(catalogue.show_recipe(name) if name else catalogue.list_recipes())
    except recipes.RecipeError as error:
        fail(EXIT_USAGE, str(error))


@app.command()
def steps(
    name: Annotated[str | None, typer.Argument(help="One of them, with every option.")] = None,
) -> None:
    """List the steps that a recipe can have, or explain one with every option, its type, default and meaning.

    Example: winnow steps near_dedup
    """
    from pipelines import recipe as recipes
    from pipelines.inspection import catalogue

    try:
        print(catalogue.show_step(name) if name else catalogue.list_steps())
    except recipes.RecipeError as error:
        fail(EXIT_USAGE, str(error))


@app.command("report")
def report_(output: Annotated[str, typer.Argument(help="Run directory.")]) -> None:
    """Print the funnel of a run and write its report.html again from report.json.

    Example: winnow report OUT
    """
    from corpus.io import paths
    from pipelines.lock import Locked
    from pipelines.publishing import OutputError
    from pipelines.report import report

    try:
        built = report.render_again(output, lambda line: print(line, file=sys.stderr))
    except (OutputError, FileNotFoundError) as error:
        fail(EXIT_USAGE, str(error))
    except (Locked, OSError, ValueError) as error:
        fail(EXIT_FAILED, str(error))
    print(report.funnel(built))
    print(f"report: {paths.join(output, 'report.html')}")


@app.command()
def verify(output: Annotated[str, typer.Argument(help="Run directory.")]) -> None:
    """Check every published file of a run against its checksum, its work/ where it is still there, and that the
    counts add up. Prints a line a problem.

    Example: winnow verify OUT
    """
    from pipelines.inspection import verify as inspection
    from pipelines.publishing import OutputError

    try:
        problems = inspection.verify(output)
        missing = inspection.no_longer_there(output)
    except OutputError as error:
        fail(EXIT_USAGE, str(error))
    except OSError as error:
        fail(EXIT_FAILED, str(error))
    for problem in problems:
        print(f"winnow: {problem}", file=sys.stderr)
    if problems:
        print(f"{output}: {inspection.REPAIR}")
    if missing:
        print(f"{output}: {missing}")
    if problems:
        raise typer.Exit(EXIT_FAILED)
    print(f"{output}: every published file and count is as it should be")


@app.command("inspect")
@with_field_flags
def inspect_(
    path: Annotated[str, typer.Argument(help="A run directory, its tokens, or a file of documents.")],
    documents: Annotated[int, typer.Option("--documents", help="How many documents to show.", min=0)] = 3,
    document: Annotated[
        str | None, typer.Option("--document", help="Show the tokens of the document with this id or URL.")
    ] = None,
    set: Overrides = None,
) -> None:
    """Show what is in a run directory or in files that Winnow reads, the reasons in a run's quarantine, its largest
    clusters of near-duplicates, or a document's tokens.

    Example: winnow inspect OUT

    Example: winnow inspect OUT/tokens/validation

    Example: winnow inspect OUT/tokens --document ID

    Example: winnow inspect OUT/quarantine

    Example: winnow inspect OUT/near_dedup/clusters

    Example: winnow inspect docs.jsonl --text-field content
    """
    from pipelines import recipe as recipes
    from pipelines.inspection import describe as inspection
    from pipelines.inspection import tokens

    try:
        if document is not None:
            print(tokens.describe(path, document))
            return
        print(inspection.describe(path, documents, recipes.read_options(set or [])))
    except (FileNotFoundError, ValueError) as error:
        fail(EXIT_USAGE, str(error))


@app.command()
@with_field_flags
def explain(
    where: Annotated[str, typer.Argument(help="A run directory, or a recipe.")],
    document: Annotated[
        str,
        typer.Argument(
            help="Of a run: the id or URL of a document. For a recipe: a text file, - for standard input; with --input "
            "the id or URL of a document in it."
        ),
    ],  # fmt: skip
    url: Annotated[str | None, typer.Option("--url", help="For a recipe: the URL the text is from.")] = None,
    input: Annotated[
        list[str] | None,
        typer.Option("--input", help="For a recipe: path, folder, glob or URI of documents to look in. Repeatable."),
    ] = None,  # fmt: skip
    set: Overrides = None,
    most: Annotated[
        int, typer.Option("--places", help="How many places in the text to show for each step.", min=0)
    ] = 20,
) -> None:
    """Say what became of a document in a run, or what the filters of a recipe say of a text: every score,
    the rule, value and threshold that decide, and the places in the text that they are about.

    Example: winnow explain OUT https://example.org/page

    Example: winnow explain c4 page.txt

    Example: winnow explain c4 https://example.org/page --input 'crawl/*.warc.wet.gz'
    """
    from corpus.cleaning import custom
    from corpus.io import paths
    from pipelines import recipe as recipes
    from pipelines import run as runs
    from pipelines.inspection import explain as inspection
    from pipelines.inspection import lookup, trace
    from pipelines.publishing import OutputError

    if where not in recipes.shipped() and not any(paths.has_suffix(where, suffix) for suffix in (".yaml", ".yml")):
        if paths.is_local(where) and not os.path.exists(where):
            fail(EXIT_USAGE, f"{where} is neither a run directory nor a recipe; {recipes.nearest(where)}")
        try:
            found = inspection.explain(where, document, most)
        except (OutputError, lookup.NotText) as error:
            fail(EXIT_USAGE, str(error))
        except (paths.DamagedFile, OSError) as error:
            fail(EXIT_FAILED, str(error))
        if not found:
            fail(EXIT_FAILED, f"{where} has no document with id or URL {document!r}")
        _print_styled(found)
        return
    try:
        loaded = recipes.load(where, set or [], input or [])
        with custom.modules_in(loaded.folder):
            runs.check_steps(loaded, runs.input_sources(loaded.input, options=loaded.read)[0] if input else [])
        if input:
            batch = lookup.find(loaded, document)
        else:
            text = sys.stdin.read() if document == "-" else open(document, encoding="utf-8").read()
            batch = lookup.document_of(text, url)
    except (FileNotFoundError, IsADirectoryError):
        fail(EXIT_USAGE, f"no such file: {document}; with --input FILES it can be the id or URL of a document in them")
    except (recipes.RecipeError, OSError, UnicodeDecodeError, lookup.NotText) as error:
        fail(EXIT_USAGE, str(error))
    if batch is None:
        fail(EXIT_FAILED, f"the input has no document with id or URL {document!r}")
    with custom.modules_in(loaded.folder):
        lines = trace.trace(loaded, batch, most)
    _print_styled(lines)


def _print_styled(lines: Iterable[Text]) -> None:
    """Lines of rich text; plain where standard output is no terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)


@app.command("clean-work")
def clean_work(output: Annotated[str, typer.Argument(help="Run directory.")]) -> None:
    """Delete what a run left in OUT/work. The results stay; a later run of the recipe starts from nothing.

    Example: winnow clean-work OUT
    """
    from corpus.io import paths
    from pipelines.inspection import clean_work as inspection
    from pipelines.lock import Locked
    from pipelines.publishing import OutputError

    try:
        removed, left = inspection.clean_work(output, lambda line: print(line, file=sys.stderr))
    except (OutputError, FileNotFoundError) as error:
        fail(EXIT_USAGE, str(error))
    except (Locked, OSError) as error:
        fail(EXIT_FAILED, str(error))
    print(
        f"deleted {removed} files in {paths.join(output, 'work')}"
        + (f"; left alone {left} that no task has made" if left else "")
    )
