"""The quality filters against what datatrove's and DataComp-LM's own code made of the same texts
(oracles/make_quality_golden.py, which names the versions)."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pytest

from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.refinedweb_lines import RefinedWebLines

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "oracles" / "quality_golden.json").read_text())
STAGES = {"quality": GopherQuality, "repetition": GopherRepetition, "fineweb": FineWeb}


@pytest.mark.parametrize(
    "preset, stage",
    [(preset, stage) for preset in ("datatrove", "dclm") for stage in STAGES if stage in GOLDEN[0][preset]],
)
def test_scores(preset, stage):
    scores = STAGES[stage](preset=preset).score(pa.array([vector["text"] for vector in GOLDEN], pa.string()))
    for row, vector in enumerate(GOLDEN):
        for name, value in vector[preset][stage].items():
            expected = np.nan if value is None else value
            np.testing.assert_allclose(scores[name][row], expected, rtol=1e-12, err_msg=f"{name} {vector['text']!r}")


def test_no_score_is_the_same_everywhere():
    for preset in ("datatrove", "dclm"):
        for stage in STAGES.keys() & GOLDEN[0][preset].keys():
            for name in GOLDEN[0][preset][stage]:
                assert len({vector[preset][stage][name] for vector in GOLDEN}) > 1, (preset, name)


def test_refinedweb_lines():
    batch = pa.record_batch({"text": pa.array([vector["text"] for vector in GOLDEN], pa.string())})
    assert RefinedWebLines(max_removed=1).apply(batch).kept["text"].to_pylist() == [
        v["dclm"]["cleaned"] for v in GOLDEN
    ]
    assert RefinedWebLines(max_removed=-1).apply(batch).values == [f"{v['dclm']['removed']:.6g}" for v in GOLDEN]
