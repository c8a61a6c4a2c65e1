"""The trainer against the definition written plainly, and against Hugging Face's."""

import collections
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokenizer_training.merges import learn_merges


def greedy(words: dict[str, int], vocab_size: int, min_frequency: int = 0):
    """Highest count first, then smallest (left id, right id); ids: sorted characters first."""
    ids = {c: i for i, c in enumerate(sorted(set("".join(words))))}
    split = {word: list(word) for word in words}
    merges = []
    while len(ids) < vocab_size:
        counts = collections.Counter()
        for word, parts in split.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] += words[word]
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))
        if counts[best] < max(1, min_frequency):
            break
        ids.setdefault("".join(best), len(ids))
        merges.append((ids[best[0]], ids[best[1]], ids["".join(best)]))
        for parts in split.values():
            i = 0
            while i < len(parts) - 1:
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = ["".join(best)]
                i += 1
    tokens = sum(words[word] * len(parts) for word, parts in split.items())
    return merges, tokens


def learned(words: dict[str, int], vocab_size: int, min_frequency: int = 0):
    characters = sorted(set("".join(words)))
    symbols = np.array([characters.index(c) for word in words for c in word], np.int64)
    offsets = np.cumsum([0, *map(len, words)])
    counts = np.array(list(words.values()), np.int64)
    alphabet = [(c.encode(), False) for c in characters]
    return learn_merges(symbols, offsets, counts, alphabet, 0, vocab_size, min_frequency)


def check(words, vocab_size, min_frequency=0):
    merges = learned(words, vocab_size, min_frequency)
    expected, tokens = greedy(words, vocab_size, min_frequency)
    assert [tuple(row) for row in merges.rows.tolist()] == expected
    before = sum(len(word) * count for word, count in words.items())
    assert before - merges.applied.sum() == tokens


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=14), st.integers(1, 5), max_size=12),
    st.integers(0, 40),
    st.integers(0, 4),
)
def test_merges_equal_the_definition(words, vocab_size, min_frequency):
    check(words, vocab_size, min_frequency)


@pytest.mark.parametrize("words", [{}, {"a": 1}, {"ab": 1}, {"a" * 1000: 3}, {"ab" * 300: 1, "ba" * 299: 2}])
def test_degenerate_words(words):
    check(words, 30)


def test_counts_beyond_32_bits():
    check({"ab": 2_200_000_000, "cd": 2_000_000_000, "abcd": 1 << 40}, 7)


def test_order_of_words_does_not_matter():
    words = {"banana": 3, "bandana": 2, "cabana": 5, "anna": 1}
    backwards = dict(reversed(words.items()))
    assert learned(words, 20).rows.tolist() == learned(backwards, 20).rows.tolist()


def huggingface_merges(words: dict[str, int], vocab_size: int):
    """What Hugging Face's trainer learns from words of small letters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False)
    tokenizer.train_from_iterator((" ".join([word] * n) for word, n in words.items()), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    ids = model["vocab"]
    return [(ids[left], ids[right], ids[left + right]) for left, right in model["merges"]]


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(st.text("abcd", min_size=1, max_size=12), st.integers(1, 4), min_size=1, max_size=30),
    st.integers(5, 60),
)
def test_merges_equal_huggingface(words, vocab_size):
    rows = [tuple(row) for row in learned(words, vocab_size).rows.tolist()]
    assert rows == huggingface_merges(words, vocab_size)
