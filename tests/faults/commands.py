"""The command line as tests use it: `winnow` runs a command in a process of its own.

To start Python and to import what commands import takes a second, and a small run a tenth of one. So a server imports
once and forks for each command; what the fork does from then on is what a fresh process would. `FRESH` is the command
in a process that imports for itself."""

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

MAIN = "from pipelines.cli import main; main()"
FRESH = [sys.executable, "-c", MAIN]
IMPORTED = (
    *("pipelines.cli", "pipelines.run", "pipelines.progress", "pipelines.report.page", "pipelines.engine.one_task"),
    *(f"pipelines.inspection.{verb}" for verb in ("clean_work", "describe", "explain", "trace", "verify")),
    *("pydantic", "rapidfuzz", "rich.console", "rich.progress"),
)
"""What the server has imported: what commands do, but for ray."""


def winnow(*arguments: object, check: int | None = None, timeout: float = 300, cwd: object = None, **environment: str):
    """Run the command, with these variables in its environment; its `subprocess.CompletedProcess`. There is never a
    traceback, and `check` is the status that is expected. Raises subprocess.TimeoutExpired."""
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as folder:
        said = [pathlib.Path(folder, name) for name in ("output", "errors")]
        request = {"arguments": words, "cwd": str(cwd or os.getcwd()), "files": [os.devnull, *map(str, said)]}
        status = _ask({**request, "environment": {**os.environ, **environment}}, timeout)
        done = subprocess.CompletedProcess(words, status, *(path.read_text() for path in said))
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert check in (None, status), done.stderr[-3000:] + done.stdout[-1000:]
    return done


def _ask(request: dict, timeout: float) -> int:
    """The exit status of a command that the server runs."""
    server = _server()
    print(json.dumps(request), file=server.stdin, flush=True)
    if select.select([server.stdout], [], [], timeout)[0] and (answer := server.stdout.readline()):
        return int(answer)
    _server.cache_clear()
    os.killpg(server.pid, signal.SIGKILL)
    raise subprocess.TimeoutExpired(request["arguments"], timeout)


@functools.cache
def _server() -> subprocess.Popen:
    program = f"import commands; commands.serve(); {MAIN}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, **pipes)
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen) -> None:
    server.stdin.close()
    server.wait()


def serve() -> None:
    """Fork for each request on standard input, and answer with the status of the fork. Returns in forks only."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # a fork that looks for garbage among all this copies it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def _become(arguments: list[str], cwd: str, files: list[str], environment: dict[str, str]) -> None:
    """Make this process what it would be had it been started like this."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    for descriptor, path in enumerate(files):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
