"""Pre-tokens that are tokens and are not merged (`ignore_merges`), over every pattern, against `tokenizers`."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from corpus.encoding import bpe, byte_level, pretokenizers
from corpus.text.arrow import buffers

TEXT = "The quick brown fox's dogs WE'LL jump 12345 times\n\n  over 日本語 naïve Überstraße; x != y  \n\tand_then "
PATTERNS = [pretokenizers.GPT2, pretokenizers.LLAMA3, pretokenizers.O200K, pretokenizers.QWEN2]


@pytest.mark.parametrize("ignore_merges", [True, False])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_equal_the_reference(pattern, ignore_merges):
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    stored = json.loads(tokenizer.to_str())
    model = stored["model"]
    del model["merges"][::5]  # so that some tokens are never merged
    model["ignore_merges"] = ignore_merges
    reference = tokenizers.Tokenizer.from_str(json.dumps(stored))

    ids = model["vocab"]
    tokens = {byte_level.to_bytes(token): i for token, i in ids.items()}
    rules = bpe.make_rules(
        [ids[character] for character in byte_level.characters()],
        [(ids[a], ids[b], ids[a + b]) for a, b in model["merges"]],
        tokens,
        tokens if ignore_merges else None,
    )
    generator = random.Random(1)
    texts = [TEXT, "", *("".join(generator.choices(TEXT, k=60)) for _ in range(200)), "dogs" * 200]
    data, offsets = buffers(pa.array(texts))
    out, ends = np.empty(len(data) + bpe.ENCODE_SLACK, np.int32), np.empty(len(offsets), np.int64)
    table = pretokenizers.from_component(stored["pre_tokenizer"]).table()
    n = bpe.encode(data, offsets, table, rules, bpe.make_cache(1 << 10), out, ends)
    assert n == ends[-1]
    expected = [reference.encode(text, add_special_tokens=False).ids for text in texts]
    assert [out[a:b].tolist() for a, b in zip(ends, ends[1:])] == expected


def test_whole_tokens_are_found_where_merges_do_not_lead():
    tokens = {bytes([byte]): byte for byte in range(256)} | {b"abc": 256}
    data, offsets = buffers(pa.array(["abc", "abcd", "ab"]))
    found = {}
    for whole in (tokens, None):
        rules = bpe.make_rules(list(range(256)), [], tokens, whole)
        out, ends = np.empty(len(data) + bpe.ENCODE_SLACK, np.int32), np.empty(4, np.int64)
        table = pretokenizers.PRETOKENIZERS["bytes"].table()
        n = bpe.encode(data, offsets, table, rules, bpe.make_cache(64), out, ends)
        found[whole is None] = out[:n].tolist()
    assert found[False] == [256, *b"abcd", *b"ab"] and found[True] == [*b"abc", *b"abcd", *b"ab"]
