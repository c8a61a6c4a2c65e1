"""What is in a run directory, or in a file of documents."""

from __future__ import annotations

from typing import Any

from corpus.io import paths
from corpus.reading import first_records, readers
from corpus.tokens import manifest as token_manifest
from pipelines import publishing
from pipelines.inspection import clusters, quarantine
from pipelines.report import report


def describe(path: str, documents: int, options: readers.ReadOptions = readers.ReadOptions()) -> str:
    """A few lines about a run directory, about its tokens or a set of them, about files of documents with their first
    `documents`, about those of a quarantine with their first records, or about those of a table of near-duplicates with
    its largest clusters. Raises FileNotFoundError where there is neither, ValueError for a run that has not finished,
    or whose report is damaged, and for files that are not read, or whose first records have no text."""
    if paths.exists(paths.join(path, "report.json")):
        return "\n".join(_about_run(path))
    if manifest := _manifest(path):
        return "\n".join(_about_tokens(manifest))
    if paths.exists(paths.join(path, publishing.NAME)):
        raise ValueError(f"the run in {path} has not finished; the same command continues it")
    return "\n".join(_first_documents(path, documents, options))


def _about_run(path: str) -> list[str]:
    lines = [report.funnel(report.load(paths.join(path, "report.json")))]
    if found := [source.path for source in paths.list_files(paths.join(path, "quarantine"))]:
        lines += ["quarantined, by reason:", *quarantine.describe(found, 0)]
    if manifest := _manifest(paths.join(path, "tokens")):
        lines += _about_tokens(manifest)
    return lines


def _manifest(path: str) -> dict[str, Any] | None:
    """That of a folder of tokens, or of a set in one, FOLDER/SET, which is no folder of its own; None for others."""
    plain = path.rstrip("/")
    for folder in (plain, paths.parent(plain) or "."):
        if paths.exists(paths.join(folder, token_manifest.NAME)):
            if not any(paths.has_suffix(source.path, ".idx") for source in paths.list_files(folder)):
                return None  # somebody else's
            return token_manifest.load(folder) if folder == plain else token_manifest.open_set(path)[1]
        if paths.exists(plain) or paths.list_files(plain):
            return None
    return None


def _about_tokens(manifest: dict[str, Any]) -> list[str]:
    """Their figures, and those of the sets that they are divided into; of a set its own alone."""
    shown = {key: manifest[key] for key in ("documents", "tokens", "vocab_size", "dtype", "end_id")}
    figures = (f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in shown.items())
    lines = [f"tokens: {len(manifest['shards'])} shards, {', '.join(figures)}"]
    for name, shards in manifest.get("sets", {}).items():
        own = [shard for shard in manifest["shards"] if shard["name"] in shards]
        if own and own != manifest["shards"]:
            documents, tokens = (sum(shard[key] for shard in own) for key in ("documents", "tokens"))
            lines.append(f"set {name}: {len(own)} shards, documents {documents:,}, tokens {tokens:,}")
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
