import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.cleaning.domains import DomainFilter, host_of, is_listed


def batch_of(urls):
    ids = [f"d{i}" for i in range(len(urls))]
    return pa.record_batch({"id": ids, "text": ids, "url": pa.array(urls, pa.string())})


@pytest.mark.parametrize(
    "url, host",
    [
        ("http://www.Example.COM/Path?q#f", "example.com"),
        ("https://wwf.org", "wwf.org"),  # not lstrip("www.")
        ("https://w.www.ww.org", "w.www.ww.org"),
        ("https://www.www.org", "www.org"),
        ("https://www.com/", "www.com"),
        ("http://user:pass@news.example.com:8080/", "news.example.com"),
        ("http://example.com?x=http://other.org/@y", "example.com"),
        ("http://example.com/@user", "example.com"),
        ("//cdn.example.com/a", "cdn.example.com"),
        ("example.com/a:b", "example.com"),
        ("www.example.com.", "example.com"),
        (" http://münchen.de/ ", "münchen.de"),
        ("http://[::1]/x", "["),
        ("", ""),
        ("http://", ""),
        ("mailto:someone@example.com", "example.com"),
    ],
)
def test_host(url, host):
    assert host_of(url) == host


def test_domains(tmp_path):
    (tmp_path / "list.txt").write_text(
        "\ufeff# news\nBBC.co.uk\n\nwww.wwf.org\nhttps://de.news.org/x\n", encoding="utf-8"
    )
    urls = [
        "http://bbc.co.uk/a", "https://News.BBC.co.uk/b", "http://notbbc.co.uk/", "http://co.uk/", None, "",
        "http://wwf.org/", "http://f.org/", "http://de.news.org", "http://x.de.news.org", "http://news.org",
        "http://bbc.co.uk.evil.com/", "http://evil.com/bbc.co.uk",
    ]  # fmt: skip
    stage = DomainFilter(str(tmp_path / "list.txt"))
    outcome = stage.apply(batch_of(urls))
    assert outcome.kept["url"].to_pylist() == [urls[i] for i in (0, 1, 6, 8, 9)]
    assert list(zip(outcome.rows.tolist(), outcome.rules, outcome.values)) == [
        (2, "not_listed", "notbbc.co.uk"), (3, "not_listed", "co.uk"), (4, "no_url", ""), (5, "no_url", ""),
        (7, "not_listed", "f.org"), (10, "not_listed", "news.org"), (11, "not_listed", "bbc.co.uk.evil.com"),
        (12, "not_listed", "evil.com"),
    ]  # fmt: skip
    assert set(outcome.thresholds) == {"in the list of domains"}
    assert stage.inputs() == [str(tmp_path / "list.txt")]
    assert stage.apply(batch_of(urls).select(["id", "text"])).rules == ["no_url"] * len(urls)
    assert len(stage.apply(batch_of([])).kept) == 0


def test_json_with_subdomains_and_folders(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"cnn.com": ["", "edition"], "abc.net": True, "x.org": []}))
    (tmp_path / "b.json").write_text(json.dumps({"cnn.com": ["money"], "x.org": "all"}))
    cnn = ("www.cnn.com", "edition.cnn.com", "money.cnn.com", "x.edition.cnn.com", "de.cnn.com")
    urls = [f"http://{host}/" for host in (*cnn, "a.abc.net", "y.x.org")]
    kept = DomainFilter(str(tmp_path)).apply(batch_of(urls)).kept["url"].to_pylist()
    assert kept == [urls[i] for i in (0, 1, 2, 5, 6)]
    assert DomainFilter(str(tmp_path / "a.json")).apply(batch_of(urls)).rows.tolist() == [2, 3, 4, 6]
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ValueError, match="not a JSON object"):
        DomainFilter(str(tmp_path / "c.json")).apply(batch_of(urls))


def test_urls(tmp_path):
    (tmp_path / "urls").write_text("http://www.a.org/x/?utm_source=b\nhttps://b.org\n")
    urls = ["https://a.org/x", "http://a.org/X", "http://a.org/x?ref=1", "b.org/", "http://b.org/c", None]
    outcome = DomainFilter(str(tmp_path / "urls"), "urls").apply(batch_of(urls))
    # "…/x/?utm_" normalises to "…/x/" first and then loses its slash.
    assert outcome.kept["url"].to_pylist() == ["https://a.org/x", "http://a.org/x?ref=1", "b.org/"]
    assert outcome.rules == ["not_listed", "not_listed", "no_url"]
    assert outcome.values == ["a.org/X", "b.org/c", ""]


def test_no_list(tmp_path):
    with pytest.raises(FileNotFoundError):
        DomainFilter(str(tmp_path / "none")).apply(batch_of(["a"]))


NAMES = st.lists(st.sampled_from(["a", "b", "www", "com"]), min_size=1, max_size=4).map(".".join)


@given(NAMES, st.sets(NAMES, max_size=4))
def test_equals_the_rule(host, domains):
    expected = any(host == domain or host.endswith(f".{domain}") for domain in domains)
    assert is_listed(host, dict.fromkeys(domains)) == expected
