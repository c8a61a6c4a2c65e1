"""The bpe family against Hugging Face's trainer, and its files."""

import base64
import io
import json

import pyarrow as pa
import pytest
import tokenizers
import zstandard

from corpus.encoding import byte_level
from corpus.encoding.encoder import load_encoder
from tokenizer_training.train import TrainTokenizer, count, train

TEXTS = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "it was the age of foolishness, it was the epoch of belief,\nit was the epoch of incredulity",
    "Größe und Straße, naïveté! 12 123 日本語 😀",
    "the season of Light, the season of Darkness, the spring of hope, the winter of despair",
]


def configuration(**options) -> TrainTokenizer:
    return TrainTokenizer(**{"family": "bpe", "vocab_size": 300, "min_frequency": 0, **options})


def test_what_a_word_is():
    counts = count(pa.array(["It's  Überall\n It's"]), configuration()).to_pydict()
    assert dict(zip(counts["word"], counts["count"])) == {"It": 1, "'s": 2, " ": 1, " Überall": 1, "\n": 1, " It": 1}


def huggingface_bpe(texts, vocab_size, min_frequency):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]


def check_against_huggingface(texts, vocab_size, folder, min_frequency=2):
    config = TrainTokenizer(vocab_size=vocab_size, min_frequency=min_frequency)
    figures = train(count(pa.array(texts), config), config, str(folder))
    expected = huggingface_bpe(texts, vocab_size, min_frequency)
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    assert model["vocab"] == expected["vocab"]
    assert model["merges"] == expected["merges"]
    tokens, _ = load_encoder(folder).encode(pa.array(texts))
    assert figures["tokens_by_vocab_size"][str(len(model["vocab"]))] == len(tokens)


@pytest.mark.parametrize("vocab_size", [257, 300, 400])
def test_merges_equal_huggingface(vocab_size, tmp_path):
    check_against_huggingface(TEXTS, vocab_size, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("vocab_size", [1000, 8000, 30000])
def test_merges_equal_huggingface_on_real_text(real_data, vocab_size, tmp_path):
    path = sorted((real_data / "jsonl").glob("*.jsonl.zst"))[0]
    with path.open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"] for line in lines]
    check_against_huggingface(texts[::2], vocab_size, tmp_path, min_frequency=0)


def test_other_forms_of_the_vocabulary(tmp_path):
    config = configuration()
    train(count(pa.array(TEXTS), config), config, str(tmp_path))
    stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    old = tokenizers.Tokenizer(
        tokenizers.models.BPE.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    )
    assert json.loads(old.to_str())["model"]["merges"] == stored["merges"]
    lines = (tmp_path / "tokenizer.tiktoken").read_text().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(str.split, lines)}
    ordinary = {t: i for t, i in stored["vocab"].items() if t != "<|endoftext|>"}
    assert ranks == {byte_level.to_bytes(token): i for token, i in ordinary.items()}


def test_padding_is_what_the_configuration_adds(tmp_path):
    config = configuration(special_tokens=("<|more|>", "<pad>"))
    train(count(pa.array(TEXTS), config), config, tmp_path)
    encoder = load_encoder(tmp_path)
    assert (encoder.end_id, encoder.pad_id, encoder.unknown_id) == (0, 2, None)


@pytest.mark.parametrize("token", ["a", "was"])
def test_a_special_token_that_text_can_spell_is_refused(token, tmp_path):
    config = configuration(special_tokens=(token,))
    with pytest.raises(ValueError, match=token):
        train(count(pa.array(["was"] * 5), config), config, str(tmp_path))


def test_a_vocabulary_too_small_is_refused(tmp_path):
    with pytest.raises(ValueError, match="vocab_size 20 is too small: 1 special tokens and 256 bytes come first"):
        train(count(pa.array(TEXTS), configuration()), configuration(vocab_size=20), str(tmp_path))


def test_training_on_nothing(tmp_path):
    figures = train(count(pa.array([], pa.string()), configuration()), configuration(), str(tmp_path))
    assert figures["vocab_size"] == 257
    assert len(load_encoder(tmp_path).encode(pa.array(["abc"]))[0]) == 3
