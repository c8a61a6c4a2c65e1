"""What a run will need, before it begins: bytes of text, tasks, room in work/ and in OUT.

Everything is reckoned from the bytes of the input by constants, which `tests/bench/measure_work.py` measures: on
133 MB of text of web pages, manuals and books in some hundred languages (43 MB of WARC, 18 MB of WET, 21 MB of JSON
lines in zstd; 26,000 documents), with the default options of all steps and 64 MiB a task. Nothing is taken off for what
steps drop, which nobody knows beforehand, so that the figures are upper ones for input of that kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from corpus.io import paths
from corpus.step import Step
from pipelines.context import GlobalStep, TokenStep
from pipelines.recipe import Recipe

TEXT_A_BYTE = {
    ".wet.gz": 1.9,
    ".warc.gz": 0.5,  # pages of the open web; manuals have 0.8
    ".warc": 0.11,
    ".jsonl.zst": 3.0,
    ".jsonl.gz": 2.5,
    ".jsonl": 1.0,
    ".parquet": 2.2,
}
"""Bytes of text for each byte of a file whose name ends so."""
TEXT_A_BYTE_COMPRESSED, TEXT_A_BYTE_PLAIN = 2.5, 1.0
"""The same of other files: what JSON lines have."""

PASS = 0.62
"""Bytes of the shards that a pass writes for the next step, Arrow IPC with lz4, for each byte of text."""
DOCUMENTS = 0.42
"""Bytes of documents/, Parquet with zstd, for each byte of text."""


class Room(NamedTuple):
    """Bytes in work/ for each byte of text that enters a step: `all` that its maps write, and what later steps read,
    or what is published, of that."""

    all: float
    stays: float


STEPS = {
    "url_dedup": Room(0.01, 0.001),  # 52 bytes a document
    "exact_dedup": Room(0.005, 0.0),
    "line_dedup": Room(0.51, 0.15),
    "near_dedup": Room(1.3, 0.001),  # hashes of shingles, 8 bytes each, are all but a hundredth of it
    "substring_dedup": Room(0.005, 0.002),
    "decontaminate": Room(0.001, 0.001),
    "train_tokenizer": Room(0.27, 0.07),
    "tokenize": Room(1.2, 0.57),  # 0.28 tokens a byte, of two bytes each
    "pack": Room(0.005, 0.005),
}
"""Of the steps that are no filters; others are taken to need none."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run needs. `tasks` read the input and leave about `shards`; `work` are bytes in work/ at the end of a run
    that keeps them, `freed` the most at a time where `keep_work` is false; `documents` and `tokens` are bytes of what
    is published. On a local disk these are links into work/ and take no room of their own; a store has copies."""

    files: int
    bytes: int
    text: int
    tasks: int
    shards: int
    work: int
    freed: int
    documents: int
    tokens: int

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"input: {self.files:,} files, {shown(self.bytes)}, about {shown(self.text)} of text; "
            f"{self.tasks:,} tasks read it and leave about {self.shards:,} shards",
            f"work/: about {shown(self.work)}, or with keep_work: false {shown(self.freed)} at most at a time; "
            f"documents/: {shown(self.documents)}" + (f"; tokens/: {shown(self.tokens)}" if self.tokens else ""),
        ]


def of_run(recipe: Recipe, sources: Sequence[paths.Source], tasks: int) -> Estimate:
    """The estimate for these files of input, which so many tasks read.

    >>> import corpus, pipelines
    >>> from corpus.io import paths
    >>> from pipelines import estimate
    >>> recipe = pipelines.Recipe(steps=[corpus.C4(), pipelines.ExactDedup()])
    >>> crawl = [paths.Source(f"{number}.warc.wet.gz", 100_000_000, 0) for number in range(90_000)]
    >>> for line in estimate.of_run(recipe, crawl, 90_000).lines():
    ...     print(line)
    input: 90,000 files, 9.0 TB, about 17.1 TB of text; 90,000 tasks read it and leave about 270,000 shards
    work/: about 17.9 TB, or with keep_work: false 17.8 TB at most at a time; documents/: 7.2 TB
    """
    text = sum(source.size * text_a_byte(source.path) for source in sources)
    work, freed = _room(recipe.steps)
    names = {step.name for step in recipe.steps}
    return Estimate(
        files=len(sources),
        bytes=sum(source.size for source in sources),
        text=round(text),
        tasks=tasks,
        shards=tasks * max(1, -(-round(text) // max(1, tasks * recipe.task_bytes))),
        work=round(text * work),
        freed=round(text * freed),
        documents=round(text * DOCUMENTS),
        tokens=round(text * STEPS["tokenize"].stays) if "tokenize" in names else 0,
    )


def text_a_byte(path: str) -> float:
    """Bytes of text for each byte of a file, by its name."""
    for suffix, ratio in TEXT_A_BYTE.items():
        if paths.has_suffix(path.lower(), suffix):
            return ratio
    compressed = paths.has_suffix(path.lower(), ".gz") or paths.has_suffix(path.lower(), ".zst")
    return TEXT_A_BYTE_COMPRESSED if compressed else TEXT_A_BYTE_PLAIN


def _room(steps: Sequence[Step]) -> tuple[float, float]:
    """(bytes in work/ at the end where they are kept; the most at a time where they are freed), a byte of text: the
    shards of a pass are there until the next has been written, what a step writes until it is done."""
    total = most = view = 0.0
    filters = True  # the first pass reads the input
    for step in steps:
        if isinstance(step, GlobalStep):
            if filters:
                total, most, view = total + PASS, max(most, view + PASS), PASS
                filters = False
            room = STEPS.get(step.name, Room(0.0, 0.0))
            total, most, view = total + room.all, max(most, view + room.all), view + room.stays
        elif not isinstance(step, TokenStep):
            filters = True
    total, most, view = total + DOCUMENTS, max(most, view + DOCUMENTS), DOCUMENTS
    for step in steps:
        if isinstance(step, TokenStep):
            room = STEPS.get(step.name, Room(0.0, 0.0))
            total, most, view = total + room.all, max(most, view + room.all), view + room.stays
    return total, most


def shown(count: int) -> str:
    """Bytes, for people.

    >>> from pipelines import estimate
    >>> estimate.shown(999), estimate.shown(1_500_000), estimate.shown(2_340_000_000_000)
    ('999 bytes', '1.5 MB', '2.3 TB')
    """
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
