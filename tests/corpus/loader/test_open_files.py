"""Ranges of files that stay open."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest

from corpus.io import paths
from corpus.loader.open_files import KEPT, OpenFiles


@pytest.fixture
def opened(monkeypatch):
    """Names of files that were opened."""
    found, opener = [], paths.open_input
    monkeypatch.setattr(paths, "open_input", lambda name: found.append(name) or opener(name))
    return found


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(200)))
    return str(path)


def test_a_file_is_opened_once_for_ranges_in_any_order(file, opened):
    files = OpenFiles()
    for first, size in [(0, 4), (190, 10), (4, 4), (0, 200)]:
        assert bytes(files.read(file, first, size)) == bytes(range(200))[first : first + size]
    assert opened == [file]
    files.forget(file)
    assert bytes(files.read(file, 7, 1)) == b"\x07" and len(opened) == 2


def test_threads_have_files_of_their_own(file, opened):
    files = OpenFiles()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda first: bytes(files.read(file, first % 200, 1)), range(2000)))
    assert found == [bytes([first % 200]) for first in range(2000)]
    assert 1 <= len(opened) <= 4


def test_so_many_stay_open(tmp_path, opened):
    files = OpenFiles()
    names = [str(tmp_path / str(number)) for number in range(KEPT + 1)]
    for name in names:
        with open(name, "w") as each:
            each.write("x")
        files.read(name, 0, 1)
    files.read(names[1], 0, 1)
    files.read(names[0], 0, 1)
    assert opened == [*names, names[0]]


def test_fewer_bytes_than_asked_for_are_asked_for_again(file, opened):
    files = OpenFiles()
    assert len(files.read(file, 195, 10)) == 5 and len(files.read(file, 300, 10)) == 0
    with open(file, "ab") as longer:
        longer.write(b"12345")
    assert bytes(files.read(file, 195, 10)) == bytes(range(195, 200)) + b"12345"
    assert len(opened) == 3
    with pytest.raises(FileNotFoundError):
        files.read(file + "?", 0, 1)


def test_a_fork_opens_its_own(file, opened):
    files = OpenFiles()
    files.read(file, 0, 1)
    files._lock.acquire()  # as another thread may have at that moment
    fork = multiprocessing.get_context("fork")
    into, out = fork.Pipe()
    child = fork.Process(target=lambda: out.send((bytes(files.read(file, 3, 1)), len(opened))))
    child.start()
    assert into.poll(60) and into.recv() == (b"\x03", 2)
    child.join()
    files._lock.release()
