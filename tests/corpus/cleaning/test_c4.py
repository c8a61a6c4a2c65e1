"""The C4 stage against the obvious implementation of `clean_page` (oracles/c4_oracle.py)."""

import collections
import gzip
import json
import types

import c4_oracle
import numpy as np
import pyarrow as pa
import pydantic
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.c4 import C4
from corpus.text import punkt, sentences


def count_sentences(line):
    data = np.frombuffer(line.encode(), np.uint8)
    return int(sentences.count_sentences(data, 0, len(data)))


def batch_of(texts, type=pa.string()):
    ids = [f"d{i}" for i in range(len(texts))]
    return pa.record_batch({"id": ids, "text": pa.array(texts, type), "n": range(len(texts))})


def assert_equals_oracle(texts, stage=C4(), **options):
    expected = [c4_oracle.clean_page(text, count_sentences, **options) for text in texts]
    outcome = stage.apply(batch_of(texts))
    assert outcome.kept["text"].to_pylist() == [text for text, _, _ in expected if text is not None]
    assert outcome.rules == [rule for _, rule, _ in expected if rule]
    assert outcome.rows.tolist() == [i for i, page in enumerate(expected) if page[1]]
    assert outcome.kept["n"].to_pylist() == [i for i, page in enumerate(expected) if not page[1]]
    lines = sum((counters for _, _, counters in expected), collections.Counter())
    assert {k: n for k, n in outcome.counters.items() if k != "citations"} == dict(lines)


def clean(text, **options):
    """(cleaned text or None, rule or None, counters) of one page, every line counting."""
    outcome = C4(**{"min_sentences": 0} | options).apply(batch_of([text]))
    texts = outcome.kept["text"].to_pylist()
    return (texts or [None])[0], (outcome.rules or [None])[0], outcome.counters


GOOD = "This line has five words."


@pytest.mark.parametrize(
    "line, kept, rule",
    [
        (GOOD, GOOD, "line_kept"),
        (f"\u3000 {GOOD}\x1f", GOOD, "line_kept"),
        ("This line has five words?", ..., "line_kept"),
        ("This line has five words!", ..., "line_kept"),
        ('This line has "five words"', ..., "line_kept"),
        ("This line has five words...", None, "line_no_end_mark"),
        ("This line has five words..", ..., "line_kept"),
        ("This line has five words\u2026", None, "line_no_end_mark"),
        ("This line has five words'", None, "line_no_end_mark"),
        ("This line has five words.\u201d", None, "line_no_end_mark"),
        ("This line has five words.)", None, "line_no_end_mark"),
        ("Only four words here.", None, "line_too_few_words"),
        # Citations go before the end mark and the words are looked at, without stripping again.
        (f"{GOOD}[3]", GOOD, "line_kept"),
        (f"{GOOD}[edit][][citation needed]", GOOD, "line_kept"),
        (f"{GOOD} [3]", None, "line_no_end_mark"),
        (f"{GOOD}[note 3]", None, "line_no_end_mark"),
        (f"{GOOD}[Edit]", None, "line_no_end_mark"),
        (f"{GOOD}[٣৩𝟗]", GOOD, "line_kept"),  # \d is any decimal digit
        (f"{GOOD}[²]", None, "line_no_end_mark"),
        ("This [1] is only four.", None, "line_too_few_words"),
        ("This line has five words..[1].", None, "line_no_end_mark"),
        ("This line has five [words].", ..., "line_kept"),
        ("This line has five words [", None, "line_no_end_mark"),
        ("We have [[1]] five words.", "We have [] five words.", "line_kept"),
        # Substrings of the lower-cased line, after citations are gone.
        ("This needs JavaScript to run.", None, "line_javascript"),
        ("This needs java[1]script to run.", None, "line_javascript"),
        ("We have a PRIVACY Policy here.", None, "line_policy"),
        ("This site uses coo\u212aies, you know.", None, "line_policy"),
        ("This site uses cookie, you know.", ..., "line_kept"),
        ("Please see our terms of use.", None, "line_policy"),
        ("Please see our Cookie Policy.", None, "line_policy"),
        ("On the use of cookies here.", None, "line_policy"),
        ("We use cookies here, you know.", None, "line_policy"),
        # Words of 1000 code points are fine, of 1001 not, whatever the bytes.
        (f"{'é' * 1000} and four more words.", ..., "line_kept"),
        (f"{'é' * 1001} and four more words.", None, "line_word_too_long"),
        (f"{'a' * 998}[1] and four more words.", None, "line_word_too_long"),
    ],
)
def test_lines(line, kept, rule):
    text, dropped, counters = clean(f"{line}\n")
    assert dropped is None
    assert text == (line if kept is ... else kept or "")
    counters.pop("citations", 0)
    assert counters == {rule: 1}


def test_a_citation_at_the_start_leaves_its_space_inside_the_page():
    text, _, counters = clean(f"[1] {GOOD}\n[2] {GOOD}\n{GOOD}")
    assert text == f"{GOOD}\n {GOOD}\n{GOOD}"
    assert counters == {"citations": 2, "line_kept": 3}


@pytest.mark.parametrize("word, rule", [("Lorem Ipsum", "lorem_ipsum"), ("{", "curly_bracket")])
def test_page_dropping_words_count_on_surviving_lines_only(word, rule):
    assert clean(f"{GOOD}\nNo end mark after {word} here\n{word} short.")[0] == GOOD
    text, dropped, counters = clean(f"{GOOD}\nThere is {word} in here.\nFour words after this")
    assert (text, dropped) == (None, rule)
    assert counters == {"line_kept": 1}  # the rest of the page is not looked at


def test_order_of_the_substring_rules():
    assert clean("The javascript {code} is here.")[2] == {"line_javascript": 1}
    assert clean("Lorem ipsum and javascript are here.")[1] == "lorem_ipsum"
    assert clean("We use cookies and { here.")[1] == "curly_bracket"


def test_every_line_end_of_python():
    ends = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
    text, _, counters = clean("".join(GOOD + end for end in ends))
    assert text == "\n".join([GOOD] * len(ends)) and counters == {"line_kept": len(ends)}


def test_page_length_in_code_points():
    line = "é" * 33 + " and four more words.\n"
    page = line * (190_000 // len(line))
    page += "x" * (190_000 - len(page))
    assert clean(page)[1] is None
    assert clean(page + "x")[1] == "page_too_long"
    assert clean(page + "x", disable=("page_too_long",))[1] is None


def test_values_and_thresholds():
    pages = ["x" * 101, f"{GOOD}\n{GOOD}", f"{GOOD}\n\na {' {'} b c d.", "a lorem ipsum d e."]
    outcome = C4(max_page_characters=100).apply(batch_of(pages))
    assert outcome.rows.tolist() == [0, 1, 2, 3] and len(outcome.kept) == 0
    assert list(zip(outcome.rules, outcome.values, outcome.thresholds)) == [
        ("page_too_long", "101", "100"),
        ("too_few_sentences", "2", "3"),
        ("curly_bracket", "line 3", "{"),
        ("lorem_ipsum", "line 1", "lorem ipsum"),
    ]
    assert set(outcome.rules) == set(C4.rules)


@pytest.mark.parametrize(
    "rule, line",
    [
        ("line_word_too_long", "x" * 1001 + " and four more words."),
        ("citations", "Nothing is cut here [1] today."),
        ("line_no_end_mark", "This line ends with nothing"),
        ("line_too_few_words", "Short."),
        ("lorem_ipsum", "There is lorem ipsum here."),
        ("line_javascript", "There is javascript in here."),
        ("curly_bracket", "There is { in here."),
        ("line_policy", "There are terms of use."),
    ],
)
def test_disable(rule, line):
    assert clean(line)[0] != line
    text, dropped, counters = clean(line, disable=(rule,))
    assert (text, dropped, counters) == (line, None, {"line_kept": 1})
    assert C4(disable=("too_few_sentences",)).apply(batch_of([GOOD])).rules == []


def test_misspelt_options_are_refused():
    with pytest.raises(ValueError, match="curly_brackets.*curly_bracket"):
        C4(disable=("curly_brackets",))
    with pytest.raises(ValueError, match="nltk"):
        C4(sentences="nltk")
    with pytest.raises(pydantic.ValidationError, match="curly_bracket"):
        pydantic.TypeAdapter(C4).validate_python({"disable": ["curly_brackets"]})
    stage = pydantic.TypeAdapter(C4).validate_python({"disable": ["curly_bracket"]})
    assert stage == C4(disable=("curly_bracket",))


FRAGMENTS = st.sampled_from(
    [
        "word", "Word", "Mr.", "end.", "end?", "end!", 'end"', "...", "\u2026", " ", " ", " ", "  ",
        "\n", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1e", "\x1f", "\x85", "\u2028", "\u2029",
        "\xa0", "\u3000", "[1]", "[]", "[edit]", "[citation needed]", "[\u0663]", "[", "]", "[x]",
        "{", "lorem ipsum", "Lorem Ipsum", "JavaScript", "terms of use", "uses cookies",
        "use coo\u212aies", "PR\u0130VACY POLICY", "privacy policy", "é", "中", "😀", "a b c d e",
        "One two three four five. ", "x" * 20, "\0",
    ]
)  # fmt: skip
PAGES = st.lists(FRAGMENTS, max_size=40).map("".join)
ASSIGNED = st.text(st.characters(exclude_categories=["Cs", "Cn"]))


@given(st.lists(PAGES | ASSIGNED, max_size=4))
@settings(deadline=None, max_examples=300)
def test_equals_oracle(pages):
    assert_equals_oracle(pages)


@given(st.lists(PAGES, max_size=4), st.integers(0, 3), st.integers(0, 4), st.integers(0, 25))
@settings(deadline=None)
def test_equals_oracle_with_other_limits(pages, min_sentences, min_words, max_word_length):
    stage = C4(
        min_sentences=min_sentences,
        min_words_per_line=min_words,
        max_word_length=max_word_length,
        max_page_characters=100,
    )
    limits = {"min_sentences": min_sentences, "min_words": min_words}
    limits |= {"max_word_length": max_word_length, "max_characters": 100}
    assert_equals_oracle(pages, stage, **limits)


def test_degenerate_pages():
    long_line = "All work and no play makes Jack a dull boy. " * 1_200_000  # 50 MB, one line
    pages = ["", "a", ".", "\n", " " * 100, "." * 1000, "\n" * 1000, f"{GOOD}\n" * 3, "😀" * 500]
    assert_equals_oracle(pages)
    assert_equals_oracle([])
    outcome = C4(max_page_characters=10**9).apply(batch_of([long_line, long_line[:-1] + "{."]))
    assert outcome.kept["text"].to_pylist() == [long_line.strip()]
    assert outcome.rules == ["curly_bracket"]


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()], ids=str)
def test_slices_nulls_types_and_batch_size(type):
    pages = [None, f"{GOOD}\n" * 3, "dropped", f"{GOOD}[1]\n" * 4, None, f"{GOOD}\n" * 5]
    batch = batch_of(pages, type)
    whole = C4().apply(batch)
    assert whole.kept.schema == batch.schema and whole.kept["n"].to_pylist() == [1, 3, 5]
    parts = [C4().apply(batch.slice(i, 1)).kept for i in range(len(batch))]
    assert pa.Table.from_batches(parts).to_pylist() == whole.kept.to_pylist()
    whole.kept.validate(full=True)


def test_punkt(monkeypatch):
    """The wiring, with a stand-in for NLTK that counts full stops."""
    stand_in = types.SimpleNamespace(span_tokenize=lambda text: iter(text.split(".")[:-1]))
    monkeypatch.setattr(punkt, "tokenizer", lambda: stand_in)
    pages = ["A b c d e.f.g.", f"{GOOD}\n{GOOD}", f"{GOOD}\n" * 3]
    outcome = C4(sentences="punkt").apply(batch_of(pages))
    assert outcome.kept["n"].to_pylist() == [0, 2]
    assert (outcome.rules, outcome.values) == (["too_few_sentences"], ["2"])


def wet_texts(path):
    """Texts of the conversion records of a WET file."""
    records = gzip.decompress(path.read_bytes())
    position = 0
    while position < len(records):
        body = records.index(b"\r\n\r\n", position) + 4
        headers = records[position:body].decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in headers if ": " in line)
        position = body + int(fields["Content-Length"]) + 4
        if fields["WARC-Type"] == "conversion":
            yield records[body : position - 4].decode("utf-8", "replace")


def jsonl_texts(path):
    with zstandard.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def test_equals_oracle_on_some_real_pages(real_data):
    pages = list(wet_texts(real_data / "wet" / "part-00001.warc.wet.gz"))[::4]
    assert len(pages) > 500
    assert_equals_oracle(pages)


@pytest.mark.slow
def test_equals_oracle_on_all_real_pages(real_data):
    files = [*sorted(real_data.glob("wet/*.gz")), *sorted(real_data.glob("jsonl/*.zst"))]
    pages = 0
    for path in files:
        texts = list((wet_texts if path.suffix == ".gz" else jsonl_texts)(path))
        assert_equals_oracle(texts)
        pages += len(texts)
    assert pages > 15_000
