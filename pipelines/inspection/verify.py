"""Is a run whole: its files against their checksums, its counts against each other."""

from __future__ import annotations

from typing import Any

from corpus.io import paths, shards
from corpus.tokens import manifest as token_manifest
from pipelines import publishing
from pipelines.engine import describe_file, freed
from pipelines.engine.engine import manifests_in
from pipelines.near import tables
from pipelines.publishing import OutputError, Published
from pipelines.report import report

REPAIR = "the same `winnow` command with --replace compares everything with its checksum and does again what is damaged"
"""What to do about damage."""


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
        found = manifests_in(folder)
        gone = freed.load(folder)
        for manifest in filter(None, found.values()):
            for name, file in manifest.outputs.items():
                if not (gone and gone.covers(name) and not paths.exists(file.path)):
                    problems += _compared(file.path, (file.bytes, file.hash))
        problems += [
            f"{paths.join(folder, key)}.json is damaged: its task has to be done again"
            for key, manifest in found.items()
            if manifest is None
        ]
    if not published.finished:
        return [*problems, f"{output}: the run has not finished"]
    return problems + _counted(output, published)


def no_longer_there(output: str) -> str:
    """A sentence about what of work/ was deleted while the run went on; "" where all of it is there."""
    steps = [paths.basename(folder) for folder in publishing.step_folders(output) if freed.load(folder)]
    if not steps:
        return ""
    return f"work/ no longer holds what {', '.join(steps)} wrote, which no later step reads (keep_work: false)"


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
        problems += _clusters_counted(published, built)
        if "tokens/manifest.json" in published.files:
            problems += token_manifest.verify(paths.join(output, "tokens"))
    except (OSError, ValueError, KeyError, TypeError, paths.DamagedFile) as error:
        return [f"{output}: the counts cannot be checked: {error}"]
    return problems


def _clusters_counted(published: Published, built: dict[str, Any]) -> list[str]:
    """Where tables of clusters are not as long as the report says; of a step that is to leave none, nothing."""
    problems = []
    for name, figures in built.get("figures", {}).items():
        folder = f"{name}/{tables.FOLDER}"
        if found := published.paths(folder):
            rows, said = sum(map(shards.count_rows, found)), figures["clusters"] + figures["dropped"]
            if rows != said:
                problems.append(f"{folder} has {rows} documents, the report says {said}")
    return problems
