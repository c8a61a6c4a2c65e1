"""Tokenizers that were made elsewhere: ids are the library's, whatever form they come in, or they are refused."""

import dataclasses
import importlib.util
import json
import pathlib
import random

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, processors

from corpus.encoding import adopt, encoders, gate
from corpus.encoding.adopt import Bring
from corpus.encoding.encoder import load_encoder
from corpus.options import OptionError

_spec = importlib.util.spec_from_file_location("brought", pathlib.Path(__file__).with_name("brought.py"))
brought = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought)
END, TEXTS = brought.END, brought.TEXTS
ANY_TEXT = st.text(max_size=60) | st.text(st.sampled_from("ab \n'sTheß日😀\u0301#12<|endoftext|>"), max_size=100)
GPT2 = {"eos_token": END, "bos_token": END, "unk_token": END, "tokenizer_class": "GPT2Tokenizer"}
BERT = {"sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
LLAMA = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>", "add_bos_token": True}


def nfc(tokenizer):
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    return tokenizer


def gemma():
    """Spaces are symbols before a text is divided at spaces, of which it has none; tokens of line breaks are added."""
    made = brought.llama()
    made.normalizer = normalizers.Replace(" ", "\u2581")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.add_tokens([tokenizers.AddedToken("\n" * n, normalized=False) for n in range(1, 4)])
    return made


def words():
    made = tokenizers.Tokenizer(models.WordLevel({"the": 0, "[UNK]": 1, "dog": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["[END]"])
    return made


def with_blank_runs():
    """As Codex: runs of blanks are added, and are no special tokens."""
    made = brought.byte_level()
    made.add_tokens([tokenizers.AddedToken(" " * n, normalized=False) for n in range(2, 9)])
    return made


FAMILIES = {
    "gpt2": (brought.byte_level, GPT2, "bpe"),
    "prefix": (lambda: brought.byte_level(prefix=True), {"eos_token": END, "add_prefix_space": True}, "bpe"),
    "cl100k": (lambda: brought.byte_level(brought.CL100K), {"eos_token": END}, "bpe"),
    "codex": (with_blank_runs, {"eos_token": END}, "bpe"),
    "bert": (brought.bert, BERT, "wordpiece"),
    "nfc": (lambda: nfc(brought.byte_level()), {"eos_token": END}, "bpe"),
    "llama": (brought.llama, LLAMA, "metaspace"),
    "gemma": (gemma, LLAMA, "metaspace"),
    "unigram": (brought.unigram, {"eos_token": "</s>", "unk_token": "<unk>"}, "metaspace"),
    "words": (words, {"eos_token": "[END]"}, "tokenizers"),
}
"""How each is made, its configuration, and the encoder."""


@pytest.fixture(autouse=True, scope="module")
def less_to_compare():
    """All code points take a second each time; one test compares them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "SWEEP", range(0x500))
        yield


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    """(name, library's tokenizer, folder of Hugging Face's)."""
    make, config, _ = FAMILIES[request.param]
    made = make()
    return request.param, made, brought.write_folder(made, tmp_path_factory.mktemp(request.param) / "hf", **config)


def ids_of(encoder, texts, **options):
    return [ids.tolist() for ids in encoder.encode_texts(texts, **options)]


def as_text(tokenizer):
    """What the library says of a text that is all text."""
    tokenizer.encode_special_tokens = True
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def test_ids_are_the_librarys(family):
    name, library, folder = family
    encoder = load_encoder(folder)
    expected = FAMILIES[name][2]
    assert encoder.encoder == expected
    texts = [*TEXTS, "", " ", "a", f"a{END}b [SEP]</s> <s>x", "  two   blanks ", "e\u0301E\u0301"]
    assert ids_of(encoder, texts) == [as_text(library)(text) for text in texts]
    assert encoder.vocab_size == 1 + max(library.get_vocab().values())


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(ANY_TEXT, max_size=3))
@pytest.mark.parametrize("name", ["prefix", "cl100k", "codex", "llama", "gemma"])
def test_ids_of_any_text_are_the_librarys(made_once, name, texts):
    encoder, library = made_once(name)
    assert ids_of(encoder, texts) == [library(text) for text in texts]
    if name in ("cl100k", "codex"):
        assert [encoder.decode(ids) for ids in encoder.encode_texts(texts)] == texts


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    known = {}

    def make(name):
        if name not in known:
            library, config, _ = FAMILIES[name]
            library = library()
            folder = brought.write_folder(library, tmp_path_factory.mktemp(name) / "hf", **config)
            known[name] = load_encoder(folder), as_text(library)
        return known[name]

    return make


def test_special_tokens_in_text_are_tokens_where_asked(family):
    name, library, folder = family
    encoder = load_encoder(folder, special_text="token")
    library.encode_special_tokens = False
    special = [token.content for token in library.get_added_tokens_decoder().values() if token.special]
    texts = [f"a{token}b {token} {token}{token}\n" for token in special] + [f"x{special[0]}", special[-1], *TEXTS]
    assert ids_of(encoder, texts) == [library.encode(text, add_special_tokens=False).ids for text in texts]
    assert any(library.token_to_id(special[0]) in ids for ids in ids_of(encoder, texts))


def test_what_stands_about_a_text_is_put_about_a_document(family):
    name, library, folder = family
    library.encode_special_tokens = True
    end = load_encoder(folder).end_id
    wholes = [library.encode(text).ids for text in [*TEXTS, ""]]
    expected = [ids if name == "bert" else [*ids, end] for ids in wholes]  # a [SEP] ends it already
    assert ids_of(load_encoder(folder), [*TEXTS, ""], append_end=True) == expected
    bare = load_encoder(folder, add_special_tokens=False)
    inner = [library.encode(text, add_special_tokens=False).ids for text in [*TEXTS, ""]]
    assert ids_of(bare, [*TEXTS, ""], append_end=True) == [[*ids, end] for ids in inner]


def test_roles_come_from_the_configuration(family):
    name, library, folder = family
    encoder, config = load_encoder(folder), FAMILIES[name][1]
    end = config.get("eos_token", config.get("sep_token"))
    assert encoder.end_id == library.token_to_id(end["content"] if isinstance(end, dict) else end)
    assert encoder.pad_id == (library.token_to_id(config["pad_token"]) if "pad_token" in config else None)


def test_an_adopted_folder_is_one_of_ours(family, tmp_path):
    _, _, folder = family
    read, proof = adopt.adopt(folder, tmp_path / "ours")
    assert {path.name for path in (tmp_path / "ours").iterdir()} == {*read.files, "winnow_tokenizer.json"}
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "ours" / name).read_bytes() == pathlib.Path(folder, name).read_bytes()
    again, first = load_encoder(tmp_path / "ours"), load_encoder(folder)
    assert again.fingerprint == first.fingerprint and again.encoder == proof.encoder == first.encoder
    assert ids_of(again, TEXTS, append_end=True) == ids_of(first, TEXTS, append_end=True)
    assert proof.say(read.reasons).startswith(
        "encoded by our kernel" if proof.encoder in encoders.LIBRARY else "encoded by the library"
    )


def test_the_sentence_names_what_kernels_do_not_know(tmp_path):
    read, proof = adopt.adopt(brought.write_folder(words(), tmp_path / "hf", eos_token="[END]"), tmp_path / "ours")
    speed = proof.compared.library_mb_per_s
    assert speed > 0 and proof.say(read.reasons) == (
        f"encoded by the library tokenizers at {speed} MB/s: our kernels do not know its model WordLevel"
    )


def test_a_kernel_that_differs_is_not_used(tmp_path, monkeypatch):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2)
    right = encoders.ENCODERS["bpe"]

    def wrong(folder, special_too=False):
        encode, decode = right(folder, special_too)

        def shifted(text):
            ids, offsets = encode(text)
            return np.where(ids == ids.max(initial=0), ids - 1, ids).astype(np.int32), offsets

        return shifted, decode

    monkeypatch.setitem(encoders.ENCODERS, "bpe", wrong)
    read, proof = adopt.adopt(folder, tmp_path / "ours")
    assert proof.encoder == "tokenizers" and proof.compared.difference
    assert "our kernel differs at " in proof.say() and "the library [" in proof.say()
    assert load_encoder(tmp_path / "ours").encoder == "tokenizers"
    library = as_text(tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json"))
    assert ids_of(load_encoder(folder), TEXTS) == [library(text) for text in TEXTS]


def test_scores_are_those_that_the_library_reads(tmp_path):
    """It reads some decimal numbers as the neighbour of the nearest, which decides where two divisions are as good."""
    made = brought.unigram()
    stored = json.loads(made.to_str())
    scores = {6: -9.723453405899349, 15: -9.378669315559751, 16: -8.77245658531902}
    stored["added_tokens"], stored["model"]["unk_id"], stored["post_processor"] = [], 0, None
    stored["model"]["vocab"] = [
        ["<unk>", 0.0], ["\u2581", -0.9518511298374097], ["11", -7.452027425274612],
        *(["." * n, score] for n, score in scores.items()),
    ]  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored))
    encoder = load_encoder(tmp_path / "tokenizer.json", end="11")
    library = tokenizers.Tokenizer.from_str(json.dumps(stored))
    assert encoder.encoder == "metaspace"
    assert ids_of(encoder, ["." * 37 + "11"]) == [library.encode("." * 37 + "11").ids] == [[1, 3, 4, 5, 2]]


def older(made):
    """A tokenizer.json as those of GPT-2, BERT, RoBERTa and T5 on the hub are: the model without its type."""
    stored = json.loads(made.to_str())
    for field in ("type", "byte_fallback", "ignore_merges"):
        if field == "type" or not stored["model"].get(field):
            stored["model"].pop(field, None)
    if stored["pre_tokenizer"]["type"] == "ByteLevel":
        stored["pre_tokenizer"].pop("use_regex")
    if stored["pre_tokenizer"]["type"] == "Metaspace" and stored["pre_tokenizer"]["prepend_scheme"] == "always":
        stored["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
    return stored


@pytest.mark.parametrize("name", ["gpt2", "bert", "llama", "unigram"])
def test_an_older_file_that_leaves_the_type_of_its_model_unsaid(tmp_path, name):
    make, config, kernel = FAMILIES[name]
    stored = older(make())
    folder = brought.write_folder(make(), tmp_path / "hf", **config)
    pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(stored))
    _, proof = adopt.adopt(folder, tmp_path / "ours")
    encoder, library = load_encoder(tmp_path / "ours"), tokenizers.Tokenizer.from_str(json.dumps(stored))
    assert proof.encoder == encoder.encoder == kernel and proof.compared.difference is None
    assert encoder.family == {"gpt2": "bpe", "bert": "wordpiece", "llama": "bpe", "unigram": "unigram"}[name]
    assert ids_of(encoder, TEXTS) == [as_text(library)(text) for text in TEXTS]
    written = tokenizers.Tokenizer.from_file(str(tmp_path / "ours" / "tokenizer.json"))
    assert ids_of(encoder, TEXTS) == [as_text(written)(text) for text in TEXTS]


@pytest.mark.parametrize("special_text", ["text", "token"])
@pytest.mark.parametrize("first", [None, "NFC", "Lowercase"])
def test_added_tokens_that_are_normalized(tmp_path, first, special_text):
    """GPT-NeoX' runs of blanks: found in what is normalized, after those that are not, as the library finds them."""
    made = brought.byte_level()
    made.normalizer = {"NFC": normalizers.NFC(), "Lowercase": normalizers.Lowercase(), None: None}[first]
    made.add_tokens([tokenizers.AddedToken(" " * n, normalized=True) for n in range(9, 1, -1)])
    made.add_tokens(
        [tokenizers.AddedToken("The Cat", normalized=True), tokenizers.AddedToken("he ca", normalized=False)]
    )
    made.add_special_tokens([tokenizers.AddedToken("<Sep>", normalized=True)])
    folder = brought.write_folder(made, tmp_path / "hf", eos_token=END)
    encoder = load_encoder(folder, special_text=special_text)
    made.encode_special_tokens = special_text == "text"
    texts = [*TEXTS, "The Cat the cat THE CAT he cats", *(" " * n + "x" + " " * (20 - n) for n in range(20)),
             f"a{END}  b <Sep><sep> </s>", "e\u0301   E\u0301"]  # fmt: skip
    assert encoder.encoder == "bpe"
    assert ids_of(encoder, texts) == [made.encode(text).ids for text in texts]
    made.add_tokens([tokenizers.AddedToken(dog, normalized=True) for dog in ("The dog", "the dog")])
    folder = brought.write_folder(made, tmp_path / "hf", eos_token=END)
    if first == "Lowercase":
        with pytest.raises(ValueError, match="'The dog' and 'the dog', which are one .* ids would be others each time"):
            load_encoder(folder)
    else:
        assert ids_of(load_encoder(folder), ["the dog The dog"]) == [made.encode("the dog The dog").ids]


@pytest.mark.parametrize("special_text", ["text", "token"])
@pytest.mark.parametrize(
    "name, first", [("bert", None), ("unigram", None), ("llama", "Lowercase"), ("llama", "Prepend")]
)
def test_added_tokens_that_are_normalized_of_words(tmp_path, name, first, special_text):
    """What `add_tokens` of transformers makes, of kernels that encode each distinct word once."""
    make, config, kernel = FAMILIES[name]
    made = make()
    if first == "Lowercase":
        made.pre_tokenizer, made.normalizer = pre_tokenizers.Metaspace(), normalizers.Lowercase()
    if first == "Prepend":  # as Llama 2
        steps = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        made.pre_tokenizer, made.normalizer = None, normalizers.Sequence(steps)
    made.add_tokens(
        [tokenizers.AddedToken("The Fox", normalized=True), tokenizers.AddedToken("he ca", normalized=False)]
    )
    made.add_special_tokens([tokenizers.AddedToken("<Sep>", normalized=True)])
    encoder = load_encoder(brought.write_folder(made, tmp_path / "hf", **config), special_text=special_text)
    made.encode_special_tokens = special_text == "text"
    texts = [*TEXTS, "The Fox the fox THE FOX", " The Fox  The  Fox", "he cat <Sep> <sep>x", "the fo\u0301x The Fox"]
    assert encoder.encoder == kernel
    assert ids_of(encoder, texts) == [made.encode(text, add_special_tokens=False).ids for text in texts]
    assert any(made.token_to_id("The Fox") in ids for ids in ids_of(encoder, texts))


UNKNOWN_TOGETHER = [
    ({"unk_token": None, "byte_fallback": False}, None, "without an unknown token"),
    ({"byte_fallback": False, "unk_token": "e"}, None, "of what stands for unknown characters"),
    ({}, ["<0xF0>", "<0x9F>"], "of what stands for unknown characters"),
]  # fmt: skip


@pytest.mark.parametrize("options, merge, reason", UNKNOWN_TOGETHER)
def test_unknown_characters_that_merge_are_the_librarys(tmp_path, options, merge, reason):
    """What stands for them, or what stands about them where nothing does, is merged like any other."""
    stored = json.loads(brought.llama().to_str())
    stored["model"].update(options)
    if merge:
        stored["model"]["vocab"]["".join(merge)] = len(stored["model"]["vocab"])
        stored["model"]["merges"].insert(0, merge)
    folder = brought.write_folder(brought.llama(), tmp_path / "hf", **LLAMA)
    pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(stored))
    read, proof = adopt.adopt(folder, tmp_path / "ours")
    assert proof.encoder == "tokenizers" and any(reason in said for said in read.reasons)
    library, texts = tokenizers.Tokenizer.from_str(json.dumps(stored)), ["th\u0e01e do\u0e01g", "\U0001f600er \u0e01"]
    assert ids_of(load_encoder(tmp_path / "ours"), texts) == [as_text(library)(text) for text in texts]


# ------------------------------------------------------------------ other forms


def test_vocab_and_merges(tmp_path):
    library = brought.byte_level()
    (tmp_path / "hf").mkdir()
    library.model.save(str(tmp_path / "hf"))
    with pytest.raises(ValueError, match="do not say how text is divided.*no configuration; give `pattern`"):
        load_encoder(tmp_path / "hf")
    with pytest.raises(ValueError, match="which token ends a document; give `end`"):
        load_encoder(tmp_path / "hf", pattern="gpt2")
    encoder = load_encoder(tmp_path / "hf" / "merges.txt", pattern="gpt2", end=END)
    assert ids_of(encoder, TEXTS) == [as_text(library)(text) for text in TEXTS]
    (tmp_path / "hf" / "tokenizer_config.json").write_text(json.dumps(GPT2))
    encoder = load_encoder(tmp_path / "hf")
    assert encoder.encoder == "bpe" and encoder.special_tokens == {END: 0}
    texts = [*TEXTS, f"a{END}b"]
    assert ids_of(encoder, texts) == [as_text(library)(text) for text in texts]
    config = {**GPT2, "tokenizer_class": "CLIPTokenizer"}
    (tmp_path / "hf" / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="no token ends a word with </w>, as all of CLIP's words do"):
        load_encoder(tmp_path / "hf")
    config = {**GPT2, "tokenizer_class": "XLMTokenizer"}
    (tmp_path / "hf" / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="its class XLMTokenizer is not known"):
        load_encoder(tmp_path / "hf")
    (tmp_path / "hf" / "merges.txt").unlink()
    with pytest.raises(ValueError, match="has vocab.json without merges.txt"):
        load_encoder(tmp_path / "hf")


def test_vocab_txt(tmp_path):
    library = brought.bert()
    (tmp_path / "hf").mkdir()
    library.model.save(str(tmp_path / "hf"))
    with pytest.raises(ValueError, match="whether text is lower-cased; give `lowercase`"):
        load_encoder(tmp_path / "hf")
    encoder = load_encoder(tmp_path / "hf" / "vocab.txt", lowercase=True)
    assert encoder.encoder == "wordpiece" and (encoder.pad_id, encoder.unknown_id, encoder.end_id) == (0, 1, 3)
    assert ids_of(encoder, TEXTS, append_end=True) == [library.encode(text).ids for text in TEXTS]
    (tmp_path / "hf" / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    library.normalizer = normalizers.BertNormalizer(lowercase=False)
    assert ids_of(load_encoder(tmp_path / "hf"), TEXTS) == [as_text(library)(text) for text in TEXTS]


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_model_of_sentencepiece(tmp_path, model_type):
    library = brought.write_model(tmp_path / "m.model", model_type)
    encoder = load_encoder(tmp_path / "m.model")
    assert encoder.family == f"sentencepiece-{model_type}" and encoder.encoder == "sentencepiece"
    assert (encoder.end_id, encoder.pad_id, encoder.unknown_id) == (2, 3, 0)
    texts = [*TEXTS, "a</s>b<s>"]
    assert ids_of(encoder, texts) == [library.encode(text) for text in texts]
    assert ids_of(encoder, texts, append_end=True) == [[*library.encode(text), 2] for text in texts]
    spelled = load_encoder(tmp_path / "m.model", special_text="token")
    assert ids_of(spelled, ["a b</s>c d"]) == [[*library.encode("a b"), 2, *library.encode("c d")]]


def test_a_folder_with_a_model_of_sentencepiece(tmp_path):
    library = brought.write_model(tmp_path / "spiece.model", pad_id=-1)
    config = tmp_path / "tokenizer_config.json"
    tokens = {"eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"}
    config.write_text(json.dumps({**tokens, "tokenizer_class": "T5Tokenizer", "extra_ids": 4}))
    encoder, size = load_encoder(tmp_path), library.get_piece_size()
    assert encoder.sentinels == (size + 3, size + 2, size + 1, size) and encoder.vocab_size == size + 4
    assert ids_of(encoder, TEXTS, append_end=True) == [[*library.encode(text), 2] for text in TEXTS]
    config.write_text(json.dumps({**tokens, "tokenizer_class": "LlamaTokenizer"}))
    expected = [[1, *library.encode(text), 2] for text in TEXTS]
    assert ids_of(load_encoder(tmp_path), TEXTS, append_end=True) == expected
    config.write_text(json.dumps({**tokens, "tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False}))
    assert ids_of(load_encoder(tmp_path), TEXTS, append_end=True) == [ids[1:] for ids in expected]
    for named in ("AlbertTokenizer", "XLNetTokenizer", "MBartTokenizer", "NllbTokenizer"):
        config.write_text(json.dumps({**tokens, "tokenizer_class": named}))
        with pytest.raises(
            ValueError, match=f"{named} does not encode as its spiece.model alone does; save_pretrained"
        ):
            load_encoder(tmp_path)
    config.write_text(json.dumps({**tokens, "tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True}))
    with pytest.raises(ValueError, match="DebertaV2Tokenizer with do_lower_case does not encode as its"):
        load_encoder(tmp_path)


MOVED = {
    "XLMRobertaTokenizer": (1, {0: 3}, 0, 2, {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}),
    "CamembertTokenizer": (4, {0: 3}, 5, 6, {"<s>NOTUSED": 0, "<pad>": 1, "<unk>": 3, "<s>": 5, "</s>": 6}),
    "PegasusTokenizer": (103, {}, None, 1, {"<pad>": 0, "</s>": 1, "<mask_1>": 2, "<unk_2>": 4, "<unk_102>": 104}),
}
"""What a class adds to ids, and what becomes of some, what it puts before a text and after it, and its own tokens (the
tokenizers of transformers 4 in Python)."""


@pytest.mark.parametrize("named", MOVED)
def test_a_class_that_numbers_pieces_otherwise(tmp_path, named):
    more, others, before, after, tokens = MOVED[named]
    roles = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} if named.startswith("Pegasus") else {"pad_id": -1}
    library = brought.write_model(tmp_path / "spiece.model", byte_fallback=False, **roles)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": named, "chat_template": "x"}))
    read, proof = adopt.adopt(tmp_path, tmp_path / "ours")
    encoder = load_encoder(tmp_path / "ours")
    assert proof.encoder == "sentencepiece" and proof.compared.difference is None
    texts = [*TEXTS, "", "\u0e01 unknown \u0e02\u0e03", "a <mask> </s> <pad>"]
    moved = [[others.get(i, i + more) for i in library.encode(text)] for text in texts]
    assert ids_of(encoder, texts) == moved and any(encoder.unknown_id in ids for ids in moved)
    about = [[*([] if before is None else [before]), *ids, after] for ids in moved]
    assert ids_of(encoder, texts, append_end=True) == about
    assert tokens.items() <= encoder.special_tokens.items() and encoder.end_id == after
    last = encoder.vocab_size - 1
    assert last == library.get_piece_size() + more - (named.startswith("Pegasus"))
    assert encoder.special_tokens.get("<mask>", last) == last
    config = json.loads((tmp_path / "ours" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast" and config["chat_template"] == "x"
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "ours" / "tokenizer.json"))
    assert ids_of(encoder, TEXTS, append_end=True) == [library.encode(text).ids for text in TEXTS]


def test_a_model_that_is_not_its_classs(tmp_path):
    brought.write_model(tmp_path / "spiece.model", byte_fallback=False, user_defined_symbols=["<pad>"], pad_id=-1)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMRobertaTokenizer"}))
    with pytest.raises(ValueError, match="is no model of XLMRobertaTokenizer: it has the piece '<pad>'"):
        load_encoder(tmp_path)
    brought.write_model(tmp_path / "spiece.model", byte_fallback=False, bos_id=-1, pad_id=-1)
    with pytest.raises(ValueError, match="its first 3 pieces are special in models of this class, and '.*' is not"):
        load_encoder(tmp_path)


def test_a_mask_that_comes_after_a_model(tmp_path):
    roles = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    names = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    library = brought.write_model(tmp_path / "spm.model", byte_fallback=False, **roles, **names)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "DebertaV2Tokenizer"}))
    encoder = load_encoder(tmp_path)
    assert encoder.special_tokens == {
        "[PAD]": 0,
        "[CLS]": 1,
        "[SEP]": 2,
        "[UNK]": 3,
        "[MASK]": library.get_piece_size(),
    }
    assert ids_of(encoder, TEXTS, append_end=True) == [[1, *library.encode(text), 2] for text in TEXTS]
    assert encoder.pad_id == 0


def test_a_damaged_model_of_sentencepiece(tmp_path):
    brought.write_model(tmp_path / "m.model")
    data = (tmp_path / "m.model").read_bytes()
    for damaged in (b"", b"hello", data[: len(data) // 2], bytes([data[0] ^ 7]) + data[1:]):
        (tmp_path / "m.model").write_bytes(damaged)
        with pytest.raises(ValueError, match="m.model of .* is no model of sentencepiece"):
            load_encoder(tmp_path / "m.model")


def tiktoken_ids(ranks, pattern, text):
    """tiktoken's answer in plain Python: of all pairs whose bytes are a token the one of the lowest rank, the
    leftmost."""
    import regex

    found = []
    for piece in regex.findall(pattern, text):
        parts = [bytes([byte]) for byte in piece.encode()]
        if piece.encode() in ranks:
            found.append(ranks[piece.encode()])
            continue
        while True:
            pairs = [ranks.get(a + b, 1 << 40) for a, b in zip(parts, parts[1:])]
            if not pairs or min(pairs) == 1 << 40:
                break
            i = pairs.index(min(pairs))
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        found += [ranks[part] for part in parts]
    return found


def test_tiktoken(tmp_path):
    pytest.importorskip("regex", reason="the oracle divides text with the package regex")
    ranks = brought.write_tiktoken(tmp_path / "x.tiktoken")
    with pytest.raises(ValueError, match="a .tiktoken file does not say how text is divided"):
        load_encoder(tmp_path / "x.tiktoken")
    with pytest.raises(ValueError, match="give `end`, one of its special tokens: it has none"):
        load_encoder(tmp_path / "x.tiktoken", pattern="llama3")
    with pytest.raises(ValueError, match="has the id 5, which another token"):
        load_encoder(tmp_path / "x.tiktoken", pattern="llama3", special_tokens={END: 5}, end=END)
    given = {"pattern": "llama3", "special_tokens": {END: len(ranks) + 3}, "end": END}
    encoder = load_encoder(tmp_path / "x.tiktoken", **given)
    assert encoder.end_id == len(ranks) + 3 and encoder.vocab_size == len(ranks) + 4
    assert encoder.encoder == "bpe"
    assert ids_of(encoder, TEXTS) == [tiktoken_ids(ranks, brought.CL100K, text) for text in TEXTS]
    (tmp_path / "x.tiktoken").rename(tmp_path / "tokenizer.model")  # as Llama 3 came
    assert ids_of(load_encoder(tmp_path / "tokenizer.model", **given), TEXTS) == ids_of(encoder, TEXTS)


@pytest.mark.parametrize(
    "lines, error",
    [("YQ== 0\nYQ== 1\n", "line 2 .* has a token that an earlier one has"), ("YQ== 0\nYg== 0\n", "one rank to two"),
     ("YQ== 0\nYg==\n", "line 2 .* is no `base64 rank`"), ("YQ== 0\n", "no token for byte 0")],
)  # fmt: skip
def test_damaged_ranks(tmp_path, lines, error):
    (tmp_path / "x.tiktoken").write_text(lines)
    with pytest.raises(ValueError, match=error):
        load_encoder(tmp_path / "x.tiktoken", pattern="gpt2", end=END, special_tokens={END: 9})


# ------------------------------------------------------------------ refusals


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no tokenizer: none of its files"):
        load_encoder(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no tokenizer .*no such file or folder"):
        load_encoder(tmp_path / "missing" / "of" / "it")


@pytest.mark.parametrize(
    "name, data, error",
    [
        ("tokenizer_config.json", b"[1]", "tokenizer_config.json of .* is no object of JSON: .1."),
        ("special_tokens_map.json", b"null", "special_tokens_map.json of .* is no object of JSON: None"),
        (
            "tokenizer_config.json",
            b'{"eos_token": {"id": 0}}',
            "its configuration has eos_token {'id': 0}, which is no",
        ),
        ("tokenizer_config.json", b'{"eos_token": 5}', "its configuration has eos_token 5, which is no token"),
        ("merges.txt", b"\xff a", "merges.txt of .* is no UTF-8"),
        ("vocab.json", b"[]", "vocab.json of .* is no object of JSON"),
        ("vocab.txt", b"\xff", "vocab.txt of .* is no UTF-8"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(tmp_path, name, data, error):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2)
    if name in ("merges.txt", "vocab.json", "vocab.txt"):
        folder = tmp_path / "other"
        folder.mkdir()
        if name != "vocab.txt":
            (folder / "vocab.json").write_text('{"a": 0}')
            (folder / "merges.txt").write_text("a a")
    pathlib.Path(folder, name).write_bytes(data)
    with pytest.raises(ValueError, match=error):
        load_encoder(folder, pattern="gpt2", lowercase=True, end=END if name.endswith("txt") else "")


def test_a_name_of_the_hub_without_a_network(monkeypatch):
    import huggingface_hub

    def none(*arguments, **options):
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", none)
    with pytest.raises(
        FileNotFoundError, match="hub did not give one of that name .*Name or service.*without a network"
    ):
        load_encoder("someone/some-tokenizer")


def test_a_name_of_the_hub(monkeypatch, tmp_path):
    import huggingface_hub

    folder = brought.write_folder(brought.byte_level(), tmp_path / "snapshot", **GPT2)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: folder)
    assert ids_of(load_encoder("someone/some-tokenizer"), TEXTS) == ids_of(load_encoder(folder), TEXTS)


def changed(folder, tmp_path, change):
    """The folder with another tokenizer.json."""
    stored = json.loads(pathlib.Path(folder, "tokenizer.json").read_text())
    change(stored)
    (tmp_path / "changed").mkdir(exist_ok=True)
    (tmp_path / "changed" / "tokenizer.json").write_text(json.dumps(stored))
    config = pathlib.Path(folder, "tokenizer_config.json").read_text()
    (tmp_path / "changed" / "tokenizer_config.json").write_text(config)
    return tmp_path / "changed"


@pytest.mark.parametrize(
    "change, error",
    [
        (lambda s: s["pre_tokenizer"].update(type="Quipu"), "pre_tokenizer Quipu"),
        (lambda s: s.update(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Knots"}]}),
         "normalizer Knots"),
        (lambda s: s["model"].update(type="Rope"), "model Rope"),
        (lambda s: s.update(post_processor={"type": "Lasso"}), "post_processor Lasso"),
        (lambda s: s["model"].update(dropout=0.1), "dropout 0.1: ids would be others each time"),
        (lambda s: s["added_tokens"][0].update(id=7), "gives the added token '<|endoftext|>' the id 7"),
        (lambda s: s["model"]["vocab"].update({"a": s["model"]["vocab"]["b"]}), "gives one id to two tokens"),
        (lambda s: s.pop("model"), "is no tokenizer: it has no model"),
        (lambda s: s["model"]["vocab"].update(zz=1 << 31), "has the id 2147483648; 2147483646 is the most"),
    ],
)  # fmt: skip
def test_what_nobody_knows_is_refused_by_its_name(tmp_path, change, error):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2)
    with pytest.raises(ValueError, match=error):
        load_encoder(changed(folder, tmp_path, change))


@pytest.mark.parametrize(
    "config, error",
    [
        ({"add_prefix_space": True}, "says add_prefix_space True, tokenizer.json add_prefix_space False"),
        ({"eos_token": "<stop>"}, "has eos_token '<stop>', which has no id"),
        ({"added_tokens_decoder": {"9999": {"content": "<x>"}}}, "gives '<x>' the id 9999, tokenizer.json None"),
        ({"add_bos_token": True}, "says add_bos_token True, and tokenizer.json does not put '<.endoftext.>'"),
    ],
)
def test_a_configuration_that_contradicts_the_tokenizer(tmp_path, config, error):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **{**GPT2, **config})
    with pytest.raises(ValueError, match=error):
        load_encoder(folder)


def test_a_post_processor_that_is_no_template(tmp_path):
    made = brought.bert()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP] $A", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = brought.write_folder(made, tmp_path / "hf", **BERT)
    with pytest.raises(
        ValueError, match="post_processor TemplateProcessing does more than .*add_special_tokens: false"
    ):
        load_encoder(folder)
    assert load_encoder(folder, add_special_tokens=False).before == ()


def test_options_are_for_tokenizers_that_leave_something_unsaid(tmp_path):
    folder = brought.write_folder(brought.byte_level(), tmp_path / "hf", **GPT2)
    adopt.adopt(folder, tmp_path / "ours")
    with pytest.raises(ValueError, match="says of itself all that there is to say; end is for other tokenizers"):
        load_encoder(tmp_path / "ours", end=END)
    with pytest.raises(OptionError, match="unknown value 'cl101k'.*did you mean 'cl100k'"):
        load_encoder(folder, pattern="cl101k")
    with pytest.raises(OptionError, match="unknown option 'patern'.*did you mean 'pattern'"):
        load_encoder(folder, patern="gpt2")
    assert [field.name for field in dataclasses.fields(Bring)][0] == "end"


# ------------------------------------------------------------------ one change anywhere


def places(value, path=()):
    """Every place in a JSON value but for the words of its vocabulary, of which there are a few."""
    if path:
        yield path
    if isinstance(value, dict):
        keys = list(value) if len(value) < 20 else list(value)[:: len(value) // 5]
        for key in keys:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(len(value)) if len(value) < 20 else range(0, len(value), len(value) // 5):
            yield from places(value[i], (*path, i))


def mutations(value):
    """What may stand in a place instead."""
    if isinstance(value, bool) or value is None:
        return [not value, 1, "x"]
    if isinstance(value, (int, float)):
        return [value + 1, -1, None]
    if isinstance(value, str):
        return [value + "x", value[1:], "", "\u0120a", None]
    return [None, [] if isinstance(value, dict) else {}]


def holder(stored, path):
    for part in path[:-1]:
        stored = stored[part]
    return stored


@pytest.mark.parametrize("name", ["gpt2", "cl100k", "codex", "bert", "llama", "unigram", "nfc"])
def test_one_change_anywhere_never_gives_other_ids_in_silence(tmp_path, name, capfd):
    """Either ids are the library's for the changed file, or it is refused."""
    make, config, _ = FAMILIES[name]
    folder = brought.write_folder(make(), tmp_path / "hf", **config)
    stored = json.loads(pathlib.Path(folder, "tokenizer.json").read_text())
    texts = [*TEXTS, "", f"a{END} b</s>[SEP]  x"]
    every = [
        (path, change) for path in places(stored) for change in [*mutations(holder(stored, path)[path[-1]]), "gone"]
    ]
    random.Random(7).shuffle(every)
    outcomes = {"equal": 0, "refused": 0}
    for path, change in every[:150]:
        mutant = json.loads(json.dumps(stored))
        if change == "gone":
            del holder(mutant, path)[path[-1]]
        else:
            holder(mutant, path)[path[-1]] = change
        pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(mutant))
        try:
            encoder = load_encoder(folder)
        except (ValueError, FileNotFoundError):
            outcomes["refused"] += 1
            continue
        library = tokenizers.Tokenizer.from_str(json.dumps({**mutant, "truncation": None, "padding": None}))
        library.encode_special_tokens = True
        expected = [library.encode(text).ids for text in texts]
        found = ids_of(encoder, texts, append_end=True)
        for ours, theirs in zip(found, expected):
            assert ours in (theirs, [*theirs, encoder.end_id]), (path, change)
        outcomes["equal"] += 1
    capfd.readouterr()  # the library's panics
    assert outcomes["equal"] > 10 and outcomes["refused"] > 10, outcomes
