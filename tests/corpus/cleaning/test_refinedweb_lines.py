"""RefinedWeb's line rules against regular expressions, one rule after the other."""

import collections
import gzip
import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.kernels import refinedweb_page
from corpus.cleaning.refinedweb_lines import RefinedWebLines

COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes"
    r"|downvotes|downloads|views|followers)\W*$"
)
CUTS = {
    "line_items_in_cart": re.compile(r"\s?(?ai:items in cart)"),
    "line_read_more": re.compile(r"\s?(?ai:Read more\.\.\.)\Z"),
    "line_sign_in": re.compile(r"\A(?ai:Sign-in)\s?"),
}


def judge(line, stage):
    """The rule that drops a line before the phrases are cut, or None."""
    if not line:
        return None
    if sum(c.isupper() for c in line) / len(line) > stage.max_uppercase:
        return "line_uppercase"
    if sum(c.isdigit() for c in line) / len(line) > stage.max_digits:
        return "line_digits"
    if COUNTER.search(line.lower()):
        return "line_counter"
    return "line_too_few_words" if len(line.split()) < stage.min_words else None


def count_words(text):
    """fastText's words that begin with a letter or a number."""
    return sum(word[0].isalnum() for word in re.split("[ \n\r\t\v\f\0]+", text) if word)


def oracle(text, stage, counters):
    """(cleaned text, share of words removed)."""
    kept = []
    for line in text.split("\n") if text else []:
        rule = judge(line, stage)
        if rule:
            counters[rule] += 1
            continue
        if 0 < len(line.split()) <= stage.max_words_to_cut:
            for rule, pattern in CUTS.items():
                line, cuts = pattern.subn("", line)
                counters[rule] += cuts > 0
                if cuts and not line.strip():
                    break
            else:
                rule = None
        if rule is None:
            kept.append(line)
    counters["line_kept"] += len(kept) - (text.endswith("\n") and kept[-1:] == [""])
    cleaned = "\n".join(kept).strip()
    before, after = count_words(text), count_words(cleaned)
    return cleaned, (before - after) / max(before, 1)


def batch_of(texts, type=pa.string()):
    return pa.record_batch({"id": [f"d{i}" for i in range(len(texts))], "text": pa.array(texts, type)})


def assert_equals_oracle(texts, stage=RefinedWebLines()):
    counters = collections.Counter()
    expected = [oracle(text, stage, counters) for text in texts]
    outcome = stage.apply(batch_of(texts))
    assert outcome.rows.tolist() == [i for i, (_, share) in enumerate(expected) if share > stage.max_removed]
    assert outcome.kept["text"].to_pylist() == [t for t, share in expected if share <= stage.max_removed]
    assert outcome.values == [f"{share:.6g}" for _, share in expected if share > stage.max_removed]
    assert outcome.counters == {rule: n for rule, n in counters.items() if n}


def clean(line, **options):
    """(text, counters without line_kept) of one line."""
    outcome = RefinedWebLines(**{"max_removed": 1.0} | options).apply(batch_of([line]))
    outcome.counters.pop("line_kept", 0)
    return outcome.kept["text"][0].as_py(), outcome.counters


@pytest.mark.parametrize(
    "line, kept, rule",
    [
        ("An ordinary line of text.", ..., None),
        ("ABCD efg", ..., None),  # exactly half
        ("ABCDE fgh", None, "line_uppercase"),
        ("Ⅷ Ⓐ É", None, "line_uppercase"),
        ("12345", None, "line_digits"),
        ("١٢²①", None, "line_digits"),
        ("123 456", ..., None),
        ("3 likes", None, "line_counter"),
        ("  «1,234.5K\u3000 Followers!»", None, "line_counter"),
        ("3 li\u212aes", None, "line_counter"),
        ("٣ views", None, "line_counter"),
        ("3likes", None, "line_too_few_words"),
        ("3 like", ..., None),
        ("3K likes today", ..., None),
        (",3 likes", None, "line_counter"),
        ("3kk likes", ..., None),
        ("likes 3", ..., None),
        ("Word", None, "line_too_few_words"),
        (" ", None, "line_too_few_words"),
        ("3 Items in cart", "3", "line_items_in_cart"),
        ("items IN cart Items in cart", None, "line_items_in_cart"),
        ("Very long story Read more...", "Very long story", "line_read_more"),
        ("Very long story read moreabc", ..., None),  # DataComp-LM's wildcards would cut it
        ("Read more... about it", ..., None),
        ("read MORE...", None, "line_read_more"),
        ("Sign-in to see this", "to see this", "line_sign_in"),
        ("Please Sign-in", ..., None),
        ("one two three four five six seven items in cart", "one two three four five six seven", "line_items_in_cart"),
        ("one two three four five six seven eight items in cart", ..., None),  # eleven words
    ],
)
def test_lines(line, kept, rule):
    text, counters = clean(line)
    assert text == (line if kept is ... else kept or "")
    assert counters == ({rule: 1} if rule else {})


def test_page_is_dropped_if_over_a_twentieth_of_its_words_is_gone():
    nineteen = " ".join(["word"] * 19)
    outcome = RefinedWebLines().apply(batch_of([f"{nineteen}\nMenu", f"{nineteen[:-5]}\nMenu", "", "Menu"]))
    assert outcome.kept["text"].to_pylist() == [nineteen, ""]
    assert outcome.rows.tolist() == [1, 3]
    assert outcome.values == ["0.0526316", "1"] and set(outcome.thresholds) == {"0.05"}
    assert set(outcome.rules) == set(RefinedWebLines.rules)


def test_empty_lines_stay_and_the_page_is_stripped():
    text, counters = clean("\n\nfirst line\n\n\nMenu\nsecond line\r\n\n")
    assert text == "first line\n\n\nsecond line" and counters == {"line_too_few_words": 1}


def test_character_classes_equal_python():
    """For all characters that this Python's Unicode has assigned."""
    marks = refinedweb_page.marks()
    for code_point, mark in enumerate(marks):
        character = chr(code_point)
        if unicodedata.category(character) not in ("Cn", "Cs"):
            assert bool(mark & refinedweb_page.UPPERCASE) == character.isupper(), hex(code_point)
            assert bool(mark & refinedweb_page.DIGIT) == character.isdigit(), hex(code_point)
            assert bool(mark & refinedweb_page.DECIMAL) == character.isdecimal(), hex(code_point)


FRAGMENTS = st.sampled_from(
    [
        "word", "Word", "WORD", "É", "é", "中", "😀", "Ⅷ", "²", "٣", "12", "3", "3.4", ",", ".", "K", "k", "m", "B",
        "likes", "Likes", "li\u212aes", "v\u0130ews", "views", "comments", "followers", "like", "!", "«", "_", "\u0301",
        " ", " ", " ", " ", "\n", "\n", "\n", "\r", "\t", "\xa0", "\u3000",
        "items in cart", " Items in Cart", "item\u017f in cart",
        "Read more...", "read more..", "Sign-in", "sign-\u0131n", "Sign-in ", "3 likes\n", "one two three four ",
    ]
)  # fmt: skip
PAGES = st.lists(FRAGMENTS, max_size=30).map("".join)
ASSIGNED = st.text(st.characters(exclude_categories=["Cs", "Cn"]))


@given(st.lists(PAGES | ASSIGNED, max_size=4), st.sampled_from([0.05, 0.5, 1.0]))
@settings(deadline=None, max_examples=300)
def test_equals_oracle(pages, max_removed):
    assert_equals_oracle(pages, RefinedWebLines(max_removed=max_removed))


@given(st.lists(PAGES, max_size=3), st.floats(0, 1), st.floats(0, 1), st.integers(0, 4), st.integers(0, 6))
@settings(deadline=None)
def test_equals_oracle_with_other_thresholds(pages, uppercase, digits, words, to_cut):
    assert_equals_oracle(pages, RefinedWebLines(uppercase, digits, words, to_cut, 1.0))


def test_degenerate_pages():
    assert_equals_oracle([])
    assert_equals_oracle(["", "a", "\n", "\n" * 1000, " " * 1000, "😀" * 500, "A" * 10_000, "3 likes\n" * 1000])
    assert_equals_oracle(["one line of prose. " * 200_000])


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()], ids=str)
def test_slices_nulls_and_types(type):
    batch = batch_of([None, "kept as it is", "Menu", None, "kept\u3000too\n"], type)[1:]
    outcome = RefinedWebLines().apply(batch)
    assert outcome.kept.schema == batch.schema
    assert outcome.kept["text"].to_pylist() == ["kept as it is", "", "kept\u3000too"]
    assert outcome.kept["id"].to_pylist() == ["d1", "d3", "d4"] and outcome.rows.tolist() == [1]


def test_equals_oracle_on_real_pages(real_data):
    path = real_data / "wet" / "part-00001.warc.wet.gz"
    pages = gzip.decompress(path.read_bytes()).decode("utf-8", "replace").replace("\r\n", "\n").split("WARC/1.0")
    assert_equals_oracle(pages[:800], RefinedWebLines(max_removed=0.3))
