"""Models of sentencepiece against the library, trained ones and ones made up so that scores tie everywhere."""

import io
import random
import struct

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding import sentencepiece_model, sentencepiece_normalizer
from corpus.encoding.sentencepiece_model import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, ModelError

LINES = [
    "The quick brown fox jumps over the lazy dog; it's the dog's day, they'll say.",
    "In the beginning was the Word, and the Word was with the tokenizer. 1234 12 1999",
    "Größe, naïveté, Übermut: Straße und Gruß. Ça va? Garçon! El niño pequeño.",
    "日本語のテキストと中文文本。 Привет, мир! مرحبا 😀😀 가나다 ﬁne ① ㌀",
    "aaaa aaaaaaaa abababab  abab banana bananas    def f(x):    return x",
] * 4
TRAINED = {
    "unigram": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 480},
    "unigram, unknown": {"model_type": "unigram", "character_coverage": 0.98, "vocab_size": 150},
    "unigram, folded": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc_cf", "vocab_size": 180},
    "bpe": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 520},
    "bpe, unknown": {"model_type": "bpe", "character_coverage": 0.98, "vocab_size": 200},
    "bpe, identity": {
        "model_type": "bpe", "byte_fallback": True, "vocab_size": 560, "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True, "split_digits": True,
    },
    "bpe, no prefix": {
        "model_type": "bpe", "add_dummy_prefix": False, "normalization_rule_name": "nfkc", "vocab_size": 250
    },
    "unigram, identity": {
        "model_type": "unigram", "normalization_rule_name": "identity", "add_dummy_prefix": True, "vocab_size": 200
    },
}  # fmt: skip
ALPHABET = " \u3000\u2581ab\n\tte'sTheß日😀\u0301#12é½ﬁ\u200b\u00a0\u1e9b\u0307가\u1100\u1161\ufffd\0\x01①"
TEXT = st.text(max_size=40) | st.text(st.sampled_from(ALPHABET), max_size=60)


@pytest.fixture(scope="module")
def models():
    made = {}
    for name, options in TRAINED.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES),
            model_writer=model,
            num_threads=1,
            minloglevel=2,
            hard_vocab_limit=False,
            **options,
        )
        made[name] = both(model.getvalue())
    return made


def both(data):
    """(ours, the library's)"""
    library = sentencepiece.SentencePieceProcessor(model_proto=data)
    return sentencepiece_model.encoder(sentencepiece_model.read_model(data)), library.encode


def check(pair, texts):
    encode, reference = pair
    tokens, offsets = encode(pa.array(texts, pa.large_string()))
    assert tokens.dtype == np.int32 and offsets.dtype == np.int64 and offsets[-1] == len(tokens)
    assert [tokens[a:b].tolist() for a, b in zip(offsets, offsets[1:])] == [reference(text) for text in texts]


@pytest.mark.parametrize("name", TRAINED)
@settings(deadline=None, max_examples=200)
@given(texts=st.lists(TEXT, max_size=4))
def test_ids_equal_the_library(models, name, texts):
    check(models[name], texts)


@pytest.mark.parametrize("name", TRAINED)
def test_every_character(models, name):
    characters = [chr(c) for c in range(0, 0x110000, 53) if not 0xD800 <= c < 0xE000] + [chr(c) for c in range(0x3100)]
    check(models[name], [f"{c}a {c}e\u0301{c} {c}" for c in characters])


@pytest.mark.parametrize("name", TRAINED)
def test_long_texts_and_words(models, name):
    generator = random.Random(1)
    words = [word for line in LINES for word in line.split()]
    texts = [" ".join(generator.choices(words, k=n)) for n in (1, 500, 30_000)]
    check(models[name], [*texts, "the" * 3000, "日" * 2000, "ab" * 60_000])


def varint(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def model_of(pieces, model_type=1, byte_fallback=False, dummy=True, extra=True, escape=True, suffix=False):
    """A model of (text, score, type), without a table of rules."""
    message = b"".join(
        field(1, field(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score) + field(3, kind))
        for text, score, kind in pieces
    )
    trainer = field(3, model_type) + field(24, int(suffix)) + field(35, int(byte_fallback))
    normalizer = field(1, b"identity") + field(3, int(dummy)) + field(4, int(extra)) + field(5, int(escape))
    return message + field(2, trainer) + field(3, normalizer)


SPECIAL = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
BYTES = [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]


@pytest.mark.parametrize("seed", range(30))
def test_scores_that_tie(seed):
    """Sums of equal scores, of scores that are equal but for rounding, and of ones so large that rounding decides."""
    generator = random.Random(seed)
    units = generator.choice([[1.0, 2.0, 3.0], [0.1, 0.2, 0.3, 0.7], [0.1, 0.1 + 2**-20], [1000.1, 2000.2, 3000.3]])
    strings = {
        "".join(generator.choices("\u2581aab", k=1) + generator.choices("ab", k=generator.randint(0, 3)))
        for _ in range(14)
    }
    strings |= {"a"} | ({"b"} if seed % 3 else set())
    normal = [(text, -generator.choice(units) * generator.randint(1, 3), NORMAL) for text in sorted(strings)]
    kinds = {"model_type": generator.choice([1, 1, 2]), "byte_fallback": seed % 2 == 0}
    pieces = SPECIAL + (BYTES if kinds["byte_fallback"] else []) + normal
    data = model_of(pieces, dummy=generator.random() < 0.7, extra=generator.random() < 0.5, **kinds)
    texts = ["".join(generator.choices("aab b cé ", k=generator.choice([3, 30, 3000]))) for _ in range(60)]
    check(both(data), texts + ["".join(generator.choices("aab b c ", k=60_000))])


def test_what_stands_before_a_word_decides_between_near_equals():
    """In 32 bits, "ab" and "a" + "b" are equal after large sums, and then the first found wins; so the memo of a word
    must not be used there."""
    pieces = [
        *SPECIAL,
        ("\u2581", -0.5, NORMAL),
        ("a", -500.0, NORMAL),
        ("b", -500.0, NORMAL),
        ("ab", -1000.0001, NORMAL),
    ]
    encode, reference = both(model_of(pieces))
    text = "ab " * 200
    ids = reference(text)
    assert {6} < set(ids) and {4, 5} < set(ids)  # both occur
    check((encode, reference), [text, "ab", "ab ab"])


def test_null_and_slices(models):
    encode, reference = models["unigram"]
    tokens, offsets = encode(pa.array(["left out", "ab", None, "the dog", ""])[1:])
    assert [tokens[a:b].tolist() for a, b in zip(offsets, offsets[1:])] == [
        reference("ab"),
        [],
        reference("the dog"),
        [],
    ]
    tokens, offsets = encode(pa.array([], pa.string()))
    assert len(tokens) == 0 and offsets.tolist() == [0]


@pytest.mark.parametrize(
    "options, pieces, what",
    [
        ({}, [("ab", -1.0, USER_DEFINED)], "user-defined piece 'ab'"),
        ({}, [("ab", -1.0, UNUSED)], "unused piece 'ab'"),
        ({}, [("a\u2581b", -1.0, NORMAL)], "space inside"),
        ({"suffix": True}, [("a", -1.0, NORMAL)], "whitespace_as_suffix"),
        ({"escape": False}, [("a", -1.0, NORMAL)], "escape_whitespaces"),
        ({"model_type": 3}, [("a", -1.0, NORMAL)], "type 3"),
        ({"byte_fallback": True}, [("a", -1.0, NORMAL), *BYTES[1:]], "spells bytes"),
        ({}, [("<u>", -1.0, UNKNOWN)], "one unknown"),
    ],
)
def test_models_for_the_library_are_refused(options, pieces, what):
    with pytest.raises(ModelError, match=what):
        sentencepiece_model.encoder(sentencepiece_model.read_model(model_of(SPECIAL + pieces, **options)))


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x0a\xff", bytes(100), b"\x0a\x02ab"])
def test_what_is_no_model_is_refused(data):
    with pytest.raises(ModelError, match="not a model"):
        sentencepiece_model.read_model(data)


def test_trained_models_are_read_whole(models):
    for options in TRAINED.values():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES),
            model_writer=model,
            num_threads=1,
            minloglevel=2,
            hard_vocab_limit=False,
            **options,
        )
        library = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        read = sentencepiece_model.read_model(model.getvalue())
        ids = range(library.get_piece_size())
        assert [(p, s) for p, s, _ in read.pieces] == [(library.id_to_piece(i), library.get_score(i)) for i in ids]
        assert [kind == CONTROL for _, _, kind in read.pieces] == [library.is_control(i) for i in ids]
        assert read.byte_fallback == options.get("byte_fallback", False)


def test_words_alone_are_normalized_where_that_is_the_same(models):
    """Both ways are taken by some of the models here."""
    found = set()
    for name in ("unigram", "bpe", "bpe, identity"):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES),
            model_writer=model,
            num_threads=1,
            minloglevel=2,
            hard_vocab_limit=False,
            **TRAINED[name],
        )
        read = sentencepiece_model.read_model(model.getvalue())
        made = sentencepiece_normalizer.make_normalizer(
            read.charsmap, read.add_dummy_prefix, read.remove_extra_whitespaces
        )
        found.add(sentencepiece_normalizer.by_word(made))
    assert found == {True, False}


def test_a_damaged_table():
    with pytest.raises(ValueError, match="precompiled_charsmap"):
        sentencepiece_normalizer.make_normalizer(b"\x10\x00\x00\x00abcdefgh", True, True)
