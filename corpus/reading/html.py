"""Text of HTML pages, extracted in a child process with a time limit for each page.

A parser written in native code can loop, or crash, on a hostile page, and nothing within the
same process can stop it. `Extractor` therefore keeps one child and gives it pages by the batch.
The child writes one answer a page and sets a timer before each page whose signal kills it; the
parent then gives up the first page without an answer, starts a new child and goes on with the next.

Pages and answers go through two files without a name, in memory where the system has such; two
pipes carry one message a batch, so that neither process has to wake for every page, and the
answers outlive the child.

This module imports nothing of ours but `charset`, so that a child starts quickly.
"""

from __future__ import annotations

import importlib
import marshal
import os
import re
import select
import signal
import struct
import subprocess
import sys
from typing import IO, NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from corpus.reading import charset

EXTRACTORS = {
    "resiliparse": "corpus.reading.html:extract_page",
    "resiliparse_main": "corpus.reading.html:extract_main",
    "trafilatura": "corpus.reading.html_trafilatura:extract_main",
}
"""Choices of extraction and the function, `module:name`, that the child imports for each."""
MEMORY_LIMIT = 2 << 30
"""Bytes of address space of the child. A page of 32 MiB needs some 600 MiB, hostile ones up to sixty times their
size."""
GRACE = 30.0
"""Seconds beyond the limit without an answer after which the parent stops waiting for the child: enough
for a child to start on a busy machine."""

_SPACES = re.compile("  +")
_SIZE = struct.Struct("<q")
_ANSWER = struct.Struct("<?q")
_PROGRAM = """
import sys
sys.path[:] = {path}
from corpus.reading.html import serve
serve(*{arguments})
"""


def extract_page(data: bytes, declared: str | None = None) -> str:
    """The text of an HTML page in the form of Common Crawl's WET files: the title, unless it is
    the first line anyway, then a line a block; runs of spaces, tabs and no-break spaces are one
    space, and there are no blank lines. Menus and footers are kept. `declared` is the charset of
    the HTTP header.

    >>> from corpus.reading import html
    >>> html.extract_page(b"<title>Tea</title><nav><a href=/>Home</a></nav><p>Pour  water,<br>wait.")
    'Tea\\nHome\\nPour water,\\nwait.'
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
    if "  " in text:  # searching for pairs alone is much faster than replacing runs
        text = _SPACES.sub(" ", text)
    title = " ".join((tree.title or "").split())
    if title and text.partition("\n")[0] != title:
        text = f"{title}\n{text}" if text else title
    return text


class Failed(str):
    """Why a page has no text."""


class _Child(NamedTuple):
    """A child and the parent's ends of its two pipes."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answered: IO[bytes]


class Extractor:
    """Extracts the text of pages in a child process. A context manager; not thread-safe.

    `timeout` is in seconds a page. `extractor` names the function, `module:name`, with the
    signature of `extract_page`.
    """

    def __init__(self, timeout: float, extractor: str = EXTRACTORS["resiliparse"]):
        self.timeout, self.extractor = timeout, extractor
        self.child: _Child | None = None
        self._pages, self._answers = _nameless_file(), _nameless_file()

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        os.close(self._pages)
        os.close(self._answers)

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

    def _exchange(self, pages: list[tuple[bytes, str | None]], answers: list[bytes | Failed]) -> None:
        """Have the pages without an answer extracted and append the answers, as many as there are."""
        child = self.child
        if child is None or child.process.poll() is not None:
            self._stop()
            child = self.child = self._start()
        message = marshal.dumps(pages[len(answers) :])
        _put(self._pages, message, 0)
        try:
            self._wait_for(child, len(message))
        finally:
            answers += _parsed(os.pread(self._answers, os.fstat(self._answers).st_size, 0))

    def _wait_for(self, child: _Child, size: int) -> None:
        """Tell the child that `size` bytes of pages are there, and wait until it has answered them."""
        os.ftruncate(self._answers, 0)
        try:
            os.write(child.requests.fileno(), _SIZE.pack(size))
        except BrokenPipeError:
            raise self._death(child) from None
        poll, answered = select.poll(), 0
        poll.register(child.answered.fileno(), select.POLLIN)
        while not poll.poll((self.timeout + GRACE) * 1000):
            before, answered = answered, os.fstat(self._answers).st_size
            if answered == before:
                self._stop()
                raise _Died(f"no answer within {self.timeout + GRACE:g} s", timed_out=True)
        if not os.read(child.answered.fileno(), 1):
            raise self._death(child)

    def _start(self) -> _Child:
        files = (self._pages, self._answers)
        path = [entry or os.getcwd() for entry in sys.path]
        program = _PROGRAM.format(path=path, arguments=(os.getpid(), self.timeout, self.extractor, *files))
        command = [sys.executable, "-c", program]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, pass_fds=files)
        assert process.stdin and process.stdout  # they are pipes
        return _Child(process, process.stdin, process.stdout)

    def _stop(self) -> None:
        """Kill the child."""
        if self.child is None:
            return
        if self.child.process.poll() is None:
            self.child.process.kill()
        self.child.process.wait()
        self.child.requests.close()
        self.child.answered.close()
        self.child = None

    def _death(self, child: _Child) -> _Died:
        try:
            child.process.wait(1)  # it closed its pipes, so that it is exiting by itself
        except subprocess.TimeoutExpired:
            pass
        self._stop()
        status = child.process.returncode  # negative is the signal that killed it
        if status == -signal.SIGALRM:
            return _Died(f"extraction took longer than {self.timeout:g} s", timed_out=True)
        how = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        return _Died(f"the extractor {how} at this page, twice", timed_out=False)


class _Died(Exception):
    def __init__(self, reason: str, timed_out: bool):
        super().__init__(reason)
        self.timed_out = timed_out


def _nameless_file() -> int:
    """A file descriptor that is the parent's and its child's; both give offsets with it, since they share its own."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("winnow-pages")
    import tempfile  # here, for the child need not load it

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _put(file: int, data: bytes, offset: int) -> int:
    """Write `data` at `offset`; return the offset after it."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written
    return offset


def _parsed(data: bytes) -> list[bytes | Failed]:
    """The answers in `data`; one that is not whole, since the child died, is left out."""
    answers: list[bytes | Failed] = []
    start = _ANSWER.size
    while start <= len(data):
        good, size = _ANSWER.unpack_from(data, start - _ANSWER.size)
        end = start + size
        if end > len(data):
            break
        answers.append(data[start:end] if good else Failed(data[start:end].decode("utf-8", "replace")))
        start = end + _ANSWER.size
    return answers


def serve(parent: int, timeout: float, extractor: str, pages: int, answers: int) -> None:
    """The child: for each size that comes on standard input, until it ends, extract a batch of
    that many bytes in the file `pages`, write the answers to the file `answers` and a byte to standard
    output. The timer's signal has its default action, which is to kill the process even where
    native code never returns to the interpreter."""
    _guard(parent)
    done = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not mix with it
    module, _, name = extractor.partition(":")
    function = getattr(importlib.import_module(module), name)
    while len(size := sys.stdin.buffer.read(_SIZE.size)) == _SIZE.size:
        (length,), end = _SIZE.unpack(size), 0
        for data, declared in marshal.loads(os.pread(pages, length, 0)):
            signal.setitimer(signal.ITIMER_REAL, timeout)
            try:
                good, answer = True, function(data, declared).encode()
            except Exception as error:
                good, answer = False, f"{type(error).__name__}: {error}".encode("utf-8", "replace")
            signal.setitimer(signal.ITIMER_REAL, 0)
            end = _put(answers, _ANSWER.pack(good, len(answer)) + answer, end)
        done.write(b".")


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
