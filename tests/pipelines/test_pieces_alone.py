"""exact_dedup, url_dedup and line_dedup by all their options, each alone, against plain Python: which copy stays, what
is exempt, and that no hash decides."""

import numpy as np
import pieces_oracle
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from one_step import ONE_FILE_A_SHARD, ONE_SHARD, SHARDS_TOGETHER, Decision, applied, decide, document, observe

from corpus.dedup import exact, piece_units, same_url
from corpus.options import OptionError
from pipelines.steps.line_dedup import LineDedup

FEW = settings(deadline=None, max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""A run is too slow for many, and for making a failure small."""
URLS = [
    "http://one.example/a",
    "https://www.one.example/a/",
    "http://two.example/é",
    "http://two.example/é?ref=x",
    None,
]
DATES = [None, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]


def parts_of(documents, size):
    return [documents[i : i + size] for i in range(0, len(documents), size)]


def named(texts, urls=(None,) * 9):
    """Documents "0", "1" and on."""
    return [document(str(i), text, url) for i, (text, url) in enumerate(zip(texts, urls))]


def drop(name, reason, by, score=None):
    return Decision(name, "drop", None, None, reason, by, score)


def cut(name, start, end, reason, by):
    return Decision(name, "cut", start, end, reason, by, None)


def left_of(seen, decisions):
    """{id: what is left of a text, or (the reason why it was dropped,)}."""
    return {**applied(seen, decisions), **{each.id: (each.reason,) for each in decisions if each.action == "drop"}}


PIECES = st.lists(
    st.sampled_from(["", " ", "Menu.", "menu", "Page 1 of 9", "page 2 OF 8!", "É—", "e", "Licence: free", "x"]),
    min_size=1,
    max_size=6,
).map("\n".join)
SITES = [None, "http://a.example/1", "https://www.a.example/2", "http://b.example/", "http://c.b.example/x"]
OWN = {None: "", SITES[1]: "a.example", SITES[2]: "a.example", SITES[3]: "b.example", SITES[4]: "b.example"}


@FEW
@given(
    st.lists(st.tuples(PIECES, st.sampled_from(SITES), st.sampled_from(DATES)), min_size=1, max_size=8),
    st.fixed_dictionaries(
        {
            "unit": st.sampled_from(["line", "paragraph"]),
            "span": st.integers(1, 3),
            "keep": st.sampled_from(["md5", "first", "longest", "newest", "none"]),
            "min_count": st.integers(2, 4),
            "within": st.sampled_from(["corpus", "domain"]),
            "exempt": st.sampled_from([[], ["^Licence", "x$"]]),
            "form": st.sampled_from(["auto", "case", "ccnet", "none"]),
        }
    ),
    st.integers(1, 4),
    st.sampled_from([ONE_FILE_A_SHARD, SHARDS_TOGETHER, ONE_SHARD]),
)
def test_line_dedup_equals_plain_python_by_every_option(rows, options, size, division):
    documents = [document(str(i), *row) for i, row in enumerate(rows)]
    decisions, seen, figures = observe(
        {"line_dedup": {**options, "min_sentences": 0}}, parts_of(documents, size), division=division
    )
    form = options["form"] if options["form"] != "auto" else "ccnet" if options["unit"] == "paragraph" else "case"
    as_c4 = options["keep"] == "md5" and options["min_count"] == 2 and form == "case" and not options["exempt"]
    expected = pieces_oracle.reference(
        [row for row in documents if row["id"] in seen],  # those without text are none
        options["unit"],
        options["span"],
        form,
        options["keep"],
        options["min_count"],
        domain=(lambda row: OWN[row["url"]]) if options["within"] == "domain" else None,
        exempt=options["exempt"],
        blank=as_c4 and options["within"] == "corpus" and options["unit"] == "line" and options["span"] == 1,
    )
    left = {name: None if isinstance(text, tuple) else text for name, text in left_of(seen, decisions).items()}
    assert left == expected
    shown = figures.get("most_frequent", [])
    assert [row["places"] for row in shown] == sorted((row["places"] for row in shown), reverse=True)
    assert all(row["places"] >= options["min_count"] for row in shown) and bool(shown) == bool(figures.get("places"))


def test_line_dedup_shows_the_most_frequent_pieces():
    texts = ["Menu\nhome", "menu \nHOME\nMine", "MENU\nmenu\nhis"]
    documents = named(texts, ["http://www.a.example/1", "http://b.example/", "http://c.example/"])
    step = {"line_dedup": {"keep": "first", "min_sentences": 0}}
    decisions, _, figures = observe(step, parts_of(documents, 1))
    assert figures == {
        "pieces": 8,
        "repeated": 2,
        "places": 4,
        "most_frequent": [
            {"places": 4, "documents": 3, "text": "Menu", "bytes": 4, "domain": "a.example"},
            {"places": 2, "documents": 2, "text": "home", "bytes": 4, "domain": "a.example"},
        ],
    }
    assert [(each.reason, each.by) for each in decisions] == [("global_duplicate", "0")] * 4
    step = {"line_dedup": {"keep": "none", "min_count": 3, "min_sentences": 0}}
    assert left_of({d["id"]: d["text"] for d in documents}, decide(step, parts_of(documents, 1))) == {
        "0": "home", "1": "HOME\nMine", "2": "his"
    }  # fmt: skip


def test_white_space_alone_is_no_page():
    documents = named(["Menu\nhome", "Menu\n\n \nhome", "x"])
    step = {"line_dedup": {"keep": "first", "unit": "paragraph", "min_sentences": 0}}
    assert decide(step, parts_of(documents, 1)) == [drop("1", "empty", "0", 0.0)]
    step = {"line_dedup": {"keep": "first", "unit": "sentence", "min_sentences": 1}}
    decisions = decide(step, parts_of(documents[:2], 1))
    assert decisions == [drop("1", "too_few_sentences", "0", 0.0)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_pattern_exempts_ends_where_its_line_does(end):
    documents = named([end.join(["#a", "b x", last]) for last in "cd"])
    step = {"line_dedup": {"min_sentences": 0, "keep": "first", "exempt": ["x$"]}}
    left = left_of({d["id"]: d["text"] for d in documents}, decide(step, parts_of(documents, 1)))
    assert left["1"] == f"b x{end}d"


@pytest.mark.parametrize("step", [{"unit": "line", "span": 2}, {"unit": "three_sentences"}])
def test_a_piece_that_is_exempt_stays_whole_where_others_overlap_it(step):
    documents = named(["One.\nTwo.\nThree.\nFour.\nLicence x."] * 2)
    step = {"line_dedup": {"min_sentences": 0, "keep": "first", "exempt": ["Licence"], **step}}
    left = left_of({d["id"]: d["text"] for d in documents}, decide(step, parts_of(documents, 1)))
    kept = 2 if step["line_dedup"]["unit"] == "line" else 3
    assert left["1"].split("\n") == ["One.", "Two.", "Three.", "Four.", "Licence x."][-kept:]


def test_documents_of_exempt_sources_stay_and_own_nothing():
    documents = named(["One. Two.\nMine", "One. Two.\nHis", "One. Two."])
    everything = {"exempt_sources": ["*.jsonl*"]}
    for step in ("exact_dedup", "url_dedup", "line_dedup"):
        assert decide({step: everything}, parts_of(documents, 1)) == []
    first = {"exempt_sources": ["*/000.*"]}
    assert decide({"exact_dedup": first}, parts_of([*documents, document("3", "One. Two.")], 1)) == [
        drop("3", "duplicate", "2")
    ]
    decisions = decide({"line_dedup": {**first, "min_sentences": 0, "keep": "first"}}, parts_of(documents, 1))
    assert decisions == [drop("2", "empty", "1", 0.0)]


def test_a_hash_decides_nothing(monkeypatch):
    """Where all keys are the same, what is not equal to what would stay stays, too."""

    def same(count):
        return np.zeros((count, 2), np.uint64)

    monkeypatch.setattr(exact, "hashes", lambda values: same(len(list(values))))
    monkeypatch.setattr(same_url, "hashes_of", lambda urls: same(len(urls)))
    documents = named(["one", "two", "one", "two", "three"], URLS)
    assert decide("exact_dedup", parts_of(documents, 2)) == [drop("2", "duplicate", "0")]
    normalized = {"exact_dedup": {"normalize": "whitespace_case"}}
    assert decide(normalized, parts_of([document("a", "One "), *documents], 2)) == [
        drop("0", "duplicate", "a"), drop("2", "duplicate", "a")
    ]  # fmt: skip
    assert decide("url_dedup", parts_of(documents, 2)) == [drop("1", "duplicate_url", "0")]

    hashed = piece_units._hashes
    monkeypatch.setattr(piece_units, "_hashes", lambda *given: (same(len(given[1])), hashed(*given)[1]))
    documents = named(
        ["AA. BB.\nCC. DD.", "EE. FF.\nAA. BB.", "GG. HH. II."], [f"http://{i}.example" for i in range(3)]
    )
    step = {"line_dedup": {"keep": "first", "min_sentences": 0}}
    assert decide(step, parts_of(documents, 1)) == [cut("1", 7, 15, "global_duplicate", "0")]
    step = {"line_dedup": {"keep": "first", "min_sentences": 0, "unit": "sentence", "span": 2}}
    assert decide(step, parts_of(documents, 1)) == [cut("1", 7, 15, "duplicate_span", "0")]


KEPT = {"newest": "2", "longest": "1", "highest": "0", "lowest": "3", "first": "0"}


@pytest.mark.parametrize("keep", KEPT)
def test_what_stays_of_equal_texts_and_of_pages_of_one_url(tmp_path, keep):
    texts = ["a b c", "A  b    c", "a B c", "a b c"]
    rows = [
        {**document(str(i), text, URLS[i % 2], DATES[2 * (i == 2)]), "mark": [9, 5, 5, 1][i]}
        for i, text in enumerate(texts)
    ]
    score = {"score": "metadata.mark"} if keep in ("highest", "lowest") else {}
    for step in ({"exact_dedup": {"normalize": "whitespace_case"}}, {"url_dedup": {}}):
        ((name, given),) = step.items()
        decisions = decide({name: {**given, "keep": keep, **score}}, parts_of(rows, 2))
        assert [each.id for each in decisions] == sorted(set("0123") - {KEPT[keep]})
        assert {each.by for each in decisions} == {KEPT[keep]}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"unit": "three_sentences", "span": 2}, "a span of three"),
        ({"exempt": ["("]}, "is no regular expression"),
        ({"keep": "highest"}, "score and keep"),
        ({"score": "a.b"}, "score and keep"),
        ({"min_count": 1}, "greater than or equal to 2"),
        ({"form": "cnet"}, "did you mean 'ccnet'"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(OptionError, match=message):
        LineDedup(**options)
