"""Roles of tokens, sentinels, beginnings of words, of tokenizers of each family and as a loader reads them."""

import json

import numpy as np
import pytest

from corpus.encoding import vocabulary
from corpus.encoding.encoder import load_encoder
from corpus.loader.vocabulary import of_manifest
from tokenizer_training import train_tokenizer

TEXTS = ["to be or not to be, that is the question. Whether tis nobler"] * 30


def known(folder, encoder):
    described = json.loads(json.dumps(vocabulary.describe(folder, encoder)))
    manifest = {"vocabulary": described, "vocab_size": encoder.vocab_size, "end_id": encoder.end_id}
    return of_manifest(manifest | {"pad_id": encoder.pad_id, "tokenizer": {"family": encoder.family}})


def words_of(encoder, found):
    """Which tokens of "to be. Be" begin a word, by their text."""
    (ids,) = encoder.encode_texts(["to be. to"])
    starts = found.word_starts("a test")
    return [encoder.decode([i]) for i in ids.tolist() if starts[i]]


@pytest.mark.parametrize(
    "family, options, words",
    [
        ("bpe", {"vocab_size": 290}, [" be", " to"]),
        ("wordpiece", {"vocab_size": 60}, ["to", "be", ".", "to"]),
        ("byte", {}, [" ", " "]),
        ("sentencepiece-unigram", {"vocab_size": 28, "byte_fallback": False, "sentinels": 10}, None),
    ],
)
def test_of_families(tmp_path, family, options, words):
    folder = str(tmp_path / "tokenizer")
    encoder = train_tokenizer(TEXTS, folder, family=family, **options)
    found = known(folder, encoder)
    assert found.roles["eos"] == encoder.end_id and found.sentinels == encoder.sentinels
    assert found.special[[*encoder.special_tokens.values(), *encoder.sentinels]].all()
    assert not found.special[found.ordinary].any() and len(found.ordinary) + found.special.sum() == encoder.vocab_size
    if words is not None:
        assert words_of(encoder, found) == words
    stops = found.full_stops("a test")
    (ids,) = encoder.encode_texts(["question."])
    assert stops.sum() >= 1 and stops[ids[-1]] and not stops[ids[:-1]].any()
    if encoder.sentinels:
        assert found.spans(3, "a test").tolist() == list(encoder.sentinels[:3])
        with pytest.raises(ValueError, match="has 10 sentinels"):
            found.spans(11, "a test")


def test_roles_by_name_and_by_configuration(tmp_path):
    special = ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<mask>", "[NLU]")
    encoder = train_tokenizer(TEXTS, str(tmp_path / "own"), family="bpe", vocab_size=280, special_tokens=special)
    found = known(str(tmp_path / "own"), encoder)
    named = {"fim_prefix": 0, "fim_middle": 1, "fim_suffix": 2, "mask": 3, "nlu": 4}
    assert {role: found.roles[role] for role in named} == {
        role: encoder.special_tokens[special[at]] for role, at in named.items()
    }
    configuration = json.loads((tmp_path / "own" / "tokenizer_config.json").read_text())
    for name in ("tokenizer.json", "special_tokens_map.json"):
        (tmp_path / "brought").mkdir(exist_ok=True)
        (tmp_path / "brought" / name).write_bytes((tmp_path / "own" / name).read_bytes())
    configuration |= {"mask_token": "[NLU]", "cls_token": "<fim_middle>", "bos_token": {"content": "<fim_prefix>"}}
    (tmp_path / "brought" / "tokenizer_config.json").write_text(json.dumps(configuration))
    brought = load_encoder(tmp_path / "brought")
    again = known(str(tmp_path / "brought"), brought)
    assert again.roles["mask"] == encoder.special_tokens["[NLU]"]
    assert again.roles["cls"] == encoder.special_tokens["<fim_middle>"]
    assert again.roles["bos"] == encoder.special_tokens["<fim_prefix>"]


def test_a_manifest_that_says_nothing():
    found = of_manifest({"vocab_size": 10, "end_id": 3, "pad_id": None})
    assert found.roles == {"eos": 3} and found.ordinary.tolist() == [0, 1, 2, *range(4, 10)]
    for ask in (lambda: found.role("mask", "mlm"), lambda: found.spans(1, "t5"), lambda: found.word_starts("mlm")):
        with pytest.raises(ValueError, match="tokenize again|0 sentinels|does not say"):
            ask()
    with pytest.raises(ValueError, match="did you mean 'mask'"):
        found.role("masc", "mlm")
    assert np.array_equal(found.special, np.arange(10) == 3)
