"""Decontamination: the scan of each shard, the table of all passages, and what it says of documents and of items."""

from __future__ import annotations

import dataclasses
from typing import Any

from corpus.contamination import decontaminate
from corpus.views import ShardView
from pipelines.contamination import spans as tables
from pipelines.contamination import verdicts
from pipelines.context import Context, GlobalStep
from pipelines.engine import Manifest, Task, describe_file, fingerprint_of_files, numbered, outputs_named, task_key
from pipelines.maps import exchange
from pipelines.maps import groups as grouping
from pipelines.maps.decide import PROPOSALS, decide_map

FOLDER = "contamination"
"""In OUT, of the first such step; the folder of another has its number."""


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
    >>> print(pathlib.Path("OUT/contamination/quiz/dirty_ids.jsonl").read_text()[:34])
    {"id": "q1", "name": "quiz.jsonl:q
    """

    def decide(self, context: Context, view: list[ShardView]) -> list[ShardView]:
        """Scan every group of shards, count, write the table and what is done to documents, judge the items."""
        evaluation = tuple((path, describe_file(path).hash) for path in self.inputs())
        groups = grouping.of_view(view, context.working_bytes)
        tasks = [group.task(tables.Scanning(self, group), evaluation) for group in groups]
        scanned = context.map("scan", tables.scan, tasks, self)
        groups = grouping.left_out(groups, scanned)
        scans = range(len(self.scans()))
        found = tuple(tuple(outputs_named(scanned, tables.of_scan(k, "spans"))) for k in scans)
        grams = tuple((k, tuple(outputs_named(scanned, tables.of_scan(k, "grams")))) for k in scans)
        prints = tuple((str(k), fingerprint_of_files(files)) for k, files in grams)
        (counted,) = context.map("count", tables.count, [Task("00000", grams, prints)], ())
        counts = tuple(counted.outputs[tables.of_scan(k, "counts")] for k in scans)
        inputs = (*evaluation, ("counts", fingerprint_of_files(counts)))
        common = tables.Tabulating(self, counts, grouping.firsts_of(groups), context.working_bytes)
        tasks = []
        for group, files in zip(groups, zip(*found)):
            spans = ("spans", fingerprint_of_files(files))
            tasks.append(Task(task_key(group.shards[0].number), files, (spans, *inputs), sum(f.bytes for f in files)))
        written = context.map("table", tables.write_table, tasks, (self, context.working_bytes), common)
        weight = sum(file.bytes for files in found for file in files)
        prints = (*inputs, *((f"spans {k}", fingerprint_of_files(files)) for k, files in enumerate(found)))
        task = Task("00000", verdicts.Judging(self, found, counts), prints, weight)
        (judged,) = context.map("items", verdicts.judge, [task], self)
        self._publish(context, written, judged)
        context.found.figures[context.name] = self._figures(len(self.evaluation_files()), written, judged)
        proposed = exchange.of_map(written, PROPOSALS, len(groups))
        return decide_map(context, groups, proposed, f"{self.scan_of_documents.ngram}-gram")

    def _publish(self, context: Context, written: list[Manifest], judged: Manifest) -> None:
        """Put the table and the items of each set into OUT/contamination."""
        folder = context.name.replace(self.name, FOLDER)
        files = outputs_named(written, tables.TABLE)
        names = {f"{numbered(number, len(files))}.parquet": file for number, file in enumerate(files)}
        context.publish(f"{folder}/spans", names)
        for place, found in enumerate(judged.counters["sets"].values()):
            ids = {f"{state}_ids.jsonl": judged.outputs[f"{place:05d}-{state}_ids.jsonl"] for state in verdicts.STATES}
            context.publish(f"{folder}/{found['folder']}", ids)

    def _figures(self, files: int, written: list[Manifest], judged: Manifest) -> dict[str, Any]:
        """For the report."""
        sets, texts = judged.counters["sets"], judged.counters["texts"]
        sources: dict[str, dict[str, int]] = {"dropped": {}, "cut": {}}
        for manifest in written:
            for what, counts in manifest.counters["sources"].items():
                for name, number in counts.items():
                    sources[what][name] = sources[what].get(name, 0) + number
        return {
            "evaluation_files": files,
            "items": sum(found["items"] for found in sets.values()),
            "items_too_short_to_check": texts["too_short_to_check"] + texts["empty"],
            "items_among_themselves": texts,
            "passages": sum(manifest.counters["spans"] for manifest in written),
            "sources": {what: dict(sorted(counts.items())) for what, counts in sources.items() if counts},
            "sets": sets,
        }
