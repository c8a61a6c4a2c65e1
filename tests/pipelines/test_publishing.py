"""What is published is on the list before it is there; what is not on the list is never touched."""

import json
import os
import re

import pytest
import xxhash

from corpus.io import paths
from pipelines import publishing
from pipelines.engine import File
from pipelines.publishing import OutputError, Published


@pytest.fixture(params=["local", "uri"])
def out(request, tmp_path):
    (tmp_path / "out").mkdir()
    return str(tmp_path / "out") if request.param == "local" else (tmp_path / "out").as_uri()


def made(out, name, data):
    """A file as a task leaves it in work/."""
    path = paths.join(out, "work", "00-step", name)
    with paths.open_output(path) as file:
        file.write(data)
    return File(path, len(data), xxhash.xxh3_128_hexdigest(data))


def tree(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "work" not in p.parts
    }


def listed(tmp_path):
    return json.loads((tmp_path / "out" / "published.json").read_text())


def test_the_list_says_what_is_there(out, tmp_path):
    published = publishing.open_output(out)
    files = {f"0000{i}.parquet": made(out, f"0000{i}-aaaaaaaa-x", b"data %d" % i) for i in range(3)}
    published.publish("documents", files)
    published.put(paths.join(out, "report.json"), b"{}")
    found = tree(tmp_path / "out")
    assert set(found) == {
        "documents/00000.parquet",
        "documents/00001.parquet",
        "documents/00002.parquet",
        "report.json",
        "published.json",
    }
    assert listed(tmp_path)["files"]["documents/00001.parquet"] == {"bytes": 6, "xxh3_128": files["00001.parquet"].hash}
    again = publishing.load(out)
    assert again.files == published.files and not again.finished
    again.set_finished(True)
    assert publishing.load(out).finished
    assert again.counts() == "documents/ (3 files), report.json"


def test_files_that_are_no_more_go_and_those_of_others_stay(out, tmp_path):
    published = publishing.open_output(out)
    first = {
        f"language={code}/0000{i}.parquet": made(out, f"0000{i}-aaaaaaaa-x", code.encode())
        for i, code in enumerate(["de", "en"])
    }
    published.publish("documents", first)
    (tmp_path / "out/documents/notes.txt").write_text("mine")
    (tmp_path / "out/documents/language=de/mine.parquet").write_text("mine")
    published.publish("documents", {"00000.parquet": made(out, "00000-bbbbbbbb-x", b"new")})
    assert tree(tmp_path / "out").keys() - {"published.json"} == {
        "documents/00000.parquet",
        "documents/notes.txt",
        "documents/language=de/mine.parquet",
    }
    assert list(listed(tmp_path)["files"]) == ["documents/00000.parquet"]
    if paths.is_local(out):
        assert not (tmp_path / "out/documents/language=en").exists()
    published.publish("documents", {})
    assert tree(tmp_path / "out").keys() - {"published.json"} == {
        "documents/notes.txt",
        "documents/language=de/mine.parquet",
    }


def test_what_is_kept_stays(out, tmp_path):
    published = publishing.open_output(out)
    published.put(paths.join(out, "tokens", "manifest.json"), b"{}")
    published.publish("tokens/packing/best", {"00000.arrow": made(out, "00000-aaaaaaaa-x", b"plan")})
    published.publish(
        "tokens", {"00000.bin": made(out, "00001-aaaaaaaa-x", b"tokens")}, keep=("manifest.json", "packing/best/")
    )
    assert tree(tmp_path / "out").keys() - {"published.json"} == {
        "tokens/manifest.json",
        "tokens/packing/best/00000.arrow",
        "tokens/00000.bin",
    }
    published.publish("tokens", {}, keep=("manifest.json",))
    assert tree(tmp_path / "out").keys() - {"published.json"} == {"tokens/manifest.json"}


def test_somebody_elses_file_in_the_way_is_an_error_and_stays(out, tmp_path):
    published = publishing.open_output(out)
    (tmp_path / "out/documents").mkdir()
    (tmp_path / "out/documents/00001.parquet").write_text("mine")
    files = {f"0000{i}.parquet": made(out, f"0000{i}-aaaaaaaa-x", b"ours") for i in range(2)}
    with pytest.raises(OutputError, match="documents/00001.parquet is in the way"):
        published.publish("documents", files)
    (tmp_path / "out/report.json").write_text("mine")
    with pytest.raises(OutputError, match="report.json is in the way"):
        published.put(paths.join(out, "report.json"), b"{}")
    assert tree(tmp_path / "out") == {"documents/00001.parquet": b"mine", "report.json": b"mine"}


def test_the_list_is_written_before_the_files(out, tmp_path, monkeypatch):
    published = publishing.open_output(out)
    published.publish("documents", {"00000.parquet": made(out, "00000-aaaaaaaa-x", b"old")})
    seen = []

    def place(source, target):
        name = "documents/" + target.rpartition("/")[2]
        seen.append((name, listed(tmp_path)["files"][name]["bytes"]))
        raise OSError("the power fails")

    monkeypatch.setattr(paths, "publish", place)
    with pytest.raises(OSError):
        published.publish(
            "documents",
            {
                "00000.parquet": made(out, "00000-bbbbbbbb-x", b"newer"),
                "00001.parquet": made(out, "00001-bbbbbbbb-x", b""),
            },
        )
    assert seen == [("documents/00000.parquet", 5)]
    assert set(listed(tmp_path)["files"]) == {"documents/00000.parquet", "documents/00001.parquet"}
    monkeypatch.undo()
    later = publishing.open_output(out)
    later.publish("documents", {"00001.parquet": made(out, "00001-cccccccc-x", b"end")})
    assert tree(tmp_path / "out").keys() - {"published.json"} == {"documents/00001.parquet"}


def test_nothing_is_written_again_that_is_there(out, tmp_path):
    published = publishing.open_output(out)
    files = {"00000.parquet": made(out, "00000-aaaaaaaa-x", b"data")}

    def both():
        published.publish("documents", files)
        published.put(paths.join(out, "recipe.yaml"), b"name: x\n")
        return {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}

    assert both() == both()
    (tmp_path / "out/documents/00000.parquet").unlink()
    (tmp_path / "out/recipe.yaml").write_text("name: y\n")
    both()
    assert (
        tree(tmp_path / "out")["documents/00000.parquet"] == b"data"
        and tree(tmp_path / "out")["recipe.yaml"] == b"name: x\n"
    )


def test_a_published_file_is_a_link_where_the_disk_allows_it_and_else_a_copy(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    published = publishing.open_output(str(tmp_path / "out"))
    file = made(str(tmp_path / "out"), "00000-aaaaaaaa-x", b"data")
    published.publish("documents", {"00000.parquet": file})
    assert os.path.samefile(file.path, tmp_path / "out/documents/00000.parquet")

    def no_links(*_):
        raise OSError("not here")

    monkeypatch.setattr(os, "link", no_links)
    published.publish("dropped", {"a-00000.parquet": file})
    assert (tmp_path / "out/dropped/a-00000.parquet").read_bytes() == b"data"
    assert not os.path.samefile(file.path, tmp_path / "out/dropped/a-00000.parquet")
    assert not list((tmp_path / "out").rglob("*.tmp"))


@pytest.mark.parametrize(
    "name",
    [
        *("documents", "dropped", "quarantine", "near_dedup", "near_dedup-2", "tokenizer", "tokens", "work"),
        *("recipe.yaml", "report.json"),
    ],
)
def test_symbolic_links_are_refused(tmp_path, name):
    (tmp_path / "out").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.parquet").write_text("mine")
    Published(str(tmp_path / "out")).save()
    (tmp_path / "out" / name).symlink_to(elsewhere)
    with pytest.raises(OutputError, match=f"out/{name} is (a symbolic link|in the way)"):
        publishing.open_output(str(tmp_path / "out"))
    assert os.listdir(elsewhere) == ["mine.parquet"]


def test_a_link_deeper_down_is_refused_too(tmp_path):
    out = tmp_path / "out"
    (out / "documents").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    published = publishing.open_output(str(out))
    (out / "documents" / "language=de").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="language=de is a symbolic link"):
        published.publish("documents", {"language=de/00000.parquet": made(str(out), "00000-aaaaaaaa-x", b"data")})
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("name", [
    "documents/00000.parquet", "documents/language=de/00003.parquet", "dropped/c4-00000.parquet", "tokens/00000.bin",
    "tokens/manifest.json", "tokens/packing/best_fit-2048/00000.arrow", "tokenizer/tokenizer.json", "report.html",
    "recipe.yaml", "near_dedup/clusters/00000.parquet", "near_dedup-3/clusters/00012.parquet",
])  # fmt: skip
def test_a_name_that_a_run_may_write_is_refused_before_it_does(out, tmp_path, name):
    Published(out).save()
    (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(OutputError, match="is in the way: no run has put it there"):
        publishing.open_output(out)
    (tmp_path / "out" / name).rename((tmp_path / "out" / name).with_name("notes.md"))
    assert publishing.open_output(out).files == {}


def test_directories_that_hold_no_run(out, tmp_path):
    assert publishing.load(out) is None and publishing.open_output(out).files == {}
    for name in (
        ".published.json.winnow-0a1b2c3d.tmp",
        ".recipe.yaml.winnow-0a1b2c3d.tmp",
        "recipe.yaml.0a1b2c3d.tmp",
        "lock.json",
    ):
        (tmp_path / "out" / name).write_text("cut o")
    published = publishing.open_output(out)  # what a run leaves that was ended at once
    published.sweep()
    assert sorted(os.listdir(tmp_path / "out")) == [
        "lock.json",
        "recipe.yaml.0a1b2c3d.tmp",
    ]  # the last may be anybody's
    (tmp_path / "out" / "recipe.yaml.0a1b2c3d.tmp").unlink()
    for text in (
        "name: mine\nsteps: [lunch]\n",
        "- a list",
        "just words",
        "",
        "a: [",
        "&a [*a]",
        "steps: 3",
        "made: 2024-13-01",
        "a: " + "9" * 5000,
        BOMB,
    ):
        (tmp_path / "out" / "recipe.yaml").write_text(text)
        with pytest.raises(OutputError, match=r"holds no run of ours \(recipe.yaml\)"):
            publishing.open_output(out)
    (tmp_path / "out" / "recipe.yaml").unlink()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"is not empty and holds no run of ours \(notes.txt\)"):
        publishing.open_output(out)


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    + ["steps: *a11"]
)


def test_what_could_not_be_put_in_place_is_no_obstacle(out, tmp_path):
    Published(out, {"tokenizer/tokenizer.json": (3, "0")}).save()
    (tmp_path / "out" / "tokenizer").mkdir()
    for name in (".tokenizer.json.winnow-0a1b2c3d.tmp", "tokenizer.json.0a1b2c3d.tmp", "vocab.json.0a1b2c3d.tmp"):
        (tmp_path / "out" / "tokenizer" / name).write_text("cut o")
    with pytest.raises(OutputError, match="vocab.json.0a1b2c3d.tmp is in the way"):  # not on the list
        publishing.open_output(out)
    (tmp_path / "out" / "tokenizer" / "vocab.json.0a1b2c3d.tmp").unlink()
    publishing.open_output(out).sweep()
    assert os.listdir(tmp_path / "out" / "tokenizer") == [
        "tokenizer.json.0a1b2c3d.tmp"
    ]  # of an earlier version, or anybody's


def test_what_is_to_become_a_lock_is_swept_only_if_it_is_old(out, tmp_path):
    Published(out).save()
    names = [f".lock.json.winnow-0000000{i}.tmp" for i in range(2)]
    for name in names:
        (tmp_path / "out" / name).write_text("{")
    os.utime(tmp_path / "out" / names[0], (1, 1))
    publishing.open_output(out).sweep()
    assert sorted(os.listdir(tmp_path / "out")) == [names[1], "published.json"]


def test_files_of_others_with_names_like_ours_stay(out, tmp_path):
    published = publishing.open_output(out)
    published.publish("documents", {"00000.parquet": made(out, "00000-aaaaaaaa-x", b"data")})
    mine = [
        "recipe.yaml.deadbeef.tmp",
        "documents/00000.parquet.deadbeef.tmp",
        "documents/sub/00000.parquet",
        "tokens/notes.json.abcdef12.tmp",
    ]
    for name in mine:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
    for link in ("latest", "documents/latest"):
        (tmp_path / "out" / link).symlink_to("/nowhere")
    publishing.open_output(out).sweep()
    assert all((tmp_path / "out" / name).read_text() == "mine" for name in mine)
    assert all((tmp_path / "out" / link).is_symlink() for link in ("latest", "documents/latest"))


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_name_that_a_run_may_write_is_refused_whatever_has_it(out, tmp_path, kind):
    published = publishing.open_output(out)
    (tmp_path / "out" / "documents").mkdir()
    path = tmp_path / "out" / "documents" / "00000.parquet"
    {"link": lambda: path.symlink_to("/nowhere"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(OutputError, match="00000.parquet is in the way"):
        published.publish("documents", {"00000.parquet": made(out, "00000-aaaaaaaa-x", b"data")})
    Published(out).save()
    assert publishing.load(out).strangers() == ["documents/00000.parquet"]
    with pytest.raises(OutputError, match="00000.parquet is in the way"):
        publishing.open_output(out)


def test_a_file_in_place_of_the_directory(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="out is a file"):
        publishing.open_output(str(tmp_path / "out"))
    assert publishing.open_output(str(tmp_path / "none")).files == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "other"}', '{"format": "winnow-published/1", "files": []}']
)
def test_a_list_that_cannot_be_read_is_said(out, tmp_path, text):
    (tmp_path / "out" / "published.json").write_text(text)
    with pytest.raises(OutputError, match="published.json cannot be read .*: delete it"):
        publishing.open_output(out)


@pytest.mark.parametrize("name", [
    "documents/../../victim", "../victim", "{folder}/victim", "documents//x", "documents/.", "documents/", "documents",
    "", "victim", "lock.json", "work/00-read/00000.json", "documents/a\0b", "documents/\ud800",
])  # fmt: skip
def test_a_list_with_names_that_no_run_gives_is_damaged(out, tmp_path, name):
    (tmp_path / "victim").write_text("mine")
    record = {
        "format": publishing.FORMAT,
        "finished": True,
        "recipe": {},
        "files": {name.format(folder=tmp_path): {"bytes": 4, "xxh3_128": "0"}},
    }
    (tmp_path / "out" / "published.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match="published.json cannot be read .*: delete it") as refused:
        publishing.load(out)
    assert "\n" not in str(refused.value) and (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("change", [
    {"files": {"report.json": {"bytes": "5", "xxh3_128": "0"}}},
    {"files": {"report.json": {"bytes": -1, "xxh3_128": "0"}}},
    {"files": {"report.json": {"bytes": float("inf"), "xxh3_128": "0"}}},
    {"files": {"report.json": {"bytes": 1, "xxh3_128": 5}}},
    {"files": {"report.json": 5}},
    {"recipe": {"name": "x", "steps": 5}}, {"recipe": {"name": "x", "steps": "abc"}}, {"recipe": "abc"},
    {"finished": "false"}, {"format": []},
])  # fmt: skip
def test_a_list_of_wrong_types_is_damaged(out, tmp_path, change):
    record = {"format": publishing.FORMAT, "finished": True, "recipe": {}, "files": {}, **change}
    (tmp_path / "out" / "published.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match="published.json cannot be read .*: delete it"):
        publishing.load(out)


def test_links_in_work_are_refused_where_a_run_would_follow_them(tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "work").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "00000.json").write_text("{}")
    (elsewhere / "00000-deadbeef-x").write_text("mine")
    Published(str(out)).save()
    (out / "work" / "old").symlink_to(elsewhere)
    assert publishing.open_output(str(out)).files == {} and publishing.step_folders(str(out)) == []
    for name in ("00-read+c4", "tokenizer-train", "tokens-shards", "best_fit-64-plan"):
        (out / "work" / name).symlink_to(elsewhere)
        with pytest.raises(OutputError, match=f"work/{re.escape(name)} is a symbolic link"):
            publishing.open_output(str(out))
        assert publishing.step_folders(str(out)) == []
        (out / "work" / name).unlink()


@pytest.mark.parametrize("where", ["plain", "a%20b", "a%2525b", "ü"])
def test_names_that_are_quoted_in_a_uri_are_found_again(tmp_path, where):
    out = f"file://{tmp_path}/{where}"
    values = ["a%2Fb", "100%25", "x%3Fy"]
    published = publishing.open_output(out)
    published.put(paths.join(out, "recipe.yaml"), b"name: x\n")
    published.publish(
        "documents",
        {
            f"language={value}/00000.parquet": made(out, f"0000{i}-aaaaaaaa-x", value.encode())
            for i, value in enumerate(values)
        },
    )
    (folder,) = tmp_path.iterdir()
    assert sorted(os.listdir(folder / "documents")) == sorted(f"language={value}" for value in values)
    again = publishing.open_output(out)  # nothing is in the way
    assert again.strangers() == [] and set(again.files) == {
        "recipe.yaml",
        *(f"documents/language={value}/00000.parquet" for value in values),
    }
    assert [paths.read_bytes(path) for path in again.paths("documents")] == [b"100%25", b"a%2Fb", b"x%3Fy"]
    assert all(map(again.is_there, again.files))
    again.publish("documents", {})
    assert [p.name for p in (folder / "documents").rglob("*") if p.is_file()] == []


def test_published_files_are_compared_with_their_checksums_if_that_is_asked_for(out, tmp_path):
    published = publishing.open_output(out)
    file = made(out, "00000-aaaaaaaa-x", b"data")
    published.publish("documents", {"00000.parquet": file})
    path = tmp_path / "out" / "documents" / "00000.parquet"
    path.unlink()
    path.write_bytes(b"dama")
    published.publish("documents", {"00000.parquet": file})
    assert path.read_bytes() == b"dama" and published.is_there("documents/00000.parquet")
    published.check = True
    assert not published.is_there("documents/00000.parquet")
    published.publish("documents", {"00000.parquet": file})
    assert path.read_bytes() == b"data" and published.is_there("documents/00000.parquet")


@pytest.mark.parametrize(
    "output", ["xyz://a", "file://rel", "s3://", "file:///", "a\0b", "file:/x", "s3x:/foo", "\udcff", ""]
)
def test_what_cannot_be_a_directory_is_said(output):
    for function in (publishing.check_output, publishing.load, publishing.open_output):
        with pytest.raises(OutputError, match="cannot be a run directory: ") as refused:
            function(output)
        assert "\n" not in str(refused.value)


def test_of_a_folder_of_others_only_as_much_is_listed_as_is_needed(out, tmp_path):
    Published(out).save()
    for name in (
        "photos/2020/a.jpg",
        "documents/sub/deep/00000.parquet",
        "documents/language=de/deeper/x",
        "tokens/packing/best_fit-64/x/y",
    ):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
    assert [entry.name for entry in publishing.entries_of(out)] == [
        "documents", "documents/language=de", "documents/language=de/deeper", "documents/sub", "photos",
        "published.json", "tokens", "tokens/packing", "tokens/packing/best_fit-64", "tokens/packing/best_fit-64/x",
    ]  # fmt: skip
