"""Main content of HTML pages by trafilatura, as FineWeb has it. Imported only by the child process of
`corpus.reading.html`: the package is optional, and slow to import."""

from __future__ import annotations

import logging

import trafilatura
from trafilatura import deduplication

from corpus.reading import charset

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # a page without content is no error


def extract_main(data: bytes, declared: str | None = None) -> str:
    """The text of a page without boilerplate and comments, "" if there is none. `declared` is the
    charset of the HTTP header.

    The settings are those of FineWeb (Penedo et al. 2024), datatrove's defaults. trafilatura counts
    paragraphs it has seen to leave out those that repeat, and does so from page to page, so that a
    page's text would depend on what its process read before. Here counting begins anew with each
    page: the text is that of a fresh process.
    """
    deduplication.LRU_TEST.clear()
    text = trafilatura.extract(
        charset.decode(data, declared), favor_precision=True, include_comments=False, deduplicate=True
    )
    return text or ""
