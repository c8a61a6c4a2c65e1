"""Normalizers against those of Hugging Face's `tokenizers`; BERT's of Google against their code, transcribed."""

import itertools
import json
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers import normalizers as references

from corpus.encoding import huggingface, normalizers
from corpus.encoding.patterns import PatternError
from corpus.encoding.pretokenizers import PRETOKENIZERS
from corpus.text.arrow import buffers, string_array

BERT = references.BertNormalizer
REFERENCES = [
    references.NFC(),
    references.NFD(),
    references.NFKC(),
    references.NFKD(),
    references.Lowercase(),
    references.StripAccents(),
    references.Strip(),
    references.Strip(left=False),
    references.Strip(right=False),
    references.Prepend("\u2581"),
    references.Replace(" ", "\u2581"),
    references.Replace("ab", ""),
    references.Replace(Regex(" {2,}|a+"), " x"),
    *(BERT(clean_text=c, handle_chinese_chars=h, strip_accents=s, lowercase=lower)
      for c, h, s, lower in itertools.product((True, False), (True, False), (None, True, False), (True, False))),
    references.Sequence([references.NFKC(), references.Lowercase(), references.Replace(" ", "_")]),
    references.Sequence([references.NFD(), references.StripAccents(), references.Strip()]),
    references.Sequence([]),
]  # fmt: skip
DENSE = (
    "\u0301\u0302\u0323\u0327\u0338\u093c\u09be\u09d7\u3099\u0345\u1161\u11a8\u0653\u0334\U0001d165\U0001d16d\u1ac1"
    "aeoqéấǖÅ\u212b각가\u1100\u1112क\u0958\u09c7\u0bc6かがﾊは\u0fb2\U0001d15e\u1e9b\u017f"
    "\u0344\u2126ﬁ①\ufdfa㌀ x  \t\n\0\u200dİΣßЖ中\U0002b820\u2028\x85ab\u2581"
)


def made(reference):
    return normalizers.from_component(json.loads(reference.__getstate__()))


def normalized(normalizer, texts):
    data, offsets = normalizer.apply(*buffers(pa.array(texts, pa.large_string())))
    assert offsets.dtype == np.int64 and offsets[-1] <= len(data)
    return string_array(data, offsets, pa.large_string()).to_pylist()


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: json.loads(each.__getstate__())["type"])
@settings(deadline=None, max_examples=100)
@given(texts=st.lists(st.text(st.sampled_from(DENSE), max_size=20) | st.text(max_size=20), max_size=4))
def test_texts_equal_the_reference(reference, texts):
    assert normalized(made(reference), texts) == [reference.normalize_str(text) for text in texts]


def every_character(step):
    return [chr(c) for c in range(0, 0x110000, step) if not 0xD800 <= c < 0xE000]


@pytest.mark.parametrize("step", [97, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: json.loads(each.__getstate__())["type"])
def test_characters_equal_the_reference(reference, step):
    texts = [
        text for c in every_character(step) for text in (c, f"e{c}\u0323\u0301 {c}ab", f"\u1100{c}\u11a8\u0345{c}")
    ]
    assert normalized(made(reference), texts) == [reference.normalize_str(text) for text in texts]


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: json.loads(each.__getstate__())["type"])
def test_words_alone_give_what_the_text_gives(reference):
    normalizer = made(reference)
    generator = random.Random(1)
    texts = ["".join(generator.choices(DENSE, k=30)) for _ in range(300)]
    if normalizer.by_word:
        pieces = [text.split(" ") for text in texts]
        found = iter(normalized(normalizer, [piece for each in pieces for piece in each]))
        joined = [" ".join(next(found) for _ in each) for each in pieces]
        assert joined == normalized(normalizer, texts)


def test_very_many_marks_in_a_row():
    for name in ("nfc", "nfd", "nfkc", "nfkd"):
        text = "a" + "\u0301\u0323\u0327" * 20_000 + "b"
        expected = unicodedata.normalize(name.upper(), text)
        assert normalized(normalizers.NORMALIZERS[name](), [text, "", text]) == [expected, "", expected]


@pytest.mark.parametrize("kind", ["Nmt", "ByteLevel", "Precompiled", None])
def test_a_component_that_is_not_understood_is_refused_by_name(kind):
    with pytest.raises(PatternError, match=f"the normalizer {kind}"):
        normalizers.from_component({"type": kind})


def test_prefix_unless_it_is_there():
    made = normalizers.prepend(" ", unless=" ")
    assert normalized(made, ["a", " a", "", "  "]) == [" a", " a", "", "  "]


def test_a_mode_that_there_is_not():
    with pytest.raises(ValueError, match="hf and google"):
        normalizers.bert(mode="bing")


def test_tables_are_those_of_the_installed_library():
    import tokenizers

    assert tokenizers.__version__ == huggingface.VERSION


def google_words(text, lower):
    """`BasicTokenizer.tokenize` of google-research/bert, tokenization.py."""

    def is_control(c):
        return c not in "\t\n\r" and unicodedata.category(c) in ("Cc", "Cf")

    def is_space(c):
        return c in " \t\n\r" or unicodedata.category(c) == "Zs"

    def is_chinese(c):
        ranges = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
                  (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]  # fmt: skip
        return any(first <= ord(c) <= last for first, last in ranges)

    def is_punctuation(c):
        return any(a <= ord(c) <= b for a, b in [(33, 47), (58, 64), (91, 96), (123, 126)]) or (
            unicodedata.category(c)[0] == "P"
        )

    cleaned = "".join(" " if is_space(c) else c for c in text if not (ord(c) in (0, 0xFFFD) or is_control(c)))
    apart = "".join(f" {c} " if is_chinese(c) else c for c in cleaned)
    words = []
    for word in apart.strip().split():
        if lower:
            word = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn")
        current = []
        for c in word:
            if is_punctuation(c):
                words += [["".join(current)], [c]]
                current = []
            else:
                current.append(c)
        words.append(["".join(current)])
    return " ".join(each[0] for each in words).split()


KNOWN = st.characters(exclude_categories=("Cs", "Cn", "Co"))


@pytest.mark.parametrize("lower", [True, False])
@settings(deadline=None, max_examples=400)
@given(
    text=st.text(KNOWN, max_size=30) | st.text(st.sampled_from(DENSE.replace("\u1ac1", "") + "ΣσAΣ. İ'"), max_size=30)
)
def test_words_of_google_equal_their_code(lower, text):
    normalizer = normalizers.bert(lowercase=lower, mode="google")
    data, offsets = normalizer.apply(*buffers(pa.array([text])))
    spans, _ = PRETOKENIZERS["bert_google"].spans(data, offsets)
    assert [data[a:b].tobytes().decode() for a, b in spans] == google_words(text, lower)
