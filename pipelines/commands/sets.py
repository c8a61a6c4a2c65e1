"""Commands about what documents are held against: indexes of near-duplicates, items of evaluation sets."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.commands.shared import EXIT_FAILED, EXIT_USAGE, app, contamination_app, fail


@app.command()
def index(
    path: Annotated[str, typer.Argument(help="Folder of an index, as `winnow dedup near --index` makes it.")],
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="A part to take out, by its name. Repeatable.")
    ] = None,
    delete: Annotated[
        list[str] | None, typer.Option("--delete", help="The id of a document to delete. Repeatable.")
    ] = None,
    delete_from: Annotated[
        str | None, typer.Option("--delete-from", help="A text file with the ids of documents to delete, a line each.")
    ] = None,
) -> None:
    """Show what is in an index of near-duplicates, or take documents out of it.

    Example: winnow index INDEX

    Example: winnow index INDEX --delete 'https://example.org/page'
    """
    from corpus.io import paths
    from pipelines.lock import Locked
    from pipelines.near import index as indexes
    from pipelines.near import index_changes

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        lines = paths.read_bytes(delete_from).decode().split("\n") if delete_from else []
        ids = [*(delete or []), *(name for line in lines if (name := line.removesuffix("\r")))]
        if remove:
            print(f"taken out: {index_changes.remove(path, remove, say):,} documents")
        if ids:
            print(f"deleted: {index_changes.delete(path, ids, say):,} documents of {len(set(ids)):,} ids")
        print(indexes.describe(path))
    except (indexes.IndexRefused, FileNotFoundError, UnicodeDecodeError) as error:
        fail(EXIT_USAGE, str(error))
    except (Locked, paths.DamagedFile, OSError) as error:
        fail(EXIT_FAILED, str(error))


@contamination_app.command("save")
def contamination_save(
    files: Annotated[list[str], typer.Argument(help="Evaluation files: paths, folders, globs or URIs.")],
    path: Annotated[str, typer.Option("--to", help="The file to write; its name ends with .items.arrow.")],
    fields: Annotated[
        list[str] | None,
        typer.Option("--fields", help="A field of the items' texts; auto takes what is known. Repeatable."),
    ] = None,
) -> None:
    """Keep the items of evaluation files in one small file, for --against of `winnow decontaminate`.

    Example: winnow contamination save 'eval/*.jsonl' --fields auto --to test-sets.items.arrow
    """
    from corpus.contamination import evaluation_files, saved
    from corpus.contamination import items as evaluation_items

    try:
        sources = [source.path for pattern in files for source in evaluation_files.expand(pattern)[0]]
        named = tuple(fields or ("text",))
        items = evaluation_items.load_files(dict.fromkeys(sources), named)
        versions = saved.save(items, named, path)
    except (ValueError, FileNotFoundError) as error:
        fail(EXIT_USAGE, str(error))
    except OSError as error:
        fail(EXIT_FAILED, str(error))
    print(f"{path}: {len(items):,} items of {', '.join(f'{name}@{version}' for name, version in versions.items())}")


@contamination_app.command("score")
def contamination_score(
    output: Annotated[str, typer.Argument(help="Run directory of a recipe with decontaminate.")],
    samples: Annotated[
        list[str],
        typer.Option("--samples", help="A file of samples that lm-evaluation-harness has logged. Repeatable."),
    ],
    rule: Annotated[
        str | None, typer.Option("--rule", help="By which items are dirty; the first of `measure` by default.")
    ] = None,
) -> None:
    """Say how good a model is on all items, on the clean ones and on the dirty ones, with intervals of 95 %.

    Example: winnow contamination score OUT --samples samples_gsm8k_2024-05-01T10-00-00.jsonl
    """
    from pipelines.contamination import scores
    from pipelines.publishing import OutputError

    try:
        found = scores.score(output, samples, rule)
    except (scores.ScoresRefused, OutputError, FileNotFoundError, ValueError) as error:
        fail(EXIT_USAGE, str(error))
    except OSError as error:
        fail(EXIT_FAILED, str(error))
    print(*scores.lines(found), sep="\n")
