"""Where sentences begin and end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import sentences

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""


def split(*texts):
    """The sentences of each text, which stand in one buffer."""
    encoded = [text.encode() for text in texts]
    sizes = np.array([len(text) for text in encoded], np.int64)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    data = np.frombuffer(b"".join(encoded), np.uint8)
    sentence_starts, sentence_ends, first = sentences.split(data, starts, ends)
    found = [bytes(data[s:e]).decode() for s, e in zip(sentence_starts, sentence_ends)]
    return [found[low:high] for low, high in zip(first, first[1:])]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", []),
        (" \u3000\n", []),
        ("x", ["x"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("  Stripped.\u3000\u00a0All \n\n of it?! ", ["Stripped.", "All \n\n of it?!"]),
        ('He said "foo." and left.', ['He said "foo."', "and left."]),
        ("(See there.) “Next.” Then.", ["(See there.)", "“Next.”", "Then."]),
        ("Dr. Smith lives in the U.S. The end.", ["Dr. Smith lives in the U.S.", "The end."]),
        ("Up.\u3000Dr.\u3000Smith.", ["Up.", "Dr.\u3000Smith."]),  # a wide space ends a word, too
        ("a b c?)d e", ["a b c?)", "d e"]),
        ("foo.(bar)", ["foo.", "(bar)"]),
        ('Twice. "', ['Twice. "']),
        ("😀! Été? Да.", ["😀!", "Été?", "Да."]),
    ],
)
def test_examples(text, expected):
    assert split(text) == [expected]


def test_ranges_of_one_buffer():
    assert split("One. Two.", "", " ", "Three. Four") == [["One.", "Two."], [], [], ["Three.", "Four"]]
    assert split() == []


@given(st.lists(st.text(ASSIGNED) | st.text(st.sampled_from("aAIe.?! \u3000\"')(1,-é“”»。[{*")), max_size=4))
@settings(deadline=None)
def test_nothing_but_white_space_is_left_out_and_counts_agree(texts):
    for text, found in zip(texts, split(*texts)):
        assert "".join("".join(found).split()) == "".join(text.split())
        assert all(sentence and sentence == sentence.strip() for sentence in found)
        data = np.frombuffer(text.strip().encode(), np.uint8)
        assert len(found) == sentences.count_sentences(data, 0, len(data))
