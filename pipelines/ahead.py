"""Kernels of later steps, compiled beside the first maps of a run: only where a run has to compile kernels at all.

While the first pass compiles its kernels, most of its workers wait for one of them. A further process takes what is
made for `winnow warm` through those steps of the recipe that come after that pass; what it compiles lies in the cache
when the run gets there. Nothing depends on it: it is ended with the run, and whatever becomes of it is nobody's
concern. Steps of a user's own do not run in it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

from corpus import closure
from corpus.step import Step
from pipelines.context import GlobalStep, TokenStep

KINDS = ("preset", "unit", "rule", "family", "method")
"""Options that decide which kernels a step has."""

_PROGRAM = """
import json, os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()  # whoever began this is gone
from pipelines import warm
warm.run_steps(sys.argv[1], json.loads(sys.argv[2]))
"""


def later(steps: Sequence[Step], offered: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the steps that `winnow warm` has, those that are steps of a recipe behind its first pass, in the same way."""
    rest = list(itertools.dropwhile(lambda step: not isinstance(step, (GlobalStep, TokenStep)), steps))
    found = [each for each in offered if any(_alike(step, *item) for step in rest for item in each.items())]
    if not any("train_tokenizer" in each for each in found):  # there is no tokenizer to use
        tokens = {step.name for step in rest if isinstance(step, TokenStep)}
        found = [each for each in found if tokens.isdisjoint(each)]
    return found


def _alike(step: Step, name: str, options: dict[str, Any]) -> bool:
    """Whether a step is the one of this name with these options, as far as its kernels go."""
    if step.name != name:
        return False
    fields = getattr(type(step), "__dataclass_fields__", {})
    return all(getattr(step, kind) == options.get(kind, fields[kind].default) for kind in KINDS if kind in fields)


class Ahead:
    """A context manager; inside, `begin` starts the process, once."""

    def __init__(self, steps: Sequence[Step]):
        self._steps = steps
        self._begun = False
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()

    def begin(self) -> None:
        """A kernel is being compiled: others will be. Called by any thread, any number of times."""
        with self._lock:
            if not self._begun:
                self._begun = True
                with contextlib.suppress(Exception):  # a run that takes longer is a run
                    self._begin()

    def _begin(self) -> None:
        from pipelines import warm

        if wanted := later(self._steps, warm.STEPS):
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            process = _start(folder, wanted)
            self._stack.callback(process.wait)
            self._stack.callback(process.kill)
            self._stack.enter_context(process.stdin or contextlib.nullcontext())

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._begun = True
            self._stack.close()


def _start(folder: str, steps: Sequence[dict[str, Any]]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (closure.ROOT, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, folder, json.dumps(steps)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
