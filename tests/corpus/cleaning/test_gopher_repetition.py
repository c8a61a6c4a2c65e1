"""GopherRepetition against plain Python."""

import gopher_oracle
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.cleaning import rules
from corpus.cleaning.gopher_repetition import GRAM_RULES, SEGMENT_RULES, GopherRepetition
from corpus.cleaning.kernels import gopher_words, repetition
from corpus.cleaning.rules import configured

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

PRESETS = ["paper", "datatrove", "dclm"]
PIECES = [
    "a",
    "b",
    "aa",
    "ab",
    "é",
    "😀",
    "中",
    "'s",
    "it's",
    ".",
    ",",
    "..",
    " ",
    " ",
    " ",
    "\n",
    "\n\n",
    "\r",
    "\u3000",
]
TEXTS = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(ASSIGNED, max_size=20), max_size=4
)


def words_of(preset):
    """The words of a preset as Python strings, from the kernel that has tests of its own."""

    def words(text):
        data = np.frombuffer(text.encode(), np.uint8)
        room = gopher_words.make_room(np.array([0, len(data)]), gopher_words.PRESETS[preset])
        tables = gopher_words.tables()
        count = gopher_words.find_words(data, 0, len(data), gopher_words.PRESETS[preset], tables, room)
        source = room.joined if preset == "datatrove" else data
        return [bytes(source[a:b]).decode() for a, b in zip(room.starts[:count], room.ends[:count])]

    return str.split if preset == "paper" else words


def expected(text, preset):
    return gopher_oracle.segments(text, preset) | gopher_oracle.grams(text, preset, words_of(preset))


def assert_equal(texts, preset, type=pa.string()):
    scores = GopherRepetition(preset=preset).score(pa.array(texts, type))
    for row, text in enumerate(texts):
        got = {name: values[row] for name, values in scores.items()}
        assert got == expected(text or "", preset), (preset, text)


@pytest.mark.parametrize("preset", PRESETS)
@given(TEXTS)
@example(["a b c d e ab c d e a bc d e"])  # equal once joined
@example(["a " * 100, "x", "", " \n\n ", "\na\n\na\n", "\n\n", "a\n\n\n\na", "a\n"])
@settings(deadline=None, max_examples=150)
def test_equals_plain_python(preset, texts):
    assert_equal(texts, preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_long_texts(preset):
    random = np.random.default_rng(1)
    texts = []
    for vocabulary in (2, 20, 200, 2000):
        words = [f"w{i}" for i in random.zipf(1.3, 3000) % vocabulary]
        words[1000:1100] = words[2000:2100]
        texts.append("".join(word + ("\n" if random.random() < 0.1 else " ") for word in words))
    assert_equal(texts, preset)
    assert_equal(["", *texts, None], preset, pa.large_string())


def test_definitions_differ():
    """Three copies of a line and one other; the numbers are easily done by hand."""
    text = "one two\none two\none two\nthree four five"
    scores = {preset: GopherRepetition(preset=preset).score(pa.array([text])) for preset in PRESETS}
    assert scores["paper"]["duplicate_line_fraction"] == 3 / 4
    assert scores["datatrove"]["duplicate_line_fraction"] == 2 / 4
    assert scores["paper"]["duplicate_line_character_fraction"] == 21 / 36
    assert scores["datatrove"]["duplicate_line_character_fraction"] == 14 / 39
    assert scores["paper"]["top_2_gram_fraction"] == 18 / 31  # 3 x "one" "two" of all words
    assert scores["datatrove"]["top_2_gram_fraction"] == 21 / 39  # 3 x "one two" of the text
    assert scores["dclm"]["duplicate_5_gram_fraction"] == 0


def test_most_frequent_gram_of_equal_ones():
    text = "a b. long words, a b! long words? x"
    assert GopherRepetition(preset="dclm").score(pa.array([text]))["top_2_gram_fraction"] == 18 / 23
    assert GopherRepetition(preset="datatrove").score(pa.array(["long unique"]))["top_2_gram_fraction"] == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_drops_by_the_first_rule_and_tags_all(preset):
    clean = " ".join(f"word{i}" for i in range(60))
    texts = ["", "same\nsame\nother line", "a b a b a b a b", clean, f"{clean} and {clean}"]
    batch = pa.record_batch({"id": list("abcde"), "text": texts})
    outcome = GopherRepetition(preset=preset).apply(batch)
    assert outcome.rows.tolist() == [0, 1, 2, 4] and outcome.kept["id"].to_pylist() == ["d"]
    assert outcome.rules == ["empty", "duplicate_lines", "top_2_gram", "duplicate_5_gram"]
    assert outcome.thresholds == [">= 1", "<= 0.3", "<= 0.2", "<= 0.15"]
    assert set(outcome.rules) <= set(GopherRepetition.rules)

    tagged = GopherRepetition(preset=preset, mode="tag").apply(batch)
    assert tagged.kept.num_rows == 5 and len(tagged.rows) == 0
    names = [f"gopher_repetition.{rule[1]}" for rule in (*SEGMENT_RULES, *GRAM_RULES)]
    assert tagged.kept.schema.names == ["id", "text", *names]
    loose = GopherRepetition(preset=preset, max_top_2_gram_fraction=9.0, max_duplicate_line_fraction=1.0)
    assert "top_2_gram" not in loose.apply(batch).rules


@pytest.mark.parametrize("preset", PRESETS)
@given(TEXTS, st.lists(st.floats(0, 1), min_size=len(GRAM_RULES), max_size=len(GRAM_RULES)))
@example(["a b c d e f " * 3, "the cat and the dog saw the bird", "", "é é é é é é"], [0.5] * len(GRAM_RULES))
@settings(deadline=None, max_examples=100)
def test_stopping_early_changes_no_decision(preset, texts, thresholds):
    limits = {rule[3]: threshold for rule, threshold in zip(GRAM_RULES, thresholds)}
    stage = GopherRepetition(preset=preset, **limits)
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    found, by_all_scores = stage.apply(batch), rules.drop(batch, stage.score(batch["text"]), all_rules(stage))
    assert found.rows.tolist() == by_all_scores.rows.tolist()
    assert (found.rules, found.values, found.thresholds) == (
        by_all_scores.rules,
        by_all_scores.values,
        by_all_scores.thresholds,
    )


def all_rules(stage):
    return configured(stage, [*SEGMENT_RULES, *GRAM_RULES])


@pytest.mark.parametrize("preset", PRESETS)
def test_result_does_not_depend_on_the_batch(preset):
    texts = ["a b a b", None, "x\nx\ny", "one two three " * 50, "é"]
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    whole = GopherRepetition(preset=preset).score(batch["text"])
    for row in range(len(texts)):
        single = GopherRepetition(preset=preset).score(batch[row : row + 1]["text"])
        assert all(single[name][0] == whole[name][row] for name in whole)
    assert len(GopherRepetition(preset=preset).apply(batch[:0]).kept) == 0


def test_wrong_preset():
    with pytest.raises(ValueError, match="unknown value 'nope' in option 'preset' of step 'gopher_repetition'"):
        GopherRepetition(preset="nope")


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_fifty_megabytes_in_one_line(preset):
    text = pa.array(["lorem ipsum " * (50_000_000 // 12)])
    scores = GopherRepetition(preset=preset).score(text)
    assert scores["duplicate_10_gram_fraction"][0] > (0.8 if preset == "datatrove" else 0.999)
    assert repetition.GRAM_SCORES[-1] == "duplicate_10_gram_fraction"
