"""What the commands share: the app, options of the same name, and how one ends that cannot go on."""

from __future__ import annotations

import functools
import inspect
import json
import sys
import typing
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    name="winnow",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Raw web text in, packed and sharded token streams out.",
    epilog="First run: winnow quickstart. Then: winnow run c4 --input 'crawl/*.warc.gz' --output OUT; winnow recipes; "
    "winnow steps",
)
dedup_app = typer.Typer(
    no_args_is_help=True,
    help="Remove duplicates: exact, near, substring, lines, urls; overlap says how much two corpora share, "
    "study how much of one is duplicated.",
)
app.add_typer(dedup_app, name="dedup", short_help="exact, near, substring, lines, urls, overlap, study.")

contamination_app = typer.Typer(no_args_is_help=True, help="Items of evaluation sets: keep them, score with them.")
app.add_typer(contamination_app, name="contamination")

EXIT_FAILED, EXIT_USAGE = 1, 2

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Processes on this machine; 0 runs everything in this one. Default: one a core.",
        min=0,
    ),
]
Address = Annotated[
    str | None, typer.Option("--address", help="Address of a Ray cluster, for example auto or ray://head:10001.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", help="Take about N documents, spread over the input files.", min=1)
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Discard finished work of other options, input or versions in the run directory, and do again what is "
        "damaged, by its checksum.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and what is done already; write nothing.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set an option: near_dedup.threshold=0.7, seed=1. Repeatable."),
]

FIELDS = ("text", "id", "url", "date", "language")
"""What the input may call by other names."""


def with_field_flags(function: Callable[..., None]) -> Callable[..., None]:
    """A command that has `--set`, with a flag for each of FIELDS, which stands for `--set read.NAME_field=VALUE`."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = [p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()]
    for name in FIELDS:
        text = f"What the {name} is called in the input; data.{name} for a field {name} within a field data."
        hint = Annotated[str | None, typer.Option(f"--{name}-field", help=text, metavar="NAME")]
        parameters.append(
            inspect.Parameter(f"{name}_field", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        )

    @functools.wraps(function)
    def command(**given: Any) -> None:
        named = {name: given.pop(f"{name}_field", None) for name in FIELDS}
        # quoted, for the value of --set is YAML
        flags = [f"read.{name}_field={json.dumps(value)}" for name, value in named.items() if value is not None]
        function(**{**given, "set": [*(given.get("set") or []), *flags]})

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # that `inspect` heeds
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def fail(code: int, sentence: str) -> NoReturn:
    """End with this status, and a sentence that says why."""
    print(f"winnow: {sentence}", file=sys.stderr)
    raise typer.Exit(code)
