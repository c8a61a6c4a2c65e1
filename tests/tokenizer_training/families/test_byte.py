"""The byte family: bytes, three special tokens, sentinels."""

import pyarrow as pa
import pytest

from corpus.encoding.encoder import load_encoder
from tokenizer_training.train import TrainTokenizer, count, train


def test_there_is_nothing_to_count_or_train(tmp_path):
    config = TrainTokenizer(family="byte", sentinels=2)
    counts = count(pa.array(["It's  Überall\n It's"]), config)
    figures = train(counts, config, str(tmp_path))
    assert (len(counts), figures["vocab_size"], figures["words"]) == (0, 261, 0)
    names = {"winnow_tokenizer.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    encoder = load_encoder(tmp_path)
    assert (encoder.pad_id, encoder.end_id, encoder.unknown_id, encoder.sentinels) == (0, 1, 2, (260, 259))
    assert encoder.encode(pa.array(["abc"]))[0].tolist() == [100, 101, 102]


def test_further_special_tokens_are_refused(tmp_path):
    config = TrainTokenizer(family="byte", special_tokens=("<|more|>",))
    with pytest.raises(ValueError, match="no room for further special tokens; use sentinels"):
        train(count(pa.array(["a"]), config), config, str(tmp_path))
