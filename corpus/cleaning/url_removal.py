"""URLs and IP addresses cut out of texts, as RefinedWeb has it (Penedo et al. 2023, section G.2)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import replace_column
from corpus.io import paths
from corpus.options import option
from corpus.step import Filter, Outcome

BEFORE = r"[\s\v]{0,10}"
SCHEME = r"(?:(?:https?|ftp)://)?"
AFTER = r"[-a-zA-Z0-9()@:%_+.~#?&/=]*"
ADDRESS = r"(?:[0-2]?[0-9]{1,2}\.){3}[0-2]?[0-9]{1,2}"


@dataclass(frozen=True)
class UrlRemoval(Filter):
    """Cuts URLs and IPv4 addresses out of texts, with the white space before them; drops no document.

    The rules are those of DataComp-LM (`url_removal_modifier`, `newline_removal_modifier` of
    `baselines/mappers/modifiers.py`). A URL is an optional scheme (http, https, ftp), a run of letters, digits
    and -@:%._+~#= up to "." and a top-level domain in lower case, and what may follow in a URL. So "readme.md"
    is one, too. An address is four numbers with dots between them, a scheme before and what follows as with
    URLs. At most ten characters of white space are cut before either, line ends among them.

    Top-level domains are those of the public suffix list; DataComp-LM has a list of its own, of about 2020.
    White space and word ends are ASCII, where DataComp-LM's are Unicode: "example.com" is cut also where letters
    of another script follow. Counter: `changed`, texts with a cut.

    >>> import corpus
    >>> corpus.apply_filters(["See https://example.org/a?b for more."], corpus.UrlRemoval()).kept["text"].to_pylist()
    ['See for more.']
    """

    ip_addresses: bool = option(True, "Cut IPv4 addresses as well.")
    max_newlines: int | None = option(None, "More newlines in a row become as many.", ge=1)
    public_suffixes: str | None = option(None, "A public_suffix_list.dat in place of the package publicsuffixlist's.")

    name: ClassVar[str] = "url_removal"
    rules: ClassVar[tuple[str, ...]] = ()

    def inputs(self) -> list[str]:
        """The list it reads, if one is named."""
        return [self.public_suffixes] if self.public_suffixes else []

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """The batch with cut texts."""
        before = pc.fill_null(batch["text"], "")
        text = pc.replace_substring_regex(before, url_pattern(self.public_suffixes), "")
        if self.ip_addresses:
            text = pc.replace_substring_regex(text, BEFORE + r"\b" + SCHEME + ADDRESS + AFTER, "")
        if self.max_newlines is not None:
            text = pc.replace_substring_regex(text, rf"\n{{{self.max_newlines},}}", "\n" * self.max_newlines)
        changed = pc.sum(pc.not_equal(text, before)).as_py() or 0
        kept = replace_column(batch, "text", text) if changed else batch
        return Outcome(kept, counters={"changed": changed} if changed else {})


@functools.cache
def url_pattern(public_suffixes: str | None = None) -> str:
    """The regular expression of a URL."""
    domains = "|".join(map(re.escape, top_level_domains(public_suffixes)))
    return rf"{BEFORE}{SCHEME}[-a-zA-Z0-9@:%._+~#=]+\.(?:{domains})\b{AFTER}"


def top_level_domains(public_suffixes: str | None = None) -> list[str]:
    """Those in ASCII that the public suffix list, of a file or of the package publicsuffixlist, ends in."""
    if public_suffixes is None:
        from publicsuffixlist import PSLFILE

        public_suffixes = PSLFILE
    lines = paths.read_bytes(public_suffixes).decode("utf-8").splitlines()
    names = {line.strip().rpartition(".")[2] for line in lines if line.strip() and not line.startswith("//")}
    return sorted(name for name in names if name.isascii())
