"""WordPiece and tries against Hugging Face's `tokenizers` and plain Python."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models

from corpus.encoding import tries, wordpiece


def vocabulary(generator, size):
    strings = {"".join(generator.choices("abcé日😀#", k=generator.randint(1, 5))) for _ in range(size)}
    strings |= {"##" + "".join(generator.choices("abcé日#", k=generator.randint(1, 4))) for _ in range(size)}
    return {token: i for i, token in enumerate(["[UNK]", *sorted(strings)])}


def ours(pieces, words):
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)])
    spans = np.column_stack([offsets[:-1], offsets[1:]]).astype(np.int64)
    data = np.frombuffer(b"".join(encoded), np.uint8)
    out, ends = np.empty(len(data), np.int32), np.empty(len(words) + 1, np.int64)
    n = wordpiece.encode(data, spans, pieces, out, ends)
    assert ends[-1] == n
    return [out[a:b].tolist() for a, b in zip(ends, ends[1:])]


@pytest.mark.parametrize("seed", range(8))
@settings(deadline=None, max_examples=60)
@given(words=st.lists(st.text(st.sampled_from("abcé日😀#x"), min_size=1, max_size=14), max_size=6))
def test_ids_equal_the_reference(seed, words):
    generator = random.Random(seed)
    known = vocabulary(generator, 10 * (1 + seed))
    most = generator.choice([1, 5, 100])
    reference = models.WordPiece(known, unk_token="[UNK]", max_input_chars_per_word=most)
    pieces = wordpiece.make_word_pieces(known, "[UNK]", "##", most)
    assert ours(pieces, words) == [[token.id for token in reference.tokenize(word)] for word in words]


def test_characters_are_counted_and_not_bytes():
    pieces = wordpiece.make_word_pieces({"[UNK]": 0, "日": 1, "##日": 2}, "[UNK]", "##", 4)
    assert ours(pieces, ["日" * 4, "日" * 5, "日"]) == [[1, 2, 2, 2], [0], [1]]


def test_an_unknown_token_that_is_not_in_the_vocabulary():
    with pytest.raises(KeyError):
        wordpiece.make_word_pieces({"a": 0}, "[UNK]", "##", 100)


def test_one_long_word():
    pieces = wordpiece.make_word_pieces({"[UNK]": 0, "a": 1, "##a": 2}, "[UNK]", "##", 10**9)
    assert ours(pieces, ["a" * 3_000_000]) == [[1] + [2] * 2_999_999]


@settings(deadline=None, max_examples=100)
@given(tokens=st.lists(st.binary(max_size=6), max_size=40), word=st.binary(max_size=8))
def test_a_trie_has_its_tokens_and_no_others(tokens, word):
    roots = [i % 3 for i in range(len(tokens))]
    trie = tries.make_trie(tokens, range(len(tokens)), roots)
    expected = {(token, root): i for i, (token, root) in enumerate(zip(tokens, roots)) if token}
    for root in range(max(roots, default=0) + 1):
        for text in [*tokens, word]:
            node = root
            for byte in text:
                node = tries.child(trie.edges, node, byte) if node >= 0 else -1
            found = trie.values[node] if node >= 0 else -1
            assert found == expected.get((text, root), -1)
