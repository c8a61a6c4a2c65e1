"""Damaged and hostile files through the command line, in folders among clean ones.

A run over such a folder ends with 0, or with 1 and a sentence, and never a traceback; what the clean
files hold comes out; and what it says it lost adds up.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import clean_files
import mutator
import pyarrow.parquet as pq
from clean_files import Clean

WINNOW = [sys.executable, "-c", "from pipelines.cli import main; main()"]
TIMEOUT = 1800
"""Seconds of a run over a folder."""
FOLDER = 20
CLEAN = ("jsonl.zst frames", "warc.gz", "parquet groups")
"""Layouts of the clean files in each folder."""
MAX_QUARANTINED = 0.5
"""The share above which a run fails unless it is told otherwise."""


class Run(NamedTuple):
    code: int
    said: str
    output: pathlib.Path

    @property
    def sentence(self) -> str:
        """The last line that it said, without its progress."""
        return self.said.strip().rpartition("\n")[2][-600:]

    def report(self) -> dict:
        return json.loads((self.output / "report.json").read_text())


def winnow(source: pathlib.Path, output: pathlib.Path, *more: str) -> Run:
    command = [
        *WINNOW,
        "filter",
        str(source),
        str(output),
        "--step",
        "length",
        "--workers",
        "2",
        "--set",
        "read.html_timeout=15",
        *more,
    ]
    try:
        # not from here: Python looks for modules in the folder it is started in
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=output.parent)
    except subprocess.TimeoutExpired:
        return Run(-1, f"hang: no end within {TIMEOUT} s", output)
    return Run(done.returncode, done.stderr, output)


def fill(folder: pathlib.Path, seed: int, numbers: list[int]) -> list[Clean]:
    """Write the variants, and clean files among them; the clean files."""
    folder.mkdir()
    for number in numbers:
        variant = mutator.variant(seed, number)
        (folder / f"{number}-variant{variant.suffix}").write_bytes(variant.data)
    clean = [clean_files.clean(layout, f"clean-{numbers[0]}") for layout in CLEAN]
    for position, file in enumerate(clean):
        (folder / f"{numbers[position * len(numbers) // len(clean)]}-clean{file.suffix}").write_bytes(file.data)
    return clean


def judge(source: pathlib.Path, clean: list[Clean], run: Run) -> list[str]:
    """What is wrong with a run that was told to take any share of faults."""
    if run.code or "Traceback" in run.said:
        return [f"exit code {run.code}{' and a traceback' * ('Traceback' in run.said)}: {run.sentence}"]
    found = wrong_report(run.report(), sum(path.stat().st_size for path in source.iterdir()))
    kept = pq.read_table(run.output / "documents", columns=["id", "text"]).to_pylist()
    came = {(row["id"], row["text"]) for row in kept}
    for file in clean:
        missing = [record.id for record in file.records if (record.id, record.text) not in came]
        if missing:
            found.append(f"{len(missing)} documents of the clean {file.layout} did not come out, such as {missing[0]}")
    return found


def wrong_report(report: dict, size: int) -> list[str]:
    found, count = [], report["documents"]
    if count["in"] != count["kept"] + count["dropped"] + count["quarantined"]:
        found.append(f"documents do not add up: {count}")
    lost = report.get("lost")
    if lost is None:
        return [*found, "the report has no 'lost'"]
    if lost["input_bytes"] != size:
        found.append(f"the report says {lost['input_bytes']} bytes of input, there are {size}")
    if not 0 <= lost["bytes"] <= size or lost["ranges"] < 0:
        found.append(f"lost is {lost}")
    return found


def share(report: dict) -> float:
    """What decides whether a run with the default limit fails."""
    count, lost = report["documents"], report.get("lost", {"bytes": 0, "input_bytes": 1})
    return max(count["quarantined"] / max(1, count["in"]), lost["bytes"] / max(1, lost["input_bytes"]))


def in_default_bounds(run: Run, expected: bool) -> list[str]:
    """What is wrong with a run of default limits, which succeeds if it is `expected` to."""
    if (
        run.code == (0 if expected else 1)
        and "Traceback" not in run.said
        and (expected or "max_quarantined" in run.said)
    ):
        return []
    return [f"with the default limit exit code {run.code}, expected {0 if expected else 1}: {run.sentence}"]


def campaign(seed: int, numbers: list[int]) -> int:
    """Run all the variants, by folders; print what is wrong; 1 if anything is."""
    failed = 0
    numbers = [number for number in numbers if _fits(mutator.variant(seed, number))]
    for start in range(0, len(numbers), FOLDER):
        some = numbers[start : start + FOLDER]
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            found = _folder(pathlib.Path(place), seed, some)
        failed += bool(found)
        said = "; ".join(found) or "good"
        print(f"{some[0]}..{some[-1]}: {len(some)} variants, {time.monotonic() - began:.0f} s: {said}", flush=True)
    print(f"{-(-len(numbers) // FOLDER)} folders, {failed} failed")
    return int(bool(failed))


def _fits(variant: mutator.Variant) -> bool:
    """Whether it can share a run: one that needs a limit of its own cannot, nor one that would fill the disk."""
    return variant.limit is None and not variant.huge


def _folder(place: pathlib.Path, seed: int, numbers: list[int]) -> list[str]:
    clean = fill(place / "in", seed, numbers)
    run = winnow(place / "in", place / "out", "--set", "max_quarantined=1")
    found = judge(place / "in", clean, run)
    if run.code == 0:
        strict = winnow(place / "in", place / "strict")
        found += in_default_bounds(strict, share(run.report()) <= MAX_QUARANTINED)
    return found
