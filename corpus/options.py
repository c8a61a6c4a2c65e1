"""Options: fields of frozen dataclasses that say in one line what they mean, and are validated when one is built.

An option is declared once, as a field:

    threshold: float = option(0.8, "Jaccard similarity from which documents are near-duplicates.", gt=0, le=1)

Its type, default, bounds and line are all there is: `validate` holds values to them, in Python as in a recipe and on
the command line; the class's docstring, `--help` and the list of steps are made of them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, cast

T = TypeVar("T")

RENAMED = {
    "html_max_bytes": "max_record_bytes",
    "document_max_bytes": "max_record_bytes",
    "main_content": "extract",
    "min_bytes": "min_length",
}
"""Options by the names that they had before."""
ALIKE, BEGUN, LEAST_PART = 60, 20, 3
"""From how much likeness, of 100, a name may be meant by another, how much more it counts to begin with that, and from
how many characters a part of a name may mean it."""
KINDS = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "tuple": "a list",
    "list": "a list", "dict": "a map",
}  # fmt: skip
"""What values are, by how pydantic's types of error begin."""


class OptionError(ValueError):
    """An option that is unknown, or has a value that it cannot have; the message is one sentence.

    >>> import corpus
    >>> corpus.FineWeb(mode="dorp")
    Traceback (most recent call last):
        ...
    corpus.options.OptionError: unknown value 'dorp' in option 'mode' of step 'fineweb'; did you mean 'drop'?
    """


class Option(NamedTuple):
    """An option as people see it. `choices`: the strings that it may be, none where any may; `default`: as JSON, None
    where it must be given; `many`: whether it takes several values."""

    name: str
    type: str
    default: str | None
    help: str
    choices: tuple[str, ...]
    many: bool

    def values(self) -> str:
        """What it may be, in a word: its choices, or the kind of value."""
        if self.choices:
            return "|".join(self.choices)
        kinds = (("bool", "true|false"), ("int", "INTEGER"), ("float", "NUMBER"), ("dict", "MAP"))
        return next((word for kind, word in kinds if kind in self.type), "TEXT")


def option(default: Any = dataclasses.MISSING, help: str = "", **bounds: Any) -> Any:
    """A field of a dataclass that is an option, or one that must be given where there is no default. `help`: what it
    means, in one line. `bounds`: ge, gt, le, lt, min_length, as pydantic names them.

    >>> import corpus, dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Sample(corpus.Step):
    ...     name = "sample"
    ...     share: float = corpus.option(1.0, "Share of the documents that stay.", ge=0, le=1)
    >>> Sample(share=2)
    Traceback (most recent call last):
        ...
    corpus.options.OptionError: option 'share' of step 'sample' should be less than or equal to 1 (given 2)
    """
    metadata = {"help": help, "bounds": bounds}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def build(kind: type[T], given: Mapping[str, Any], where: str) -> T:
    """An instance of a dataclass of options. Raises OptionError for one that is unknown, missing or cannot be."""
    completed = getattr(kind, "completed", None)  # what one option says of others that are not given
    given = completed(given) if completed else given
    fields = [field for field in dataclasses.fields(cast(Any, kind)) if field.init]
    check_known(given, [field.name for field in fields], "option", where)
    none = dataclasses.MISSING
    for field in fields:
        if field.name not in given and field.default is none and field.default_factory is none:
            raise OptionError(
                f"{where} needs the option {field.name!r}: {shortly(field.metadata.get('help', ''))}".rstrip(": ")
            )
    return kind(**given)


def shortly(help: str) -> str:
    """The first sentence of what an option means."""
    return help.partition(". ")[0].rstrip(".")


def document(kind: type) -> None:
    """Append the options of a class to its docstring: those that it has, and those that its body declares."""
    declared = {name: field for name, field in kind.__dict__.items() if isinstance(field, dataclasses.Field)}
    lines = []
    for name, field in {**getattr(kind, "__dataclass_fields__", {}), **declared}.items():
        if field.metadata.get("help"):
            lines.append(f"    {name}: {field.metadata['help']}")
    if lines:
        kind.__doc__ = "\n".join([(kind.__doc__ or "").rstrip(), "", "    Options:", "", *lines])


def validate(instance: Any, where: str, names: Collection[str] | None = None) -> None:
    """Replace the options of a dataclass (or those `names`) by what their types make of them: a list becomes a tuple,
    an integer a float. Raises OptionError."""
    kind: type = type(instance)
    for name, (adapter, allowed, many) in _adapters(kind, None if names is None else tuple(names)).items():
        value = getattr(instance, name)
        if many and isinstance(value, str):  # one of what may be several
            value = (value,)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if allowed and isinstance(item, str):
                check_known([item], allowed, "value", f"option {name!r} of {where}")
        object.__setattr__(instance, name, _valid(adapter, value, f"option {name!r} of {where}"))


def _valid(adapter: Any, value: Any, where: str) -> Any:
    import pydantic

    try:
        return adapter.validate_python(value)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        kind, _, wrong = first["type"].rpartition("_")
        if wrong in ("type", "parsing") and kind in KINDS:
            raise OptionError(f"{where} is {KINDS[kind]}, not {first['input']!r}") from None
        if first["type"] == "int_from_float":
            raise OptionError(f"{where} is {KINDS['int']}, not {first['input']!r}") from None
        problem = first["msg"]
        joined = " " + problem.removeprefix("Input ") if problem.startswith("Input ") else f": {problem}"
        raise OptionError(f"{where}{joined} (given {value!r})") from None


@functools.cache
def _adapters(kind: type, names: tuple[str, ...] | None) -> dict[str, tuple[Any, tuple[str, ...], bool]]:
    """For each option (of `names`) what validates it, the strings it may be, whether it takes several values."""
    import pydantic  # at the first construction of anything: it takes a tenth of a second

    hints, found = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        if names is not None and field.name not in names:
            continue
        hint, bounds = hints[field.name], field.metadata.get("bounds")
        limited: Any = typing.Annotated[hint, pydantic.Field(**bounds)] if bounds else hint
        found[field.name] = pydantic.TypeAdapter(limited), choices(hint), typing.get_origin(hint) is tuple
    return found


def choices(hint: Any) -> tuple[str, ...]:
    """The strings that a Literal allows, or a tuple or union of one."""
    if typing.get_origin(hint) is Literal:
        return tuple(choice for choice in typing.get_args(hint) if isinstance(choice, str))
    return tuple(choice for part in typing.get_args(hint) for choice in choices(part))


def check_known(given: Iterable[str], names: Collection[str], what: str, where: str) -> None:
    """Raise OptionError for the first name in `given` that is not in `names`; it says the nearest that is."""
    for name in given:
        if name in names:
            continue
        if RENAMED.get(name) in names:
            raise OptionError(f"{what} {name!r} in {where} is {RENAMED[name]!r} now")
        raise OptionError(f"unknown {what} {name!r} in {where}; {_hint(str(name), names)}")


def _hint(name: str, names: Collection[str]) -> str:
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"valid: {', '.join(names)}"


def nearest(name: str, names: Collection[str]) -> str | None:
    """The name that is most likely meant by one that is none: a character from it, alike, or one a part of the other;
    None where there is no such one.

    >>> from corpus import options
    >>> names = ("min_words", "threshold", "c4")
    >>> [options.nearest(name, names) for name in ("treshold", "c5", "words", "language")]
    ['threshold', 'c4', 'min_words', None]
    """
    import rapidfuzz

    found, meant = [], name.lower()
    for each in names:
        like = rapidfuzz.fuzz.ratio(meant, each.lower()) + BEGUN * each.lower().startswith(meant)
        part = min(len(meant), len(each)) >= LEAST_PART and (meant in each.lower() or each.lower() in meant)
        if like >= ALIKE or part or rapidfuzz.distance.OSA.distance(meant, each.lower()) <= 1:
            found.append((like, each))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def describe(kind: type) -> Iterator[Option]:
    """The options of a class, in their order."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        missing = dataclasses.MISSING
        value = field.default if field.default_factory is missing else field.default_factory()
        default = None if value is missing else json.dumps(value, ensure_ascii=False)
        many = typing.get_origin(hints[field.name]) is tuple
        yield Option(
            field.name, str(field.type), default, field.metadata.get("help", ""), choices(hints[field.name]), many
        )
