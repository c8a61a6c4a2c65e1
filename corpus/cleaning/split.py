"""C4's division into training and validation data, by the hash of a page's address."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.dedup.urls import normalize_url
from corpus.documents import Outcome, replace_column

TRAIN, VALIDATION = "train", "validation"


@dataclasses.dataclass(frozen=True)
class Split:
    """Writes the column `split`: "validation" for one page in `validation_every`, "train" for the others.

    A page is of the validation data if the MD5 of its normalised URL, taken as one big-endian integer,
    is divisible by `validation_every`: 1000 in C4 and mC4 (tensorflow-datasets 4.9.10, `text/c4.py`). A
    document without a URL goes by its id. So a page is on the same side in every crawl and every run.

    keep: "train" or "validation" drops the documents of the other side; "" keeps both.
    Raises ValueError if `validation_every` is below 1.
    """

    name: ClassVar[str] = "split"
    rules: ClassVar[tuple[str, ...]] = ("other_split",)

    validation_every: int = 1000
    keep: Literal["", "train", "validation"] = ""

    def __post_init__(self):
        if self.validation_every < 1:
            raise ValueError(f"split.validation_every is {self.validation_every}, below 1")
        if self.keep not in ("", TRAIN, VALIDATION):
            raise ValueError(f"split.keep is 'train', 'validation' or '', not {self.keep!r}")

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
