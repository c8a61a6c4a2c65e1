"""Taking away what a finished run no longer needs."""

from __future__ import annotations

from collections.abc import Callable

from corpus.io import paths
from pipelines import publishing, standard_input
from pipelines.engine.tasks import is_ours
from pipelines.lock import Lock
from pipelines.publishing import OutputError


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
        spooled = [entry.name for entry in paths.entries(paths.join(output, "work")) if standard_input.is_ours(entry)]
        left = len(found) - len(ours) + len(paths.entries(paths.join(output, "work"))) - len(folders) - len(spooled)
        ours += [paths.join(output, "work", name) for name in spooled]
        paths.remove(ours)
        paths.remove_empty([*folders, paths.join(output, "work")])
    return len(ours), left
