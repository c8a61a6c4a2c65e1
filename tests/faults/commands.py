"""The command line as tests use it: `winnow` runs a command in a process of its own.

To start Python and to import what commands import takes a second, and a small run a tenth of one. So a server imports
once and forks for each command; what the fork does from then on is what a fresh process would, but for a few tables
that are the same in every process. For another copy of our code a second server imports libraries only. `FRESH` is the
command in a process that does everything itself."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import traceback

FRESH = [sys.executable, "-c", "from pipelines.cli import main; main()"]
LIBRARIES = (
    *("jinja2", "numba", "psutil", "pyarrow.compute", "pyarrow.fs", "pyarrow.parquet", "pydantic", "rapidfuzz"),
    *("rich.console", "rich.progress", "typer", "yaml"),
)
OURS = (
    *("pipelines.cli", "pipelines.run", "pipelines.progress", "pipelines.report.page", "pipelines.engine.one_task"),
    *(f"pipelines.inspection.{verb}" for verb in ("clean_work", "describe", "explain", "trace", "verify")),
)
"""What servers have imported: what commands do, but for ray."""


def winnow(
    *arguments: object,
    check: int | None = None,
    timeout: float = 300,
    cwd: object = None,
    project: object = None,
    **environment: str,
) -> subprocess.CompletedProcess:
    """Run the command, with these variables in its environment; its `subprocess.CompletedProcess`. There is never a
    traceback, and `check` is the status that is expected. `project` is the folder from which our packages are imported,
    if they are others. Raises subprocess.TimeoutExpired."""
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as folder:
        said = [pathlib.Path(folder, name) for name in ("output", "errors")]
        request = {"arguments": words, "cwd": str(cwd or os.getcwd()), "files": [os.devnull, *map(str, said)]}
        request |= {"environment": {**os.environ, **environment}, "path": [str(project)] if project else []}
        status = _ask(_server(LIBRARIES if project else (*LIBRARIES, *OURS)), request, timeout)
        done = subprocess.CompletedProcess(words, status, *(path.read_text() for path in said))
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert check in (None, status), done.stderr[-3000:] + done.stdout[-1000:]
    return done


def _ask(server: subprocess.Popen, request: dict, timeout: float) -> int:
    """The exit status of a command that the server runs."""
    print(json.dumps(request), file=server.stdin, flush=True)
    if select.select([server.stdout], [], [], timeout)[0]:
        return int(server.stdout.readline())
    _server.cache_clear()
    os.killpg(server.pid, signal.SIGKILL)  # with the command
    raise subprocess.TimeoutExpired(request["arguments"], timeout)


@functools.cache
def _server(imported: tuple[str, ...]) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    program = [sys.executable, "-c", f"import commands; commands.serve({imported})"]
    server = subprocess.Popen(program, start_new_session=True, **pipes)
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen) -> None:
    server.stdin.close()
    server.wait()


def serve(imported: tuple[str, ...]) -> None:
    """Fork for each request on standard input, and answer with the status of the fork."""
    for name in imported:
        importlib.import_module(name)
    sys.modules["numba"].njit(lambda: 0)()  # it imports half of itself before the first kernel
    if OURS[0] in imported:
        _read_tables()
    gc.freeze()  # a fork that looks for garbage among all this copies it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
            os._exit(_status_of_command())  # to take everything apart takes longer than most commands
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _read_tables() -> None:
    """What a process of ours reads once."""
    from corpus.language import profiles
    from pipelines.report import page

    profiles.load()
    page._template()


def _become(arguments: list[str], cwd: str, files: list[str], environment: dict[str, str], path: list[str]) -> None:
    """Make this process what it would be had it been started like this."""
    os.chdir(cwd)
    sys.path[:0] = path
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    for descriptor, path in enumerate(files):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)


def _status_of_command() -> int:
    from pipelines.cli import main

    try:
        main()
    except SystemExit as leaving:
        return leaving.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
