"""What URLs say: the host, its registered domain, and what makes two of them the same page."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

HOST = r"^(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^:/?#]*)"
"""Scheme, user and host of a URL in lower case (RFC 3986, 3); the scheme may be missing."""
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f\"#%/<>?@\\^`{|}]")
"""What stands in no host: the forbidden domain code points of the URL Standard (whatwg.org, 3.2) but `:`, `[` and `]`,
which an IP address has, white space of other scripts, and the quotation mark."""
_SCHEME = re.compile(r"https?:\/\/(www\.)?")
_TRACKING = re.compile(r"\?(utm_|ref|feed).*")


def normalize_url(url: str) -> str:
    """C4's key of a page: `http(s)://` and a following `www.` removed wherever they stand, then
    what follows `?utm_`, `?ref` or `?feed`, with it, up to the end of the line, then trailing `/`.
    """
    return _TRACKING.sub("", _SCHEME.sub("", url)).rstrip("/")


def hosts_of(urls: pa.Array) -> pa.Array:
    """Host of each lower-case URL, "" for none."""
    hosts = pc.struct_field(pc.extract_regex(urls, HOST), "host")
    return pc.utf8_rtrim(pc.fill_null(hosts, ""), ".")


def domains_of(urls: pa.Array) -> pa.Array:
    """The registered domain of each URL, whatever its case; "" where it has no host, or one that cannot be."""
    hosts = pc.dictionary_encode(hosts_of(pc.utf8_lower(urls)))
    found = ["" if _FORBIDDEN.search(host) else registered_domain(host) for host in hosts.dictionary.to_pylist()]
    names = pa.array(found, pa.string())
    return names.take(hosts.indices)


def registered_domain(host: str, suffixes: PublicSuffixList | None = None) -> str:
    """The registered domain of a host in lower case, by the list of the package publicsuffixlist or another one; the
    host itself if it is an IP address or a public suffix, or has no dot. A name in letters beyond ASCII counts as its
    "xn--" form."""
    last = host.rpartition(".")[2]
    if host.startswith("[") or last.isdigit() or not last:
        return host
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return host
    return (suffixes or _of_the_package()).privatesuffix(host) or host


@functools.cache
def _of_the_package() -> PublicSuffixList:
    """The ICANN section of its list."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)
