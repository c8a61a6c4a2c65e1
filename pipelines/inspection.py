"""Looking at runs: what is in one, whether it is whole, what became of a document."""

from __future__ import annotations

import dataclasses
import json

import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DOCUMENT_FIELDS
from corpus.io import paths, readers, shards
from corpus.tokens import manifest as token_manifest
from pipelines import report
from pipelines.engine import Manifest, describe_file


def _json(path: str) -> dict:
    return json.loads(paths.read_bytes(path))


def describe(path: str, documents: int) -> str:
    """A few lines about a run directory, or about a file of documents with its first `documents`."""
    if paths.exists(paths.join(path, "report.json")):
        lines = [report.funnel(_json(paths.join(path, "report.json")))]
        if paths.exists(paths.join(path, "tokens/manifest.json")):
            tokens = token_manifest.load(paths.join(path, "tokens"))
            shown = {key: tokens[key] for key in ("documents", "tokens", "vocab_size", "dtype", "end_id")}
            lines.append(f"tokens: {len(tokens['shards'])} shards, " + ", ".join(f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in shown.items()))
        return "\n".join(lines)
    options = readers.ReadOptions()
    lines, shown = [], 0
    for unit in readers.split(paths.expand(path), options):
        for reading in readers.read(unit, options):
            for document in reading.documents.slice(0, documents - shown).to_pylist():
                text = document.pop("text")
                fields = {key: value for key, value in document.items() if value is not None}
                lines.append(f"{fields}\n{text[:500]}{'...' if len(text) > 500 else ''}\n")
                shown += 1
            if shown == documents:
                return "\n".join(lines)
    return "\n".join(lines)


def verify(output: str) -> list[str]:
    """What is wrong with a run, a sentence each: files that differ from their manifests, counts that do
    not add up, token shards that are damaged. Files in work/ are checked where they still are."""
    problems = []
    for source in paths.list_files(paths.join(output, "work")):
        folder, _, name = source.path.rpartition("/")
        if not name.endswith(".json") or "-" in name:
            continue
        try:
            manifest = Manifest.from_json(paths.read_bytes(source.path), folder)
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"{source.path} cannot be read: {error}")
            continue
        for file in manifest.outputs.values():
            if not paths.exists(file.path):
                problems.append(f"{file.path} is missing")
            elif describe_file(file.path) != file:
                problems.append(f"{file.path} differs from its manifest")
    if not paths.exists(paths.join(output, "report.json")):
        return [*problems, f"{output} has no report.json: the run has not finished"]
    built = _json(paths.join(output, "report.json"))
    problems += built["problems"]
    written = sum(_rows(source.path) for source in paths.list_files(paths.join(output, "documents")))
    if written != built["documents"]["kept"]:
        problems.append(f"documents/ has {written} documents, the report says {built['documents']['kept']}")
    if paths.exists(paths.join(output, "tokens/manifest.json")):
        problems += token_manifest.verify(paths.join(output, "tokens"))
    return problems


def _rows(path: str) -> int:
    return sum(batch.num_rows for batch in shards.read(path))


def explain(output: str, document: str) -> list[str]:
    """Lines that say what became of the document with this id or URL."""
    found = []
    for folder in ("documents", "dropped"):
        for source in paths.list_files(paths.join(output, folder)):
            for batch in shards.read(source.path):
                table = pa.Table.from_batches([batch])
                match = pc.or_kleene(pc.equal(table["id"], document), pc.equal(table["url"], document))
                for row in table.filter(match).to_pylist():
                    found.append(_fate(folder, source.path, row))
    return found


def _fate(folder: str, path: str, row: dict) -> str:
    text = row["text"][:200].replace("\n", "\\n")
    if folder == "documents":
        return f"{row['id']}: kept, in {path}: {text}"
    return f"{row['id']}: dropped by {row['step']}, rule {row['rule']}: {row['value']} (threshold {row['threshold']}): {text}"


def trace(recipe, text: str, url: str | None = None) -> list[str]:
    """Lines that say what every row-wise step of a recipe does to a text: its scores, and the rule, value
    and threshold by which it is dropped, where that is its fate. Steps after that still say theirs, on the
    text as it was."""
    columns = {name: pa.nulls(1, kind) for name, kind in DOCUMENT_FIELDS.items()}
    columns |= {"id": pa.array(["document"]), "text": pa.array([text]), "url": pa.array([url], pa.string())}
    batch = pa.record_batch(columns)
    lines = []
    for step in recipe.steps:
        if not hasattr(step, "apply"):
            lines.append(f"{step.name}: decides over the whole corpus; see `winnow explain OUT ID` after a run")
            continue
        for name, value in _scores(step, batch):
            lines.append(f"{step.name}: {name} = {value}")
        outcome = step.apply(batch)
        for counter, number in sorted(outcome.counters.items()):
            lines.append(f"{step.name}: {counter}: {number}")
        if len(outcome.rows):
            value, threshold = outcome.values[0], outcome.thresholds[0]
            lines.append(f"{step.name}: DROPPED by rule {outcome.rules[0]}: {value} (threshold {threshold})")
            continue
        before, after = batch["text"][0].as_py(), outcome.kept["text"][0].as_py()
        changed = f", text {len(before):,} -> {len(after):,} characters" if before != after else ""
        lines.append(f"{step.name}: kept{changed}")
        batch = outcome.kept
    return lines


def _scores(step, batch: pa.RecordBatch) -> list[tuple[str, object]]:
    """The columns that the step adds when it tags, for one document."""
    fields = {field.name for field in dataclasses.fields(step)}
    if "mode" in fields:
        step = dataclasses.replace(step, mode="tag")
    elif "tag" in fields:  # language: it tags whatever it keeps
        step = dataclasses.replace(step, tag=True, keep=())
    else:
        return []
    tagged = step.apply(batch).kept
    names = [name for name in tagged.schema.names if not batch.schema.names.count(name) or tagged[name] != batch[name]]
    return [(name, tagged[name][0].as_py()) for name in names] if tagged.num_rows else []
