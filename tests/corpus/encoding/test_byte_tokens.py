"""Tokens that are the bytes of a text."""

import json
import pathlib
import shutil

import pyarrow as pa
import pytest

from corpus.encoding import byte_tokens
from corpus.encoding.encoder import load_encoder
from tokenizer_training import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tokenizer"))
    with pytest.warns(UserWarning, match="the vocabulary has"):
        train_tokenizer(["to be or not to be, that is the question 漢字"] * 4, folder, family="bpe", vocab_size=320)
    return folder


def test_ends_are_the_bytes_before_each_token(tokenizer):
    byte_tokens.check(tokenizer)
    texts = ["", "to be 字", "漢 or", ""]
    ids, offsets, ends = byte_tokens.byte_tokens(pa.array(["x", *texts])[1:], tokenizer)
    encoder = load_encoder(tokenizer)
    assert ids.tolist() == [i for each in encoder.encode_texts(texts) for i in each.tolist()]
    assert ends[offsets].tolist() == [0, 0, 9, 15, 15]
    joined = "".join(texts).encode()
    for token, begin, end in zip(ids.tolist(), ends, ends[1:]):
        assert encoder.decode([token]) == joined[begin:end].decode(errors="replace")


def test_a_tokenizer_that_changes_texts_is_refused(tokenizer, tmp_path):
    train_tokenizer(["to be or not to be"] * 9, str(tmp_path / "words"), family="wordpiece", vocab_size=20)
    with pytest.raises(ValueError, match="no tokenizer.json of byte-level BPE"):
        byte_tokens.check(str(tmp_path / "words"))
    description = json.loads(pathlib.Path(tokenizer, "tokenizer.json").read_text())
    description["pre_tokenizer"]["add_prefix_space"] = True
    (tmp_path / "spaced").mkdir()
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(pathlib.Path(tokenizer, name), tmp_path / "spaced")
    (tmp_path / "spaced" / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="are not the bytes of a text"):
        byte_tokens.check(str(tmp_path / "spaced"))
    with pytest.raises(FileNotFoundError):
        byte_tokens.check(str(tmp_path / "missing"))
