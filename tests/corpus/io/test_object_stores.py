"""Files on object stores: found by URI and by environment, whole whatever fails, and asked for no more than needed."""

import collections
import contextlib
import errno
import functools
import http.server
import itertools
import json
import os
import pathlib
import pickle
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from bad_store import KINDS, every

from corpus.encoding.encoder import load_encoder
from corpus.io import paths, retries, shards, stores
from corpus.loader import TokenStream
from corpus.reading import formats, readers, streams
from corpus.tokens import manifest, megatron, packing
from tokenizer_training import train_tokenizer

NUMBERS = itertools.count()
DATA = np.random.default_rng(0).bytes(3 << 20)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.001)


@pytest.fixture
def store(object_store, monkeypatch):
    """The store, as `s3://` means it."""
    for name, value in object_store.variables().items():
        monkeypatch.setenv(name, value)
    return object_store


@pytest.fixture
def bucket(store):
    """A bucket of this test's own."""
    name = f"bucket-{next(NUMBERS)}"
    store.make_bucket(name)
    return name


def fill(store, bucket, **files):
    for name, data in files.items():
        store.put(f"{bucket}/{name.replace('__', '/').replace('_', '.')}", data)


# ------------------------------------------------------------------ names


def test_a_store_is_found_by_environment_and_by_options(store, bucket, monkeypatch):
    fill(store, bucket, in__a_txt=b"a", in__b_jsonl=b"{}")
    assert paths.read_bytes(f"s3://{bucket}/in/a.txt") == b"a"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert paths.read_bytes(f"s3://{bucket}/in/b.jsonl") == b"{}"  # what is said of S3 counts first
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    options = store.options()
    for given in (options, options.replace("&scheme=http", "").replace("127.0.0.1", "http://127.0.0.1")):
        found = paths.expand(f"s3://{bucket}/in{given}")
        assert [source.path for source in found] == [
            f"s3://{bucket}/in/a.txt{given}",
            f"s3://{bucket}/in/b.jsonl{given}",
        ]
        assert [paths.read_bytes(source.path) for source in found] == [b"a", b"{}"]
        assert [s.path for s in paths.expand(f"s3://{bucket}/*/*.jsonl{given}")] == [f"s3://{bucket}/in/b.jsonl{given}"]


def test_options_are_typed_and_known(store):
    for options, reason in [
        ("?regoin=x", "s3:// has no option 'regoin'"),
        ("?allow_bucket_creation=maybe", "option allow_bucket_creation of s3:// is true or false"),
        ("?connect_timeout=soon", "option connect_timeout of s3:// is a number"),
    ]:
        with pytest.raises(ValueError, match=reason):
            paths.filesystem(f"s3://bucket/x{options}")
    with pytest.raises(ValueError, match="names a bucket"):
        paths.filesystem("s3:///x")


def test_a_bucket_is_made_where_that_is_asked_for(store):
    name = f"s3://made-here/deep/x.txt{store.options()}"
    with pytest.raises(
        retries.StoreFailed, match="s3://made-here/deep/x.txt: the store at http://127.0.0.1:.* fails: .*NO_SUCH_BUCKET"
    ):
        paths.write_atomic(name, b"x")
    paths.write_atomic(name + "&allow_bucket_creation=true", b"x")
    assert paths.read_bytes(name) == b"x" and store.names("made-here") == ["made-here/deep/x.txt"]


def test_formats_are_told_by_the_name_before_the_options():
    for name, reader, compression in [
        ("x.jsonl", "jsonl", None),
        ("X.JSONL.GZ", "jsonl", "gzip"),
        ("x.warc.zst", "warc", "zstd"),
        ("x.parquet", "parquet", None),
    ]:
        for options in ("", "?region=us-east-1", "?versionId=a.txt.gz"):
            uri = f"s3://bucket/{name}{options}"
            assert (formats.of_file(uri).name, streams.compression(uri)) == (reader, compression), uri


def test_documents_are_named_by_their_file_and_not_by_how_it_is_come_by(store, bucket):
    fill(store, bucket, in__a_jsonl=b'{"text": "Words."}\n{}\n', in__b_txt=b"Words.")
    keys = f"s3://key:secret@{bucket}/in"
    found = []
    for base in (f"s3://{bucket}/in", f"s3://{bucket}/in{store.options()}", f"{keys}{store.options()}"):
        readings = list(readers.read_files(base))
        rows = [row for reading in readings for row in reading.documents.select(["id", "source"]).to_pylist()]
        found.append((rows, [row["source"] for reading in readings for row in reading.quarantined]))
    name = f"s3://{bucket}/in/a.jsonl"
    other = f"s3://{bucket}/in/b.txt"
    expected = [{"id": f"{name}#0", "source": name}, {"id": f"{other}#0", "source": other}], [name]
    assert found == [expected] * 3
    assert paths.identity("https://example.org/a?page=2") == "https://example.org/a?page=2"
    assert paths.identity("a@b/c?x=1") == "a@b/c?x=1"


def test_a_filesystem_is_opened_once_a_process(store, bucket):
    fill(store, bucket, a_txt=b"a")
    here = [paths.filesystem(f"s3://{bucket}/{name}")[0] for name in ("a.txt", "b.txt", "c/d.txt")]
    assert len(set(map(id, here))) == 1
    assert paths.filesystem(f"s3://{bucket}/a.txt{store.options()}&connect_timeout=3")[0] is not here[0]
    child = os.fork()
    if not child:  # neither connections nor threads outlive a fork
        fresh = paths.filesystem(f"s3://{bucket}/a.txt")[0] is not here[0]
        os._exit(0 if fresh and paths.read_bytes(f"s3://{bucket}/a.txt") == b"a" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ------------------------------------------------------------------ what fails for a while


def everything(base):
    """What is done with files; what came of it."""
    names = [paths.join(base, name) for name in ("x.bin", "deep/y.bin", "z.bin")]
    paths.write_atomic(names[0], DATA)
    with paths.open_output(names[1]) as file:
        for start in range(0, len(DATA), 100_000):
            file.write(DATA[start : start + 100_000])
    paths.publish(names[0], names[2])
    with paths.open_input(names[1]) as file:
        pieces = list(iter(lambda: file.read(65536), b""))
        middle = file.read_at(1000, 2_000_000)
    whole = [paths.read_bytes(name) for name in names]
    sizes = [paths.size(name) for name in (*names, paths.suffixed(names[0], "x"))]
    listed = [(paths.basename(source.path), source.size) for source in paths.list_files(base)]
    entries = [(entry.name, entry.kind) for entry in paths.entries(base)]
    paths.remove(names[:2])
    left = [paths.basename(source.path) for source in paths.list_files(base)]
    return (
        b"".join(pieces) == DATA,
        middle == DATA[2_000_000:2_001_000],
        whole == [DATA] * 3,
        sizes,
        listed,
        entries,
        left,
    )


def test_everything_is_as_on_a_disk_whatever_fails_for_a_while(store, bucket, tmp_path):
    expected = everything(str(tmp_path))
    assert expected[:3] == (True, True, True) and expected[-1] == ["z.bin"]
    assert everything(f"s3://{bucket}/calm") == expected
    for kind in KINDS:
        with store.behind(every(3, (kind,))) as bad:
            before = retries.count()
            assert everything(f"s3://{bucket}/{kind}{store.options(bad.endpoint)}") == expected
        assert bad.injected[kind] > 5
        assert retries.count() > before or kind in ("slow", "refused", "lost"), kind  # curl itself connects anew


@pytest.mark.parametrize("kinds", [("500",), ("cut",), ("refused", "503", "lost")])
def test_large_files_are_written_part_by_part_whatever_fails(store, bucket, monkeypatch, kinds):
    monkeypatch.setattr(retries, "HELD", 1 << 20)
    data = DATA * 8  # more than a part
    with store.behind(every(4, kinds)) as bad:
        with paths.open_output(f"s3://{bucket}/large.bin{store.options(bad.endpoint)}") as file:
            for start in range(0, len(data), 1 << 20):
                file.write(data[start : start + (1 << 20)])
        parts = sum("partNumber" in path for _, path in bad.asked)
        assert sum(bad.injected.values()) > 0 and parts > 2
    assert store.get(f"{bucket}/large.bin") == data


def test_what_fails_for_good_is_one_sentence_of_the_file_and_the_store(store, bucket):
    name = f"s3://{bucket}/x.bin{store.options('http://127.0.0.1:9')}"
    before = retries.count()
    with pytest.raises(retries.StoreFailed) as failed:
        paths.read_bytes(name)
    assert retries.count() - before == retries.ATTEMPTS - 1
    said = str(failed.value)
    assert said.startswith(f"s3://{bucket}/x.bin: the store at http://127.0.0.1:9 fails: AWS Error NETWORK_CONNECTION")
    assert said.endswith(f"(tried {retries.ATTEMPTS} times)") and "\n" not in said
    again = pickle.loads(pickle.dumps(failed.value))  # as from a worker
    assert (type(again), str(again), again.errno) == (retries.StoreFailed, said, errno.EIO)


def test_waits_grow_and_end(monkeypatch):
    waited = []
    monkeypatch.setattr(retries.time, "sleep", waited.append)
    monkeypatch.setattr(retries, "FIRST_WAIT", 1.0)

    def failing():
        raise OSError("busy")

    with pytest.raises(retries.StoreFailed, match=r"^x fails: busy \(tried 8 times\)$"):
        retries.call(failing, "x")
    most = [1, 2, 4, 8, 10, 10, 10]
    assert len(waited) == len(most) and all(m / 2 <= w <= m for w, m in zip(waited, most))


@pytest.mark.parametrize(
    "error, tried",
    [
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation: no"), 1),
        (OSError("AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: no"), 1),
        (PermissionError("no"), 1),
        (OSError("AWS Error UNKNOWN (HTTP status 429) during HeadObject operation: no"), 8),
        (OSError("AWS Error SLOW_DOWN during PutObject operation: no"), 8),
        (
            OSError(
                "When reading key 'ACCESS_DENIED (HTTP status 400)': AWS Error SLOW_DOWN during PutObject operation"
            ),
            8,
        ),
        (TimeoutError("no"), 8),
    ],
)
def test_only_what_may_pass_is_tried_again(error, tried):
    tries = itertools.count()

    def failing():
        next(tries)
        raise error

    with pytest.raises(retries.StoreFailed):
        retries.call(failing, "x")
    assert next(tries) == tried


@pytest.mark.parametrize("error", [FileNotFoundError("x"), FileExistsError("x"), ValueError("x"), KeyError("x")])
def test_answers_and_faults_of_the_caller_come_as_they_are(error):
    tries = itertools.count()

    def failing():
        next(tries)
        raise error

    with pytest.raises(type(error)) as raised:
        retries.call(failing, "x")
    assert raised.value is error and next(tries) == 1


class CutFile:
    """A file of which every third answer is cut short, without an error."""

    def __init__(self, data, asked):
        self.data, self.asked = data, asked

    def size(self):
        return len(self.data)

    def read_at(self, size, offset):
        self.asked.append((offset, size))
        return self.data[offset : offset + size // (2 if len(self.asked) % 3 == 1 else 1)]

    def close(self):
        pass


def test_an_answer_that_is_cut_short_is_never_the_end():
    asked = []
    file = retries.Input(lambda: CutFile(DATA, asked), "x")
    before = retries.count()
    assert b"".join(iter(lambda: file.read(10_000), b"")) == DATA
    assert retries.count() - before == 1 and asked == [(0, len(DATA))] * 2  # it was read ahead, in one piece
    assert file.seek(-10, 2) == len(DATA) - 10 and file.read() == DATA[-10:] and file.read(5) == b""


def from_get(first):
    """A schedule by which all reading fails from the so-manieth time on."""
    numbers = itertools.count()
    return lambda number, method, path: "500" if method == "GET" and next(numbers) >= first else None


def test_a_store_that_fails_is_neither_a_damaged_file_nor_a_faulty_record(store, bucket, monkeypatch):
    monkeypatch.setattr(retries, "ATTEMPTS", 2)
    table = pa.table(
        {"id": [str(i) for i in range(20_000)], "text": [f"text {i} {DATA[i : i + 40].hex()}" for i in range(20_000)]}
    )
    shards.write_table(f"s3://{bucket}/x.arrow", table)
    pq.write_table(table, f"{bucket}/x.parquet", filesystem=store.files(), row_group_size=5000)
    for fails_from in range(1, 6):
        with store.behind(from_get(fails_from)) as bad:
            unit = readers.Unit(f"s3://{bucket}/x.parquet{store.options(bad.endpoint)}", "parquet")
            with pytest.raises(retries.StoreFailed):
                list(readers.read(unit, readers.ReadOptions()))
    with store.behind(lambda n, method, path: "500" if method == "GET" else None) as bad:
        with pytest.raises(retries.StoreFailed):
            shards.read_table(f"s3://{bucket}/x.arrow{store.options(bad.endpoint)}")


def test_what_was_deleted_though_the_answer_was_lost_is_deleted(store, bucket):
    fill(store, bucket, a_txt=b"a", b_txt=b"b")
    with store.behind(lambda n, method, path: "lost" if method == "DELETE" and n < 9 else None) as bad:
        paths.remove(f"s3://{bucket}/{name}{store.options(bad.endpoint)}" for name in ("a.txt", "b.txt", "none.txt"))
        assert bad.injected["lost"] >= 2
    assert store.names(bucket) == []


# ------------------------------------------------------------------ requests


def requests(bad):
    """How many requests there were, by what they ask for; and no more."""
    names = {"GET": "read", "HEAD": "ask", "PUT": "write", "POST": "write", "DELETE": "delete"}
    found = collections.Counter("list" if "list-type" in path else names[method] for method, path in bad.asked)
    bad.asked.clear()
    return dict(found)


def test_files_are_read_and_written_by_few_requests(store, bucket):
    with store.behind(lambda *_: None) as bad:
        base = f"s3://{bucket}{store.options(bad.endpoint)}"
        name = functools.partial(paths.join, base)
        paths.exists(name("warm"))
        requests(bad)
        paths.write_atomic(name("a/b/c/small.json"), b"{}")
        assert requests(bad) == {"write": 1}
        paths.write_atomic(name("large.bin"), DATA * 2)
        assert requests(bad) == {"write": 1}
        assert paths.read_bytes(name("large.bin")) == DATA * 2
        assert requests(bad) == {"ask": 1, "read": 1}
        with paths.open_input(name("large.bin")) as file:
            assert sum(len(piece) for piece in iter(lambda: file.read(65536), b"")) == 2 * len(DATA)
        assert requests(bad) == {"ask": 1, "read": 2}  # 4 MiB at a time
        table = pa.table({"x": np.arange(400_000), "y": np.arange(400_000)})
        shards.write_table(name("t.arrow"), table)
        requests(bad)
        with paths.open_input(name("t.arrow")) as file:
            assert pa.ipc.open_file(file).schema == table.schema
        assert requests(bad) == {"ask": 1, "read": 1}  # all of the footer at once
        paths.publish(name("t.arrow"), name("u.arrow"))
        assert requests(bad) == {"write": 1}  # by the store itself
        assert len(paths.list_files(base)) == 4
        assert requests(bad) == {"list": 1}


def test_copies_between_a_disk_and_stores(store, bucket, tmp_path):
    local = tmp_path / "x.bin"
    local.write_bytes(DATA)
    paths.publish(str(local), f"s3://{bucket}/a/x.bin")
    other = f"s3://{bucket}/b/x.bin{store.options()}&connect_timeout=9"  # another filesystem, for all we know
    paths.publish(f"s3://{bucket}/a/x.bin", other)
    paths.publish(other, str(tmp_path / "back.bin"))
    assert store.names(bucket) == [f"{bucket}/a/x.bin", f"{bucket}/b/x.bin"]
    assert store.get(f"{bucket}/b/x.bin") == (tmp_path / "back.bin").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["back.bin", "x.bin"]
    with store.behind(lambda n, method, path: "500" if method == "GET" else None) as bad:
        with pytest.raises(retries.StoreFailed):
            paths.publish(f"s3://{bucket}/a/x.bin{store.options(bad.endpoint)}", f"s3://{bucket}/c/x.bin")
    assert not paths.exists(f"s3://{bucket}/c/x.bin")


def test_a_file_too_large_for_the_store_to_copy_goes_through_this_machine(store, bucket, monkeypatch):
    fill(store, bucket, x_bin=DATA)
    monkeypatch.setattr(paths, "MOST_COPIED", len(DATA) - 1)
    monkeypatch.setattr(retries, "ATTEMPTS", 2)
    with store.behind(lambda n, method, path: "500" if method == "PUT" and n < 2 else None) as bad:
        base = f"s3://{bucket}{store.options(bad.endpoint)}"
        paths.publish(paths.join(base, "x.bin"), paths.join(base, "y.bin"))
        assert bad.injected["500"] == 2
    assert store.get(f"{bucket}/y.bin") == DATA


def test_folders_whose_files_are_gone_are_gone(store, bucket):
    base = f"s3://{bucket}/out"
    for name in ("work/00/a.json", "work/01/b.json", "keep.txt"):
        paths.write_atomic(paths.join(base, name), b"x")
    paths.remove([paths.join(base, name) for name in ("work/00/a.json", "work/01/b.json")])
    paths.write_atomic(paths.join(base, "work/01/late.json"), b"x")
    paths.remove_empty([paths.join(base, name) for name in ("work", "work/00", "work/01")])
    assert [entry.name for entry in paths.entries(paths.join(base, "work"))] == ["01"]
    assert store.names(f"{bucket}/out") == [f"{bucket}/out/keep.txt", f"{bucket}/out/work/01/late.json"]


# ------------------------------------------------------------------ tokens


def test_tokens_and_tokenizers_are_used_where_they_lie(store, bucket, tmp_path):
    folder = f"s3://{bucket}/tokens{store.options()}"
    with megatron.ShardWriter(paths.join(folder, "00000"), vocab_size=100) as shard:
        shard.add(np.array([11, 12, 13, 0, 21, 22, 0]), np.array([0, 4, 7]))
    described = [manifest.describe_shard(paths.join(folder, "00000"))]
    tokenizer = {"fingerprint": "", "family": "byte", "path": ""}
    manifest.write(folder, described, vocab_size=100, tokenizer=tokenizer, end_id=0, pad_id=99)
    plan = packing.best_fit(np.array([4, 3]), 4)
    packing.save(plan, packing.plan_path(folder, "p", "00000"))
    packing.summarize(folder, "p", {"00000": plan.figures})
    assert manifest.verify(folder) == []
    assert megatron.IndexedDataset(paths.join(folder, "00000"))[1].tolist() == [21, 22, 0]
    for options in ({"packing": "p"}, {}):
        stream = TokenStream(folder, sequence_length=4, batch_size=2, cache=str(tmp_path / "cache"), **options)
        assert sorted(stream.batch_at(0)["labels"][0].tolist() + stream.batch_at(0)["labels"][1].tolist()) == [
            -100, 0, 0, 11, 12, 13, 21, 22,
        ]  # fmt: skip
    with pytest.raises(ValueError, match="name a local folder for copies as `cache`"):
        TokenStream(folder, sequence_length=4, batch_size=2)
    encoder = train_tokenizer(["to be or not to be"] * 2, str(tmp_path / "tokenizer"), family="bpe", vocab_size=260)
    store.upload(tmp_path / "tokenizer", f"{bucket}/tokenizer")
    assert load_encoder(f"s3://{bucket}/tokenizer{store.options()}").fingerprint == encoder.fingerprint


# ------------------------------------------------------------------ fsspec


class _Site(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, by ranges where these are asked for; requests fail by the schedule of the server."""

    def do_GET(self):  # its base class's name
        self.server.asked.append((self.command, self.path, self.headers.get("Range")))
        if self.server.schedule(len(self.server.asked), self.command, self.path):
            return self.send_error(503)
        asked = self.headers.get("Range")
        path = self.translate_path(self.path)
        if not os.path.isfile(path) or not (asked and self.server.ranges):
            return super().do_GET() if self.command == "GET" else super().do_HEAD()
        first, _, last = asked.removeprefix("bytes=").partition("-")
        size = os.path.getsize(path)
        first, last = int(first), min(int(last or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        with open(path, "rb") as file:
            file.seek(first)
            self._send(file.read(last + 1 - first))

    do_HEAD = do_GET  # noqa: N815

    def copyfile(self, source, target):
        self._send(source.read())

    def _send(self, data):
        with contextlib.suppress(OSError):  # whoever asked has seen enough
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    """(A web server, the folder of its files.)"""
    folder = tmp_path / "site"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Site, directory=str(folder)))
    server.asked, server.ranges, server.schedule = [], True, lambda *_: False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server, folder
    server.shutdown()
    server.server_close()


def test_web_sites_are_read(site):
    server, folder = site
    (folder / "docs").mkdir()
    (folder / "docs" / "a b.jsonl").write_text('{"id": "1", "text": "Words."}\n')
    (folder / "docs" / "c.bin").write_bytes(DATA)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    for name in (f"{base}/docs/a%20b.jsonl", f"{base}/docs/a%20b.jsonl?download=1"):
        (source,) = paths.expand(name)
        assert (source.path, source.size) == (name, 30) and source.mtime_ns > 0
        (unit,) = readers.split([source], readers.ReadOptions())
        (reading,) = readers.read(unit, readers.ReadOptions())
        assert reading.documents["text"].to_pylist() == ["Words."]
    assert paths.read_bytes(f"{base}/docs/c.bin") == DATA
    assert [paths.basename(s.path) for s in paths.expand(f"{base}/docs/*.bin")] == ["c.bin"]
    assert not paths.exists(f"{base}/docs/none") and paths.size(f"{base}/none.txt") == -1
    with pytest.raises(FileNotFoundError):
        paths.read_bytes(f"{base}/docs/none")


def test_web_sites_that_fail_for_a_while_are_asked_again(site):
    server, folder = site
    (folder / "c.bin").write_bytes(DATA)
    name = f"http://127.0.0.1:{server.server_address[1]}/c.bin"
    server.schedule = lambda number, *_: number % 3
    before = retries.count()
    assert paths.size(name) == len(DATA) and paths.read_bytes(name) == DATA
    assert retries.count() > before
    server.schedule = lambda *_: True
    with pytest.raises(retries.StoreFailed, match=rf"^{name}: the store of http:// fails: 503.*tried 8 times"):
        paths.exists(name)  # and never: there is none


def test_a_web_site_without_ranges_is_said(site):
    server, folder = site
    (folder / "c.bin").write_bytes(DATA * 4)
    server.ranges = False
    with pytest.raises(retries.StoreFailed, match="c.bin: .* fails: .*; download the file first"):
        with paths.open_input(f"http://127.0.0.1:{server.server_address[1]}/c.bin") as file:
            file.read_at(10, 2 * len(DATA))


class _Hub(_Site):
    """As much of Hugging Face's hub as it takes to find a file of a repository and to read it."""

    def do_GET(self):
        where, _, path = self.path.partition("?")[0].partition("/main")
        if where.endswith("/resolve"):
            self.path = path
            return super().do_GET()
        folder = pathlib.Path(self.directory)
        files = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in folder.iterdir()]
        answer = json.dumps(files if where.endswith("/tree") else {"id": "us/docs", "sha": "0" * 40}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self._send(answer)
        return None


def test_repositories_of_hugging_face_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "Words."}\n' * 100_000)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Hub, directory=str(tmp_path)))
    server.asked, server.ranges, server.schedule = [], True, lambda *_: False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    endpoint = f"?endpoint=http://127.0.0.1:{server.server_address[1]}"
    try:
        (source,) = paths.expand(f"hf://datasets/us/docs/*.jsonl{endpoint}")
        assert source.path == f"hf://datasets/us/docs/a.jsonl{endpoint}" and source.size == 1_900_000
        found = [reading.documents for reading in readers.read_files(source.path)]
    finally:
        server.shutdown()
        server.server_close()
    assert sum(batch.num_rows for batch in found) == 100_000
    assert found[0]["id"][0].as_py() == "hf://datasets/us/docs/a.jsonl#0"


def test_other_filesystems_of_fsspec(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({"/shelf/a.jsonl": b'{"text": "Words."}\n', "/shelf/deep/b c.txt": b"Text."})
    found = paths.expand("memory://shelf")
    assert [(source.path, source.size) for source in found] == [
        ("memory://shelf/a.jsonl", 19),
        ("memory://shelf/deep/b c.txt", 5),
    ]
    assert [paths.read_bytes(source.path) for source in found] == [b'{"text": "Words."}\n', b"Text."]
    paths.publish("memory://shelf/a.jsonl", str(tmp_path / "a.jsonl"))
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"text": "Words."}\n'


def test_what_is_not_installed_is_said_in_one_sentence(monkeypatch):
    with pytest.raises(ValueError, match="cannot open nosuch://x/y: nosuch:// is not known .known are file, s3, gs"):
        paths.filesystem("nosuch://x/y")
    stores._of_fsspec.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        ValueError,
        match=r"cannot open hf://d/x: for hf://, packages are needed that are not .*pip install '\.\[remote\]'",
    ):
        paths.filesystem("hf://d/x")
    stores._of_fsspec.cache_clear()


def test_what_fsspec_lacks_for_a_scheme_is_said_in_one_sentence():
    """In a process of its own, since fsspec keeps what it has imported."""
    program = """if True:
        import sys
        sys.modules["aiohttp"] = None
        from corpus.io import paths
        try:
            paths.filesystem("https://example.org/x")
        except ValueError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = "cannot open https://example.org/x: for https://, a package is needed that is not installed: "
    assert done.stdout.startswith(said + stores.INSTALL) and done.stdout.count("\n") == 1


def test_paths_need_neither_fsspec_nor_what_stands_behind_it():
    program = """if True:
        import sys
        from corpus.io import paths, shards
        print(sorted({"fsspec", "aiohttp", "huggingface_hub"} & set(sys.modules)))
    """
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_environment_that_says_where_s3_is_can_be_taken_elsewhere(monkeypatch):
    for name in stores.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert stores.environment() == {}
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert stores.environment() == {"AWS_REGION": "eu-north-1"}
    assert isinstance(paths.filesystem("s3://bucket/x")[0], pafs.PyFileSystem)  # and no network is asked for it
