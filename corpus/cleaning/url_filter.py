"""Documents from addresses that are blocked: by domain, host, exact URL, or words in the URL."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.cleaning.bad_words import Trie, build_trie, first_entries
from corpus.io import paths
from corpus.options import option
from corpus.step import Filter, Outcome, Place
from corpus.text import arrow, hashing
from corpus.text import urls as url_parts
from corpus.text.distinct import distinct

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

KEY = r"^(?:[a-z][a-z0-9+.-]*:)?//|#.*$|/+$"
"""What two spellings of a URL may differ in, case aside; see `url_keys`."""


@dataclass(frozen=True)
class UrlFilter(Filter):
    """Drops documents whose URL one of the lists names; the first rule that hits wins.

    The rules and their order are those of datatrove's URLFilter (FineWeb); the lists are not part of this
    package. Each list is the path of a text file of one entry a line; "#" begins a comment line.

    domains: registered domains ("example.co.uk"), rule `domain`; they block other hosts below them, too
    hosts: whole hosts ("blog.example.com"); those in `domains` count as well, rule `host`
    urls: exact URLs but for scheme, "www.", fragment and "/" at the end, rule `url`
    hard_words: one of these words in the URL, rule `hard_word`
    soft_words: `min_soft_words` different ones of these words, rule `soft_words`
    subwords: one of these anywhere in the URL when all but letters and digits is left out, rule `subword`
    public_suffixes: a public_suffix_list.dat to use instead of that of the package publicsuffixlist

    Words are runs of ASCII letters and digits. Case matters nowhere (datatrove lowers its lists but not the
    words of the URL, so that "/PORN/" passes). A registered domain is the part of a host below a public suffix
    of the ICANN section, as tldextract has it ("a.blogspot.com" is of "blogspot.com"); an IP address is its
    own. The value is the entry found, for words the first in the URL. Documents without a URL are kept and
    counted as `without_url`. Raises FileNotFoundError where a list is missing.

    Domains, hosts and URLs are kept as 64-bit hashes (XXH64): 8 bytes an entry. A URL that is not
    listed hits with a chance of (entries / 2**64), one in 10**12 for lists of millions.

    >>> import corpus, pathlib, tempfile
    >>> listed = pathlib.Path(tempfile.mkdtemp(), "domains.txt")
    >>> _ = listed.write_text("example.com\\n")
    >>> pages = [{"text": "a", "url": "https://www.example.com/1"}, {"text": "b", "url": "https://example.org/"}]
    >>> corpus.apply_filters(pages, corpus.UrlFilter(domains=str(listed))).kept["text"].to_pylist()
    ['b']
    """

    domains: str | None = option(
        None, "List of registered domains (example.co.uk), which block other hosts below them, too."
    )
    hosts: str | None = option(None, "List of whole hosts (blog.example.com).")
    urls: str | None = option(None, "List of URLs, exact but for scheme, www., fragment and a slash at the end.")
    hard_words: str | None = option(None, "List of words of which the URL may hold none.")
    soft_words: str | None = option(None, "List of words of which the URL may hold a few.")
    subwords: str | None = option(None, "List of what must stand nowhere among the URL's letters and digits.")
    min_soft_words: int = option(2, "Different soft words that drop a document.")
    public_suffixes: str | None = option(None, "A public_suffix_list.dat in place of the package publicsuffixlist's.")

    name: ClassVar[str] = "url_filter"
    rules: ClassVar[tuple[str, ...]] = ("domain", "host", "url", "hard_word", "soft_words", "subword")

    def left_out(self) -> str | None:
        """Without a list it drops nothing."""
        lists = ("domains", "hosts", "urls", "hard_words", "soft_words", "subwords")
        if any(getattr(self, name) for name in lists):
            return None
        return "it has no list; --set url_filter.domains=FILE names one of domains, an entry a line"

    def inputs(self) -> list[str]:
        """The list files it reads."""
        names = (self.domains, self.hosts, self.urls, self.hard_words, self.soft_words, self.subwords)
        return [path for path in (*names, self.public_suffixes) if path]

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drops by the first rule that hits; the value is the entry of the list."""
        urls = batch["url"] if "url" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
        urls = pc.ascii_lower(pc.fill_null(urls.cast(pa.string()), ""))
        missing = int(pc.sum(pc.equal(urls, "")).as_py() or 0)
        decided = np.full(batch.num_rows, -1)
        values: dict[int, str] = {}
        for number, found in enumerate((*self._by_place(urls), *self._by_words(urls))):
            for row, value in found.items():
                if decided[row] < 0:
                    decided[row], values[row] = number, value
        rows = np.flatnonzero(decided >= 0)
        threshold = {"soft_words": f"fewer than {self.min_soft_words} listed"}
        return Outcome(
            batch.filter(pa.array(decided < 0)) if len(rows) else batch,
            rows,
            [self.rules[number] for number in decided[rows]],
            [values[row] for row in rows.tolist()],
            [threshold.get(self.rules[number], "not listed") for number in decided[rows]],
            {"without_url": missing} if missing else {},
        )

    def where_in(self, batch: pa.RecordBatch, outcome: Outcome) -> list[Place]:
        """What of the URL is listed."""
        if not outcome.rules:
            return []
        rule, url = outcome.rules[0], batch["url"][0].as_py().encode()
        words = [outcome.values[0]] if rule != "soft_words" else outcome.values[0].split()
        if rule == "subword":
            patterns = ["[^a-z0-9]*".join(words[0])]
        elif rule in ("hard_word", "soft_words"):
            patterns = [f"(?<![a-z0-9]){word}(?![a-z0-9])" for word in words]
        else:
            patterns = [re.escape(words[0])]
        found = (re.search(pattern.encode(), url, re.IGNORECASE) for pattern in patterns)
        return [Place(rule, *match.span(), "url") for match in found if match]

    def _by_place(self, urls: pa.Array) -> tuple[dict[int, str], ...]:
        """Rows that the rules `domain`, `host` and `url` hit, and the entries."""
        domain: dict[int, str] = {}
        host: dict[int, str] = {}
        url: dict[int, str] = {}
        if self.domains or self.hosts:
            hosts = url_parts.hosts_of(urls)
            for path in filter(None, (self.hosts, self.domains)):
                host |= _listed(hosts, load_hosts(path))
        if self.domains:
            unique = pc.dictionary_encode(hosts)
            suffixes = suffix_list(self.public_suffixes) if self.public_suffixes else None
            domains = [url_parts.registered_domain(name, suffixes) for name in unique.dictionary.to_pylist()]
            domain = _listed(pa.array(domains, pa.string()).take(unique.indices), load_hosts(self.domains))
        if self.urls:
            url = _listed(url_keys(urls), load_urls(self.urls))
        return domain, host, url

    def _by_words(self, urls: pa.Array) -> tuple[dict[int, str], ...]:
        """Rows that the rules `hard_word`, `soft_words` and `subword` hit, and the entries."""
        hard: dict[int, str] = {}
        soft: dict[int, str] = {}
        sub: dict[int, str] = {}
        if self.hard_words or self.soft_words or self.subwords:
            words = words_of(urls)
        if self.hard_words:
            hard = _first_words(words, load_words(self.hard_words), False)
        if self.soft_words:
            trie = load_words(self.soft_words)
            listed = set(trie.words)
            for row in _first_words(words, trie, False):
                hits = [word for word in dict.fromkeys(words[row].as_py().split()) if word in listed]
                if len(hits) >= self.min_soft_words:
                    soft[row] = " ".join(hits)
        if self.subwords:
            sub = _first_words(pc.replace_substring(words, " ", ""), load_words(self.subwords), True)
        return hard, soft, sub


def url_keys(urls: pa.Array) -> pa.Array:
    """Lower-case URLs without scheme, "www.", fragment and "/" at the end."""
    bare = pc.replace_substring_regex(pc.replace_substring_regex(urls, r"#.*$", ""), KEY, "")
    return pc.replace_substring_regex(bare, r"^www\.", "")


def words_of(urls: pa.Array) -> pa.Array:
    """The words of each lower-case URL with one space between them."""
    return pc.replace_substring_regex(urls, "[^a-z0-9]+", " ")


@functools.cache
def suffix_list(path: str) -> PublicSuffixList:
    """The public suffix list of a file, its ICANN section; read once a process."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(paths.read_bytes(path).decode("utf-8").splitlines(), only_icann=True)


def _entries(path: str) -> pa.Array:
    """Entries of a list in lower case, without comments and blank lines."""
    lines = pa.array(paths.read_bytes(path).decode("utf-8").splitlines(), pa.string())
    lines = pc.ascii_lower(pc.utf8_trim_whitespace(lines))
    return lines.filter(pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, "#"))))


@functools.cache
def load_hosts(path: str) -> np.ndarray:
    """Sorted hashes (uint64) of a list of domains or hosts."""
    return distinct(_hashes(pc.utf8_trim(_entries(path), ".")))


@functools.cache
def load_urls(path: str) -> np.ndarray:
    """Sorted hashes (uint64) of a list of URLs."""
    return distinct(_hashes(url_keys(_entries(path))))


@functools.cache
def load_words(path: str) -> Trie:
    """A list of words, only their letters and digits."""
    words = pc.replace_substring_regex(_entries(path), "[^a-z0-9]+", "").to_pylist()
    return build_trie(tuple(dict.fromkeys(word for word in words if word)))


def _hashes(texts: pa.Array) -> np.ndarray:
    data, offsets = arrow.buffers(texts)
    return hashing.hash_spans(data, offsets[:-1], offsets[1:])


def _listed(texts: pa.Array, hashes: np.ndarray) -> dict[int, str]:
    """Rows of the texts that are in a list, and the texts; an empty text is in none."""
    if not len(hashes) or not len(texts):
        return {}
    wanted = _hashes(texts)
    places = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
    hits = np.flatnonzero((hashes[places] == wanted) & (pc.binary_length(texts).to_numpy() > 0))
    return {int(row): texts[row].as_py() for row in hits}


def _first_words(texts: pa.Array, trie: Trie, anywhere: bool) -> dict[int, str]:
    """Rows of the texts with a word of the list, and the first such word."""
    entries = first_entries(texts, trie, anywhere)
    return {int(row): trie.words[entries[row]] for row in np.flatnonzero(entries >= 0)}
