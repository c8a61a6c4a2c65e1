"""The durable map: what is done stays done. Knows nothing of text, and only `backends` and `workers` of Ray.

`tasks` says what a task, its outputs and its manifest are; `engine` runs maps of them; `retries` takes a map's tasks
from the first attempt to the last, and `failures` says what it means that one did not succeed; `backends` carries out
attempts, here or in Ray's workers; `workers` is what runs in these, `cluster` what nodes there are; `limits` bounds
attempts in time and memory; `isolation` finds the records that a task dies of; `freed` is what becomes of outputs that
nobody reads any more; `under_way` how far tasks are.
Start with `engine.Engine.map`. May import `corpus.io`, `corpus.closure` and `corpus.kernel_cache` only.
"""

from pipelines.engine.engine import Discards, Engine, MapSummary, NothingRuns, Progress
from pipelines.engine.freed import NeededAgain
from pipelines.engine.tasks import (
    MAX_ATTEMPTS,
    Exclusion,
    File,
    Limits,
    Manifest,
    Outputs,
    Task,
    TaskFailed,
    Unproven,
    check_file,
    code_fingerprint,
    describe_file,
    fingerprint,
    fingerprint_of_files,
    key_order,
    numbered,
    outputs_named,
    task_key,
)
from pipelines.engine.under_way import Reached

__all__ = [
    "MAX_ATTEMPTS",
    "Discards",
    "Engine",
    "Exclusion",
    "File",
    "Limits",
    "Manifest",
    "MapSummary",
    "NeededAgain",
    "NothingRuns",
    "Outputs",
    "Progress",
    "Reached",
    "Task",
    "TaskFailed",
    "Unproven",
    "check_file",
    "code_fingerprint",
    "describe_file",
    "fingerprint",
    "fingerprint_of_files",
    "key_order",
    "numbered",
    "outputs_named",
    "task_key",
]
