"""Text of HTML pages, extracted in a child process with a time limit for each page.

A parser written in native code can loop, or crash, on a hostile page, and nothing within the
same process can stop it. `Extractor` therefore keeps one child, sends it pages by the batch and
reads one answer a page. The child sets a timer before each page whose signal kills it; the
parent then gives up that page, starts a new child and goes on with the next.

This module imports nothing of ours but `charset`, so that a child starts quickly.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
import select
import signal
import struct
import subprocess
import sys
import time

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from corpus.io import charset

EXTRACTORS = {
    "resiliparse": "corpus.io.html:extract_page",
    "resiliparse_main": "corpus.io.html:extract_main",
    "trafilatura": "corpus.io.html_trafilatura:extract_main",
}
"""Choices of extraction and the function, `module:name`, that the child imports for each."""
MEMORY_LIMIT = 4 << 30
"""Bytes of address space of the child. A page of 32 MiB needs some 600 MiB."""
PIPE = 64 << 10
"""Bytes read at a time: what a pipe holds. A larger buffer costs a call to the system for its memory."""
GRACE = 30.0
"""Seconds beyond the limit after which the parent stops waiting for the child's own timer: enough
for a child to start on a busy machine."""

_SPACES = re.compile("  +")
_SIZE = struct.Struct("<q")
_ANSWER = struct.Struct("<?q")
_CHILD = """
import json, sys
config = json.loads(sys.argv[1])
sys.path[:] = config.pop("path")
from corpus.io.html import serve
serve(**config)
"""


def extract_page(data: bytes, declared: str | None = None) -> str:
    """The text of an HTML page in the form of Common Crawl's WET files: the title, unless it is
    the first line anyway, then a line a block; runs of spaces, tabs and no-break spaces are one
    space, and there are no blank lines. Menus and footers are kept. `declared` is the charset of
    the HTTP header.
    """
    return _resiliparse(data, declared, main_content=False)


def extract_main(data: bytes, declared: str | None = None) -> str:
    """The same without what resiliparse takes for menus, footers and other boilerplate."""
    return _resiliparse(data, declared, main_content=True)


def _resiliparse(data: bytes, declared: str | None, main_content: bool) -> str:
    tree = HTMLTree.parse(charset.decode(data, declared))
    text = extract_plain_text(
        tree, preserve_formatting=True, main_content=main_content, list_bullets=False, alt_texts=False
    )
    text = "\n".join([stripped for line in text.split("\n") if (stripped := line.strip())])
    for space in "\t\r\f\v\u00a0":
        text = text.replace(space, " ")
    if "  " in text:  # few pages; searching for pairs alone is much faster than replacing runs
        text = _SPACES.sub(" ", text)
    title = " ".join((tree.title or "").split())
    if title and text.partition("\n")[0] != title:
        text = f"{title}\n{text}" if text else title
    return text


class Failed(str):
    """Why a page has no text."""


class Extractor:
    """Extracts the text of pages in a child process. A context manager; not thread-safe.

    `timeout` is in seconds a page. `extractor` names the function, `module:name`, with the
    signature of `extract_page`.
    """

    def __init__(self, timeout: float, extractor: str = EXTRACTORS["resiliparse"]):
        self.timeout, self.extractor = timeout, extractor
        self.child: subprocess.Popen | None = None
        self._unread = bytearray()  # answers that have come and not been looked at

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_) -> None:
        self._stop()

    def extract(self, pages: list[tuple[bytes, str | None]]) -> list[bytes | Failed]:
        """For each page (HTML, declared charset or None) its text in UTF-8, or why there is none.
        A page that takes too long is given up; one that kills the child is tried once more."""
        answers: list[bytes | Failed] = []
        suspect = -1  # the page that the last child died at
        while len(answers) < len(pages):
            try:
                self._exchange(pages, answers)
            except _Died as death:
                page = len(answers)
                if death.timed_out or suspect == page:
                    answers.append(Failed(str(death)))
                suspect = page
        return answers

    def _exchange(self, pages, answers) -> None:
        """Send the pages that have no answer yet and append the answers as they come."""
        if self.child is None or self.child.poll() is not None:
            self._stop()
            self._start()
        first = len(answers)
        message = pickle.dumps(pages[first:], protocol=5)
        self._write(_SIZE.pack(len(message)))
        self._write(message)
        for _ in pages[first:]:
            good, size = _ANSWER.unpack(self._read(_ANSWER.size))
            answer = self._read(size)
            answers.append(answer if good else Failed(answer.decode("utf-8", "replace")))

    def _start(self) -> None:
        config = {
            "path": [entry or os.getcwd() for entry in sys.path],
            "parent": os.getpid(),
            "timeout": self.timeout,
            "extractor": self.extractor,
        }
        command = [sys.executable, "-c", _CHILD, json.dumps(config)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        os.set_blocking(self.child.stdin.fileno(), False)
        os.set_blocking(self.child.stdout.fileno(), False)

    def _stop(self) -> int | None:
        """Kill the child. Returns its exit status: negative is the signal that killed it."""
        if self.child is None:
            return None
        if self.child.poll() is None:
            self.child.kill()
        status = self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()
        self.child = None
        self._unread.clear()
        return status

    def _write(self, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            self._wait(self.child.stdin, select.POLLOUT)
            try:
                rest = rest[os.write(self.child.stdin.fileno(), rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._death() from None

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._wait(self.child.stdout, select.POLLIN)
            piece = os.read(self.child.stdout.fileno(), PIPE)
            if not piece:
                raise self._death()
            self._unread += piece
        data = bytes(memoryview(self._unread)[:size])
        del self._unread[:size]
        return data

    def _wait(self, pipe, event: int) -> None:
        poll = select.poll()
        poll.register(pipe.fileno(), event)
        if not poll.poll((self.timeout + GRACE) * 1000):
            self._stop()
            raise _Died(f"no answer within {self.timeout + GRACE:g} s", timed_out=True)

    def _death(self) -> _Died:
        try:
            self.child.wait(1)  # it closed its pipes, so that it is exiting by itself
        except subprocess.TimeoutExpired:
            pass
        status = self._stop()
        if status == -signal.SIGALRM:
            return _Died(f"extraction took longer than {self.timeout:g} s", timed_out=True)
        how = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        return _Died(f"the extractor {how} at this page, twice", timed_out=False)


class _Died(Exception):
    def __init__(self, reason: str, timed_out: bool):
        super().__init__(reason)
        self.timed_out = timed_out


def serve(parent: int, timeout: float, extractor: str) -> None:
    """The child: read batches of pages from standard input until it ends, answer on standard
    output. The timer's signal has its default action, which is to kill the process even where
    native code never returns to the interpreter."""
    _guard(parent)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    module, _, name = extractor.partition(":")
    function = getattr(importlib.import_module(module), name)
    while len(head := sys.stdin.buffer.read(_SIZE.size)) == _SIZE.size:
        for data, declared in pickle.loads(sys.stdin.buffer.read(*_SIZE.unpack(head))):
            signal.setitimer(signal.ITIMER_REAL, timeout)
            try:
                good, answer = True, function(data, declared).encode()
            except Exception as error:
                good, answer = False, f"{type(error).__name__}: {error}".encode("utf-8", "replace")
            signal.setitimer(signal.ITIMER_REAL, 0)
            message = memoryview(_ANSWER.pack(good, len(answer)) + answer)
            while message:
                message = message[answers.write(message) :]


def _guard(parent: int) -> None:
    """Bound the child's memory, and tie its life to its parent's."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform == "linux":
        import ctypes
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, resource.getrlimit(resource.RLIMIT_AS)[1]))
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
