"""On a Ray cluster: nodes that come and go change nothing of what a map leaves; what cannot go on says so."""

import os
import pathlib
import signal
import subprocess

import corpora
import pytest
from cluster_driver import Driver, until
from commands import FRESH, winnow
from outputs import digest

from pipelines.engine import Engine, Limits, Task
from pipelines.engine.cluster import Cluster

SMALL = {"object_store_memory": 100 << 20}
GIB = 1 << 30


# ------------------------------------------------------------------ what a task reserves, by what nodes say


class Nodes:
    """In place of Ray: says which nodes there are."""

    def __init__(self, *resources):
        self.resources = resources

    def get_runtime_context(self):
        return self

    gcs_address = "127.0.0.1:1"

    def get_node_id(self):
        return "0"

    def nodes(self):
        address = {"NodeManagerAddress": "127.0.0.1", "NodeManagerPort": 2, "Alive": True}
        return [{"NodeID": str(i), "Resources": each, **address} for i, each in enumerate(self.resources)]


@pytest.mark.parametrize("nodes, own, limit, extra, reserved", [
    ([{"CPU": 16, "memory": 64 * GIB}], False, 6 * GIB, 0, GIB),
    ([{"CPU": 16, "memory": 64 * GIB}], False, 12 * GIB, 5 * GIB, 7 * GIB),
    ([{"CPU": 16, "memory": 64 * GIB}, {"CPU": 4, "memory": 4 * GIB}], False, 6 * GIB, 30 * GIB, 31 * GIB),
    ([{"CPU": 16, "memory": 8 * GIB}], False, 6 * GIB, 0, GIB),  # eight at a time
    ([{"CPU": 2, "memory": 3 * GIB}], True, 6 * GIB, 0, GIB),
    ([{"CPU": 2, "memory": GIB}], True, 6 * GIB, 0, GIB // 2),  # a small laptop: two at a time nevertheless
    ([{"CPU": 2, "memory": 3 * GIB}], True, 6 * GIB, 30 * GIB, 3 * GIB),  # and one that needs more runs, too
    ([{"CPU": 0, "memory": 64 * GIB}, {"CPU": 1, "memory": 2 * GIB}], False, 6 * GIB, 5 * GIB, 2 * GIB),
    ([{"memory": 64 * GIB}], False, 6 * GIB, 5 * GIB, 0),  # what will be there nobody knows
])  # fmt: skip
def test_a_task_reserves_what_it_is_expected_to_take(monkeypatch, nodes, own, limit, extra, reserved):
    monkeypatch.setattr("pipelines.engine.cluster.answers", lambda address: True)
    cluster = Cluster(Nodes(*nodes), own)
    cluster.look(print)
    assert cluster.reserved(Limits(1.0, limit), Limits(0.0, extra)) == reserved


@pytest.mark.parametrize("address, words", [
    ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
    ("ray://127.0.0.1:1", "use `ray job submit`"),
])  # fmt: skip
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path, address, words):
    program = [*FRESH, "dedup", "exact", tmp_path / "a.jsonl", tmp_path / "output", "--address", address]
    (tmp_path / "a.jsonl").write_text('{"text": "a text"}\n')
    ended = subprocess.run(program, capture_output=True, text=True)
    assert ended.returncode == 1 and words in ended.stderr.split("\n")[-2] and "Traceback" not in ended.stderr


# ------------------------------------------------------------------ clusters that change


@pytest.fixture
def make_cluster():
    """Makes a cluster on this machine: its head with so many processors, and further nodes."""
    from ray.cluster_utils import Cluster as LocalCluster

    made = []

    def make(head, *nodes):
        cluster = LocalCluster(initialize_head=True, head_node_args={"num_cpus": head, **SMALL})
        made.append(cluster)
        return cluster, [cluster.add_node(**{"num_cpus": 1, **SMALL, **node}) for node in nodes]

    yield make
    for cluster in made:
        cluster.shutdown()


def tasks_in(folder, number):
    return [(f"text{i}", str(folder)) for i in range(number)]


def begun(folder):
    """The nodes on which attempts began, by text."""
    return {path.stem: path.read_text().split() for path in folder.glob("*.begun")}


def files_in(work):
    """Bytes of the outputs of a step, by the task."""
    return {path.name[:5]: path.read_bytes() for path in (work / "step").glob("*-text.txt")}


def in_process(folder, tasks):
    """What the same map leaves in this process."""
    import map_functions

    (folder / "word").touch()
    engine = Engine(str(folder / "alone"), 0)
    listed = [Task(f"{i:05d}", argument, ((f"input {i}", "x"),)) for i, argument in enumerate(tasks)]
    engine.map("step", map_functions.fail_some, listed)
    return files_in(folder / "alone")


@pytest.mark.slow
def test_a_node_dies_and_one_comes_in_the_middle(tmp_path, make_cluster):
    cluster, (second, third) = make_cluster(1, {}, {})
    work, tasks = tmp_path / "work", tasks_in(tmp_path, 12)
    driver = Driver(cluster.address, work, "copy_at_word", tasks)
    until(lambda: len(set(sum(begun(tmp_path).values(), []))) == 3, "a task on every node")
    lost = [text for text, nodes in begun(tmp_path).items() if nodes == [third.node_id]]
    cluster.remove_node(third, allow_graceful=False)
    fourth = cluster.add_node(num_cpus=1, **SMALL)
    until(lambda: any(fourth.node_id in nodes for nodes in begun(tmp_path).values()), "a task on the node that came")
    (tmp_path / "word").touch()
    ended, errors = driver.end()
    assert ended["tasks"] == 12 and ended["retries"] >= len(lost) == 1, errors
    assert len(begun(tmp_path)[lost[0]]) == 2 and third.node_id not in begun(tmp_path)[lost[0]][1:]
    assert files_in(work) == in_process(tmp_path, [(text, str(tmp_path / "log")) for text, _ in tasks])
    assert sorted(path.name[5:] for path in (work / "step").glob("*.json")) == [".json"] * 12
    assert len(list((work / "step").iterdir())) == 24  # nothing is left of what was lost


@pytest.mark.slow
def test_without_processors_a_map_waits_and_says_so_once(tmp_path, make_cluster):
    cluster, _ = make_cluster(0)
    (tmp_path / "word").touch()
    driver = Driver(cluster.address, tmp_path / "work", "copy_at_word", tasks_in(tmp_path, 3))
    until(lambda: driver.said, "the driver to say that it waits")
    cluster.add_node(num_cpus=1, **SMALL)
    ended, errors = driver.end()
    assert ended["tasks"] == 3 and ended["retries"] == 0, errors
    assert driver.said[0] == "the cluster has no processors at the moment: waiting for some"
    assert driver.said[1:] in ([], ["the cluster has processors now"])


@pytest.mark.slow
def test_tasks_that_waited_for_a_large_node_that_has_left_run_on_a_small_one(tmp_path, make_cluster):
    cluster, (large,) = make_cluster(0, {"memory": 3 * GIB})
    driver = Driver(cluster.address, tmp_path / "work", "copy_at_word", tasks_in(tmp_path, 4), extra=2 * GIB)
    until(lambda: begun(tmp_path), "a task on the large node")
    small = cluster.add_node(num_cpus=1, memory=GIB, **SMALL)
    cluster.remove_node(large, allow_graceful=False)
    until(lambda: [small.node_id] in begun(tmp_path).values(), "a task on the small node")
    (tmp_path / "word").touch()
    ended, errors = driver.end()
    assert ended["tasks"] == 4 and ended["retries"] >= 1, errors
    assert {nodes[-1] for nodes in begun(tmp_path).values()} == {small.node_id}


@pytest.mark.slow
@pytest.mark.parametrize("part, words", [("gcs_server", "its head"), ("raylet", "Ray on this machine")])
def test_a_cluster_that_dies_is_one_sentence_and_a_rerun_continues(tmp_path, make_cluster, part, words):
    cluster, _ = make_cluster(1, {})
    work, tasks = tmp_path / "work", tasks_in(tmp_path, 6)
    driver = Driver(cluster.address, work, "copy_at_word", tasks)
    until(lambda: len(begun(tmp_path)) == 2, "a task on each node")
    os.kill(cluster.head_node.all_processes[part][0].process.pid, signal.SIGKILL)
    ended, errors = driver.end()
    assert words in ended["failed"] and "the same command continues" in ended["failed"], errors
    assert ended["failed"].startswith("the Ray cluster is gone (") and "\n" not in ended["failed"]
    assert "Traceback" not in errors and "state-dump" not in errors
    (tmp_path / "word").touch()
    fresh, _ = make_cluster(1)
    ended, errors = Driver(fresh.address, work, "copy_at_word", tasks).end()
    assert ended["tasks"] == 6, errors
    assert files_in(work) == in_process(tmp_path, [(text, str(tmp_path / "log")) for text, _ in tasks])


@pytest.mark.slow
def test_a_node_that_does_not_see_the_input_says_so(tmp_path, make_cluster):
    cluster, _ = make_cluster(0, {})
    (tmp_path / "word").touch()
    nowhere = str(tmp_path / "elsewhere" / "input.jsonl")
    driver = Driver(cluster.address, tmp_path / "work", "copy_at_word", tasks_in(tmp_path, 20), sources=[nowhere])
    ended, errors = driver.end()
    assert ended["failed"].startswith("step step: node "), errors
    assert f"does not see {nowhere}: on a cluster" in ended["failed"] and "\n" not in ended["failed"]
    assert begun(tmp_path) == {} and not list(pathlib.Path(tmp_path / "work" / "step").iterdir())


@pytest.mark.slow
def test_a_run_that_loses_a_node_and_gets_another_leaves_the_same_bytes(tmp_path, make_cluster):
    recipe = tmp_path / "recipe.yaml"
    given = corpora.write_inputs(tmp_path / "input")["input"]
    recipe.write_text(
        f"input: {given}\ntask_bytes: 8192\nworking_bytes: 8192\nsteps: [url_dedup, c4, exact_dedup, near_dedup]"
    )
    winnow("run", recipe, "--output", tmp_path / "alone", "--workers", 0, check=0)
    cluster, (_, third) = make_cluster(1, {}, {})
    output = tmp_path / "output"
    command = [*FRESH, "run", recipe, "--output", output, "--address", cluster.address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        until(lambda: len(list(output.glob("work/*/?????.json"))) > 10, "some tasks to be done")
        cluster.remove_node(third, allow_graceful=False)
        cluster.add_node(num_cpus=1, **SMALL)
        done = len(list(output.glob("work/*/?????.json")))
        errors = run.communicate(timeout=600)[1]
    assert run.returncode == 0 and "Traceback" not in errors, errors
    assert done < len(list(output.glob("work/*/?????.json")))
    assert digest(output) == digest(tmp_path / "alone")
