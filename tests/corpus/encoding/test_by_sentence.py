"""Documents as sentences, against each sentence encoded by itself."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding import by_sentence
from corpus.text import punkt
from tokenizer_training import train_tokenizer

TEXTS = [
    "One here. Two there!\nA title\n\nMr. Smith went home. Then he slept.",
    "",
    "  \n ",
    "one",
    "Caf\u00e9. \U0001f600!",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return train_tokenizer(TEXTS * 3, str(tmp_path_factory.mktemp("tokenizer")), family="byte")


def decoded(encoder, encoded):
    sentences = [encoder.decode(encoded.tokens[a:b]) for a, b in zip(encoded.offsets[:-1], encoded.offsets[1:])]
    return [sentences[a:b] for a, b in zip(encoded.firsts[:-1], encoded.firsts[1:])]


def test_sentences_of_lines(encoder):
    encoded = by_sentence.encode(encoder, pa.array([*TEXTS, None]), "rules")
    assert decoded(encoder, encoded) == [
        ["One here.", "Two there!", "A title", "Mr. Smith went home.", "Then he slept."], [""], [""], ["one"],
        ["Caf\u00e9.", "\U0001f600!"], [""],
    ]  # fmt: skip
    ends = np.flatnonzero(encoded.tokens == encoder.end_id) + 1
    assert ends.tolist() == encoded.offsets[encoded.firsts[1:]].tolist()  # one a document, its last


@settings(deadline=None)
@given(texts=st.lists(st.text("ab. !?\n\u00e9\U0001f600", max_size=30), max_size=8))
def test_each_sentence_by_itself(encoder, texts):
    encoded = by_sentence.encode(encoder, pa.array(texts, pa.string()), "rules")
    column, firsts = by_sentence.split(pa.array(texts, pa.string()), "rules")
    expected = []
    for first, last in zip(firsts[:-1], firsts[1:]):
        ids = [encoder.encode_texts([sentence])[0].tolist() for sentence in column.to_pylist()[first:last]]
        ids = [each for each in ids if each] or [[]]
        expected.append([*ids[:-1], [*ids[-1], encoder.end_id]])
    found = [encoded.tokens[a:b].tolist() for a, b in zip(encoded.offsets[:-1], encoded.offsets[1:])]
    assert [found[a:b] for a, b in zip(encoded.firsts[:-1], encoded.firsts[1:])] == expected
    assert "".join("".join(texts).split()) == "".join("".join(column.to_pylist()).split())  # nothing but blanks is lost


def test_punkts_sentences(encoder):
    try:
        punkt.tokenizer()
    except ImportError:
        pytest.skip("nltk's punkt_tab is not installed")
    encoded = by_sentence.encode(encoder, pa.array(["Mr. Smith went home. Then he slept.", ""]), "punkt")
    assert decoded(encoder, encoded) == [["Mr. Smith went home.", "Then he slept."], [""]]
