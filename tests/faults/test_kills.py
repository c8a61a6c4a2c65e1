"""Processes of a run are killed at random moments: a sample of `kill_campaign.py`."""

import kill_campaign
import pytest


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return kill_campaign.Campaign(tmp_path_factory.mktemp("kills"), documents=60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["worker", "driver", "raylet"])
def test_the_run_or_its_rerun_leaves_the_same_bytes_and_no_process(campaign, kind):
    assert campaign.disturb(kind, kill_campaign.KINDS.index(kind)) == []
