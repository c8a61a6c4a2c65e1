"""What is known of words from call to call is what their encoder says of them, whatever was asked before."""

import concurrent.futures

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding import known_words
from corpus.encoding.distinct_words import BLANK_FREE, distinct
from corpus.encoding.known_words import KnownWords
from corpus.text.arrow import buffers

TEXTS = st.lists(st.text(st.sampled_from("ab \n\u00e9\u65e5"), max_size=30) | st.none(), max_size=6)


def column(texts):
    return pa.array(texts, pa.large_string())


def spelled(words):
    """Each word's bytes, and its length."""
    data, offsets = buffers(words)
    return [(data[: offsets[-1]].copy(), offsets), (np.diff(offsets), np.arange(len(words) + 1))]


def words_of(found):
    columns, occurrences, offsets = found
    (data, ends), (lengths, _) = columns
    texts = [data[ends[w] : ends[w + 1]].tobytes().decode() for w in occurrences]
    assert [len(text.encode()) for text in texts] == lengths[occurrences].tolist()
    return [texts[a:b] for a, b in zip(offsets, offsets[1:])]


@settings(deadline=None, max_examples=80)
@given(batches=st.lists(TEXTS, max_size=5), most=st.sampled_from([0, 3, 1 << 20]))
def test_words_of_any_batches(batches, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_words, "MOST_WORDS", most)
        known = KnownWords(BLANK_FREE, spelled)
        for texts in batches:
            assert words_of(known.look_up(column(texts))) == [(text or "").split() for text in texts]


def test_more_words_than_there_is_room_for_and_long_ones():
    known = KnownWords(BLANK_FREE, spelled)
    texts = [" ".join(str(i) for i in range(5000)), "x" * 200_000 + " y " + "x" * 200_000, "17 4999 x"]
    for part in (texts, texts[::-1]):
        assert words_of(known.look_up(column(part))) == [text.split() for text in part]
    _, occurrences, _ = known.look_up(column(texts))
    assert occurrences.max() + 1 == len(distinct(column(texts), BLANK_FREE).words) == 5003


def test_each_word_is_encoded_once():
    asked = []

    def encode(words):
        asked.extend(words.to_pylist())
        return spelled(words)

    known = KnownWords(BLANK_FREE, encode)
    for texts in (["a b a"], ["b c", "a"], ["c c"]):
        known.look_up(column(texts))
    assert asked == ["a", "b", "c"]


def test_what_could_not_be_encoded_is_asked_again():
    fails = [True]

    def encode(words):
        if fails.pop() if fails else False:
            raise ValueError("no")
        return spelled(words)

    known = KnownWords(BLANK_FREE, encode)
    with pytest.raises(ValueError, match="no"):
        known.look_up(column(["a b"]))
    assert words_of(known.look_up(column(["b a"]))) == [["b", "a"]]


def test_threads():
    known = KnownWords(BLANK_FREE, spelled)
    parts = [[f"{i} {i % 7} {i * j}" for i in range(200)] for j in range(8)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda part: words_of(known.look_up(column(part))), parts))
    assert found == [[text.split() for text in part] for part in parts]
