"""Looking at runs: what is in one, whether it is whole, what became of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.text import Text

from corpus import views
from corpus.documents import DOCUMENT_FIELDS
from corpus.io import paths, shards
from corpus.reading import readers
from corpus.step import Filter, Place
from corpus.tokens import manifest as token_manifest
from corpus.views import ShardView
from pipelines import publishing
from pipelines.engine import Manifest, describe_file
from pipelines.engine.engine import committed, damaged
from pipelines.engine.tasks import is_ours
from pipelines.inspection import places
from pipelines.lock import Lock
from pipelines.maps import passes
from pipelines.publishing import OutputError, Published
from pipelines.report import report
from pipelines.run import input_sources

KEPT, DROPPED, DROPPED_HERE = ("kept", "bold green"), ("dropped", "bold red"), ("DROPPED", "bold red")
QUARANTINED, QUARANTINED_HERE = ("quarantined", "bold red"), ("QUARANTINED", "bold red")
"""Verdicts and how they look in a terminal."""
REPAIR = "the same `winnow` command with --replace compares everything with its checksum and does again what is damaged"
"""What to do about damage."""


def describe(path: str, documents: int) -> str:
    """A few lines about a run directory, or about a file of documents with its first `documents`."""
    if paths.exists(paths.join(path, "report.json")):
        lines = [report.funnel(report.load(paths.join(path, "report.json")))]
        if paths.exists(paths.join(path, "tokens/manifest.json")):
            tokens = token_manifest.load(paths.join(path, "tokens"))
            shown = {key: tokens[key] for key in ("documents", "tokens", "vocab_size", "dtype", "end_id")}
            lines.append(
                f"tokens: {len(tokens['shards'])} shards, "
                + ", ".join(f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in shown.items())
            )
        return "\n".join(lines)
    if paths.exists(paths.join(path, publishing.NAME)):
        raise ValueError(f"the run in {path} has not finished; the same command continues it")
    options = readers.ReadOptions()
    lines, shown = [], 0
    for unit in readers.split(paths.expand(path), options):
        for reading in readers.read(unit, options):
            for document in reading.documents.slice(0, documents - shown).to_pylist():
                text = document.pop("text")
                fields = {key: value for key, value in document.items() if value is not None}
                lines.append(f"{fields}\n{text[:500]}{'...' if len(text) > 500 else ''}\n")
                shown += 1
            lines += [f"cannot be read, at {row['position']}: {row['error']}\n" for row in reading.quarantined]
            if shown == documents:
                return "\n".join(lines)
    return "\n".join(lines)


def verify(output: str) -> list[str]:
    """What is wrong with a run, a sentence each: published files that are missing or not what they were, files of
    others that the next run would refuse, counts that do not add up, token shards that are damaged, and files in work/,
    where that still is, that differ from their manifests. Raises OutputError for a directory without a run."""
    published = publishing.load(output)
    if published is None:
        raise OutputError(f"{output} holds no run")
    problems = [p for name, entry in sorted(published.files.items()) for p in _compared(published.path(name), entry)]
    why = "is not of this run: move it, for the next run does not begin while it is there"
    problems += [f"{published.path(name)} {why}" for name in published.strangers()]
    for folder in publishing.step_folders(output):
        for manifest in committed(folder).values():
            for file in manifest.outputs.values():
                problems += _compared(file.path, (file.bytes, file.hash))
        problems += [
            f"{paths.join(folder, key)}.json is damaged: its task has to be done again" for key in damaged(folder)
        ]
    if not published.finished:
        return [*problems, f"{output}: the run has not finished"]
    return problems + _counted(output, published)


def _compared(path: str, entry: tuple[int, str]) -> list[str]:
    """What is wrong with a file that should have this size and checksum."""
    try:
        file = describe_file(path)
    except FileNotFoundError:
        return [f"{path} is missing"]
    except OSError as error:
        return [f"{path} cannot be read: {error}"]
    if file.bytes != entry[0]:
        return [f"{path} has {file.bytes} bytes and not {entry[0]}"]
    return [f"{path} is damaged: its checksum is wrong"] if file.hash != entry[1] else []


def _counted(output: str, published: Published) -> list[str]:
    """What is wrong with the counts of a finished run; nothing where files are missing, which says it all."""
    if not all(paths.exists(published.path(name)) for name in published.files):
        return []
    try:
        built = report.load(paths.join(output, "report.json"))
        problems = list(map(str, built["problems"]))
        written = sum(map(shards.count_rows, published.paths("documents")))
        if written != built["documents"]["kept"]:
            problems.append(f"documents/ has {written} documents, the report says {built['documents']['kept']}")
        if "tokens/manifest.json" in published.files:
            problems += token_manifest.verify(paths.join(output, "tokens"))
    except (OSError, ValueError, KeyError, TypeError, paths.DamagedFile) as error:
        return [f"{output}: the counts cannot be checked: {error}"]
    return problems


def clean_work(output: str, say: Callable[[str], None]) -> tuple[int, int]:
    """Delete what tasks left in OUT/work; (how many files those were, how many of other names stay). Raises
    OutputError for a directory without a run, Locked where one is going on."""
    published = publishing.load(output)
    if published is None:
        raise OutputError(f"{output} holds no run")
    publishing.refuse_links(output, "work")
    with Lock(output, say):
        published.save()  # of an earlier version: afterwards nothing else says what is ours
        folders = publishing.step_folders(output)
        found = {paths.join(folder, entry.name): entry for folder in folders for entry in paths.entries(folder)}
        ours = [path for path, entry in found.items() if entry.kind == "file" and is_ours(entry.name)]
        left = len(found) - len(ours) + len(paths.entries(paths.join(output, "work"))) - len(folders)
        paths.remove(ours)
        paths.remove_empty([*folders, paths.join(output, "work")])
    return len(ours), left


def render_again(output: str, say: Callable[[str], None]) -> dict:
    """Write report.html anew from report.json; the report. Raises OutputError for a directory without a run,
    FileNotFoundError for one that has no report, Locked where one is going on."""
    published = publishing.load(output)
    if published is None or "report.json" not in published.files:
        raise FileNotFoundError(f"{output} has no report.json: is it a finished run?")
    built = report.load(paths.join(output, "report.json"))
    with Lock(output, say):
        published.put(paths.join(output, "report.html"), report.render(built).encode())
    return built


def explain(output: str, document: str, most: int) -> list[Text]:
    """Lines that say what became of the document with this id or URL (raises OutputError where there is no run): what the global steps decided about
    it, `most` cuts a step, as long as the run has its work/, and where it is now."""
    published = publishing.load(output)
    if published is None:
        raise OutputError(f"{output} holds no run")
    try:
        found = _decided(output, document, most)
    except (
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        ValueError,
    ) as error:  # manifests of versions without a checksum
        found = [Text(f"work/ is damaged ({error}), so that nobody knows what the steps decided; {REPAIR}")]
    for folder in ("documents", "dropped", "quarantine"):
        for path in published.paths(folder):
            if not paths.exists(path):
                raise paths.DamagedFile(path, "it is gone, or no file")
            for batch in shards.read(path):
                found += [_fate(folder, path, row) for row in batch.filter(_is(document, batch)).to_pylist()]
    return found


def _is(document: str, batch: pa.RecordBatch) -> pa.Array:
    """Whether a row is the document with this id or URL."""
    same = pc.equal(batch["id"], document)
    return pc.or_kleene(same, pc.equal(batch["url"], document)) if "url" in batch.schema.names else same


def _fate(folder: str, path: str, row: dict) -> Text:
    if folder == "quarantine":
        return Text.assemble(f"{row['id']}: ", QUARANTINED, f" at {row['step']}: {row['error']}")
    text = places.printable(row["text"][:200])
    if folder == "documents":
        return Text.assemble(f"{row['id']}: ", KEPT, f", in {path}: {text}")
    verdict = f" by {row['step']}, rule {row['rule']}: {row['value']} (threshold {row['threshold']}): {text}"
    return Text.assemble(f"{row['id']}: ", DROPPED, verdict)


def _decided(output: str, document: str, most: int) -> list[Text]:
    """The decisions of each global step about a document. The steps' folders are numbered in order: a pass
    has written the shards that the decisions after it are about."""
    said: list[Text] = []
    view: list[ShardView] = []
    manifests: dict[str, list[Manifest]] = {}
    for folder in publishing.step_folders(output):
        if keys := damaged(folder):
            return [
                Text(
                    f"{paths.join(folder, keys[0])}.json is damaged, so that nobody knows what the steps decided; {REPAIR}"
                )
            ]
        manifests[folder] = sorted(committed(folder).values(), key=lambda manifest: manifest.key)
    for folder, done in manifests.items():
        if not done:
            continue
        if "shards" in done[0].counters:
            view = passes.new_view(done)
        elif paths.has_suffix(folder, "-decide"):
            decisions = [manifest.outputs["decisions.arrow"] for manifest in done]
            said += [line for s, file in zip(view, decisions) for line in _in_shard(view, s, file.path, document, most)]
            view = [s.decided(file.path, file.hash) for s, file in zip(view, decisions)]
    return said


def _in_shard(view: list[ShardView], shard: ShardView, decisions: str, document: str, most: int) -> Iterator[Text]:
    """What a step decided about a document, if it is in this shard."""
    for rows, batch in views.read(shard):
        for place in np.flatnonzero(_is(document, batch).fill_null(False)):
            decided = shards.read_table(decisions)
            decided = decided.filter(pc.equal(decided["row"], rows[place])).to_pylist()
            name = batch["id"][int(place)].as_py()
            because = {by: _name(view, by) for by in {decision["by"] for decision in decided if decision["by"]}}
            for decision in decided:
                if decision["action"] == "drop" and decision["by"]:
                    cause = because[decision["by"]]
                    yield Text(f"{name}: {decision['step']}: {decision['reason']}: the other document is {cause}")
            cuts = [decision for decision in decided if decision["action"] == "cut"]
            found = [
                Place(f"cut, {c['reason']} of {because.get(c['by'], c['by'])}", c["start"], c["end"]) for c in cuts
            ]
            for line in places.say(batch["text"][int(place)].as_py(), found, most):
                yield Text.assemble(f"{name}: {cuts[0]['step']}: ", line)


def _name(view: list[ShardView], by: str) -> str:
    """The id of the document at "shard:row"; other names stay."""
    shard, _, row = by.partition(":")
    if not (shard.isdigit() and row.isdigit()):
        return by
    left = int(row)
    for batch in shards.read(view[int(shard)].path):
        if left < batch.num_rows:
            return batch["id"][left].as_py()
        left -= batch.num_rows
    return by


def find(recipe, name: str) -> pa.RecordBatch | None:
    """The document of a recipe's input with this id or URL, as a batch of one; the first, or None."""
    sources, _ = input_sources(recipe.input)
    for unit in readers.split(sources, recipe.read, recipe.task_bytes):
        for reading in readers.read(unit, recipe.read):
            found = reading.documents.filter(_is(name, reading.documents))
            if found.num_rows:
                return found.slice(0, 1)
    return None


def document_of(text: str, url: str | None = None) -> pa.RecordBatch:
    """A batch of one document."""
    columns = {name: pa.nulls(1, kind) for name, kind in DOCUMENT_FIELDS.items()}
    columns |= {"id": pa.array(["document"]), "text": pa.array([text]), "url": pa.array([url], pa.string())}
    return pa.record_batch(columns)


def trace(recipe, batch: pa.RecordBatch, most: int) -> list[Text]:
    """Lines that say what every row-wise step of a recipe does to a batch of one document: its scores; where
    in the text it found what, `most` places (numbers of lines are those of the text that the step is given);
    and the rule, value and threshold by which it is dropped, where that is its fate. Steps after that still
    say theirs, on the text as it was."""
    lines = []
    for step in recipe.steps:
        if not isinstance(step, Filter):
            lines.append(Text(f"{step.name}: decides over the whole corpus; see `winnow explain OUT ID` after a run"))
            continue
        said = [Text(f"{name} = {value}") for name, value in _scores(step, batch)]
        outcome = step.apply(batch)
        said += [Text(f"{counter}: {number}") for counter, number in sorted(outcome.counters.items())]
        said += _places(batch, step.where_in(batch, outcome), most)
        if len(outcome.rows):
            verdict = f" by rule {outcome.rules[0]}: {outcome.values[0]} (threshold {outcome.thresholds[0]})"
            said.append(Text.assemble(DROPPED_HERE, verdict))
        elif outcome.faulty:
            said.append(Text.assemble(QUARANTINED_HERE, f": {outcome.faulty[0]}"))
        else:
            before, after = batch["text"][0].as_py(), outcome.kept["text"][0].as_py()
            changed = f", text {len(before):,} -> {len(after):,} characters" if before != after else ""
            said.append(Text.assemble(KEPT, changed))
            batch = outcome.kept
        lines += [Text.assemble(f"{step.name}: ", line) for line in said]
    return lines


def _places(batch: pa.RecordBatch, found: list[Place], most: int) -> list[Text]:
    in_url = places.say(batch["url"][0].as_py() or "", [p for p in found if p.column == "url"], most)
    in_text = places.say(batch["text"][0].as_py(), [p for p in found if p.column == "text"], most)
    return [*(Text.assemble("URL, ", line) for line in in_url), *in_text]


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
