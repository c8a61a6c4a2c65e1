"""Settings as others have them: which texts share a bucket, by their own code (oracles/make_candidates_golden.py)."""

import hashlib
import json
import pathlib

import edited_texts
import make_candidates_golden
import numpy as np
import pyarrow as pa
import pytest

from corpus.dedup import lsh
from corpus.dedup.near import Near

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "oracles" / "candidates_golden.json").read_text("utf-8"))
SETTINGS = {
    "datatrove": {"preset": "datatrove"},
    "datatrove sha1": {"preset": "datatrove", "hash": "sha1"},
    "datatrove 3": {"preset": "datatrove", "ngram": 3, "bands": 20, "rows": 5, "permutations": 100, "seed": 7},
    "fineweb": {"preset": "fineweb"},
    "bigcode": {"preset": "bigcode"},
    "text_dedup": {"preset": "text_dedup"},
    "text_dedup 3": {"preset": "text_dedup", "ngram": 3, "permutations": 128, "bands": 25, "rows": 5},
    "text_dedup 13": {"preset": "text_dedup", "ngram": 13, "permutations": 100, "bands": 10, "rows": 7},
}
"""What `make_candidates_golden` asks of them, in our options. Where text-dedup is given a threshold it looks
for bands and rows as datasketch does, which was done by hand here."""


def sharing_a_bucket(texts: list[str], options: dict) -> list[list[int]]:
    signed = Near(**options).sign(pa.array(texts))
    owners = np.repeat(signed.filled, signed.keys.shape[1])
    pairs = lsh.candidate_pairs(signed.keys.ravel(), owners, all_pairs_limit=len(texts))
    return np.stack(pairs, axis=1).tolist()


def test_all_are_asked():
    asked = {*make_candidates_golden.DATATROVE, *make_candidates_golden.TEXT_DEDUP, "fineweb", "bigcode"}
    assert asked == set(SETTINGS) == set(GOLDEN["generated"]) == set(GOLDEN["real"])


@pytest.mark.parametrize("name", SETTINGS)
def test_candidates_are_theirs(name):
    texts = edited_texts.families(60)
    expected = GOLDEN["generated"][name]
    assert sharing_a_bucket(texts, SETTINGS[name]) == expected and 50 < len(expected) < 2000


@pytest.mark.parametrize("name", SETTINGS)
def test_candidates_among_real_documents_are_theirs(name, real_data):
    found = sharing_a_bucket(make_candidates_golden.real_texts(real_data), SETTINGS[name])
    expected = GOLDEN["real"][name]
    assert (len(found), hashlib.sha256(json.dumps(found).encode()).hexdigest()) == (
        expected["pairs"],
        expected["digest"],
    )
    assert len(found) > 500
