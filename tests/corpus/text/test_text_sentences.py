import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import sentences

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""


def count(text, **options):
    data = np.frombuffer(f"A. {text}".encode(), np.uint8)
    return int(sentences.count_sentences(data, 3, len(data), **options))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", 0),
        ("x", 1),
        (".", 1),
        ("One sentence.", 1),
        ("One. Two! Three? Four", 4),
        ("No space.Here at 3.14 or example.com!x", 1),
        ("Wow!!! What?! No way.", 3),
        ("Dr. Smith met Mr. and Mrs. Jones on Jan. 5 in Wash. state.", 1),
        ("He lives in the U.S. with us. He left the U.S. The end.", 3),
        ("J. R. R. Tolkien wrote it.", 1),
        ("That was plan B. The next was C.", 2),
        ("Wait... what? Wait... What?", 3),  # "What" opens sentences
        ("Wait... Paris is far.", 1),
        ('He said "foo." and left.', 2),
        ('"Foo." "Bar."', 2),
        ('He said "foo."', 1),
        ("(See there.) “Next.” Then.", 3),
        ("See item 5. Foo is. See item 5. foo is.", 3),
        ("Use e.g. this, etc. and more.", 3),  # as Punkt's English model
        ("It weighed 1,000. Then it grew.", 2),
        ("Ends with space.\u00a0Then\u3000more.\u3000Last.", 3),
        ("Это раз. Это два.", 2),
        ("А. Б. Word.", 3),  # initials are known in Latin letters only
        ('spaced . " And , " so ? "', 2),
        ("Un naïf. he. Il va à. he. “Mr. Foo”. he.", 6),
        ("foo?- bar", 1),
        ("a b c?)d e", 2),
        ("mid-Oct. 5 was fine.", 1),
    ],
)
def test_examples(text, expected):
    assert count(text) == expected


@given(st.text(ASSIGNED) | st.text(st.sampled_from("aAIe.?! \u3000\"')(1,-é“”»。")), st.integers(1, 4))
@settings(deadline=None)
def test_bounds(text, at_most):
    text = text.strip()
    total = count(text)
    assert (total > 0) == (text != "")
    assert total <= 1 + sum(text.count(mark) for mark in ".?!")
    assert count(text, at_most=at_most) == min(total, at_most)


def test_word_lists_fit_their_keys():
    assert all(len(word) <= 8 for word in sentences.ABBREVIATIONS)
    assert len(set(sentences.ABBREVIATIONS)) == len(sentences.ABBREVIATIONS)
