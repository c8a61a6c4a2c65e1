"""Another corpus that passages are looked for in: it comes first and stays, in several shards, by either method."""

import json

import numpy as np
import pytest
import runs_oracle
from one_step import Decision, document, observe

from corpus.options import OptionError
from pipelines.recipe import RecipeError
from pipelines.steps.substring_dedup import SubstringDedup

DIVISIONS = [{"task_bytes": 4, "working_bytes": 400}, {"task_bytes": 1 << 20, "working_bytes": 1 << 20}]


def texts_of(seed, count):
    """Texts with passages of others in them, also of other seeds; some are equal."""
    whole = "".join(np.array(list("abcdef"))[np.random.default_rng(0).integers(0, 6, 150)])
    random = np.random.default_rng(seed)
    texts = [whole[start : start + size] for start, size in random.integers(5, 90, (count, 2)).tolist()]
    return [text or "x" for text in texts] + ["ab" * 20, texts[0]]


@pytest.mark.parametrize("method", ["windows", "suffix_array"])
@pytest.mark.parametrize("across, keep", [("other", "first"), ("both", "first"), ("other", "none"), ("both", "none")])
def test_decisions_are_those_of_going_through_both(tmp_path, method, across, keep):
    division = DIVISIONS[keep == "none"]
    old, new = texts_of(1, 7), texts_of(2, 9) + texts_of(1, 3)
    for number in range(3):
        rows = [{"id": f"old{i}", "text": text} for i, text in enumerate(old)][number * 3 : number * 3 + 3]
        (tmp_path / f"old{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    step = {"min_length": 9, "min_remaining": 4, "snap": "character", "separator": "", "keep": keep, "method": method}
    step |= {"across": across, "against": [str(tmp_path / "old*.jsonl")]}
    documents = [document(str(number), text) for number, text in enumerate(new)]
    parts = [documents[start : start + 3] for start in range(0, len(documents), 3)]
    found = observe({"substring_dedup": step}, parts, division=division)
    all_texts, own = [text.encode() for text in (*old, *new)], across == "both"
    cut, gone = runs_oracle.keep_first(all_texts, 9, 2, 4, known=len(old), own=own)
    if keep == "none":
        often = runs_oracle.repeated(all_texts, 9)
        cut = {place: by for place, (by, _) in often.items() if place[0] >= len(old) and (own or by < len(old))}
    names = [*(f"id:old{i}" for i in range(len(old))), *map(str, range(len(new)))]
    expected = []
    for number in range(len(old), len(all_texts)):
        starts = [start for at, start in cut if at == number]
        ranges = runs_oracle.ranges(starts, 9)
        left = sum(map(len, runs_oracle.left(all_texts[number], starts, 9)))
        if ranges and left < 4:
            by = names[cut[number, ranges[-1][0]]]
            expected.append(Decision(names[number], "drop", None, None, "nothing_left", by, float(left)))
            continue
        for start, end in ranges:
            by = names[cut[number, start]]
            expected.append(Decision(names[number], "cut", start, end, "repeated", by, float(end - start)))
    assert len(expected) > 4 and any(each.by.startswith("id:") for each in expected)
    assert found.decisions == expected


def test_what_cannot_be_is_refused_before_work(tmp_path):
    for wrong in ({"across": "other"}, {"against": ["x.jsonl"]}):
        with pytest.raises(OptionError, match="across: other, or both, and the files of against are given together"):
            SubstringDedup(**wrong)
    step = {"substring_dedup": {"across": "both", "against": [str(tmp_path / "none.jsonl")]}}
    with pytest.raises(RecipeError, match="none.jsonl"):
        observe(step, [[document("0", "text")]])
