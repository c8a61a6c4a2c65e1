"""What of a dropped text differs from the kept one: it makes one text of the other, in any script, within bounds."""

import doctest
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.near import differences
from pipelines.near.differences import Change, difference

WORDS = st.sampled_from(["a", "b", "a.b", "été", "e\u0301te", "日本", "語", "ไท๋ย", "🙂", "\u202e", "<b>"])
SPACES = st.sampled_from([" ", "\n", "", "\u3000 "])
TEXTS = st.lists(st.tuples(WORDS, SPACES), max_size=12).map(lambda pairs: "".join(map("".join, pairs)))


def bare(text):
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


def joined(found, which):
    """One of the two texts, made of all that is said of both."""
    parts = [part for change in found.changes for part in (change.before, getattr(change, which))]
    return "".join([*parts, found.changes[-1].after]).replace("…", "")


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([0, 2]))
def test_the_changes_make_one_text_of_the_other(one, other, apart):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differences, "CONTEXT", 1 << 20)
        patch.setattr(differences, "JOINED", apart)
        found = difference(one, other, 1000)
        assert found.complete and found.more == 0
        if not found.changes:
            assert bare(one) == bare(other)
            return
        assert joined(found, "kept") == one
        assert bare(joined(found, "dropped")) == bare(other)
        assert all(change.kept or change.dropped for change in found.changes)
        if apart == 0:  # no more than has to be
            words = [[text[start:end] for start, end in zip(*differences._words(text)[1:])] for text in (one, other)]
            changed = [sum(len(differences._words(each[i]).starts) for each in found.changes) for i in (1, 2)]
            common = longest_common(*words)
            assert changed == [len(each) - common for each in words]


def longest_common(one, other):
    best = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, each in enumerate(other, 1):
            before, best[place] = best[place], before + 1 if word == each else max(best[place], best[place - 1])
    return best[-1]


@pytest.mark.parametrize("one, other, expected", [
    ("", "", []),
    ("same words", "same\n  words ", []),
    ("អ្នក\u200bជំនួយ soft\xadhyphen", "អ្នកជំនួយ soft hyphen", []),
    ("", "new", [("", "", "new", "")]),
    ("gone", "", [("", "gone", "", "")]),
    ("Old news today.", "New news today.", [("", "Old", "New", " news today.")]),
    ("It is here.", "It is not here.", [("It is ", "", "not ", "here.")]),
    ("one two", "one two three", [("one two", "", " three", "")]),
    ("one two three", "one two", [("one two", " three", "", "")]),
    ("今日は良い天気です。", "今日は良い夜です。", [("今日は良い", "天気", "夜", "です。")]),
    ("ไทยดี", "ไทยดี้", [("ไทย", "ดี", "ดี้", "")]),
    ("a 1 b 2 c", "a x b y c", [("a ", "1 b 2", "x b y", " c")]),  # one word between two changes
    ("naïve", "nai\u0308ve", [("", "naïve", "nai\u0308ve", "")]),
])  # fmt: skip
def test_examples(one, other, expected):
    assert difference(one, other, 9) == ([Change(*each) for each in expected], 0, True)


def test_what_is_shown_is_bounded():
    words = [f"w{i}" for i in range(2000)]
    every_tenth = [word if i % 10 else "x" * 1000 for i, word in enumerate(words)]
    found = difference(" ".join(words), " ".join(every_tenth), 3)
    assert len(found.changes) == 3 and found.more == 197 and found.complete
    for change in found.changes:
        assert len(change.dropped) == differences.SHOWN and change.dropped.endswith("x…")
        assert len(change.before) <= differences.CONTEXT + 1 and len(change.after) <= differences.CONTEXT + 1
    assert found.changes[1].before.startswith("…") and found.changes[0].before == ""


def test_what_is_compared_is_bounded(monkeypatch):
    monkeypatch.setattr(differences, "COMPARED", 10)
    words = [f"w{i}" for i in range(100)]

    def with_changed(*numbers):
        return " ".join("x" if i in numbers else word for i, word in enumerate(words))

    both = with_changed()
    assert difference(both, with_changed(60, 69), 9) == difference(both, with_changed(60, 69), 2)
    assert [change.kept for change in difference(both, with_changed(60, 69), 9).changes] == ["w60", "w69"]
    further = difference(both, with_changed(60, 65, 80), 9)  # the last is not among the ten
    assert [change.kept for change in further.changes] == ["w60", "w65"] and not further.complete
    nothing_alike = difference(both, " ".join("y" * 100), 9)
    assert len(nothing_alike.changes) == 1 and not nothing_alike.complete


def test_of_very_long_texts_the_beginning_is_compared(monkeypatch):
    monkeypatch.setattr(differences, "MOST_CHARACTERS", 100)
    text = "word " * 30
    assert difference(text, text + "more", 9) == ([], 0, False)
    assert difference(text, "new " + text, 9).changes[0] == Change("", "", "new ", text[:40] + "…")


def test_the_docstring():
    assert doctest.testmod(differences, optionflags=doctest.NORMALIZE_WHITESPACE) == (0, 2)
