"""The durable map: what is done is not done again, what died is done again, what changed is seen."""

import importlib
import importlib.util
import json
import pathlib
import sys

import map_functions
import pytest
import slow_store

from corpus.io import paths
from pipelines import engine
from pipelines.engine import Engine, Manifest, Task, TaskFailed


def tasks_for(texts, log, prints=None):
    return [
        Task(f"{i:05d}", (t, str(log)), ((f"input {i}", (prints or {}).get(i, t)),), len(t))
        for i, t in enumerate(texts)
    ]


@pytest.fixture(params=[0, 2], ids=["in-process", "ray"])
def make_engine(request, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.engine.retries.BACKOFF", 0.001)
    if request.param:
        request.getfixturevalue("ray_workers")
    return lambda **options: Engine(str(tmp_path / "work"), request.param, **options)


def texts_of(manifests):
    return [pathlib.Path(m.outputs["text.txt"].path).read_text() for m in manifests]


def test_map_runs_resumes_and_notices_every_change(make_engine, tmp_path):
    log = tmp_path / "log"
    runner = make_engine()
    manifests = runner.map("upper", map_functions.copy_upper, tasks_for(["a", "bb", "ccc"], log), {"x": 1})
    assert texts_of(manifests) == ["A", "BB", "CCC"]
    assert [m.counters["documents"] for m in manifests] == [1, 2, 3]
    assert sorted(log.read_text().split()) == ["a", "bb", "ccc"]

    def again(texts, configuration=None, prints=None):
        log.write_text("")
        results = runner.map(
            "upper", map_functions.copy_upper, tasks_for(texts, log, prints), configuration or {"x": 1}
        )
        return texts_of(results), sorted(log.read_text().split()), runner.summaries[-1].reasons

    assert again(["a", "bb", "ccc"]) == (["A", "BB", "CCC"], [], {})
    assert again(["a", "bb", "ccc"], prints={1: "other"}) == (["A", "BB", "CCC"], ["bb"], {"inputs changed": 1})
    assert again(["a", "bb"]) == (["A", "BB"], ["bb"], {"inputs changed": 1})
    assert len(list((tmp_path / "work" / "upper").glob("00002*"))) == 0  # a task that is no more
    assert again(["a", "bb"], {"x": 2}) == (["A", "BB"], ["a", "bb"], {"configuration changed": 2})
    damaged = next((tmp_path / "work" / "upper").glob("00000-*"))
    damaged.write_text("too long")
    assert again(["a", "bb"], {"x": 2}) == (["A", "BB"], ["a"], {"an output is missing or damaged": 1})


def test_changed_code_is_noticed(make_engine, tmp_path, monkeypatch):
    log = tmp_path / "log"
    runner = make_engine()
    runner.map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    monkeypatch.setattr(engine.engine, "code_fingerprint", lambda *_: "another")
    runner.map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    assert runner.summaries[-1].reasons == {"code changed": 1}
    assert log.read_text().split() == ["a", "a"]


def test_a_broken_manifest_and_foreign_files_do_not_count(make_engine, tmp_path):
    log, folder = tmp_path / "log", tmp_path / "work" / "upper"
    runner = make_engine()
    runner.map("upper", map_functions.copy_upper, tasks_for(["a", "b"], log))
    (folder / "00000.json").write_text('{"key": "00000"')
    (folder / "00001-dead0000-text.txt").write_text("half of an atte")
    assert texts_of(runner.map("upper", map_functions.copy_upper, tasks_for(["a", "b"], log))) == ["A", "B"]
    assert runner.summaries[-1].reasons == {"not done yet": 1}
    assert len(list(folder.iterdir())) == 4  # two manifests, two outputs: the rest is swept


def test_dry_run_writes_nothing(make_engine, tmp_path):
    runner = make_engine(dry_run=True)
    with pytest.raises(engine.NothingRuns):
        runner.map("upper", map_functions.copy_upper, tasks_for(["a"], tmp_path / "log"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function, words", [("fail", "ZeroDivisionError: planted"), ("promise_only", "never.txt")])
def test_a_failing_task_says_which_and_why(make_engine, tmp_path, function, words):
    with pytest.raises(TaskFailed, match=words) as failure:
        make_engine().map("bad", getattr(map_functions, function), tasks_for(["a"], tmp_path / "log"))
    assert "step bad, task 00000 (input 0)" in str(failure.value)
    assert not (tmp_path / "work" / "bad" / "00000.json").exists()


def test_a_killed_worker_costs_a_retry_and_leaves_nothing_behind(tmp_path, ray_workers):
    runner = Engine(str(tmp_path / "work"), ray_workers)
    tasks = [Task(f"{i:05d}", ("text", str(tmp_path / f"marker{i}")), ((f"input {i}", "x"),)) for i in range(3)]
    manifests = runner.map("dying", map_functions.die_at_first, tasks)
    assert texts_of(manifests) == ["TEXT"] * 3
    assert runner.summaries[-1].retries == 3
    assert len(list((tmp_path / "work" / "dying").iterdir())) == 6
    with pytest.raises(TaskFailed, match="step poison, task 00000"):
        runner.map("poison", map_functions.die_always, [Task("00000", None, (("input 0", "x"),))])


def test_manifest_survives_json_and_a_moved_run(tmp_path):
    log = tmp_path / "log"
    runner = Engine(str(tmp_path / "work"), 0)
    (manifest,) = runner.map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    stored = (tmp_path / "work" / "upper" / "00000.json").read_bytes()
    assert Manifest.from_json(stored, str(tmp_path / "work" / "upper")) == manifest
    (tmp_path / "work").rename(tmp_path / "moved")
    moved = Engine(str(tmp_path / "moved"), 0)
    assert texts_of(moved.map("upper", map_functions.copy_upper, tasks_for(["a"], log))) == ["A"]
    assert not moved.summaries[-1].reasons
    assert "/" not in json.loads(stored)["outputs"]["text.txt"]["path"]


def test_fingerprints_tell_configurations_apart():
    task = Task("a", 1, ())
    assert engine.fingerprint({"a": 1, "b": 2}) == engine.fingerprint({"b": 2, "a": 1})
    assert engine.fingerprint((task,)) != engine.fingerprint((Task("b", 1, ()),))
    with pytest.raises(TypeError):
        engine.fingerprint({"a": object()})


def in_process(tmp_path, **options):
    return Engine(str(tmp_path / "work"), 0, **options)


def changed(path, change):
    """The manifest in a file, changed."""
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("change", [
    lambda record: record["counters"].update(documents=2),
    lambda record: record["counters"].update(documents="x"),
    lambda record: record["outputs"]["text.txt"].update(hash="0" * 32),
    lambda record: record["outputs"]["text.txt"].update(path="../../victim"),
    lambda record: record.update(key="00001"),
    lambda record: record.update(checksum="0" * 32),
    lambda record: record.update(limits=[[[]]]),
    lambda record: record.update(more=1),
], ids=["count", "type", "hash", "path", "key", "checksum", "limits", "field"])  # fmt: skip
def test_a_manifest_that_is_not_what_was_written_does_not_count(tmp_path, change):
    log, folder = tmp_path / "log", tmp_path / "work" / "upper"
    before = in_process(tmp_path).map("upper", map_functions.copy_upper, tasks_for(["a", "b"], log))
    changed(folder / "00000.json", change)
    assert (list(engine.engine.committed(str(folder))), engine.engine.damaged(str(folder))) == (["00001"], ["00000"])
    again = in_process(tmp_path)
    after = again.map("upper", map_functions.copy_upper, tasks_for(["a", "b"], log))
    assert again.summaries[-1].reasons == {"not done yet": 1} and engine.engine.damaged(str(folder)) == []
    assert [m.counters for m in after] == [m.counters for m in before] and texts_of(after) == ["A", "B"]


def test_manifests_that_have_changed_places_do_not_count(tmp_path):
    log, work = tmp_path / "log", tmp_path / "work"
    for step in ("upper", "other"):
        in_process(tmp_path).map(step, map_functions.copy_upper, tasks_for(["a", "b"], log))
    a, b, other = (
        path.read_bytes() for path in (work / "upper/00000.json", work / "upper/00001.json", work / "other/00000.json")
    )
    for one, two in ((b, a), (other, b), (b"[" * 100000, b)):
        (work / "upper/00000.json").write_bytes(one)
        (work / "upper/00001.json").write_bytes(two)
        assert "00000" in engine.engine.damaged(str(work / "upper"))
    assert texts_of(in_process(tmp_path).map("upper", map_functions.copy_upper, tasks_for(["a", "b"], log))) == [
        "A",
        "B",
    ]


def test_manifests_of_versions_without_a_checksum_count(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "work" / "upper"
    in_process(tmp_path).map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    changed(folder / "00000.json", lambda record: record.pop("checksum"))
    again = in_process(tmp_path)
    assert texts_of(again.map("upper", map_functions.copy_upper, tasks_for(["a"], log))) == ["A"]
    assert again.summaries[-1].reasons == {}


def test_outputs_are_compared_with_their_checksums_if_that_is_asked_for(tmp_path):
    log = tmp_path / "log"
    (manifest,) = in_process(tmp_path).map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    pathlib.Path(manifest.outputs["text.txt"].path).write_text("B")
    for check, reasons in ((False, {}), (True, {"an output is missing or damaged": 1})):
        again = in_process(tmp_path, check=check)
        again.map("upper", map_functions.copy_upper, tasks_for(["a"], log))
        assert again.summaries[-1].reasons == reasons
    assert [p.read_text() for p in (tmp_path / "work" / "upper").glob("*-text.txt")] == ["A"]


def test_the_sweep_takes_what_attempts_have_left_and_nothing_else(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "work" / "upper"
    in_process(tmp_path).map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    ours = ["00000-deadbeef-text.txt", ".00000.json.winnow-deadbeef.tmp", "00000.json.deadbeef.tmp", "00003.json"]
    mine = [
        "tsconfig.json",
        "2024-deadbeef-thesis.doc",
        "notes.json",
        "a-12345678-b.txt",
        "00000-xyz-text.txt",
        "sub/00000-deadbeef-text.txt",
    ]
    (folder / "sub").mkdir()
    for name in (*ours, *mine):
        (folder / name).write_text("{}")
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "00000-deadbeef-text.txt").write_text("mine")
    (folder / "00001-deadbeef-link").symlink_to(tmp_path / "victim")
    (folder / "latest").symlink_to("/nowhere")
    in_process(tmp_path).map("upper", map_functions.copy_upper, tasks_for(["a"], log))
    assert [name for name in ours if (folder / name).exists()] == []
    assert [name for name in mine if not (folder / name).exists()] == []
    assert (tmp_path / "victim" / "00000-deadbeef-text.txt").read_text() == "mine" and (folder / "latest").is_symlink()


def test_outputs_are_hashed_as_they_are_written_and_folders_asked_for_once(tmp_path):
    work = tmp_path / "work"
    tasks = [Task(f"{i:05d}", f"text {i}", ((f"input {i}", "x"),)) for i in range(500)]
    with slow_store.counting(work) as first:
        manifests = in_process(tmp_path).map("write", map_functions.write_twice, tasks)
    assert first["opens"] == 500  # of what was not written by `paths.open_output`
    assert first["listings"] == 2  # before and after
    for manifest in manifests[::100]:
        assert manifest.outputs == {
            name: engine.describe_file(file.path) for name, file in manifest.outputs.items()
        } and sorted(manifest.outputs) == ["heard.txt", "unheard.txt"]
    with slow_store.counting(work) as again:
        assert in_process(tmp_path).map("write", map_functions.write_twice, tasks) == manifests
    assert again.pop("stats") <= 500  # of files that are opened
    assert again == {"listings": 1, "opens": 500, "reads": 500, "bytes read": again["bytes read"]}
    assert again["bytes read"] == sum(path.stat().st_size for path in work.glob("write/*.json"))


def test_keys_are_in_the_order_of_their_numbers(tmp_path):
    keys = ["100000", "00007", "99999", "100001"]
    runner, log = in_process(tmp_path), tmp_path / "log"
    for text, key in zip("abcd", keys):
        runner.map(f"step-{key}", map_functions.copy_upper, [Task(key, (text, str(log)), ())])
    manifests = runner.map("all", map_functions.copy_upper, [Task(key, (key, str(log)), ()) for key in keys])
    assert [manifest.key for manifest in manifests] == keys  # of a map: as its tasks came
    assert list(engine.engine.committed(str(tmp_path / "work" / "all"))) == ["00007", "99999", "100000", "100001"]
    assert sorted(keys, key=engine.tasks.key_order) == ["00007", "99999", "100000", "100001"]


def test_a_manifest_is_held_small(tmp_path):
    """A run has as many as files of input."""
    steps = {f"step{i}": dict.fromkeys(["documents_in", "kept", "bytes_in", "bytes_out"], 10**9 + i) for i in range(10)}
    task = Task("00000", {"steps": steps, "lengths": list(range(1000, 1032))}, (("x.warc.gz", "a fingerprint"),) * 50)
    (manifest,) = in_process(tmp_path).map("count", map_functions.count_as_told, [task])
    assert manifest.counters == task.argument and manifest.counters is not manifest.counters
    assert manifest.inputs == engine.tasks.fingerprint_of(task.inputs) and len(manifest.packed) < 1200
    stored = json.loads((tmp_path / "work" / "count" / "00000.json").read_text())
    assert stored["inputs"] == [["x.warc.gz", "a fingerprint"]] * 50 and stored["counters"] == manifest.counters


def test_storage_that_fails_for_one_task_keeps_no_other_waiting(make_engine, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.engine.retries.BACKOFF", 0.5)
    texts = ["first", *(f"other{i}" for i in range(6))]
    tasks = [Task(f"{i:05d}", (text, str(tmp_path), 6), ((text, "x"),)) for i, text in enumerate(texts)]
    runner = make_engine()
    runner.map("busy", map_functions.busy_until_all_others_are_done, tasks)
    tries = {text: len((tmp_path / f"{text}.tries").read_text()) for text in texts}
    assert tries.pop("first") > 1 and set(tries.values()) == {1}
    assert runner.summaries[-1].retries == len((tmp_path / "first.tries").read_text()) - 1


def failing(tmp_path, texts):
    return [Task(f"{i:05d}", (text, str(tmp_path / "log")), ((f"{text}.txt", "x"),)) for i, text in enumerate(texts)]


def test_what_fails_for_good_is_reported_when_all_else_is_done(make_engine, tmp_path):
    texts = [f"bad-{'storage' if i % 4 else 'bug'}{i}" if i % 2 else f"good{i}" for i in range(26)]
    runner = make_engine()
    with pytest.raises(TaskFailed) as failure:
        runner.map("some", map_functions.fail_some, failing(tmp_path, texts))
    first, *lines, last = str(failure.value).split("\n")
    assert first == "step some: 13 of 26 tasks failed for good, all others are done:"
    assert lines[0] == "  task 00001 (bad-storage1.txt): OSError: [Errno 5] the disk is gone (bad-storage1)"
    assert [line[:12] for line in lines] == [f"  task {i:05d}" for i in range(1, 20, 2)] + ["  and 3 more"]
    assert last == "see to the storage; the same command tries only what is left"
    assert failure.value.name == "some/00001"
    done = sorted(path.name for path in (tmp_path / "work" / "some").glob("?????.json"))
    assert done == [f"{i:05d}.json" for i in range(0, 26, 2)]
    (tmp_path / "log").write_text("")
    with pytest.raises(TaskFailed):
        runner.map("some", map_functions.fail_some, failing(tmp_path, texts))
    assert {text[:3] for text in (tmp_path / "log").read_text().split()} == {"bad"}


@pytest.mark.parametrize("kind, reason", [("import", "No module named 'nothing_of_this_name'"), ("bug", "bad-bug")])
def test_what_fails_for_every_task_does_not_burn_the_whole_map(make_engine, tmp_path, kind, reason):
    texts = [f"bad-{kind}{i}" for i in range(40)]
    with pytest.raises(TaskFailed, match=reason) as failure:
        make_engine().map("all", map_functions.fail_some, failing(tmp_path, texts))
    attempts = len((tmp_path / "log").read_text().split())
    assert 8 <= attempts <= 12  # those in flight, too
    rest = f"so many in a row that {40 - attempts} were not tried"
    assert str(failure.value).startswith(f"step all: {attempts} of 40 tasks failed for good, {rest}:\n")


def test_a_damaged_file_is_what_a_run_can_mend_and_goes_before_all_else(make_engine, tmp_path):
    tasks = [Task("00000", "bug", (("a", "x"),)), Task("00001", "damaged", (("b", "x"),))]
    with pytest.raises(paths.DamagedFile, match="file.arrow is damaged: its checksum is wrong"):
        make_engine().map("damaged", map_functions.find_damage, tasks)


def test_a_class_that_only_the_driver_can_import_is_named(tmp_path, ray_workers, monkeypatch):
    (tmp_path / "mine.py").write_text("class Mine:\n    text = 'mine'\n")
    specification = importlib.util.spec_from_file_location("mine_alone", tmp_path / "mine.py")
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "mine_alone", module)
    specification.loader.exec_module(module)
    task = Task("00000", module.Mine(), (("a", "x"),))
    with pytest.raises(TaskFailed) as failure:
        Engine(str(tmp_path / "work"), ray_workers).map("own", map_functions.copy_own, [task])
    sentence = str(failure.value)
    assert sentence.startswith("step own: node ") and "No module named 'mine_alone'" in sentence
    assert "must be importable on every node" in sentence and "\n" not in sentence and failure.value.trace == ""


def test_a_class_beside_modules_of_the_driver_is_found(tmp_path, ray_workers, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mine_beside.py").write_text("class Mine:\n    text = 'mine'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    task = Task("00000", importlib.import_module("mine_beside").Mine(), (("a", "x"),))
    (manifest,) = Engine(str(tmp_path / "work"), ray_workers).map("own", map_functions.copy_own, [task])
    assert texts_of([manifest]) == ["mine"]
