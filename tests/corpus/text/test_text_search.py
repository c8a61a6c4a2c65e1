import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import search

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

NEEDLES = ("lorem ipsum", "javascript", "use cookies", "cookie", "kiki", "aaa", "aab", "wifi", "kkk")


def find(text, needles=NEEDLES):
    data = np.frombuffer(f"é{text}é".encode(), np.uint8)
    found = int(search.find(data, 2, len(data) - 2, search.prepare(needles)))
    return [needle for i, needle in enumerate(needles) if found >> i & 1]


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "aa", "aaa", "aaab", "LOREM Ipsum", "lorem  ipsum", "lorem ipsu", "xJavaScriptx",
        "use coo\u212aies", "\u212aI\u212aI", "\u212ai\u212a\u0130", "k\u0130ki", "W\u0130FI",
        "wif\u0130", "co\u00f6kie", "javascrip", "javascript javascript lorem ipsum", "\u212a\u212a\u212a",
    ],
)  # fmt: skip
def test_examples(text):
    assert find(text) == [needle for needle in NEEDLES if needle in text.lower()]


@given(st.text(st.sampled_from("aAbBkKiIcCoOeE \u212a\u0130é")) | st.text(ASSIGNED))
@settings(deadline=None)
def test_equals_python(text):
    needles = ("kik", "cook", "aab", "oei", "bio", "kai", "eic")
    assert find(text, needles) == [needle for needle in needles if needle in text.lower()]


def test_64_needles_and_bad_ones():
    needles = tuple(f"n{i:02}" for i in range(64))
    assert find("N63 n00 n64", needles) == ["n00", "n63"]
    assert find("anything", ()) == []
    for bad in (("ab",), ("Abc",), ("äbc",), needles + ("abc",)):
        with pytest.raises(ValueError, match="needles"):
            search.prepare(bad)
