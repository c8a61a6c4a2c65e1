"""One task of a run, again, in this process: a debugger's way in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.engine.engine import Engine
from pipelines.engine.tasks import Job, Manifest, Outputs, Task, call, key_order


class Ran(Exception):
    """The task has run: a run that was only begun for it ends here. `counters` are what it returned."""

    def __init__(self, counters: dict[str, Any]):
        super().__init__()
        self.counters = counters


class OneTask(Engine):
    """An engine that takes the results of all maps as they are, but runs task `key` of the map `step`, without limits,
    leaves nothing of it, and raises `Ran`. Whatever the task raises goes through."""

    def __init__(self, folder: str, step: str, key: str, environment: dict[str, str]):
        super().__init__(folder, workers=0, dry_run=True, environment=environment)
        self.step, self.key = step, key

    def map(
        self,
        step: str,
        function: Callable[..., dict[str, Any]],
        tasks: Sequence[Task],
        configuration: Any = None,
        common: Any = None,
    ) -> list[Manifest]:
        """See `Engine.map`. Raises Ran, KeyError where the map has no such task."""
        if step != self.step:
            return super().map(step, function, tasks, configuration, common)
        found = {task.key: task for task in tasks}
        if self.key not in found:
            raise KeyError(
                f"{step} has no task {self.key!r}"
                + (f"; its tasks are {min(found, key=key_order)} to {max(found, key=key_order)}" if found else "")
            )
        with tempfile.TemporaryDirectory() as folder:
            job = Job(folder, function, "", "", self.limits, self.environment, common)
            counters = call(job, found[self.key], Outputs(folder, self.key, "again"), ())
        raise Ran(counters)
