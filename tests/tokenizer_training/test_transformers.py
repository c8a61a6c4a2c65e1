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
