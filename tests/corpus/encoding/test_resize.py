"""Tokenizers with fewer tokens, and with more: a text whose old ids all stay has the same ids, by the table."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
import sentencepiece
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding import adopt, gate, needed_tokens
from corpus.encoding.encoder import load_encoder
from corpus.encoding.resize import TABLE, resize_tokenizer, used_ids

_spec = importlib.util.spec_from_file_location("brought", pathlib.Path(__file__).with_name("brought.py"))
brought = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought)
END, TEXTS = brought.END, brought.TEXTS
WORDS = [word for text in TEXTS for word in text.split(" ") if word]
SOME_TEXT = st.lists(st.sampled_from([*WORDS, " ", "\n", "dog", "day dog", "banan", "Wor", "ß", "é"]), max_size=8).map(
    " ".join
) | st.text(max_size=20)
GPT2 = {"eos_token": END, "tokenizer_class": "GPT2Tokenizer"}
BERT = {"sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def tiktoken(folder):
    """All ways to split a token are merges, and a token that is a whole word is one at once."""
    folder.mkdir()
    ranks = brought.write_tiktoken(folder / "x.tiktoken")
    return folder, {"pattern": "cl100k", "special_tokens": {"<|end|>": len(ranks)}, "end": "<|end|>"}


def hugging_face(make, **config):
    return lambda folder: (brought.write_folder(make(), folder, **config), {})


def model(model_type, config=None, **options):
    def write(folder):
        folder.mkdir()
        brought.write_model(folder / "spiece.model", model_type, **options)
        if config:
            (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return folder, {}

    return write


def blank_runs():
    made = brought.byte_level()
    made.add_tokens([tokenizers.AddedToken(" " * n, normalized=False) for n in range(2, 9)])
    return made


MADE = {
    "gpt2": hugging_face(brought.byte_level, **GPT2),
    "codex": hugging_face(blank_runs, **GPT2),
    "tiktoken": tiktoken,
    "bert": hugging_face(brought.bert, **BERT),
    "llama": hugging_face(brought.llama, **LLAMA),
    "unigram": hugging_face(brought.unigram, eos_token="</s>", unk_token="<unk>"),
    "model-bpe": model("bpe"),
    "model-unigram": model("unigram"),
    "t5": model("unigram", {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>"}, pad_id=-1),
}
"""What writes the files of a tokenizer, and the options it is read with."""


@pytest.fixture(autouse=True, scope="module")
def less_to_compare():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "SWEEP", range(0x100))
        yield


@pytest.fixture(scope="module", params=MADE)
def resized(request, tmp_path_factory):
    """(name, the whole, the one with some of its tokens, the table, its folder)."""
    folder = tmp_path_factory.mktemp(request.param)
    source, options = MADE[request.param](folder / "source")
    adopt.adopt(source, folder / "whole", adopt.bringing(options))
    whole = load_encoder(folder / "whole")
    keep = used_ids(whole, TEXTS[:2])
    smaller, table = resize_tokenizer(folder / "whole", folder / "smaller", keep=keep)
    return request.param, whole, smaller, table, folder / "smaller"


def ids_of(encoder, texts, **options):
    return [ids.tolist() for ids in encoder.encode_texts(texts, **options)]


def test_ids_are_those_of_the_table(resized):
    name, whole, smaller, table, folder = resized
    assert len(table) == whole.vocab_size and smaller.vocab_size == (table >= 0).sum() < whole.vocab_size
    assert sorted(table[table >= 0]) == list(range(smaller.vocab_size))
    for old, new in zip(whole.encode_texts(TEXTS[:2], append_end=True), ids_of(smaller, TEXTS[:2], append_end=True)):
        assert table[old].tolist() == new
    assert np.array_equal(np.load(folder / TABLE), table) and table.dtype == np.int32
    if name != "bert":
        assert ids_of(smaller, TEXTS) != [table[ids].tolist() for ids in whole.encode_texts(TEXTS)]


@settings(deadline=None, max_examples=150)
@given(texts=st.lists(SOME_TEXT, min_size=1, max_size=6))
def test_a_text_whose_ids_all_stay(resized, texts):
    name, whole, smaller, table, _ = resized
    for old, new in zip(whole.encode_texts(texts), smaller.encode_texts(texts)):
        if (table[old] >= 0).all() and not (name == "bert" and whole.unknown_id in old):
            assert table[old].tolist() == new.tolist()
    if name in ("gpt2", "codex", "tiktoken"):
        assert [smaller.decode(ids) for ids in smaller.encode_texts(texts)] == texts


def test_roles_stay(resized):
    name, whole, smaller, table, folder = resized
    assert smaller.end_id == table[whole.end_id] and smaller.family == whole.family
    assert smaller.encoder == whole.encoder
    for role in ("pad_id", "unknown_id"):
        old = getattr(whole, role)
        assert getattr(smaller, role) == (None if old is None else table[old])
    assert smaller.special_tokens == {token: table[i] for token, i in whole.special_tokens.items()}
    assert smaller.sentinels == tuple(table[list(whole.sentinels)]) and len(smaller.sentinels) == 100 * (name == "t5")
    for side in ("before", "after"):
        assert getattr(smaller, side) == tuple(table[list(getattr(whole, side))])


def test_the_libraries_read_it(resized):
    _, _, smaller, _, folder = resized
    texts = [*TEXTS, "", " a  b"]
    if (folder / "sentencepiece.model").exists():
        library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.model"))
        assert ids_of(smaller, texts) == [library.encode(text) for text in texts]
        assert (library.unk_id(), library.pad_id()) == (smaller.unknown_id, -1 if smaller.pad_id is None else 3)
        assert library.id_to_piece(library.eos_id()) == "</s>"
    if (folder / "tokenizer.json").exists() and not (folder / "sentencepiece.model").exists():
        library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        library.encode_special_tokens = True
        assert ids_of(smaller, texts) == [library.encode(text, add_special_tokens=False).ids for text in texts]


def test_resizing_again(resized, tmp_path):
    """What was resized is a tokenizer of ours; to keep everything changes no id."""
    _, _, smaller, _, folder = resized
    again, table = resize_tokenizer(folder, tmp_path / "again")
    assert table.tolist() == list(range(smaller.vocab_size)) and ids_of(again, TEXTS) == ids_of(smaller, TEXTS)


def test_as_many_as_there_is_room_for(tmp_path):
    whole = load_encoder(folder := brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2))
    keep = used_ids(whole, TEXTS)
    sizes = [resize_tokenizer(folder, tmp_path / str(n), keep, vocab_size=n)[0].vocab_size for n in (257, 280, 300)]
    assert sizes == [257, 280, 300]
    with pytest.raises(ValueError, match="too small for special tokens and bytes, which alone are 257 ids"):
        resize_tokenizer(folder, tmp_path / "small", keep, vocab_size=256)


def test_new_tokens(tmp_path):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2)
    whole = load_encoder(folder)
    more, table = resize_tokenizer(folder, tmp_path / "more", add=["<tool>"], add_special=["<|im_start|>"])
    size = whole.vocab_size
    assert table.tolist() == list(range(size)) and more.vocab_size == size + 2
    assert more.special_tokens == {END: 0, "<|im_start|>": size + 1}
    assert ids_of(more, TEXTS) == ids_of(whole, TEXTS)
    (ids,) = ids_of(more, ["a<tool>b<|im_start|>"])
    assert size in ids and size + 1 not in ids
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "more" / "tokenizer.json"))
    assert library.encode("a<tool>b<|im_start|>").ids[-1] == size + 1
    for added, word in ((["<tool>"], "'<tool>' already"), ([END], "already"), (["x", "x"], "'x' already")):
        with pytest.raises(ValueError, match=word):
            resize_tokenizer(tmp_path / "more", tmp_path / "twice", add=added)


def test_new_special_tokens_of_a_model(tmp_path):
    """They are its pieces, so that ids that are added to it move."""
    source, _ = MADE["t5"](tmp_path / "source")
    whole = load_encoder(source)
    more, table = resize_tokenizer(source, tmp_path / "more", add_special=["<tool>"])
    size = whole.vocab_size - 100
    assert table.tolist() == [*range(size), *range(size + 1, size + 101)]
    assert more.special_tokens["<tool>"] == size and more.sentinels == tuple(table[list(whole.sentinels)])
    library = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "more" / "sentencepiece.model"))
    assert library.piece_to_id("<tool>") == size and library.is_control(size)
    assert ids_of(more, ["a<tool>", *TEXTS]) == [library.encode(text) for text in ["a<tool>", *TEXTS]]
    with pytest.raises(ValueError, match="takes special tokens only, not 'x'"):
        resize_tokenizer(source, tmp_path / "not", add=["x"])


def test_refusals(tmp_path):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2)
    with pytest.raises(ValueError, match="400 is no id of the tokenizer, whose ids are 0 to 399"):
        resize_tokenizer(folder, tmp_path / "out", keep=[400])
    with pytest.raises(ValueError, match="is not empty; give a folder for the new tokenizer"):
        resize_tokenizer(folder, folder)
    with pytest.raises(FileNotFoundError, match="there is no tokenizer"):
        resize_tokenizer(tmp_path / "none", tmp_path / "out")
    from tokenizer_training import train_tokenizer

    train_tokenizer(["a"], tmp_path / "byte", family="byte")
    with pytest.raises(ValueError, match="its tokens are bytes"):
        resize_tokenizer(tmp_path / "byte", tmp_path / "out", keep=[5])


def test_what_a_token_needs():
    vocabulary = {token: i for i, token in enumerate(["a", "b", "c", "ab", "bc", "abc", "x"])}
    one_way = needed_tokens.of_merges({"vocab": vocabulary}, [("a", "b"), ("ab", "c")])
    assert one_way(5) == (3, 2) and one_way(0) == one_way(6) == ()
    both = [("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc")]
    assert needed_tokens.of_merges({"vocab": vocabulary}, both)(5) == (0, 4)  # b c is merged first
    assert needed_tokens.of_merges({"vocab": vocabulary}, both[1:])(5) == (3, 2)
    assert needed_tokens.closed([5, 6], one_way) == {0, 1, 2, 3, 5, 6}
    assert needed_tokens.closed([5, 6, 0], one_way, most=2) == {6, 0}


@pytest.mark.parametrize("family, size", [("bpe", 400), ("wordpiece", 300), ("sentencepiece-bpe", 420)])
def test_tokenizers_that_were_trained_here(tmp_path, family, size):
    from tokenizer_training import train_tokenizer

    whole = train_tokenizer(TEXTS, tmp_path / "whole", family=family, vocab_size=size, sentinels=3)
    smaller, table = resize_tokenizer(tmp_path / "whole", tmp_path / "smaller", keep=used_ids(whole, TEXTS[:1]))
    assert smaller.vocab_size < whole.vocab_size and smaller.sentinels == tuple(table[list(whole.sentinels)])
    assert table[whole.encode_texts(TEXTS[:1])[0]].tolist() == ids_of(smaller, TEXTS[:1])[0]
    assert smaller.encoder == whole.encoder
