"""URL keys and the newest page of each, as c4_utils has them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urls_oracle import select_newest_page

from corpus.dedup import same_url


@pytest.mark.parametrize(
    "url, key",
    [
        ("http://example.com", "example.com"),
        ("https://www.example.com/", "example.com"),
        ("https://www.example.com/a/b//", "example.com/a/b"),
        ("http://example.com/?utm_source=x&id=1", "example.com"),
        ("http://example.com/a?ref=b", "example.com/a"),
        ("http://example.com/a?referrer=b", "example.com/a"),
        ("http://example.com/a?feed=rss", "example.com/a"),
        ("http://example.com/a?id=1&utm_source=x", "example.com/a?id=1&utm_source=x"),
        ("http://example.com/a?id=1?ref=2", "example.com/a?id=1"),
        ("http://www.www.example.com", "www.example.com"),
        ("http://web.archive.org/web/http://www.example.com/", "web.archive.org/web/example.com"),
        ("HTTP://EXAMPLE.com/", "HTTP://EXAMPLE.com"),
        ("ftp://example.com/", "ftp://example.com"),
        ("http://example.com/a?utm_b\nc", "example.com/a\nc"),
        ("http://", ""),
        ("", ""),
    ],
)
def test_normalised_as_c4_does(url, key):
    assert same_url.normalize_url(url) == key


def test_documents_without_url_have_no_key():
    keys, rows = same_url.url_hashes(pa.array([None, "http://a.b/", "", "https://www.a.b", "http://"]))
    assert rows.tolist() == [1, 3, 4]
    assert (keys[0] == keys[1]).all() and (keys[0] != keys[2]).any()
    assert same_url.url_hashes(pa.array([], pa.string()))[0].shape == (0, 2)


def test_newest_wins_then_first():
    keys = np.zeros((5, 2), np.uint64)
    dates = pa.array(["2020-01-02", "2020-03-01T00:00:00Z", None, "2020-03-01T00:00:00Z", ""])
    dropped, kept = same_url.duplicate_urls(keys, dates, np.array([1, 8, 3, 4, 0]))
    assert dropped.tolist() == [0, 1, 3, 8]
    assert kept.tolist() == [4, 4, 4, 4]


DATES = ["", "2019-12-31", "2020-01-01", "2020-01-01T10:00:00Z", "é", "\U0001f600", "\uffff"]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(DATES)), max_size=30), st.randoms(use_true_random=False))
def test_equals_the_reference_for_any_order(pages, shuffle):
    expected = {}
    for key in range(5):
        group = [(address, date) for address, (k, date) in enumerate(pages) if k == key]
        expected |= {address: select_newest_page(group)[0] for address, _ in group}
    rows = list(range(len(pages)))
    shuffle.shuffle(rows)
    keys = np.array([[pages[i][0], 7] for i in rows], np.uint64).reshape(-1, 2)
    dates = pa.array([pages[i][1] for i in rows], pa.string())
    dropped, kept = same_url.duplicate_urls(keys, dates, np.array(rows, np.int64))
    assert dict(zip(dropped.tolist(), kept.tolist())) == {a: b for a, b in expected.items() if a != b}
    assert (np.diff(dropped) > 0).all()
