"""Decontamination: decisions about each shard alone, from an index of the evaluation files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from corpus.contamination import decontaminate
from corpus.views import ShardView
from pipelines.context import Context, GlobalStep
from pipelines.engine import describe_file
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSAL_SCHEMA, decide_map


@dataclasses.dataclass(frozen=True)
class Decontaminate(decontaminate.Decontaminate, GlobalStep):
    """`corpus.contamination.decontaminate.Decontaminate` as a step of a recipe.

    >>> import corpus, pipelines, pathlib, pyarrow.parquet as pq
    >>> question = "What is the name of the largest moon of the planet Saturn?"
    >>> _ = pathlib.Path("quiz.jsonl").write_text('{"id": "q1", "text": "%s"}' % question)
    >>> pq.write_table(corpus.as_table(["Nothing here.", "Quiz night! " + question]), "docs.parquet")
    >>> recipe = pipelines.Recipe(input="docs.parquet", steps=[pipelines.Decontaminate(against="quiz.jsonl")])
    >>> result = pipelines.run_recipe(recipe, "OUT")
    >>> pq.read_table("OUT/dropped").select(["id", "value"]).to_pylist()
    [{'id': '1', 'value': '1.0000 quiz.jsonl:q1'}]
    """

    def finish(self, rows: np.ndarray, batch: pa.RecordBatch, proposals: pa.Table) -> pa.Table:
        """Proposals to drop the contaminated documents of a batch."""
        found = self.decisions(batch)
        shard_rows = pa.array(rows[found["row"].to_numpy()], pa.int64())
        return found.set_column(0, "row", shard_rows).select(PROPOSAL_SCHEMA.names)

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """One map: every group of shards is scanned and decided at once."""
        evaluation = tuple((path, describe_file(path).hash) for path in self.inputs())
        index = self.index()
        context.found.figures[context.name] = {
            "evaluation_files": len(evaluation),
            "items": len(index.items),
            "items_too_short_to_check": len(index.not_checkable),
        }
        groups = grouping.of_view(view, context.working_bytes)
        return decide_map(context, groups, None, f"{self.ngram}-gram", self, evaluation)
