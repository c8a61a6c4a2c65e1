"""Hosts and registered domains of URLs."""

import pyarrow as pa
import pytest

from corpus.text import urls


def test_domains_of_a_column():
    column = [
        "HTTPS://u@Blog.Example.CO.UK:80/a?b",
        "//b.example.org",
        "example.com/x",
        "http://1.2.3.4",
        "not a url",
        "http://a<b>/",
        "http://[::1]/",
        "",
        None,
    ]
    expected = ["example.co.uk", "example.org", "example.com", "1.2.3.4", "", "", "[::1]", "", ""]
    assert urls.domains_of(pa.array(column)).to_pylist() == expected
    assert urls.hosts_of(pa.array(["http://a.b.", "http://[::1]/", None])).to_pylist() == ["a.b", "[::1]", ""]


@pytest.mark.parametrize("host", ["", "localhost", "co.uk", "1.2.3.4", "[::1]", "a..b", "." * 5, "é" * 70 + ".de"])
def test_hosts_without_a_registered_domain(host):
    assert urls.registered_domain(host) in (host, host.lstrip("."), "a..b")
