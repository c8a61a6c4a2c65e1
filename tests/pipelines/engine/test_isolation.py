"""Finding the records that a task dies of: exactly those, with few attempts, and the task is then done without them."""

import json
import pathlib

import map_functions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outputs import Said

from pipelines.engine import Engine, Exclusion, Limits, Task, TaskFailed, isolation
from pipelines.engine.failures import Failure
from pipelines.engine.isolation import IN_A_ROW, GivenUp


class Fake:
    """A task of parts with records that it fails at: `fails` says which, as a set of (part, record)."""

    def __init__(self, counts, fails, uncountable=(), kind="death"):
        self.counts, self.fails, self.uncountable, self.kind = counts, set(fails), set(uncountable), kind
        self.attempts = []

    def __call__(self, exclusions, share):
        self.attempts.append(share)
        whole = {e.part for e in exclusions if e.end is None}
        if self.uncountable - whole:
            return Failure("cannot be opened", self.kind)
        left = {(p, r) for p, r in self.fails if p not in whole}
        left -= {
            (p, r)
            for p, r in left
            if any(e.part == p and e.end is not None and e.first <= r < e.end for e in exclusions)
        }
        return Failure(f"died at {min(left)}", self.kind) if left else json.dumps({"records": self.counts}).encode()

    def find(self, known=False):
        parts = tuple(self.counts) if known else (None,) * len(self.counts)
        return isolation.find(Task("a", None, (), parts=parts), self)


RECORDS = st.lists(st.integers(1, 40), min_size=1, max_size=3).flatmap(
    lambda counts: st.tuples(
        st.just(counts),
        st.sets(st.sampled_from([(p, r) for p, count in enumerate(counts) for r in range(count)]), max_size=8),
    )
)


@settings(deadline=None, max_examples=150)
@given(RECORDS, st.booleans())
def test_exactly_the_records_at_which_it_fails_are_found(case, known):
    counts, fails = case
    task = Fake(counts, fails)
    found = task.find(known)
    assert [(e.part, e.first, e.end) for e in found] == [(p, r, r + 1) for p, r in sorted(fails)]
    assert all("died at" in e.reason for e in found)
    assert len(task.attempts) <= 2 * len(counts) + sum(2 * max(counts).bit_length() + 1 for _ in fails)
    assert all(0 < share <= 1 for share in task.attempts)


def test_a_part_that_cannot_even_be_counted_goes_as_a_whole():
    task = Fake([5, 5, 5], {(2, 3)}, uncountable={1})
    assert [(e.part, e.first, e.end) for e in task.find()] == [(1, 0, None), (2, 3, 4)]
    assert Fake([5], set(), uncountable={0}).find()[0].reason == "cannot be opened"


def test_after_many_in_a_row_all_go_up_to_one_that_succeeds():
    task = Fake([1000, 10], {(0, r) for r in range(300, 1000)} | {(1, 4)})
    found = task.find()
    assert [(e.part, e.first, e.end) for e in found[:IN_A_ROW]] == [(0, r, r + 1) for r in range(300, 300 + IN_A_ROW)]
    assert (found[IN_A_ROW].first, found[IN_A_ROW].end) == (300 + IN_A_ROW, isolation.ALL)
    assert f"{IN_A_ROW} records in a row before it fail" in found[IN_A_ROW].reason
    assert [(e.part, e.first, e.end) for e in found[IN_A_ROW + 1 :]] == [(1, 4, 5)]
    assert len(task.attempts) < 120
    block = Fake([5000], {(0, r) for r in range(1000, 1100)} | {(0, 3000)})
    found = block.find()
    assert [(e.first, e.end) for e in found[IN_A_ROW:]] == [(1000 + IN_A_ROW, 1100), (3000, 3001)]
    assert len(block.attempts) < 150
    scattered = Fake([400], {(0, r) for r in range(0, 400, 2)})
    assert len(scattered.find()) == 200


@pytest.mark.parametrize("kind", ["storage", "final"])
def test_what_is_no_records_fault_ends_the_search(kind):
    with pytest.raises(GivenUp, match="died at"):
        Fake([10], {(0, 3)}, kind=kind).find()


def test_a_task_whose_parts_succeed_alone_has_no_culprit():
    class Together(Fake):
        def __call__(self, exclusions, share):
            return Failure("too much", "death") if not exclusions else super().__call__(exclusions, share)

    assert Together([5, 5], set()).find() == []


def test_a_part_of_a_task_has_its_share_of_time():
    assert isolation.share_of(Limits(10_000, 5), 0.5) == Limits(5_000, 5)
    assert isolation.share_of(Limits(10_000, 5), 0.001) == Limits(isolation.LEAST_SECONDS, 5)
    assert isolation.share_of(Limits(7, 5), 0.001) == Limits(7, 5)


# In the engine


def numbers(tmp_path, evil=(), parts=(30, 1, 12), known=False):
    argument = map_functions.Numbers(parts, tuple(evil))
    counts = tuple(parts) if known else (None,) * len(parts)
    return Task("00000", argument, tuple((f"part {p}", "x") for p in range(len(parts))), parts=counts)


def lines_of(manifest):
    return pathlib.Path(manifest.outputs["numbers.txt"].path).read_text().split()


@pytest.mark.parametrize("known", [False, True])
def test_records_at_which_a_task_raises_are_left_out_in_this_process(tmp_path, known):
    said = Said()
    engine = Engine(str(tmp_path / "work"), 0, progress=said)
    evil = [(0, 3, "raise"), (0, 29, "raise"), (2, 0, "raise")]
    (manifest,) = engine.map("numbers", map_functions.list_numbers, [numbers(tmp_path, evil, known=known)])
    wanted = [f"{p}:{n}" for p, count in enumerate((30, 1, 12)) for n in range(count) if (p, n, "raise") not in evil]
    assert lines_of(manifest) == wanted
    reason = "ZeroDivisionError: planted"
    assert list(manifest.excluded) == [Exclusion(p, n, n + 1, reason) for p, n, _ in evil]
    assert said.lines[0] == f"numbers, task 00000: {reason}; looking for the record at which it fails"
    assert said.lines[1] == f"  left out: record 3 of part 0: {reason}"
    assert len(list((tmp_path / "work" / "numbers").iterdir())) == 2  # nothing of the attempts is left
    again = Engine(str(tmp_path / "work"), 0)
    assert again.map("numbers", map_functions.list_numbers, [numbers(tmp_path, evil, known=known)]) == [manifest]
    assert again.summaries[-1].done == 1
    other = Engine(str(tmp_path / "work"), 0, limits=Limits(5, 5), protect="")
    other.map("numbers", map_functions.list_numbers, [numbers(tmp_path, evil, known=known)])
    assert other.summaries[-1].reasons == {"records were left out under other limits": 1}


def test_storage_that_fails_is_tried_again_and_never_a_records_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.engine.retries.BACKOFF", 0.001)
    engine = Engine(str(tmp_path / "work"), 0)
    (manifest,) = engine.map("busy", map_functions.fail_at_first, [Task("00000", str(tmp_path / "tries"), ())])
    assert manifest.counters == {"documents": 1} and (tmp_path / "tries").read_text() == "3"
    with pytest.raises(TaskFailed, match=r"OSError: \[Errno 5\] the disk is gone") as failure:
        engine.map("gone", map_functions.list_numbers, [numbers(tmp_path, [(0, 3, "storage")])])
    assert failure.value.trace == ""  # a sentence is enough


LITTLE_TIME, LITTLE_MEMORY = Limits(2.0, 600 << 20), Limits(300.0, 600 << 20)


@pytest.mark.parametrize("what, reason", [("kill", "its worker died"), ("huge", "ran out of memory")])
def test_records_that_a_worker_dies_of_are_left_out(tmp_path, ray_workers, monkeypatch, what, reason):
    monkeypatch.setattr("pipelines.engine.retries.MAX_ATTEMPTS", 2)
    tasks = [numbers(tmp_path, [(1, 2, what)], parts=(3, 4), known=True)]
    engine = Engine(str(tmp_path / "work"), ray_workers)
    (manifest,) = engine.map("numbers", map_functions.list_numbers, tasks)
    assert [(e.part, e.first, e.end) for e in manifest.excluded] == [(1, 2, 3)] and reason in manifest.excluded[
        0
    ].reason
    assert lines_of(manifest) == ["0:0", "0:1", "0:2", "1:0", "1:1", "1:3"] and engine.summaries[-1].retries == 1


@pytest.mark.slow
@pytest.mark.parametrize("what, limits, reason", [
    ("hang", LITTLE_TIME, "took longer than 2 s (task_seconds)"),
    ("hold", LITTLE_TIME, "took longer than its limit of time (task_seconds), in map_functions.py line"),
    ("eat", LITTLE_MEMORY, "above the limit of 600 MiB (task_memory)"),
])  # fmt: skip
def test_records_over_the_limits_are_left_out_and_said_why(tmp_path, ray_workers, monkeypatch, what, limits, reason):
    monkeypatch.setattr("pipelines.engine.retries.MAX_ATTEMPTS", 1)
    tasks = [numbers(tmp_path, [(0, 1, what)], parts=(2,), known=True)]
    engine = Engine(str(tmp_path / "work"), ray_workers, limits=limits)
    (manifest,) = engine.map("numbers", map_functions.list_numbers, tasks)
    assert [(e.first, e.end) for e in manifest.excluded] == [(1, 2)] and reason in manifest.excluded[0].reason
    assert lines_of(manifest) == ["0:0"] and manifest.limits == limits
    assert len(list((tmp_path / "work" / "numbers").iterdir())) == 2


@pytest.mark.slow
def test_what_a_task_needs_by_design_is_beyond_the_limit(tmp_path, ray_workers, monkeypatch):
    monkeypatch.setattr("pipelines.engine.retries.MAX_ATTEMPTS", 1)
    task = numbers(tmp_path, [(0, 1, "eat")], parts=(2,))
    needs_more = Task("00000", task.argument, (), extra=Limits(0.0, 300 << 20))
    with pytest.raises(TaskFailed, match="above the limit of 900 MiB"):
        Engine(str(tmp_path / "work"), ray_workers, limits=LITTLE_MEMORY).map(
            "numbers", map_functions.list_numbers, [needs_more]
        )
