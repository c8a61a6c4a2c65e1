"""Groups: every shard in one, in order; as large as they may be; the same where a corpus grows at its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.views import ShardView
from pipelines.engine import Exclusion
from pipelines.maps import groups


def view(sizes):
    return [ShardView(i, f"{i}.arrow", f"hash {i}", 10, size) for i, size in enumerate(sizes)]


def ranges(sizes, target):
    return [(g.shards[0].number, g.shards[-1].number + 1) for g in groups.of_view(view(sizes), 4 * target)]


sizes = st.lists(st.integers(0, 40), max_size=70)


@given(sizes, st.integers(1, 100))
def test_groups_are_the_largest_aligned_runs_that_fit(sizes, target):
    most = target + target // 8  # shards end with the document that fills them
    found = groups.of_view(view(sizes), 4 * target)
    assert [shard.number for group in found for shard in group.shards] == list(range(len(sizes)))
    assert [group.number for group in found] == list(range(len(found)))
    for group in found:
        start, length = group.shards[0].number, len(group.shards)
        assert group.text_bytes <= most or length == 1
        aligned = 1
        while aligned < length:
            aligned *= 2
        assert start % aligned == 0 and (length == aligned or start + length == len(sizes))
        larger = (sizes[start // run * run :][:run] for run in (2 * aligned << i for i in range(8)))
        assert all(sum(run) > most for run in larger if len(run) > length)


@given(sizes, st.lists(st.integers(0, 40), max_size=5), st.integers(1, 100))
def test_a_corpus_that_grows_keeps_its_groups_but_those_at_its_end(sizes, more, target):
    before, after = ranges(sizes, target), ranges(sizes + more, target)
    assert set(before) - set(after) <= {pair for pair in before if pair[1] == len(sizes)} | {
        pair for pair in before if any(new[0] <= pair[0] and new[1] > len(sizes) for new in after)
    }
    tasks = {group.task(None).key for group in groups.of_view(view(sizes), 4 * target)}
    assert len(tasks) == len(before)


def test_above_the_most_groups_they_become_larger(monkeypatch):
    monkeypatch.setattr(groups, "MOST_GROUPS", 16)
    assert len(ranges([10] * 16, 10)) == 16
    assert ranges([10] * 17, 10) == [(i, min(i + 2, 17)) for i in range(0, 17, 2)]


def test_groups_do_not_become_larger_than_memory_allows(monkeypatch):
    monkeypatch.setattr(groups, "MOST_GROUPS", 1)
    assert ranges([10] * 64, 10) == [(i, i + 16) for i in range(0, 64, 16)]  # LARGEST times four times the target
    assert ranges([100] * 8, 10) == [(i, i + 1) for i in range(8)]


def test_full_shards_with_the_document_that_filled_them_fit():
    assert ranges([1 << 20] * 4 + [(1 << 20) + 2300] * 4, 4 << 20) == [(0, 4), (4, 8)]


def test_the_groups_of_many_such_corpora(monkeypatch):
    """What an estimate knows of: the first of them."""
    monkeypatch.setattr(groups, "MOST_GROUPS", 8)
    all_of_them = ranges([10, 10, 7, 4] * 40, 10)
    first = groups.ranges_of(groups.np.cumsum([0, *[10, 10, 7, 4] * 8]), 40, times=5)
    assert [pair for pair in all_of_them if pair[1] <= 32] == first and len(all_of_them) == 5 * len(first) > 5


def test_a_task_reads_no_more_shards_than_it_may(monkeypatch):
    monkeypatch.setattr(groups, "MOST_SHARDS", 4)
    monkeypatch.setattr(groups, "MOST_GROUPS", 1)
    assert ranges([0] * 10, 1) == [(0, 4), (4, 8), (8, 10)]


def test_documents_are_left_out_of_the_shard_that_has_them():
    (group,) = groups.of_view(view([1, 1, 1, 1]), 40)
    without = group.without([Exclusion(1, 2, 4, "bad"), Exclusion(3, 0, None, "gone")])
    assert [shard.excluded for shard in without.shards[:3]] == [(), ((2, "bad"), (3, "bad")), ()]
    assert [row for row, _ in without.shards[3].excluded] == list(range(10))
    assert group.task(None).parts == (10, 10, 10, 10) and group.task(None).key == "00000"


@pytest.mark.parametrize("shard, group", [(0, 0), (1, 0), (2, 1), (9, 1), (10, 2)])
def test_the_group_of_a_shard(shard, group):
    (number,) = groups.group_of(groups.np.array([0, 2, 10]), groups.np.array([shard]))
    assert number == group
