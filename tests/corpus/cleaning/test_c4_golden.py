"""C4's stages against what C4's own code made of the same texts (oracles/make_c4_golden.py)."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pytest

from corpus.cleaning.bad_words import BadWords
from corpus.cleaning.c4 import C4
from corpus.cleaning.length import Length
from corpus.cleaning.mc4_paragraphs import ParagraphFilter
from corpus.cleaning.split import Split
from corpus.dedup import pieces, repeated_lines, same_url
from corpus.text import sentences

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "oracles" / "c4_golden.json").read_text())
COUNTERS = {
    "line_word_too_long": "line-filtered:too_long_word",
    "line_no_end_mark": "line-filtered:no_endmark",
    "line_too_few_words": "line-filtered:too_short",
    "line_javascript": "line-filtered:javascript",
    "line_policy": "line-filtered:policy",
    "line_kept": "line-passed",
}
DROPPED = {
    "lorem_ipsum": "filtered:loremipsum",
    "curly_bracket": "filtered:squigglybracket",
    "too_few_sentences": "filtered:too_few_sentences",
}


def batch_of(texts, **columns):
    ids = pa.array([f"d{i}" for i in range(len(texts))], pa.string())
    return pa.record_batch({"id": ids, "text": pa.array(texts, pa.string()), **columns})


@pytest.mark.parametrize("page", GOLDEN["clean_page"], ids=lambda page: repr(page["text"][:40]))
def test_clean_page(page):
    outcome = C4().apply(batch_of([page["text"]]))
    assert outcome.kept["text"].to_pylist() == ([] if page["cleaned"] is None else [page["cleaned"]])
    counters = {COUNTERS[name]: n for name, n in outcome.counters.items() if name in COUNTERS}
    counters |= {DROPPED[rule]: 1 for rule in outcome.rules} or {"passed": 1}
    assert counters == page["counters"]


def test_the_golden_pages_meet_every_rule():
    met = {name for page in GOLDEN["clean_page"] for name in page["counters"]}
    assert met == {*COUNTERS.values(), *DROPPED.values(), "passed"}


def test_page_length():
    for size, valid in GOLDEN["page_length"]:
        assert Length(max_characters=190_000).apply(batch_of(["x" * size])).kept.num_rows == valid


def test_urls():
    assert [[url, same_url.normalize_url(url)] for url, _ in GOLDEN["normalize_url"]] == GOLDEN["normalize_url"]


def test_newest_page():
    names, dates = zip(*GOLDEN["newest"]["pages"])
    keys, rows = same_url.url_hashes(pa.array(names))
    dropped, _ = same_url.duplicate_urls(keys, pa.array(dates), rows)
    assert sorted({*range(len(names))} - set(dropped.tolist())) == GOLDEN["newest"]["kept"]


def test_paragraphs():
    texts, kept = zip(*GOLDEN["paragraph_filter"])
    outcome = ParagraphFilter().apply(batch_of(texts))
    assert outcome.rows.tolist() == [i for i, passes in enumerate(kept) if not passes]


@pytest.mark.parametrize("least", [3, 0])
def test_duplicate_lines(least):
    golden = GOLDEN["remove_duplicate_text"]
    names, texts = zip(*golden["pages"].items())
    batch = batch_of(texts, url=pa.array(names))
    addresses = np.arange(len(batch))
    cuts = pieces.sort(pieces.repeated(repeated_lines.line_keys(batch, addresses), with_owned=False))
    left = dict(zip(names, texts))
    for decision in reversed(
        repeated_lines.decisions(batch, addresses, cuts, sentences.count_texts, least).to_pylist()
    ):
        url, start, end = names[decision["row"]], decision["start"], decision["end"]
        left[url] = left[url][:start] + left[url][end:] if decision["action"] == "cut" else None
    assert {url: text for url, text in left.items() if text is not None} == golden["kept"][str(least)]


@pytest.mark.parametrize("language", ["en", "th"])
def test_bad_words(tmp_path, language):
    golden = GOLDEN["bad_words"]
    (tmp_path / language).write_text("\n".join(golden["words"]), encoding="utf-8")
    outcome = BadWords(str(tmp_path), language).apply(batch_of(golden["texts"]))
    assert outcome.rows.tolist() == [i for i, kept in enumerate(golden["kept"][language]) if not kept]


@pytest.mark.parametrize("fraction", [0.999, 0.3])
def test_spared_by_the_url(tmp_path, fraction):
    golden = GOLDEN["bad_words"]
    (tmp_path / "en").write_text("mud\n")
    batch = batch_of(["mud"] * len(golden["urls"]), url=pa.array(golden["urls"]))
    outcome = BadWords(str(tmp_path), drop_fraction=fraction).apply(batch)
    assert outcome.rows.tolist() == [i for i, spared in enumerate(golden["spared"][str(fraction)]) if not spared]


def test_validation_split():
    names, chosen = zip(*GOLDEN["validation"])
    batch = batch_of(names, url=pa.array(names))
    assert Split(20, "train").apply(batch).rows.tolist() == [i for i, c in enumerate(chosen) if c]
    assert any(chosen)
