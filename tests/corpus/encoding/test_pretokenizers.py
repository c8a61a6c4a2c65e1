"""Pre-tokenizers against those of Hugging Face's `tokenizers`; tiktoken's patterns against golden vectors."""

import itertools
import json
import pathlib
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from corpus.encoding import patterns, pretokenizers
from corpus.encoding.patterns import PatternError
from corpus.encoding.pretokenizers import PRETOKENIZERS
from corpus.text import unicode
from corpus.text.arrow import buffers

DEEPSEEK = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"),
        pre_tokenizers.Split(Regex("[一-龥\u3040-ゟ゠-ヿ]+"), "isolated"),
        pre_tokenizers.Split(Regex(pretokenizers.DEEPSEEK_WORDS), "isolated"),
    ]
)
SPLIT = lambda pattern: pre_tokenizers.Split(Regex(pattern), "isolated")
CL100K_BEFORE = pretokenizers.CL100K.replace(r"\s+\z|", "")
REFERENCES = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "cl100k": SPLIT(pretokenizers.CL100K),
    "o200k": SPLIT(pretokenizers.O200K),
    "llama3": SPLIT(pretokenizers.LLAMA3),
    "qwen2": SPLIT(pretokenizers.QWEN2),
    "deepseek": DEEPSEEK,
    "whitespace": pre_tokenizers.Whitespace(),
    "whitespace_split": pre_tokenizers.WhitespaceSplit(),
    "bert": pre_tokenizers.BertPreTokenizer(),
    "punctuation": pre_tokenizers.Punctuation(),
    "digits": pre_tokenizers.Digits(),
    "individual_digits": pre_tokenizers.Digits(individual_digits=True),
    "metaspace": pre_tokenizers.Metaspace(prepend_scheme="never"),
}
SEQUENCES = [
    [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
    [pre_tokenizers.Punctuation(), pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)],
    [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)],
    [pre_tokenizers.Digits(True), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()],
    [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("ab", "removed"), pre_tokenizers.Split("a", "isolated")],
    [pre_tokenizers.Split(Regex("[a-c]+"), "removed", invert=True), pre_tokenizers.Split("b", "removed")],
]
# One or more of every class that a pattern tells apart, of every UTF-8 length.
ALPHABET = (
    " \n\r\t\v\x1c\x85\u00a0\u3000\u200b\u2028'’sStTmMdDrReEvVlLſabZzéÉ\u01c5\u02b0ªſK\u212aßЖжあ中゠龥龦\U00020000"
    "01٣Ⅷ½²\U0001d7ce!.-/\\<$^_`+=|~¡\u0301\u0903\u20dd\u2581\u00ad\u0378\ue000😀"
)


def pretokens(name_or_maker, text: str) -> list[str]:
    made = PRETOKENIZERS[name_or_maker] if isinstance(name_or_maker, str) else name_or_maker
    data = np.frombuffer(text.encode(), np.uint8)
    spans, ends = made.spans(data, np.array([0, len(data)]))
    assert ends.tolist() == [0, len(spans)]
    return [data[a:b].tobytes().decode() for a, b in spans]


def reference(made, text: str) -> list[str]:
    return [text[a:b] for _, (a, b) in made.pre_tokenize_str(text)]


def component(made) -> dict:
    return json.loads(made.__getstate__())


@pytest.mark.parametrize("name", REFERENCES)
@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from(ALPHABET), max_size=30) | st.text(max_size=40))
def test_pretokens_equal_the_reference(name, text):
    assert pretokens(name, text) == reference(REFERENCES[name], text)


def contexts(character: str) -> str:
    """The character beside one of each class, and in runs."""
    c = character
    text = f"{c}a{c} a{c}A{c}1{c} {c}.{c}{c}\n{c}é{c}中{c}'{c}s '{c}{c}t\u0301{c}/{c}\r{c}Ab{c}aB"
    return text + f"{c}あ{c}x12{c}345{c} {c} \n{c}"


def every_character(step: int):
    return (chr(c) for c in range(0, 0x110000, step) if not 0xD800 <= c < 0xE000)


@pytest.mark.parametrize("name", REFERENCES)
def test_characters_in_every_context(name):
    for character in itertools.chain(every_character(97), map(chr, range(0x250)), ALPHABET):
        text = contexts(character)
        assert pretokens(name, text) == reference(REFERENCES[name], text)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_all_characters_in_every_context(name):
    """Of those that no character has been given every seventh, in fewer of them."""
    unassigned = [unicode.CATEGORIES.index("Cn"), unicode.CATEGORIES.index("Co")]
    rare = np.isin(unicode.category_table(), unassigned)
    chosen = (c for c in every_character(1) if not rare[ord(c)] or ord(c) % 7 == 0)
    pieces = [f"a{c}1 {c}.{c}" if rare[ord(c)] else contexts(c) for c in chosen]
    for i in range(0, len(pieces), 1000):
        text = "x\n".join(pieces[i : i + 1000])
        assert pretokens(name, text) == reference(REFERENCES[name], text)


@pytest.mark.parametrize("name", ["gpt2", "cl100k", "o200k", "llama3", "qwen2", "deepseek", "metaspace"])
def test_three_in_a_row_of_every_class(name):
    for three in itertools.product(" \n\t\u3000'sLaAſéDž\u02b0中1Ⅷ!/\u0301\u0378😀", repeat=3):
        text = "".join(three)
        assert pretokens(name, text) == reference(REFERENCES[name], text)


@pytest.mark.parametrize("number", range(len(SEQUENCES)))
@settings(deadline=None, max_examples=200)
@given(text=st.text(st.sampled_from(ALPHABET + "abcab" * 8), max_size=40))
def test_sequences_equal_the_reference(number, text):
    reference_made = pre_tokenizers.Sequence(SEQUENCES[number])
    made = pretokenizers.from_component(component(reference_made))
    assert pretokens(made, text) == reference(reference_made, text)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_component_is_recognised(name):
    if name == "cl100k":  # no tokenizer.json has it
        return
    made = pretokenizers.from_component(component(REFERENCES[name]))
    assert made.patterns == PRETOKENIZERS[name].patterns


def test_golden_vectors_of_tiktoken():
    golden = json.loads((pathlib.Path(__file__).parent / "tiktoken_golden.json").read_text())
    assert golden["version"] == "0.14.0" and len(golden["texts"]) > 400
    for written, lengths in golden["lengths"].items():
        made = pretokenizers.by_pattern(written)
        for text, expected in zip(golden["texts"], lengths):
            assert [len(each.encode()) for each in pretokens(made, text)] == expected


def test_patterns_of_tiktoken_are_recognised():
    golden = json.loads((pathlib.Path(__file__).parent / "tiktoken_golden.json").read_text())
    assert [pretokenizers.by_pattern(written).name for written in golden["lengths"]] == ["gpt2", "cl100k", "o200k"]


@settings(deadline=None, max_examples=100)
@given(texts=st.lists(st.text(st.sampled_from("ab1 \n'中"), max_size=20), max_size=5))
def test_columns(texts):
    for type_ in (pa.string(), pa.large_string()):
        data, offsets = buffers(pa.array([None, "left out", *texts], type_)[2:])
        for name in ("gpt2", "deepseek", "whitespace_split", "bytes"):
            spans, ends = PRETOKENIZERS[name].spans(data, offsets)
            found = [
                [data[a:b].tobytes().decode() for a, b in spans[first:last]] for first, last in zip(ends, ends[1:])
            ]
            assert found == [pretokens(name, text) for text in texts]
            assert spans.dtype == ends.dtype == np.int64


def test_everything_is_kept_by_those_that_say_so():
    generator = random.Random(1)
    text = "".join(generator.choices(ALPHABET, k=5000))
    for made in PRETOKENIZERS.values():
        if made.keeps_everything:
            assert "".join(pretokens(made, text)) == text
    assert {made.name for made in PRETOKENIZERS.values() if made.keeps_everything} == {
        "gpt2", "cl100k", "o200k", "llama3", "qwen2", "deepseek", "digits", "individual_digits", "punctuation",
    }  # fmt: skip


PATTERNS = [
    "a|ab|abc",
    "(?:ab|a)c?",
    "a{2}",
    "a{1,2}b",
    "b{2,}",
    "[^a]b*",
    "(a|b(c|d)*)e",
    r"\s*\d+",
    "(?i:[ab][st]|as)",
    "ab(?=c)",
    "a(?!b)",
    ".b?",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(deadline=None, max_examples=100)
@given(text=st.text(st.sampled_from("abcde1 \n"), max_size=20))
def test_any_pattern_equals_the_reference(pattern, text):
    assert pretokens(pretokenizers.by_pattern(pattern), text) == reference(SPLIT(pattern), text)


@pytest.mark.parametrize(
    "pattern",
    ["a*", "", "a|", "a++", "a+?", "(", "a)", "[a", r"\b", "^a", "a$", "(?<=a)b", "(?!ab)c", r"\1",
     "[[:alpha:]]", "[a&&b]", r"\p{Han}", r"\p{", "a{x}", "a{2,1}", "a{9999}", "(?i:é)", "\\", "(?=)",
     r"\p{punctuation}", r"\p{word}", r"\p{Space}", "(?i:'ss)", "(?i:a|(?:f)fi)", "(?i:ST)"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(pattern):
    with pytest.raises(PatternError, match=r"pattern|empty"):
        pretokenizers.by_pattern(pattern)


@pytest.mark.parametrize(
    "described, name",
    [
        ({"type": "UnicodeScripts"}, "UnicodeScripts"),
        ({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "MergedWithNext", "invert": False}, "MergedWithNext"),
        ({"type": "Metaspace", "replacement": "_", "split": True}, "Metaspace"),
        ({"type": "Punctuation", "behavior": "Removed"}, "Punctuation"),
        ({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}, "ByteLevel before"),
        ({}, "None"),
    ],
)
def test_a_component_that_is_not_understood_is_refused_by_name(described, name):
    with pytest.raises(PatternError, match=name):
        pretokenizers.from_component(described)


def test_more_classes_than_a_table_has():
    with pytest.raises(PatternError, match="classes"):
        patterns.table(("|".join(f"{chr(0x100 + i)}b" for i in range(80)), patterns.MATCHES))


def test_time_is_not_quadratic():
    """That would be hours for these 3 MB, which no test has."""
    for unit in ("ab", " ", "\n ", "!", "1", "'s", "あ", "A"):
        text = unit * (3_000_000 // len(unit.encode()))
        data = np.frombuffer(text.encode(), np.uint8)
        for made in PRETOKENIZERS.values():
            spans, _ = made.spans(data, np.array([0, len(data)]))
            assert len(spans) == 0 or spans[-1, 1] <= len(data)
