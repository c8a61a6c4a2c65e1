"""A small run in this process on a disk that fails at one file operation after the other, or is full from there on.

    python tests/faults/disk_campaign.py [--every 1] [--full 10]

Whatever fails: the run succeeds, or ends with one sentence; the same run then finishes on a sound disk, with the same
bytes as one that was never disturbed, and `verify` finds nothing.
"""

import argparse
import collections
import errno
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "faults")]

import corpora
import failing_files
from outputs import digest

from corpus.io import paths
from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.engine import TaskFailed, retries
from pipelines.inspection.verify import verify
from pipelines.lock import Locked
from pipelines.publishing import OutputError

SENTENCES = (TaskFailed, OutputError, recipes.RecipeError, Locked, OSError, paths.DamagedFile)
"""What the command line prints as one sentence."""


def prepared(folder: pathlib.Path):
    """The recipe of a run over three documents with a map of every kind."""
    (folder / "in").mkdir(parents=True)
    rows = corpora.documents(4)
    rows[2]["text"] = rows[1]["text"]
    corpora.write_jsonl(folder / "in" / "a.jsonl", rows[:2])
    corpora.write_jsonl(folder / "in" / "b.jsonl", rows[2:3])
    steps = [
        "c4",
        "exact_dedup",
        {"near_dedup": {"permutations": 32}},
        {"substring_dedup": {"min_length": 60}},
        {"train_tokenizer": {"vocab_size": 300}},
        "tokenize",
        {"pack": {"sequence_length": 64}},
    ]
    return recipes.parse(
        {"name": "small", "input": [str(folder / "in")], "task_bytes": 1024, "working_bytes": 1024, "steps": steps}
    )


def operations(recipe, folder: pathlib.Path, **options) -> tuple[int, dict[str, str]]:
    """(how many file operations an undisturbed run has, what it leaves)."""
    with failing_files.on(failing_files.Disk(**options)) as disk:
        runs.run(recipe, str(folder / "whole"))
    left = digest(folder / "whole")
    shutil.rmtree(folder / "whole")
    return disk.count, left


def disturbed(
    recipe, folder: pathlib.Path, disk: failing_files.Disk, expected: dict[str, str]
) -> tuple[str, list[str]]:
    """(what became of the run, what is wrong with that) on such a disk."""
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    outcome, wrong = "succeeded", []
    try:
        with failing_files.on(disk):
            runs.run(recipe, str(output))
    except SENTENCES as error:
        outcome = type(error).__name__
        if "\n" in str(error).split("\n  task ")[0] or not str(error):  # several tasks are a list
            wrong.append(f"no sentence: {error!r}")
    except BaseException as error:
        outcome = "crashed"
        wrong.append(f"{type(error).__name__}: {error}")
    if not disk.failed:
        wrong.append("nothing failed")
    if outcome == "succeeded" and digest(output) != expected:
        wrong.append("the run left something else")
    try:
        runs.run(recipe, str(output))
        if digest(output) != expected:
            wrong.append("the rerun left something else")
        wrong += verify(str(output))
    except SENTENCES as error:
        wrong.append(f"the rerun failed: {error}")
    # what is to become a lock may be another run's for an hour
    left = [p for p in output.rglob("*.tmp") if not p.name.startswith(".lock.json.")] + list(output.glob("lock.json"))
    return outcome, [*wrong, *(f"left behind: {path}" for path in left)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every so-many-th operation")
    parser.add_argument("--full", type=int, default=10, help="places at which the disk is full from then on")
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args()
    retries.BACKOFF = 0.001
    outcomes, failures = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        recipe = prepared(folder)
        operations(recipe, folder)  # once, so that everything is imported and compiled
        count, expected = operations(recipe, folder)
        writing, _ = operations(recipe, folder, only_writing=True)
        print(f"{count} file operations, {writing} of them writing")
        disks = [failing_files.Disk(at) for at in range(options.first, count + 1, options.every)]
        disks += [
            failing_files.Disk(1 + i * writing // options.full, errno.ENOSPC, True, True) for i in range(options.full)
        ]
        for disk in disks:
            outcome, wrong = disturbed(recipe, folder, disk, expected)
            outcomes[f"{'full' if disk.lasting else 'one'}: {outcome}"] += 1
            if wrong:
                failures += 1
                print(f"operation {disk.at} ({disk.where}): {outcome}: {'; '.join(wrong)[:600]}", flush=True)
    print(dict(outcomes), f"{failures} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    os.environ.setdefault("WINNOW_FILTERS", str(ROOT))
    sys.exit(main())
