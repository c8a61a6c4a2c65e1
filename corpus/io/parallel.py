"""Many small operations on storage at a time: what they cost is waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from corpus.io import paths

DISK_THREADS = 4
STORE_THREADS = 100
"""Operations at a time on this machine's disk, and on an object store, where one takes some 30 ms."""

A_THREAD = 64
"""Operations on a disk for which a thread is begun: they are done before it is there."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def each(function: Callable[[Item], Answer], items: Iterable[Item], where: str) -> list[Answer]:
    """`function(item)` of every item, in their order, in threads: as many as suit the storage on which `where`, a path
    or URI, lies. Raises what the first that fails raises; those that have not begun by then are not done.

    >>> from corpus.io import parallel
    >>> parallel.each(str.upper, ["a", "b"], "docs")
    ['A', 'B']
    """
    waiting = list(items)
    answers: dict[int, Answer] = {}
    numbers, stopped = iter(range(len(waiting))), threading.Event()

    def work() -> None:
        try:
            for number in numbers:  # which the threads share: each takes the next
                if stopped.is_set():
                    return
                answers[number] = function(waiting[number])
        except BaseException:
            stopped.set()
            raise

    on_disk = paths.local_path(where) is not None
    threads = min(DISK_THREADS, 1 + len(waiting) // A_THREAD) if on_disk else min(STORE_THREADS, len(waiting))
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for job in [pool.submit(work) for _ in range(threads)]:
                job.result()
        finally:
            stopped.set()
    return [answers[number] for number in range(len(waiting))]
