"""Functions for engine tests, importable by Ray workers (conftest puts this folder on their path)."""

import dataclasses
import os
import pathlib
import re
import signal
import time

from corpus.io import metered, paths


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


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A task over parts of so many numbers each; `evil` says what it does at which, as (part, number, what)."""

    parts: tuple
    evil: tuple = ()
    excluded: tuple = ()

    def without(self, excluded):
        return dataclasses.replace(self, excluded=excluded)


def list_numbers(argument, outputs):
    """Writes the numbers of every part that it does not leave out, a line each; dies as it is told."""
    lines = []
    for part, count in enumerate(argument.parts):
        left_out = [each for each in argument.excluded if each.part == part]
        if any(each.end is None for each in left_out):
            continue
        if (part, None, "count") in argument.evil:
            misbehave("kill")
        for number in range(count):
            if any(each.first <= number < each.end for each in left_out):
                continue
            for where, which, what in argument.evil:
                if (where, which) == (part, number):
                    misbehave(what)
            lines.append(f"{part}:{number}")
    pathlib.Path(outputs.path("numbers.txt")).write_text("\n".join(lines))
    return {"documents": len(lines), "records": list(argument.parts)}


def misbehave(what):
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "raise":
        raise ZeroDivisionError("planted")
    elif what == "hang":
        time.sleep(600)
    elif what == "hold":  # the interpreter, in native code
        re.match(r"(a+)+$", "a" * 60 + "b")
    elif what == "eat":
        hoard = []
        while True:
            hoard.append(bytearray(32 << 20))
            time.sleep(0.01)
    elif what == "huge":
        bytearray(1 << 44)
    elif what == "storage":
        raise OSError(5, "the disk is gone")


def fail_at_first(argument, outputs):
    """The storage fails at the first two attempts."""
    marker = pathlib.Path(argument)
    tries = int(marker.read_text()) if marker.exists() else 0
    marker.write_text(str(tries + 1))
    if tries < 2:
        raise OSError(5, "the disk is busy")
    pathlib.Path(outputs.path("text.txt")).write_text("done")
    return {"documents": 1}


def write_twice(argument, outputs):
    """One output by `paths.open_output`, one in another way."""
    with paths.open_output(outputs.path("heard.txt")) as file:
        file.write(argument.encode())
    pathlib.Path(outputs.path("unheard.txt")).write_text(argument)
    return {"documents": 1}


def count_as_told(argument, outputs):
    """No outputs; the argument is what it counted."""
    return argument


def join_files(argument, outputs):
    """Writes what is in some files, one after the other; notes that it ran."""
    names, log = argument
    text = "".join(pathlib.Path(name).read_text() for name in names)
    with open(log, "a") as file:
        file.write("join\n")
    pathlib.Path(outputs.path("text.txt")).write_text(text)
    return {"documents": len(text)}


def copy_at_word(argument, outputs):
    """Notes where it runs, waits until it is given the word, and writes the argument in upper case."""
    text, folder = argument
    note(text, folder)
    while not (pathlib.Path(folder) / "word").exists():
        time.sleep(0.02)
    pathlib.Path(outputs.path("text.txt")).write_text(text.upper())
    return {"documents": len(text)}


def note(text, folder):
    """Note that an attempt at `text` began, on which node."""
    import ray

    with open(pathlib.Path(folder) / f"{text}.begun", "a") as file:
        file.write(ray.get_runtime_context().get_node_id() + "\n")


def busy_until_all_others_are_done(argument, outputs):
    """The storage fails at task "first" until the other tasks, so many, have left their marks in the folder."""
    text, folder, others = argument
    marks = pathlib.Path(folder)
    with open(marks / f"{text}.tries", "a") as file:
        file.write("x")
    while not (marks / "first.tries").exists():
        time.sleep(0.01)
    if text == "first" and len(list(marks.glob("*.done"))) < others:
        raise OSError(5, "the disk is busy")
    (marks / f"{text}.done").touch()
    pathlib.Path(outputs.path("text.txt")).write_text(text.upper())
    return {"documents": 1}


def fail_some(argument, outputs):
    """Fails at texts that begin with "bad", as the next letter says; notes each attempt."""
    text, log = argument
    with open(log, "a") as file:
        file.write(text + "\n")
    if text.startswith("bad-storage"):
        raise OSError(5, f"the disk is gone ({text})")
    if text.startswith("bad-import"):
        import nothing_of_this_name  # noqa: F401
    if text.startswith("bad"):
        raise ZeroDivisionError(text)
    pathlib.Path(outputs.path("text.txt")).write_text(text.upper())
    return {"documents": 1}


def find_damage(argument, outputs):
    """Fails by a bug, or at a file of ours that is damaged."""
    if argument == "damaged":
        raise paths.DamagedFile("file.arrow", "its checksum is wrong")
    raise ZeroDivisionError("planted")


def copy_own(argument, outputs):
    """Writes the text of an object of a class of one's own."""
    pathlib.Path(outputs.path("text.txt")).write_text(argument.text)
    return {}


def read_half(argument, outputs):
    """Reads 50 bytes, and goes on when somebody has seen it."""
    metered.add(50, 1)
    wait_for(argument)
    return {"documents": 1}


def read_and_die_at_first(argument, outputs):
    """Reads 60 bytes and kills its own process once somebody has seen it; the next attempt waits until that is
    forgotten."""
    seen, forgotten = argument
    if not os.path.exists(seen):
        metered.add(60)
        wait_for(seen)
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(forgotten)
    return {}


def wait_for(file):
    """Until a file is there."""
    while not os.path.exists(file):
        time.sleep(0.01)
