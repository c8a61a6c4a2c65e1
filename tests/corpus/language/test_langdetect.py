"""The compiled identifier against langdetect 1.0.9 itself."""

import io
import json
import pathlib
import random

import langdetect as library
import langdetect.detector
import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings, strategies as st
from langdetect import detector_factory
from langdetect.utils.ngram import NGram

from corpus.language import langdetect, langdetect_text
from corpus.language.profiles import LANGUAGES, load

UNDETECTED = (None, 0.0)


def left_to_right(values):
    """`sum` as it was before Python 3.12."""
    total = 0
    for value in values:
        total = total + value
    return total


@pytest.fixture(scope="module")
def reference():
    """detect_langs(text)[0] with seed 0, with languages in alphabetical order and plain sums."""
    factory = detector_factory.DetectorFactory()
    profiles = pathlib.Path(detector_factory.PROFILES_DIRECTORY)
    factory.load_json_profile([p.read_text(encoding="utf-8") for p in sorted(profiles.iterdir())])
    factory.seed = 0

    def answer(text):
        detector = factory.create()
        detector.append(text)
        try:
            found = detector.get_probabilities()
        except library.LangDetectException:
            return UNDETECTED
        return (found[0].lang, found[0].prob) if found else UNDETECTED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.detector, "sum", left_to_right, raising=False)
        yield answer


def ours(texts, kind=pa.string()):
    languages, probabilities = langdetect.detect(pa.array(texts, kind))
    codes = [LANGUAGES[i] if i >= 0 else None for i in languages]
    return list(zip(codes, probabilities.tolist()))


SAMPLES = {
    "en": "The quick brown fox jumps over the lazy dog while the others are watching it from the hill.",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund, während die anderen zusehen.",
    "fr": "Le vif renard brun saute par-dessus le chien paresseux pendant que les autres regardent.",
    "ru": "Быстрая коричневая лиса перепрыгивает через ленивую собаку.",
    "ja": "素早い茶色の狐はのろまな犬を飛び越える。カタカナもあります。",
    "zh-cn": "敏捷的棕色狐狸跳过了懒惰的狗，其他人都在看着它。",
    "ko": "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "ar": "يقفز الثعلب البني السريع فوق الكلب الكسول.",
    "vi": "Con cáo nâu nhanh nhẹn nhảy qua con chó lười biếng trong khi mọi người đứng xem.",
    "th": "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ",
    "ro": "Vulpea brună și rapidă sare peste câinele leneș, iar ceilalți privesc țintă.",
}
ODD = [
    "", " ", "\n", "1234 !?", "A", "é", "ß", "NASA USA IBM", "NaSa", "😀", "x" * 40, "ABC def GHI",
    "http://example.com/the/page", "mail someone@example.com now", "a@b", "@", "a" * 100 + "@example.com",
    "e\u0302\u0301", "tie\u0323\u0302ng Vie\u0323t A\u0300 a\u0309", "日本 Japan", "日本語日本語 Japan",
    "\u2028\u00a0", "\U00010400\U00010401 abc", "ǅ ǅǅ ⅣⅣ", "a  b   c", "İstanbul", "Ⅻ",
]  # fmt: skip


def test_profiles_are_those_installed():
    assert sorted(p.name for p in pathlib.Path(detector_factory.PROFILES_DIRECTORY).iterdir()) == list(LANGUAGES)


def test_samples(reference):
    texts = list(SAMPLES.values())
    assert [code for code, _ in ours(texts)] == list(SAMPLES)
    assert ours(texts) == [reference(text) for text in texts]


def test_library_as_it_comes_agrees():
    library.DetectorFactory.seed = 0
    for text, (code, probability) in zip(SAMPLES.values(), ours(list(SAMPLES.values()))):
        best = library.detect_langs(text)[0]
        assert best.lang == code and best.prob == pytest.approx(probability, abs=1e-9)


def test_odd_texts(reference):
    assert ours(ODD) == [reference(text) for text in ODD]


def test_columns_of_any_kind(reference):
    column = pa.array([SAMPLES["de"], None, SAMPLES["fr"], ""], pa.large_string()).slice(1)
    assert ours(column, None) == [UNDETECTED, reference(SAMPLES["fr"]), UNDETECTED]
    assert ours([]) == []


def test_undecided_text_goes_to_the_limit_of_iterations(reference):
    text = " ".join(SAMPLES[code] for code in ("de", "fr", "en"))
    assert ours([text]) == [reference(text)]


URL = "https://example.com/" + "a/b" * 30
LONG = {
    "plain": "the one and the other " * 3000,
    "spaces": "word" + " " * 9_990 + "und das ist es" * 2000,
    "addresses": (URL + " ") * 3000 + SAMPLES["de"] * 200,
    "one address": "http://" + "x" * 60_000 + " " + SAMPLES["fr"] * 100,
    "mail": "someone.else@example.com " * 4000 + SAMPLES["fr"] * 200,
    "three bytes": SAMPLES["ja"] * 2000,
    "marks": "tie\u0323ng Vie\u0323t a\u0300 " * 4000,
}


@pytest.mark.parametrize("name", LONG)
def test_only_the_beginning_of_a_long_text_is_read(reference, name):
    assert ours([LONG[name]]) == [reference(LONG[name])]


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("first_read", [3000, 4001, 20_000])
def test_head_is_what_the_whole_text_gives(name, first_read):
    """Whatever the size of the first read, which cuts words, addresses and characters anywhere."""
    data = np.frombuffer(LONG[name].encode(), np.uint8)
    codes, length = langdetect_text.head(data, 0, len(data), load().vietnamese, np.empty(0, np.uint32), first_read)
    assert text_of(codes[:length]) == appended(LONG[name])[: langdetect_text.MAX_CHARACTERS]


def appended(text):
    """A text as `Detector.append` sees it."""
    for pattern in (library.detector.Detector.URL_RE, library.detector.Detector.MAIL_RE):
        text = pattern.sub(" ", text)
    return NGram.normalize_vi(text)


def text_of(codes):
    return codes.astype("<u4").tobytes().decode("utf-32-le")


ADDRESS = st.text("htps:/@.-_~aZ0 \u0103\u0301\u0323e\n", max_size=40) | st.sampled_from(
    ["http://", "https://", "http://h", "a@b", "a" * 64, "b" * 254, "c" * 255 + ".", "d" * 2076, "@", "\u01afe\u0300"]
)


@settings(deadline=None, max_examples=300)
@given(text=st.lists(ADDRESS, max_size=8).map("".join), first_read=st.sampled_from([3000, 1 << 14]))
def test_addresses_and_vietnamese_letters(text, first_read):
    data = np.frombuffer(("-" + text).encode(), np.uint8)
    codes, length = langdetect_text.head(data, 1, len(data), load().vietnamese, np.empty(0, np.uint32), first_read)
    assert text_of(codes[:length]) == appended(text)


def test_the_rest_of_a_very_long_line_is_not_read(reference):
    line = SAMPLES["fr"] + " " * 100 + "the one and the other of them " * (50_000_000 // 30)
    assert ours([line]) == [reference(line[:20_000])]


PIECE = st.one_of(st.sampled_from(list(SAMPLES.values()) + ODD), st.text(max_size=8))


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.lists(PIECE, max_size=4).map(" ".join), max_size=3))
def test_equals_the_library(reference, texts):
    assert ours(texts) == [reference(text) for text in texts]


@settings(deadline=None, max_examples=100)
@given(text=st.text(max_size=60))
def test_equals_the_library_on_any_characters(reference, text):
    assert ours([text]) == [reference(text)]


@pytest.mark.slow
def test_equals_the_library_on_real_text(reference, real_data):
    texts = []
    for path in sorted(real_data.glob("jsonl/*.zst")):
        with path.open("rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
            texts += [json.loads(line)["text"] for line in lines]
    texts = random.Random(5).sample(texts, 300)
    assert ours(texts) == [reference(text) for text in texts]
