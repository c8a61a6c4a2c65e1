"""FineWeb's rules against plain Python."""

import gopher_oracle
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.cleaning import fineweb
from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.kernels import gopher_words

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

PRESETS = ["paper", "datatrove"]
PIECES = [*"ab1é中😀.,!?;。 \n\n\r", "።", "𑁇", "\u3000", "word " * 8]
TEXTS = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(ASSIGNED, max_size=20), max_size=4
)


def nltk_words(text):
    data = np.frombuffer(text.encode(), np.uint8)
    room = gopher_words.make_room(np.array([0, len(data)]), gopher_words.DATATROVE)
    return range(gopher_words.find_words(data, 0, len(data), gopher_words.DATATROVE, gopher_words.tables(), room))


@pytest.mark.parametrize("preset", PRESETS)
@given(TEXTS)
@example(["", " \n ", "a.", "a\na\n\na", "a. \nb.", "x" * 30 + "\n" + "y" * 31])
@settings(deadline=None, max_examples=150)
def test_scores_equal_plain_python(preset, texts):
    scores = FineWeb(preset=preset).score(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        words = str.split if preset == "paper" else nltk_words
        expected = gopher_oracle.fineweb(text, words, gopher_words.TERMINAL_MARKS)
        np.testing.assert_equal({name: values[row] for name, values in scores.items()}, expected)


def test_terminal_marks():
    assert len(set(gopher_words.TERMINAL_MARKS)) == 159
    assert {".", "!", "?", "。", "।"} <= set(gopher_words.TERMINAL_MARKS)
    assert not {"…", '"', ";", ":"} & set(gopher_words.TERMINAL_MARKS)


LONG = "This line is a good deal longer than thirty characters"


@pytest.mark.parametrize("preset", PRESETS)
def test_rules_fire_by_name(preset):
    texts = {
        "empty": " \n ",
        "few_lines_end_in_punctuation": LONG,
        "too_many_short_lines": "Short.\n" * 2 + "Other.\nOnce more.",
        "duplicate_characters": f"{LONG}.\n{LONG}.\n{LONG} now.",
        "clean": f"{LONG}.\n{LONG} now.",
    }
    outcome = FineWeb(preset=preset).apply(pa.record_batch({"id": [*texts], "text": [*texts.values()]}))
    assert outcome.rules == [*texts][:-1] and outcome.kept["id"].to_pylist() == ["clean"]
    assert set(outcome.rules) <= set(FineWeb.rules)


def test_presets_differ_at_the_thresholds():
    """A tenth of the characters repeated: dropped by both; at the threshold for short lines: by the paper only."""
    line = "x" * 40 + "."
    short_lines = "\n".join([*(f"{i:02}." for i in range(67)), *(f"{i:02}{line}" for i in range(33))])
    batch = pa.record_batch({"text": [short_lines]})
    assert FineWeb(preset="paper").apply(batch).rules == ["too_many_short_lines"]
    assert FineWeb(preset="datatrove", max_newline_ratio=9).apply(batch).rules == []
    assert FineWeb(preset="datatrove").apply(batch).rules == ["too_many_newlines"]
    assert FineWeb(preset="paper", max_short_line_ratio=0.7).apply(batch).rules == []

    some = "\n".join([*(f"{i:02}{line}" for i in range(30)), f"00{line}"])
    batch = pa.record_batch({"text": [some]})
    assert FineWeb(preset="paper").apply(batch).rules == []
    dropped = FineWeb(preset="datatrove").apply(batch)
    assert dropped.rules == ["duplicate_characters"] and dropped.thresholds == ["<= 0.01"]
    assert float(dropped.values[0]) == pytest.approx(1 / 31, rel=1e-5)


def test_tags_nulls_slices_and_empty_batches():
    batch = pa.record_batch({"text": pa.array(["a.", None, f"{LONG}.\n{LONG}."], pa.large_string())})
    tagged = FineWeb(mode="tag").apply(batch[1:]).kept
    assert tagged.schema.names == ["text", "fineweb.lines", *(f"fineweb.{r[1]}" for r in fineweb.RULES["paper"][1:])]
    assert tagged["fineweb.character_duplication_ratio"].to_pylist()[1] == 0.5
    assert len(FineWeb().apply(batch[:0]).kept) == 0
    with pytest.raises(ValueError, match="paper, datatrove"):
        FineWeb(preset="dclm")
