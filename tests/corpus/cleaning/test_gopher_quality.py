"""GopherQuality, and the words of the presets, against plain Python, NLTK and uniseg."""

import math

import gopher_oracle
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.cleaning.gopher_quality import QUALITY_RULES, GopherQuality
from corpus.cleaning.kernels import gopher_words
from corpus.text import sentences

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

PRESETS = ["paper", "datatrove", "dclm"]
PIECES = [
    *"aB1é中😀.,#…-*•●'\"(_%",
    "the",
    "The",
    "to",
    "and",
    "...",
    ". . .",
    " ",
    " ",
    " ",
    "\n",
    "\r\n",
    "\x00",
    "\u3000",
]
TEXTS = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(ASSIGNED, max_size=20), max_size=4
)
CLEAN = "Everything that people have written together with others belongs to the public library and city. " * 5


def words_of(text, preset):
    """The words of a preset as Python strings."""
    data = np.frombuffer(text.encode(), np.uint8)
    number = gopher_words.PRESETS[preset]
    room = gopher_words.make_room(np.array([0, len(data)]), number)
    count = gopher_words.find_words(data, 0, len(data), number, gopher_words.tables(), room)
    source = room.joined if preset == "datatrove" else data
    return [bytes(source[a:b]).decode() for a, b in zip(room.starts[:count], room.ends[:count])]


def is_punctuation(character):
    return bool(gopher_words.tables().punctuation[ord(character)])


def expected(text, preset):
    if preset != "datatrove":
        return gopher_oracle.quality(text, preset)
    return gopher_oracle.quality(text, preset, lambda text: words_of(text, preset), is_punctuation)


def assert_equal(texts, preset, type=pa.string()):
    scores = GopherQuality(preset=preset).score(pa.array(texts, type))
    for row, text in enumerate(texts):
        got = {name: values[row] for name, values in scores.items()}
        np.testing.assert_equal(got, expected(text or "", preset), err_msg=repr(text))


@pytest.mark.parametrize("preset", PRESETS)
@given(TEXTS)
@example(["", " ", "a", "the\0", "....... . . . . .", "# # …", "- a\n* b\n● c\n• d...", "The to THE and"])
@settings(deadline=None, max_examples=150)
def test_scores_equal_plain_python(preset, texts):
    assert_equal(texts, preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_columns_of_both_types_with_nulls_and_slices(preset):
    for type in (pa.string(), pa.large_string()):
        assert_equal([None, CLEAN, "", "x"], preset, type)
        whole = GopherQuality(preset=preset).score(pa.array([CLEAN, None, "b #"], type))
        part = GopherQuality(preset=preset).score(pa.array([CLEAN, None, "b #"], type)[2:])
        assert all(part[name][0] == whole[name][2] for name in whole)


BROKEN = {
    "too_few_words": "too short to be of use",
    "words_too_short": "a to b " * 40,
    "words_too_long": ("the to " + "incomprehensibilities " * 8) * 10,
    "too_many_hashes": CLEAN + "# another " * 30,
    "too_many_ellipses": CLEAN + "well... " * 30,
    "too_many_bullet_lines": ("- " + CLEAN + "\n") * 3,
    "too_many_ellipsis_lines": (CLEAN * 2 + "...\n") * 3,
    "too_few_alphabetic_words": CLEAN + "12345 " * 100,
    "too_few_stop_words": "nothing here matters very much whatever anybody says " * 10,
}


@pytest.mark.parametrize("preset", PRESETS)
def test_rules_fire_by_name(preset):
    batch = pa.record_batch({"id": [*BROKEN, "clean"], "text": [*BROKEN.values(), CLEAN]})
    outcome = GopherQuality(preset=preset).apply(batch)
    names = list(BROKEN)
    if preset == "dclm":
        names = [name.replace("hashes", "symbols").replace("ellipses", "symbols") for name in names]
    assert outcome.rules == names
    assert outcome.kept["id"].to_pylist() == ["clean"]
    assert outcome.thresholds[0] == ">= 50" and set(outcome.rules) <= set(GopherQuality.rules)


def test_thresholds_and_modes():
    batch = pa.record_batch({"text": [CLEAN + "# another " * 30, ""]})
    assert GopherQuality(max_words=10).apply(batch).rules == ["too_many_words", "too_few_words"]
    loose = GopherQuality(max_hash_ratio=1, max_symbol_ratio=0.05)
    assert loose.apply(batch).rules == ["too_many_symbols", "too_few_words"]
    tagged = GopherQuality(mode="tag").apply(batch).kept
    scores = dict.fromkeys(rule[1] for rule in QUALITY_RULES)
    assert tagged.schema.names == ["text", *(f"gopher_quality.{name}" for name in scores)]
    assert tagged["gopher_quality.words"].to_pylist() == [float(len(batch["text"][0].as_py().split())), 0.0]
    assert math.isnan(tagged["gopher_quality.mean_word_length"][1].as_py())
    with pytest.raises(ValueError, match="mode"):
        GopherQuality(mode="keep")


def test_nltk_words():
    """Golden vectors: what NLTKWordTokenizer of nltk 3.10.4 returns for these sentences."""
    for text, words in {
        "Good muffins cost $3.88 (roughly 3,36 euros)\nin New York.": (
            "Good muffins cost $ 3.88 ( roughly 3,36 euros ) in New York ."
        ),
        "He said: \"I can't, they'll go,\" and left.": "He said : `` I ca n't , they 'll go , '' and left .",
        "I'm gonna wanna cannot": "I 'm gon na wan na can not",
        "the dogs' 'quoted' don’t": "the dogs ' ' quoted ' don ’ t",
        "wait... what?! a--b—c": "wait ... what ? ! a -- b — c",
        "One. Two.": "One . Two .",
    }.items():
        assert words_of(text, "datatrove") == words.split(), text


def test_unicode_words():
    """Golden vectors of UAX #29, table 2 among them; what does not begin with a letter or digit is left out."""
    for text, words in {
        "The quick (“brown”) fox can’t jump 32.3 feet, right?": "The quick brown fox can’t jump 32.3 feet right",
        "a.b c_d _e 1,234.5 x: y:z": "a.b c_d 1,234.5 x y:z",
        "カタカナ 漢字 ก่อน": "カタカナ 漢 字 ก่ อ น",
        'צה"ל e\u0301a ℹ': 'צה"ל e\u0301a ℹ',
    }.items():
        assert words_of(text, "dclm") == words.split(), text


MARKS = [
    *'abS1é.,:" \n\t(`[-—;“”‘’«»_…#?',
    "'",
    "'s ",
    "'s",
    "n't",
    "'ll",
    "cannot",
    "gonna",
    "wanna",
    "''",
    "..",
    "--",
    "Mr. ",
]


@given(st.lists(st.sampled_from(MARKS), max_size=14).map("".join))
@settings(deadline=None, max_examples=1500)
def test_nltk_words_equal_nltk(text):
    tokenizer = pytest.importorskip("nltk.tokenize").NLTKWordTokenizer()
    stripped = text.strip().encode()
    data = np.frombuffer(stripped, np.uint8)
    words, position = [], 0
    while position < len(data):
        end, following = sentences.sentence_at(data, position, len(data))
        words += tokenizer.tokenize(stripped[position:end].decode())
        position = following
    assert words_of(text, "datatrove") == words


@given(
    st.lists(st.sampled_from([*'ab1\'.,:_-" \n\r א"ア中ℹ❤ก’·;٠１', "\u0308", "\u200d", "\u2060"]), max_size=14).map(
        "".join
    )
)
@settings(deadline=None, max_examples=1500)
def test_unicode_words_equal_uniseg(text):
    words = pytest.importorskip("uniseg.wordbreak").words(text)
    assert words_of(text, "dclm") == [word for word in words if word[0].isalnum()]
