"""Recipes: YAML <-> typed steps. Everything is checked when a recipe is loaded, before any work:
an unknown step, rule or option is a RecipeError that names the nearest valid one."""

from __future__ import annotations

import collections
import dataclasses
import importlib
import os
import re
from collections.abc import Sequence
from typing import Any

import yaml

from corpus import options
from corpus.io import paths
from corpus.options import option
from corpus.reading.readers import ReadOptions
from corpus.step import Filter, Step
from corpus.tokens import sentence_packing
from pipelines.context import GlobalStep, TokenStep
from pipelines.engine.engine import LIMITS
from pipelines.steps import STEPS, TOKEN_STEPS
from pipelines.steps.pack import Pack
from pipelines.steps.tokenize import Tokenize


class RecipeError(ValueError):
    """A recipe that cannot run; the message is one sentence for its author.

    >>> import corpus, pipelines
    >>> pipelines.Recipe(steps=[pipelines.Pack(sequence_length=2048)])
    Traceback (most recent call last):
        ...
    pipelines.recipe.RecipeError: step 'pack' needs a step 'tokenize' before it
    """


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A run as configured. `steps` are configured step objects in order, `name` tells runs of
    different recipes apart, `max_quarantined` is the share of input records that may be
    quarantined before the run counts as failed, `task_bytes` is how much one task reads or
    writes: large plain files are split to it, small files share a task until a quarter of it,
    and a shard holds about that much text. `partition_by` names a column: the documents of each of its values
    go to a folder of their own, `documents/language=de/`, as Hive, Spark and Arrow read them.
    `working_bytes` is what a task behind the first pass holds at a time: small shards share a task up to so much text,
    and a partition of what tasks exchange has about as much at most; a task's memory is some multiple of it.
    `task_seconds` and `task_memory` (bytes) are what one attempt at a task may take in a worker; a record over which
    tasks are ended again and again is quarantined. They are figures of the machine: changing them redoes nothing.
    Without `keep_work` the files of a step in work/ are deleted as soon as no later step reads them; a run of the same
    recipe still finds everything done, one that needs them does them again. With `jsonl` the documents are there as
    JSON lines, too, for tools that read those.
    `stream` says how the tokens are to be read: options of TokenStream and its objective, and `global_batch`, the rows
    of a step; `corpus.open_stream(OUT)` reads them so.
    `folder` is where the recipe lies: filters of the user's own are looked for there. `left_out`: steps that are not
    done, and why: those whose list nobody has given.

    >>> import corpus, pipelines
    >>> steps = [corpus.Length(min_words=50), corpus.C4(), pipelines.NearDedup(threshold=0.8)]
    >>> recipe = pipelines.Recipe(input="docs/*.jsonl.zst", steps=steps, task_bytes=256 << 20)
    >>> [step.name for step in recipe.steps], recipe.max_quarantined
    (['length', 'c4', 'near_dedup'], 0.5)
    """

    name: str = "recipe"
    input: tuple[str, ...] = ()
    read: ReadOptions = ReadOptions()
    steps: tuple[Step, ...] = ()
    seed: int = 0
    max_quarantined: float = option(
        0.5, "Share of the input's records, or of its bytes, that may be quarantined.", ge=0, le=1
    )
    task_bytes: int = option(64 << 20, "Bytes of text that a task reads or writes, about.", ge=1)
    working_bytes: int = option(64 << 20, "Bytes that a task of a global step holds at a time, about.", ge=1)
    keep_work: bool = option(
        True, "Keep everything in work/; if not, what no later step reads is deleted while the run goes on."
    )
    jsonl: bool = option(False, "Write the documents as JSON lines, too: OUT/jsonl/00000.jsonl.zst, ...")
    output: str | None = None
    partition_by: str | None = None
    task_seconds: float = option(LIMITS.seconds, "Seconds that an attempt at a task may take in a worker.", gt=0)
    task_memory: int = option(LIMITS.memory, "Bytes of memory that it may take there.", gt=0)
    stream: dict[str, Any] | None = None
    folder: str = dataclasses.field(default="", compare=False)
    left_out: tuple[tuple[str, str], ...] = dataclasses.field(default=(), compare=False)

    @property
    def read_bytes(self) -> int:
        """Bytes of the input that a task reads at most, about: `task_bytes`, unless a task costs more than that."""
        return max(self.task_bytes, min(self.working_bytes, LEAST_READ))

    def __post_init__(self) -> None:
        steps = (self.steps,) if isinstance(self.steps, (Step, str)) else self.steps
        steps = tuple(steps or ())
        left_out = [(step.name, why) for step in steps if isinstance(step, Step) and (why := step.left_out())]
        done = tuple(step for step in steps if not isinstance(step, Step) or not step.left_out())
        if left_out and not done:
            raise RecipeError(f"there is nothing to do: step {left_out[0][0]!r}: {left_out[0][1]}")
        object.__setattr__(self, "steps", done)
        object.__setattr__(self, "left_out", (*self.left_out, *left_out))
        if not isinstance(self.read, ReadOptions):
            raise RecipeError(f"`read` is ReadOptions(...), not {self.read!r}")
        object.__setattr__(self, "folder", self.folder or os.getcwd())
        try:
            options.validate(self, "the recipe", [name for name in _TOP if name not in ("read", "steps", "stream")])
        except options.OptionError as error:
            raise RecipeError(str(error)) from None
        _check_steps(self.steps)
        if self.stream is not None:
            _check_stream(self.stream, self.steps)


_TOP = (
    *("name", "input", "read", "steps", "output", "seed", "max_quarantined"),
    *("task_bytes", "working_bytes", "keep_work", "jsonl", "partition_by", "task_seconds", "task_memory", "stream"),
)
LEAST_READ = 4 << 20
"""Bytes of plain input: a task takes a few milliseconds for itself."""
MOST_NODES = 10_000
"""Values in a recipe, those that aliases repeat counted each time: a few aliases can stand for billions."""
MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = ("read", "documents", "tokenizer", "tokens")
"""What other parts of a run are called."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load(
    path: str, overrides: Sequence[str] = (), input: Sequence[str] = (), output: str | None = None, own: bool = False
) -> Recipe:
    """The recipe in a YAML file, or a shipped one by its name (c4, fineweb, ...), with `--set path=value` overrides
    applied. `${NAME}` and `${NAME:-default}` stand for environment variables. `own`: import the step classes of one's
    own that a run of step objects has written down, as module:Class. Raises RecipeError.

    >>> import pathlib, pipelines
    >>> _ = pathlib.Path("mine.yaml").write_text("steps: [{length: {min_words: 50}}, exact_dedup]")
    >>> recipe = pipelines.load_recipe("mine.yaml", overrides=["length.min_words=20"], input=["docs/*.jsonl"])
    >>> recipe.name, recipe.steps[0].min_words
    ('mine', 20)
    """
    path = shipped().get(path, path)
    try:
        document = read_yaml(_text_of(path))
    except FileNotFoundError:
        raise RecipeError(f"no such recipe: {path}; {nearest(path)}") from None
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if not path.endswith((".yaml", ".yml")):
            raise RecipeError(f"{path} is not a recipe, which are YAML; input is named by --input") from None
        raise RecipeError(f"{path} is not YAML: {_problem(error)}") from None
    if not isinstance(document, dict):
        raise RecipeError(f"{path} is not a recipe: expected a map with `input` and `steps`")
    document.setdefault("name", os.path.splitext(paths.basename(path))[0])
    for each in overrides:
        override(document, each)
    if input:
        document["input"] = list(input)
    if output:
        document["output"] = output
    return parse(document, os.path.dirname(os.path.abspath(path)) if paths.is_local(path) else os.getcwd(), own)


def _problem(error: Exception) -> str:
    """What a parser of YAML found, and where."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def shipped() -> dict[str, str]:
    """Recipes that come with Winnow: the path of each by its name."""
    folder = os.path.join(os.path.dirname(__file__), "recipes")
    return {name.removesuffix(".yaml"): os.path.join(folder, name) for name in sorted(os.listdir(folder))}


def nearest(path: str) -> str:
    """What to say of a recipe that is not there."""
    near = options.nearest(path, list(shipped()))
    return f"did you mean {near!r}?" if near else f"valid: {', '.join(shipped())}"


def _text_of(path: str) -> str:
    """What is in a file, or the beginning of what is too much for a recipe."""
    if not paths.is_local(path):
        return paths.read_bytes(path).decode()
    with open(path, encoding="utf-8") as file:
        return file.read(MOST_BYTES + 1)


def read_yaml(text: str) -> Any:
    """The value of a YAML document. Raises yaml.YAMLError, ValueError or RecursionError for one that is none, is
    endless, or swells beyond what a recipe needs."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} characters")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = MOST_NODES  # within itself
            parts = node.value if isinstance(node, yaml.CollectionNode) else []
            flat = [each for pair in parts for each in (pair if isinstance(pair, tuple) else (pair,))]
            sizes[id(node)] = min(1 + sum(map(size, flat)), MOST_NODES)
        return sizes[id(node)]

    if node is not None:
        _check_keys(node)
    if node is not None and size(node) >= MOST_NODES:
        raise ValueError(f"its aliases stand for more than {MOST_NODES} values")
    return yaml.safe_load(text)


def _check_keys(node: yaml.Node) -> None:
    """Raises ValueError for a map that has a key twice: of the two PyYAML takes the last without a word."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                (twice, _), *_ = collections.Counter(keys).most_common(1)
                raise ValueError(f"line {node.start_mark.line + 1}: {twice!r} stands twice in a map")
            waiting += [each for pair in node.value for each in pair]
        else:
            waiting += node.value


def parse(document: dict[str, Any], folder: str = "", own: bool = False) -> Recipe:
    """A recipe from its YAML document, which lies in `folder`; `own` as for `load`. Raises RecipeError."""
    document = _expand(document)
    known(document, _TOP, "recipe key", "the recipe")
    entries = document.get("steps") or []
    if not isinstance(entries, list):
        raise RecipeError(f"`steps` is a list, not {entries!r}: write steps: [length, c4]")
    steps = tuple(_step(entry, number, own) for number, entry in enumerate(entries))
    inputs = document.get("input") or []
    fields = {key: document[key] for key in _TOP if key in document and key not in ("name", "input", "read", "steps")}
    read = _build(ReadOptions, document.get("read") or {}, "read")
    return _build(
        Recipe,
        {
            "name": document.get("name", "recipe"),
            "input": inputs,
            "read": read,
            "steps": steps,
            "folder": folder,
            **fields,
        },
        "the recipe",
    )


def dump(recipe: Recipe) -> str:
    """The recipe as YAML with every default spelled out; `parse(yaml.safe_load(...))` gives it back."""
    document = {key: _plain(getattr(recipe, key)) for key in _TOP if key not in ("steps", "output", "stream")}
    document["steps"] = [{_written(step): _plain(step)} for step in recipe.steps]
    if recipe.stream is not None:
        document["stream"] = recipe.stream
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def read_options(overrides: Sequence[str]) -> ReadOptions:
    """The options of reading alone, from `--set read.NAME=value`. Raises RecipeError."""
    document: dict[str, Any] = {}
    for each in overrides:
        override(document, each)
    known(document, ["read"], "recipe key", "--set")
    options: ReadOptions = _build(ReadOptions, document.get("read") or {}, "read")
    return options


def _written(step: Step) -> str:
    """What a step is called in YAML: by its name, or where its class is the user's own, by that."""
    kind = type(step)
    return step.name if STEPS.get(step.name) is kind else f"{kind.__module__}:{kind.__qualname__}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _expand(value: Any) -> Any:
    """Environment variables filled in, everywhere in a YAML document."""
    if isinstance(value, dict):
        return {key: _expand(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise RecipeError(f"the recipe needs the environment variable {match[1]}, which is not set")
        return found

    return _VARIABLE.sub(replace, value)


def known(given: Any, names: Any, what: str, where: str) -> None:
    """Raise RecipeError for the first name in `given` that is not in `names`; it says the nearest that is."""
    try:
        options.check_known(given, names, what, where)
    except options.OptionError as error:
        raise RecipeError(str(error)) from None


def _step(entry: Any, number: int, own: bool) -> Step:
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise RecipeError(f"step {number + 1} must be a name or a map with one name, not {entry!r}")
    ((name, options),) = entry.items()
    if ":" in str(name):
        return _build(_own_class(name, own), options or {}, f"step {name!r}")
    known([name], list(STEPS), "step", "the recipe")
    return _build(STEPS[name], options or {}, f"step {name!r}")


def _own_class(name: str, own: bool) -> type[Step]:
    """The class of a step of the user's own, as `dump` names it."""
    module, _, attribute = name.partition(":")
    if module in STEPS or " " in name:
        raise RecipeError(f"step {name!r}: its options are given apart: --set {module}.OPTION=VALUE")
    if not own:
        raise RecipeError(f"step {name!r} is a class in Python: run the recipe from there, with pipelines.run_recipe")
    try:
        found: type[Step] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"step {name!r}: {error}") from None
    return found


def _build(kind: type, given: Any, where: str) -> Any:
    """An instance of the dataclass `kind` with these options."""
    if not isinstance(given, dict):
        raise RecipeError(f"{where} takes a map of options, not {given!r}")
    try:
        return options.build(kind, given, where)
    except options.OptionError as error:
        raise RecipeError(str(error)) from None


def _check_own(step: Step) -> None:
    """A step of the user's own can be told from others in work/ and in the report, and its code can be found."""
    kind, name = type(step), getattr(step, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
        raise RecipeError(f"{kind.__name__}: the name of a step is of small letters, digits and _, not {name!r}")
    if name in STEPS and kind is not STEPS[name]:
        raise RecipeError(f"{kind.__name__}: step {name!r} is {STEPS[name].__name__}; give yours another name")
    if not dataclasses.is_dataclass(kind):
        raise RecipeError(f"step {name!r}: {kind.__name__} is no dataclass; have @dataclass(frozen=True) above it")
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise RecipeError(
            f"step {name!r}: {kind.__name__} is defined where this runs; put it at the top of a module, a file .py: "
            "workers find it there, and a rerun sees when it changes"
        )


def _check_stream(stream: Any, steps: tuple[Step, ...]) -> None:
    """A section `stream` is one that a stream can have, of tokens and a packing plan that the recipe makes."""
    from corpus.loader import configured  # kernels, which few recipes need as they are read

    if not isinstance(stream, dict):
        raise RecipeError(f"`stream` takes a map of options, not {stream!r}")
    plans = {step.plan: step.method for step in steps if isinstance(step, Pack)}
    named = stream.get("packing")
    try:
        configured.check(stream, "" if named is None else plans.get(str(named)))
    except ValueError as error:
        raise RecipeError(f"`stream`: {error}") from None
    if not any(isinstance(step, Tokenize) for step in steps):
        raise RecipeError("`stream` needs a step 'tokenize'")
    if named is not None and str(named) not in plans:
        made = f"it makes {', '.join(plans)}" if plans else "it has no step 'pack'"
        raise RecipeError(f"`stream`: the recipe makes no packing plan {named!r}; {made}")


def _check_steps(steps: tuple[Step, ...]) -> None:
    """Steps are what the registry names or a filter of one's own. Token steps come last, in their order, once each; but
    for `pack`, which makes plans for as many lengths as are wanted."""
    if not steps:
        raise RecipeError("the recipe has no steps: write some, as in steps: [length, c4]; `winnow steps` lists them")
    for step in steps:
        if not isinstance(step, (Filter, GlobalStep, TokenStep)):
            raise RecipeError(f"a step is a step object, such as Length(), not {step!r}")
        _check_own(step)
    last = -1
    for step in steps:
        place = TOKEN_STEPS.index(type(step)) if type(step) in TOKEN_STEPS else -1
        if place >= 0 and place == last and step.name != "pack":
            raise RecipeError(f"step {step.name!r} can be there once only")
        if place < last:
            raise RecipeError(f"step {step.name!r} cannot come after {TOKEN_STEPS[last].name!r}")
        last = max(last, place)
    names = [step.name for step in steps]
    if "pack" in names and "tokenize" not in names:
        raise RecipeError("step 'pack' needs a step 'tokenize' before it")
    for step in steps:
        if isinstance(step, Tokenize) and not step.tokenizer and "train_tokenizer" not in names:
            raise RecipeError("step 'tokenize' needs a step 'train_tokenizer' before it, or the option 'tokenizer'")
    units = {step.unit for step in steps if isinstance(step, Tokenize)}
    for step in steps:
        if isinstance(step, Pack) and step.method in sentence_packing.METHODS and units != {"sentence"}:
            raise RecipeError(f"pack by {step.method!r} goes by sentences: tokenize with unit: sentence")


def _check_top(key: str, steps: Any) -> None:
    """Raises RecipeError for what is no key of a recipe, and says so where it is a step, or an option of one."""
    listed = steps if isinstance(steps, list) else []
    kinds = {
        name: kind
        for name, kind in STEPS.items()
        if any(name == s or isinstance(s, dict) and name in s for s in listed)
    }
    if key not in _TOP and key in STEPS:
        raise RecipeError(f"--set {key}: a step's options are set one by one: --set {key}.OPTION=VALUE")
    having = [name for name, kind in kinds.items() if key in (each.name for each in options.describe(kind))]
    if key not in _TOP and having:
        raise RecipeError(f"--set {key}: that is an option of step {having[0]!r}: say --set {having[0]}.{key}=VALUE")
    if key not in _TOP and key in (each.name for each in options.describe(ReadOptions)):
        raise RecipeError(f"--set {key}: that is an option of reading: say --set read.{key}=VALUE")
    known([key], _TOP, "recipe key", "--set")


def override(document: dict[str, Any], setting: str) -> None:
    """Apply `path=value`: `seed=1`, `read.html_timeout=10`, `near_dedup.threshold=0.7`; a step is
    named by its name, or by its number from 1 where it occurs twice."""
    path, equals, text = setting.partition("=")
    if not equals:
        raise RecipeError(f"--set takes path=value, not {setting!r}")
    try:
        value = read_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RecipeError(f"--set {path}: {text!r} is not YAML") from None
    head, *rest = path.split(".")
    if not rest:
        _check_top(head, document.get("steps"))
        document[head] = value
        return
    if len(rest) > 1:
        raise RecipeError(f"--set {path}: a path has at most two parts")
    if head in ("read", "stream"):
        document[head] = {**(document.get(head) or {}), rest[0]: value}
        return
    steps = document.get("steps") or []
    if not isinstance(steps, list) or not all(isinstance(entry, (str, dict)) for entry in steps):
        raise RecipeError("`steps` is a list of names, and of maps with one name")
    names = [entry if isinstance(entry, str) else next(iter(entry), None) for entry in steps]
    places = [i for i, name in enumerate(names) if name == head or str(i + 1) == head]
    if not places and head in STEPS:
        raise RecipeError(
            f"--set {path}: the recipe has no step {head!r}; it has {', '.join(map(str, names)) or 'none'}"
        )
    if not places:
        known([head], ["read", "stream", *names], "step", "--set")
    if len(places) > 1:
        raise RecipeError(f"--set {path}: {head!r} occurs {len(places)} times; use its number in the list of steps")
    options = {} if isinstance(steps[places[0]], str) else steps[places[0]][names[places[0]]] or {}
    steps[places[0]] = {names[places[0]]: {**options, rest[0]: value}}
