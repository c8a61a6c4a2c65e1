"""Words counted once for neighbouring stages: the same results as stages that work alone."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import winnow
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.cleaning.c4 import C4
from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.kernels import shared_words

PIECES = [
    "the ",
    "of ",
    "cannot ",
    "it's ",
    "é",
    "😀 ",
    "中",
    '"a" ',
    "word. ",
    ", ",
    "…",
    "\n",
    "\n\n",
    "x" * 40 + " ",
]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), max_size=6)
LOOSE = {"min_words": 3, "min_stop_words": 0, "min_alphabetic_word_fraction": 0.1, "min_mean_word_length": 1}


def stages(preset, mode):
    """Thresholds that let some of the texts through."""
    repetition = {f"max_duplicate_{n}_gram_fraction": 0.9 for n in range(5, 11)}
    repetition |= {f"max_top_{n}_gram_fraction": 0.9 for n in range(2, 5)}
    chain = [GopherRepetition(preset, mode, **repetition), GopherQuality(preset, mode, **LOOSE)]
    return chain if preset == "dclm" else [*chain, FineWeb(preset, mode, max_newline_ratio=0.2)]


def run(chain, batch, shared):
    """What each stage said, and the documents left."""
    said = []
    for stage, preset in zip(chain, shared_words.plan(chain) if shared else [None] * len(chain)):
        outcome = stage.apply(shared_words.offer(batch, preset))
        said.append((outcome.rows.tolist(), outcome.rules, outcome.values, outcome.thresholds))
        batch = outcome.kept
    return said, shared_words.offer(batch, None)


def assert_same(chain, batch):
    said, kept = run(chain, batch, shared=False)
    said_sharing, kept_sharing = run(chain, batch, shared=True)
    assert said_sharing == said
    assert kept_sharing.schema == kept.schema
    for name in kept.schema.names:  # NaN where there is nothing to measure
        np.testing.assert_equal(kept_sharing[name].to_pylist(), kept[name].to_pylist())
    return kept


@pytest.mark.parametrize("mode", ["drop", "tag"])
@pytest.mark.parametrize("preset", ["paper", "datatrove", "dclm"])
@given(TEXTS, st.randoms())
@example([], None)
@example([""], None)
@example(["a", "\n", "same\nsame\nother", "the word of it's cannot " * 3], None)
@settings(deadline=None, max_examples=60)
def test_same_results_in_any_order_and_for_slices(preset, mode, texts, random):
    chain = stages(preset, mode)
    if random:
        random.shuffle(chain)
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    assert_same(chain, batch)
    assert_same(chain, batch[1:])


def test_first_stage_fills_the_column_and_filtering_carries_it_along():
    words = " ".join(f"word{i}" for i in range(60))
    batch = pa.record_batch({"text": ["same\nsame\nother", words, f"{words} {words} {words}", f'"{words}"']})
    offered = shared_words.offer(batch, "datatrove")
    assert shared_words.is_wanted(offered, "datatrove") and len(shared_words.known(offered, "datatrove")) == 0
    kept = GopherRepetition("datatrove").apply(offered).kept
    assert not shared_words.is_wanted(kept, "datatrove")
    letters = len(words.replace(" ", ""))
    assert shared_words.known(kept, "datatrove").tolist() == [
        [60, 60, letters, 60, 60, 0],
        [60, 60, letters, 62, 60, 0],
    ]
    assert shared_words.known(kept[1:], "datatrove").tolist() == [[60, 60, letters, 62, 60, 0]]
    assert len(shared_words.known(kept, "paper")) == 0
    assert shared_words.offer(kept, None).schema.names == ["text"]


def test_only_neighbours_with_the_same_words_share():
    repetition, quality, fineweb = stages("datatrove", "drop")
    assert shared_words.plan([repetition, quality, fineweb]) == ["datatrove"] * 3
    assert shared_words.plan([repetition, quality, C4(), fineweb]) == ["datatrove", "datatrove", None, None]
    assert shared_words.plan([C4(), repetition, GopherQuality("paper"), FineWeb("paper")]) == [
        None,
        None,
        "paper",
        "paper",
    ]
    assert shared_words.plan(stages("dclm", "drop")) == [None, None]
    assert shared_words.plan([]) == []


def test_words_are_counted_anew_after_a_stage_that_edits_the_text(tmp_path):
    """By the command line: C4 takes lines away between two stages that count words; nothing of it is written."""
    lines = [
        f"This is line {i} of the text that we have to be reading with care, word{i} by term{i}." for i in range(12)
    ]
    text = "\n".join([*lines, "no mark"] + ["short"])
    (tmp_path / "docs.jsonl").write_text(
        "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in zip("ab", [text, "x"]))
    )
    recipe = f"""
input: [{tmp_path}/docs.jsonl]
steps:
  - gopher_repetition: {{preset: datatrove, mode: tag}}
  - gopher_quality: {{preset: datatrove, mode: tag}}
  - c4
  - fineweb: {{preset: datatrove, mode: tag}}
"""
    (tmp_path / "recipe.yaml").write_text(recipe)
    winnow("run", tmp_path / "recipe.yaml", "--output", tmp_path / "out", "--workers", 0, check=0)
    table = pq.read_table(tmp_path / "out" / "documents")
    assert not [name for name in table.column_names if "words of" in name]
    (row,) = table.to_pylist()
    assert row["text"] == "\n".join(lines)
    alone = FineWeb("datatrove").score(pa.array([row["text"]]))["newline_ratio"][0]
    assert row["fineweb.newline_ratio"] == alone != FineWeb("datatrove").score(pa.array([text]))["newline_ratio"][0]
    assert row["gopher_quality.words"] == GopherQuality("datatrove").score(pa.array([text]))["words"][0]
    dropped = pq.read_table(tmp_path / "out" / "dropped")
    assert dropped["id"].to_pylist() == ["b"] and not [name for name in dropped.column_names if "words of" in name]
