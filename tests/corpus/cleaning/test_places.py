"""Where stages say that they found something, they did: counting the places gives the kernels' numbers."""

import collections

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.cleaning.bad_words import BadWords
from corpus.cleaning.c4 import C4
from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.kernels import repeated_places
from corpus.cleaning.kernels.c4_page import POLICIES
from corpus.cleaning.kernels.gopher_words import PRESETS
from corpus.cleaning.pii import PersonalData
from corpus.cleaning.refinedweb_lines import RefinedWebLines
from corpus.cleaning.url_filter import UrlFilter
from corpus.step import Outcome

LINES = [
    "", " ", "Home", "A line of five words.", "  Another line, of more words \u2026 ",
    "uses cookies, as all others do.", "Turn javaScript on in your browser.", "x" * 1001 + " is too long a word.",
    "See this [12] and [edit] for five words.", "Lorem ipsum is what they say here.", "if (x) { is a line of code.",
    "ABC DEF", "1234567", "12 likes", "items in cart 3 now", "Read more...", "Sign-in here please", "😀 été 三。",
    "- bullet", "* x ...", "● #tag # ...", ". . .",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(LINES), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n", "\n\n", "\r\n", "\u2028"]).map(lambda end: end.join(lines))
)
WORDS = st.lists(st.sampled_from(["aa", "é", "b", "ab", '"', "can't", "x.", "😀"]), max_size=60).map(" ".join)


def batch_of(text, **columns):
    return pa.record_batch(
        {"id": ["before", "d"], "text": ["é" * 3, text], **{k: ["", v] for k, v in columns.items()}}
    ).slice(1)


def words_at(text, places, column="text"):
    return [text.encode()[place.start : place.end].decode() for place in places if place.column == column]


def failed(batch, rule, value=""):
    return Outcome(batch.slice(0, 0), rules=[rule], values=[value])


@settings(deadline=None)
@given(TEXTS, st.sampled_from([(), ("lorem_ipsum", "curly_bracket"), ("line_no_end_mark", "citations")]))
@example("Say uses coo\u212aies and more words.\nLorem [1]ipsum is a line.\nLorem i[1]psum is a line.", ())
def test_c4_says_each_line_that_it_counts(text, disable):
    batch, stage = batch_of(text), C4(disable=disable)
    outcome = stage.apply(batch)
    places = stage.where_in(batch, outcome)
    page_rules = [place.rule for place in places if place.rule in stage.rules]
    assert page_rules == [rule for rule in outcome.rules if rule != "too_few_sentences"]
    counted = collections.Counter(place.rule for place in places if place.rule not in stage.rules)
    assert counted == {rule: n for rule, n in outcome.counters.items() if rule != "line_kept"}
    phrases = {
        "line_javascript": ("javascript",),
        "line_policy": POLICIES,
        "curly_bracket": ("{",),
        "lorem_ipsum": ("lorem ipsum",),
        "citations": ("[12]", "[edit]", "[1]"),
    }
    for place, words in zip(places, words_at(text, places)):
        # A phrase that the rule found in what it made of the line is not in the line itself; then it is all of it.
        assert words.lower() in phrases.get(place.rule, ()) or words in text.splitlines()


def test_c4_does_not_look_into_long_pages():
    batch, stage = batch_of("Home\nif {"), C4(max_page_characters=3)
    assert stage.where_in(batch, stage.apply(batch)) == []


@settings(deadline=None)
@given(TEXTS)
def test_refinedweb_says_each_line_that_it_counts(text):
    batch, stage = batch_of(text), RefinedWebLines()
    outcome = stage.apply(batch)
    places = stage.where_in(batch, outcome)
    assert collections.Counter(p.rule for p in places) == {
        r: n for r, n in outcome.counters.items() if r != "line_kept"
    }
    assert set(words_at(text, places)) <= set(text.split("\n"))


@settings(deadline=None)
@given(st.text(st.sampled_from("bad İK.-éΣσ 😀"), max_size=20), st.sampled_from(["en", "ja"]))
@example("Bad, İ bad Bad.", "en")
def test_bad_words_stand_where_it_says(tmp_path_factory, text, language):
    lists = tmp_path_factory.getbasetemp() / "bad-words"
    lists.mkdir(exist_ok=True)
    for code in ("en", "ja"):
        (lists / code).write_text("bad\nσd\nbb\nad-\n", encoding="utf-8")
    batch, stage = batch_of(text), BadWords(str(lists), language)
    outcome = stage.apply(batch)
    found = words_at(text, stage.where_in(batch, outcome))
    assert {words.lower() for words in found} == set(outcome.values)


URLS = [
    ("hosts", "www.casino.com", "http://u@www.CASINO.com/x", "www.casino.com", "www.CASINO.com"),
    ("domains", "example.com", "https://a.example.com/", "example.com", "example.com"),
    ("urls", "http://www.example.com/a/", "https://example.com/A#b", "example.com/a", "example.com/A"),
    ("hard_words", "win", "http://a.org/winter/win?", "win", "win"),
    ("subwords", "poker", "http://a.org/Po-K.er1", "poker", "Po-K.er"),
]


@pytest.mark.parametrize("option, entry, url, value, words", URLS)
def test_what_of_a_url_is_listed(tmp_path, option, entry, url, value, words):
    (tmp_path / "list").write_text(entry)
    batch, stage = batch_of("text", url=url), UrlFilter(**{option: str(tmp_path / "list")})
    outcome = stage.apply(batch)
    places = stage.where_in(batch, outcome)
    assert outcome.values == [value]
    assert words_at(url, places, "url") == [words] and places[0].rule == outcome.rules[0]


def test_soft_words_are_all_said(tmp_path):
    (tmp_path / "list").write_text("a\nb\n")
    url = "http://x.org/ba/b-A"
    batch, stage = batch_of("text", url=url), UrlFilter(soft_words=str(tmp_path / "list"))
    assert sorted(words_at(url, stage.where_in(batch, stage.apply(batch)), "url")) == ["A", "b"]
    kept = batch_of("text", url="http://x.org/")
    assert stage.where_in(kept, stage.apply(kept)) == []


def test_personal_data():
    text = "é me@mail.org or 8.8.8.8 or 2001:4860:4860::8888, not a@example.com"
    batch, stage = batch_of(text), PersonalData()
    places = stage.where_in(batch, stage.apply(batch))
    assert [place.rule for place in places] == ["emails", "ips", "ips"]
    assert words_at(text, places) == ["me@mail.org", "8.8.8.8", "2001:4860:4860::8888"]


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["paper", "datatrove"]))
def test_fineweb(text, preset):
    batch, stage = batch_of(text), FineWeb(preset=preset)
    scores = {name: values[0] for name, values in stage.score(batch["text"]).items()}
    found = {rule: words_at(text, stage.where_in(batch, failed(batch, rule))) for rule in stage.rules}
    assert found["empty"] == found["too_many_newlines"] == []
    if lines := scores["lines"]:
        assert 1 - len(found["few_lines_end_in_punctuation"]) / lines == pytest.approx(scores["line_punctuation_ratio"])
        assert len(found["too_many_short_lines"]) / lines == scores["short_line_ratio"]
        duplicate = sum(map(len, found["duplicate_characters"]))
        assert duplicate / len(text.replace("\n", "")) == scores["character_duplication_ratio"]


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["paper", "datatrove", "dclm"]))
def test_gopher_quality(text, preset):
    batch, stage = batch_of(text), GopherQuality(preset=preset)
    scores = {name: values[0] for name, values in stage.score(batch["text"]).items()}
    found = {rule: words_at(text, stage.where_in(batch, failed(batch, rule))) for rule in stage.rules}
    lines = [line for line in text.split("\n") if line.strip()] if preset != "datatrove" else text.splitlines()
    if lines:
        assert len(found["too_many_bullet_lines"]) / len(lines) == scores["bullet_line_fraction"]
        assert len(found["too_many_ellipsis_lines"]) / len(lines) == scores["ellipsis_line_fraction"]
    assert len(found["too_many_symbols"]) == len(found["too_many_hashes"]) + len(found["too_many_ellipses"])
    for rule, score in (("too_many_hashes", "hash_ratio"), ("too_many_symbols", "symbol_ratio")):
        assert bool(found[rule]) == (scores[score] > 0)
    assert found["too_few_words"] == [] and set(found["too_many_hashes"]) <= {"#"}


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["paper", "datatrove", "dclm"]))
@example("a\n\na\n\na\n\n", "datatrove")
def test_gopher_repeated_lines_and_paragraphs(text, preset):
    batch, stage = batch_of(text), GopherRepetition(preset=preset)
    scores = {name: values[0] for name, values in stage.score(batch["text"]).items()}
    found = words_at(text, stage.where_in(batch, failed(batch, "duplicate_lines")))
    assert len(found) == round(scores["duplicate_line_fraction"] * scores["lines"])
    assert stage.where_in(batch, failed(batch, "empty")) == []
    paragraphs = words_at(text, stage.where_in(batch, failed(batch, "duplicate_paragraph_characters")))
    assert bool(paragraphs) == (scores["duplicate_paragraph_fraction"] > 0)
    total = len(text) if preset == "datatrove" else sum(len(line.strip()) for line in text.split("\n"))
    assert sum(map(len, found)) == round(scores["duplicate_line_character_fraction"] * total)


@settings(deadline=None)
@given(WORDS, st.sampled_from(["paper", "datatrove", "dclm"]))
@example("a b " * 12, "datatrove")
@example('"a b" ' * 12, "datatrove")
def test_gopher_repeated_grams(text, preset):
    batch, stage = batch_of(text), GopherRepetition(preset=preset)
    scores = {name: values[0] for name, values in stage.score(batch["text"]).items()}
    words, bounds = repeated_places._words(text.encode(), PRESETS[preset])
    total = len(text) if preset == "datatrove" else sum(len(word.decode()) for word in words)
    for n in range(2, 11):
        kind = "top" if n <= 4 else "duplicate"
        places = stage.where_in(batch, failed(batch, f"{kind}_{n}_gram"))
        characters = sum(
            len(w.decode()) for p in places for w, b in zip(words, bounds) if p.start <= b[0] and b[1] <= p.end
        )
        score = scores[f"{kind}_{n}_gram_fraction"]
        if preset == "datatrove" and kind == "top":
            characters += len(places) * (n - 1)  # it counts the spaces, and an n-gram that occurs once
            assert not places or characters == round(score * total)
        else:
            assert characters == round(score * max(total, 1))


def test_kept_documents_have_no_places():
    batch = batch_of("Nothing is wrong with it.")
    kept = Outcome(batch)
    for stage in (FineWeb(), GopherQuality(), GopherRepetition(), BadWords("/nowhere"), UrlFilter(), PersonalData()):
        assert stage.where_in(batch, kept) == []
