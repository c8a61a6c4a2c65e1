import sys
import types

import pyarrow as pa
import pytest

from corpus.text import punkt

TEXT = "Mr. Smith went to Washington, D.C. It was in 1999. Nobody knew! Why?\nHe said so."


@pytest.fixture
def nltk_installed():
    try:
        punkt.tokenizer()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture
def fresh():
    punkt.tokenizer.cache_clear()
    yield
    punkt.tokenizer.cache_clear()


@pytest.mark.usefixtures("nltk_installed")
@pytest.mark.parametrize("text", ["", " ", "one", TEXT, "...", "A. B. C.", "e.g. this. That"])
def test_counts_as_nltk_does(text):
    whole = len(punkt.tokenizer().tokenize(text))
    lines = [len(punkt.tokenizer().tokenize(line)) for line in text.split("\n")]
    for most in range(5):
        assert punkt.count(text, most) == min(whole, most)
        assert punkt.count_lines(text, most) == min(sum(lines), most)


def test_no_more_is_split_than_needed(monkeypatch):
    taken = []

    def span_tokenize(text):
        for part in text.split("."):
            taken.append(part)
            yield part

    monkeypatch.setattr(punkt, "tokenizer", lambda: types.SimpleNamespace(span_tokenize=span_tokenize))
    assert punkt.count("a.b.c.d", 2) == 2 and taken == ["a", "b"]
    assert punkt.count_lines("a.b\nc.d\ne", 3) == 3 and taken[2:] == ["a", "b", "c"]
    assert punkt.count_texts(pa.array(["a", "a.b.c.d"]), 3).tolist() == [1, 3]


def test_without_nltk(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "nltk.tokenize.punkt", None)
    with pytest.raises(ImportError, match="pip install nltk"):
        punkt.tokenizer()
