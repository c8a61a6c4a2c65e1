"""A disk that fails at one file operation, or is full: a sample of `disk_campaign.py`."""

import errno

import disk_campaign
import failing_files
import pytest

from pipelines.engine import retries


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(recipe of a run over three documents, its operations, those that write, what it leaves)."""
    folder = tmp_path_factory.mktemp("small")
    recipe = disk_campaign.prepared(folder)
    disk_campaign.operations(recipe, folder)
    count, expected = disk_campaign.operations(recipe, folder)
    writing, again = disk_campaign.operations(recipe, folder, only_writing=True)
    assert count > 500 and writing > 250 and again == expected and len(expected) > 10
    return recipe, count, writing, expected


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(retries, "BACKOFF", 0.001)


def outcomes(small, tmp_path, disks):
    recipe, _, _, expected = small
    found = []
    for disk in disks:
        outcome, wrong = disk_campaign.disturbed(recipe, tmp_path, disk, expected)
        assert not wrong, f"operation {disk.at} ({disk.where}): {outcome}: {wrong}"
        found.append(outcome)
    return found


@pytest.mark.parametrize("sample", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_an_operation_that_fails_costs_a_retry_or_ends_the_run_with_a_sentence(small, tmp_path, sample):
    _, count, _, _ = small
    found = outcomes(small, tmp_path, [failing_files.Disk(1 + i * count // sample) for i in range(sample)])
    assert "succeeded" in found and "crashed" not in found


@pytest.mark.parametrize("places", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_on_a_disk_that_is_full_the_run_ends_and_the_rerun_has_the_same_bytes(small, tmp_path, places):
    _, _, writing, _ = small
    disks = [
        failing_files.Disk(1 + i * writing // places, errno.ENOSPC, lasting=True, only_writing=True)
        for i in range(places)
    ]
    assert "succeeded" not in outcomes(small, tmp_path, disks)
