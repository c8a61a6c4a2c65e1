"""`winnow plan-tokens`: sources, rows and sentences."""

import math

import export_documents as made
import pytest
from commands import winnow

from corpus.options import OptionError
from pipelines.planning import plan
from pipelines.planning.plan import Request, SourceOfTokens


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made.write("OUT/tokens", made.SHARDS, 1000)  # 312 tokens
    made.write("language=en/tokens", [[[1, 2, 0]]], 1000)
    return tmp_path


def test_sources_are_runs_folders_and_numbers(folder):
    assert plan.sources(["OUT", "OUT/tokens", "312", "language=en"]) == [
        SourceOfTokens(name, tokens, tokens / 939)
        for name, tokens in (("OUT", 312), ("OUT/tokens", 312), ("312", 312), ("language=en", 3))
    ]
    assert plan.sources(["OUT=3", "language=en=1", "2e9=4"]) == [
        SourceOfTokens("OUT", 312, 3 / 8), SourceOfTokens("language=en", 3, 1 / 8),
        SourceOfTokens("2e9", 2_000_000_000, 0.5),
    ]  # fmt: skip
    assert plan.sources([]) == []


def test_what_cannot_be_is_refused(folder):
    with pytest.raises(
        FileNotFoundError, match="nowhere holds no tokens: there is no nowhere/tokens/manifest.json; giv"
    ):
        plan.sources(["nowhere"])
    with pytest.raises(ValueError, match="give every source a share, as in"):
        plan.sources(["OUT=1", "3e9"])
    for share in ("0", "-1"):
        with pytest.raises(ValueError, match=f"the share of OUT should be greater than 0, not {share}"):
            plan.sources([f"OUT={share}"])
    with pytest.raises(ValueError, match="0.5 has no tokens"):
        plan.sources(["0.5"])
    made.write("empty/tokens", [], 1000)
    with pytest.raises(ValueError, match="empty has no tokens"):
        plan.sources(["empty"])
    for name, value in (
        ("parameters", 0),
        ("parameters", math.inf),
        ("batch", 0.5),
        ("tokens", -1),
        ("tokens", math.nan),
        ("parameters", 1e300),
        ("tokens", 1e300),
    ):
        with pytest.raises(OptionError, match=f"option '{name}' should be a number from 1 to 1e\\+30"):
            Request(**{"parameters": 1e9, name: value})
    for value in (0, 1.1, math.nan):
        with pytest.raises(OptionError, match="option 'utilization' should be greater than 0 and at most 1"):
            Request(1e9, utilization=value)
    with pytest.raises(OptionError, match="unknown device 'h10' in plan-tokens; did you mean 'h100'?"):
        Request(1e9, device="h10")


def test_steps_and_hours():
    """By hand: 6 * 1e9 * 2e10 operations at half of 312e12 a second; a step of Kaplan's table where none is given."""
    request = Request(1e9, device="a100", utilization=0.5)
    assert math.isclose(request.hours(2e10), 1.2e20 / 156e12 / 3600)
    assert math.isclose(request.step, 2e6 * (1 / 1.3) ** (0.24 / 0.73))
    assert Request(1e9, batch=1000).step == 1000
    assert [row.law for row in plan.rows(request)][0] == "Chinchilla" and plan.rows(request)[0].tokens == 2e10
    assert plan.rows(Request(1e9, tokens=5e9))[0] == plan.Row("as asked for", 5e9, "--tokens")


def test_epochs_by_source():
    found = plan.readings(plan.sources(["1e9=0.5", "4e9=0.5"]), 1e10)
    assert [each.epochs for each in found] == [5, 1.25]
    assert found[0].worth < found[0].read == found[1].read and found[0].worth < found[1].worth < found[1].read


def test_the_command(folder):
    said = winnow("plan-tokens", "--parameters", "1e6", "OUT=3", "language=en=1", check=0).stdout
    assert "OUT: 48076.9 epochs" not in said and "OUT: 48077 epochs; beyond 40 repeating is worthless" in said
    assert (
        "Hoffmann et al. 2022 (arXiv 2203.15556), table 3" in said and "sources, for 2e+07 tokens (Chinchilla)" in said
    )
    said = winnow("plan-tokens", "--parameters", "1e8", "--tokens", "5e9", "1e9", check=0).stdout
    assert "as asked for" in said and "1e9: 5.0 epochs; up to 4 are about as good as new tokens" in said
    said = winnow("plan-tokens", "--parameters", "1e8", "--batch-tokens", "1e6", check=0).stdout
    assert "sources" not in said and "step: 1,000,000 tokens (--batch-tokens)" in said
    (row,) = [line.split() for line in said.splitlines() if line.startswith("Chinchilla   ")]
    assert row == ["Chinchilla", "2e+09", "20", "1.2e+18", "2,000", "0.84", "3.439"]
    assert "--parameters" in winnow("plan-tokens", "1e9", check=2).stderr
    assert "nowhere holds no tokens" in winnow("plan-tokens", "--parameters", "1e9", "nowhere", check=2).stderr
    assert "should be a number from 1 to 1e+30" in winnow("plan-tokens", "--parameters", "0", check=2).stderr
