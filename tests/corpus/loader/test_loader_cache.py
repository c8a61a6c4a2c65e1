"""Blocks of remote shards: fetched once by however many processes, right whatever arrives, within a limit, and nothing
left of whoever was killed."""

import errno
import json
import multiprocessing
import os
import pathlib
import shutil
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from bad_store import KINDS, BadStore, every

from corpus.io import paths, retries
from corpus.loader import Mixture, TokenStream, cache, read_ahead, run
from corpus.loader.cache import Cache
from corpus.loader.open_files import OpenFiles
from corpus.tokens import manifest

FORK = multiprocessing.get_context("fork")


def files(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


def fine(data):
    return None


def counted(*answers):
    """A function that gives one answer after the other, the last for ever; and how often it was called."""
    calls = []

    def fetch():
        calls.append(1)
        return answers[min(len(calls), len(answers)) - 1]

    return fetch, calls


def test_a_block_is_fetched_once(tmp_path):
    fetch, calls = counted(b"abcd")
    for _ in range(2):
        assert bytes(Cache(str(tmp_path)).open("abc-4", 4, fetch, fine, "x")) == b"abcd"
    assert len(calls) == 1 and files(tmp_path) == [f"{tmp_path}/ab/abc-4"]


@pytest.mark.parametrize("damage", [b"", b"abc", b"abxd", b"abcdabcd"])
def test_a_damaged_copy_is_fetched_again(tmp_path, damage):
    wrong = lambda data: None if bytes(data) == b"abcd" else "is wrong"
    fetch, calls = counted(b"abcd")
    store = Cache(str(tmp_path))
    store.open("abc-4", 4, fetch, wrong, "x")
    pathlib.Path(tmp_path, "ab/abc-4").write_bytes(damage)
    assert bytes(store.open("abc-4", 4, fetch, wrong, "x")) == b"abcd" and len(calls) == 2


def test_wrong_bytes_are_fetched_again_and_refused_at_last(tmp_path):
    wrong = lambda data: None if bytes(data) == b"abcd" else "is wrong"
    fetch, calls = counted(b"abcx", b"ab", b"abcd")
    assert bytes(Cache(str(tmp_path)).open("abc-4", 4, fetch, wrong, "x")) == b"abcd" and len(calls) == 3
    for answer, message in ((b"abcx", "x is wrong"), (b"abc", "x does not have 4 bytes")):
        fetch, calls = counted(answer)
        with pytest.raises(ValueError, match=rf"{message} \(fetched 3 times\)"):
            Cache(str(tmp_path)).open("xyz-4", 4, fetch, wrong, "x")
        assert len(calls) == 3 and files(tmp_path) == [f"{tmp_path}/ab/abc-4"]


def test_what_fetching_raises_leaves_nothing(tmp_path):
    def fetch():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        Cache(str(tmp_path)).open("abc-4", 4, fetch, fine, "x")
    assert files(tmp_path) == []


def test_sixteen_processes_fetch_each_block_once(tmp_path):
    log = str(tmp_path / "log")

    def work(number):
        store = Cache(str(tmp_path / "cache"))
        for block in range(12):
            name = f"{(block + number) % 12:02d}-100"

            def fetch(name=name):
                with open(log, "a") as file:
                    file.write(name + "\n")
                time.sleep(0.01)
                return name[:2].encode() * 50

            assert bytes(store.open(name, 100, fetch, fine, "x")) == name[:2].encode() * 50

    processes = [FORK.Process(target=work, args=(number,)) for number in range(16)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 16
    assert sorted(pathlib.Path(log).read_text().split()) == [f"{block:02d}-100" for block in range(12)]
    assert len(files(tmp_path / "cache")) == 12


def test_killed_while_it_fetches(tmp_path):
    """Whoever waits goes on at once; what was left is written over."""

    def fetch():
        pathlib.Path(tmp_path, "begun").touch()
        time.sleep(60)
        raise AssertionError

    process = FORK.Process(target=lambda: Cache(str(tmp_path / "cache")).open("abc-4", 4, fetch, fine, "x"))
    process.start()
    while not os.path.exists(tmp_path / "begun"):
        time.sleep(0.005)
    assert files(tmp_path / "cache") == [f"{tmp_path}/cache/ab/abc-4.part"]
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    pathlib.Path(tmp_path, "cache/ab/abc-4.part").write_bytes(b"half of something")
    assert bytes(Cache(str(tmp_path / "cache")).open("abc-4", 4, lambda: b"abcd", fine, "x")) == b"abcd"
    assert files(tmp_path / "cache") == [f"{tmp_path}/cache/ab/abc-4"]


def test_a_limit(tmp_path):
    """What was opened last stays; what is mapped stays readable; what was abandoned is deleted."""
    store = Cache(str(tmp_path), 3200)
    os.makedirs(tmp_path / "ff")
    for name, age in (("ff/old.part", 2 * cache.ABANDONED), ("ff/new.part", 0)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    mapped = []
    for number in range(100):
        mapped.append(store.open(f"{number:02d}-100", 100, lambda number=number: bytes([number]) * 100, fine, "x"))
        os.utime(tmp_path / f"{number:02d}" / f"{number:02d}-100", ns=(number, number))
        if number % 2:
            store.open("00-100", 100, lambda: bytes(100), fine, "x")
    left = files(tmp_path)
    assert [os.path.basename(path) for path in left] == [f"{n:02d}-100" for n in [0, *range(69, 100)]] + ["new.part"]
    assert all((mapped[number] == number).all() for number in range(1, 100))
    with pytest.raises(ValueError, match="cache_bytes must be at least 1"):
        Cache(str(tmp_path), 0)


def test_where_there_are_no_locks(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(cache.errno.ENOLCK, "none")

    monkeypatch.setattr(cache.fcntl, "flock", flock)
    assert bytes(Cache(str(tmp_path)).open("abc-4", 4, lambda: b"abcd", fine, "x")) == b"abcd"
    assert files(tmp_path) == [f"{tmp_path}/ab/abc-4"]


@pytest.mark.parametrize("how", [signal.SIGSTOP, None])
def test_stopped_while_it_fetches(tmp_path, monkeypatch, how):
    """Nobody waits for one that is stuck for longer than PATIENCE; when it goes on it does no harm."""
    monkeypatch.setattr(cache, "PATIENCE", 0.2)
    begun, goes_on = tmp_path / "begun", tmp_path / "goes_on"

    def fetch():
        begun.touch()
        while not goes_on.exists():
            time.sleep(0.005)
        return b"abcd"

    process = FORK.Process(target=lambda: Cache(str(tmp_path / "cache")).open("abc-4", 4, fetch, fine, "x"))
    process.start()
    while not begun.exists():
        time.sleep(0.005)
    if how is not None:
        os.kill(process.pid, how)
    assert bytes(Cache(str(tmp_path / "cache")).open("abc-4", 4, lambda: b"abcd", fine, "x")) == b"abcd"
    goes_on.touch()
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == 0 and files(tmp_path / "cache") == [f"{tmp_path}/cache/ab/abc-4"]


class _Full:
    """A disk that has room for so many bytes: its files are those that `_part` opens."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        if self.room() < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


def test_a_full_disk(tmp_path, monkeypatch):
    """What the limit does not allow makes room; where there is none, the error says where and what to do."""
    folder, real = tmp_path / "cache", open
    room = lambda: 1000 - sum(map(os.path.getsize, files(folder)))
    opened = lambda name, mode: _Full(real(name, mode), room) if mode == "ab" else real(name, mode)
    monkeypatch.setattr(cache, "open", opened, raising=False)
    unlimited = Cache(str(folder))
    for number in range(10):
        unlimited.open(f"{number:02d}-100", 100, lambda: bytes(100), fine, "x")
    with pytest.raises(OSError, match=f"no room for a block of 100 bytes in the cache {folder}: free some, or set"):
        unlimited.open("10-100", 100, lambda: bytes(100), fine, "x")
    assert len(files(folder)) == 10
    assert len(Cache(str(folder), 500).open("10-100", 100, lambda: bytes(100), fine, "x")) == 100
    assert 5 <= len(files(folder)) <= 6 and f"{folder}/10/10-100" in files(folder)
    monkeypatch.setattr(cache, "open", lambda name, mode: _Full(real(name, mode), lambda: 0), raising=False)
    with pytest.raises(OSError, match="of which the cache has 500 or less: free some, or set cache_bytes to less"):
        Cache(str(folder), 500).open("11-100", 100, lambda: bytes(100), fine, "x")


def test_a_limit_holds_for_what_others_left(tmp_path):
    for number in range(10):
        Cache(str(tmp_path)).open(f"{number:02d}-100", 100, lambda: bytes(100), fine, "x")
    Cache(str(tmp_path), 300).open("10-100", 100, lambda: bytes(100), fine, "x")
    assert len(files(tmp_path)) == 3 and f"{tmp_path}/10/10-100" in files(tmp_path)


def test_a_folder_that_is_deleted_meanwhile(tmp_path):
    """It is made again: copies that are mapped stay readable, others are fetched again."""
    store, calls = Cache(str(tmp_path / "cache"), 10_000), []

    def fetch():
        calls.append(1)
        if len(calls) == 1:
            shutil.rmtree(tmp_path / "cache")
        return b"abcd"

    assert bytes(store.open("abc-4", 4, fetch, fine, "x")) == b"abcd" and len(calls) == 2
    with pytest.raises(FileNotFoundError, match="s3://gone"):
        store.open("xyz-4", 4, lambda: open("s3://gone"), fine, "x")


def idle(run):
    """Wait until nothing is read ahead."""
    while run.read_ahead._under_way:
        time.sleep(0.005)


# ------------------------------------------------------------------ streams


@pytest.fixture(scope="module")
def folder(make_tokens):
    """Two shards of some 800 tokens in blocks of 64."""
    random = np.random.default_rng(0)
    shards = [[[*random.integers(1, 900, random.integers(0, 40)).tolist(), 0] for _ in range(40)] for _ in range(2)]
    folder = make_tokens(shards, pad_id=999, pack=16)
    content = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    content["shards"] = [manifest.describe_shard(f"{folder}/{each['name']}", 128) for each in content["shards"]]
    pathlib.Path(folder, "manifest.json").write_text(json.dumps(content))
    return folder


def same(ours, theirs):
    return len(ours) == len(theirs) and all(np.array_equal(a[key], b[key]) for a, b in zip(ours, theirs) for key in a)


OPTIONS = {"sequence_length": 16, "batch_size": 3, "boundaries": ("positions", "cu_seqlens"), "epochs": 2}


@pytest.fixture
def asked(monkeypatch):
    """Ranges that were read of remote files."""
    found, read = [], OpenFiles.read
    monkeypatch.setattr(OpenFiles, "read", lambda self, *range: found.append(range) or read(self, *range))
    return found


@pytest.mark.parametrize("packing", [None, "plan"])
@pytest.mark.parametrize("world", [1, 3])
def test_a_uri_gives_what_the_folder_gives(folder, tmp_path, asked, packing, world):
    options = OPTIONS | {"packing": packing, "world_size": world}
    for rank in range(world):
        local = list(TokenStream(folder, rank=rank, **options))
        remote = list(TokenStream(f"file://{folder}", cache=str(tmp_path), rank=rank, **options))
        assert same(remote, local) and len(local) > 10
    assert len(asked) == len(set(asked)) and {size for _, _, size in asked if size <= 128} >= {128}
    assert sum(name.endswith(".idx") for name, _, _ in asked) == 2
    assert not any(name.endswith(".part") for name in files(tmp_path))


def test_a_uri_wants_a_cache(folder):
    with pytest.raises(ValueError, match="name a local folder for copies as `cache`"):
        TokenStream(f"file://{folder}", **OPTIONS)


def test_only_blocks_that_are_read_are_fetched(folder, tmp_path, asked):
    """Here of one sample, and of those of the next sixteen steps, ahead."""
    stream = TokenStream(f"file://{folder}", sequence_length=4, batch_size=1, shuffle=False, cache=str(tmp_path))
    assert asked == []
    stream.batch_at(17)
    idle(stream)
    assert sorted(first for _, first, _ in asked) == [128, 256]
    assert not any(name.endswith(".idx") for name, _, _ in asked)


def test_a_small_cache_is_enough(folder, tmp_path):
    local = list(TokenStream(folder, **OPTIONS))
    stream = TokenStream(f"file://{folder}", cache=str(tmp_path), cache_bytes=1024, **OPTIONS)
    assert same(list(stream), local)
    idle(stream)
    assert sum(map(os.path.getsize, files(tmp_path))) <= 1024 + 128


@pytest.mark.parametrize("packing", [None, "plan"])
def test_damage_is_named(folder, tmp_path, packing):
    """In a copy it is mended; at the store it is an error that names file and block."""
    options = OPTIONS | {"packing": packing}
    local = list(TokenStream(folder, **options))
    uri = f"file://{folder}"
    assert same(list(TokenStream(uri, cache=str(tmp_path / "a"), **options)), local)
    for path in files(tmp_path / "a"):
        data = bytearray(pathlib.Path(path).read_bytes())
        data[len(data) // 2] ^= 1
        pathlib.Path(path).write_bytes(data)
    assert same(list(TokenStream(uri, cache=str(tmp_path / "a"), **options)), local)
    shard = pathlib.Path(folder, "00001.bin")
    data = shard.read_bytes()
    try:
        shard.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
        with pytest.raises(ValueError, match=r"00001.bin: block 2, from token 128 on, does not have the checksum"):
            list(TokenStream(uri, cache=str(tmp_path / "b"), **options))
        shard.write_bytes(data[:300])
        with pytest.raises(ValueError, match=r"00001.bin: block \d+, from token \d+ on, does not have \d+ bytes"):
            list(TokenStream(uri, cache=str(tmp_path / "c"), **options))
    finally:
        shard.write_bytes(data)


def test_an_object_store_that_fails(folder, tmp_path, object_store, monkeypatch):
    """Every third request fails, in all the ways there are, and the first answer of every block has a wrong byte."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.001)
    for name, value in object_store.variables().items():
        monkeypatch.setenv(name, value)
    object_store.make_bucket("loader-cache")
    object_store.upload(pathlib.Path(folder), "loader-cache/tokens")
    host, _, port = object_store.endpoint.rpartition("//")[2].rpartition(":")
    seen, read = set(), OpenFiles.read

    def wrong_at_first(self, *range):
        data = read(self, *range)
        if range in seen:
            return data
        seen.add(range)
        return bytes([data[0] ^ 1]) + data[1:]

    monkeypatch.setattr(OpenFiles, "read", wrong_at_first)
    with BadStore(host, int(port), every(3)) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
        uri = "s3://loader-cache/tokens"
        stream = TokenStream(uri, cache=str(tmp_path), packing="plan", **OPTIONS)
        found = list(stream)
        assert set(store.injected) == set(KINDS)
    assert same(found, list(TokenStream(folder, packing="plan", **OPTIONS)))
    assert len(seen) > 10 and paths.basename(uri) == "tokens"


@pytest.mark.parametrize("order", [True, "blocks", False])
def test_a_mixture_reads_ahead_what_its_rank_will_read(folder, make_tokens, tmp_path, asked, monkeypatch, order):
    """After one step those blocks are there that sixteen steps need without reading ahead, and no others."""
    other = make_tokens([[[*range(1, 90), 0]] * 20], pad_id=999)
    sources = [(f"file://{folder}", 2), (f"file://{other}", 1)]
    options = {"sequence_length": 4, "batch_size": 2, "rank": 1, "world_size": 3, "shuffle": order}
    ahead = Mixture(sources, cache=str(tmp_path / "a"), **options)
    next(ahead)
    idle(ahead)
    found = sorted(asked)
    asked.clear()
    monkeypatch.setattr(run, "STEPS", 1)
    demanded = Mixture(sources, cache=str(tmp_path / "b"), **options)
    for _ in range(read_ahead.STEPS):
        next(demanded)
    assert found == sorted(asked) and len(found) > 3


@pytest.fixture(scope="module")
def blocks(make_tokens):
    """A shard of 128 blocks, of 64 samples of 4 tokens each."""
    folder = make_tokens([[[number + 1, *range(1, 255), 0] for number in range(128)]])
    content = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    content["shards"] = [manifest.describe_shard(f"{folder}/{each['name']}", 512) for each in content["shards"]]
    pathlib.Path(folder, "manifest.json").write_text(json.dumps(content))
    return f"file://{folder}", {"sequence_length": 4, "batch_size": 1}


@pytest.mark.parametrize(
    "order, may_be_open, least, most",
    [
        (False, None, 20, 22),
        (False, 16, 6, 8),
        ("blocks", None, 31, 35),
        ("blocks", 48, 18, 27),
        ("blocks", 32, 16, 19),
        ("blocks", 16, 12, 19),
    ],
)
def test_blocks_are_fetched_as_far_ahead_as_they_may_be_open(blocks, tmp_path, asked, order, may_be_open, least, most):
    """In order: the next 20, or half of those that may be open. By blocks, where a group of 16 begins: those of the
    next, if five groups may be open; if three, when it is reached; and a few where a token before is."""
    uri, shape = blocks
    limit = may_be_open and may_be_open * 512
    stream = TokenStream(uri, cache=str(tmp_path), shuffle=order, cache_bytes=limit, **shape)
    stream.sample = 1024 if order else 0
    for _ in range(30):
        next(stream)
        idle(stream)
    assert least <= len({first for _, first, _ in asked}) <= most


@pytest.mark.parametrize("ranks", [1, 8])
@pytest.mark.parametrize("may_be_open", [16, 24, 40, None])
def test_in_order_no_block_is_fetched_twice(blocks, tmp_path, asked, may_be_open, ranks):
    uri, shape = blocks
    shape = shape | {"batch_size": ranks, "world_size": ranks, "rank": ranks - 1}
    limit = may_be_open and may_be_open * 512
    for _ in TokenStream(uri, cache=str(tmp_path), shuffle=False, cache_bytes=limit, **shape):
        pass
    assert len(asked) == len(set(asked)) == 128


@pytest.mark.parametrize("may_be_open, most", [(48, 1.5), (96, 1.2), (None, 1)])
def test_by_blocks_few_are_fetched_twice(blocks, tmp_path, asked, may_be_open, most):
    """Those where the token before a window is, in another group."""
    uri, shape = blocks
    limit = may_be_open and may_be_open * 512
    for _ in TokenStream(uri, cache=str(tmp_path), shuffle="blocks", cache_bytes=limit, **shape):
        pass
    assert 128 <= len(asked) <= 128 * most


class Held:
    """A function whose calls are noted, and end when they may."""

    def __init__(self):
        self.calls, self.permits = [], threading.Semaphore(0)

    def __call__(self, number):
        self.calls.append(number)
        self.permits.acquire()

    def wait_for(self, calls):
        while len(self.calls) < calls:
            time.sleep(0.001)


def test_what_is_read_ahead_does_not_keep_a_process():
    """Of what is for later no more is begun than there are threads; when they end with the process, no more is."""
    held, reader = Held(), read_ahead.ReadAhead()
    reader.fetch([], [(held, number) for number in range(200)], False)
    held.wait_for(read_ahead.THREADS)
    reader._pool.shutdown(wait=False)
    held.permits.release(200)
    reader._pool.shutdown()
    assert sorted(held.calls) == list(range(read_ahead.THREADS)) and not reader._under_way


def test_what_is_wanted_goes_before_what_is_for_later():
    held, reader = Held(), read_ahead.ReadAhead()
    reader.fetch([], [(held, number) for number in range(100)], False)
    held.wait_for(read_ahead.THREADS)
    waiting = threading.Thread(target=reader.fetch, args=([(held, 99)], [], False))
    waiting.start()
    while (held, 99) not in reader._under_way:
        time.sleep(0.001)
    held.permits.release()
    held.wait_for(read_ahead.THREADS + 1)
    assert held.calls[-1] == 99
    reader.fetch([], [(held, 500)], True)
    held.permits.release(200)
    waiting.join()
    idle(SimpleNamespace(read_ahead=reader))
    assert held.calls[-1] == 500 and len(held.calls) == read_ahead.THREADS + 2


@pytest.mark.parametrize("order, steps", [(True, 19 + read_ahead.STEPS), ("blocks", 19 + 320), (False, 19 + 320)])
def test_how_far_is_read_ahead(folder, tmp_path, asked, order, steps):
    """Farther in an order of blocks, 20 of 16 steps, once some steps have been made; each block is fetched once."""
    options = {"sequence_length": 1, "batch_size": 4, "shuffle": order}
    stream = TokenStream(f"file://{folder}", cache=str(tmp_path), **options)
    for _ in range(20):
        next(stream)
        idle(stream)
    local = TokenStream(folder, **options)
    assert local.steps > steps
    rows = local.numbers(0, 4 * steps)
    needed = {(begin, at) for begin, end, at in blocks_of(local) if ((rows - 1 < end) & (rows >= begin)).any()}
    assert {(name, first) for name, first, _ in asked} == {(f"file://{folder}/{at[0]}.bin", at[1]) for _, at in needed}
    assert len(asked) == len(set(asked)) > 10


def blocks_of(stream):
    """(first token, token behind the last, (shard, byte in it)) of every block of 128 bytes."""
    for number, entry in enumerate(stream.shards.manifest["shards"]):
        for first in range(0, entry["tokens"], 64):
            begin = int(stream.shards.starts[number]) + first
            yield begin, begin + min(64, entry["tokens"] - first), (entry["name"], 2 * first)
