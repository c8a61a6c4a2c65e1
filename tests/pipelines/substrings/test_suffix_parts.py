"""The method of suffix arrays over a corpus in shards: several parts, ranges and blocks, the decisions of the other."""

import json

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from one_step import document, observe

from pipelines import recipe as recipes
from pipelines.engine import TaskFailed
from pipelines.recipe import RecipeError
from pipelines.run import run
from pipelines.substrings import suffix_parts

FEW = settings(deadline=None, max_examples=6, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""A run is too slow for many, and for making a failure small."""
DIVISIONS = [
    {"task_bytes": 4, "working_bytes": 400},
    {"task_bytes": 1 << 20, "working_bytes": 1 << 20},
]
"""A shard for each file, and parts of a few of these; one shard, one part, one range."""


def observed(method, options, texts, division, size=2):
    """What the step decides when `method` finds its runs, and the manifests' counters."""
    documents = [document(str(number), text) for number, text in enumerate(texts)]
    parts = [documents[start : start + size] for start in range(0, len(documents), size)]
    return observe({"substring_dedup": {**options, "method": method}}, parts, division=division)


def planted(seed, count):
    """Texts with passages of others in them, of one to four bytes a character, some of them the same."""
    random = np.random.default_rng(seed)
    letters = np.array(list("abcde é漢😀"))
    whole = "".join(letters[random.integers(0, len(letters), 200)])
    texts = [whole[start : start + size] for start, size in random.integers(0, 100, (count, 2)).tolist()]
    return [*texts, "ab" * 40, "a" * 50, texts[0], "ab" * 30 + "x"]


@pytest.mark.parametrize(
    "unit, min_length, division",
    [
        ("bytes", 20, DIVISIONS[0]),
        ("bytes", 20, DIVISIONS[1]),
        ("characters", 12, DIVISIONS[1]),
        ("words", 2, DIVISIONS[1]),
    ]
    + [
        pytest.param(unit, length, DIVISIONS[0], marks=pytest.mark.slow)
        for unit, length in (("characters", 12), ("words", 2))
    ],
)
def test_the_decisions_are_those_of_windows(monkeypatch, division, unit, min_length):
    asked = {"min_length": min_length, "unit": unit, "snap": "character"}
    made = []
    monkeypatch.setattr(suffix_parts, "_order", lambda *given: made.append(ordered(*given)) or made[-1])
    monkeypatch.setattr(suffix_parts, "PART", 1)
    texts = planted(1, 14)
    found = observed("suffix_array", asked, texts, division)
    assert len(found.decisions) > 5
    assert found == observed("windows", asked, texts, division)
    ((merging, ranges),) = made
    several = division == DIVISIONS[0]
    assert (len(merging.parts) > 1, merging.blocks > 1) == (several, several)
    assert (len(ranges) > 1) == (several and unit != "words")


ordered = suffix_parts._order


@FEW
@given(
    st.lists(
        st.lists(st.sampled_from(["abcdef", "xyz ", "é", "漢字", "aa"]), max_size=9).map("".join),
        min_size=1,
        max_size=8,
    ),
    st.integers(2, 9),
    st.sampled_from(["bytes", "characters"]),
    st.sampled_from(["first", "none"]),
    st.sampled_from(DIVISIONS),
    st.integers(2, 3),
)
def test_any_texts(texts, min_length, unit, keep, division, min_count):
    asked = {"min_length": min_length, "unit": unit, "keep": keep, "min_count": min_count}
    found = observed("suffix_array", asked, texts, division)
    assert found == observed("windows", asked, texts, division)


def test_nothing_is_found_in_nothing():
    for texts in (["abc"], ["no repeats", "here at all"]):
        assert observed("suffix_array", {"min_length": 8}, texts, DIVISIONS[0]).decisions == []


def test_parts_by_the_bytes_of_groups():
    hold = 1 << 20
    assert suffix_parts.parts_of([], "bytes", hold) == []
    assert suffix_parts.parts_of([1, 2, 3], "bytes", hold) == [(0, 3)]
    assert suffix_parts.parts_of([3 * hold, hold, 1, 5 * hold, 2], "bytes", hold) == [(0, 2), (2, 3), (3, 4), (4, 5)]
    assert suffix_parts.parts_of([hold, hold, 1], "characters", hold) == [(0, 1), (1, 2), (2, 3)]


def test_what_cannot_be_done_is_refused_with_the_sizes():
    with pytest.raises(
        ValueError, match=r"600,000,000 bytes of text that one task reads are up to 2,400,000,000 bytes"
    ):
        suffix_parts.parts_of([600_000_000], "characters", 64 << 20)
    sizes = [256 << 20] * 1025
    with pytest.raises(
        ValueError, match=r"275,146,342,400 bytes of text are 1,025 parts of 268,435,456 bytes of bytes"
    ):
        suffix_parts.parts_of(sizes, "bytes", 64 << 20)
    assert len(suffix_parts.parts_of(sizes, "bytes", 128 << 20)) == 513
    suffix_parts.check_run("/some/folder", 256 << 30, "bytes", 64 << 20, 64 << 20)
    with pytest.raises(ValueError, match="s3://bucket/out is in a store"):
        suffix_parts.check_run("s3://bucket/out", 1, "bytes", 64 << 20, 64 << 20)
    with pytest.raises(ValueError, match=r"274,877,906,945 bytes of text are 1,025 parts of 268,435,456 bytes of"):
        suffix_parts.check_run("/some/folder", (256 << 30) + 1, "bytes", 64 << 20, 64 << 20)
    with pytest.raises(ValueError, match="to 4,294,967,296 bytes of words, and .* or smaller task_bytes"):
        suffix_parts.check_run("/some/folder", 1 << 40, "words", 1 << 30, 64 << 20)


def test_a_run_that_cannot_be_done_is_refused_before_any_work(tmp_path, monkeypatch):
    """By what its text is thought to be; by what it is, before the step that comes first; and after that."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in planted(1, 14)))
    found = {}
    for few, before in ((1, []), (1, ["length"]), (3, ["length"]), (9, [])):
        monkeypatch.setattr(suffix_parts, "MOST_PARTS", few)
        steps = [*before, {"substring_dedup": {"min_length": 9, "method": "suffix_array"}}]
        recipe = recipes.parse({"input": [str(tmp_path / "in.jsonl")], "steps": steps, "working_bytes": 100})
        output = tmp_path / f"out{few}{len(before)}"
        try:
            run(recipe, str(output))
        except (RecipeError, TaskFailed) as error:
            assert "step 'substring_dedup': method suffix_array: " in str(error) and "parts of 400 bytes" in str(error)
        found[few, len(before)] = sorted(each.name for each in (output / "work").glob("*"))
    assert found[1, 0] == found[1, 1] == []
    assert found[3, 1] == ["00-read+length"]
    assert "01-substring_dedup-keep" in found[9, 0]


def test_a_run_that_cannot_be_done_stops_before_its_maps(monkeypatch):
    monkeypatch.setattr(suffix_parts, "PART", 1)
    monkeypatch.setattr(suffix_parts, "MOST_PARTS", 1)
    with pytest.raises(TaskFailed, match="of which 1 can be merged; take method: windows"):
        observed("suffix_array", {"min_length": 9}, planted(1, 2), DIVISIONS[0])
