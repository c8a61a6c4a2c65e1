"""Runs with Ray whose processes are killed at random moments, and then run again to their end.

    python tests/faults/kill_campaign.py [--kills 20] [--kinds worker driver watcher group raylet gcs node] [--seed 0]

After every kill the run, or the same run begun again, must leave the bytes of one that was never disturbed, and no
process.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid

import psutil

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "faults")]

import corpora
from outputs import digest

WINNOW = [sys.executable, "-c", "from pipelines.cli import main; main()"]
KINDS = ("worker", "driver", "watcher", "group", "raylet", "gcs", "node")
MARK = "WINNOW_KILL_CAMPAIGN"


class Campaign:
    """A recipe, what it leaves undisturbed, and how long that takes."""

    def __init__(self, folder: pathlib.Path, seed: int = 0, documents: int = 240):
        self.folder, self.moments = folder, random.Random(seed)
        self.recipe = folder / "full.yaml"
        self.recipe.write_text(corpora.full_recipe(corpora.write_inputs(folder / "input", documents)))
        started = time.monotonic()
        assert self.start(folder / "whole", 2, "whole").wait(600) == 0
        self.seconds = time.monotonic() - started
        self.expected = digest(folder / "whole")
        assert len(self.expected) > 20

    def start(self, output: pathlib.Path, workers: int, mark: str, *options: str) -> subprocess.Popen:
        environment = {
            **os.environ,
            MARK: mark,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        command = [*WINNOW, "run", str(self.recipe), "--output", str(output), "--workers", str(workers), *options]
        self.log = open(self.folder / "log", "ab")
        return subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log, start_new_session=True)

    def disturb(self, kind: str, number: int) -> list[str]:
        """What is wrong after a run of which something was killed."""
        output, mark = self.folder / f"out-{number}", uuid.uuid4().hex
        with _second_node(mark) if kind == "node" else contextlib.nullcontext() as cluster:
            options = ["--address", cluster.address] if cluster else []
            process = self.start(output, 2, mark, *options)
            time.sleep(self.moments.uniform(0.3, self.seconds))
            killed = cluster.kill() if cluster else kill(kind, process, mark)
            try:
                code = process.wait(self.seconds + 180)
            except subprocess.TimeoutExpired:
                code = "hung"
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        wrong = [f"the run hung after {killed}"] if code == "hung" else []
        if not cluster:
            wrong += [f"left: {' '.join(p.cmdline()[:3])[:80]}" for p in _left(mark, 30)]
        if code != 0 and self.start(output, 2, mark).wait(600) != 0:
            wrong.append("the rerun failed")
        if digest(output) != self.expected:
            wrong.append("other bytes")
        self.outcomes[f"{kind}: killed {killed}, {'finished' if code == 0 else 'ended'}"] += 1
        return wrong

    outcomes: collections.Counter = collections.Counter()


def kill(kind: str, process: subprocess.Popen, mark: str) -> str:
    """SIGKILL for what `kind` says; the name of what was there to be killed."""
    if process.poll() is not None:
        return "nothing"
    if kind in ("watcher", "group"):
        (os.kill if kind == "watcher" else os.killpg)(process.pid, signal.SIGKILL)
        return kind
    if kind == "driver":
        for child in psutil.Process(process.pid).children():
            child.kill()
            return kind
    names = {"worker": "ray::", "raylet": "raylet/raylet", "gcs": "gcs_server"}
    for victim in _marked(mark):
        with contextlib.suppress(psutil.Error):
            if names[kind] in " ".join(victim.cmdline()[:1]):
                victim.kill()
                return kind
    return "nothing"


def _marked(mark: str) -> list[psutil.Process]:
    """Processes with that mark in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _left(mark: str, seconds: float) -> list[psutil.Process]:
    """Marked processes that are still there after so long."""
    deadline = time.monotonic() + seconds
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


@contextlib.contextmanager
def _second_node(mark: str):
    """A cluster of two nodes of a processor each; its `kill` ends the second."""
    from ray.cluster_utils import Cluster

    os.environ[MARK] = mark
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)

    def end() -> str:
        cluster.remove_node(second, allow_graceful=False)
        return "node"

    cluster.kill = end
    try:
        yield cluster
    finally:
        cluster.shutdown()
        del os.environ[MARK]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        campaign = Campaign(pathlib.Path(name), options.seed)
        print(f"undisturbed: {campaign.seconds:.0f} s, {len(campaign.expected)} files", flush=True)
        for number in range(options.kills):
            kind = options.kinds[number % len(options.kinds)]
            wrong = campaign.disturb(kind, number)
            failures += bool(wrong)
            print(f"{number}: {kind}: {'; '.join(wrong) or 'same bytes'}", flush=True)
        for outcome, count in sorted(campaign.outcomes.items()):
            print(f"{count:4} {outcome}")
        if failures:
            print((campaign.folder / "log").read_text()[-5000:])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
