"""Published normalisations against their sources in plain Python, and against golden vectors of the packages
(oracles/make_normalisations_golden.py)."""

import hashlib
import io
import json
import pathlib

import numpy as np
import pyarrow as pa
import pytest
import xxhash
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from normalisations_oracle import ORACLES
from shingle_oracle import any_text, mixed_text, wordy_text

from corpus.dedup import normalisations
from corpus.text import unicode, word_break
from corpus.text.arrow import buffers

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "oracles" / "normalisations_golden.json").read_text("utf-8"))
marked_text = st.text(
    st.sampled_from("aB1 ._-,'\"!\n\x0b\x1c\x85\u2028日。ＡΣσİẞéÅ한ﬁ\u0301\u0345\u0903٣٫"), max_size=60
)


def hash_lists(texts: list[str], normalisation: str, ngram: int) -> list[list[int]]:
    values, offsets = normalisations.shingle_hashes(pa.array(texts, pa.string()), normalisation, ngram)
    assert values.dtype == np.uint64 and offsets.dtype == np.int64
    return [values[i:j].tolist() for i, j in zip(offsets, offsets[1:])]


def hash_set(shingles: set[str]) -> list[int]:
    return sorted(int.from_bytes(hashlib.sha1(each.encode()).digest()[:8], "little") for each in shingles)


def digest(hashes: list[int]) -> str:
    return hashlib.sha256(b"\n".join(sorted(each.to_bytes(8, "little") for each in hashes))).hexdigest()


@pytest.mark.parametrize("name", list(ORACLES))
@settings(deadline=None)
@given(st.lists(any_text | wordy_text | mixed_text | marked_text, max_size=5), st.integers(1, 6))
def test_shingles_are_those_of_the_source(name, texts, ngram):
    assert hash_lists(texts, name, ngram) == [hash_set(ORACLES[name](text, ngram)) for text in texts]


@pytest.mark.parametrize("name", [each for each in ORACLES if each not in ("text_dedup", "bigcode")])
@settings(deadline=None)
@given(st.lists(any_text | wordy_text | mixed_text | marked_text, max_size=5))
def test_units_stand_in_their_order(name, texts):
    """Three in a row are the shingles of three."""
    between = "" if name in ("slimpajama", "characters") else " "
    hashes, offsets = normalisations.unit_hashes(pa.array(texts, pa.string()), name)
    for text, start, end in zip(texts, offsets, offsets[1:]):
        units = {xxhash.xxh64_intdigest(unit.encode()): unit for unit in ORACLES[name](text, 1)}
        found = [units[each] for each in hashes[start:end].tolist()]
        windows = {between.join(found[at : at + 3]) for at in range(len(found) - 2)}
        assert len(found) < 3 or windows == ORACLES[name](text, 3)
        assert set(found) == set(units.values())


def test_every_normalisation_is_tested():
    assert {*ORACLES, *GOLDEN["real"]} == set(normalisations.NORMALISATIONS)
    made = {"datatrove", "fineweb", "text_dedup", "unicode_words"}
    assert {case["normalisation"] for case in GOLDEN["cases"]} == made == set(GOLDEN["real"])


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: "-".join(map(str, list(case.values())[:3])))
def test_golden_vectors_of_the_packages(case):
    (hashes,) = hash_lists([GOLDEN["texts"][case["text"]]], case["normalisation"], case["ngram"])
    assert len(hashes) == case["count"]
    assert digest(hashes) == case["digest"]


@pytest.mark.parametrize("name", list(GOLDEN["real"]))
def test_real_documents_as_the_packages_have_them(name, real_data):
    """Every ninth document of one file, cut to 4,000 characters."""
    with (real_data / "jsonl" / "part-00002.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"][:4000] for line in lines][::9]
    assert len(texts) == len(GOLDEN["real"][name]) > 100
    assert [digest(hashes)[:16] for hashes in hash_lists(texts, name, 5)] == GOLDEN["real"][name]


flagged_text = st.text(st.sampled_from("aé1' .,\r\n\x1c\u2003\u200d\u0301🇩🇪❤א\"カ_"), max_size=40)


@settings(deadline=None)
@given(any_text | mixed_text | marked_text | flagged_text)
def test_unicode_words_leave_white_space_only(text):
    data, _ = buffers(pa.array([text + "."]))
    starts, ends = np.empty((2, len(data) + 1), np.int64)
    end = len(text.encode())
    tables = word_break.class_table(), unicode.class_table()
    count = word_break.find_segments(data, 0, end, *tables, starts, ends)
    between = [data[i:j].tobytes().decode() for i, j in zip([0, *ends[:count]], [*starts[:count], end])]
    segments = [data[i:j].tobytes().decode() for i, j in zip(starts[:count], ends[:count])]
    white = set(" \t\n\x0b\x0c\r\x85\xa0\u2028\u2029\u3000") | set(map(chr, range(0x2000, 0x200B)))
    white |= {"\u1680", "\u202f", "\u205f"}
    assert all(set(each) <= white for each in between) and not any(set(each) <= white for each in segments)
    (hashes,) = hash_lists([text], "unicode_words", 1)
    assert hashes == hash_set(set(segments))


@pytest.mark.parametrize("name", list(normalisations.NORMALISATIONS))
def test_slices_nulls_growth_and_no_text(name):
    texts = ["zero words, here: 5", None, "", "İ" * 500, "ﬁΐ" * 300, "\U0001d160" * 300, '" ' * 300, "한국" * 200, "x"]
    column = pa.array(texts)
    values, offsets = normalisations.shingle_hashes(column, name, 2)
    alone = [hash_lists([text or ""], name, 2)[0] for text in texts]
    assert [values[i:j].tolist() for i, j in zip(offsets, offsets[1:])] == alone
    values, offsets = normalisations.shingle_hashes(column[2:5], name, 2)
    assert [values[i:j].tolist() for i, j in zip(offsets, offsets[1:])] == alone[2:5]
    assert hash_lists([], name, 2) == []
    assert alone[1] == alone[2] == []
    with pytest.raises(ValueError, match="at least one"):
        normalisations.shingle_hashes(column, name, 0)
