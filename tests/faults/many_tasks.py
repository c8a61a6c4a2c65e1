"""A run of very many tiny files, a task each: what the driver needs for it.

    python tests/faults/many_tasks.py [--files 5000] [--steps length] [--format jsonl] [--store SECONDS] [--count]

Prints for the plan, the first run and the rerun that has nothing to do: seconds, the peak of the process's memory,
tasks, and with `--count` the operations on storage (which costs time itself). With `--store` input and output lie in a
simulated object store; the first run asks it without waiting, plan and rerun wait so long for every request.
"""

import argparse
import contextlib
import gzip
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "faults")]

import corpora
import slow_store

from pipelines import recipe as recipes
from pipelines import run as runs

PHASES = ("plan", "first", "again")


def write_files(folder: pathlib.Path, count: int, format: str) -> int:
    """So many files of two documents each; the bytes of the largest."""
    folder.mkdir(parents=True)
    most = 0
    for number in range(count):
        rows = [{"id": f"{number}-{i}", "text": corpora.sentence(number, i)} for i in range(2)]
        path = folder / f"{number:06d}.{format}"
        if format == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)
        else:
            data = "".join(json.dumps(row) + "\n" for row in rows).encode()
            path.write_bytes(gzip.compress(data) if format.endswith(".gz") else data)
        most = max(most, path.stat().st_size)
    return most


def recipe_for(source: str, steps: list[str], task_bytes: int, **options) -> recipes.Recipe:
    """A recipe in which every file is a task."""
    sizes = {"task_bytes": task_bytes, "working_bytes": task_bytes}
    return recipes.parse({"name": "many", "input": [source], **sizes, "steps": steps, **options})


def _phase(options: argparse.Namespace, folder: pathlib.Path, phase: str) -> dict:
    """One run, in this process; what it did and took."""
    os.fsync = lambda handle: None  # what is measured is the driver, and not the disk
    base = "slow:/" if options.store is not None else str(folder)
    most = max(path.stat().st_size for path in list((folder / "in").iterdir())[:1000]) + 64
    recipe = recipe_for(f"{base}/in", options.steps.split(","), most)
    waits = options.store if phase != "first" else 0.0
    with contextlib.ExitStack() as stack:
        counts = {}
        if options.store is not None:
            counts = stack.enter_context(slow_store.store(folder, waits))
        elif options.count:
            counts = stack.enter_context(slow_store.counting(folder))
        started = time.perf_counter()
        result = runs.run(recipe, f"{base}/out", options.workers, dry_run=phase == "plan")
        seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "tasks": sum(summary.tasks for summary in result.summaries),
        "done": sum(summary.done for summary in result.summaries),
        "operations": dict(sorted(counts.items())),
    }


def simulate(folder: pathlib.Path, options: argparse.Namespace) -> dict[str, dict]:
    """Every phase in a process of its own."""
    write_files(folder / "in", options.files, options.format)
    found = {}
    for phase in PHASES:
        command = [sys.executable, __file__, *sys.argv[1:], "--phase", phase, "--folder", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found[phase] = json.loads(done.stdout.splitlines()[-1])
        print(f"{phase}: {found[phase]}", flush=True)
    return found


def manifest_bytes(folder: pathlib.Path) -> tuple[int, int]:
    """(manifests in work/, bytes of them together)."""
    found = [path.stat().st_size for path in (folder / "out" / "work").glob("*/*.json")]
    return len(found), sum(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--steps", default="length", help="names, with commas")
    parser.add_argument("--format", default="jsonl", choices=("jsonl", "jsonl.gz", "parquet"))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--store", type=float, default=None, metavar="SECONDS")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--folder", help="where to work; default: a temporary folder")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        print(json.dumps(_phase(options, pathlib.Path(options.folder), options.phase)))
        return
    folder = pathlib.Path(options.folder or tempfile.mkdtemp(prefix="winnow-many-"))
    try:
        simulate(folder, options)
        count, size = manifest_bytes(folder)
        print(f"manifests: {count}, {size / max(1, count):.0f} bytes each")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
