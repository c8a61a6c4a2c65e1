"""A driver in a process of its own, for tests that take parts of its cluster away: one map of `map_functions`.

`Driver` starts it; what it says, and what became of the map, it writes as lines of JSON."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE = 120
"""Seconds after which what a test waits for has not come."""


def until(condition, what):
    """Wait until a condition holds; what it gave."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)
    return found


class Driver:
    """The process. `said` are the lines that the engine has said so far."""

    def __init__(self, address, folder, function, tasks, **settings):
        program = [sys.executable, "-c", "import cluster_driver; cluster_driver.main()"]
        self._errors = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors, "text": True}
        self.process = subprocess.Popen(program, **pipes)
        request = {
            "address": address,
            "folder": str(folder),
            "function": function,
            "tasks": tasks,
            "settings": settings,
        }
        print(json.dumps(request), file=self.process.stdin, flush=True)
        self.said, self.ended = [], {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # Ray prints, too
                record = json.loads(line)
                self.said += [record.pop("said")] if "said" in record else []
                self.ended |= record

    def end(self):
        """What became of the map: its summary and {"counters"}, or {"failed", "name"}; and standard error."""
        self.process.wait(timeout=DEADLINE)
        self._reader.join(timeout=DEADLINE)
        self._errors.seek(0)
        return self.ended, self._errors.read()


class _Says:
    """In place of a progress bar."""

    def start(self, *_):
        pass

    advance = finish = start

    def say(self, line):
        print(json.dumps({"said": line}), flush=True)


def main():
    import map_functions

    from corpus.io import paths
    from pipelines.engine import Engine, Limits, Task, TaskFailed, cluster

    request = json.loads(sys.stdin.readline())
    cluster.LOOK, cluster.PATIENCE = 0.2, 1.0
    extra = Limits(0.0, request["settings"].pop("extra", 0))
    sources = tuple(paths.Source(path, 1, 1) for path in request["settings"].pop("sources", ()))
    tasks = [
        Task(f"{i:05d}", tuple(argument), ((f"input {i}", "x"),), sources=sources, extra=extra)
        for i, argument in enumerate(request["tasks"])
    ]
    engine = Engine(request["folder"], 2, request["address"], progress=_Says(), limits=Limits(300.0, 600 << 20))
    try:
        found = engine.map("step", getattr(map_functions, request["function"]), tasks, request["settings"])
        summary = dataclasses.asdict(engine.summaries[-1])
        print(json.dumps({"counters": [manifest.counters for manifest in found], **summary}), flush=True)
    except TaskFailed as error:
        print(json.dumps({"failed": str(error), "name": error.name}), flush=True)
    engine.close()
