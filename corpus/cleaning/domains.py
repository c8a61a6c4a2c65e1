"""Documents from listed places: the allow-lists of C4's RealNews-like and WebText-like parts."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import xxhash

from corpus.io import paths
from corpus.options import option
from corpus.step import Filter, Outcome
from corpus.text.distinct import distinct
from corpus.text.urls import normalize_url

Hosts = Mapping[str, frozenset[str] | None]
"""Listed domains, each with the hosts allowed below it, or None for all."""

_HOST = re.compile(r"\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://)?(?:[^/?#@]*@)?([^/?#:\s]*)")


@dataclasses.dataclass(frozen=True)
class DomainFilter(Filter):
    """Keeps the documents whose URL is in a list.

    path: a file, folder or glob of lists. Text: one entry a line, blank lines and those that begin with
        "#" left out. A file *.json: an object of domains, as C4's list of RealNews; where the value is
        a list, only those subdomains count ("" is the domain itself, which `www.` belongs to).
    entries: "domains" keeps a document if its host, or a domain above it, is in the list, whatever the
        case, `www.` or port; so an entry `bbc.co.uk` takes `news.bbc.co.uk` in, `news.bbc.co.uk` only
        itself and what lies below it. "urls" keeps it if its normalised URL is that of an entry
        (`corpus.text.urls.normalize_url`), as c4_utils.filter_by_webtextlike does.

    c4_utils.is_realnews_domain (tensorflow-datasets 4.9.10) looks the registered domain up, by the
    public suffix list, and minds the case: entries that are registered domains decide alike here.
    Raises FileNotFoundError if there is no list.

    >>> import corpus, pathlib, tempfile
    >>> listed = pathlib.Path(tempfile.mkdtemp(), "domains.txt")
    >>> _ = listed.write_text("example.org\\n")
    >>> pages = [{"text": "a", "url": "https://news.example.org/1"}, {"text": "b", "url": "https://example.com/"}]
    >>> corpus.apply_filters(pages, corpus.DomainFilter(path=str(listed))).kept["text"].to_pylist()
    ['a']
    """

    name: ClassVar[str] = "domains"
    rules: ClassVar[tuple[str, ...]] = ("no_url", "not_listed")

    path: str = option(
        help="A file, folder or glob of lists: text with an entry a line, or a .json object of domains. "
        "A recipe leaves the step out where it is empty."
    )
    entries: Literal["domains", "urls"] = option(
        "domains", "What the entries are: domains, with all that lies below them, or whole URLs."
    )

    def left_out(self) -> str | None:
        """Without a list nobody knows what to keep."""
        return None if self.path else "it has no list; --set domains.path=FILE names one of domains, an entry a line"

    def inputs(self) -> list[str]:
        """The list files it reads."""
        return [source.path for source in paths.expand(self.path)]

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drops by `no_url`, or `not_listed` with the host or normalised URL as the value."""
        urls = batch.column("url").to_pylist() if "url" in batch.schema.names else [None] * batch.num_rows
        if self.entries == "domains":
            names = [host_of(url) if url else "" for url in urls]
            hosts = load_domains(tuple(self.inputs()))
            listed = np.array([is_listed(name, hosts) for name in names], bool)
        else:
            names = [normalize_url(url) if url else "" for url in urls]
            listed = np.isin(_hashes(names), load_urls(tuple(self.inputs())))
        has_url = np.array([bool(url) for url in urls], bool)
        keep = has_url & listed
        rows = np.flatnonzero(~keep)
        return Outcome(
            batch.filter(pa.array(keep)),
            rows,
            [self.rules[int(has_url[row])] for row in rows],
            [names[row] for row in rows],
            [f"in the list of {self.entries}"] * len(rows),
        )


def host_of(url: str) -> str:
    """Host of a URL, with or without its scheme, in lower case, without user, port, final dot and `www.`."""
    found = _HOST.match(url)
    return _without_www(found[1].lower().rstrip(".")) if found else ""


def _without_www(host: str) -> str:
    """`www.com` is a domain and stays."""
    rest = host.removeprefix("www.")
    return rest if "." in rest else host


def is_listed(host: str, hosts: Hosts) -> bool:
    """Whether a host, or a domain above it, is in the list; `host` is as `host_of` gives it."""
    domain = host
    while domain:
        if domain in hosts:
            allowed = hosts[domain]
            if allowed is None or host in allowed:
                return True
        domain = domain.partition(".")[2]
    return False


@functools.cache
def load_domains(files: tuple[str, ...]) -> Hosts:
    """The domains in list files; read once a process. Raises ValueError for JSON that is no object."""
    hosts: dict[str, frozenset[str] | None] = {}
    for name in files:
        if paths.has_suffix(name, ".json"):
            listed = json.loads(paths.read_bytes(name))
            if not isinstance(listed, dict):
                raise ValueError(f"{name} is not a JSON object of domains")
        else:
            listed = dict.fromkeys(_lines(name))
        for entry, below in listed.items():
            domain = host_of(entry)
            if isinstance(below, list):
                allowed = frozenset(host_of(f"{label}.{domain}") if label else domain for label in below)
                earlier = hosts.get(domain, frozenset())
                hosts[domain] = None if earlier is None else earlier | allowed
            else:
                hosts[domain] = None
    hosts.pop("", None)
    return hosts


@functools.cache
def load_urls(files: tuple[str, ...]) -> np.ndarray:
    """Sorted hashes (uint64) of the normalised URLs in list files; read once a process.

    23 million URLs, as OpenWebText has, take 184 MB. One of n other pages is taken for a listed one with
    probability n * 23e6 / 2**64: 0.001 for n = 1e9."""
    return distinct(np.concatenate([_hashes([normalize_url(url) for url in _lines(name)]) for name in files]))


def _lines(name: str) -> list[str]:
    """The entries of a text file."""
    lines = (line.strip() for line in paths.read_bytes(name).decode("utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _hashes(names: list[str]) -> np.ndarray:
    """XXH3-64 (uint64) of each string."""
    return np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in names], np.uint64)
