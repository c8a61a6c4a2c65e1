"""AutoTokenizer of transformers reads every folder of ours, with equal ids and its special tokens.

It is no dependency: this needs the path of a Python that has it (pip install transformers sentencepiece) in the
environment variable WINNOW_TRANSFORMERS_PYTHON, and is skipped without one."""

import importlib.util
import json
import os
import pathlib
import subprocess

import pytest

from corpus.encoding.adopt import Bring, adopt
from corpus.encoding.encoder import load_encoder
from corpus.encoding.resize import resize_tokenizer, used_ids
from tokenizer_training import train_tokenizer
from tokenizer_training.families import FAMILIES

PYTHON = os.environ.get("WINNOW_TRANSFORMERS_PYTHON")
ORACLE = pathlib.Path(__file__).parents[1] / "oracles" / "auto_tokenizer.py"
_path = pathlib.Path(__file__).parents[1] / "corpus" / "encoding" / "brought.py"
_spec = importlib.util.spec_from_file_location("brought", _path)
brought = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brought)
TEXTS = [*brought.TEXTS, "", " ", "a", "  two   blanks ", "\n\n", "1234 \u00bd", "\U0001f468\u200d\U0001f469"]
ROLES = {
    "bpe": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
    "wordpiece": {"bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]"},
    "sentencepiece-bpe": {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    "sentencepiece-unigram": {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    "byte": {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
}
SIZES = {"sentencepiece-unigram": 370}
pytestmark = pytest.mark.skipif(not PYTHON, reason="WINNOW_TRANSFORMERS_PYTHON names no Python with transformers")


def read(folder):
    done = subprocess.run(
        [PYTHON, str(ORACLE), str(folder)], input=json.dumps(TEXTS), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_tokenizer(tmp_path, family):
    encoder = train_tokenizer(
        brought.TEXTS * 2, tmp_path, family=family, vocab_size=SIZES.get(family, 500), sentinels=3
    )
    theirs = read(tmp_path)
    assert theirs["plain"] == [ids.tolist() for ids in encoder.encode_texts(TEXTS)]
    assert {role: token for role, token in theirs["roles"].items() if token} == ROLES[family]
    assert theirs["ids"]["eos_token"] == encoder.end_id and theirs["ids"]["pad_token"] == encoder.pad_id
    assert theirs["size"] == encoder.vocab_size
    documents = [ids.tolist() for ids in encoder.encode_texts(TEXTS, append_end=True)]
    if family not in ("bpe", "wordpiece"):  # GPT-2's puts nothing about a text, BERT's more than ends a document
        assert theirs["whole"] == documents
    if family in ("bpe", "byte"):
        assert theirs["decoded"] == TEXTS


@pytest.mark.parametrize("form", ["tiktoken", "vocab.txt", "merges", "model", "folder"])
def test_a_brought_tokenizer(tmp_path, form):
    options, source = {}, tmp_path / "source"
    source.mkdir()
    chat = "{% for message in messages %}{{ message.content }}{% endfor %}"
    if form == "tiktoken":
        ranks = brought.write_tiktoken(source / "x.tiktoken")
        options = {"pattern": "llama3", "special_tokens": {"<|end|>": len(ranks) + 2}, "end": "<|end|>"}
    elif form == "vocab.txt":
        brought.bert().model.save(str(source))
        options = {"lowercase": True}
    elif form == "merges":
        brought.byte_level().model.save(str(source))
        options = {"pattern": "gpt2", "end": brought.END}
    elif form == "model":
        brought.write_model(source / "x.model", "bpe", normalization_rule_name="identity")
    else:
        config = {"eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>", "chat_template": chat}
        brought.write_folder(brought.llama(), source, tokenizer_class="PreTrainedTokenizerFast", **config)
    adopt(source, tmp_path / "ours", Bring(**options))
    encoder, theirs = load_encoder(tmp_path / "ours"), read(tmp_path / "ours")
    assert theirs["plain"] == [ids.tolist() for ids in encoder.encode_texts(TEXTS)]
    assert theirs["ids"]["eos_token"] == encoder.end_id and theirs["ids"]["pad_token"] == encoder.pad_id
    assert theirs["chat"] == (chat if form == "folder" else None)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "byte"])
def test_a_tokenizer_with_other_tokens(tmp_path, family):
    whole = train_tokenizer(
        brought.TEXTS * 2, tmp_path / "whole", family=family, vocab_size=SIZES.get(family, 500), sentinels=3
    )
    encoder, table = resize_tokenizer(
        tmp_path / "whole", tmp_path / "ours", keep=used_ids(whole, TEXTS[:2]), add_special=["<tool>"]
    )
    theirs = read(tmp_path / "ours")
    assert theirs["plain"] == [ids.tolist() for ids in encoder.encode_texts(TEXTS)]
    assert {role: token for role, token in theirs["roles"].items() if token} == ROLES[family]
    assert theirs["size"] == encoder.vocab_size < whole.vocab_size and (table < 0).any()


@pytest.mark.parametrize("named", ["XLMRobertaTokenizer", "CamembertTokenizer", "T5Tokenizer", "LlamaTokenizer"])
def test_a_folder_with_a_model_of_sentencepiece(tmp_path, named):
    """What transformers makes of the folder itself, and of ours, on text that no version of a class normalizes."""
    source = tmp_path / "source"
    source.mkdir()
    kind = "bpe" if named == "LlamaTokenizer" else "unigram"
    name = {"XLMRobertaTokenizer": "sentencepiece.bpe", "T5Tokenizer": "spiece", "LlamaTokenizer": "tokenizer"}
    brought.write_model(
        source / f"{name.get(named, 'sentencepiece.bpe')}.model", kind, byte_fallback=kind == "bpe",
        normalization_rule_name="identity", remove_extra_whitespaces=kind == "unigram",
        **({"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} if named.startswith("T5") else {"pad_id": -1}),
    )  # fmt: skip
    (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": named}))
    adopt(source, tmp_path / "ours", Bring(end="</s>"))
    encoder, theirs, original = load_encoder(tmp_path / "ours"), read(tmp_path / "ours"), read(source)
    plain = [i for i, text in enumerate(TEXTS) if text == " ".join(text.split())]
    ours = [ids.tolist() for ids in encoder.encode_texts(TEXTS)]
    assert theirs["plain"] == ours and len(plain) > 3
    assert [original["plain"][i] for i in plain] == [ours[i] for i in plain]
    assert theirs["ids"]["eos_token"] == encoder.end_id == original["ids"]["eos_token"]
    if named in ("XLMRobertaTokenizer", "CamembertTokenizer"):
        whole = [ids.tolist() for ids in encoder.encode_texts(TEXTS, append_end=True)]
        assert theirs["whole"] == whole and [original["whole"][i] for i in plain] == [whole[i] for i in plain]
        assert original["size"] == theirs["size"] == encoder.vocab_size
