"""Functions for engine tests, importable by Ray workers (conftest puts this folder on their path)."""

import os
import pathlib
import signal


def copy_upper(argument, outputs):
    """Writes the argument in upper case; notes that it ran."""
    text, log = argument
    with open(log, "a") as file:
        file.write(text + "\n")
    pathlib.Path(outputs.path("text.txt")).write_text(text.upper())
    return {"documents": len(text)}


def die_at_first(argument, outputs):
    """Kills its own process at the first attempt, after half of its output is written."""
    text, marker = argument
    path = pathlib.Path(outputs.path("text.txt"))
    path.write_text(text[:1])
    if not os.path.exists(marker):
        pathlib.Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    path.write_text(text.upper())
    return {"documents": len(text)}


def die_always(argument, outputs):
    """A task that kills every worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(argument, outputs):
    """A task with a bug."""
    raise ZeroDivisionError("planted")


def promise_only(argument, outputs):
    """Asks for a path and writes nothing there."""
    outputs.path("never.txt")
    return {}
