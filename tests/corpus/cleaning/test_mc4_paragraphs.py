import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.mc4_paragraphs import ParagraphFilter


def batch_of(texts, kind=pa.string()):
    return pa.record_batch({"id": [str(i) for i in range(len(texts))], "text": pa.array(texts, kind)})


def has_paragraphs(text, count=3, characters=200):
    """The rule: the third longest line decides."""
    lengths = sorted((len(line) for line in text.split("\n")), reverse=True)
    return len(lengths) >= count and lengths[count - 1] >= characters


LONG = "é" * 200


@pytest.mark.parametrize(
    "text, kept, value",
    [
        ("\n".join([LONG] * 3), True, None),
        ("\n".join([LONG, "short", LONG, LONG + "x"]), True, None),
        ("\n".join([LONG, LONG, LONG[1:]]), False, "2"),  # 398 bytes are not 200 characters
        ("\n".join([LONG] * 2), False, "2"),
        ("x" * 1000, False, "1"),
        ("\n".join([" " * 200] * 3), True, None),  # nothing is stripped
        ("\u2028".join([LONG] * 3), False, "1"),  # only a newline ends a line
        ("\n".join(["😀" * 199] * 3), False, "0"),
        ("", False, "0"),
        (None, False, "0"),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_cases(text, kept, value, kind):
    batch = batch_of(["in front", text], kind).slice(1)
    outcome = ParagraphFilter().apply(batch)
    assert outcome.kept.num_rows == kept
    assert (outcome.rules, outcome.values, outcome.thresholds) == (
        ([], [], []) if kept else (["too_few_paragraphs"], [value], [">= 3"])
    )
    tagged = ParagraphFilter(mode="tag").apply(batch).kept
    assert tagged["mc4_paragraphs.paragraphs"].to_pylist() == [3.0 if kept else float(value)]


@settings(deadline=None)
@given(st.lists(st.text("aé😀\n\r ", max_size=30), max_size=5), st.integers(1, 4), st.integers(0, 5))
def test_equals_the_rule(texts, count, characters):
    kept = ParagraphFilter(count, characters).apply(batch_of(texts)).kept
    assert kept["text"].to_pylist() == [text for text in texts if has_paragraphs(text, count, characters)]
