"""What there is to use: recipes that come with Winnow, steps and their options."""

from __future__ import annotations

import inspect
import re
import textwrap

from corpus import options
from corpus.reading.read_options import ReadOptions
from corpus.step import Step
from pipelines import recipe as recipes
from pipelines.steps import GLOBAL_STEPS, STAGES, STEPS, TOKEN_STEPS

WIDTH = 100
KINDS = (
    ("Filters, which decide document by document:", STAGES),
    ("Global steps, which look at the whole corpus:", GLOBAL_STEPS),
    ("Token steps, which come last:", TOKEN_STEPS),
)


def list_recipes() -> str:
    """A line for each recipe that comes with Winnow: the first sentence of its comment."""
    lines = []
    for name in recipes.shipped():
        comment = "\n".join(line[1:] for line in show_recipe(name).splitlines() if line.startswith("#"))
        lines.append(_entry(name, _sentence(comment), 16))
    return "\n".join([*lines, "", "winnow recipes NAME shows one, winnow run NAME runs it."])


def show_recipe(name: str) -> str:
    """The text of a recipe that comes with Winnow. Raises RecipeError."""
    recipes.known([name], list(recipes.shipped()), "recipe", "Winnow")
    with open(recipes.shipped()[name], encoding="utf-8") as file:
        return file.read().rstrip()


def list_steps() -> str:
    """A line for each step, by kind."""
    parts = []
    for title, kinds in KINDS:
        lines = [_entry(kind.name, _sentence(_documentation(kind)), 18) for kind in kinds]
        parts.append("\n".join([title, *lines]))
    return "\n\n".join([*parts, "winnow steps NAME says what options one has."])


def show_step(name: str) -> str:
    """What a step does, and its options; `read` stands for those of reading. Raises RecipeError."""
    recipes.known([name], ["read", *STEPS], "step", "Winnow")
    kind: type = ReadOptions if name == "read" else STEPS[name]
    about = _documentation(kind)
    rules = f"\n\nRules: {', '.join(kind.rules)}" if issubclass(kind, Step) and kind.rules else ""
    lines = [f"{name}: {about}{rules}", "", "Options:"]
    for option in options.describe(kind):
        default = "must be given" if option.default is None else f"default {option.default}"
        lines.append(f"  {option.name} ({option.values()}; {default})")
        lines.append(textwrap.fill(option.help, WIDTH, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines)


def _documentation(kind: type) -> str:
    """The docstring of a class without its examples; that of the step it configures where it says no more than that."""
    found = inspect.getdoc(kind) or ""
    base = kind.__mro__[1]
    if " as a step of a recipe" in found and base.__doc__:
        found = inspect.getdoc(base) or ""
    return found.partition("\n>>>")[0].partition("\nOptions:")[0].rstrip()


def _sentence(text: str) -> str:
    """The first sentence."""
    return re.split(r"(?<!et al)\. ", " ".join(text.split()))[0].rstrip(".")


def _entry(name: str, text: str, width: int) -> str:
    indent = " " * (width + 2)
    return textwrap.fill(text, WIDTH, initial_indent=f"  {name:<{width}}", subsequent_indent=indent)
