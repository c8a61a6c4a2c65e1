"""C4's division into training and validation data, by the hash of a page's address."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.documents import replace_column
from corpus.options import option
from corpus.step import Filter, Outcome
from corpus.text.urls import normalize_url

TRAIN, VALIDATION = "train", "validation"


@dataclasses.dataclass(frozen=True)
class Split(Filter):
    """Writes the column `split`: "validation" for one page in `validation_every`, "train" for the others.

    A page is of the validation data if the MD5 of its normalised URL, taken as one big-endian integer,
    is divisible by `validation_every`: 1000 in C4 and mC4 (tensorflow-datasets 4.9.10, `text/c4.py`). A
    document without a URL goes by its id. So a page is on the same side in every crawl and every run.

    >>> import corpus
    >>> pages = [{"text": "page", "url": f"https://example.org/{i}"} for i in range(8)]
    >>> corpus.apply_filters(pages, corpus.Split(validation_every=4)).kept["split"].to_pylist()
    ['validation', 'train', 'train', 'train', 'validation', 'train', 'validation', 'train']
    """

    name: ClassVar[str] = "split"
    rules: ClassVar[tuple[str, ...]] = ("other_split",)

    validation_every: int = option(1000, "One page in so many is of the validation data.", ge=1)
    keep: Literal["", "train", "validation"] = option("", "Drop the documents of the other side; empty keeps both.")

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Tags every document; a dropped one is reported with its side as the value."""
        sides = [VALIDATION if digest % self.validation_every == 0 else TRAIN for digest in page_digests(batch)]
        batch = replace_column(batch, "split", pa.array(sides, pa.string()))
        counters = {side: sides.count(side) for side in (TRAIN, VALIDATION) if side in sides}
        if not self.keep:
            return Outcome(batch, counters=counters)
        keep = np.array([side == self.keep for side in sides], bool)
        rows = np.flatnonzero(~keep)
        return Outcome(
            batch.filter(pa.array(keep)),
            rows,
            [self.rules[0]] * len(rows),
            [sides[row] for row in rows],
            [self.keep] * len(rows),
            counters,
        )


def page_digests(batch: pa.RecordBatch) -> list[int]:
    """MD5 of the normalised URL of each document, or of its id if it has none, as 128-bit integers."""
    names = batch.column("id").to_pylist()
    if "url" in batch.schema.names:
        urls = batch.column("url").to_pylist()
        names = [normalize_url(url) if url else name for url, name in zip(urls, names)]
    digests = (hashlib.md5(name.encode(), usedforsecurity=False).digest() for name in names)
    return [int.from_bytes(digest, "big") for digest in digests]
