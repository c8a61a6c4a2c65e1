"""Figures of a tokenizer, by their definitions."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from tokenizer_training import train_tokenizer
from tokenizer_training.evaluate import evaluate

TEXTS = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "",
    "",
    "Größe und Straße, naïveté! 12 123 日本語 😀",
]


@pytest.mark.parametrize("family, before", [("bpe", " "), ("wordpiece", "")])
def test_figures(family, before, tmp_path):
    encoder = train_tokenizer(TEXTS, tmp_path, family=family, vocab_size=300, min_frequency=0)
    text = pa.array(TEXTS)
    figures = evaluate(encoder, text)
    tokens, _ = encoder.encode(text)
    words = " ".join(t or "" for t in TEXTS).split()
    lengths = [len(encoder.encode(pa.array([before + word]))[0]) for word in words]
    assert figures["tokens"] == len(tokens)
    assert figures["words"] == len(words)
    assert figures["bytes_per_token"] == sum(len((t or "").encode()) for t in TEXTS) / len(tokens)
    assert figures["fertility"] == len(tokens) / len(words)
    assert figures["continued_word_share"] == np.mean(np.array(lengths) > 1)
    assert figures["vocabulary_used"] == len(set(tokens.tolist())) / encoder.vocab_size
    assert figures["unknown_rate"] == 0
    assert evaluate(encoder, text[:0])["bytes_per_token"] is None


def test_words_are_looked_at_with_the_space_that_their_tokens_have(tmp_path):
    encoder = train_tokenizer(["a b a b a b"] * 3, tmp_path, family="bpe", vocab_size=260)
    without = dataclasses.replace(encoder, space_before_word=False)
    text = pa.array(["b"])
    assert encoder.space_before_word
    assert evaluate(encoder, text)["continued_word_share"] == 0  # " b" is a token
    assert evaluate(without, pa.array(["ab"]))["continued_word_share"] == 1
