"""What a run will need, before it begins: tasks, room in work/ and in OUT, memory, time, requests.

Everything is reckoned from the bytes of the input by constants, which `tests/bench/measure_work.py` measures: on
133 MB of text of web pages, manuals and books in some hundred languages (43 MB of WARC, 18 MB of WET, 21 MB of JSON
lines in zstd; 26,000 documents), with the default options of all steps and 64 MiB a task, on one core of 2024. Nothing
is taken off for what steps drop, which nobody knows beforehand, so that the figures are upper ones for input of that
kind; English alone takes half the time. `pipelines/ARITHMETIC.md` has them for 1, 10 and 100 TB, and how they follow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.io import paths
from corpus.reading import streams
from corpus.step import Step
from pipelines.context import GlobalStep, TokenStep
from pipelines.maps import exchange, groups
from pipelines.recipe import Recipe
from pipelines.steps.tokenize import Tokenize


class Format(NamedTuple):
    """Bytes of text for each byte of a file; seconds to read a gigabyte of text."""

    text: float
    seconds: float


FORMATS = {
    ".wet.gz": Format(1.9, 13),
    ".warc.gz": Format(0.5, 160),  # pages of the open web; manuals have 0.8
    ".warc": Format(0.11, 160),
    ".jsonl.zst": Format(3.0, 7),
    ".jsonl.gz": Format(2.5, 8),
    ".jsonl": Format(1.0, 6),
    ".parquet": Format(2.2, 4),
}
"""By how the name of a file ends."""
COMPRESSED, PLAIN = Format(2.5, 8), Format(1.0, 6)
"""Of other files: what JSON lines have."""

FOOTERS = 8
"""Parquet files, or some more, whose footers say how much text they have."""
PASS, PASS_SECONDS = 0.62, 5
"""Bytes of the shards that a pass writes for the next step, Arrow IPC with lz4, for each byte of text; seconds a
gigabyte, without its filters."""
DOCUMENTS, DOCUMENTS_SECONDS = 0.42, 8
"""The same of documents/, Parquet with zstd."""
FILTERS = {
    "c4": 2, "mc4_paragraphs": 2, "gopher_quality": 7, "gopher_repetition": 11, "fineweb": 2, "refinedweb_lines": 11,
    "language": 7, "bad_words": 5, "pii": 2, "url_removal": 5, "repair": 137,
}  # fmt: skip
"""Seconds a gigabyte; others take one at most."""


class Cost(NamedTuple):
    """Of a step, for each byte of text that enters it: bytes in work/, `all` that its maps write, and what later steps
    read, or what is published, of that; seconds a gigabyte; bytes that are exchanged, in memory. `maps` of it have a
    task for each group of shards, and what it finds returns to these by `returns` exchanges."""

    all: float
    stays: float
    seconds: float
    exchanged: float = 0.0
    maps: int = 0
    returns: int = 0


STEPS = {
    "url_dedup": Cost(0.025, 0.001, 3, 0.028, maps=2, returns=1),  # 130 bytes a document
    "exact_dedup": Cost(0.005, 0.0, 2, 0.005, maps=3, returns=2),  # and the text of what goes
    "line_dedup": Cost(0.51, 0.15, 22, 0.75, maps=3, returns=2),
    "near_dedup": Cost(1.3, 0.001, 21, 0.11, maps=6, returns=4),  # hashes of shingles are most of it
    "near_overlap": Cost(1.3, 0.001, 22, 0.11, maps=5, returns=3),  # without the other corpus
    "substring_dedup": Cost(1.6, 0.002, 50, 1.2, maps=4, returns=3),  # with a tenth of the text repeated
    "decontaminate": Cost(0.002, 0.001, 14, maps=3),
    "train_tokenizer": Cost(0.27, 0.07, 137, maps=1),  # of a larger corpus than its sample it reads as much
    "tokenize": Cost(1.2, 0.57, 43, 1.2, maps=1),  # 0.28 tokens a byte of 32,000 kinds, of two bytes each
    "pack": Cost(0.005, 0.005, 0.1),
}
"""Of the steps that are no filters; others are taken to need none."""

REQUESTS_AN_OPENING = 3
"""Requests to a store for a file that is opened: its size, its end, and what is wanted."""
FILES_A_TASK = 2.5
"""Files that a task writes, its manifest among them."""
READS_OF_A_RUN, WRITES_OF_A_RUN = 130, 40
"""Requests of a run that does next to nothing: its lock, its recipe, lists of what is there, the report."""
PART = 10 << 20
"""Bytes of a larger file that are written by a request."""
PRICE_OF_READING, PRICE_OF_WRITING = 0.4e-6, 5e-6
"""Dollars a request, as large stores had them in 2025. What is stored, and what leaves the store's region, is not in
it."""
MEMORY = 10**9
"""Bytes that a task takes at most, with the default of `working_bytes` and no document of hundreds of megabytes: 0.3 to
0.9 GB were measured, and 1.5 GB where a tokenizer is trained."""
MEMORY_A_DOCUMENT, TEXT_A_DOCUMENT = 8, 4600
"""Bytes that the clusters of near_dedup take, at most, for each document; bytes of text that a document has."""


@dataclasses.dataclass(frozen=True)
class StepEstimate:
    """Of a step with an exchange: tasks of all its maps; into how many `partitions` so many bytes are `exchanged`; how
    often a file of an exchange is opened."""

    name: str
    tasks: int
    partitions: int
    exchanged: int
    openings: int


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run needs. `reading` tasks read the input and leave about `shards`, which are read in `groups`, a task
    each; `tasks` of all maps; `work` are bytes in work/ at the end of a run that keeps them, `freed` the most at a time
    where `keep_work` is false; `documents` and `tokens` are bytes of what is published. On a local disk these are links
    into work/ and take no room of their own; a store has copies. `seconds` of one core. `memory` is what the one task
    of near_dedup that forms clusters may take, 0 without it. `reads` and `writes` are requests to a store, and `price`
    theirs in dollars."""

    files: int
    bytes: int
    text: int
    reading: int
    shards: int
    groups: int
    tasks: int
    work: int
    freed: int
    documents: int
    tokens: int
    seconds: float
    memory: int
    reads: int
    writes: int
    steps: tuple[StepEstimate, ...]

    @property
    def price(self) -> float:
        """Dollars for the requests."""
        return PRICE_OF_READING * self.reads + PRICE_OF_WRITING * self.writes

    def lines(self, store: bool = False) -> list[str]:
        """For people; with `store` what requests cost."""
        found = [
            f"input: {self.files:,} files, {shown(self.bytes)}, about {shown(self.text)} of text; "
            f"{self.reading:,} tasks read it and leave about {self.shards:,} shards",
            f"work/: about {shown(self.work)}, or with keep_work: false {shown(self.freed)} at most at a time; "
            f"documents/: {shown(self.documents)}" + (f"; tokens/: {shown(self.tokens)}" if self.tokens else ""),
        ]
        for step in self.steps:
            found.append(
                f"{step.name}: about {step.tasks:,} tasks; {shown(step.exchanged)} are exchanged in "
                f"{step.partitions:,} partition{'s' * (step.partitions > 1)}"
            )
        clusters = f", {shown(self.memory)} the one that forms clusters" if self.memory > MEMORY else ""
        found.append(
            f"in all about {self.tasks:,} tasks, {duration(self.seconds)} of one core; a task takes {shown(MEMORY)} of "
            f"memory at most{clusters}"
        )
        if store:
            found.append(f"about {self.reads:,} requests to read and {self.writes:,} to write: ${self.price:,.2f}")
        return found


def of_run(recipe: Recipe, sources: Sequence[paths.Source], reading: int) -> Estimate:
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
    exact_dedup: about 245,776 tasks; 85.5 GB are exchanged in 2,048 partitions
    in all about 403,280 tasks, 142.5 hours of one core; a task takes 1.0 GB of memory at most
    """
    of_parquet = _text_of_parquet(sources, recipe.read.text_field)
    texts = [source.size * (_is_parquet(source) and of_parquet or format_of(source.path).text) for source in sources]
    text = sum(texts)
    work, freed = _room(recipe.steps)
    names = {step.name for step in recipe.steps}
    shards = reading * max(1, -(-round(text) // max(1, reading * recipe.task_bytes)))
    grouped = _groups(text, reading, shards, recipe)
    steps = [_step(step, text, grouped, recipe.working_bytes) for step in recipe.steps if step.name in STEPS]
    passes = _passes(recipe.steps)
    maps = passes + sum(STEPS[step.name].maps for step in recipe.steps if step.name in STEPS)
    tasks = reading + (passes - 1) * grouped + sum(step.tasks for step in steps)
    written = round(text * (work + DOCUMENTS))
    return Estimate(
        files=len(sources),
        bytes=sum(source.size for source in sources),
        text=round(text),
        reading=reading,
        shards=shards,
        groups=grouped,
        tasks=tasks,
        work=round(text * work),
        freed=round(text * freed),
        documents=round(text * DOCUMENTS),
        tokens=round(text * STEPS["tokenize"].stays) if "tokenize" in names else 0,
        seconds=_seconds(recipe.steps, sources, texts),
        memory=round(text / TEXT_A_DOCUMENT) * MEMORY_A_DOCUMENT if names & {"near_dedup", "near_overlap"} else 0,
        reads=READS_OF_A_RUN + REQUESTS_AN_OPENING * (maps * shards + sum(step.openings for step in steps) + tasks),
        writes=WRITES_OF_A_RUN + round(FILES_A_TASK * tasks) + shards * passes + written // PART,
        steps=tuple(step for step in steps if step.exchanged),
    )


def format_of(path: str) -> Format:
    """What is known of a file by its name."""
    for suffix, found in FORMATS.items():
        if paths.has_suffix(path.lower(), suffix):
            return found
    return COMPRESSED if streams.compression(path) else PLAIN


def _is_parquet(source: paths.Source) -> bool:
    return paths.has_suffix(source.path.lower(), ".parquet")


def _text_of_parquet(sources: Sequence[paths.Source], field: str) -> float | None:
    """Bytes of text for each byte of the Parquet files, as the footers of some of them say; None where they do not."""
    files = [source for source in sources if _is_parquet(source) and source.size]
    text = size = 0
    for source in files[:: max(1, len(files) // FOOTERS)]:
        try:
            with paths.open_input(source.path) as file:
                footer = pq.read_metadata(file)
        except (OSError, pa.ArrowException):  # of which the run will speak
            continue
        groups_ = [footer.row_group(number) for number in range(footer.num_row_groups)]
        columns = [group.column(number) for group in groups_ for number in range(group.num_columns)]
        text += sum(each.total_uncompressed_size for each in columns if each.path_in_schema == field)
        size += source.size
    return text / size if text else None


def _groups(text: float, reading: int, shards: int, recipe: Recipe) -> int:
    """Into how many groups the shards of so much text go, of which every task leaves full ones, and one that is not."""
    if not shards:
        return 1
    of_a_task, each = text / reading, shards // reading
    sizes = [min(recipe.task_bytes, of_a_task - recipe.task_bytes * number) for number in range(each)]
    tasks = min(reading, max(1, groups.MOST_SHARDS * 32 // each))  # some thousand shards stand for all
    before = np.cumsum([0, *sizes * tasks]).astype(np.int64)
    times = reading / tasks
    return max(1, round(times * len(groups.ranges_of(before, recipe.working_bytes, times))))


def _step(step: Step, text: float, grouped: int, working_bytes: int) -> StepEstimate:
    cost = STEPS[step.name]
    exchanged = round(text * cost.exchanged)
    if isinstance(step, Tokenize):
        partitions = max(1, -(-round(text) // step.shard_bytes), len(step.sets))  # one for each shard of tokens
    else:
        partitions = exchange.partitions_for(exchanged, working_bytes)
    ways = [(grouped, partitions), *[(partitions, grouped)] * cost.returns] if exchanged else []
    combined = [way.groups * way.ranges for each in ways if (way := exchange.combining(*each))]
    tasks = cost.maps * grouped + (partitions if exchanged else 1) + sum(combined)
    return StepEstimate(step.name, tasks, partitions, exchanged, sum(exchange.openings(*each) for each in ways))


def _passes(steps: Sequence[Step]) -> int:
    """Passes over all documents: the first, one for filters after a global step, and that which delivers."""
    found, filters = 0, True
    for step in steps:
        if isinstance(step, GlobalStep):
            found, filters = found + filters, False
        elif not isinstance(step, TokenStep):
            filters = True
    return found + 1


def _seconds(steps: Sequence[Step], sources: Sequence[paths.Source], texts: Sequence[float]) -> float:
    """`texts`: bytes of text of each file."""
    text = sum(texts)
    reading = sum(size * format_of(source.path).seconds for source, size in zip(sources, texts))
    a_gigabyte: float = PASS_SECONDS * (_passes(steps) - 1) + DOCUMENTS_SECONDS
    a_gigabyte += sum(STEPS[step.name].seconds if step.name in STEPS else FILTERS.get(step.name, 1) for step in steps)
    return (reading + text * a_gigabyte) / 1e9


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
            cost = STEPS.get(step.name, Cost(0.0, 0.0, 0.0))
            total, most, view = total + cost.all, max(most, view + cost.all), view + cost.stays
        elif not isinstance(step, TokenStep):
            filters = True
    total, most, view = total + DOCUMENTS, max(most, view + DOCUMENTS), DOCUMENTS
    for step in steps:
        if isinstance(step, TokenStep):
            cost = STEPS.get(step.name, Cost(0.0, 0.0, 0.0))
            total, most, view = total + cost.all, max(most, view + cost.all), view + cost.stays
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


def duration(seconds: float) -> str:
    """Seconds, for people.

    >>> from pipelines import estimate
    >>> estimate.duration(5), estimate.duration(90), estimate.duration(10_000)
    ('5 seconds', '1.5 minutes', '2.8 hours')
    """
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:,.1f} hours"
