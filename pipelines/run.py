"""A recipe, run: its steps become passes, passes become durable maps, what they leave is published.

The order is the recipe's. Stages that follow each other are fused into one pass; a global step
adds decisions to the view; before the token steps (or at the end) the documents are written once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from corpus import closure, imported
from corpus.cleaning import custom
from corpus.cleaning.where import Where
from corpus.dedup.near import Near
from corpus.dedup.priorities import METADATA
from corpus.io import partitions, paths, retries, stores
from corpus.language.detect import Language
from corpus.language.profiles import LANGUAGES
from corpus.reading import first_records, readers, records
from corpus.step import Filter, Step, unique_names
from corpus.views import ShardView
from pipelines import estimate, publishing, standard_input
from pipelines import recipe as recipes
from pipelines.accounts import NotProven
from pipelines.ahead import Ahead
from pipelines.context import Context, Findings, GlobalStep, TokenStep
from pipelines.engine import (
    Discards,
    Engine,
    File,
    Limits,
    MapSummary,
    NeededAgain,
    NothingRuns,
    Progress,
    Task,
    TaskFailed,
    describe_file,
    numbered,
)
from pipelines.engine.one_task import OneTask, Ran
from pipelines.estimate import Estimate
from pipelines.lock import Lock
from pipelines.maps import as_jsonl, passes
from pipelines.near import index as indexes
from pipelines.near import index_changes
from pipelines.near.index import IndexRefused
from pipelines.publishing import OutputError, Published
from pipelines.recipe import Recipe, RecipeError
from pipelines.report import report
from pipelines.steps import STEPS
from pipelines.steps.near_dedup import NearDedup
from pipelines.steps.near_overlap import NearOverlap
from pipelines.steps.substring_dedup import SubstringDedup

LEAST_LEFT = 4
"""Of this much text, as it is estimated, or as steps before leave it, a step is taken to have 1 at least: what it
cannot do even then is refused before work."""
MOST_REPAIRS = 100
"""Damaged files in work/ for which a run begins anew, to have their tasks done again."""


@dataclasses.dataclass
class Result(Findings):
    """What a run did, and found: what each map had to do; how often storage was asked again, since it failed for a
    while; where a dry run had to stop, and what it says the run needs; the
    largest clusters of near-duplicates, by step, with their texts; its report; how long it took, from how many bytes of
    input, and what is published.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["one", "one"]), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.ExactDedup()])
    >>> first, again = pipelines.run_recipe(recipe, "OUT"), pipelines.run_recipe(recipe, "OUT")
    >>> first.worked, again.worked, again.report["documents"]["kept"]
    (True, False, 1)
    """

    summaries: list[MapSummary] = dataclasses.field(default_factory=list)
    storage_retries: int = 0
    waiting: str | None = None
    estimate: Estimate | None = None
    clusters: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    report: dict[str, Any] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    input_bytes: int = 0
    published: str = ""

    @property
    def worked(self) -> bool:
        """Whether any task had to run."""
        return any(summary.done < summary.tasks for summary in self.summaries)


class Input(NamedTuple):
    """The files of the input, the units of work that they are divided into, what there is to say of other files."""

    sources: list[paths.Source]
    units: list[readers.Unit]
    notes: list[str]


def _groups(recipe: Recipe, given: Input) -> list[list[readers.Unit]]:
    """The units that each task of the first pass reads."""
    return passes.group_units(given.units, max(1, recipe.read_bytes // 4))


class Runner:
    """State of one run while it goes from step to step."""

    def __init__(self, recipe: Recipe, given: Input, published: Published, engine: Engine, limit: int | None):
        self.recipe = recipe
        self.given = given
        self.output = published.output
        self.published = published
        self.engine = engine
        self.limit = limit
        self.folders = 0
        self.result = Result(summaries=engine.summaries, notes=given.notes)

    def run(self) -> Result:
        """Run everything; idempotent. Raises TaskFailed, Discards, OutputError, `paths.DamagedFile`."""
        try:
            self._documents()
            self._tokens()
        except NothingRuns as waiting:
            self.result.waiting = str(waiting)
        return self.result

    def _documents(self) -> None:
        steps = [step for step in self.recipe.steps if not isinstance(step, TokenStep)]
        view: list[ShardView] | None = None
        pending: list[tuple[str, Any]] = []
        for step, name in zip(steps, unique_names(steps)):
            if isinstance(step, GlobalStep):
                if view is None or pending:
                    view = self._pass(pending, view, ".arrow")
                    pending = []
                    self._check_rest(steps, step, view)
                view = step.decide(self._context(name, self._work_name(name)), view)
                self._look_up_clusters(name)
                self._free(view)
            else:
                pending.append((name, step))
        self.result.documents = self._pass(pending, view, ".parquet")
        self._publish_documents()
        self._write_jsonl()
        self._free(self.result.documents)

    def _check_rest(self, steps: list[Step], step: Step, view: list[ShardView]) -> None:
        """Raises TaskFailed where this step cannot do its work on so much text, or a later one on what may be left."""
        place, size = [each is step for each in steps].index(True), sum(shard.text_bytes for shard in view)
        try:
            check_runs(self.recipe, [step], self.output, lambda: size)
            check_runs(self.recipe, steps[place + 1 :], self.output, lambda: size // LEAST_LEFT)
        except ValueError as error:
            raise TaskFailed(str(error)) from None

    def _look_up_clusters(self, name: str) -> None:
        """The texts of those that a step has found: as long as the view that it saw is there, and afterwards as they
        were noted where it was."""
        if self.engine.dry_run or name not in self.result.examples:
            return
        before = self.result.before.get(name, [])
        gone = self.engine.freed.get(_step_of(before[0].path)) if before else None
        if gone:
            self.result.clusters[name] = gone.notes.get("clusters", {}).get(name, [])
        else:
            self.result.clusters[name] = report.clusters(self.result.examples[name], before)

    def _free(self, view: list[ShardView], first: int = 0) -> None:
        """Delete the outputs of maps, from number `first`, that are not part of the view: the last map was also the
        last to read them. What is published of them, rows in Parquet, stays."""
        if self.recipe.keep_work:
            return
        needed = {_step_of(path) for s in view for path in (s.path, *(layer.path for layer in s.decisions))}
        *done, last = (summary.step for summary in self.engine.summaries)
        for step in done[first:]:
            if step not in needed:
                self.engine.free(step, last, ".parquet", {"clusters": self.result.clusters})

    def _context(self, name: str, work_name: str) -> Context:
        recipe = self.recipe
        return Context(
            name,
            work_name,
            recipe.seed,
            recipe.task_bytes,
            recipe.working_bytes,
            recipe.steps,
            recipe.read,
            self.result,
            self.engine,
            self.published,
            recipe.stream,
        )

    def _work_name(self, name: str) -> str:
        """Folder in work/ of the next pass or global step."""
        self.folders += 1
        return f"{self.folders - 1:02d}-{name}"

    def _pass(self, named: list[tuple[str, Any]], view: list[ShardView] | None, suffix: str) -> list[ShardView]:
        """One fused pass of stages, with their names in the run, over the input (`view` is None) or a view; the new
        view."""
        stages = [stage for _, stage in named]
        partition_by = self.recipe.partition_by if suffix == ".parquet" else None
        shared = passes.Pass(
            tuple(stages), tuple(name for name, _ in named), suffix, self.recipe.task_bytes, partition_by=partition_by
        )
        if view is None:
            first, tasks = ["read"], self._input_tasks(shared)
            configuration: tuple[object, ...] = (shared, self.recipe.read, self.limit)
        else:
            first, tasks = [], passes.view_tasks(view, shared, self.recipe.working_bytes)
            configuration = (shared,)
        names = [*first, *(stage.name for stage in stages), *["documents"] * (suffix == ".parquet")]
        files = [path for stage in stages for path in stage.inputs()]
        before = tuple(source for path in files if (source := paths.stat(path)))
        prints = tuple((path, describe_file(path).hash) for path in files)
        if files:
            tasks = [dataclasses.replace(t, inputs=(*t.inputs, *prints), sources=(*t.sources, *before)) for t in tasks]
        manifests = self.engine.map(self._work_name("+".join(names)), passes.run_pass, tasks, configuration)
        self.result.manifests += manifests
        return passes.new_view(manifests)

    def _input_tasks(self, shared: passes.Pass) -> list[Task]:
        shared = dataclasses.replace(shared, read=self.recipe.read)
        sources = {source.path: source for source in self.given.sources}
        return passes.input_tasks(_groups(self.recipe, self.given), sources, shared, self.limit)

    def _write_jsonl(self) -> None:
        """The documents as JSON lines, where the recipe wants them; those of a run that wanted them go."""
        if self.recipe.jsonl:
            view = self.result.documents
            files = as_jsonl.write(self.engine, self._work_name("jsonl"), view, self.recipe.working_bytes)
            names = _names(view, as_jsonl.SUFFIX)
            self._publish("jsonl", {names[path]: file for path, file in files.items()})
        elif self.published.names("jsonl"):
            self._publish("jsonl", {})

    def _publish_documents(self) -> None:
        names = _names(self.result.documents, ".parquet")
        outputs = [file for manifest in self.result.manifests for file in manifest.outputs.values()]
        self._publish("documents", {names[file.path]: file for file in outputs if file.path in names})
        self._publish_rows("dropped")
        self._publish_rows("quarantine")

    def _publish_rows(self, folder: str) -> None:
        """Publish what the maps so far have left under this name, a file a task."""
        manifests = [*self.result.manifests, *self.result.tokenized]
        count = 1 + max((int(manifest.key) for manifest in manifests), default=0)
        found, times = {}, dict[tuple[str, str], int]()
        for manifest in manifests:
            if file := manifest.outputs.get(f"{folder}.parquet"):
                step = "+".join(manifest.counters.get("steps", ["tokenize"])) or "documents"
                number = numbered(int(manifest.key), count)
                times[step, number] = times.get((step, number), 0) + 1  # a step may decide in several rounds
                again = f"-round_{times[step, number]}" if times[step, number] > 1 else ""
                found[f"{step}{again}-{number}.parquet"] = file
        self._publish(folder, found)

    def _publish(self, folder: str, files: dict[str, File], keep: tuple[str, ...] = ()) -> None:
        """See `Published.publish`. A dry run publishes nothing."""
        if not self.engine.dry_run:
            self.published.publish(folder, files, keep)

    def _tokens(self) -> None:
        for step in self.recipe.steps:
            if isinstance(step, TokenStep):
                first = len(self.engine.summaries)
                step.run(self._context(step.name, step.work_name))
                self._free(self.result.documents, first)
        if any(manifest.excluded for manifest in self.result.tokenized):
            self._publish_rows("quarantine")


def _names(shards: list[ShardView], suffix: str) -> dict[str, str]:
    """What the shards of documents are called below their folder in OUT, by path."""
    return {s.path: f"{s.folder}/{numbered(s.number, len(shards))}{suffix}".lstrip("/") for s in shards}


def _step_of(path: str) -> str:
    """The folder in work/ of an output of a task."""
    return paths.basename(paths.parent(path))


def _refuse_output(folder: str) -> None:
    """Raises RecipeError where the input is a folder in which a run has left its outputs."""
    if paths.exists(paths.join(folder, publishing.NAME)) and paths.exists(paths.join(folder, "report.json")):
        raise RecipeError(
            f"input {folder!r} is what a run has left: its documents are in {paths.join(folder, 'documents')}"
        )


def input_sources(
    patterns: tuple[str, ...], output: str | None = None, options: readers.ReadOptions = readers.ReadOptions()
) -> tuple[list[paths.Source], list[str]]:
    """(files of all patterns, in the order given, each once; what there is to say of files left out: those of unknown
    kind in folders, those in the directory `output`, further names of the same file, and empty ones). Raises
    RecipeError."""
    if not patterns:
        raise RecipeError("no input: give --input PATH, or `input:` in the recipe")
    found: dict[str, paths.Source] = {}
    unknown: list[str] = []
    spooled = standard_input.kept(output) if output and standard_input.NAME in patterns else None
    for pattern in patterns:
        if pattern == standard_input.NAME and spooled is None:
            raise RecipeError(
                "input '-': nothing came on standard input (a dry run does not read it), and no run before has kept any"
            )
        try:
            sources, passed_over = readers.expand((pattern == standard_input.NAME and spooled) or pattern, options)
        except (ValueError, OSError) as error:
            raise RecipeError(f"input: {error}" if pattern in str(error) else f"input {pattern!r}: {error}") from None
        if [source.path for source in sources] != [pattern]:
            _refuse_output(pattern)
        for source in sources:
            found.setdefault(source.path, source)
        unknown += passed_over
    resolve = functools.cache(os.path.realpath)
    sources = [
        s for s in found.values() if s.path == spooled or not (output and paths.is_inside(s.path, output, resolve))
    ]
    unknown = [path for path in unknown if not (output and paths.is_inside(path, output, resolve))]
    notes = [readers.passed_over(unknown)] if unknown else []
    if len(sources) < len(found):
        notes.append(
            f"left out: {len(found) - len(sources)} files of the input, which lie in {output}, where this run writes"
        )
    if not sources:
        raise RecipeError(f"all of the input lies in {output}, where this run writes; choose another --output")
    sources, others = paths.distinct(sources)
    if others:
        name, first = others[0]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        notes.append(f"read once: {name}, which is {first} by another name{more}")
    return sources, [*notes, *first_records.empty(sources)]


def check(recipe: Recipe, output: str) -> tuple[Input, list[str]]:
    """Everything that can be refused before work starts: (the input; what there is to say before work starts). Raises
    RecipeError, OutputError; writes nothing and imports nothing of the user's."""
    publishing.check_output(output)
    given = _divided_input(recipe, output)
    check_steps(recipe, given.sources)
    _check_indexes(recipe, output)
    _check_code(recipe)
    _check_recipe(recipe, publishing.open_output(output))
    text = functools.cache(lambda: estimate.of_run(recipe, given.sources, len(_groups(recipe, given))).text)
    try:
        check_runs(recipe, recipe.steps, output, lambda: text() // LEAST_LEFT)
    except ValueError as error:
        raise RecipeError(str(error)) from None
    notes = list(given.notes)
    try:
        for sources in (given.sources, *_other_corpora(recipe)):
            notes += first_records.check_fields(sources, recipe.read)
    except ValueError as error:
        raise RecipeError(str(error)) from None
    notes += [f"left out: step {name!r}: {why}" for name, why in recipe.left_out]
    return given, [*notes, *(f"imports {what}" for step in recipe.steps if (what := step.imports()))]


def _divided_input(recipe: Recipe, output: str) -> Input:
    """The input; see `input_sources`. Raises RecipeError."""
    sources, notes = input_sources(recipe.input, output, recipe.read)
    try:
        recipe.read.check()
        return Input(sources, readers.split(sources, recipe.read, recipe.read_bytes), notes)
    except (ImportError, ValueError) as error:
        raise RecipeError(str(error)) from None


def _check_code(recipe: Recipe) -> None:
    """Raises RecipeError where the steps' modules have been changed since this process imported them."""
    closure.look_again()
    code = [each for step in recipe.steps for each in (closure.Code(type(step).__module__), *step.code())]
    for file in imported.changed_since_import(code):
        raise RecipeError(
            f"{file} has been changed since this process imported it: reload the module, or start Python anew"
        )


def check_steps(recipe: Recipe, sources: list[paths.Source]) -> None:
    """What of the steps can be refused before work on these files. Raises RecipeError."""
    for step in recipe.steps:
        try:
            for path in step.inputs():
                paths.expand(path)
            step.check()
        except (ImportError, ValueError, OSError) as error:
            raise RecipeError(f"step {step.name!r}: {error}") from None
    _check_columns(recipe, sources)


def check_runs(recipe: Recipe, steps: Sequence[Step], output: str, text: Callable[[], int]) -> None:
    """Raises ValueError where one of some steps cannot do its work in a directory, on so much text."""
    for step in steps:
        if isinstance(step, GlobalStep) and type(step).check_run is not GlobalStep.check_run:
            try:
                step.check_run(output, text(), recipe.task_bytes, recipe.working_bytes)
            except ValueError as error:
                raise ValueError(f"step {step.name!r}: {error}") from None


def _check_indexes(recipe: Recipe, output: str) -> None:
    """Raises RecipeError for an index of near-duplicates that cannot be where it is to be."""
    used = [(step.index, step.update) for step in recipe.steps if isinstance(step, NearDedup) and step.index]
    used += [(index, False) for step in recipe.steps if isinstance(step, NearOverlap) and (index := step.index())]
    tables = [name for name in unique_names(recipe.steps) if name.startswith(f"{NearDedup.name}-")]
    try:
        indexes.check_places(used, output, [*publishing.FOLDERS, "work", *tables])
    except IndexRefused as error:
        raise RecipeError(str(error)) from None


def _other_corpora(recipe: Recipe) -> Iterator[list[paths.Source]]:
    """The files that steps read as the input is read. Raises ValueError."""
    for step in recipe.steps:
        if (isinstance(step, NearOverlap) and not step.index()) or (isinstance(step, SubstringDedup) and step.against):
            try:
                yield step.sources(recipe.read)
            except (OSError, ValueError) as error:
                raise ValueError(f"step {step.name!r}: {error}") from None


def _check_columns(recipe: Recipe, sources: list[paths.Source]) -> None:
    """Every score that a `where` names is tagged by a step before it or a column of the input, and
    every language is one that the step before it knows, where that is a closed set; documents are partitioned
    by such a column, too."""
    scores = [step.score for step in recipe.steps if isinstance(step, Near) and step.score]
    if not (recipe.partition_by or scores or any(isinstance(step, Where) for step in recipe.steps)):
        return
    columns = {*records.SCHEMA.names, *readers.columns(sources, recipe.read)}
    nothing = pa.RecordBatch.from_pylist([], records.SCHEMA)
    codes = None
    for step in recipe.steps:
        if isinstance(step, Language):
            codes = LANGUAGES if step.backend == "langdetect" else None
        if isinstance(step, Where):
            for name in step.names():
                kind = STEPS.get(name.partition(".")[0])
                if name not in columns and kind is not None and issubclass(kind, Filter):
                    how = "mode: tag" if "mode" in kind.__dataclass_fields__ else "tag: true"
                    raise RecipeError(
                        f"where {step.expression!r}: the documents are not tagged with {name}; put the step "
                        f"`{kind.name}: {{{how}}}` before it, or take documents that have been tagged"
                    )
            recipes.known(step.names(), sorted(columns), "score or column", f"where {step.expression!r}")
            recipes.known(step.languages(), codes or step.languages(), "language", f"where {step.expression!r}")
        elif isinstance(step, Near) and step.score and not step.score.startswith(METADATA):
            try:
                recipes.known([step.score], sorted(columns), "score or column", f"step {step.name!r}")
            except RecipeError as error:
                raise RecipeError(f"{error} A field that the records had is {METADATA}{step.score}.") from None
        elif isinstance(step, Filter):  # what it adds to no documents it adds to any
            columns |= set(step.apply(nothing).kept.schema.names)
    if recipe.partition_by:
        files_need = {"id", "text", "url"}
        usable = sorted(
            name for name in columns - files_need if not name.startswith(("_", ".")) and partitions.can_name(name)
        )
        recipes.known([recipe.partition_by], usable, "column", "partition_by")


def _keep_standard_input(recipe: Recipe, output: str, replace: bool, say: Callable[[str], None]) -> None:
    """See `standard_input.keep`. What else can be refused before is."""
    _check_recipe(recipe, publishing.open_output(output))
    check_steps(recipe, [])
    try:
        standard_input.keep(output, recipe.read, replace, sys.stdin.buffer, say)
    except OutputError:
        raise
    except ValueError as error:
        raise RecipeError(f"input '-': {error}") from None


def _check_recipe(recipe: Recipe, published: Published) -> None:
    """Raises OutputError if a run of another recipe is in the directory."""
    before, steps = published.recipe, [step.name for step in recipe.steps]
    if before and (before.get("name"), before.get("steps")) != (recipe.name, steps):
        raise OutputError(
            f"{published.output} holds a run of recipe {before.get('name')!r} "
            f"({', '.join(map(str, before.get('steps') or ()))}), not of {recipe.name!r} ({', '.join(steps)}); "
            "choose another --output"
        )


def run(
    recipe: Recipe,
    output: str,
    workers: int = 0,
    address: str | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    replace: bool = False,
) -> Result:
    """Run a recipe into the directory `output` and report on it there. `workers`: Ray processes on this machine, 0 for
    this process; `address`: a Ray cluster; `replace`: finished work may be discarded, and all that is there already is
    compared with its checksum, so that what is damaged is done again. Raises RecipeError and OutputError before any
    work, TaskFailed during it, Locked where another run uses the directory, and NotProven where
    everything was done and the accounts do not add up, or more was quarantined than the recipe allows.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["some text", "some text", ""]), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[corpus.Length(min_characters=3), pipelines.ExactDedup()])
    >>> pipelines.run_recipe(recipe, "OUT").report["documents"]
    {'in': 3, 'kept': 1, 'dropped': 2, 'quarantined': 0}
    """
    if type(workers) is not int or workers < 0:
        raise RecipeError(f"workers is a number, 0 for this process alone, not {workers!r}")
    started = time.perf_counter()
    with custom.modules_in(recipe.folder):
        result = _run(recipe, output, workers, address, limit, dry_run, progress, replace)
    result.seconds = time.perf_counter() - started
    if not dry_run and (problems := result.report["problems"]):
        raise NotProven(problems, result)
    _update(result, progress)
    return result


def _update(result: Result, progress: Progress | None) -> None:
    """Add to indexes what steps have kept for them."""
    for update in result.updates:
        try:
            index_changes.add(update, progress.say if progress else lambda line: None)
        except IndexRefused as error:
            raise TaskFailed(str(error)) from None


def _run(
    recipe: Recipe,
    output: str,
    workers: int,
    address: str | None,
    limit: int | None,
    dry_run: bool,
    progress: Progress | None,
    replace: bool,
) -> Result:
    say: Callable[[str], None] = progress.say if progress else lambda line: None
    publishing.check_output(output)
    if not dry_run:
        publishing.check_place(output)
    if standard_input.NAME in recipe.input and not dry_run:
        _keep_standard_input(recipe, output, replace, say)
    given, notes = check(recipe, output)
    for note in notes:
        say(note)
    if dry_run:
        engine = _engine(recipe, output, workers, address, progress, dry_run=True)
        result = _carry_out(recipe, given, publishing.open_output(output), limit, engine, say)
        if limit is None:
            result.estimate = estimate.of_run(recipe, given.sources, len(_groups(recipe, given)))
        return result
    before = retries.count()
    with Lock(output, say) as lock, Ahead(recipe.steps) as ahead:
        published = publishing.open_output(output)  # as it is now that nobody else writes to it
        _check_recipe(recipe, published)
        published.sweep()
        if published.adopted:
            published.save()
        as_run = recipes.dump(recipe).encode()
        published.recipe = {"name": recipe.name, "steps": [step.name for step in recipe.steps]}
        published.check = (
            replace or not published.finished
        )  # a run that was ended may have listed what it did not place
        protect = "" if replace else "all" if published.finished else "tasks"
        engine = _engine(
            recipe, output, workers, address, progress,
            protect=protect, check=replace, still=lock.check, before_work=lambda: _begin(published, as_run),
            compiling=(lambda: None) if address or (os.cpu_count() or 1) < 2 else ahead.begin,
        )  # fmt: skip
        try:
            result = _carry_out(recipe, given, published, limit, engine, say)
        except Discards as what:
            raise OutputError(_discards(published, what)) from None
        finally:
            engine.close()
        _report(recipe, published, as_run, result)
    result.input_bytes = sum(source.size for source in given.sources)
    result.published = published.counts()
    elsewhere = sum(summary.storage_retries for summary in result.summaries) if workers or address else 0
    result.storage_retries = retries.count() - before + elsewhere
    if result.storage_retries:
        say(f"storage failed for a while and was asked again, {result.storage_retries} times in all")
    return result


def run_task(output: str, name: str, limit: int | None = None, folder: str = "") -> dict[str, Any]:
    """Run one task of a run again, in this process and without its limits, and leave nothing: its counters. `name` is
    STEP/KEY, as in OUT/work and in messages; `limit` the one of the run; `folder` where the recipe's own functions and
    the modules of steps of one's own are, the current one unless given. Raises what the task raises, RecipeError or
    OutputError where there is no such run, KeyError where there is no such task, NothingRuns where what comes before
    it is not done."""
    step, _, key = name.rpartition("/")
    published = publishing.load(output)
    if published is None:
        raise OutputError(f"{output} holds no run")
    folder = os.path.abspath(folder)
    engine = OneTask(paths.join(output, "work"), step, key, {custom.FOLDER: folder})
    try:
        with custom.modules_in(folder), _importable(folder):
            recipe = recipes.load(paths.join(output, "recipe.yaml"), own=True)
            given = _divided_input(recipe, output)
            Runner(recipe, given, published, engine, limit).run()
    except Ran as done:
        return done.counters
    steps = [summary.step for summary in engine.summaries]
    if engine.summaries and engine.summaries[-1].done < engine.summaries[-1].tasks:
        raise NothingRuns(f"{steps[-1]} comes before {step}, and is not done")
    raise KeyError(f"the run has no step {step!r}; its steps are {', '.join(steps)}")


@contextlib.contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Have modules in a folder found, after all others."""
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _engine(
    recipe: Recipe, output: str, workers: int, address: str | None, progress: Progress | None, **options: Any
) -> Engine:
    limits = Limits(recipe.task_seconds, recipe.task_memory)
    environment = {custom.FOLDER: recipe.folder, **stores.environment()}
    return Engine(
        paths.join(output, "work"), workers, address, progress, limits=limits, environment=environment, **options
    )


def _begin(published: Published, as_run: bytes) -> None:
    """Before the first task of each map: what is there now is not what this run will leave. `as_run`: recipe.yaml."""
    published.set_finished(False)
    published.put(paths.join(published.output, "recipe.yaml"), as_run)


def _carry_out(
    recipe: Recipe,
    given: Input,
    published: Published,
    limit: int | None,
    engine: Engine,
    say: Callable[[str], None],
) -> Result:
    """The run, begun anew as often as a file in work/ turns out to be damaged: all else is done already."""
    for _ in range(MOST_REPAIRS):
        engine.begin()
        try:
            return Runner(recipe, given, published, engine, limit).run()
        except NeededAgain as why:
            say(str(why))
        except paths.DamagedFile as damage:
            if engine.dry_run or not engine.discard(damage.path):
                raise TaskFailed(str(damage)) from None
            published.check = True  # what was published may be the same file
            say(f"{damage}; the task that wrote it is done again")
    raise TaskFailed(f"{MOST_REPAIRS} files in {engine.folder} were damaged; is the disk sound?")


def _discards(published: Published, what: Discards) -> str:
    if published.finished:
        return (
            f"{published.output} holds a finished run, which this one would replace, beginning with {what}; "
            f"published are {published.counts()}. Say --replace to do so, or choose another --output"
        )
    return (
        f"this run would discard finished work in {published.output}, beginning with {what}. "
        "Say --replace to do so, or choose another --output"
    )


def _report(recipe: Recipe, published: Published, as_run: bytes, result: Result) -> None:
    """Write the report, unless nothing was done and it is there."""
    published.put(paths.join(published.output, "recipe.yaml"), as_run)
    result.report = report.build(recipe, published, result)
    if result.worked or not all(map(published.is_there, report.FILES)):
        report.write(result.report, published)
    published.set_finished(True)
