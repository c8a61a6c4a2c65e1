"""What makes two URLs the same page."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"https?:\/\/(www\.)?")
_TRACKING = re.compile(r"\?(utm_|ref|feed).*")


def normalize_url(url: str) -> str:
    """C4's key of a page: `http(s)://` and a following `www.` removed wherever they stand, then
    what follows `?utm_`, `?ref` or `?feed`, with it, up to the end of the line, then trailing `/`.
    """
    return _TRACKING.sub("", _SCHEME.sub("", url)).rstrip("/")
