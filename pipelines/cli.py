"""The `winnow` command. A verb is a recipe of one step (or two): there is no second code path.

Heavy modules are imported inside the commands, so that `winnow --help` answers at once.
"""

from __future__ import annotations

from pipelines import stopping

_handlers = stopping.exit_at_signals()  # first of all: what comes until `main` takes a tenth of a second or more

import contextlib
import functools
import inspect
import json
import os
import sys
import traceback
import typing
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from pipelines.recipe import Recipe
    from pipelines.run import Result

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
    help="Remove duplicates: exact, near, substring, lines, urls; overlap says how much two corpora share.",
)
app.add_typer(dedup_app, name="dedup", short_help="exact, near, substring, lines, urls, overlap.")

contamination_app = typer.Typer(no_args_is_help=True, help="Items of evaluation sets: keep them, score with them.")
app.add_typer(contamination_app, name="contamination")

EXIT_FAILED, EXIT_USAGE = 1, 2
_ClickException: type[Exception] = next(k for k in typer.BadParameter.__mro__ if k.__name__ == "ClickException")
"""Which is click's, or that of a copy in typer."""

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


def _with_field_flags(function: Callable[..., None]) -> Callable[..., None]:
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


def main() -> None:
    """Entry point of the console command."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    with stopping.watched():
        sys.argv[1:] = _add_verbs(sys.argv[1:])
        try:
            raise SystemExit(app(prog_name="winnow", standalone_mode=False) or 0)
        except _ClickException as error:
            _fail_usage(error)
        except typer.Abort:
            raise SystemExit(EXIT_FAILED) from None
        except OSError as error:  # what is printed cannot be written
            print(f"winnow: {error}", file=sys.stderr)
            raise SystemExit(EXIT_FAILED) from None


def _fail_usage(error: Any) -> NoReturn:
    """What the parser of options has to say, in one sentence."""
    said = error.format_message()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(said)
        raise SystemExit(EXIT_USAGE)
    command = context.command_path if context else "winnow"
    if (name := getattr(error, "option_name", None)) and context:
        from corpus import options as described

        flags = [each for each in dict.fromkeys(f for p in context.command.params for f in p.opts) if each[:2] == "--"]
        near = described.nearest(name.lstrip("-"), [flag[2:] for flag in flags])
        said = f"there is no option {name}{f'; did you mean --{near}?' if near else ''}"
    said = said.replace("Input should be", "it should be").partition(", unable to parse")[0]
    end = "" if said.endswith("?") else f"; see `{command} --help`"
    print(f"winnow: {said.rstrip('.')}{end}", file=sys.stderr)
    raise SystemExit(EXIT_USAGE)


@app.command(context_settings={"allow_extra_args": True})
@_with_field_flags
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
        _fail(
            EXIT_USAGE, "the archive of the quickstart is not there: `winnow quickstart` makes it, and runs this recipe"
        )
    if context.args:
        _fail(EXIT_USAGE, f"`winnow run` takes one recipe, and files by option: --input {context.args[0]} --output DIR")
    try:
        loaded = recipes.load(recipe, set or [], input or [], output)
    except recipes.RecipeError as error:
        _fail(EXIT_USAGE, str(error))
    if not loaded.output:
        _fail(EXIT_USAGE, "no output: give --output DIR, or `output:` in the recipe")
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
        _fail(EXIT_USAGE, f"--workers 0 is this process alone, and --address {address} a cluster: give one of the two")
    workers = (os.cpu_count() or 1) if workers is None else workers
    try:
        with contextlib.closing(MapProgress()) as progress:
            result = runs.run(recipe, output, workers, address, limit, dry_run, progress, replace)
    except (RecipeError, OutputError) as error:
        _fail(EXIT_USAGE, str(error))
    except NotADirectoryError:
        _fail(EXIT_USAGE, f"{output} cannot be a run directory: a part of its path is a file")
    except (Locked, DamagedFile, OSError) as error:
        _fail(EXIT_FAILED, str(error))
    except NotProven as error:
        _print_result(output, error.result)
        for problem in error.problems:
            print(f"winnow: this run is not proven: {problem}", file=sys.stderr)
        if any("quarantined" in problem for problem in error.problems):
            folder = paths.join(output, "quarantine")
            why = "; ".join(quarantine.reasons([source.path for source in paths.list_files(folder)]))
            print(f"winnow: in quarantine are {why}; more: winnow inspect {folder}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None
    except TaskFailed as error:
        print(error.trace, end="", file=sys.stderr)
        again = f"\nto run that task alone: winnow task {output} {error.name}" if error.trace else ""
        _fail(EXIT_FAILED, f"{error}{again}")
    if dry_run:
        _print_plan(recipe, output, result)
        return None
    _print_result(output, result)
    return result.report


def _print_result(output: str, result: Result) -> None:
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


def _print_plan(recipe: Recipe, output: str, result: Result) -> None:
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


def _fail(code: int, sentence: str) -> NoReturn:
    print(f"winnow: {sentence}", file=sys.stderr)
    raise typer.Exit(code)


# ------------------------------------------------------------------ verbs that are recipes

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


def _add_verbs(arguments: list[str]) -> list[str]:
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
                _fail(EXIT_USAGE, f"winnow {' '.join(words)} needs --{flag} {option.values()}: {what}")
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
            _fail(EXIT_USAGE, str(error))
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
    return _with_field_flags(command)


@app.command("filter")
@_with_field_flags
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
        _fail(EXIT_USAGE, "there is nothing to do: give --step NAME (`winnow steps` lists them), or --where EXPRESSION")
    steps = [*(step or []), *([{"where": {"expression": where}}] if where else [])]
    document = {"name": "filter", "input": [input], "steps": steps}
    try:
        for setting in set or []:
            recipes.override(document, setting)
        recipe = recipes.parse(document)
    except recipes.RecipeError as error:
        _fail(EXIT_USAGE, str(error))
    execute(recipe, output, workers, address, limit, dry_run, replace)


# ------------------------------------------------------------------ what there is


def _version(wanted: bool) -> None:
    if wanted:
        from corpus import __version__

        print(f"winnow {__version__}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Raw web text in, packed and sharded token streams out."""


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
        _fail(EXIT_USAGE, str(error))


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
        _fail(EXIT_USAGE, str(error))


# ------------------------------------------------------------------ looking at runs


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
        _fail(EXIT_USAGE, str(error))


@app.command()
def warm() -> None:
    """Compile all kernels ahead, when an image is built or a node is set up. What is compiled already is not again.

    Example: NUMBA_CACHE_DIR=/opt/kernels winnow warm
    """
    from corpus import kernel_cache
    from pipelines import warm as warming

    count, compiled = warming.warm(lambda line: print(line, file=sys.stderr, flush=True))
    print(f"{count} kernels are ready in {kernel_cache.home()}, {compiled} times one was compiled for it")


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
        _fail(EXIT_USAGE, str(error))
    except (Locked, OSError, ValueError) as error:
        _fail(EXIT_FAILED, str(error))
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
        _fail(EXIT_USAGE, str(error))
    except OSError as error:
        _fail(EXIT_FAILED, str(error))
    for problem in problems:
        print(f"winnow: {problem}", file=sys.stderr)
    if problems:
        print(f"{output}: {inspection.REPAIR}")
    if missing:
        print(f"{output}: {missing}")
    if problems:
        raise typer.Exit(EXIT_FAILED)
    print(f"{output}: every published file and count is as it should be")


@app.command()
def audit(
    tokens: Annotated[str, typer.Argument(help="Folder of tokens, such as OUT/tokens.")],
    accounts: Annotated[list[str], typer.Argument(help="Accounts of the ranks (TokenStream.account()), JSON files.")],
    document: Annotated[
        int | None, typer.Option("--document", help="Also say which step and rank saw document N, counted from 0.")
    ] = None,
) -> None:
    """Add up what the ranks of a training run say that they were handed, and compare it with what there is. Prints a
    line an epoch, and a line a problem.

    Example: winnow audit OUT/tokens 'accounts/rank-*.json'
    """
    from corpus.io import paths
    from corpus.loader import audit as audits

    try:
        read = [audits.load(source.path) for given in accounts for source in paths.expand(given)]
        found, problems = audits.audit(tokens, read)
        seen = audits.sightings(tokens, read, document) if document is not None else []
    except (OSError, ValueError, KeyError, IndexError) as error:
        _fail(EXIT_USAGE, f"no account, or not of these tokens: {error}" if isinstance(error, KeyError) else str(error))
    for line in found:
        print(line)
    for each in seen:
        print(
            f"document {document}: epoch {each['epoch']}, step {each['step']}, rank {each['rank']} of "
            f"{each['world_size']} (sample {each['sample']})"
        )
    if document is not None and not seen:
        print(f"document {document}: no rank has seen it")
    for problem in problems:
        print(f"winnow: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(EXIT_FAILED)


@app.command("export-tokens")
def export_tokens(
    output: Annotated[str, typer.Argument(metavar="OUT", help="Run directory, or a folder of tokens.")],
    format: Annotated[
        str, typer.Option("--format", help="datatrove, olmo, nanogpt, llmc, mds or arrow.", show_default=False)
    ],
    to: Annotated[str | None, typer.Option("--output", help="Folder to write. Default: OUT/exports/FORMAT.")] = None,
    sequence_length: Annotated[
        int | None,
        typer.Option("--sequence-length", help="mds, arrow: samples of so many tokens. Default: documents."),
    ] = None,  # fmt: skip
    validation: Annotated[
        float | None,
        typer.Option("--validation", help="nanogpt, llmc: the share of documents to validate on. Default: 0.0005."),
    ] = None,  # fmt: skip
) -> None:
    """Write a run's tokens as files that others read: datatrove and nanotron, OLMo-core, nanoGPT, llm.c, MosaicML's
    streaming, Hugging Face's datasets. What agrees byte for byte is a hard link.

    Example: winnow export-tokens OUT --format olmo

    Example: winnow export-tokens OUT --format mds --sequence-length 2048
    """
    from corpus.tokens.exports import export

    try:
        done = export.export_tokens(output, format, to, sequence_length=sequence_length, validation=validation)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        _fail(EXIT_USAGE, str(error))
    except OSError as error:
        _fail(EXIT_FAILED, str(error))
    for line in export.show(done):
        print(line)


@app.command("plan-tokens")
def plan_tokens(
    parameters: Annotated[
        float, typer.Option("--parameters", help="Of the model, without embeddings: 7e9.", show_default=False)
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE[=SHARE]...",
            help="What there is to train on: runs, folders of tokens, or numbers of tokens, with their shares.",
        ),
    ] = None,  # fmt: skip
    tokens: Annotated[
        float | None, typer.Option("--tokens", help="Tokens to train on. Default: Chinchilla's 20 a parameter.")
    ] = None,
    batch_tokens: Annotated[float | None, typer.Option("--batch-tokens", help="Tokens of a step.")] = None,
    device: Annotated[str, typer.Option("--device", help="h100, h200, b200, a100 or v100.")] = "h100",
    utilization: Annotated[float, typer.Option("--utilization", help="Share of its speed that is used.")] = 0.4,
) -> None:
    """Say how many tokens a model wants by the scaling laws, in how many steps and hours of a GPU, and how often the
    sources are read for it. Every constant is shown with its source.

    Example: winnow plan-tokens --parameters 7e9 web=0.8 books=0.2

    Example: winnow plan-tokens --parameters 1e9 2.5e10
    """
    from pipelines.planning import plan

    try:
        request = plan.Request(parameters, batch_tokens, tokens, device, utilization)
        for line in plan.lines(request, plan.sources(sources or [])):
            print(line)
    except (ValueError, FileNotFoundError) as error:
        _fail(EXIT_USAGE, str(error))


@app.command("inspect")
@_with_field_flags
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
        _fail(EXIT_USAGE, str(error))


@app.command()
@_with_field_flags
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
            _fail(EXIT_USAGE, f"{where} is neither a run directory nor a recipe; {recipes.nearest(where)}")
        try:
            found = inspection.explain(where, document, most)
        except (OutputError, lookup.NotText) as error:
            _fail(EXIT_USAGE, str(error))
        except (paths.DamagedFile, OSError) as error:
            _fail(EXIT_FAILED, str(error))
        if not found:
            _fail(EXIT_FAILED, f"{where} has no document with id or URL {document!r}")
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
        _fail(EXIT_USAGE, f"no such file: {document}; with --input FILES it can be the id or URL of a document in them")
    except (recipes.RecipeError, OSError, UnicodeDecodeError, lookup.NotText) as error:
        _fail(EXIT_USAGE, str(error))
    if batch is None:
        _fail(EXIT_FAILED, f"the input has no document with id or URL {document!r}")
    with custom.modules_in(loaded.folder):
        lines = trace.trace(loaded, batch, most)
    _print_styled(lines)


def _print_styled(lines: Iterable[Text]) -> None:
    """Lines of rich text; plain where standard output is no terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)


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
        _fail(EXIT_USAGE, str(error))
    except (KeyError, NothingRuns) as error:
        _fail(EXIT_USAGE, str(error.args[0]))
    except Exception:
        traceback.print_exc()
        if pdb:
            import pdb as debugger

            debugger.post_mortem()
        raise typer.Exit(EXIT_FAILED) from None
    print(json.dumps(counters))


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
        _fail(EXIT_USAGE, str(error))
    except (Locked, paths.DamagedFile, OSError) as error:
        _fail(EXIT_FAILED, str(error))


@app.command("resize-tokenizer")
def resize_tokenizer_(
    tokenizer: Annotated[str, typer.Argument(help="A tokenizer of a run, or one that was made elsewhere.")],
    output: Annotated[str, typer.Argument(help="Local folder of the new one; it is empty or missing.")],
    used_in: Annotated[
        list[str] | None, typer.Option("--used-in", help="Documents: the tokens that they have stay. Repeatable.")
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", min=1, help="Ids at most: of the tokens used the most frequent stay.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", help="A new token, found before text is divided. Repeatable.")
    ] = None,
    add_special: Annotated[
        list[str] | None, typer.Option("--add-special", help="A new special token. Repeatable.")
    ] = None,
) -> None:
    """Make a tokenizer of fewer tokens, or more; OUTPUT/old_to_new.npy says the new id of each old one, -1 for none.

    Example: winnow resize-tokenizer llama/ smaller/ --used-in 'docs/*.jsonl' --vocab-size 16000

    Example: winnow resize-tokenizer gpt2/ chat/ --add-special '<|im_start|>' --add-special '<|im_end|>'
    """
    from corpus.encoding.encoder import load_encoder
    from corpus.encoding.resize import TABLE, resize_tokenizer, used_ids
    from corpus.reading.readers import read_files

    if vocab_size is not None and not used_in:
        _fail(EXIT_USAGE, "--vocab-size keeps the most frequent tokens of documents: give --used-in")
    try:
        damaged = 0

        def documents() -> Iterable[Any]:
            nonlocal damaged
            for reading in read_files(used_in or []):
                damaged += len(reading.quarantined)
                yield reading.documents

        keep = used_ids(load_encoder(tokenizer), documents()) if used_in else None
        if damaged:
            print(f"{damaged:,} records of --used-in are damaged; they are left out", file=sys.stderr)
        made, table = resize_tokenizer(tokenizer, output, keep, vocab_size, add or (), add_special or ())
    except (ValueError, FileNotFoundError) as error:
        _fail(EXIT_USAGE, str(error))
    gone = int((table < 0).sum())
    print(
        f"{made.vocab_size:,} ids: {len(table) - gone:,} of {len(table):,} stay, {gone:,} are gone, "
        f"{made.vocab_size - len(table) + gone:,} are new; {output}/{TABLE} says which"
    )


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
        _fail(EXIT_USAGE, str(error))
    except OSError as error:
        _fail(EXIT_FAILED, str(error))
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
        _fail(EXIT_USAGE, str(error))
    except OSError as error:
        _fail(EXIT_FAILED, str(error))
    print(*scores.lines(found), sep="\n")


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
        _fail(EXIT_USAGE, str(error))
    except (Locked, OSError) as error:
        _fail(EXIT_FAILED, str(error))
    print(
        f"deleted {removed} files in {paths.join(output, 'work')}"
        + (f"; left alone {left} that no task has made" if left else "")
    )


stopping.restore(_handlers)

if __name__ == "__main__":
    main()
