"""What a step that is no filter is, and all that it may use of a run.

A *global step* looks at the whole corpus and adds decisions to the view. A *token step* comes after the documents are
written: it trains a tokenizer, encodes, packs.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from corpus.io import paths
from corpus.reading.read_options import ReadOptions
from corpus.step import Step
from corpus.views import ShardView

if TYPE_CHECKING:  # what a run needs is no part of what a task does
    from pipelines.engine import Engine, File, Manifest, Task
    from pipelines.near.index import Update
    from pipelines.publishing import Published


@dataclasses.dataclass
class Findings:
    """What steps leave beside their outputs, for the accounts, the report, and each other.

    manifests: of the maps that account for documents, in the order of the run
    notes: what there is to say of the run, a sentence each
    figures: for the report, by step
    examples: clusters of near-duplicates, by step, and `before`: the view whose documents they name
    documents: the shards of documents/; empty until they are written
    tokenized: manifests of the map that encodes
    token_lengths: documents by tokens, in the bins of `maps.step_counts`
    token_sets: names of the token shards of each set, where there are sets
    token_indexes: of each token shard, its index and its name
    updates: of indexes, for when the run is proven
    """

    manifests: list[Manifest] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
    examples: dict[str, list[dict]] = dataclasses.field(default_factory=dict)
    before: dict[str, list[ShardView]] = dataclasses.field(default_factory=dict)
    documents: list[ShardView] = dataclasses.field(default_factory=list)
    tokenized: list[Manifest] = dataclasses.field(default_factory=list)
    token_lengths: list[int] = dataclasses.field(default_factory=list)
    token_sets: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    token_indexes: list[tuple[File, str]] = dataclasses.field(default_factory=list)
    updates: list[Update] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Context:
    """All that a step may use of a run. `name` is the step's name in the run, `work_name` the beginning of the names
    of its maps in work/, `steps` are all of the recipe's, `read` is how it reads documents, `stream` how its tokens are
    to be read."""

    name: str
    work_name: str
    seed: int
    task_bytes: int
    working_bytes: int
    steps: tuple[Step, ...]
    read: ReadOptions
    found: Findings
    engine: Engine
    published: Published
    stream: dict[str, Any] | None = None

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be written: the maps say what they would do."""
        return self.engine.dry_run

    @property
    def output(self) -> str:
        """The run directory."""
        return self.published.output

    def map(
        self,
        what: str,
        function: Callable[..., dict[str, Any]],
        tasks: Sequence[Task],
        configuration: Any,
        common: Any = None,
    ) -> list[Manifest]:
        """Run a durable map of this step; see `engine.Engine.map`."""
        return self.engine.map(f"{self.work_name}-{what}", function, tasks, configuration, common)

    def note(self, line: str) -> None:
        """Say a sentence now, and in the report."""
        self.found.notes.append(line)
        self.engine.say(line)

    def publish(self, folder: str, files: dict[str, File], keep: tuple[str, ...] = ()) -> None:
        """Make OUT/folder hold these outputs of tasks; see `Published.publish`. A dry run publishes nothing."""
        if not self.dry_run:
            self.published.publish(folder, files, keep)

    def path(self, folder: str) -> str:
        """Of a folder of published files."""
        return paths.join(self.output, folder)


class GlobalStep(Step):
    """A step that looks at the whole corpus and adds decisions to the view."""

    def check_run(self, output: str, text: int, task_bytes: int, working_bytes: int) -> None:
        """Before a run into a directory, and again when its documents have been read: raises ValueError where this step
        cannot do its work there, or with so many bytes of text, which it will have at least, about."""

    @abc.abstractmethod
    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """The view with the step's decisions."""


class TokenStep(Step):
    """A step that comes after the documents are written: it trains a tokenizer, encodes, packs."""

    @property
    @abc.abstractmethod
    def work_name(self) -> str:
        """The beginning of the names of its maps in work/."""

    @abc.abstractmethod
    def run(self, context: Context) -> None:
        """Make something of `context.found.documents`, and publish it."""
