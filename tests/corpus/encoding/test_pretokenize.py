"""Pre-tokens against Hugging Face's ByteLevel pre-tokenizer, and the table of words."""

import collections
import io
import json
import random
import re

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from corpus.encoding.distinct_words import BLANK_FREE, GPT2, LINES, distinct
from corpus.encoding.pretokenizers import PRETOKENIZERS

REFERENCE = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
# One or more of every class that the pattern tells apart, of every UTF-8 length.
ALPHABET = " \n\t\r\v\x1c\x85\u00a0\u3000\u200b'stmdrevlLSZaé中\U00020000\u02b0 01٣Ⅷ½\U0001d7ce!.-\u0301😀"


def pretokens(text: str) -> list[str]:
    data = np.frombuffer(text.encode(), np.uint8)
    spans, _ = PRETOKENIZERS["gpt2"].spans(data, np.array([0, len(data)]))
    return [data[a:b].tobytes().decode() for a, b in spans]


def reference(text: str) -> list[str]:
    return [text[a:b] for _, (a, b) in REFERENCE.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", []),
        (" ", [" "]),
        ("a   b", ["a", "  ", " b"]),
        ("a\n\nb", ["a", "\n", "\n", "b"]),
        ("a \n b", ["a", " \n", " b"]),
        ("a\u00a0b", ["a", "\u00a0", "b"]),
        (
            "it's I'LL you'll 'sam !'s",
            ["it", "'s", " I", "'", "LL", " you", "'ll", " '", "sam", " !'", "s"],
        ),
        ("a  ", ["a", "  "]),
        ("12abc e\u0301!", ["12", "abc", " e", "\u0301!"]),
    ],
)
def test_known_pretokens(text, expected):
    assert pretokens(text) == expected == reference(text)


@settings(deadline=None, max_examples=600)
@given(st.text(st.sampled_from(ALPHABET), max_size=40))
def test_pretokens_of_mixed_classes_equal_the_reference(text):
    assert pretokens(text) == reference(text)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
def test_pretokens_of_any_text_equal_the_reference(text):
    assert pretokens(text) == reference(text)


def every_character(step: int):
    return (chr(c) for c in range(0, 0x110000, step) if not 0xD800 <= c < 0xE000)


def test_characters_in_every_context():
    for character in every_character(97):
        text = f" a{character}1{character} {character}.{character}{character}"
        assert pretokens(text) == reference(text)


@pytest.mark.slow
def test_all_characters_in_every_context():
    for character in every_character(1):
        text = f" a{character}1{character} {character}."
        assert pretokens(text) == reference(text)


@pytest.mark.slow
def test_pretokens_of_real_text(real_data):
    path = sorted((real_data / "jsonl").glob("*.jsonl.zst"))[0]
    with path.open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        for line in lines:
            text = json.loads(line)["text"]
            assert pretokens(text) == reference(text)


DIVISIONS = [
    (GPT2, pretokens),
    (BLANK_FREE, lambda text: re.findall(r"[^ \t\n\r]+", text)),
    (LINES, lambda text: re.findall(r"[^\n\r]+", text)),
]


@pytest.mark.parametrize("division, divide", DIVISIONS)
@settings(deadline=None, max_examples=100)
@given(texts=st.lists(st.text(st.sampled_from("aab\n\r\t '中.😀"), max_size=60) | st.none(), max_size=6))
def test_distinct_words(division, divide, texts):
    expected = [divide(text or "") for text in texts]
    counts = collections.Counter(word for words in expected for word in words)
    for type_ in (pa.string(), pa.large_string()):
        array = pa.array([None, "left out", *texts], type_)[2:]
        found = distinct(array, division, locate=True)
        words = found.words.to_pylist()
        assert dict(zip(words, found.counts.tolist())) == counts
        assert words == list(counts)
        located = [[words[i] for i in found.occurrences[a:b]] for a, b in zip(found.offsets, found.offsets[1:])]
        assert located == expected


def test_distinct_words_when_the_table_grows():
    generator = random.Random(1)
    words = [f"{generator.randrange(30000)}" * generator.randint(1, 5) for _ in range(60000)]
    found = distinct(pa.array([" ".join(words[i : i + 100]) for i in range(0, 60000, 100)]), BLANK_FREE)
    assert dict(zip(found.words.to_pylist(), found.counts.tolist())) == collections.Counter(words)
