"""Tokens that are found in text before it is divided, against Hugging Face's library."""

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from corpus.encoding import added_tokens

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
ADDED = [("ab", False), ("abc", True), ("  ", False), ("   ", False), ("<s>", True), ("日", False), ("|", False)]


@pytest.fixture(scope="module")
def library():
    made = tokenizers.Tokenizer(models.BPE({character: i for i, character in enumerate(ALPHABET)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    for text, special in ADDED:
        token = tokenizers.AddedToken(text, normalized=False, special=special)
        (made.add_special_tokens if special else made.add_tokens)([token])
    return made


def encode(text):
    """One id a byte, as the library without its added tokens."""
    ids = {byte: ALPHABET.index(c) for byte, c in _characters().items()}
    texts = [(each or "").encode() for each in text.to_pylist()]
    offsets = np.cumsum([0, *map(len, texts)])
    return np.array([ids[byte] for each in texts for byte in each], np.int32), offsets


def _characters():
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {b: chr(b) if b in visible else chr(256 + hidden.index(b)) for b in range(256)}


@pytest.mark.parametrize("special_too", [False, True])
@settings(deadline=None, max_examples=200)
@given(texts=st.lists(st.text(st.sampled_from("abc <s>日|x\n"), max_size=20), max_size=5))
def test_ids_are_the_librarys(library, special_too, texts):
    library.encode_special_tokens = not special_too
    tokens = [
        {"content": token.content, "id": i, "special": token.special}
        for i, token in library.get_added_tokens_decoder().items()
    ]
    around = added_tokens.around(encode, tokens, special_too)
    ids, offsets = around(pa.array([None, *texts], pa.string())[1:])
    assert offsets[0] == 0 and len(offsets) == len(texts) + 1 and offsets[-1] == len(ids)
    found = [ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])]
    assert found == [library.encode(text).ids for text in texts]


def test_nothing_to_be_found_is_no_work():
    special = [{"content": "<s>", "id": 300, "special": True}]
    assert added_tokens.around(encode, special, False) is encode
    assert added_tokens.around(encode, [], True) is encode
    assert added_tokens.found_in_text(special, True) == {"<s>": 300}
