"""The `winnow` command. A verb is a recipe of one step (or two): there is no second code path.

Its commands are in `pipelines.commands`.
"""

from __future__ import annotations

from pipelines import stopping

_handlers = stopping.exit_at_signals()  # first of all: what comes until `main` takes a tenth of a second or more

import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from pipelines.commands import looking, running, sets, study, tokens, verbs
from pipelines.commands.shared import EXIT_FAILED, EXIT_USAGE, app

COMMANDS = [module.__name__ for module in (running, looking, tokens, sets, study, verbs)]
"""Modules that give the app its commands, in the order in which `--help` lists these."""
app.registered_commands.sort(key=lambda command: COMMANDS.index(getattr(command.callback, "__module__", "")))

_ClickException: type[Exception] = next(k for k in typer.BadParameter.__mro__ if k.__name__ == "ClickException")
"""Which is click's, or that of a copy in typer."""


def main() -> None:
    """Entry point of the console command."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    with stopping.watched():
        sys.argv[1:] = verbs.add(sys.argv[1:])
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


stopping.restore(_handlers)

if __name__ == "__main__":
    main()
