"""BPE over characters and unigram models of a tokenizer.json against Hugging Face's `tokenizers`."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, trainers

from corpus.encoding import metaspace
from corpus.encoding.normalizers import from_component
from corpus.encoding.patterns import PatternError

LINES = [
    "The quick brown fox jumps over the lazy dog; it's the dog's day, they'll say.",
    "Größe, naïveté, Übermut: Straße und Gruß.  Ça va? 1234 12 1999 a_b",
    "日本語のテキスト Привет, мир! 😀😀   def f(x):\n    return x",
] * 5
ALPHABET = " \u2581ab\n\tte'sTheß日😀é12x\u0301"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
LLAMA = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])


def trained_bpe(normalizer, pre_tokenizer, **options):
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", **options))
    tokenizer.normalizer = LLAMA  # so that words are words in training
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    special = ["<unk>", *(BYTES if options.get("byte_fallback") else [])]
    tokenizer.train_from_iterator(
        LINES, trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    )
    return told(tokenizer, normalizer, pre_tokenizer)


def told(tokenizer, normalizer, pre_tokenizer):
    stored = json.loads(tokenizer.to_str())
    stored["added_tokens"] = []
    stored["normalizer"] = json.loads(normalizer.__getstate__()) if normalizer else None
    stored["pre_tokenizer"] = json.loads(pre_tokenizer.__getstate__()) if pre_tokenizer else None
    return stored


def unigram_model(byte_fallback, pre_tokenizer, seed):
    generator = random.Random(seed)
    pieces = {
        "\u2581" * generator.randint(0, 1) + "".join(generator.choices("abtehßT日é", k=generator.randint(1, 4)))
        for _ in range(60)
    }
    vocabulary = [
        ("<unk>", 0.0),
        *((piece, -generator.randint(1, 9) / 3) for piece in sorted(pieces | {"a", "e", "\u2581"})),
    ]
    vocabulary += [(name, -5.0) for name in BYTES] if byte_fallback else []
    model = models.Unigram(vocabulary, unk_id=0, byte_fallback=byte_fallback)
    return told(tokenizers.Tokenizer(model), None, pre_tokenizer)


CASES = {
    "llama": lambda: trained_bpe(LLAMA, None, byte_fallback=True, fuse_unk=True),
    "llama, metaspace": lambda: trained_bpe(
        None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False), byte_fallback=True, fuse_unk=True
    ),
    "unknown": lambda: trained_bpe(None, pre_tokenizers.Metaspace()),
    "unknown, fused": lambda: trained_bpe(LLAMA, None, fuse_unk=True),
    "unknown, fused by words": lambda: trained_bpe(
        normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="never"), fuse_unk=True
    ),
    "unigram": lambda: unigram_model(False, pre_tokenizers.Metaspace(), 1),
    "unigram, bytes": lambda: unigram_model(True, pre_tokenizers.Metaspace(prepend_scheme="never"), 2),
    "unigram, first": lambda: unigram_model(False, pre_tokenizers.Metaspace(prepend_scheme="first"), 3),
}


@pytest.fixture(scope="module")
def pairs():
    made = {}
    for name, make in CASES.items():
        stored = make()
        made[name] = encoder(stored), tokenizers.Tokenizer.from_str(json.dumps(stored))
    return made


def encoder(stored):
    encode, first = metaspace.encoder(stored), from_component(stored["normalizer"])
    return lambda texts: encode(first.texts(texts))


def check(pair, texts):
    encode, reference = pair
    tokens, offsets = encode(pa.array(texts, pa.large_string()))
    assert tokens.dtype == np.int32 and offsets.dtype == np.int64 and offsets[-1] == len(tokens)
    expected = [reference.encode(text, add_special_tokens=False).ids for text in texts]
    assert [tokens[a:b].tolist() for a, b in zip(offsets, offsets[1:])] == expected


@pytest.mark.parametrize("name", CASES)
@settings(deadline=None, max_examples=150)
@given(texts=st.lists(st.text(max_size=30) | st.text(st.sampled_from(ALPHABET), max_size=50), max_size=4))
def test_ids_equal_the_library(pairs, name, texts):
    check(pairs[name], texts)


@pytest.mark.parametrize("name", CASES)
def test_every_character(pairs, name):
    characters = [chr(c) for c in range(0, 0x110000, 211) if not 0xD800 <= c < 0xE000] + [chr(c) for c in range(0x600)]
    check(pairs[name], [f"{c}a {c}e\u0301{c} {c}{c}" for c in characters])


@pytest.mark.parametrize("name", CASES)
def test_long_words(pairs, name):
    check(pairs[name], ["the" * 1000, "日" * 1000, "a" * 3000, " " * 300, "the dog " * 500])


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda stored: stored["model"].update(dropout=0.1), "dropout"),
        (lambda stored: stored["model"].update(ignore_merges=True), "ignore_merges"),
        (lambda stored: stored["model"].update(continuing_subword_prefix="##"), "continuing_subword_prefix"),
        (lambda stored: stored["model"].update(end_of_word_suffix="</w>"), "end_of_word_suffix"),
        (lambda stored: stored["model"].update(unk_token="<nothing>"), "<nothing>"),
        (lambda stored: stored["model"]["vocab"].pop("<0x41>"), "tokens of bytes"),
        (lambda stored: stored["model"].update(vocab=stored["model"]["vocab"] | {"a\u2581": 900}, merges=["a \u2581"]),
         "across words"),
        (lambda stored: stored.update(pre_tokenizer={"type": "ByteLevel"}), "ByteLevel"),
        (lambda stored: stored.update(pre_tokenizer={"type": "Metaspace", "replacement": "_"}), "Metaspace"),
        (lambda stored: stored.update(normalizer={"type": "Precompiled"}), "Precompiled"),
        (lambda stored: stored["model"].update(type="WordLevel"), "WordLevel"),
    ],
)  # fmt: skip
def test_what_is_not_of_these_kinds_is_refused_by_name(change, what):
    stored = CASES["llama"]()
    change(stored)
    with pytest.raises(PatternError, match=what):
        encoder(stored)


def test_a_unigram_model_over_whole_texts_is_refused():
    with pytest.raises(PatternError, match="Metaspace that splits"):
        metaspace.encoder(unigram_model(False, None, 1))
