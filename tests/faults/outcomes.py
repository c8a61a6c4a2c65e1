"""What reading does with one file, found in a process of its own, and whether that is right.

`observe` reads a variant in a forked child, so that a crash, a hang or a flood of memory is the
variant's own; `judge` compares what came of it with the truth.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pickle
import resource
import signal
import time
import traceback
from collections import Counter
from typing import Any

import pyarrow as pa
from mutator import Variant, digest

from corpus import documents
from corpus.io import paths
from corpus.reading import html, readers

TIMEOUT = 120
"""Seconds a file of some hundred kilobytes may take, a hostile page with its `HTML_TIMEOUT` too: far more than any
needs, on a busy machine as well."""
HTML_TIMEOUT = 15.0
MEMORY = 1536 << 20
"""Bytes of resident memory that reading may take, beyond those of the idle process, with the default limits:
a record of 64 MiB as bytes, as text in four bytes a character, as parsed, and a batch on its way out."""
ADDRESSES = 12 << 30
"""Bytes of address space, beyond those of the idle process, after which the child is refused more: so that a
flood of memory ends the child and not the machine."""
ENOUGH = 2 << 30
"""Bytes of text after which no more is read: a dictionary of a megabyte can stand for a terabyte of documents."""
ROW = {"source", "position", "error", "raw", "records", "bytes", "id"}
"""Keys of a quarantined row."""


@dataclasses.dataclass
class Outcome:
    """`documents`: how often each (id, digest of the text) came; `dropped`: how often each (id, rule);
    `rows`, `records`, `bytes`: number of quarantined rows, and the sums of what they say is lost with them;
    `errors`: the first few; `faults`: what is wrong with a reading whatever the file. `peak` and `peak_of_child`:
    resident memory in bytes, of reading itself beyond the idle process, and of the largest process that it
    started, if that is larger than itself. `ended`: None, or how the child came to a bad end; `stopped`: there was more
    than is `ENOUGH`."""

    documents: Counter = dataclasses.field(default_factory=Counter)
    dropped: Counter = dataclasses.field(default_factory=Counter)
    skipped: Counter = dataclasses.field(default_factory=Counter)
    rows: int = 0
    records: int = 0
    bytes: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)
    peak: int = 0
    peak_of_child: int = 0
    seconds: float = 0.0
    ended: str | None = None
    stopped: bool = False


# Observing


def observe(variant: Variant, folder: str | os.PathLike) -> Outcome:
    """Read the variant, as a file in `folder`, in a child process."""
    path = pathlib.Path(folder) / f"variant{variant.suffix}"
    answer, errors = path.with_name("answer"), path.with_name("errors")
    path.write_bytes(variant.data)
    answer.unlink(missing_ok=True)
    began, idle = time.monotonic(), _memory("VmRSS")
    child = os.fork()
    if not child:
        _child(path, variant, answer, errors)
    _, status, usage = os.wait4(child, 0)
    outcome = (
        pickle.loads(answer.read_bytes()) if answer.exists() else Outcome(peak=max(0, (usage.ru_maxrss << 10) - idle))
    )
    outcome.seconds = time.monotonic() - began
    if status and not outcome.ended:
        outcome.ended = _ending(status, errors.read_text(errors="replace"))
    path.unlink()
    return outcome


def _ending(status: int, errors: str) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return f"hang: no end within {TIMEOUT} s"
        return f"crash: killed by {signal.Signals(number).name}: {errors.strip()[-200:]}"
    return f"crash: exited with status {os.WEXITSTATUS(status)}: {errors.strip()[-200:]}"


def _child(path: pathlib.Path, variant: Variant, answer: pathlib.Path, errors: pathlib.Path) -> None:
    """Read and answer, and never return. The alarm's default action is to kill the process, even where
    native code never returns to the interpreter."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT)
    idle, _ = (
        _memory("VmRSS"),
        resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + ADDRESSES, resource.RLIM_INFINITY)),
    )
    outcome = Outcome()
    try:
        _read(str(path), variant, outcome)
    except BaseException:
        outcome.ended = "exception: " + traceback.format_exc(limit=-4)[-900:]
    outcome.peak = _memory("VmHWM") - idle
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    outcome.peak_of_child = started if started > _memory("VmHWM") else 0  # the system counts from before its exec on
    answer.write_bytes(pickle.dumps(outcome))
    os._exit(0)


def _memory(field: str) -> int:
    """Bytes that the process has by a field of its status: VmRSS (resident), VmHWM (its peak), VmSize."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) << 10
    raise KeyError(field)


def _read(path: str, variant: Variant, outcome: Outcome) -> None:
    limits = {} if variant.limit is None else {"max_record_bytes": variant.limit}
    options = readers.ReadOptions(html_timeout=HTML_TIMEOUT, **limits)
    text = 0
    for unit in readers.split(paths.expand(path), options, variant.unit_bytes or readers.UNIT_BYTES):
        for reading in readers.read(unit, options):
            _add(outcome, reading, path)
            text += reading.bytes_read
            del reading
            if text > ENOUGH:
                outcome.stopped = True
                return


def _add(outcome: Outcome, reading, path: str) -> None:
    batch = reading.documents
    _check_batch(outcome, batch)
    for identity, text in zip(batch.column("id"), batch.column("text")):
        outcome.documents[identity.as_py(), digest([text.as_buffer()])] += 1
    for row in reading.dropped:
        outcome.dropped[row["id"], row["rule"]] += 1
    outcome.skipped.update(reading.skipped)
    size = os.path.getsize(path)
    for row in reading.quarantined:
        _check_row(outcome, row, path, size)
        outcome.rows += 1
        outcome.records += row.get("records", 1)
        outcome.bytes += row.get("bytes", 0)
        if len(outcome.errors) < 5:
            outcome.errors.append(row["error"])


def _check_batch(outcome: Outcome, batch: pa.RecordBatch) -> None:
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        _fault(outcome, f"a batch is not valid: {error}")
    if documents.text_bytes(batch.column("text")) > documents.MAX_BATCH_TEXT and batch.num_rows > 1:
        _fault(outcome, "a batch of several documents is above MAX_BATCH_TEXT")


def _check_row(outcome: Outcome, row: dict[str, Any], path: str, size: int) -> None:
    if row.keys() != ROW:
        _fault(outcome, f"keys of a quarantined row are {', '.join(row)}")
    if row["source"] != path:
        _fault(outcome, f"source of a quarantined row is {row['source']!r}")
    if len(row["raw"]) > 4096:
        _fault(outcome, f"{len(row['raw'])} raw bytes in a quarantined row")
    if not row["error"] or "\n" in row["error"] or len(row["error"]) > 1000:
        _fault(outcome, f"error of a quarantined row is {row['error'][:100]!r}")
    numbers = [row["position"], row.get("records", 0), row.get("bytes", 0)]
    if any(type(number) is not int or number < 0 for number in numbers):
        _fault(outcome, f"position, records and bytes of a quarantined row are {numbers}")
    if row.get("bytes", 0) > size:
        _fault(outcome, f"a quarantined row says that {row['bytes']} of {size} bytes are lost")


def _fault(outcome: Outcome, fault: str) -> None:
    if fault not in outcome.faults and len(outcome.faults) < 5:
        outcome.faults.append(fault)


# Judging

SLACK = 0.02
RECORDS = 2
"""What the accounts may be short of: a share of the input, and records. Where damage runs two records
together, or garbage comes for some, a row stands for a few."""


def lost(variant: Variant, outcome: Outcome) -> tuple[int, int]:
    """(records that are missing, records present). A document with another id and another text than
    any that there was is one of those missing: damage can change both."""
    came = {_identity(variant, identity) for identity, _ in [*outcome.documents, *outcome.dropped]}
    digests = {found for _, found in outcome.documents}
    known = set(variant.texts.values())
    missing = [i for i in variant.present if i not in came and variant.texts.get(i) not in digests]
    strangers = sum(
        count
        for (identity, found), count in outcome.documents.items()
        if _identity(variant, identity) not in variant.texts and found not in known
    )
    strangers += sum(
        count for (identity, _), count in outcome.dropped.items() if _identity(variant, identity) not in variant.texts
    )
    return max(0, len(missing) - strangers), len(variant.present)


def _identity(variant: Variant, identity: str) -> str:
    """A document of a text file has the file's name for an id."""
    return "" if ".txt" in variant.suffix else identity


def _altered(variant: Variant, outcome: Outcome) -> int:
    """Number of documents whose text is none that there was: two records can have become one of them."""
    known = set(variant.texts.values())
    return sum(count for (_, found), count in outcome.documents.items() if found not in known)


def judge(variant: Variant, outcome: Outcome) -> list[str]:
    """What is wrong; each begins with a word for its kind."""
    found = [outcome.ended] if outcome.ended else []
    if outcome.peak > MEMORY or outcome.peak_of_child > html.MEMORY_LIMIT:
        found.append(
            f"memory: {outcome.peak >> 20} MiB beyond idle, {outcome.peak_of_child >> 20} MiB in a process of its own"
        )
    found += [f"contract: {fault}" for fault in outcome.faults]
    if outcome.ended:
        return found
    found += _wrong_documents(variant, outcome)
    if not outcome.stopped:
        found += _missing_documents(variant, outcome)
        found += _wrong_accounts(variant, outcome)
    return found


def _missing_documents(variant: Variant, outcome: Outcome) -> list[str]:
    came = {(_identity(variant, identity), found) for identity, found in outcome.documents}
    missing = sorted(i for i in variant.intact if (i, variant.texts[i]) not in came)
    if not missing:
        return []
    some = ", ".join(missing[:3])
    return [f"lost: {len(missing)} of {len(variant.intact)} undamaged records did not come out, such as {some}"]


def _wrong_documents(variant: Variant, outcome: Outcome) -> list[str]:
    found, originals = [], set(variant.texts.values())
    for (identity, text), _ in outcome.documents.items():
        identity = _identity(variant, identity)
        if identity in variant.refused:
            found.append(f"refused: {identity!r} came out")
        elif text in originals:
            continue
        elif identity in variant.texts:
            if not variant.altered and variant.texts[identity] != text:
                found.append(f"altered: {identity!r} came out with another text")
        elif not variant.extra:
            found.append(f"altered: a document came out that there was not, {identity!r}")
    for identity, rule in outcome.dropped:
        if _identity(variant, identity) in variant.refused:
            found.append(f"refused: {identity!r} was dropped by {rule}")
        elif _identity(variant, identity) in variant.intact:
            found.append(f"lost: {identity!r} was dropped by {rule}")
    return found[:3]


def _wrong_accounts(variant: Variant, outcome: Outcome) -> list[str]:
    found = []
    if variant.notice and not outcome.rows:
        found.append("accounts: nothing was quarantined")
    if variant.sound and outcome.rows:
        found.append(f"accounts: {outcome.rows} rows quarantined of a sound file: {outcome.errors[0]}")
    if outcome.bytes > len(variant.data):
        found.append(f"accounts: {outcome.bytes} bytes are said to be lost of {len(variant.data)}")
    if outcome.records < variant.bad:
        found.append(f"accounts: {outcome.records} records quarantined of {variant.bad}")
    missing, present = lost(variant, outcome)
    if missing > _altered(variant, outcome) and not outcome.rows:
        found.append(f"accounts: {missing} of {present} records are missing and nothing was quarantined")
    elif missing:
        total = sum(outcome.documents.values()) + sum(outcome.dropped.values()) + outcome.records
        share = max(outcome.records / max(1, total), outcome.bytes / max(1, len(variant.data)))
        if share < 0.5 * missing / present - SLACK - RECORDS / present:
            found.append(f"accounts: {missing} of {present} records are missing, {share:.1%} said to be")
    return found
