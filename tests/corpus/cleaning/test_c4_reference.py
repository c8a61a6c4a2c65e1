"""Every stage of C4 against C4's own code on real text, in the order of its pipeline.

Needs `pip install --no-deps tensorflow-datasets==4.9.10`; skipped without. Sentences are counted on both sides by our
rules, and by Punkt where NLTK has its model.
"""

import functools
import json

import c4_reference
import numpy as np
import pyarrow as pa
import pytest

from corpus.cleaning.bad_words import BadWords
from corpus.cleaning.c4 import C4
from corpus.cleaning.length import Length
from corpus.cleaning.mc4_paragraphs import ParagraphFilter
from corpus.cleaning.split import Split
from corpus.dedup import pieces, repeated_lines, same_url
from corpus.documents import replace_column
from corpus.io import paths
from corpus.language.detect import Language
from corpus.reading import readers
from corpus.text import punkt, sentences

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(c4_reference.path() is None, reason="tensorflow-datasets is not installed"),
]


COUNTERS = {
    "rules": lambda text: int(sentences.count_texts(pa.array([text], pa.string()))[0]),
    "punkt": lambda text: len(punkt.tokenizer().tokenize(text)),
}
"""How the reference counts the sentences of a text, by the name of our option."""


@pytest.fixture(scope="module")
def reference():
    return c4_reference.load(COUNTERS["rules"])


@pytest.fixture(scope="module")
def documents(real_data):
    """Every WET page and JSON document; one without a URL gets its id as one."""
    sources = [source for folder in ("wet", "jsonl") for source in paths.expand(str(real_data / folder))]
    options = readers.ReadOptions()
    readings = (reading for unit in readers.split(sources, options) for reading in readers.read(unit, options))
    batch = pa.Table.from_batches([reading.documents for reading in readings]).combine_chunks().to_batches()[0]
    names = [url or id_ for url, id_ in zip(batch["url"].to_pylist(), batch["id"].to_pylist())]
    return replace_column(batch, "url", pa.array(names))


def pages_of(reference, batch, language=None):
    columns = (batch[name].to_pylist() for name in ("url", "text", "date"))
    return [
        reference.PageFeatures(url, reference.normalize_url(url), text, date or "", language=language)
        for url, text, date in zip(*columns)
    ]


def assert_same(kept, pages):
    """Our documents and the reference's pages, in one order: the same URLs and texts."""
    assert kept["url"].to_pylist() == [page.url for page in pages]
    assert kept["text"].to_pylist() == [page.text for page in pages]


def newest(batch):
    """The batch after URL deduplication."""
    keys, rows = same_url.url_hashes(batch["url"])
    dropped, _ = same_url.duplicate_urls(keys, batch["date"], rows)
    return batch.filter(pa.array(~np.isin(np.arange(len(batch)), dropped)))


def without_lines(batch, counted):
    """The batch after line deduplication."""
    addresses = np.arange(len(batch))
    cuts = pieces.repeated(repeated_lines.line_keys(batch, addresses), with_owned=False)
    count = sentences.count_texts if counted == "rules" else functools.partial(punkt.count_texts, most=3)
    decided = repeated_lines.decisions(batch, addresses, cuts, count)
    texts = [text.encode() for text in batch["text"].to_pylist()]
    for decision in reversed(decided.to_pylist()):
        row = decision["row"]
        if decision["action"] == "drop":
            texts[row] = None
        else:
            texts[row] = texts[row][: decision["start"]] + texts[row][decision["end"] :]
    kept = pa.array([text is not None for text in texts])
    return replace_column(batch, "text", pa.array([t and t.decode() for t in texts], pa.string())).filter(kept)


@pytest.mark.parametrize("counted", COUNTERS)
def test_every_stage_decides_alike(documents, real_data, counted):
    if counted == "punkt":
        try:
            punkt.tokenizer()
        except ImportError as error:
            pytest.skip(str(error))
    reference = c4_reference.load(COUNTERS[counted])
    pages = pages_of(reference, documents)
    sizes = {"pages": len(pages)}

    batch = Length(max_characters=190_000).apply(documents).kept
    pages = [page for page in pages if reference.is_valid_length(page)]
    assert_same(batch, pages)
    sizes["length"] = len(pages)

    batch = newest(batch)
    groups = {}
    for page in pages:
        groups.setdefault(page.normalized_url, []).append(page)
    selected = {id(reference.select_newest_page(group)) for group in groups.values()}
    pages = [page for page in pages if id(page) in selected]
    assert_same(batch, pages)
    sizes["url_dedup"] = len(pages)

    assert_same(ParagraphFilter().apply(batch).kept, list(filter(reference.paragraph_filter, pages)))

    reference.counters.clear()
    outcome = C4(sentences=counted).apply(batch)
    clean_page = reference.get_clean_page_fn()
    pages = [cleaned for page in pages for cleaned in clean_page(page)]
    assert_same(batch := outcome.kept, pages)
    sizes["c4"] = len(pages)
    seen = {name: n for (space, name), n in reference.counters.items() if space == "clean-page"}
    names = {"line_word_too_long": "too_long_word", "line_no_end_mark": "no_endmark", "line_too_few_words": "too_short"}
    names |= {"line_javascript": "javascript", "line_policy": "policy"}
    for ours, theirs in names.items():
        assert outcome.counters.get(ours, 0) == seen.get(f"line-filtered:{theirs}", 0)
    assert outcome.counters["line_kept"] == seen["line-passed"]
    names = {"lorem_ipsum": "loremipsum", "curly_bracket": "squigglybracket", "too_few_sentences": "too_few_sentences"}
    for ours, theirs in names.items():
        assert outcome.rules.count(ours) == seen.get(f"filtered:{theirs}", 0)

    batch = without_lines(batch, counted)
    order = {page.url: i for i, page in enumerate(pages)}
    pages = reference.remove_duplicate_text(c4_reference.Collection(pages)).items
    pages.sort(key=lambda page: order[page.url])
    assert_same(batch, pages)
    sizes["line_dedup"] = len(pages)

    batch = Language(keep=("en",)).apply(batch).kept
    pages = [found for page in pages for found in reference.detect_english(page)]
    assert_same(batch, pages)
    sizes["language"] = len(pages)

    for fraction in (1.0, 0.5):
        words = [line.strip() for line in open(real_data / "badwords" / "en", encoding="utf-8")]
        passes = reference.get_badwords_filter_fn({"en": set(words)}, fraction)
        expected = list(filter(passes, pages))
        assert_same(BadWords(str(real_data / "badwords"), drop_fraction=fraction).apply(batch).kept, expected)
        sizes[f"bad_words {fraction:g}"] = len(expected)

    for every in (1000, 10):
        in_validation = reference.get_hashed_url_filter_fn(lambda value, every=every: value % every == 0)
        expected = list(filter(in_validation, pages))
        assert_same(Split(every, "validation").apply(batch).kept, expected)
        sizes[f"validation of {every}"] = len(expected)
    print(json.dumps(sizes))


def test_bad_words_of_every_language(reference, documents, real_data):
    """Each list on all texts, cut short, as though they were of its language."""
    import re

    short = pa.array([text[:3000] for text in documents["text"].to_pylist()])
    batch = replace_column(documents, "text", short).slice(0, 4000)
    folder = real_data / "badwords"
    lists = {}
    for path in sorted(folder.iterdir()):
        if re.fullmatch(r"[a-z]{2,3}(-.*)?", path.name):
            entries = {line.strip() for line in open(path, encoding="utf-8")} - {""}
            lists.setdefault(path.name.split("-")[0], set()).update(entries)
    allowed = {"ja": {"sm", "グロ", "女の子"}, "zh": {"性"}}  # _BADWORDS_ALLOWLIST of text/c4.py
    for language, words in lists.items():
        passes = reference.get_badwords_filter_fn({language: words - allowed.get(language, set())}, 0.999)
        expected = list(filter(passes, pages_of(reference, batch, language)))
        assert_same(BadWords(str(folder), language, 0.999).apply(batch).kept, expected)


def test_wet_reader(reference, real_data):
    """Pages of WET files: the same but for what c4_utils does to their lines, which our reader leaves be."""
    compared = 0
    for source in paths.expand(str(real_data / "wet")):
        unit = readers.Unit(source.path, "warc")
        batches = [reading.documents for reading in readers.read(unit, readers.ReadOptions())]
        ours = {url: text for b in batches for url, text in zip(b["url"].to_pylist(), b["text"].to_pylist())}
        for page in reference.split_wet_file(source.path):
            stripped = [line.strip() for line in ours.pop(page.url).split("\n")]
            kept = [line for line in stripped if line and not line.startswith(("WARC", "CONTENT-", "Content-"))]
            assert page.text == "\n".join(kept), page.url
            compared += 1
        print(source.path.rpartition("/")[2], compared, "pages; ours alone:", len(ours))
    assert compared > 10_000
