"""Encoders against the libraries they equal, and back."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding import bpe, byte_level
from corpus.encoding.encoder import load_encoder
from corpus.encoding.encoders import TEXTS_AT_ONCE
from corpus.encoding.pretoken_table import BLOCK
from corpus.encoding.pretokenizers import PRETOKENIZERS
from corpus.text.arrow import buffers
from tokenizer_training.train import TrainTokenizer, count, train

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's the dog's day, they'll say.\n" * 3,
    "In the beginning was the Word, and the Word was with the tokenizer. 1234 12 1999\n\n" * 3,
    "Größe, naïveté, Übermut: Straße und Gruß. Ça va? Garçon! El niño pequeño.\t",
    "日本語のテキストと中文文本。 Привет, мир! مرحبا 😀😀",
    "aaaa aaaaaaaa abababab  abab\r\nabab banana bananas",
]
SIZES = {
    "bpe": 380,
    "wordpiece": 180,
    "sentencepiece-bpe": 380,
    "sentencepiece-unigram": 350,
    "byte": 0,
}
FOREIGN = "foreign"
"""A family that only Hugging Face's library can read: the tokenizer is that of bpe."""
ANY_TEXT = st.text(max_size=80) | st.text(st.sampled_from("ab \n'sTheß日😀\u0301#12"), max_size=120)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for family, size in SIZES.items():
        config = TrainTokenizer(family=family, vocab_size=size, sentinels=2)
        made[family] = tmp_path_factory.mktemp(family)
        train(count(pa.array(TEXTS), config), config, str(made[family]))
    made[FOREIGN] = tmp_path_factory.mktemp(FOREIGN)
    shutil.copytree(made["bpe"], made[FOREIGN], dirs_exist_ok=True)
    describe(made[FOREIGN], family=FOREIGN, encoder="tokenizers")
    return made


def describe(folder, **changes):
    """Change what the description of a tokenizer says."""
    path = folder / "winnow_tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def encoders(folders):
    return {family: load_encoder(folder) for family, folder in folders.items()}


def huggingface(folder):
    """Hugging Face's tokenizer of the same file, taking special tokens for text."""
    stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    stored["added_tokens"], stored["post_processor"] = [], None
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(stored))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


@pytest.fixture(scope="module")
def references(folders):
    made = {family: huggingface(folders[family]) for family in ("bpe", "wordpiece", FOREIGN)}
    for family in ("sentencepiece-bpe", "sentencepiece-unigram"):
        path = str(folders[family] / "sentencepiece.model")
        made[family] = sentencepiece.SentencePieceProcessor(model_file=path).encode
    made["byte"] = lambda text: [byte + 3 for byte in text.encode()]
    return made


def ids_of(encoder, texts, **options):
    tokens, offsets = encoder.encode(texts, **options)
    assert tokens.dtype == np.int32 and offsets.dtype == np.int64
    assert len(offsets) == len(texts) + 1 and offsets[0] == 0 and offsets[-1] == len(tokens)
    return [tokens[a:b].tolist() for a, b in zip(offsets, offsets[1:])]


@pytest.mark.parametrize("family", [*SIZES, FOREIGN])
@settings(deadline=None, max_examples=150)
@given(texts=st.lists(ANY_TEXT, max_size=4))
def test_ids_equal_the_reference(encoders, references, family, texts):
    expected = [references[family](text) for text in texts]
    assert ids_of(encoders[family], pa.array(texts, pa.string())) == expected


@pytest.mark.parametrize("family", [*SIZES, FOREIGN])
def test_columns_of_every_kind(encoders, references, family):
    texts = ["left out", *TEXTS, None, "", "a"]
    expected = [references[family](text or "") for text in texts[1:]]
    end = encoders[family].end_id
    for type_ in (pa.string(), pa.large_string()):
        array = pa.array(texts, type_)[1:]
        assert ids_of(encoders[family], array) == expected
        assert ids_of(encoders[family], array, append_end=True) == [[*ids, end] for ids in expected]
        assert ids_of(encoders[family], array[:0]) == []


@pytest.mark.parametrize("family", ["bpe", FOREIGN, "byte"])
@settings(deadline=None, max_examples=200)
@given(text=ANY_TEXT)
def test_decoding_gives_the_text_back(encoders, family, text):
    tokens, _ = encoders[family].encode(pa.array([text]), append_end=True)
    assert encoders[family].decode(tokens) == text


@pytest.mark.parametrize("family", [*SIZES, FOREIGN])
def test_special_tokens_in_text_are_text(encoders, family):
    encoder = encoders[family]
    texts = pa.array([f"a{token}b {token}" for token in encoder.special_tokens])
    special = [i for token, i in encoder.special_tokens.items() if i != encoder.unknown_id]
    tokens, _ = encoder.encode(texts)
    assert not np.isin(tokens, [*special, *encoder.sentinels]).any()
    assert encoder.decode([*special, *encoder.sentinels]) == ""
    assert tokens.max() < encoder.vocab_size


@settings(deadline=None, max_examples=150)
@given(text=st.text(st.sampled_from("abnhTe日"), min_size=bpe.SCAN_LIMIT, max_size=500))
def test_long_pretokens_equal_the_reference(encoders, references, text):
    assert ids_of(encoders["bpe"], pa.array([text])) == [references["bpe"](text)]


@pytest.mark.parametrize("unit", ["a", "ab", "banana", "日本", " ", "x", "!"])
def test_long_runs_equal_the_reference(encoders, references, unit):
    texts = [unit * n for n in (1, 7, 8, 9, 15, 16, 17, 47, 48, 49, 254, 255, 256, 2000)]
    for _ in range(2):  # through the cache the second time
        assert ids_of(encoders["bpe"], pa.array(texts)) == [references["bpe"](text) for text in texts]


def test_texts_about_the_size_of_a_block_equal_the_reference(encoders, references):
    sizes = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1]
    texts = [" dog the" * (n // 2) + "!" * (n % 2) for n in sizes]
    assert ids_of(encoders["bpe"], pa.array(texts)) == [references["bpe"](text) for text in texts]


def test_time_of_one_long_word_is_not_quadratic(encoders):
    """That would be hours for these 3 MB, which no test has."""
    encoder = encoders["bpe"]
    tokens, _ = encoder.encode(pa.array(["the" * 1_000_000]))
    assert encoder.decode(tokens) == "the" * 1_000_000


def test_a_full_cache_changes_nothing(folders, encoders):
    stored = json.loads((folders["bpe"] / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    ids = stored["vocab"]
    rules = bpe.make_rules(
        [ids[c] for c in byte_level.characters()],
        [(ids[a], ids[b], ids[a + b]) for a, b in stored["merges"]],
        [byte_level.to_bytes(token) for token in ids if token != "<|endoftext|>"],
    )
    texts = pa.array([" ".join(f"word{i}" * (i % 7) for i in range(n)) for n in (3, 300, 900)])
    data, offsets = buffers(texts)
    out, ends = np.empty(len(data) + bpe.ENCODE_SLACK, np.int32), np.empty(4, np.int64)
    cache = bpe.make_cache(64)
    n = bpe.encode(data, offsets, PRETOKENIZERS["gpt2"].table(), rules, cache, out, ends)
    tokens, expected_ends = encoders["bpe"].encode(texts)
    assert out[:n].tolist() == tokens.tolist()
    assert ends.tolist() == expected_ends.tolist()
    assert cache.used[0] <= 32


def test_byte_ids_are_those_of_byt5(encoders):
    encoder = encoders["byte"]
    assert (encoder.pad_id, encoder.end_id, encoder.unknown_id) == (0, 1, 2)
    assert ids_of(encoder, pa.array(["aé"]), append_end=True) == [[100, 198, 172, 1]]
    assert encoder.sentinels == (260, 259) and encoder.vocab_size == 261


def test_undecodable_bytes_become_the_replacement_character(encoders):
    tokens, _ = encoders["bpe"].encode(pa.array(["日"]))
    assert encoders["byte"].decode([0xE6 + 3]) == "\ufffd"
    assert encoders["bpe"].decode(tokens) == "日"


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_encoder(tmp_path)


def test_changed_file(tmp_path):
    config = TrainTokenizer(vocab_size=300)
    train(count(pa.array(TEXTS), config), config, str(tmp_path))
    load_encoder(tmp_path)
    with (tmp_path / "tokenizer.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ValueError, match="tokenizer.json has been changed"):
        load_encoder(tmp_path)


def test_more_texts_than_are_encoded_at_once(encoders, references):
    texts = [TEXTS[i % len(TEXTS)][: i % 50] for i in range(2 * TEXTS_AT_ONCE + 1)]
    assert ids_of(encoders[FOREIGN], pa.array(texts)) == [references["bpe"](text) for text in texts]


def test_the_encoder_is_what_the_description_says_or_the_family_implies(folders, encoders, tmp_path):
    shutil.copytree(folders["bpe"], tmp_path, dirs_exist_ok=True)
    assert "encoder" not in json.loads((tmp_path / "winnow_tokenizer.json").read_text())
    assert encoders["bpe"].space_before_word and not encoders[FOREIGN].space_before_word
    describe(tmp_path, encoder="byte", space_before_word=False)
    encoder = load_encoder(tmp_path)
    assert encoder.encode(pa.array(["a"]))[0].tolist() == [100] and not encoder.space_before_word
    describe(tmp_path, family="bpe-of-another-kind", encoder="bpe")
    assert ids_of(load_encoder(tmp_path), pa.array(TEXTS)) == ids_of(encoders["bpe"], pa.array(TEXTS))


@pytest.mark.parametrize("changes", [{"family": "quipu"}, {"encoder": "quipu"}, {"family": ""}])
def test_an_encoder_that_there_is_not(folders, tmp_path, changes):
    shutil.copytree(folders["bpe"], tmp_path, dirs_exist_ok=True)
    describe(tmp_path, **changes)
    with pytest.raises(
        ValueError, match="names the encoder '(quipu)?', which is none of bpe, wordpiece, sentencepiece"
    ):
        load_encoder(tmp_path)


@pytest.mark.parametrize("family", [*SIZES, FOREIGN])
def test_lists_of_texts(encoders, family):
    encoder = encoders[family]
    texts = [*TEXTS, "", ""]
    found = encoder.encode_texts(iter(texts), append_end=True)
    assert [ids.tolist() for ids in found] == ids_of(encoder, pa.array(texts), append_end=True)
    assert {ids.dtype for ids in found} == {np.dtype(np.int32)}
    assert encoder.encode_texts([]) == []
    assert [encoder.decode(ids) for ids in found][-2:] == ["", ""]
