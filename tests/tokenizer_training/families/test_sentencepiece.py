"""The two sentencepiece families: what is counted, the models, lines cut to what the trainer takes."""

import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer_training.families.sentencepiece import cut
from tokenizer_training.train import TrainTokenizer, count, train

TYPES = ["sentencepiece-unigram", "sentencepiece-bpe"]
TEXTS = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "it was the age of foolishness, it was the epoch of belief,\nit was the epoch of incredulity",
    "the season of Light, the season of Darkness, the spring of hope, the winter of despair",
]


def configuration(family: str, **options) -> TrainTokenizer:
    return TrainTokenizer(**{"family": family, "vocab_size": 290, **options})


def test_what_a_word_is():
    text = pa.array(["It's  Überall\n It's"])
    words = [dict(zip(*count(text, configuration(family)).to_pydict().values())) for family in TYPES]
    assert words == [{"It's  Überall": 1, " It's": 1}, {"It's": 2, "Überall": 1}]


@pytest.mark.parametrize("family", TYPES)
def test_the_model(family, tmp_path):
    config = configuration(family, sentinels=4, special_tokens=("<|more|>",))
    figures = train(count(pa.array(TEXTS), config), config, str(tmp_path))
    assert figures["vocab_size"] == 294
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "sentencepiece.model"))
    assert model.get_piece_size() == 290
    assert [model.id_to_piece(i) for i in range(4)] == ["<pad>", "</s>", "<unk>", "<|more|>"]
    assert (model.pad_id(), model.eos_id(), model.unk_id(), model.bos_id()) == (0, 1, 2, -1)
    assert len((tmp_path / "sentencepiece.vocab").read_text().splitlines()) == 290


def test_the_two_train_different_models(tmp_path):
    for family in TYPES:
        config = configuration(family)
        train(count(pa.array(TEXTS), config), config, tmp_path / family)
    unigram, bpe = ((tmp_path / family / "sentencepiece.vocab").read_text().splitlines() for family in TYPES)
    assert [line.split("\t")[1] for line in bpe[259:262]] == ["-0", "-1", "-2"]  # scores are ranks
    assert all(float(line.split("\t")[1]) < -1 for line in unigram[259:])  # scores are logarithms of probabilities


@pytest.mark.parametrize("family", TYPES)
def test_a_vocabulary_too_small_is_refused(family, tmp_path):
    config = configuration(family, vocab_size=20)
    with pytest.raises(ValueError, match="sentencepiece could not train 20 pieces"):
        train(count(pa.array(TEXTS), config), config, str(tmp_path))


def test_what_is_cut_and_skipped_is_counted(tmp_path):
    config = configuration("sentencepiece-bpe", vocab_size=265)
    text = pa.array(["ab " * 9 + "a" * 5000 + " x\u2585y"])
    figures = train(count(text, config), config, tmp_path)
    assert (figures["lines"], figures["lines_cut"], figures["lines_skipped"]) == (2, 1, 1)


@settings(deadline=None)
@given(st.text("aé日 ", max_size=60), st.integers(4, 20))
def test_cut_lines_lose_nothing(line, limit):
    pieces = cut(line, limit)
    assert all(len(piece.encode()) <= limit for piece in pieces)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")
