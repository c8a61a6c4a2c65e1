"""Steps of deduplication by key, apart from runs."""

import types

import numpy as np
import pyarrow as pa
import pytest

from corpus.text import punkt
from pipelines.steps.line_dedup import LineDedup

BATCH = pa.record_batch({"id": ["a", "b"], "text": ["One. Two! Three?", "One. Two."], "url": ["x", "y"]})


def dropped(step):
    """Rows that a step drops of BATCH, which repeats nothing."""
    _, keys = step.keys(np.arange(2), BATCH, 0)
    repeats, _ = step.matches(step.keys(np.arange(2), BATCH, 0)[0])
    assert len(keys) == 2 and repeats.num_rows == 0
    return step.finish(np.arange(2), BATCH, repeats)["row"].to_pylist()


def test_sentences_of_lines_are_counted_by_rule_or_by_punkt(monkeypatch):
    assert dropped(LineDedup()) == [1]
    assert dropped(LineDedup(min_sentences=4)) == [0, 1]
    stand_in = types.SimpleNamespace(span_tokenize=lambda text: iter(text.split("One")))  # two in either
    monkeypatch.setattr(punkt, "tokenizer", lambda: stand_in)
    assert dropped(LineDedup(sentences="punkt")) == [0, 1]
    assert dropped(LineDedup(sentences="punkt", min_sentences=2)) == []


def test_punkt_is_looked_for_before_a_run(monkeypatch):
    def missing():
        raise ImportError("pip install nltk")

    monkeypatch.setattr(punkt, "tokenizer", missing)
    LineDedup().check()
    with pytest.raises(ImportError, match="pip install nltk"):
        LineDedup(sentences="punkt").check()
