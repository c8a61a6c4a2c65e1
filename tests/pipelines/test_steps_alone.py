"""Every global step by itself against the brute forces of its kernels: in several shards and batches, after other
steps, with empty documents and with none. `one_step.decide` holds what a run says of itself to the decisions, too."""

import itertools

import clusters_oracle
import grams_oracle
import lines_oracle
import pytest
import runs_oracle
import spans_oracle
import windows_oracle
from corpora import write_jsonl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from one_step import ONE_FILE_A_SHARD, ONE_SHARD, SHARDS_TOGETHER, Decision, applied, decide, document, observe
from shingle_oracle import jaccard
from urls_oracle import select_newest_page

from pipelines import recipe as recipes
from pipelines.run import run
from tokenizer_training import train_tokenizer

FEW = settings(deadline=None, max_examples=10, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""A run is too slow for many, and for making a failure small."""

DIVISIONS = [
    *((size, ONE_FILE_A_SHARD) for size in (1, 2)),
    *((size, SHARDS_TOGETHER) for size in (1, 2)),
    *((size, ONE_SHARD) for size in (2, 100)),
]
"""How documents are divided: so many together, as a shard, each read by a task of its own or not, or as a batch."""
divisions = pytest.mark.parametrize("size, division", DIVISIONS)

CUTS = {"substring_dedup": {"min_length": 9, "min_remaining": 0}}
BEFORE = st.sampled_from([[], ["url_removal"], ["url_removal", "url_dedup", CUTS]])
"""Steps that leave texts empty, drop documents, and cut texts, also to nothing."""

URLS = [
    "http://one.example/a",
    "https://www.one.example/a/",
    "http://two.example/é",
    "http://two.example/é?ref=x",
    None,
]
KEYS = ["one", "one", "two", "two", None]
DATES = [None, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]


def parts_of(documents, size):
    return [documents[i : i + size] for i in range(0, len(documents), size)]


def named(texts, urls=itertools.repeat(None)):
    """Documents "0", "1" and on."""
    return [document(str(i), text, url) for i, (text, url) in enumerate(zip(texts, urls))]


def drop(name, reason, by, score=None):
    return Decision(name, "drop", None, None, reason, by, score)


def cut(name, start, end, reason, by, score=None):
    return Decision(name, "cut", start, end, reason, by, score)


def corpora(text, before=BEFORE):
    """(documents with these texts, options of `observe`, how many go together)."""
    rows = st.lists(st.tuples(text, st.sampled_from(URLS), st.sampled_from(DATES)), min_size=1, max_size=12)
    documents = rows.map(lambda rows: [document(str(i), *row) for i, row in enumerate(rows)])
    options = st.fixed_dictionaries(
        {"before": before, "division": st.sampled_from([ONE_FILE_A_SHARD, SHARDS_TOGETHER, ONE_SHARD])}
    )
    return st.tuples(documents, options, st.integers(1, 5))


# exact_dedup


def equal_texts(seen, key=lambda text: text):
    first = {}
    by = {name: first.setdefault(key(text), name) for name, text in seen.items()}
    return [drop(name, "duplicate", kept) for name, kept in by.items() if kept != name]


@divisions
def test_exact_dedup_keeps_the_first(size, division):
    parts = parts_of(named(["同じ 文章", "x", "同じ 文章", "X\n", "同じ\u3000文章", "x", "同じ 文章"]), size)
    assert decide("exact_dedup", parts, division=division) == [
        drop("2", "duplicate", "0"),
        drop("5", "duplicate", "1"),
        drop("6", "duplicate", "0"),
    ]
    normalized = decide({"exact_dedup": {"normalize": "whitespace_case"}}, parts, division=division)
    assert [(each.id, each.by) for each in normalized] == [("2", "0"), ("3", "1"), ("4", "0"), ("5", "1"), ("6", "0")]


@FEW
@given(
    corpora(
        st.sampled_from(
            ["a", "A ", "Привет мир", "привет  МИР", "http://a.example", "http://b.example", "the longer text"]
        )
    ),
    st.booleans(),
)
def test_exact_dedup_equals_a_dictionary(case, normalized):
    documents, options, size = case
    step = {"exact_dedup": {"normalize": "whitespace_case" if normalized else "none"}}
    decisions, seen, _ = observe(step, parts_of(documents, size), **options)
    assert decisions == equal_texts(seen, lambda text: " ".join(text.lower().split()) if normalized else text)


# url_dedup


def same_pages(seen, documents):
    """URLS[i] is an address of the page KEYS[i]."""
    rows, newest = {row["id"]: row for row in documents}, {}
    key = {name: KEYS[URLS.index(rows[name]["url"])] for name in seen}
    for each in filter(None, KEYS):
        newest[each] = select_newest_page((name, rows[name]["date"] or "") for name in seen if key[name] == each)
    return [drop(name, "duplicate_url", newest[k][0]) for name, k in key.items() if k and newest[k][0] != name]


@divisions
def test_url_dedup_keeps_the_newest(size, division):
    dated = [(0, 1), (4, 1), (1, 2), (2, 0), (4, 1), (0, 2), (3, 0)]
    documents = [document(str(i), f"text {i}", URLS[url], DATES[date]) for i, (url, date) in enumerate(dated)]
    decisions = decide("url_dedup", parts_of(documents, size), division=division)
    assert decisions == [
        drop("0", "duplicate_url", "2"),
        drop("5", "duplicate_url", "2"),
        drop("6", "duplicate_url", "3"),
    ]


@FEW
@given(corpora(st.sampled_from(["a", "b", "http://a.example"]), st.sampled_from([[], ["url_removal", "exact_dedup"]])))
def test_url_dedup_equals_the_reference(case):
    documents, options, size = case
    decisions, seen, _ = observe("url_dedup", parts_of(documents, size), **options)
    assert decisions == same_pages(seen, documents)


# near_dedup


def near(seen, threshold, ngram, mode="leader"):
    names, texts = list(seen), list(seen.values())
    pairs = itertools.combinations(range(len(texts)), 2)
    edges = {(i, j): s for i, j in pairs if (s := jaccard(texts[i], texts[j], ngram)) >= threshold}
    find = clusters_oracle.leaders if mode == "leader" else clusters_oracle.components
    return [drop(names[d], "near_duplicate", names[by], score) for d, (by, score) in find(edges, len(names)).items()]


@divisions
def test_near_dedup_drops_what_is_at_the_threshold_and_nothing_below(size, division):
    texts = [
        "один два три четыре",  # four words
        "nothing of the others",
        "ОДИН, два - три! пять",  # 3 of 5: 0.6
        "один два шесть семь",  # 2 of 6: 0.33
        "три четыре один два",  # all of the first
        "пять три два восемь",  # 3 of 5 of the third, which is dropped, 2 of 6 of the first
        "...",
        "...",
    ]
    options = {"threshold": 0.6, "ngram": 1, "recall": 1 - 1e-12}
    decisions, _, figures = observe({"near_dedup": options}, parts_of(named(texts), size), division=division)
    assert decisions == [drop("2", "near_duplicate", "0", 0.6), drop("4", "near_duplicate", "0", 1.0)]
    assert (figures["clusters"], figures["dropped"], figures["largest"]) == (1, 2, 3)
    decisions = decide(
        {"near_dedup": {**options, "mode": "components"}}, parts_of(named(texts), size), division=division
    )
    assert decisions == [
        drop("2", "near_duplicate", "0", 0.6),
        drop("4", "near_duplicate", "0", 1.0),
        drop("5", "near_duplicate", "0"),
    ]


words = st.lists(
    st.sampled_from(["a", "B", "çÉ", "日本語", "𐐀𐐨", "7_", "http://a.example"]), min_size=1, max_size=9
).map(" ".join)


@FEW
@given(
    corpora(words), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.integers(1, 3), st.sampled_from(["leader", "components"])
)
def test_near_dedup_equals_all_pairs(case, threshold, ngram, mode):
    documents, options, size = case
    step = {"near_dedup": {"threshold": threshold, "ngram": ngram, "mode": mode, "recall": 1 - 1e-12}}
    decisions, seen, _ = observe(step, parts_of(documents, size), **options)
    assert decisions == near(seen, threshold, ngram, mode)


# substring_dedup


def substrings(seen, min_length, unit, keep, snap, min_remaining, separator):
    names, texts = list(seen), list(seen.values())
    documents = [runs_oracle.units(text, unit) for text in texts]
    if keep == "first":
        starts, gone = runs_oracle.keep_first(documents, min_length, min_remaining=min_remaining)
    else:
        starts = {place: first for place, (first, _) in runs_oracle.repeated(documents, min_length).items()}
        gone = []
    found = []
    for number, (name, text) in enumerate(seen.items()):
        here = [start for document, start in starts if document == number]
        ranges = runs_oracle.ranges(here, min_length)
        left = sum(map(len, runs_oracle.left(documents[number], here, min_length)))
        if number in gone or (keep == "none" and here and left < min_remaining):
            by = names[starts[number, ranges[-1][0]]]
            found.append(drop(name, "nothing_left", by, float(left)))
            continue
        cuts = []
        for start, end in ranges:
            if bounds := windows_oracle.snapped(text.encode(), *runs_oracle.in_bytes(text, unit, start, end), snap):
                by, size = names[starts[number, start]], float(bounds[1] - bounds[0])
                cuts.append(Decision(name, "cut", *bounds, "repeated", by, size, separator or None))
        bare = [each._replace(separator=None) for each in cuts]
        if cuts and not "".join(applied({name: text}, bare).values()).strip():
            cuts = [drop(name, "nothing_left", cuts[-1].by, 0.0)]
        found += cuts
    return found


@divisions
def test_substring_dedup_cuts_what_stands_already(size, division):
    passage = "über die Brücke "  # 18 bytes
    texts = [
        f"Er ging {passage}nach Hause.",
        "Sonst nichts.",
        f"Sie ging {passage}zurück.",
        passage,
        f"é{passage}und {passage}ü",
        f"ß{passage}",
    ]
    parts = parts_of(named(texts), size)
    step = {"min_length": 18, "min_remaining": 3, "snap": "character", "separator": ""}
    expected = [
        cut("2", 3, 27, "repeated", "0", 24.0),  # " ging " is before it in both
        drop("3", "nothing_left", "0", 0.0),
        cut("4", 2, 20, "repeated", "0", 18.0),
        cut("4", 23, 42, "repeated", "0", 19.0),  # with the space before it
        drop("5", "nothing_left", "0", 2.0),
    ]
    decisions, _, figures = observe({"substring_dedup": step}, parts, division=division)
    assert decisions == expected
    assert figures == {
        "unit": "bytes", "units": sum(len(text.encode()) for text in texts),
        "repeated_windows": 19, "distinct_windows": 7, "cuts_asked": 3, "units_asked": 61, "documents": 4,
        "most_frequent": [
            {"places": 6, "documents": 5, "text": passage, "bytes": 18, "domain": ""},
        ],
    }  # fmt: skip
    assert [each.id for each in decide({"substring_dedup": {**step, "snap": "line"}}, parts, division=division)] == [
        "3",
        "5",
    ]


@pytest.mark.parametrize("min_remaining", [0, 1, 3])
def test_what_substring_dedup_leaves_of_white_space_alone_goes(min_remaining):
    passage = "the same passage of words"
    texts = [passage, f"\n \n{passage}\n\n", f"{passage} and more", passage]
    step = {"substring_dedup": {"min_length": 20, "min_remaining": min_remaining, "snap": "character"}}
    assert decide(step, parts_of(named(texts), 2)) == [
        drop("1", "nothing_left", "0", 0.0),
        cut("2", 0, 25, "repeated", "0", 25.0)._replace(separator="\n"),
        drop("3", "nothing_left", "0", 0.0),
    ]


def test_what_is_removed_is_counted_by_domain_and_length(tmp_path):
    passage = "the same passage of words"
    texts = [passage, f"{passage} and more", passage, f"or {passage} twice, {passage}"]
    urls = ["http://a.example/", "http://www.b.example/1", "http://b.example/2", None]
    write_jsonl(tmp_path / "in.jsonl", [document(str(i), *row) for i, row in enumerate(zip(texts, urls))])
    step = {"min_length": 20, "snap": "character"}
    recipe = recipes.parse({"input": [str(tmp_path / "in.jsonl")], "steps": [{"substring_dedup": step}]})
    figures = run(recipe, str(tmp_path / "out")).figures["substring_dedup"]
    assert figures["removed_by_domain"] == [
        {"name": "b.example", "bytes": 50, "documents": 2}, {"name": "", "bytes": 50, "documents": 1},
    ]  # fmt: skip
    assert [(row["bytes"], row["documents"]) for row in figures["removed_by_source"]] == [(100, 3)]
    assert figures["cuts_by_length"] == [{"length": "16 to 31 bytes", "cuts": 3, "bytes": 75}]


pieces = st.lists(
    st.sampled_from(["a", "b ", "é", "漢字。", "A", "cde. A", "😀\n", "http://a.example "]), min_size=1, max_size=12
).map("".join)


@FEW
@given(
    corpora(pieces),
    st.integers(2, 9),
    st.sampled_from(["bytes", "characters", "words"]),
    st.sampled_from(["first", "none"]),
    st.sampled_from(["character", "word", "line", "sentence"]),
    st.integers(0, 6),
    st.sampled_from(["", "\n", " ... "]),
)
def test_substring_dedup_equals_going_through_the_corpus(
    case, min_length, unit, keep, snap, min_remaining, separator
):  # fmt: skip
    documents, options, size = case
    asked = {"min_length": min_length, "unit": unit, "keep": keep, "snap": snap, "separator": separator}
    step = {"substring_dedup": {**asked, "min_remaining": min_remaining}}
    decisions, seen, _ = observe(step, parts_of(documents, size), **options)
    assert decisions == substrings(seen, min_length, unit, keep, snap, min_remaining, separator)


def test_substring_dedup_by_tokens(tmp_path):
    tokenizer = str(tmp_path / "tokenizer")
    train_tokenizer(["to be or not to be"], tokenizer, family="byte")
    texts = ["He said: to be or not to be", "é to be or not to bé", "Nothing"]
    asked = {"unit": "tokens", "tokenizer": tokenizer, "min_length": 15, "snap": "character"}
    parts = parts_of(named(texts), 1)
    cuts = decide({"substring_dedup": asked}, parts)
    expected = decide({"substring_dedup": {"min_length": 15, "snap": "character"}}, parts)
    assert cuts == expected and len(cuts) == 1


# line_dedup


def url_of(row):
    return row["url"] or row["id"]


def with_urls(documents):
    """The documents each with a URL of its own; every third without, so that it goes by its id."""
    return [{**row, "url": None if i % 3 == 2 else f"http://site{i}.example/"} for i, row in enumerate(documents)]


def left_of(seen, decisions):
    """{id: what is left of a text, or (the reason why it was dropped,)}."""
    return {**applied(seen, decisions), **{each.id: (each.reason,) for each in decisions if each.action == "drop"}}


@divisions
def test_line_dedup_keeps_a_line_with_the_smallest_md5(size, division):
    first, second, third = sorted((f"http://site{i}.example/" for i in range(3)), key=lines_oracle.md5)
    shared = "これは。 Shared by all. It is."
    documents = [
        document("0", f"Mine. Two. Three.\n{shared}", second),
        document("1", f"{shared}\nOther. Words. Here.\n {shared.upper()}\t", first),
        document("2", shared, third),
        document("3", "One. Two."),
    ]
    expected = [
        cut("0", 17, 18 + len(shared.encode()), "global_duplicate", "1"),
        cut("1", 54, 54 + 3 + len(shared.encode()), "local_duplicate", "1"),
        drop("2", "empty", "1", 0.0),
        drop("3", "too_few_sentences", None, 2.0),
    ]
    assert decide("line_dedup", parts_of(documents, size), division=division) == expected


LINES = ["", " ", "One is here.", "ONE is here.", " Two are!", "Größer?", "größer?", "四 here.", "http://a.example"]


@FEW
@given(
    corpora(
        st.lists(st.sampled_from(LINES), min_size=1, max_size=5).map("\n".join),
        st.sampled_from([[], ["url_removal"], ["exact_dedup", CUTS]]),
    )
)
def test_line_dedup_equals_the_reference(case):
    documents, options, size = case
    documents = with_urls(documents)
    urls = {row["id"]: url_of(row) for row in documents}
    ids = {url: name for name, url in urls.items()}
    decisions, seen, _ = observe({"line_dedup": {"min_sentences": 0}}, parts_of(documents, size), **options)
    pages = {urls[name]: text for name, text in seen.items()}
    assert {urls[name]: left for name, left in left_of(seen, decisions).items()} == lines_oracle.reference(
        pages, None, 0
    )
    owners = lines_oracle.owners(pages)
    for each in decisions:
        if each.action == "cut":
            line = seen[each.id].encode()[each.start : each.end].decode()
            assert each.by == ids[owners[lines_oracle.md5(line.strip().lower())]] and each.score is None
            assert each.reason == ("local_duplicate" if each.by == each.id else "global_duplicate")


SENTENCES = ["One.", "ONE.", "Two is!", "Drei größer?", "😀 here.", 'So "five."']
lines_of_sentences = st.lists(st.lists(st.sampled_from(SENTENCES), max_size=4), min_size=1, max_size=3)


@FEW
@given(
    st.lists(lines_of_sentences, min_size=1, max_size=8),
    st.sampled_from([0, 3]),
    st.integers(1, 4),
    st.sampled_from([[], ["exact_dedup"]]),
)
def test_line_dedup_of_three_sentences_equals_the_rule(texts, min_sentences, size, before):
    documents = with_urls(named(map(spans_oracle.join, texts)))
    step = {"line_dedup": {"unit": "three_sentences", "min_sentences": min_sentences}}
    decisions, seen, _ = observe(step, parts_of(documents, size), before=before)
    pages = {url_of(row): page for row, page in zip(documents, texts) if row["id"] in seen}
    expected = spans_oracle.reference(pages, min_sentences=min_sentences)
    assert {url_of(documents[int(name)]): left for name, left in left_of(seen, decisions).items()} == expected
    spans = {str(i): set(spans_oracle.spans(page)) for i, page in enumerate(texts)}
    assert all(spans[each.id] & spans[each.by] for each in decisions if each.by)


# decontaminate


def contaminated(seen, items, ngram, min_words, rule, min_overlap):
    """`items`: {name: its texts}."""
    found = []
    for name, text in seen.items():
        best = None
        for item, texts in items.items():
            grams = grams_oracle.grams_of(texts, ngram, min_words)
            held = len(grams_oracle.held(text, grams))
            if held and (rule == "any" or held / len(grams) >= min_overlap) and (best is None or held > best[0]):
                best = held, item, held / len(grams)
        if best:
            found.append(drop(name, rule, best[1], best[2]))
    return found


@divisions
def test_decontaminate_names_the_item(tmp_path, size, division):
    write_jsonl(
        tmp_path / "set.jsonl",
        [{"id": "long", "text": "а б в г д е ж"}, {"id": "short", "text": "в г д"}, {"id": "tiny", "text": "в г"}],
    )
    texts = ["nothing", "А, Б, В!", "x в г д е y", "в г", "в г д"]
    step = {"against": [str(tmp_path / "*.jsonl")], "ngram": 3, "min_words": 3}
    parts = parts_of(named(texts), size)
    decisions, _, figures = observe({"decontaminate": step}, parts, division=division)
    long, short = "set.jsonl:long", "set.jsonl:short"
    assert decisions == [drop("1", "any", long, 0.2), drop("2", "any", long, 0.4), drop("4", "any", long, 0.2)]
    assert (figures["evaluation_files"], figures["items"], figures["items_too_short_to_check"]) == (1, 3, 1)
    assert figures["items_among_themselves"] == {
        "empty": 0, "too_short_to_check": 1, "identical_in_another_set": 0, "contained_in_another": 1
    }  # fmt: skip
    assert figures["sets"]["set"]["rules"]["longest"]["unchecked"] == 3  # none has eight words
    decisions = decide({"decontaminate": {**step, "rule": "overlap", "min_overlap": 0.4}}, parts, division=division)
    assert decisions == [drop("2", "overlap", long, 0.4), drop("4", "overlap", short, 1.0)]


prose = st.lists(st.sampled_from(["a", "b", "A", "é", "漢字", "http://a.example"]), min_size=1, max_size=12).map(
    " ".join
)
evaluation = st.lists(st.lists(prose, max_size=2), max_size=4)


@FEW
@given(
    corpora(prose), evaluation, st.integers(1, 3), st.integers(0, 2), st.sampled_from([("any", 0.0), ("overlap", 0.5)])
)
def test_decontaminate_equals_brute_force(tmp_path_factory, case, texts, min_words, longer, rule):
    documents, options, size = case
    folder = tmp_path_factory.mktemp("evaluation")
    items = {f"set.jsonl:{i}": each for i, each in enumerate([["a b a b a b"], *texts])}
    write_jsonl(folder / "set.jsonl", [{"id": i, "text": each} for i, each in enumerate(items.values())])
    step = {
        "against": [str(folder)],
        "ngram": min_words + longer,
        "min_words": min_words,
        "rule": rule[0],
        "min_overlap": rule[1],
    }
    decisions, seen, _ = observe({"decontaminate": step}, parts_of(documents, size), **options)
    assert decisions == contaminated(seen, items, min_words + longer, min_words, *rule)


# Corpora of nothing


ALL = [
    "exact_dedup",
    "url_dedup",
    "near_dedup",
    "substring_dedup",
    {"line_dedup": {"min_sentences": 0}},
    "decontaminate",
]


@pytest.mark.parametrize("step", ALL, ids=lambda step: step if isinstance(step, str) else next(iter(step)))
def test_nothing_to_decide(tmp_path, step):
    if step == "decontaminate":
        write_jsonl(tmp_path / "set.jsonl", [{"text": "a text of the evaluation set that is not in the corpus at all"}])
        step = {"decontaminate": {"against": [str(tmp_path / "set.jsonl")]}}
    write_jsonl(tmp_path / "in.jsonl", [{"text": "Nothing."}])  # nothing is left of this corpus
    recipe = recipes.parse({"input": str(tmp_path / "in.jsonl"), "steps": [{"length": {"min_words": 3}}, step]})
    assert run(recipe, str(tmp_path / "out"), workers=0).report["documents"]["kept"] == 0
    assert decide(step, [[document("0", "One text. It is alone. " * 9, URLS[0])], []]) == []
    gone = [document(str(i), "The same text. In all of them.", URLS[0]) for i in range(3)]
    assert observe(step, parts_of(gone, 1), before=["url_dedup"]).seen == {"0": gone[0]["text"]}  # two shards are empty
    assert observe(step, parts_of(gone, 1), before=["url_dedup"]).decisions == []
