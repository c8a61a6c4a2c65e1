"""Training from texts at hand, and the description of the result."""

import hashlib
import json
import pathlib
import subprocess
import sys

import pyarrow as pa
import pytest

import tokenizer_training.train as training
from corpus.options import OptionError
from tokenizer_training import train_tokenizer
from tokenizer_training.train import TrainTokenizer, count, load_encoder, merge_counts, train

TEXTS = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "it was the age of foolishness, it was the epoch of belief,\nit was the epoch of incredulity",
    "",
    "",
    "Größe und Straße, naïveté! 12 123 日本語 😀",
]


def contents(folder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The files, from one table of counts of one column."""
    folder = tmp_path_factory.mktemp("expected")
    config = TrainTokenizer(vocab_size=300)
    train(count(pa.array(TEXTS), config), config, folder)
    return contents(folder)


FORMS = {
    "list": list,
    "iterator": iter,
    "generator": lambda texts: (text for text in texts),
    "string": pa.array,
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "dictionary": lambda texts: pa.array(texts).dictionary_encode(),
    "chunks": lambda texts: pa.chunked_array([texts[:2], [], texts[2:]]),
    "table": lambda texts: pa.table({"id": list("abcde"), "text": texts}),
    "batch": lambda texts: pa.record_batch({"text": texts}),
}


@pytest.mark.parametrize("form", FORMS)
def test_whatever_form_texts_have_the_tokenizer_is_the_same(form, expected, tmp_path):
    encoder = train_tokenizer(FORMS[form](TEXTS), tmp_path / "new", vocab_size=300)
    assert contents(tmp_path / "new") == expected
    assert encoder.fingerprint == load_encoder(tmp_path / "new").fingerprint
    assert [encoder.decode(ids) for ids in encoder.encode_texts(FORMS[form](TEXTS))] == [text or "" for text in TEXTS]


@pytest.mark.parametrize("least", [0, 10, 1 << 16])
def test_counts_are_summed_as_they_come(least, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("corpus.tables.ITERATOR_CHARACTERS", 1)
    monkeypatch.setattr(training, "LEAST_ROWS_TO_MERGE", least)
    train_tokenizer(iter(TEXTS), tmp_path, vocab_size=300)
    assert contents(tmp_path) == expected


def test_texts_of_an_iterator_are_not_held(tmp_path):
    """50 MB of text in 20 MB of memory beyond what a fifth of it takes."""
    program = """
import resource, sys
from tokenizer_training import train_tokenizer
def texts(number):
    for i in range(number):
        yield f"{i % 100} times " + "it was the best of times, " * 4000
train_tokenizer(texts(100), sys.argv[1], vocab_size=300)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
train_tokenizer(texts(500), sys.argv[1], vocab_size=300)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20


def test_options_are_those_of_the_step(tmp_path):
    with pytest.raises(OptionError, match="did you mean 'byte'"):
        train_tokenizer(TEXTS, tmp_path, family="bytes")
    with pytest.raises(OptionError, match="did you mean 'vocab_size'"):
        train_tokenizer(TEXTS, tmp_path, vocabulary_size=300)
    with pytest.raises(TypeError, match="sample_bytes chooses documents by their ids"):
        train_tokenizer(TEXTS, tmp_path, sample_bytes=300)


def test_counts_with_other_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match="count"):
        train(pa.table({"word": ["a"], "number": [1]}), TrainTokenizer(), tmp_path)


def test_no_counts():
    assert merge_counts([]).num_rows == 0 and merge_counts([]).schema.names == ["word", "count"]


def test_the_description_is_what_it_was(tmp_path):
    """Names of keys, their order, and nothing that the family's name says already."""
    train_tokenizer(TEXTS, tmp_path, vocab_size=270, special_tokens=("<|more|>",), sentinels=1)
    text = pathlib.Path(tmp_path, "winnow_tokenizer.json").read_text()
    description = json.loads(text)
    assert (
        list(description)
        == (
            "format family vocab_size end_of_document pad_id unknown_id special_tokens sentinels unicode_version files "
            "fingerprint"
        ).split()
    )
    assert text == json.dumps(description, ensure_ascii=False) + "\n"
    assert description["special_tokens"] == {"<|endoftext|>": 0, "<|more|>": 1}
    assert (description["vocab_size"], description["sentinels"]) == (271, [270])
    del description["fingerprint"]
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    assert json.loads(text)["fingerprint"] == digest[:32]


def test_a_vocabulary_that_falls_short_says_so(tmp_path):
    with pytest.warns(UserWarning, match="has 260 ids and not the 5,000 that were asked for: .* occur 4 times or more"):
        encoder = train_tokenizer(["to be or not to be"] * 2, tmp_path, vocab_size=5000, min_frequency=4)
        assert encoder.vocab_size == 260


def test_a_vocabulary_that_does_not_fall_short_says_nothing(tmp_path, recwarn):
    train_tokenizer(["to be or not to be"] * 2, tmp_path / "bpe", vocab_size=260)
    train_tokenizer(["to be or not to be"], tmp_path / "byte", family="byte")
    assert not [warning for warning in recwarn if "asked for" in str(warning.message)]
