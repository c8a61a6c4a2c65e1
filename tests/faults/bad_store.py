"""A proxy in front of an object store, at which requests fail by a schedule: for tests of what is made of such a store.

    with BadStore("127.0.0.1", 5000, schedule=every(7)) as store:
        store.endpoint                       # http://127.0.0.1:PORT
    store.requests, store.injected           # how many there were; how many faults of each kind

A fault is "500" or "503", an answer in place of the store's; "cut", the store's answer with half of its body, after
which the connection is closed; "refused", a connection that is closed without an answer; "lost", the same after the
store has done what was asked; "slow", an answer that takes a while.
"""

from __future__ import annotations

import collections
import http.client
import itertools
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = ("500", "slow", "cut", "503", "refused", "lost")
SLOW = 0.05
"""Seconds that a slow answer takes longer."""
_HOP = {"connection", "transfer-encoding", "keep-alive", "expect", "content-length"}
"""Headers of a connection, and not of what is asked or answered."""

Schedule = Callable[[int, str, str], "str | None"]
"""The fault of a request: its number, from 0, its method, its path with the query; None for no fault."""


def every(period: int, kinds: tuple[str, ...] = KINDS) -> Schedule:
    """A fault at every `period`-th request, the kinds in turn."""

    def fault(number: int, method: str, path: str) -> str | None:
        turn, place = divmod(number, period)
        return kinds[turn % len(kinds)] if place == period - 1 else None

    return fault


class BadStore:
    """The proxy; a context manager."""

    def __init__(self, host: str, port: int, schedule: Schedule = lambda number, method, path: None):
        self.store, self.schedule = (host, port), schedule
        self.injected: collections.Counter[str] = collections.Counter()
        self.asked: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.bad_store = self

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return len(self.asked)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault(self, method: str, path: str) -> str | None:
        """The fault of the next request."""
        with self._lock:
            kind = self.schedule(next(self._numbers), method, path)
            self.asked.append((method, path))
            if kind:
                self.injected[kind] += 1
        return kind

    def __enter__(self) -> BadStore:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    bad_store: BadStore

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asks may be gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_any(self) -> None:
        body = self._body()
        kind = self.server.bad_store.fault(self.command, self.path)
        if kind in ("500", "503"):
            return self._send(int(kind), [], b"")
        if kind == "refused":
            self.close_connection = True
            return None
        if kind == "slow":
            time.sleep(SLOW)
        connection = http.client.HTTPConnection(*self.server.bad_store.store, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if kind == "lost":
            self.close_connection = True
            return None
        return self._send(answer.status, answer.getheaders(), data, cut=kind == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815  # names of the base class

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _send(self, status: int, headers: list[tuple[str, str]], data: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        of_file = [value for name, value in headers if name.lower() == "content-length"]  # what HEAD asks for
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", of_file[0] if of_file and self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if cut:
            self.close_connection = True
            data = data[: len(data) // 2]
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
