"""GopherQuality, GopherRepetition, FineWeb and RefinedWebLines against their references, score by score, on real
text: datatrove's and DataComp-LM's own code, and plain Python for the paper's definitions.

`oracles/quality_reference.py` says what to install and set; a reference that is not there is skipped. Every
EVERY-th document is compared (with 1, an hour).
"""

import gopher_oracle
import numpy as np
import pyarrow as pa
import pytest
import quality_reference as reference

from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.kernels.gopher_words import TERMINAL_MARKS
from corpus.cleaning.refinedweb_lines import RefinedWebLines
from corpus.io import paths
from corpus.reading import readers

EVERY = 16

pytestmark = pytest.mark.slow
needs_datatrove = pytest.mark.skipif(
    not reference.has_datatrove(), reason="datatrove or nltk is not installed, see oracles/quality_reference.py"
)
needs_dclm = pytest.mark.skipif(
    not reference.has_dclm(),
    reason="WINNOW_DCLM or uniseg, nltk, fasttext are missing, see oracles/quality_reference.py",
)


@pytest.fixture(scope="module")
def texts(real_data):
    """Documents of the WET and JSON files, evenly from all."""
    sources = [source for folder in ("wet", "jsonl") for source in paths.expand(str(real_data / folder))]
    options = readers.ReadOptions()
    readings = (reading for unit in readers.split(sources, options) for reading in readers.read(unit, options))
    return pa.Table.from_batches([reading.documents for reading in readings])["text"].to_pylist()[::EVERY]


def assert_same(stage, texts, expected):
    """The scores of `stage` are those that `expected` returns for each text."""
    scores = stage.score(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        for name, value in expected(text).items():
            np.testing.assert_allclose(
                scores[name][row], value, rtol=1e-12, atol=1e-15, err_msg=f"{name} {text[:200]!r}"
            )


@needs_datatrove
@pytest.mark.parametrize(
    "stage, expected",
    [
        (GopherQuality, reference.datatrove_quality),
        (GopherRepetition, reference.datatrove_repetition),
        (FineWeb, reference.datatrove_fineweb),
    ],
    ids=lambda value: value.__name__,
)
def test_datatrove(texts, stage, expected):
    assert_same(stage(preset="datatrove"), [text for text in texts if text.strip()], expected)


@needs_dclm
@pytest.mark.parametrize(
    "stage, expected",
    [(GopherQuality, reference.dclm_quality), (GopherRepetition, reference.dclm_repetition)],
    ids=lambda value: value.__name__,
)
def test_dclm(texts, stage, expected):
    assert_same(stage(preset="dclm"), texts, expected)


@needs_dclm
def test_dclm_decides_alike_on_repetition(texts):
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    dropped = set(GopherRepetition(preset="dclm").apply(batch).rows.tolist())
    assert dropped == {row for row, text in enumerate(texts) if reference.dclm_repeats_itself(text)}


@needs_dclm
def test_dclm_lines(texts):
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    cleaned = RefinedWebLines(max_removed=1).apply(batch).kept["text"].to_pylist()
    dropped = RefinedWebLines(max_removed=-1).apply(batch)
    assert len(cleaned) == len(dropped.rows) == len(texts)
    for text, ours, share in zip(texts, cleaned, dropped.values):
        theirs, removed = reference.dclm_lines(text, wildcards=False)
        assert ours == theirs
        assert np.isnan(removed) or share == f"{removed:.6g}"


def paper_repetition(text):
    return gopher_oracle.segments(text, "paper") | gopher_oracle.grams(text, "paper", str.split)


@pytest.mark.parametrize(
    "stage, expected",
    [
        (GopherQuality, lambda text: gopher_oracle.quality(text, "paper")),
        (GopherRepetition, paper_repetition),
        (FineWeb, lambda text: gopher_oracle.fineweb(text, str.split, TERMINAL_MARKS)),
    ],
    ids=["GopherQuality", "GopherRepetition", "FineWeb"],
)
def test_paper(texts, stage, expected):
    assert_same(stage(preset="paper"), texts, expected)
