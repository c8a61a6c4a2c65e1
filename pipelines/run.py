"""A recipe, run: its steps become passes, passes become durable maps, what they leave is published.

The order is the recipe's. Stages that follow each other are fused into one pass; a global step
adds decisions to the view; before the token steps (or at the end) the documents are written once.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pyarrow as pa

from corpus.cleaning.where import Where
from corpus.io import paths, readers, rows, tables
from corpus.language.detect import Language
from corpus.language.profiles import LANGUAGES
from corpus.views import ShardView
from pipelines import recipe as recipes
from pipelines.engine import Engine, Manifest, MapSummary, NothingRuns, describe_file
from pipelines.recipe import Recipe, RecipeError
from pipelines.steps import TOKEN_STEPS, passes, tokens

PASS_CODE = ("corpus.io", "corpus.text", "corpus.documents", "corpus.views", "resiliparse", "langdetect", "publicsuffixlist")
"""Code that every pass depends on; of libraries it is the version that counts."""


@dataclasses.dataclass
class Result:
    """What a run did: the manifests of its passes in order, what each map had to do, the view of
    the documents it wrote, and figures of single steps, for the report."""

    manifests: list[Manifest] = dataclasses.field(default_factory=list)
    summaries: list[MapSummary] = dataclasses.field(default_factory=list)
    documents: list[ShardView] = dataclasses.field(default_factory=list)
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
    examples: dict[str, list] = dataclasses.field(default_factory=dict)
    documents_before: dict[str, list[ShardView]] = dataclasses.field(default_factory=dict)
    token_lengths: list[int] = dataclasses.field(default_factory=list)  # documents by tokens, as `lengths`
    waiting: str | None = None  # a dry run stops before this map

    @property
    def worked(self) -> bool:
        """Whether any task had to run."""
        return any(summary.done < summary.tasks for summary in self.summaries)


class Runner:
    """State of one run while it goes from step to step. Steps use `engine`, `seed` and
    `task_bytes`, and leave figures for the report in `result.figures`."""

    def __init__(self, recipe: Recipe, output: str, engine: Engine, limit: int | None):
        self.recipe = recipe
        self.output = output
        self.engine = engine
        self.limit = limit
        self.seed = recipe.seed
        self.task_bytes = recipe.task_bytes
        self.places = 0
        self.result = Result(summaries=engine.summaries)

    def run(self) -> Result:
        """Run everything; idempotent. Raises TaskFailed."""
        try:
            self._documents()
            self._tokens()
        except NothingRuns as waiting:
            self.result.waiting = str(waiting)
        return self.result

    def _documents(self) -> None:
        steps = [step for step in self.recipe.steps if step.name not in TOKEN_STEPS]
        view: list[ShardView] | None = None
        pending: list[Any] = []
        for step, name in zip(steps, passes.unique_names(tuple(steps))):
            if hasattr(step, "apply"):
                pending.append(step)
                continue
            if view is None or pending:
                view = self._pass(pending, view, ".arrow")
                pending = []
            view, manifests = step.decide(self, self._place(name), name, view)
            self.result.manifests += manifests
        self.result.documents = self._pass(pending, view, ".parquet")
        self._publish_documents()

    def _place(self, name: str) -> str:
        """Folder in work/ of the next pass or global step."""
        self.places += 1
        return f"{self.places - 1:02d}-{name}"

    def _pass(self, stages: list[Any], view: list[ShardView] | None, suffix: str) -> list[ShardView]:
        """One fused pass of `stages` over the input (`view` is None) or a view; the new view."""
        partition_by = self.recipe.partition_by if suffix == ".parquet" else None
        shared = passes.Pass(tuple(stages), suffix, self.task_bytes, partition_by=partition_by)
        if view is None:
            names, tasks = ["read"], self._input_tasks(shared)
            configuration = (shared, self.recipe.read, self.limit)
        else:
            names, tasks = [], passes.view_tasks(view, shared)
            configuration = (shared,)
        names += [stage.name for stage in stages] + ["documents"] * (suffix == ".parquet")
        files = [path for stage in stages if hasattr(stage, "inputs") for path in stage.inputs()]
        prints = tuple((path, describe_file(path).hash) for path in files)
        tasks = [dataclasses.replace(task, inputs=(*task.inputs, *prints)) for task in tasks]
        libraries = self.recipe.read.libraries() if view is None else ()
        code = (*PASS_CODE, *libraries, *(module for stage in stages for module in _code(stage)))
        manifests = self.engine.map(self._place("+".join(names)), passes.run_pass, tasks, configuration, code)
        self.result.manifests += manifests
        return passes.new_view(manifests)

    def _input_tasks(self, shared: passes.Pass) -> list:
        sources = input_sources(self.recipe.input)
        units = readers.split(sources, self.recipe.read, self.task_bytes)
        groups = passes.group_units(units, max(1, self.task_bytes // 4))
        prints = {source.path: f"{source.size} bytes, mtime {source.mtime_ns}" for source in sources}
        shared = dataclasses.replace(shared, read=self.recipe.read)
        return passes.input_tasks(groups, prints, shared, self.limit)

    def _publish_documents(self) -> None:
        documents = {f"{s.folder}/{s.number:05d}.parquet".lstrip("/"): s.path for s in self.result.documents}
        self.publish("documents", documents)
        for folder in ("dropped", "quarantine"):
            found = {}
            for manifest in self.result.manifests:
                for name, file in manifest.outputs.items():
                    if name == f"{folder}.parquet":
                        step = "+".join(manifest.counters["steps"])
                        found[f"{step}-{manifest.key}.parquet"] = file.path
            self.publish(folder, found)

    def publish(self, folder: str, files: dict[str, str], keep: tuple[str, ...] = ()) -> None:
        """Make OUT/folder hold exactly `files` (name: path in work/), by links or copies; names that
        begin with one of `keep` are left alone. A dry run publishes nothing."""
        if self.engine.dry_run:
            return
        target = paths.join(self.output, folder)
        if not paths.is_local(target):
            files = {name.replace("%", "%25"): path for name, path in files.items()}
        for name, path in files.items():
            destination = paths.join(target, name)
            if not (paths.is_local(path) and os.path.exists(destination) and os.path.samefile(path, destination)):
                paths.publish(path, destination)
        wanted = {paths.join(target, name) for name in files}
        kept = tuple(paths.join(target, prefix) for prefix in keep)
        paths.remove(s.path for s in paths.list_files(target) if s.path not in wanted and not s.path.startswith(kept))

    def _tokens(self) -> None:
        for step in self.recipe.steps:
            if step.name in TOKEN_STEPS:
                tokens.RUN[step.name](self, step)


def _code(stage: Any) -> tuple[str, ...]:
    """What decides what a stage does: the package it is in (or a module of its own), and what it names."""
    module = type(stage).__module__
    own = stage.code() if hasattr(stage, "code") else ()
    return (module.rpartition(".")[0] or module, *own)


def input_sources(patterns: tuple[str, ...]) -> list[paths.Source]:
    """Files of all patterns, in the order given, each once. Raises RecipeError."""
    if not patterns:
        raise RecipeError("no input: give --input PATH, or `input:` in the recipe")
    found: dict[str, paths.Source] = {}
    for pattern in patterns:
        try:
            for source in paths.expand(pattern):
                found.setdefault(source.path, source)
        except (FileNotFoundError, ValueError, OSError) as error:
            raise RecipeError(f"input {pattern!r}: {error}") from None
    return list(found.values())


def check(recipe: Recipe, output: str) -> None:
    """Everything that can be refused before work starts. Raises RecipeError; writes nothing."""
    sources = input_sources(recipe.input)
    try:
        recipe.read.check()
        readers.split(sources, recipe.read, recipe.task_bytes)
    except (ImportError, ValueError) as error:
        raise RecipeError(str(error)) from None
    check_steps(recipe, sources)
    _check_output(recipe, output)


def check_steps(recipe: Recipe, sources: list[paths.Source]) -> None:
    """What of the steps can be refused before work on these files. Raises RecipeError."""
    for step in recipe.steps:
        try:
            for path in step.inputs() if hasattr(step, "inputs") else ():
                paths.expand(path)
            if hasattr(step, "check"):
                step.check()
        except (ImportError, ValueError, OSError) as error:
            raise RecipeError(f"step {step.name!r}: {error}") from None
    _check_columns(recipe, sources)


def _check_columns(recipe: Recipe, sources: list[paths.Source]) -> None:
    """Every score that a `where` names is tagged by a step before it or a column of the Parquet input, and
    every language is one that the step before it knows, where that is a closed set; documents are partitioned
    by such a column, too."""
    columns = set(rows.SCHEMA.names)
    for source in sources:
        if source.path.endswith(".parquet"):
            columns |= set(tables.columns(source.path))
            break
    if not recipe.partition_by and not any(isinstance(step, Where) for step in recipe.steps):
        return
    nothing = pa.RecordBatch.from_pylist([], rows.SCHEMA)
    codes = None
    for step in recipe.steps:
        if isinstance(step, Language):
            codes = LANGUAGES if step.backend == "langdetect" else None
        if isinstance(step, Where):
            recipes.known(step.names(), sorted(columns), "score or column", f"where {step.expression!r}")
            recipes.known(step.languages(), codes or step.languages(), "language", f"where {step.expression!r}")
        elif hasattr(step, "apply"):  # what it adds to no documents it adds to any
            columns |= set(step.apply(nothing).kept.schema.names)
    if recipe.partition_by:
        files_need = {"id", "text", "url"}
        usable = sorted(name for name in columns - files_need if not name.startswith(("_", ".")))
        recipes.known([recipe.partition_by], usable, "column", "partition_by")


def _check_output(recipe: Recipe, output: str) -> None:
    written = paths.join(output, "recipe.yaml")
    if not paths.exists(written):
        if paths.list_files(output):
            raise RecipeError(f"{output} is not empty and holds no run; choose another --output")
        return
    import yaml

    before = yaml.safe_load(paths.read_bytes(written))
    steps_before = [next(iter(entry)) for entry in before["steps"]]
    steps = [step.name for step in recipe.steps]
    if before["name"] != recipe.name or steps_before != steps:
        raise RecipeError(
            f"{output} holds a run of recipe {before['name']!r} ({', '.join(steps_before)}), "
            f"not of {recipe.name!r} ({', '.join(steps)}); choose another --output"
        )


def run(recipe: Recipe, output: str, workers: int = 0, address: str | None = None, limit: int | None = None, dry_run: bool = False, progress=None) -> Result:
    """Run a recipe into the directory `output`. `workers`: Ray processes on this machine, 0 for this
    process; `address`: a Ray cluster. Raises RecipeError before any work, TaskFailed during it."""
    check(recipe, output)
    engine = Engine(paths.join(output, "work"), workers, address, progress, dry_run)
    if not dry_run:
        paths.write_atomic(paths.join(output, "recipe.yaml"), recipes.dump(recipe).encode())
    try:
        return Runner(recipe, output, engine, limit).run()
    finally:
        engine.close()
