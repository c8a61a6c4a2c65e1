"""BPE whose words end in a token of their own (CLIP): merges against counting by hand, ids and text against the
library, files in CLIP's form."""

import collections
import json
import re

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.encoding.encoder import load_encoder
from tokenizer_training import train_tokenizer

WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")
"""CLIP's, for texts of ASCII and Latin letters."""
TEXTS = [
    "A photo of a cat's tail; a photo of 12 dogs!",
    "a  photo\nof the DOG'S tail... tails, tailor's",
    "Fa\u00e7ade caf\u00e9 façade, cafe\u0301 au lait; it's a dog-house.",
    "the the the theme, themes: them'll then!!",
]


def byte_pairs(texts, merges):
    """The first `merges` merges by counting all pairs again each time (Sennrich et al. 2016), of (tokens, in order of
    their ids); the pair of least ids among the most frequent."""
    ids = {bytes([byte]) + end: i for i, (end, byte) in enumerate((e, b) for e in (b"", b"</w>") for b in order())}
    words = collections.Counter(word for text in texts for word in WORDS.findall(composed(text)))
    spelled = {word: [bytes([b]) for b in word.encode()] for word in words}
    for parts in spelled.values():
        parts[-1] += b"</w>"
    found = []
    while len(found) < merges:
        counts = collections.Counter()
        for word, parts in spelled.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] += words[word]
        best = min((-n, ids[a], ids[b], a, b) for (a, b), n in counts.items())
        left, right = best[3:]
        found.append((left, right))
        ids.setdefault(left + right, len(ids))
        for word, parts in spelled.items():
            merged, i = [], 0
            while i < len(parts):
                both = parts[i : i + 2] == [left, right]
                merged.append(left + right if both else parts[i])
                i += 1 + both
            spelled[word] = merged
    return found


def order():
    """Bytes in the order of the characters that stand for them: those that can be seen first (openai/gpt-2)."""
    seen = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*seen, *(byte for byte in range(256) if byte not in seen)]


def composed(text):
    return text.replace("e\u0301", "\u00e9").lower()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    encoder = train_tokenizer(TEXTS, folder, preset="clip", vocab_size=514 + 40, min_frequency=1)
    return encoder, folder


def test_merges_equal_counting(trained):
    _, folder = trained
    stored = json.loads((folder / "tokenizer.json").read_text())
    stands_for = dict(zip(tokenizers.pre_tokenizers.ByteLevel.alphabet(), [0] * 256))
    assert len(stands_for) == 256
    characters = {
        byte: chr(byte) if byte in order()[:188] else chr(256 + order().index(byte) - 188) for byte in order()
    }

    def written(token):
        end = "</w>" if token.endswith(b"</w>") else ""
        return "".join(characters[byte] for byte in token.removesuffix(b"</w>")) + end

    assert stored["model"]["merges"] == [[written(a), written(b)] for a, b in byte_pairs(TEXTS, 40)]
    vocabulary = sorted(stored["model"]["vocab"], key=stored["model"]["vocab"].get)
    assert vocabulary[:512] == [characters[b] + end for end in ("", "</w>") for b in order()]
    assert vocabulary[-2:] == ["<|startoftext|>", "<|endoftext|>"] and len(vocabulary) == 554


def test_ids_and_texts_equal_the_library(trained):
    encoder, folder = trained
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.encode_special_tokens = True

    @settings(max_examples=200)
    @given(
        st.lists(
            st.text(st.sampled_from("aA\u0130ß dogtheç'sé\u0301 \n\t12!.😀</w>|_<|endoftext|>")) | st.text(), max_size=4
        )
    )
    def check(texts):
        expected = [library.encode(text, add_special_tokens=False).ids for text in texts]
        found = [ids.tolist() for ids in encoder.encode_texts(texts)]
        assert found == expected
        assert [encoder.decode(ids) for ids in found] == [library.decode(ids) for ids in expected]

    check()
    assert encoder.decode(encoder.encode_texts([TEXTS[0]])[0]) == "a photo of a cat 's tail ; a photo of 1 2 dogs ! "
    long = "dogthe" * 3000  # merged by pieces, and by heap
    assert encoder.encode_texts([long])[0].tolist() == library.encode(long, add_special_tokens=False).ids


def test_the_form_that_clip_has(trained, tmp_path):
    """vocab.json and merges.txt with a configuration that names the class, or with the pattern's name."""
    encoder, folder = trained
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ValueError, match="give `pattern`.*clip"):
        load_encoder(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "CLIPTokenizer",
                "bos_token": "<|startoftext|>",
                "eos_token": "<|endoftext|>",
                "unk_token": "<|endoftext|>",
                "pad_token": "<|endoftext|>",
            }
        )
    )
    brought = load_encoder(tmp_path)
    assert brought.encoder == "bpe"  # our kernel
    table = pa.array([*TEXTS, "", "a<|endoftext|>b"])
    assert [ids.tolist() for ids in brought.encode_texts(table)] == [
        ids.tolist() for ids in encoder.encode_texts(table)
    ]
    whole = brought.encode_texts(["a dog"], append_end=True)[0]
    assert whole[0] == brought.special_tokens["<|startoftext|>"] and whole[-1] == brought.end_id


def test_other_families_have_none():
    with pytest.raises(ValueError, match="end_of_word '</w>' is not for the family 'wordpiece'"):
        train_tokenizer(TEXTS, "unused", family="wordpiece", end_of_word="</w>")
    with pytest.raises(ValueError, match="vocab_size 300 is too small: 1 special tokens and 512 bytes"):
        train_tokenizer(TEXTS, "unused", vocab_size=300, end_of_word="</w>")
