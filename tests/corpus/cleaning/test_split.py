import hashlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.split import Split, page_digests

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
"""Characters that this Python knows: its Unicode is older than ours, and it is the oracle."""

URLS = [f"https://www.site{i}.org/page/?utm_source=x" for i in range(300)]


def batch_of(urls):
    ids = [f"d{i}" for i in range(len(urls))]
    return pa.record_batch({"id": ids, "text": ids, "url": pa.array(urls, pa.string())})


def side(name, every):
    return "validation" if int(hashlib.md5(name.encode()).hexdigest(), 16) % every == 0 else "train"


def test_sides_go_by_the_normalised_url():
    expected = [side(f"site{i}.org/page", 10) for i in range(300)]
    outcome = Split(10).apply(batch_of(URLS))
    assert outcome.kept["split"].to_pylist() == expected
    assert outcome.counters == {"train": expected.count("train"), "validation": expected.count("validation")}
    assert 10 < expected.count("validation") < 50 and not len(outcome.rows)


def test_keeping_one_side():
    both = Split(10).apply(batch_of(URLS)).kept
    for keep, other in (("train", "validation"), ("validation", "train")):
        outcome = Split(10, keep).apply(batch_of(URLS))
        assert outcome.kept.equals(both.filter(pa.compute.equal(both["split"], keep)))
        assert set(outcome.rules) == {"other_split"} and set(outcome.values) == {other}
        assert outcome.rows.tolist() == [i for i, s in enumerate(both["split"].to_pylist()) if s == other]
        assert outcome.thresholds == [keep] * len(outcome.rows)


def test_documents_without_url_go_by_their_id():
    batch = batch_of([None, "", "d0"])
    expected = [int(hashlib.md5(name).hexdigest(), 16) for name in (b"d0", b"d1", b"d0")]
    assert page_digests(batch) == expected
    assert page_digests(batch.select(["id", "text"]))[:2] == expected[:2]
    assert page_digests(batch.slice(1)) == expected[1:]


def test_degenerate():
    assert Split().apply(batch_of([])).kept["split"].to_pylist() == []
    assert Split(1).apply(batch_of(["a"])).kept["split"].to_pylist() == ["validation"]
    with pytest.raises(ValueError, match="should be greater than or equal to 1"):
        Split(0)
    with pytest.raises(ValueError, match="'test'"):
        Split(keep="test")


@settings(deadline=None)
@given(st.lists(st.text(ASSIGNED, max_size=8), max_size=6), st.integers(1, 6))
def test_does_not_depend_on_the_batch(urls, every):
    whole = Split(every).apply(batch_of(urls)).kept["split"].to_pylist()
    parts = [Split(every).apply(batch_of(urls).slice(i, 1)).kept["split"].to_pylist() for i in range(len(urls))]
    assert whole == sum(parts, [])
