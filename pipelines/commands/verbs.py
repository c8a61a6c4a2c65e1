"""Verbs that are recipes of a step or two, with the options of these steps."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipelines.commands.running import execute
from pipelines.commands.shared import (
    EXIT_USAGE,
    Address,
    DryRun,
    Limit,
    Overrides,
    Replace,
    Workers,
    app,
    dedup_app,
    fail,
    with_field_flags,
)

VERBS = {
    ("dedup", "exact"): (("exact_dedup",), "Keep the first of documents with equal text, or the one named."),
    ("dedup", "near"): (("near_dedup",), "Keep one of near-duplicates (MinHash, verified by exact Jaccard)."),
    ("dedup", "overlap"): (
        ("near_overlap",),
        "Say how much of a corpus has near-duplicates in another one, or in an index; nothing is dropped.",
    ),
    ("dedup", "substring"): (("substring_dedup",), "Cut repeated passages of which a copy is kept."),
    ("dedup", "lines"): (("line_dedup",), "Cut repeated lines, paragraphs or sentences: as C4, as CCNet, or as told."),
    ("dedup", "urls"): (("url_dedup",), "Keep the newest page of a URL, or the one named."),
    ("decontaminate",): (("decontaminate",), "Take evaluation items out of documents; say which items are in them."),
    ("train-tokenizer",): (("train_tokenizer",), "Train a tokenizer on documents."),
    ("tokenize",): (("tokenize",), "Encode documents into shuffled Megatron shards."),
    ("pack",): (("tokenize", "pack"), "Encode documents and plan best-fit packing."),
}
"""Command: (steps of its recipe, help)."""
BETWEEN: dict[tuple[str, ...], str] = {("dedup", "overlap"): "against"}
"""Options that stand between INPUT and OUTPUT."""


def add(arguments: list[str]) -> list[str]:
    """Add every verb; only the one that is called gets its options, for they need its step's class. The arguments, in
    which `--update` is `--update=true` where that is an option that is on or off."""
    given = arguments
    for words, (steps, text) in VERBS.items():
        called = tuple(arguments[: len(words)]) == words
        function = _verb(words, steps) if called else _placeholder
        given = _with_values(arguments, steps) if called else given
        (dedup_app if words[0] == "dedup" else app).command(words[-1], help=_verb_help(words, text))(function)
    if "--help" in arguments[1:] and arguments[0] in ("run", "filter", *(words[0] for words in VERBS)):
        for command in (*app.registered_commands, *dedup_app.registered_commands):  # one of which is shown
            command.epilog = _help_on_reading()
    return given


def _with_values(arguments: list[str], steps: tuple[str, ...]) -> list[str]:
    """Arguments in which each option of these steps that is on or off has a value."""
    from corpus import options as described
    from pipelines.steps import STEPS

    named = [option.name for name in steps for option in described.describe(STEPS[name]) if option.type == "bool"]
    flags = {"--" + name.replace("_", "-") for name in named}
    behind = [*arguments[1:], ""]
    return [
        f"{word}=true" if word in flags and after not in ("true", "false") else word
        for word, after in zip(arguments, behind)
    ]


def _help_on_reading() -> str:
    """The options of reading, which have no flags of their own."""
    from corpus import options as described
    from corpus.reading import formats
    from corpus.reading.read_options import ReadOptions

    lines = [f"Files are read by their suffixes ({formats.suffixes()}). How, can be said by --set read.NAME=VALUE:"]
    for option in described.describe(ReadOptions):
        lines.append(f"read.{option.name}={option.values()}: {option.help} Default: {option.default}.")
    return "\n\n".join(lines)


def _placeholder() -> None:
    """Stands for a verb that was not called."""


def _verb_help(words: tuple[str, ...], text: str) -> str:
    example = {
        "decontaminate": " --against 'eval/*.jsonl'",
        "tokenize": " --tokenizer run/tokenizer",
        "pack": " --tokenizer run/tokenizer",
    }
    between = " 'others/*.jsonl'" if words in BETWEEN else ""
    return f"{text}\n\nExample: winnow {' '.join(words)} docs.jsonl.zst{between} OUT{example.get(words[-1], '')}"


def _verb(words: tuple[str, ...], steps: tuple[str, ...]) -> Callable[..., None]:
    """A command function whose options are the fields of the steps' classes."""
    from corpus import options as described
    from pipelines import recipe as recipes
    from pipelines.steps import STEPS

    fields = {option.name: (name, option) for name in steps for option in described.describe(STEPS[name])}

    between = BETWEEN.get(words)

    def command(**given: Any) -> None:
        import yaml

        if between:
            given[between] = [json.dumps(given[between])]
        said = {setting.partition("=")[0].rpartition(".")[2] for setting in given["set"] or []}
        for key, (_, option) in fields.items():
            if option.default is None and not given.get(key) and key not in said:
                flag, what = key.replace("_", "-"), described.shortly(option.help)
                fail(EXIT_USAGE, f"winnow {' '.join(words)} needs --{flag} {option.values()}: {what}")
        options: dict[str, dict[str, Any]] = {name: {} for name in steps}
        for key, (name, option) in fields.items():
            if given.get(key):
                values = [yaml.safe_load(text) for text in given[key]]
                options[name][key] = values if option.many else values[-1]
        document = {"name": " ".join(words), "input": [given["input"]], "steps": [{n: options[n]} for n in steps]}
        try:
            for setting in given["set"] or []:
                recipes.override(document, setting)
            recipe = recipes.parse(document)
        except recipes.RecipeError as error:
            fail(EXIT_USAGE, str(error))
        execute(
            recipe,
            given["output"],
            given["workers"],
            given["address"],
            given["limit"],
            given["dry_run"],
            given["replace"],
        )

    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(
            "input", positional, annotation=Annotated[str, typer.Argument(help="Path, folder, glob or URI.")]
        ),
        *(
            inspect.Parameter(key, positional, annotation=Annotated[str, typer.Argument(help=option.help)])
            for key, (_, option) in fields.items()
            if key == between
        ),
        inspect.Parameter("output", positional, annotation=Annotated[str, typer.Argument(help="Run directory.")]),
    ]
    for key, (_, option) in fields.items():
        if key == between:
            continue
        text = f"{option.help} {'Must be given.' if option.default is None else f'Default: {option.default}.'}"
        flag = typer.Option("--" + key.replace("_", "-"), help=text, metavar=option.values())
        parameters.append(
            inspect.Parameter(key, positional, default=None, annotation=Annotated[list[str] | None, flag])
        )
    for key, annotation, default in (
        ("set", Overrides, None),
        ("workers", Workers, None),
        ("address", Address, None),
        ("limit", Limit, None),
        ("dry_run", DryRun, False),
        ("replace", Replace, False),
    ):
        parameters.append(inspect.Parameter(key, positional, default=default, annotation=annotation))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # that `inspect` heeds
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_field_flags(command)
