"""Bad words against the regular expressions of c4_utils.get_badwords_filter_fn."""

import hashlib
import io
import json
import pathlib
import re

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning import bad_words
from corpus.cleaning.bad_words import BadWords, build_trie, first_entries


def expression(words, language):
    """The pattern that c4_utils searches in the lower-cased page."""
    alternatives = "|".join(re.escape(word) for word in words)
    if language in ("ja", "th", "zh"):
        return re.compile(alternatives)
    return re.compile(rf"(?:\W|^)({alternatives})(?:\W|$)")


def found_by(words, texts, language="en"):
    entries = first_entries(pa.array(texts, pa.string()), build_trie(tuple(words)), language in bad_words.ANYWHERE)
    return [words[i] if i >= 0 else None for i in entries]


def batch_of(texts, **columns):
    return pa.record_batch(
        {"id": [f"d{i}" for i in range(len(texts))], "text": pa.array(texts, pa.string()), **columns}
    )


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    lists = {
        "en": "darn\n2 girls\n\n heck  \n\U0001f595\nUpper\n",
        "fr": "zut\n",
        "fr-CA-u-sd-caqc": "tabarnak\n",
        "ja": "sm\nグロ\nくそ\n",
        "zh": "性\n坏\n",
        "README.md": "readme",
        "LICENSE": "license",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "text, word",
    [
        ("Well, DARN it", "darn"),
        ("darn", "darn"),
        ("darn\n", "darn"),
        ("darned", None),
        ("x_darn", None),
        ("édarn", None),
        ("darné", None),
        ("1darn", None),
        ("«darn»", "darn"),
        ("2 girls 1", "2 girls"),
        ("12 girls", None),
        ("heck", "heck"),
        ("hec\u212a", "heck"),  # the Kelvin sign is a k in lower case
        ("a \U0001f595 b", "\U0001f595"),
        ("a\U0001f595", None),
        ("upper Upper", None),  # the list has a capital, the lower-cased text has none
        ("darned darn", "darn"),
        ("heck darn", "heck"),
        ("", None),
        ("readme license zut", None),
    ],
)
def test_flanks(folder, text, word):
    outcome = BadWords(str(folder)).apply(batch_of([text]))
    assert outcome.values == ([word] if word else [])
    assert outcome.kept.num_rows == (0 if word else 1)


def test_outcome(folder):
    batch = batch_of(["fine", "darn", None, "oh heck!"], extra=[1, 2, 3, 4])
    outcome = BadWords(str(folder)).apply(batch)
    assert outcome.kept == batch.take(pa.array([0, 2]))
    assert outcome.rows.tolist() == [1, 3]
    assert outcome.rules == ["bad_word"] * 2
    assert outcome.thresholds == ["none of the en list"] * 2
    assert BadWords(str(folder / "fr"), language="fr").apply(batch_of(["zut alors"])).values == ["zut"]
    assert BadWords(str(folder)).apply(batch.slice(0, 0)).kept.num_rows == 0


def test_language_of_each_document(folder):
    texts = ["darn zut", "darn zut", "tabarnak", "これはくそだ", "グロsm", "坏人", "性", "darn", "darn"]
    languages = ["en", "fr", "fr-be", "ja", "ja", "zh-cn", "zh-tw", "sv", None]
    batch = batch_of(texts, language=languages)
    outcome = BadWords(str(folder), language="auto").apply(batch)
    assert dict(zip(outcome.rows.tolist(), outcome.values)) == {0: "darn", 1: "zut", 2: "tabarnak", 3: "くそ", 5: "坏"}
    with pytest.raises(ValueError, match="no column `language`"):
        BadWords(str(folder), language="auto").apply(batch_of(["x"]))


def test_lists_that_are_read(folder):
    assert BadWords(str(folder), "fr").inputs() == [str(folder / "fr"), str(folder / "fr-CA-u-sd-caqc")]
    assert len(BadWords(str(folder), "auto").inputs()) == 5
    assert BadWords(str(folder / "fr"), "fr").inputs() == [str(folder / "fr")]
    for path, language in ((folder, "sv"), (folder / "none", "en")):
        with pytest.raises(FileNotFoundError, match=language):
            BadWords(str(path), language).inputs()
    with pytest.raises(ValueError, match="one list"):
        BadWords(str(folder / "fr"), "auto").inputs()
    with pytest.raises(ValueError, match="should be less than or equal to 1"):
        BadWords(str(folder), drop_fraction=1.5)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.999, 1.0])
def test_share_that_is_spared(folder, fraction):
    urls = [f"https://www.site{i}.org/page/" for i in range(300)] + [None]
    batch = batch_of(["darn"] * len(urls), url=urls)
    outcome = BadWords(str(folder), drop_fraction=fraction).apply(batch)
    numerator, denominator = float.as_integer_ratio(fraction)
    keys = [f"site{i}.org/page" for i in range(300)] + ["d300"]
    kept = [int(hashlib.md5(key.encode()).hexdigest(), 16) % denominator >= numerator for key in keys]
    assert outcome.kept.column("id").to_pylist() == [f"d{i}" for i, keep in enumerate(kept) if keep]
    assert abs(outcome.kept.num_rows / 301 - (1 - fraction)) < 0.1
    assert outcome.counters == ({} if fraction == 1.0 else {"spared": sum(kept)})


PIECES = ["ab", "aba", "b", "é", "σ", "Σ", "ς", "K", "\u212a", "İ", "😀", " ", "-", "_", "\n", "\u0301", "7", ""]
TEXT = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
WORDS = st.lists(st.sampled_from(["ab", "ab-", "abab", "b", "é", "ς", "k", "😀", "i\u0307", "a b", "b7"]), min_size=1)


@settings(deadline=None, max_examples=200)
@given(st.lists(TEXT, max_size=5), WORDS, st.sampled_from(["en", "ja"]))
def test_equals_the_expression(texts, words, language):
    words = list(dict.fromkeys(words))
    pattern = expression(words, language)
    for text, word in zip(texts, found_by(words, texts, language)):
        match = pattern.search(text.lower())
        assert (word is None) == (match is None)
        if match:
            assert text.lower()[match.start() :].find(word) <= 1


def test_long_repetitive_text_takes_linear_time():
    words = ["a" * 30 + "b", "a a a a c"]
    assert found_by(words, ["a" * 1_000_000, "a " * 500_000, "-" * 1_000_000 + words[0]]) == [None, None, words[0]]


@pytest.mark.slow
def test_real_lists_on_real_text(real_data):
    with (real_data / "jsonl" / "part-00000.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"] for line in lines][:400]
    for language in ("en", "de", "ja", "zh", "fr"):
        name = str(real_data / "badwords" / language)
        trie = bad_words.load_list((name,), language)
        entries = first_entries(pa.array(texts), trie, language in bad_words.ANYWHERE)
        pattern = expression(trie.words, language)
        assert [bool(pattern.search(text.lower())) for text in texts] == (np.array(entries) >= 0).tolist()
