import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.repair import TextRepair

ftfy = pytest.importorskip("ftfy")


def batch_of(texts, type=pa.string()):
    return pa.record_batch({"id": [f"d{i}" for i in range(len(texts))], "text": pa.array(texts, type)})


def repaired(text, **options):
    return TextRepair(**options).apply(batch_of([text])).kept["text"][0].as_py()


@pytest.mark.parametrize(
    "text, expected, options",
    [
        ("schÃ¶n â€” l’humanitÃ©", "schön — l’humanité", {}),
        ("a &amp; b", "a & b", {}),
        ("a &amp; b <br>", "a &amp; b <br>", {}),
        ("“ﬁne”\r\n", "“ﬁne”\r\n", {}),
        ("“ﬁne”\r\n", '"fine"\n', {"uncurl_quotes": True, "fix_latin_ligatures": True, "fix_line_breaks": True}),
        ("plain\r\n", "plain\n", {"fix_line_breaks": True}),
        ("e\u0301", "é", {"normalization": "NFC"}),
        ("a\x1b[36mb", "ab", {}),
    ],
)
def test_repairs(text, expected, options):
    assert repaired(text, **options) == expected


@given(st.lists(st.text() | st.text("aÃ©¶â€™&;<\r\n amp", max_size=20), max_size=4))
@settings(deadline=None)
def test_equals_ftfy(texts):
    config = ftfy.TextFixerConfig(
        uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, fix_line_breaks=False,
        remove_control_chars=False, normalization=None, fix_surrogates=False, explain=False,
    )  # fmt: skip
    expected = [ftfy.fix_text(text, config) for text in texts]
    outcome = TextRepair().apply(batch_of(texts))
    assert outcome.kept["text"].to_pylist() == expected
    assert outcome.counters.get("repaired", 0) == sum(a != b for a, b in zip(texts, expected))


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()], ids=str)
def test_types_slices_and_nulls(type):
    batch = batch_of(["x", None, "Ã©", "y"], type)[1:]
    outcome = TextRepair().apply(batch)
    assert outcome.kept["text"].to_pylist() == ["", "é", "y"] and outcome.kept.schema == batch.schema
    assert TextRepair().apply(batch[:0]).kept.equals(batch[:0])


def test_without_ftfy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(ImportError, match=r"repair needs ftfy: .*pip install '\.\[repair\]'"):
        TextRepair().check()
    with pytest.raises(ImportError, match="ftfy"):
        TextRepair().apply(batch_of(["x"]))
