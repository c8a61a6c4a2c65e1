"""Compiled kernels: taken from the cache exactly where nothing that they are made of has changed."""

import ast
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from corpus import closure, kernel_cache

ROOT = pathlib.Path(closure.ROOT)

COMPILED = """
import sys
import corpus
from corpus.loader import order
key = int(order.epoch_key(1, 2))
stats = order.epoch_key.stats
print(key, sum(stats.cache_misses.values()), sum(stats.cache_hits.values()))
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the library, with a cache of its own; calls a kernel that calls others of another module: (its answer,
    kernels compiled, kernels taken from the cache)."""
    shutil.copytree(ROOT / "corpus", tmp_path / "one" / "corpus", ignore=shutil.ignore_patterns("__pycache__"))

    def call(folder="one", first=""):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / folder), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-c", first + COMPILED]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return tuple(map(int, done.stdout.split()))

    call.folder = tmp_path
    return call


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_comment_recompiles_nothing_and_a_change_elsewhere_what_it_is_in(copy):
    answer, compiled, taken = copy()
    assert (compiled, taken) == (1, 0)
    assert copy() == (answer, 0, 1)
    assert copy(first="import numba.core.caching\n") == (answer, 0, 1)  # numba was there first
    corpus = copy.folder / "one" / "corpus"
    hashing, order = corpus / "tokens" / "mixing.py", corpus / "loader" / "order.py"
    for file in (hashing, order, corpus / "reading" / "jsonl.py"):
        file.write_text("# a comment\n\n\n" + file.read_text() + "\n# and another\n")
    edit(corpus / "reading" / "jsonl.py", "import json\n", "import json\nUNRELATED = 1\n")
    assert copy() == (answer, 0, 1)
    shutil.copytree(copy.folder / "one", copy.folder / "two")
    edit(hashing, "return mix64(", "return np.uint64(1) + mix64(")
    assert copy()[0] != answer
    assert copy()[1:] == (0, 1)
    assert copy("two") == (answer, 0, 1)  # versions side by side


def test_a_place_that_can_only_be_read_gives_what_it_has(tmp_path, monkeypatch):
    places = [tmp_path / "image", tmp_path / "home"]
    name = "corpus.text.spans"
    folder = places[0] / f"{name}-{closure.digest([closure.Code(name)])[:16]}"
    folder.mkdir(parents=True)
    (folder / "kernel.nbi").write_text("compiled")
    access = os.access
    monkeypatch.setattr(kernel_cache, "homes", lambda: places)
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and pathlib.Path(path) != places[0])
    with Fresh():
        found, _ = kernel_cache._folder(name)
        assert found == places[1] / folder.name
        assert (found / "kernel.nbi").read_text() == "compiled"
    assert [each.name for each in places[1].iterdir()] == [folder.name]


def test_a_place_that_somebody_else_made_where_everybody_may_is_not_used(tmp_path, monkeypatch):
    everybody, own = tmp_path / "tmp" / "kernels", tmp_path / "own"
    everybody.mkdir(parents=True)
    everybody.parent.chmod(0o1777)
    monkeypatch.setattr(kernel_cache, "homes", lambda: [everybody, own])
    with Fresh():
        assert kernel_cache.home() == everybody
    monkeypatch.setattr(os, "getuid", lambda: everybody.stat().st_uid + 1)
    with Fresh():
        assert kernel_cache.home() == own
    monkeypatch.setattr(kernel_cache, "homes", lambda: [everybody])
    with Fresh(), pytest.raises(OSError, match="there is no place for compiled kernels"):
        kernel_cache.home()


def test_what_nobody_uses_of_another_version_is_deleted_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache, "homes", lambda: [tmp_path])
    for name, days in (("corpus.text.spans-old", 8), ("corpus.text.spans-young", 1), ("corpus.text.other-old", 8)):
        (tmp_path / name).mkdir()
        then = (tmp_path / name).stat().st_mtime - days * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    with Fresh():
        folder, _ = kernel_cache._folder("corpus.text.spans")
    assert {each.name for each in tmp_path.iterdir()} == {
        folder.name,
        "corpus.text.spans-young",
        "corpus.text.other-old",
    }


PRODUCTS = """
import sys
sys.modules.update({missing})
import corpus
import numba
import numpy as np
from corpus.loader import order
order.epoch_key(1, 2)
print("scipy.linalg" in sys.modules)
left, right = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
try:
    found = numba.njit(lambda a, b: (np.dot(a, b), np.correlate(a[0], b[:, 0])))(left, right)
    print(np.array_equal(found[0], left @ right), np.allclose(found[1], np.correlate(left[0], right[:, 0])))
except Exception as error:
    print("scipy 0.16+ is required" in str(error))
print("scipy.linalg" in sys.modules)
"""


@pytest.mark.parametrize(
    "missing, expected",
    [({}, "False\nTrue True\nTrue\n"), ({"scipy": None}, "False\nTrue\nFalse\n")],
    ids=["scipy is there", "it is not"],
)
def test_a_kernel_waits_for_scipy_only_where_it_needs_it(missing, expected):
    pytest.importorskip("scipy")
    command = [sys.executable, "-c", PRODUCTS.format(missing=missing)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.stdout == expected, done.stderr


class Fresh:
    """The cache's memory of this process, empty for a while."""

    def __enter__(self):
        kernel_cache.home.cache_clear(), kernel_cache._folder.cache_clear()

    __exit__ = lambda self, *_: self.__enter__()


def test_no_two_kernels_of_a_module_have_one_name():
    """Numba tells functions of one name apart by the instructions of their code, and not by its constants."""
    for file in sorted([*ROOT.glob("corpus/**/*.py"), *ROOT.glob("tokenizer_training/**/*.py")]):
        found = [node for node in ast.walk(ast.parse(file.read_bytes())) if isinstance(node, ast.FunctionDef)]
        names = [node.name for node in found if {"njit", "leaf"} & {name(each) for each in node.decorator_list}]
        assert len(names) == len(set(names)), file


def name(decorator):
    """Of `@leaf`, `@numba.njit(...)`."""
    decorator = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(decorator, "attr", None) or getattr(decorator, "id", None)


def test_of_processes_that_want_a_kernel_one_compiles_it(copy):
    """They begin together, as the workers of a run do."""
    together = f"""
import pathlib, time
import numba
pathlib.Path({str(copy.folder)!r}, f"here-{{__import__('os').getpid()}}").touch()
while len(list(pathlib.Path({str(copy.folder)!r}).glob("here-*"))) < 3:
    time.sleep(0.001)
"""
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: copy(first=together), range(3)))
    assert sorted(each[1:] for each in found) == [(0, 1), (0, 1), (1, 0)]
    assert len({each[0] for each in found}) == 1


def test_a_process_that_dies_while_it_compiles_keeps_nobody_waiting(copy):
    dies = """
import os, signal
from corpus import kernel_cache
take = kernel_cache._take_turn
kernel_cache._take_turn = lambda index: take(index) and os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(AssertionError):
        copy(first=dies)
    assert [file.name.partition(".")[0] for file in (copy.folder / "cache").rglob("*.lock")] == ["order"]
    assert copy()[1:] == (1, 0)


def test_a_kernel_that_cannot_be_compiled_is_nobodys_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache, "home", lambda: tmp_path)
    index = str(tmp_path / "module" / "kernel.nbi")
    assert not kernel_cache._take_turn(index)  # there is no such folder
    (tmp_path / "module").mkdir()
    assert kernel_cache._take_turn(index)
    assert not kernel_cache._take_turn(index)  # it is this process's turn already
    assert kernel_cache._take_turn(index.replace("kernel.nbi", "other.nbi"))  # the first could not be compiled
    assert len(kernel_cache._held) == 1 and kernel_cache._take_turn(index)
    assert not kernel_cache._take_turn("/elsewhere/kernel.nbi")
    kernel_cache._release_all()
    with open(f"{index}.lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        monkeypatch.setattr(kernel_cache, "MOST_SECONDS", 0.05)
        assert not kernel_cache._take_turn(index) and not kernel_cache._held  # whoever compiles it takes too long
