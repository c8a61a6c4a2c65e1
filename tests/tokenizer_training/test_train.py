"""Counting, sampling, training of every family, and the files."""

import base64
import collections
import hashlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding import byte_level
from tokenizer_training.evaluate import evaluate
from tokenizer_training.sentence_pieces import cut
from tokenizer_training.train import (
    TrainTokenizer,
    count,
    load_encoder,
    merge_counts,
    sampled,
    train,
)

FAMILIES = ["bpe", "wordpiece", "sentencepiece-bpe", "sentencepiece-unigram", "byte"]
TEXTS = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "it was the age of foolishness, it was the epoch of belief,\nit was the epoch of incredulity",
    "",
    None,
    "Größe und Straße, naïveté! 12 123 日本語 😀",
    "the season of Light, the season of Darkness, the spring of hope, the winter of despair",
]
SIZES = {
    "bpe": 300,
    "wordpiece": 100,
    "sentencepiece-bpe": 330,
    "sentencepiece-unigram": 310,
    "byte": 0,
}


def configuration(family: str, **options) -> TrainTokenizer:
    return TrainTokenizer(**{"family": family, "vocab_size": SIZES[family], "min_frequency": 0, **options})


def contents(folder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None, max_examples=40)
@given(cuts=st.lists(st.integers(0, 6), max_size=3), backwards=st.booleans())
def test_counts_do_not_depend_on_batches(family, cuts, backwards):
    config = configuration(family)
    text = pa.array(TEXTS)
    edges = sorted({0, *cuts, len(text)})
    tables = [count(text[a:b], config) for a, b in zip(edges, edges[1:])]
    merged = merge_counts(tables[::-1] if backwards else tables)
    assert merged.equals(count(text, config))
    words = merged["word"].to_pylist()
    assert words == sorted(set(words), key=str.encode)


def test_what_a_word_is():
    text = pa.array(["It's  Überall\n It's"])
    words = {family: dict(zip(*count(text, configuration(family)).to_pydict().values())) for family in FAMILIES}
    assert words["bpe"] == {"It": 1, "'s": 2, " ": 1, " Überall": 1, "\n": 1, " It": 1}
    assert words["wordpiece"] == {"it": 2, "'": 2, "s": 2, "uberall": 1}
    assert words["sentencepiece-bpe"] == {"It's": 2, "Überall": 1}
    assert words["sentencepiece-unigram"] == {"It's  Überall": 1, " It's": 1}
    assert words["byte"] == {}


@settings(deadline=None, max_examples=50)
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=60)
    | st.text(st.sampled_from("aÉ \n\u3000\u0301#,中\v"), max_size=40)
)
def test_wordpiece_words_equal_those_of_the_whole_text(text):
    normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    pieces = tokenizers.pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))
    found = count(pa.array([text]), configuration("wordpiece")).to_pydict()
    assert dict(zip(found["word"], found["count"])) == collections.Counter(piece for piece, _ in pieces)


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_counts_give_equal_files(family, tmp_path):
    config = configuration(family, sentinels=3)
    text = pa.array(TEXTS)
    train(count(text, config), config, str(tmp_path / "one"))
    train(
        pa.concat_tables([count(text[i : i + 1], config) for i in (5, 4, 3, 2, 1, 0)]),
        config,
        str(tmp_path / "two"),
    )
    program = (
        "import sys, pyarrow as pa; from tokenizer_training.train import *;"
        f"config = TrainTokenizer(family={family!r}, vocab_size={config.vocab_size}, sentinels=3, min_frequency=0);"
        f"train(count(pa.array({TEXTS!r}), config), config, sys.argv[1])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4321", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "three")], check=True, env=environment)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")


@pytest.mark.parametrize("family", FAMILIES)
def test_description(family, tmp_path):
    config = configuration(family, sentinels=4, special_tokens=() if family == "byte" else ("<|more|>",))
    figures = train(count(pa.array(TEXTS), config), config, str(tmp_path))
    description = json.loads((tmp_path / "winnow_tokenizer.json").read_text())
    assert description["vocab_size"] == figures["vocab_size"] == {**SIZES, "byte": 259}[family] + 4
    assert description["sentinels"] == [figures["vocab_size"] - 1 - i for i in range(4)]
    assert list(description["special_tokens"].values()) == list(range(len(description["special_tokens"])))
    assert (
        description["special_tokens"][description["end_of_document"]["token"]] == description["end_of_document"]["id"]
    )
    for name, digest in description["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    if (tmp_path / "tokenizer.json").exists():
        loaded = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        assert loaded.get_vocab_size() == figures["vocab_size"]
        for token, i in description["special_tokens"].items():
            assert loaded.token_to_id(token) == i
            assert loaded.encode(token, add_special_tokens=False).ids == [i]
        assert loaded.token_to_id("<extra_id_0>") == figures["vocab_size"] - 1
    if (tmp_path / "sentencepiece.model").exists():
        import sentencepiece

        model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "sentencepiece.model"))
        assert model.get_piece_size() == config.vocab_size
        for token, i in description["special_tokens"].items():
            assert model.id_to_piece(i) == token
        assert (model.pad_id(), model.eos_id(), model.unk_id(), model.bos_id()) == (0, 1, 2, -1)


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
def test_bpe_equals_huggingface(vocab_size, tmp_path):
    check_against_huggingface([text for text in TEXTS if text], vocab_size, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("vocab_size", [1000, 8000, 30000])
def test_bpe_equals_huggingface_on_real_text(real_data, vocab_size, tmp_path):
    path = sorted((real_data / "jsonl").glob("*.jsonl.zst"))[0]
    with path.open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"] for line in lines]
    check_against_huggingface(texts[::2], vocab_size, tmp_path, min_frequency=0)


def test_other_forms_of_a_bpe_vocabulary(tmp_path):
    config = configuration("bpe")
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


def test_wordpiece_learns_the_tokens_of_huggingface_without_ties(tmp_path):
    # Counts are powers of two, so that no order of equal counts can differ.
    words = ["abc", "bcd", "cde", "dea", "eab", "abcde", "bcdea"]
    text = "\n".join(" ".join([word] * 2**i) for i, word in enumerate(words))
    config = TrainTokenizer(family="wordpiece", vocab_size=24, min_frequency=0)
    train(count(pa.array([text]), config), config, str(tmp_path))
    tokenizer = tokenizers.BertWordPieceTokenizer()
    tokenizer.train_from_iterator([text], vocab_size=24, min_frequency=0, show_progress=False)
    tokens = (tmp_path / "vocab.txt").read_text().splitlines()
    assert set(tokens) == set(tokenizer.get_vocab())
    assert tokens[:15] == [
        *"[PAD] [UNK] [CLS] [SEP] [MASK]".split(),
        *"abcde",
        "##a",
        "##b",
        "##c",
        "##d",
        "##e",
    ]


@pytest.mark.parametrize("family", ["bpe", "wordpiece", "sentencepiece-bpe", "sentencepiece-unigram"])
def test_a_vocabulary_too_small_is_refused(family, tmp_path):
    config = configuration(family, vocab_size=20)
    with pytest.raises(ValueError, match="20"):
        train(count(pa.array(TEXTS), config), config, str(tmp_path))


@pytest.mark.parametrize("token", ["a", "was"])
def test_a_special_token_that_text_can_spell_is_refused(token, tmp_path):
    config = configuration("bpe", special_tokens=(token,))
    with pytest.raises(ValueError, match=token):
        train(count(pa.array(["was"] * 5), config), config, str(tmp_path))


@pytest.mark.parametrize("family", ["bpe", "byte"])
def test_training_on_nothing(family, tmp_path):
    config = configuration(family)
    figures = train(count(pa.array([], pa.string()), config), config, str(tmp_path))
    assert figures["vocab_size"] == {"bpe": 257, "byte": 259}[family]
    assert len(load_encoder(tmp_path).encode(pa.array(["abc"]))[0]) == 3


@settings(deadline=None)
@given(st.text("aé日 ", max_size=60), st.integers(4, 20))
def test_cut_lines_lose_nothing(line, limit):
    pieces = cut(line, limit)
    assert all(len(piece.encode()) <= limit for piece in pieces)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")


def test_sample_is_by_id_alone():
    ids = pa.array([f"document-{i}" for i in range(20000)])
    config = TrainTokenizer(sample_bytes=1000)
    chosen = sampled(ids, 4000, config)
    assert 4700 < chosen.sum() < 5300
    assert (sampled(ids[5000:], 4000, config) == chosen[5000:]).all()
    assert (sampled(ids, 4000, config, seed=1) != chosen).any()
    assert sampled(ids, 1000, config).all()


def test_evaluation(tmp_path):
    config = configuration("bpe")
    text = pa.array(TEXTS)
    train(count(text, config), config, str(tmp_path))
    encoder = load_encoder(tmp_path)
    figures = evaluate(encoder, text)
    tokens, _ = encoder.encode(text)
    words = " ".join(t or "" for t in TEXTS).split()
    lengths = [len(encoder.encode(pa.array([" " + word]))[0]) for word in words]
    assert figures["tokens"] == len(tokens)
    assert figures["words"] == len(words)
    assert figures["bytes_per_token"] == sum(len((t or "").encode()) for t in TEXTS) / len(tokens)
    assert figures["fertility"] == len(tokens) / len(words)
    assert figures["continued_word_share"] == np.mean(np.array(lengths) > 1)
    assert figures["vocabulary_used"] == len(set(tokens.tolist())) / encoder.vocab_size
    assert figures["unknown_rate"] == 0
    assert evaluate(encoder, text[:0])["bytes_per_token"] is None


def test_unknown_rate(tmp_path):
    config = configuration("wordpiece")
    train(count(pa.array(TEXTS), config), config, str(tmp_path))
    assert evaluate(load_encoder(tmp_path), pa.array(["was \u0436"]))["unknown_rate"] == 0.5
