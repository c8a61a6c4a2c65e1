"""Names of files: globs, folders, URIs, atomic writes."""

import os
import re

import pyarrow.fs as pafs
import pytest

from corpus.io import paths

FILES = ["a.txt", "b.txt", "c[1].txt", "sub/a.txt", "sub/deep/d.jsonl", "_x/e.txt", ".h/f.txt", "sub/_g.txt"]


@pytest.fixture
def tree(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def found(pattern, base):
    return [os.path.relpath(s.path.removeprefix("file://"), base) for s in paths.expand(str(pattern))]


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("", ["a.txt", "b.txt", "c[1].txt", "sub/a.txt", "sub/deep/d.jsonl"]),
        ("sub", ["sub/a.txt", "sub/deep/d.jsonl"]),
        ("a.txt", ["a.txt"]),
        ("c[1].txt", ["c[1].txt"]),  # a file of that name comes before the glob
        ("*.txt", ["a.txt", "b.txt", "c[1].txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("[!a].txt", ["b.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "c[1].txt", "sub/a.txt"]),
        ("**/d*", ["sub/deep/d.jsonl"]),
        ("s*/a.txt", ["sub/a.txt"]),
        ("sub/**", ["sub/a.txt", "sub/deep/d.jsonl"]),
    ],
)
@pytest.mark.parametrize("uri", [False, True])
def test_expand(tree, pattern, expected, uri):
    prefix = f"file://{tree}" if uri else str(tree)
    assert found(f"{prefix}/{pattern}".rstrip("/"), tree) == expected


def test_expand_relative_names(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert [s.path.removeprefix("./") for s in paths.expand("*.txt")] == ["a.txt", "b.txt", "c[1].txt"]
    assert [s.path for s in paths.expand("sub/*.txt")] == ["sub/a.txt"]
    assert [s.path.removeprefix("./") for s in paths.expand("./sub")] == ["sub/a.txt", "sub/deep/d.jsonl"]
    assert len(paths.expand(".")) == 5


def test_expand_gives_sizes_and_can_be_opened(tree):
    for pattern in (str(tree), f"file://{tree}", f"{tree}/**/*", f"file://{tree}/*"):
        for source in paths.expand(pattern):
            assert source.size == paths.size(source.path) == len(paths.read_bytes(source.path))
            assert source.mtime_ns > 0


def test_expand_of_nothing(tree):
    for pattern in ("none", "none/*.txt", "*.parquet"):
        with pytest.raises(FileNotFoundError, match=pattern.replace("*", r"\*")):
            paths.expand(f"{tree}/{pattern}")
    with pytest.raises(ValueError, match="cannot open nosuch://x"):
        paths.expand("nosuch://x/y")
    assert paths.list_files(f"{tree}/none") == []


def test_write_atomic_publish_remove(tmp_path):
    for base in (str(tmp_path / "p"), f"file://{tmp_path}/u"):
        name = paths.join(base, "x", "f.bin")
        assert not paths.exists(name) and paths.size(name) == -1
        paths.write_atomic(name, b"one")
        paths.write_atomic(name, b"two")
        assert paths.read_bytes(name) == b"two" and paths.size(name) == 3
        paths.publish(name, paths.join(base, "y", "g.bin"))
        paths.publish(name, paths.join(base, "y", "g.bin"))
        assert paths.read_bytes(paths.join(base, "y", "g.bin")) == b"two"
        assert [s.path.rpartition("/")[2] for s in paths.list_files(base)] == ["f.bin", "g.bin"]
        paths.remove([name, name])
        assert not paths.exists(name)
        paths.remove(s.path for s in paths.list_files(base))
        assert paths.list_files(base) == []


def test_uris_with_spaces_percent_signs_and_glob_characters(tmp_path):
    for name in ("a b.txt", "100%25.txt", "q?.txt", "ü[x].txt"):
        (tmp_path / name).write_text(name)
    found = paths.expand(f"file://{tmp_path}/*")
    assert sorted(paths.read_bytes(source.path).decode() for source in found) == sorted(os.listdir(tmp_path))
    assert paths.read_bytes((tmp_path / "a b.txt").as_uri()) == b"a b.txt"
    assert paths.read_bytes(f"file://{tmp_path}/a b.txt") == b"a b.txt"


def test_options_of_a_filesystem_stay_with_its_names():
    uri = "s3://bucket/a%20b?region=us-east-1&endpoint_override=localhost:9"
    assert paths.filesystem(uri)[1] == "bucket/a b"
    name = paths.join(uri, "c[1].txt")
    assert name == "s3://bucket/a%20b/c[1].txt?region=us-east-1&endpoint_override=localhost:9"
    assert paths.filesystem(name)[1] == "bucket/a b/c[1].txt"


class _Info:
    path, size, mtime_ns = "bucket/a b/x/100%.txt", 5, None


def test_names_found_on_an_object_store_can_be_opened():
    for uri in ("s3://bucket/a%20b", "s3://bucket/a b/", "s3://key:s%2Fx@bucket/a%20b"):
        uri += "?region=us-east-1"
        source = paths._source(_Info, uri, paths.filesystem(uri)[1])
        assert paths.filesystem(source.path)[1] == _Info.path, source
        assert source.path.endswith("?region=us-east-1")


def test_join_and_kinds():
    assert paths.join("a/", "b", "c") == "a/b/c" and paths.join("", "b") == "b"
    assert paths.is_local("a/b") and not paths.is_local("s3://b/k")


def test_links_to_themselves_are_nothing_and_others_concern_only_who_asks_for_them(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert [s.path for s in paths.list_files(str(tmp_path))] == [str(tmp_path / "a.txt")]
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    assert [s.path for s in paths.expand(str(tmp_path / "*.txt"))] == [str(tmp_path / "a.txt")]
    for pattern in (tmp_path, tmp_path / "*.jsonl"):
        with pytest.raises(FileNotFoundError, match="gone.jsonl is a symbolic link to nothing"):
            paths.expand(str(pattern))


def test_a_name_that_is_no_text_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with open(os.fsencode(tmp_path) + b"/b\xff.jsonl", "w"):
        pass
    assert [s.path for s in paths.expand(str(tmp_path / "*.txt"))] == [str(tmp_path / "a.txt")]
    with pytest.raises(ValueError, match="'.*b.udcff.jsonl' is not UTF-8: rename the file"):
        paths.expand(str(tmp_path))


def test_names_below_a_folder_and_back(tmp_path):
    for folder in (str(tmp_path), f"file://{tmp_path}", f"file://{tmp_path}/", "s3://bucket/a%20b?region=us-east-1"):
        for name in ("a/b.parquet", "language=a%2Fb/00000.parquet", "x?y=1", "ü b"):
            path = paths.below(folder, name)
            assert paths.name_below(folder, path) == name
            assert paths.filesystem(path)[1] == paths.filesystem(folder)[1].rstrip("/") + "/" + name
    uri = "s3://bucket/a%20b/c.bin?region=us-east-1"
    assert (paths.basename(uri), paths.parent(uri)) == ("c.bin", "s3://bucket/a%20b?region=us-east-1")
    assert (paths.basename("x/c.bin"), paths.parent("x/c.bin"), paths.parent("c.bin")) == ("c.bin", "x", "")
    assert paths.has_suffix(uri, ".bin") and not paths.has_suffix(uri, "-1")
    assert paths.without_suffix(uri, ".bin") == "s3://bucket/a%20b/c?region=us-east-1"
    assert paths.suffixed(paths.without_suffix(uri, ".bin"), ".idx") == "s3://bucket/a%20b/c.idx?region=us-east-1"


@pytest.mark.parametrize("base", ["{}", "file://{}"])
def test_entries_are_what_they_are_and_links_are_not_followed(tmp_path, base):
    folder = tmp_path / "out"
    (folder / "a" / "deep").mkdir(parents=True)
    (folder / "b").mkdir()
    for name in ("a/x", "a/deep/y", "b/z", ".hidden"):
        (folder / name).write_text(name)
    (folder / "link").symlink_to(folder / "a")
    (folder / "nothing").symlink_to("/nowhere")
    os.mkfifo(folder / "pipe")
    name = base.format(folder)
    here = [
        (".hidden", "file", 7),
        ("a", "folder"),
        ("b", "folder"),
        ("link", "link"),
        ("nothing", "link"),
        ("pipe", "other"),
    ]
    assert [(e.name, e.kind, e.size)[: 3 if e.kind == "file" else 2] for e in paths.entries(name)] == here
    assert [e.name for e in paths.entries(name, re.compile("a"))] == [
        ".hidden",
        "a",
        "a/deep",
        "a/x",
        "b",
        "link",
        "nothing",
        "pipe",
    ]
    assert paths.entries(name + "/none") == [] and paths.entries(name + "/a/x") == []
    assert paths.link_in(name, "link/x") == str(folder / "link") and paths.link_in(name, "a/deep/y") is None
    assert paths.is_taken(name + "/nothing") and paths.is_taken(name + "/pipe") and not paths.is_taken(name + "/none")
    for each, reason in (("pipe", "is not a regular file"), ("a", "is not a regular file")):
        with pytest.raises(OSError, match=reason):
            paths.open_input(f"{name}/{each}")


def test_entries_of_a_store(monkeypatch):
    store = pafs._MockFileSystem()
    store.create_dir("bucket/out/a/deep", recursive=True)
    for name in ("x", "a/y", "a/deep/z"):
        with store.open_output_stream(f"bucket/out/{name}") as file:
            file.write(b"data")
    monkeypatch.setattr(paths, "filesystem", lambda name: (store, name.removeprefix("s3://")))
    assert paths.entries("s3://bucket/out") == [("a", "folder", 0), ("x", "file", 4)]
    assert paths.entries("s3://bucket/out", re.compile("a")) == [
        ("a", "folder", 0),
        ("a/deep", "folder", 0),
        ("a/y", "file", 4),
        ("x", "file", 4),
    ]
    assert paths.entries("s3://bucket/none") == []
    assert not paths.is_taken("s3://bucket/out/none") and paths.is_taken("s3://bucket/out/x")


def test_a_temporary_has_a_name_of_its_own(tmp_path):
    name = paths.temporary(str(tmp_path / "00000.parquet"))
    assert re.fullmatch(r"\.00000\.parquet\.winnow-[0-9a-f]{8}\.tmp", os.path.basename(name)) and os.path.dirname(
        name
    ) == str(tmp_path)
    assert paths.is_temporary(os.path.basename(name)) and not paths.is_temporary("00000.parquet.deadbeef.tmp")
    assert not paths.is_temporary(".winnow-deadbeef.tmp")
    assert len(os.path.basename(paths.temporary("x" * 250))) <= 255


def test_a_file_lies_inside_a_folder_however_both_are_named(tmp_path):
    (tmp_path / "in" / "o ut").mkdir(parents=True)
    file, folder = str(tmp_path / "in" / "o ut" / "x"), str(tmp_path / "in" / "o ut")
    uris = [f"file://{tmp_path}/in/o ut", f"file://{tmp_path}/in/o%20ut/"]
    assert all(paths.is_inside(f, d) for f in (file, uris[0] + "/x", uris[1] + "x") for d in (folder, *uris))
    assert not any(
        paths.is_inside(f, d)
        for f in (str(tmp_path / "in" / "x"), f"file://{tmp_path}/in/o ut2/x")
        for d in (folder, *uris)
    )
    assert paths.is_inside("s3://bucket/a b/x?region=us-east-1", "s3://bucket/a%20b?region=us-east-1")
    assert not paths.is_inside("s3://bucket/ab/x", "s3://bucket/a") and not paths.is_inside(
        "/bucket/a/x", "s3://bucket/a"
    )
