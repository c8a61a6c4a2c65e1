"""The wordpiece family: BERT's words, and the tokens of Hugging Face's trainer."""

import collections

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding.encoder import load_encoder
from tokenizer_training.evaluate import evaluate
from tokenizer_training.train import TrainTokenizer, count, train


def configuration(**options) -> TrainTokenizer:
    return TrainTokenizer(**{"family": "wordpiece", "vocab_size": 100, "min_frequency": 0, **options})


def test_what_a_word_is():
    text = pa.array(["It's  Überall\n It's"])
    counts = count(text, configuration()).to_pydict()
    assert dict(zip(counts["word"], counts["count"])) == {"it": 2, "'": 2, "s": 2, "uberall": 1}
    cased = count(text, configuration(lowercase=False)).to_pydict()
    assert dict(zip(cased["word"], cased["count"])) == {"It": 2, "'": 2, "s": 2, "Überall": 1}


@settings(deadline=None, max_examples=50)
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=60)
    | st.text(st.sampled_from("aÉ \n\u3000\u0301#,中\v"), max_size=40)
)
def test_words_equal_those_of_the_whole_text(text):
    normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    pieces = tokenizers.pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))
    found = count(pa.array([text]), configuration()).to_pydict()
    assert dict(zip(found["word"], found["count"])) == collections.Counter(piece for piece, _ in pieces)


def test_tokens_of_huggingface_without_ties(tmp_path):
    # Counts are powers of two, so that no order of equal counts can differ.
    words = ["abc", "bcd", "cde", "dea", "eab", "abcde", "bcdea"]
    text = "\n".join(" ".join([word] * 2**i) for i, word in enumerate(words))
    config = configuration(vocab_size=24)
    train(count(pa.array([text]), config), config, str(tmp_path))
    tokenizer = tokenizers.BertWordPieceTokenizer()
    tokenizer.train_from_iterator([text], vocab_size=24, min_frequency=0, show_progress=False)
    tokens = (tmp_path / "vocab.txt").read_text().splitlines()
    assert set(tokens) == set(tokenizer.get_vocab())
    assert tokens[:15] == [*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), *"abcde", *"##a ##b ##c ##d ##e".split()]


def test_a_vocabulary_too_small_is_refused(tmp_path):
    with pytest.raises(ValueError, match="vocab_size 20 is too small: 5 special tokens and 33 characters"):
        train(count(pa.array(["the quick brown fox jumps"]), configuration()), configuration(vocab_size=20), tmp_path)


def test_a_special_token_that_text_can_spell_is_refused(tmp_path):
    """Also where no merge makes it: pieces are found by their text alone."""
    config = configuration(special_tokens=("was",), vocab_size=10)
    with pytest.raises(ValueError, match="text can spell the special token 'was' of the wordpiece family"):
        train(count(pa.array(["sa"] * 5), config), config, tmp_path)
    assert not (tmp_path / "winnow_tokenizer.json").exists()


def test_unknown_rate(tmp_path):
    config = configuration()
    train(count(pa.array(["it was the best of times"]), config), config, str(tmp_path))
    assert evaluate(load_encoder(tmp_path), pa.array(["was \u0436"]))["unknown_rate"] == 0.5
