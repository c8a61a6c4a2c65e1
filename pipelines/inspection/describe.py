"""What is in a run directory, or in a file of documents."""

from __future__ import annotations

from corpus.io import paths
from corpus.reading import first_records, readers
from corpus.tokens import manifest as token_manifest
from pipelines import publishing
from pipelines.inspection import clusters, quarantine
from pipelines.report import report


def describe(path: str, documents: int, options: readers.ReadOptions = readers.ReadOptions()) -> str:
    """A few lines about a run directory, about files of documents with their first `documents`, about those of a
    quarantine with their first records, or about those of a table of near-duplicates with its largest clusters. Raises
    FileNotFoundError where there is neither, ValueError for a run that has not finished, or whose report is damaged,
    and for files that are not read, or whose first records have no text."""
    if paths.exists(paths.join(path, "report.json")):
        return "\n".join(_about_run(path))
    if paths.exists(paths.join(path, publishing.NAME)):
        raise ValueError(f"the run in {path} has not finished; the same command continues it")
    return "\n".join(_first_documents(path, documents, options))


def _about_run(path: str) -> list[str]:
    lines = [report.funnel(report.load(paths.join(path, "report.json")))]
    if found := [source.path for source in paths.list_files(paths.join(path, "quarantine"))]:
        lines += ["quarantined, by reason:", *quarantine.describe(found, 0)]
    if paths.exists(paths.join(path, "tokens/manifest.json")):
        tokens = token_manifest.load(paths.join(path, "tokens"))
        shown = {key: tokens[key] for key in ("documents", "tokens", "vocab_size", "dtype", "end_id")}
        figures = (f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in shown.items())
        lines.append(f"tokens: {len(tokens['shards'])} shards, {', '.join(figures)}")
    return lines


def _first_documents(path: str, most: int, options: readers.ReadOptions) -> list[str]:
    """The first documents of some files, and what of them cannot be read before these."""
    sources, unknown = readers.expand(path, options)
    if quarantine.is_one([source.path for source in sources[:1]]):
        return quarantine.describe([source.path for source in sources], most)
    if clusters.is_one([source.path for source in sources[:1]]):
        return clusters.describe([source.path for source in sources], most)
    lines, shown = first_records.check_fields(sources, options, all_unreadable=True), 0
    lines += [readers.passed_over(unknown)] if unknown else []
    for unit in readers.split(sources, options):
        for reading in readers.read(unit, options):
            for document in reading.documents.slice(0, most - shown).to_pylist():
                text = document.pop("text")
                fields = {key: value for key, value in document.items() if value is not None}
                lines.append(f"{fields}\n{text[:500]}{'...' if len(text) > 500 else ''}\n")
                shown += 1
            lines += [f"cannot be read, at {row['position']}: {row['error']}\n" for row in reading.quarantined]
            if shown == most:
                return lines
    return lines
