"""The URL filter against plain Python, and cases by hand."""

import re
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.url_filter import UrlFilter

LISTS = {
    "domains": ["# a comment", "bad.com", "Evil.co.uk", "", "sub.mixed.org", "10.0.0.1", "xn--bcher-kva.de"],
    "hosts": ["blog.good.com", "spam.blogspot.com"],
    "urls": ["http://www.site.org/Page/", "site.org/q?a=1"],
    "hard_words": ["porn", "x-x"],
    "soft_words": ["adult", "cam", "live"],
    "subwords": ["freesex"],
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    for name, entries in LISTS.items():
        (folder / name).write_text("\n".join(entries) + "\n", encoding="utf-8")
    return UrlFilter(**{name: str(folder / name) for name in LISTS})


def apply(stage, urls, type=pa.string()):
    ids = [f"d{i}" for i in range(len(urls))]
    return stage.apply(pa.record_batch({"id": ids, "text": ids, "url": pa.array(urls, type)}))


@pytest.mark.parametrize(
    "url, rule, value",
    [
        ("http://bad.com/x", "domain", "bad.com"),
        ("HTTPS://User:pw@A.b.BAD.com.:80?x", "domain", "bad.com"),
        ("bad.com/x", "domain", "bad.com"),
        ("http://www.evil.co.uk", "domain", "evil.co.uk"),
        ("http://notbad.com/", None, None),
        ("http://bad.com.br/bad.com", None, None),
        ("http://10.0.0.1/", "domain", "10.0.0.1"),
        ("http://20.10.0.0.1.com/", None, None),
        ("http://www.bücher.de/", "domain", "xn--bcher-kva.de"),
        ("http://sub.mixed.org/", "host", "sub.mixed.org"),
        ("http://mixed.org/", None, None),
        ("http://BLOG.good.com/", "host", "blog.good.com"),
        ("http://good.com/", None, None),
        ("http://spam.blogspot.com/", "host", "spam.blogspot.com"),
        ("https://site.org/page#top", "url", "site.org/page"),
        ("http://SITE.org/q?a=1", "url", "site.org/q?a=1"),
        ("http://site.org/q?a=12", None, None),
        ("http://a.org/porn/", "hard_word", "porn"),
        ("http://a.org/PORN/", "hard_word", "porn"),  # passes in datatrove
        ("http://a.org/x_Porn_1", "hard_word", "porn"),
        ("http://a.org/popcorn/pornography", None, None),
        ("http://a.org/x-x-xx", "hard_word", "xx"),
        ("http://adult.org/", None, None),
        ("http://adult.org/Live", "soft_words", "adult live"),
        ("http://adult.org/adult", None, None),
        ("http://a.org/my-Free_Sex-x", "subword", "freesex"),
        ("http://bad.com/porn", "domain", "bad.com"),
        ("http://[2001:db8::1]:80/porn", "hard_word", "porn"),
        (None, None, None),
        ("", None, None),
        ("not a url", None, None),
    ],
)
def test_rules(stage, url, rule, value):
    outcome = apply(stage, [url])
    assert (outcome.rules, outcome.values) == (([rule], [value]) if rule else ([], []))
    assert outcome.counters == ({} if url else {"without_url": 1})
    assert len(outcome.kept) == (rule is None)


def test_rows_thresholds_and_columns(stage):
    batch = pa.record_batch(
        {"id": list("abcd"), "text": list("wxyz"), "url": ["http://ok.org", None, "bad.com", "adult-cam.io"]}
    )
    outcome = stage.apply(batch)
    assert outcome.kept.equals(batch.slice(0, 2)) and outcome.rows.tolist() == [2, 3]
    assert outcome.thresholds == ["not listed", "fewer than 2 listed"] and outcome.counters == {"without_url": 1}
    assert set(outcome.rules) <= set(UrlFilter.rules)
    no_urls = batch.select(["id", "text"])
    assert stage.apply(no_urls).kept.equals(no_urls) and stage.apply(no_urls).counters == {"without_url": 4}
    assert stage.apply(batch[:0]).kept.equals(batch[:0])
    assert stage.apply(batch[2:]).rows.tolist() == [0, 1]


def test_no_lists_and_missing_lists(tmp_path):
    assert apply(UrlFilter(), ["http://bad.com"]).rules == []
    assert UrlFilter().inputs() == []
    stage = UrlFilter(domains=str(tmp_path / "none"), soft_words="soft")
    assert stage.inputs() == [str(tmp_path / "none"), "soft"]
    with pytest.raises(FileNotFoundError):
        apply(stage, ["http://bad.com"])
    (tmp_path / "empty").write_text("# nothing\n")
    assert apply(UrlFilter(*[str(tmp_path / "empty")] * 6), ["http://a.com", ""]).rules == []


def test_public_suffixes_of_a_file(tmp_path):
    (tmp_path / "suffixes.dat").write_text("// ===BEGIN ICANN DOMAINS===\ncom\nmy.com\n// ===END ICANN DOMAINS===\n")
    (tmp_path / "blocked").write_text("b.my.com\n")
    options = {"domains": str(tmp_path / "blocked"), "public_suffixes": str(tmp_path / "suffixes.dat")}
    assert apply(UrlFilter(**options), ["http://a.b.my.com/"]).rules == ["domain"]


PIECES = st.sampled_from(
    ["porn", "PORN", "Adult", "cam", "live", "free", "sex", "x", "/", "/", "-", "_", ".", "?", "é", "%20"]
)
HOSTS = st.sampled_from(["bad.com", "www.bad.com", "a.Evil.co.uk", "blog.good.com", "good.com", "site.org"])


def oracle(url):
    """(rule, value) for a URL with a scheme, by the words of the class's description."""
    lists = {
        name: {e.lower().replace("-", "") if "word" in name else e.lower() for e in v} for name, v in LISTS.items()
    }
    url = url.lower()
    host = urlsplit(url).hostname
    for domain in ("bad.com", "evil.co.uk"):
        if host == domain or host.endswith("." + domain):
            return "domain", domain
    if host in lists["hosts"]:
        return "host", host
    key = re.sub(r"#.*", "", url).split("://")[1].rstrip("/").removeprefix("www.")
    if key in ("site.org/page", "site.org/q?a=1"):
        return "url", key
    words = re.findall("[a-z0-9]+", url)
    for word in words:
        if word in lists["hard_words"]:
            return "hard_word", word
    soft = [word for word in dict.fromkeys(words) if word in lists["soft_words"]]
    if len(soft) > 1:
        return "soft_words", " ".join(soft)
    return ("subword", "freesex") if "freesex" in "".join(words) else None


@given(urls=st.lists(st.builds("http://{}/{}".format, HOSTS, st.lists(PIECES, max_size=8).map("".join)), max_size=6))
@settings(deadline=None)
def test_equals_plain_python(stage, urls):
    outcome = apply(stage, urls, pa.large_string())
    expected = [oracle(url) for url in urls]
    assert outcome.rows.tolist() == [i for i, hit in enumerate(expected) if hit]
    assert list(zip(outcome.rules, outcome.values)) == [hit for hit in expected if hit]
