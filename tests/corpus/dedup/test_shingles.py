"""Shingles against their definition in plain Python, exact Jaccard against Python sets."""

import hashlib
import io
import json
import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import xxhash
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_oracle import any_text, hash_set, mixed_text, shingle_set, units_of, wordy_text

from corpus.dedup import shingles

units = st.sampled_from(list(shingles.UNITS))


def hash_lists(text: pa.Array, ngram: int, unit: str = "auto", hash: str = "sha1") -> list[list[int]]:
    values, offsets = shingles.shingle_hashes(text, ngram, unit, hash)
    assert values.dtype == np.uint64 and offsets.dtype == np.int64
    return [values[i:j].tolist() for i, j in zip(offsets, offsets[1:])]


@settings(deadline=None)
@given(st.lists(any_text | wordy_text | mixed_text, max_size=5), units)
def test_units_stand_in_their_order(texts, unit):
    hashes, offsets = shingles.unit_hashes(pa.array(texts, pa.string()), unit)
    for text, start, end in zip(texts, offsets, offsets[1:]):
        expected = [xxhash.xxh64_intdigest(each.encode()) for each in units_of(text, unit)[0]]
        assert hashes[start:end].tolist() == expected


@settings(deadline=None)
@given(st.lists(any_text | wordy_text | mixed_text, max_size=8), st.integers(1, 6), units)
def test_shingle_hashes_are_those_of_the_definition(texts, ngram, unit):
    assert hash_lists(pa.array(texts, pa.string()), ngram, unit) == [hash_set(t, ngram, unit) for t in texts]


@settings(deadline=None)
@given(st.lists(wordy_text | mixed_text, max_size=8), st.integers(1, 6), units)
def test_the_same_shingles_hashed_otherwise(texts, ngram, unit):
    expected = [
        sorted(xxhash.xxh64_intdigest(shingle.encode()) for shingle in shingle_set(text, ngram, unit)) for text in texts
    ]
    assert hash_lists(pa.array(texts, pa.string()), ngram, unit, "xxhash") == expected


@settings(deadline=None)
@given(any_text | wordy_text | mixed_text, units)
def test_every_normal_form_has_the_same_shingles(text, unit):
    forms = [text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))]
    first, *others = hash_lists(pa.array(forms), 3, unit)
    assert others == [first, first]


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("ΟΔΟΣжБщ한국어אבגعربي – “”…"), max_size=80))
def test_plain_text_has_the_shingles_it_always_had(text):
    """Those of `lower-words-1`, which had neither marks nor characters, and took text as it came."""
    words = ["".join("i" if c == "İ" else c.lower() for c in word) for word in re.findall(r"\w+", text)]
    runs = {" ".join(words[i : i + 5]) for i in range(max(len(words) - 4, min(len(words), 1)))}
    digests = (hashlib.sha1(run.encode()).digest()[:8] for run in runs)
    assert hash_lists(pa.array([text]), 5) == [sorted(int.from_bytes(digest, "little") for digest in digests)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", set()),
        ("... -- !", set()),
        ("One", {"one"}),
        ("one, TWO\nthree", {"one two three"}),
        ("a b c d e f", {"a b c d e", "b c d e f"}),
        ("a a a a a a a", {"a a a a a"}),
        ("don't stop_it", {"don t stop_it"}),
        ("ΟΔΟΣ İ K", {"οδοσ i k"}),  # no final sigma; Kelvin sign
        ("हिन्दी में की", {"हिन्दी में की"}),  # vowel signs and viramas
        ("I ❤\ufe0f \u0301 1\ufe0f\u20e3", {"i 1\ufe0f\u20e3"}),  # marks begin no word
        ("日", {"日"}),
        ("日本語。", {"日本語"}),
        ("日本 語で\nＡＢ", {"日本語でａ", "本語でａｂ"}),
        ("東京 abc", {"東京 abc"}),  # a minority
        ("東京 ab", {"東京 ab"}),  # a draw
        ("東京 a 12345", {"東京a12", "京a123", "a1234", "12345"}),
        ("か\u3099ぎぐ𠀀げご", {"がぎぐ𠀀げ", "ぎぐ𠀀げご"}),
        ("ที่นี่", {"ที่นี", "ี่นี่"}),  # code points, tones among them
    ],
)
def test_shingles_by_hand(text, expected):
    assert shingle_set(text, 5) == expected
    assert hash_lists(pa.array([text]), 5) == [hash_set(text, 5)]


def test_documents_that_grow_most_when_normalised():
    texts = ["Ⱥ" * 1000, "Ⱥ " * 1000, "a." * 1000 + "a", "a", "Ⱥ", "\u0344" * 99, "\ufb2c" * 1000, "\U0001d160" * 1000]
    assert hash_lists(pa.array(texts), 2) == [hash_set(text, 2) for text in texts]
    characters = [hash_set(text, 2, "characters") for text in texts]
    assert hash_lists(pa.array(texts), 2, "characters") == characters
    for text, expected in zip(texts, characters):  # alone, so that the room is as small as can be
        assert hash_lists(pa.array([text]), 2, "characters") == [expected]


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()])
def test_slices_and_nulls(type):
    texts = ["zero words here", None, "Straße nach Köln", "", "x", "y z"]
    column = pa.array(texts, type)
    expected = [hash_set(text or "", 2) for text in texts]
    assert hash_lists(column, 2) == expected
    assert hash_lists(column[2:5], 2) == expected[2:5]
    assert hash_lists(column[:0], 2) == []


def test_a_document_of_many_shingles_and_one_of_equal_ones():
    words = [str(i * i) for i in range(30_000)]
    texts = [" ".join(words), "same " * 50_000]
    assert hash_lists(pa.array(texts), 5) == [hash_set(text, 5) for text in texts]


def test_one_of_a_hundred_characters_changed():
    """Japanese by words and by characters: what makes such duplicates be found."""
    text = "".join(chr(0x4E00 + i * i % 997) + "ので"[i % 2] + "。" * (i % 40 == 0) for i in range(1000))
    changed = "".join("変" if i % 100 == 50 else character for i, character in enumerate(text))
    similar = {}
    for unit in ("words", "characters"):
        values, offsets = shingles.shingle_hashes(pa.array([text, changed]), 5, unit)
        (similar[unit],) = shingles.jaccard(values, offsets, np.array([0]), values, offsets, np.array([1]))
    assert similar["words"] < 0.3 and similar["characters"] > 0.9


def test_real_documents_of_many_scripts(real_data):
    """Every ninth document of one file, cut to 4,000 characters to be quick."""
    with (real_data / "jsonl" / "part-00001.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"][:4000] for line in lines][::9]
    assert len(texts) > 100
    assert hash_lists(pa.array(texts), 5) == [hash_set(text, 5) for text in texts]
    folded = [unicodedata.normalize("NFD", text) for text in texts]
    assert hash_lists(pa.array(folded), 5) == [hash_set(text, 5) for text in texts]


def test_no_words_to_a_shingle():
    with pytest.raises(ValueError, match="at least one word"):
        shingles.shingle_hashes(pa.array(["a"]), 0)


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 12)), min_size=1, max_size=6))
def test_jaccard_of_all_pairs(sets):
    values = np.array([value for one in sets for value in sorted(one)], np.uint64)
    offsets = np.cumsum([0] + [len(one) for one in sets])
    first, second = (grid.ravel() for grid in np.indices((len(sets), len(sets))))
    expected = [len(sets[i] & sets[j]) / max(len(sets[i] | sets[j]), 1) for i, j in zip(first, second)]
    assert shingles.jaccard(values, offsets, first, values, offsets, second).tolist() == expected
