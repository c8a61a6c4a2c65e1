"""Train a tokenizer on the run's documents: words are counted per shard, the counts are trained on in one task."""

from __future__ import annotations

import dataclasses
import os
import tempfile

import pyarrow as pa

from corpus import views
from corpus.documents import at_hand
from corpus.io import paths, shards
from pipelines.context import Context, TokenStep
from pipelines.engine import Exclusion, File, Limits, Outputs, Task, fingerprint_of_files, outputs_named
from pipelines.maps import groups as grouping
from pipelines.maps.groups import Group
from tokenizer_training import configuration, train

TRAINING_SECONDS = 24 * 3600.0
"""Time of the training task beyond the limit: sentencepiece takes hours for a large sample."""
TRAINING_BYTES_A_BYTE = 256
"""Its memory for each byte of its files of counts, which are compressed, with room."""


@dataclasses.dataclass(frozen=True)
class TrainTokenizer(configuration.TrainTokenizer, TokenStep):
    """`tokenizer_training.configuration.TrainTokenizer` as a step of a recipe.

    >>> import corpus, pipelines, pyarrow.parquet as pq
    >>> pq.write_table(corpus.as_table(["to be or not to be"] * 20), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.TrainTokenizer(vocab_size=266)])
    >>> result = pipelines.run_recipe(recipe, "OUT")
    >>> corpus.load_encoder("OUT/tokenizer").vocab_size
    266
    """

    work_name = "tokenizer"

    def run(self, context: Context) -> None:
        """Two maps, of counts and of the training. Leaves OUT/tokenizer."""
        view = context.found.documents
        total = sum(s.text_bytes for s in view)
        groups = grouping.of_view(view, context.working_bytes)
        tasks = [group.task(Count(self, group, total, context.seed)) for group in groups]
        counted = context.map("count", count_shard, tasks, (self, total, context.seed))
        counts = outputs_named(counted, "counts.arrow")
        inputs = (("counts", fingerprint_of_files(counts)),)
        weight = sum(file.bytes for file in counts)
        extra = Limits(TRAINING_SECONDS, TRAINING_BYTES_A_BYTE * weight)
        task = Task("00000", Train(self, tuple(counts)), inputs, weight, extra=extra)
        (trained,) = context.map("train", train_from_counts, [task], (self,))
        context.found.figures["tokenizer"] = trained.counters["figures"]
        if short := train.shortfall(trained.counters["figures"], self):
            context.note(f"tokenizer: {short}")
        context.publish("tokenizer", trained.outputs)


@dataclasses.dataclass(frozen=True)
class Count:
    """Argument of a counting task, on a corpus of `total_bytes` of text."""

    step: TrainTokenizer
    group: Group
    total_bytes: int
    seed: int

    def without(self, excluded: tuple[Exclusion, ...]) -> Count:
        """This task without some of its documents."""
        return dataclasses.replace(self, group=self.group.without(excluded))


@dataclasses.dataclass(frozen=True)
class Train:
    """Argument of the training task."""

    step: TrainTokenizer
    files: tuple[File, ...]


def count_shard(argument: Count, outputs: Outputs) -> dict:
    """Map: counts of the words of the sampled documents of some shards."""
    tables, documents = [], 0
    for _, _, batch in views.read_all(argument.group.shards):
        chosen = train.sampled(batch.column("id"), argument.total_bytes, argument.step, argument.seed)
        batch = batch.filter(pa.array(chosen))
        documents += batch.num_rows
        with at_hand(batch):
            tables.append(train.count(batch.column("text"), argument.step))
    shards.write_table(outputs.path("counts.arrow"), train.merge_counts(tables))
    return {"documents": documents}


def train_from_counts(argument: Train, outputs: Outputs) -> dict:
    """Reduce: the tokenizer's files."""
    tables = [shards.read_table(file.path, file.hash) for file in argument.files]
    with tempfile.TemporaryDirectory() as folder:
        figures = train.train(train.merge_counts(tables), argument.step, folder)
        for name in sorted(os.listdir(folder)):
            paths.publish(os.path.join(folder, name), outputs.path(name))
    return {"figures": figures}
