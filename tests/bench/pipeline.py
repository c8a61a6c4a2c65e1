"""The whole pipeline's time: a recipe over a corpus, with one worker and with two, and where the time goes.

    bin/bench pipeline --corpus FILES                       # the recipe pretrain
    bin/bench pipeline --corpus FILES --parallel            # without the steps that are one task: how two workers share

Every run begins anew in a temporary folder. Start-up is what passes until the first task begins: planning, and Ray;
the end what passes after the last: the report, and Ray again. The rest is workers times seconds: in tasks, by map, and
between them, where workers are idle, or wait for what the driver does (publishing among it). Of a pass the seconds in
filters and in reading are known; the rest of it is writing, hashing and committing. Kernels are filters, and the tasks
of maps that `bin/bench` has a case for.

Two processors of a machine are seldom twice as fast as one: they share memory, caches and the turbo, and may be two
threads of one. So two runs without Ray that know nothing of each other are timed beside one: that is what sharing can
reach here.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import pathlib
import tempfile
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from corpus import read_files
from corpus.step import Filter
from pipelines import recipe as recipes
from pipelines.engine.engine import committed
from pipelines.run import run
from tokenizer_training import train_tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ONE_TASK = ("train_tokenizer",)
KERNELS = (
    "url_dedup-keys", "exact_dedup-keys", "near_dedup-signatures", "near_dedup-reduce", "near_dedup-verify",
    "substring_dedup-chains", "substring_dedup-equal", "substring_dedup-keep", "decontaminate-decide",
    "tokenizer-count", "tokenizer-train", "tokens-encode", "best_fit-2048-plan",
)  # fmt: skip
"""Maps that `bin/bench` has a case for."""


@dataclasses.dataclass(frozen=True)
class Timed:
    """A run: its workers; seconds from beginning to end, until the first task began, and after the last; for each map
    its tasks and the seconds that these took together; seconds of those in reading and in filters; bytes of text that
    came in."""

    workers: int
    seconds: float
    started: float
    ended: float
    maps: dict[str, tuple[int, float]]
    reading: float
    filters: float
    text: int

    @property
    def in_tasks(self) -> float:
        """Seconds of all tasks."""
        return sum(seconds for _, seconds in self.maps.values())

    @property
    def idle(self) -> float:
        """Seconds of workers without a task, between start-up and end."""
        return self.workers * self.running - self.in_tasks

    @property
    def running(self) -> float:
        """Seconds between start-up and end."""
        return self.seconds - self.started - self.ended

    @property
    def kernels(self) -> float:
        """Seconds of tasks in kernels."""
        return self.filters + sum(s for name, (_, s) in self.maps.items() if name.endswith(KERNELS))


def steps(parallel: bool, folder: str, corpus: list[str]) -> list[Any]:
    """Those of the recipe pretrain; with `parallel` without those that are one task, and with a tokenizer that has been
    trained on a part of the corpus before."""
    document = recipes.read_yaml((ROOT / "pipelines" / "recipes" / "pretrain.yaml").read_text())
    found = [step for step in document["steps"] if not parallel or _name(step) not in ONE_TASK]
    if not parallel:
        return found
    first = next(iter(read_files(corpus[:1]))).documents
    tokenizer = os.path.join(folder, "tokenizer")
    train_tokenizer(first.slice(0, 2000), tokenizer, family="bpe", vocab_size=8000)
    return [{"tokenize": {"tokenizer": tokenizer}} if _name(step) == "tokenize" else step for step in found]


def _name(step: Any) -> str:
    return step if isinstance(step, str) else next(iter(step))


def timed(corpus: list[str], chosen: list[Any], workers: int, **options: Any) -> Timed:
    """One run."""
    with tempfile.TemporaryDirectory(prefix="winnow-pipeline-") as folder:
        recipe = recipes.parse({"name": "pipeline", "input": corpus, "steps": chosen, **options})
        began, clock = time.time(), time.perf_counter()
        result = run(recipe, folder, workers=workers)
        seconds = time.perf_counter() - clock
        maps, first, last = {}, time.time(), began
        for summary in result.summaries:
            manifests = committed(os.path.join(folder, "work", summary.step)).values()
            maps[summary.step] = (len(manifests), sum(manifest.seconds for manifest in manifests))
            for manifest in manifests:
                file = os.path.join(folder, "work", summary.step, f"{manifest.key}.json")
                committed_at = os.stat(file).st_mtime
                first, last = min(first, committed_at - manifest.seconds), max(last, committed_at)
        funnel = {step["name"]: step for step in result.report["steps"]}
        passes = [step["seconds"] for name, step in funnel.items() if name in _filters(recipe)]
        return Timed(
            workers,
            seconds,
            first - began,
            began + seconds - last,
            maps,
            funnel["read"]["seconds"],
            sum(passes),
            funnel["read"]["bytes_in"],
        )


def _filters(recipe: recipes.Recipe) -> set[str]:
    return {step.name for step in recipe.steps if isinstance(step, Filter)}


def show(runs: list[Timed]) -> Table:
    """A row for each map, and those of what is between."""
    table = Table("", *(f"{run.workers} worker{'s' * (run.workers > 1)}" for run in runs), "tasks")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in runs[0].maps:
        table.add_row(name, *(f"{run.maps[name][1]:.2f} s" for run in runs), str(runs[0].maps[name][0]))
    for name, value in [
        ("in tasks", lambda run: run.in_tasks),
        ("  of these reading", lambda run: run.reading),
        ("  of these kernels", lambda run: run.kernels),
        ("idle, or waiting for the driver", lambda run: run.idle),
        ("start-up", lambda run: run.started),
        ("end", lambda run: run.ended),
        ("from beginning to end", lambda run: run.seconds),
    ]:
        table.add_row(name, *(f"{value(run):.2f} s" for run in runs), "", style="bold")
    return table


def without_ray(corpus: list[str], chosen: list[Any]) -> tuple[float, float]:
    """Seconds of a run in process, in a process that has made one before; of two such runs at once, the longer."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pairs = [pool.starmap(timed, [(corpus, chosen, 0)] * 2, 1) for _ in range(2)]
        return pool.apply(timed, (corpus, chosen, 0)).running, max(run.running for run in pairs[1])


def main(corpus: list[str], parallel: bool) -> int:
    """Time it and say so."""
    data = pathlib.Path(os.environ.get("WINNOW_DATA", ROOT.parent / "shared" / "data"))
    if data.exists():
        os.environ.setdefault("BAD_WORDS", str(data / "badwords"))
        os.environ.setdefault("TEST_SETS", str(data / "eval" / "*.jsonl"))
    with tempfile.TemporaryDirectory(prefix="winnow-tokenizer-") as folder:
        chosen = steps(parallel, folder, corpus)
        runs = [timed(corpus, chosen, workers) for workers in (1, 2)]
        alone, beside = without_ray(corpus, chosen)
    Console(width=140).print(show(runs))
    one, two = runs
    share = 1 - one.kernels / one.running
    print(f"{one.text / 1e6:.0f} MB of text; {share:.0%} of one worker's time is no kernel, start-up and end apart")
    print(
        f"two workers are {one.running / two.running:.2f} times as fast as one; two runs that know nothing of each "
        f"other {2 * alone / beside:.2f} times ({alone:.1f} s alone, {beside:.1f} s together)"
    )
    return 0
