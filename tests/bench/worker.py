"""A side's process: reads its part of the corpus and does the work of a case each time it is told to.

bench.py starts `python ours.py JOB` and `python peers.py JOB`, JOB being a `Job` as JSON, and writes
"attempt" or "answers N" to its standard input, a line each; the reply is a line of JSON. Before each
attempt the side is made anew, untimed: imports, compilation, reading, loading of models. Needs
pyarrow only, since both virtual environments import it.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


@dataclasses.dataclass(frozen=True)
class Job:
    """`bytes` is the most of the corpus to use; `cpu` the one processor to run on."""

    case: str
    folder: str
    bytes: int
    cpu: int
    package: str

    def batches(self) -> list[pa.RecordBatch]:
        """The first documents of the corpus up to `bytes` of text, one at least, in memory."""
        with pa.OSFile(os.path.join(self.folder, "corpus.arrow")) as file:
            table = pa.ipc.open_file(file).read_all()
        ends = pc.cumulative_sum(pc.cast(pc.binary_length(table["text"]), pa.int64()))
        count = pc.sum(pc.less_equal(ends, self.bytes)).as_py() or 1
        return table.slice(0, count).to_batches()

    def texts(self) -> list[str]:
        """The same documents as Python strings."""
        return [text for batch in self.batches() for text in batch["text"].to_pylist()]


class Side(NamedTuple):
    """One side of a case, ready to run. `work` is what is timed, over `bytes` bytes in `documents`
    documents. `answers(result of work, n)` says what was found for the first n documents, so that two
    sides can be compared. `parts` measures, after the work, the seconds that parts of it take alone."""

    work: Callable[[], Any]
    bytes: int
    documents: int = 0
    answers: Callable[[Any, int], list[str]] | None = None
    tokens: int = 0
    parts: Callable[[], dict[str, float]] | None = None


def over_batches(batches: list[pa.RecordBatch], work: Callable[[], Any], answers=None) -> Side:
    """A side that reads all of `batches`."""
    size = sum(pc.sum(pc.binary_length(batch["text"])).as_py() or 0 for batch in batches)
    return Side(work, size, sum(map(len, batches)), answers)


def over_texts(texts: list[str], work: Callable[[], Any], answers=None) -> Side:
    """A side that reads all of `texts`."""
    return Side(work, sum(len(text.encode()) for text in texts), len(texts), answers)


def digests(values: Iterable[bytes]) -> list[str]:
    """Answers too long to be sent."""
    return [hashlib.sha1(value).hexdigest() for value in values]


def serve(sides: dict[str, Callable[[Job], Side]]) -> None:
    """Answer bench.py until it closes the pipe."""
    job = Job(**json.loads(sys.argv[1]))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {job.cpu})
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not a reply
    side = result = None
    for line in sys.stdin:
        command, *argument = line.split()
        if command == "attempt":
            side = result = None
            gc.collect()
            side = sides[job.case](job)
            start = time.perf_counter()
            result = side.work()
            seconds = time.perf_counter() - start
            reply = {"seconds": seconds, "bytes": side.bytes, "documents": side.documents, "tokens": side.tokens}
            reply["parts"] = side.parts() if side.parts else {}
            reply["version"] = importlib.metadata.version(job.package) if job.package else None
        else:
            reply = side.answers(result, int(argument[0])) if side.answers else None
        print(json.dumps(reply), file=replies, flush=True)
